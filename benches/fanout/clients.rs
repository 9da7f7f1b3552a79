//! The clients: many on one thread, told by lines on standard input when to come, what to wait for and when to go.

mod returning;
pub mod socket;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use tokio::{runtime::Runtime, task::JoinHandle};

use socket::{Address, Kind, Socket};

/// Clients that connect at the same time, where they do not all.
const AT_ONCE: usize = 64;

/// What the clients of this process have seen.
#[derive(Default)]
pub struct Seen {
    received: AtomicU64,
    /// The longest that one of them waited for a broadcast, and for a ping, in microseconds.
    silence: AtomicU64,
    ping_silence: AtomicU64,
    /// Frames that nobody was owed.
    extra: AtomicU64,
}

pub fn run(kind: &str, address: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (kind, address) = (Kind::read(kind), Arc::new(Address::read(address)));
    let seen = Arc::new(Seen::default());
    let mut tasks: Vec<JoinHandle<()>> = Vec::new();
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let number = |text: &str| text.parse::<usize>().expect("a number");
        match *line.split(' ').collect::<Vec<_>>() {
            ["connect", clients] => {
                let began = Instant::now();
                tasks.extend(connect(&runtime, kind, &address, number(clients), &seen));
                println!("{}", began.elapsed().as_secs_f64() * 1e3);
            }
            ["expect", bytes] => {
                let expected = seen.received.load(Relaxed) + number(bytes) as u64;
                println!("waiting");
                wait(&seen, expected);
            }
            // Everybody at once: until welcomed, or until all that was missed has come.
            ["welcomes", clients] => println!("{}", everybody(&runtime, &address, number(clients), None, &seen, &mut tasks)),
            ["returns", clients, epoch, offset, first, missed] => {
                let missed = returning::Missed::new(epoch, number(offset), number(first), number(missed));
                println!("{}", everybody(&runtime, &address, number(clients), Some(Arc::new(missed)), &seen, &mut tasks));
            }
            ["received"] => println!("{}", seen.received.load(Relaxed)),
            ["silence"] => println!("{}", seen.silence.swap(0, Relaxed) as f64 / 1e3),
            ["ping_silence"] => println!("{}", seen.ping_silence.swap(0, Relaxed) as f64 / 1e3),
            ["extra"] => println!("{}", seen.extra.load(Relaxed)),
            ["leave"] => {
                tasks.drain(..).for_each(|task| task.abort());
                std::thread::sleep(Duration::from_millis(300));
                println!("0");
            }
            _ => return,
        }
    }
}

fn wait(seen: &Seen, expected: u64) {
    let began = Instant::now();
    while seen.received.load(Relaxed) < expected {
        assert!(began.elapsed() < Duration::from_secs(30), "{} bytes are missing", expected - seen.received.load(Relaxed));
        std::thread::sleep(Duration::from_micros(200));
    }
    println!("complete");
}

fn connect(runtime: &Runtime, kind: Kind, address: &Arc<Address>, clients: usize, seen: &Arc<Seen>) -> Vec<JoinHandle<()>> {
    runtime.block_on(async {
        let connecting = (0..clients).map(|at| tokio::spawn(Socket::open(kind, address.clone(), at)));
        let mut connecting = stream::iter(connecting).buffer_unordered(AT_ONCE);
        let mut tasks = Vec::with_capacity(clients);
        while let Some(socket) = connecting.next().await {
            tasks.push(tokio::spawn(socket.expect("no panic").listen(kind, seen.clone())));
        }
        tasks
    })
}

/// How long it takes until the last of them has what it came for, in milliseconds. They stay.
fn everybody(
    runtime: &Runtime,
    address: &Arc<Address>,
    clients: usize,
    missed: Option<Arc<returning::Missed>>,
    seen: &Arc<Seen>,
    tasks: &mut Vec<JoinHandle<()>>,
) -> f64 {
    let (began, left) = (Instant::now(), Arc::new(AtomicU64::new(clients as u64)));
    let ended: Arc<OnceLock<f64>> = Arc::default();
    let done = Arc::new(tokio::sync::Notify::new());
    for at in 0..clients {
        let (address, missed, seen) = (address.clone(), missed.clone(), seen.clone());
        let (left, ended, done) = (left.clone(), ended.clone(), done.clone());
        tasks.push(runtime.spawn(async move {
            let mut client = returning::Returning::arrive(&address, at).await;
            if let Some(missed) = &missed {
                client.recover(missed).await;
            }
            if left.fetch_sub(1, Relaxed) == 1 {
                let _ = ended.set(began.elapsed().as_secs_f64() * 1e3);
                done.notify_one();
            }
            client.stay(&seen).await;
        }));
    }
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(120), done.notified()).await.unwrap_or_else(|_| {
            panic!("{} of {clients} did not get what they came for", left.load(Relaxed));
        });
    });
    *ended.get().expect("set before it was told")
}
