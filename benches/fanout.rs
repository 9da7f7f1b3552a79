//! A broadcast to many: the gateway against a bare loop of send(2) over as many sockets, interleaved in one run; and what an idle client costs.
//!
//! `cargo bench --bench fanout` runs all; `-- fanout 5000` or `-- memory 10000` one part. The server is a process of its own (this binary
//! again), so its processor time and memory are its own; the clients live here. Figures are medians; what matters are the ratios.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream as StdStream},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use actix_web::App;
use futures::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use trunkline::{
    actors::{Admission, AskError, Broadcast, Channel, Hub, HubConfig, Plan, Subscribing},
    edge::{Everybody, ServeConfig, serve},
    persistence::MemoryJournal,
    protocol::{Principal, Topic},
};

const IDENTIFIER: &str = r#"{\"channel\":\"Bench\"}"#;
/// As in the design's measurements: 204 bytes on the wire.
const FRAME_BYTES: usize = 204;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |at: usize, default: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    match arguments.first().map(String::as_str) {
        Some("server") => server(),
        Some("fanout") => fanout(number(1, 1_000), number(2, 5)),
        Some("memory") => memory(number(1, 10_000)),
        _ => {
            fanout(1_000, 5);
            fanout(5_000, 5);
            memory(10_000);
        }
    }
}

// The server's side.

struct Bench;

impl Channel for Bench {
    fn name(&self) -> &'static str {
        "Bench"
    }
    fn admit<'a>(&'a self, _: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async { Ok(Admission::to([Topic::channel("bench")])) })
    }
}

/// Obeys lines: `floor`, `floor16`, `hub`, `hub16`, `cpu`, `rss`.
#[tokio::main(worker_threads = 1)]
async fn server() {
    let mut plan = Plan::new();
    plan.channel(Bench);
    let hub = Hub::open(plan, MemoryJournal::new(), HubConfig::default()).await.expect("a hub");
    let config = ServeConfig { cores: 1, ping_every: Duration::from_secs(3600), ..ServeConfig::default() };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let running = serve(config, listener, hub.clone(), Arc::new(Everybody(Principal::house())), App::new).await.expect("serving");
    let floor = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{} {}", running.addr, floor.local_addr().expect("an address"));
    let sockets: Arc<parking_lot::Mutex<Vec<StdStream>>> = Arc::default();
    let accepted = sockets.clone();
    std::thread::spawn(move || {
        for socket in floor.incoming().flatten() {
            let _ = socket.set_nodelay(true);
            accepted.lock().push(socket);
        }
    });
    let frame = vec![b'x'; FRAME_BYTES];
    let message = format!("\"{}\"", "x".repeat(message_bytes() - 2));
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match line.as_str() {
            "floor" => bare(&sockets.lock(), &frame),
            "floor16" => (0..16).for_each(|_| bare(&sockets.lock(), &frame)),
            "coalesced16" => bare(&sockets.lock(), &frame.repeat(16)),
            "hub" | "hub16" => {
                for _ in 0..if line == "hub" { 1 } else { 16 } {
                    let broadcast = Broadcast {
                        topic: Topic::channel("bench"),
                        message: message.clone().into(),
                        offset: None,
                        conflate: None,
                        except: None,
                        kind: None,
                    };
                    hub.publish(broadcast, false).await.expect("published");
                }
            }
            "cpu" => println!("{}", cpu_ns()),
            "rss" => println!("{}", rss_bytes()),
            _ => return,
        }
    }
}

/// A frame is a header of four bytes, `{"identifier":…,"message":…}`, and the message.
fn message_bytes() -> usize {
    FRAME_BYTES - 4 - r#"{"identifier":"","message":}"#.len() - IDENTIFIER.len()
}

fn bare(sockets: &[StdStream], frame: &[u8]) {
    use rustix::net::SendFlags;
    for socket in sockets {
        let _ = rustix::net::send(socket, frame, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }
}

/// Time on a processor, of all threads.
fn cpu_ns() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("a proc file system").flatten();
    let spent = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    spent.filter_map(|line| line.split(' ').next()?.parse::<u64>().ok()).sum()
}

fn rss_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("a proc file system");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

// The clients' side.

struct Server {
    child: Child,
    say: ChildStdin,
    hear: BufReader<ChildStdout>,
    cable: SocketAddr,
    floor: SocketAddr,
}

