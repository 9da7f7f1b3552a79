//! How many streams a second of server CPU can create over HTTP keep-alive, each durable before it is answered; and how long an
//! answer takes at half of the peak rate.
//!
//! `cargo bench --bench creations` (seconds per phase as the first argument, 8 by default).

#[path = "support/hub_process.rs"]
mod hub_process;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hub_process::{HubProcess, fdatasyncs_per_second, percentile};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const CONNECTIONS: usize = 128;
const CONFIG: &str = r#"
[limits]
exempt_addresses = ["127.0.0.1"]

[[bootstrap.user]]
email = "bench@example.test"
password = "Bench-pass-1"
role = "editor"
service = true
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let seconds = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(8);
    let phase = Duration::from_secs(seconds);
    let hub = HubProcess::start(CONFIG);
    println!("the disk alone: {:.0} fdatasync/s", fdatasyncs_per_second(hub.folder.path()));
    let token = login(hub.address).await;
    let numbers = Arc::new(AtomicU64::new(0));
    run(&hub, &token, &numbers, Duration::from_secs(2), None).await;

    let (cpu, start) = (hub.cpu(), Instant::now());
    let peak = run(&hub, &token, &numbers, phase, None).await;
    let (cpu, elapsed) = ((hub.cpu() - cpu).as_secs_f64(), start.elapsed().as_secs_f64());
    let rate = peak.len() as f64 / elapsed;
    println!("peak: {rate:.0} creations/s, {:.0} per second of server CPU, {}", peak.len() as f64 / cpu, spread(&peak));

    let half = run(&hub, &token, &numbers, phase, Some(rate / 2.0)).await;
    println!("half: {:.0} creations/s, {}", half.len() as f64 / phase.as_secs_f64(), spread(&half));
    println!("resident: {} MiB with {} streams", hub.resident() >> 20, numbers.load(Ordering::Relaxed));
}

fn spread(sorted: &[Duration]) -> String {
    let ms = |share| percentile(sorted, share).as_secs_f64() * 1000.0;
    format!("p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms", ms(0.5), ms(0.9), ms(0.99), ms(0.999))
}

/// Posts new streams for `phase` over [`CONNECTIONS`] connections, at `rate` a second or as fast as they are answered; the sorted latencies.
/// At a fixed rate a latency counts from when the post was due, so a stall is not hidden.
async fn run(hub: &HubProcess, token: &str, numbers: &Arc<AtomicU64>, phase: Duration, rate: Option<f64>) -> Vec<Duration> {
    let start = Instant::now();
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|worker| {
            let (address, token, numbers) = (hub.address, token.to_owned(), numbers.clone());
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                let mut latencies = Vec::new();
                let step = rate.map(|rate| Duration::from_secs_f64(CONNECTIONS as f64 / rate));
                let mut due = start + step.map_or(Duration::ZERO, |s| s.mul_f64(worker as f64 / CONNECTIONS as f64));
                while start.elapsed() < phase {
                    if let Some(step) = step {
                        tokio::time::sleep_until(due.into()).await;
                        due += step;
                    }
                    let asked = step.map_or_else(Instant::now, |step| due - step);
                    let n = numbers.fetch_add(1, Ordering::Relaxed);
                    let body = format!(
                        r#"{{"source":"Discord","platform":"YouTube","status":"offline","city":"Portland","state":"OR","posted_by":"bench#{}","external_id":"bench_{n}","link":"https://www.youtube.com/watch?v=bench{n:08}"}}"#,
                        n % 500
                    );
                    let status = client.post("/api/v1/streams", &token, &body).await.0;
                    assert_eq!(status, 201, "every link is new");
                    latencies.push(asked.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.expect("a worker ends"));
    }
    all.sort_unstable();
    all
}

async fn login(address: SocketAddr) -> String {
    let body = r#"{"email":"bench@example.test","password":"Bench-pass-1"}"#;
    let (status, reply) = Client::connect(address).await.post("/api/v1/login", "", body).await;
    assert_eq!(status, 200, "{reply}");
    let reply: serde_json::Value = serde_json::from_str(&reply).expect("JSON");
    reply["token"].as_str().expect("a token").to_owned()
}

/// The cheapest HTTP/1.1 client that will do: one connection, one request at a time, `Content-Length` answers.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the hub listens");
        stream.set_nodelay(true).expect("a TCP socket");
        Self { stream, buffer: Vec::with_capacity(4096) }
    }
    async fn post(&mut self, path: &str, token: &str, body: &str) -> (u16, String) {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await.expect("the hub reads");
        self.buffer.clear();
        loop {
            assert!(self.stream.read_buf(&mut self.buffer).await.expect("the hub answers") > 0, "the hub closed the connection");
            let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
            let length = head.split_once("content-length: ").map_or("0", |(_, rest)| rest.lines().next().unwrap_or("0"));
            let length: usize = length.trim().parse().expect("a length");
            while self.buffer.len() < end + 4 + length {
                assert!(self.stream.read_buf(&mut self.buffer).await.expect("the hub answers") > 0, "the answer was cut");
            }
            let status = head[9..12].parse().expect("a status");
            return (status, String::from_utf8_lossy(&self.buffer[end + 4..]).into_owned());
        }
    }
}
