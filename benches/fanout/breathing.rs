//! How long a request waits while twenty broadcasts a second go to thousands on the same core.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::{
    channel::FRAME_BYTES,
    machine::{median, share},
    process::Pair,
};

const BROADCASTS: usize = 100;
const EVERY: Duration = Duration::from_millis(50);

/// Asks one request after the other on one connection; each answer's time in milliseconds.
fn ask(address: &str, going: &AtomicBool) -> Vec<f64> {
    let mut stream = TcpStream::connect(address).expect("connected");
    stream.set_nodelay(true).expect("set");
    let (mut took, mut heard) = (Vec::new(), [0; 4096]);
    while going.load(Relaxed) {
        let began = Instant::now();
        stream.write_all(b"GET /hello HTTP/1.1\r\nHost: hub\r\n\r\n").expect("sent");
        let length = stream.read(&mut heard).expect("read");
        assert!(heard[..length].ends_with(b"hello"));
        took.push(began.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_millis(2));
    }
    took
}

fn requests(pair: &mut Pair, clients: usize, broadcasts: bool) -> Vec<f64> {
    let going = AtomicBool::new(true);
    let address = pair.address.clone();
    pair.clients.order(&format!("expect {}", if broadcasts { clients * FRAME_BYTES * BROADCASTS } else { 0 }));
    assert_eq!(pair.clients.line(), "waiting");
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&address, &going));
        let began = Instant::now();
        for round in 1..=BROADCASTS {
            if broadcasts {
                pair.server.order(&format!("say {FRAME_BYTES} 1"));
            }
            std::thread::sleep((EVERY * round as u32).saturating_sub(began.elapsed()));
        }
        assert_eq!(pair.clients.line(), "complete");
        going.store(false, Relaxed);
        asking.join().expect("no panic")
    })
}

pub fn measure(clients: usize, sessions: usize) {
    let mut pair = Pair::start("hub", "cable", clients);
    let mut all: Vec<[Vec<f64>; 2]> = Vec::new();
    for _ in 0..sessions {
        all.push([requests(&mut pair, clients, false), requests(&mut pair, clients, true)]);
    }
    println!("{clients} clients, 20 broadcasts a second to all of them; GET on the same core, medians of {sessions} sessions");
    for (at, name) in ["without broadcasts", "with broadcasts"].iter().enumerate() {
        let of = |part: f64| median(all.iter().map(|session| share(session[at].iter().copied(), part)));
        println!("  {name:20} p50 {:5.2} ms, p99 {:5.2} ms, longest {:5.2} ms", of(0.5), of(0.99), of(1.0));
    }
}