impl Server {
    fn start() -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program).arg("server").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a server");
        let say = child.stdin.take().expect("piped");
        let mut hear = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        hear.read_line(&mut line).expect("a line");
        let mut addresses = line.split_whitespace().map(|address| address.parse().expect("an address"));
        let (cable, floor) = (addresses.next().expect("one"), addresses.next().expect("two"));
        Self { child, say, hear, cable, floor }
    }
    fn order(&mut self, what: &str) {
        writeln!(self.say, "{what}").expect("said");
    }
    fn ask(&mut self, what: &str) -> u64 {
        self.order(what);
        let mut line = String::new();
        self.hear.read_line(&mut line).expect("heard");
        line.trim().parse().expect("a number")
    }
}
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Counts what arrives, for ever.
fn count(mut socket: TcpStream, received: Arc<AtomicU64>) {
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = socket.read(&mut buffer).await {
            received.fetch_add(length as u64, Relaxed);
        }
    });
}

async fn subscribe(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.expect("connected");
    let handshake = "GET /cable HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let text = format!(r#"{{"command":"subscribe","identifier":"{IDENTIFIER}"}}"#);
    let mut bytes = handshake.as_bytes().to_vec();
    bytes.extend_from_slice(&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0]);
    bytes.extend_from_slice(text.as_bytes());
    socket.write_all(&bytes).await.expect("sent");
    let mut heard = Vec::new();
    while !heard.ends_with(b"\"type\":\"confirm_subscription\"}") {
        assert!(socket.read_buf(&mut heard).await.expect("read") > 0, "{}", String::from_utf8_lossy(&heard));
    }
    socket
}

struct Measured {
    cpu_ns: f64,
    complete_ms: f64,
}

async fn run(server: &mut Server, what: &str, received: &AtomicU64, clients: usize, messages: usize, rounds: usize) -> Measured {
    let pace = Duration::from_millis((clients / 60).max(10) as u64);
    let mut complete = Vec::new();
    let before = server.ask("cpu");
    for _ in 0..rounds {
        let expected = received.load(Relaxed) + (clients * messages * FRAME_BYTES) as u64;
        let start = Instant::now();
        server.order(what);
        while received.load(Relaxed) < expected {
            assert!(start.elapsed() < Duration::from_secs(20), "{what}: {} bytes are missing", expected - received.load(Relaxed));
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        complete.push(start.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(pace).await;
    }
    let spent = server.ask("cpu") - before;
    Measured { cpu_ns: spent as f64 / (clients * messages * rounds) as f64, complete_ms: median(complete) }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[tokio::main(worker_threads = 1)]
async fn fanout(clients: usize, sessions: usize) {
    let mut server = Server::start();
    let received = Arc::new(AtomicU64::new(0));
    for _ in 0..clients {
        let socket = TcpStream::connect(server.floor).await.expect("connected");
        count(socket, received.clone());
    }
    for _ in 0..clients {
        count(subscribe(server.cable).await, received.clone());
    }
    println!("{clients} clients, {FRAME_BYTES} bytes a frame, medians of {sessions} interleaved runs");
    let rounds = (60_000 / clients).max(12);
    let kinds = [("floor", 1, rounds), ("hub", 1, rounds), ("coalesced16", 16, rounds / 4), ("hub16", 16, rounds / 4)];
    let mut all: Vec<Vec<Measured>> = kinds.iter().map(|_| Vec::new()).collect();
    for session in 0..=sessions {
        for (at, (what, messages, rounds)) in kinds.iter().enumerate() {
            let measured = run(&mut server, what, &received, clients, *messages, *rounds).await;
            // The first session only warms up.
            if session > 0 {
                all[at].push(measured);
            }
        }
    }
    let cpu: Vec<f64> = all.iter().map(|runs| median(runs.iter().map(|run| run.cpu_ns).collect())).collect();
    let ratio = |at: usize| median(all[at - 1].iter().zip(&all[at]).map(|(floor, hub)| floor.cpu_ns / hub.cpu_ns).collect());
    for (at, (what, ..)) in kinds.iter().enumerate() {
        let complete = median(all[at].iter().map(|run| run.complete_ms).collect());
        println!("  {what:12} {:7.0} ns of server CPU per delivery   complete after {complete:6.1} ms", cpu[at]);
    }
    println!("  deliveries per CPU-second against the floor: {:.2} one at a time, {:.2} in bursts of 16", ratio(1), ratio(3));
}

#[tokio::main(worker_threads = 1)]
async fn memory(clients: usize) {
    let mut server = Server::start();
    let mut kept = Vec::with_capacity(clients + 2_000);
    for _ in 0..2_000 {
        kept.push(subscribe(server.cable).await);
    }
    let (before, cpu) = (server.ask("rss"), server.ask("cpu"));
    for _ in 0..clients {
        kept.push(subscribe(server.cable).await);
    }
    let (after, spent) = (server.ask("rss"), server.ask("cpu") - cpu);
    println!(
        "{clients} idle subscribed connections: {:.0} bytes each, {:.1} µs of server CPU to connect and subscribe",
        (after - before) as f64 / clients as f64,
        spent as f64 / clients as f64 / 1e3,
    );
}
