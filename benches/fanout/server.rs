//! The servers under measurement: a hub with one channel on one core, and a bare loop of send(2).

use std::{
    net::{TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

use actix_web::{App, HttpResponse, web};
use bytes::Bytes;
use trunkline::{
    actors::{Broadcast, Hub, HubConfig, Plan},
    edge::{Everybody, ServeConfig, TlsFiles, serve, tls::Certificate},
    persistence::MemoryJournal,
    protocol::{Principal, Topic},
};

use crate::{
    channel::Bench,
    handshaking,
    machine::{cpu_ns, rss_bytes},
};

/// As it stands within a frame.
pub const IDENTIFIER: &str = r#"{\"channel\":\"Bench\"}"#;
pub fn run(kind: &str, more: &str) {
    match kind {
        "floor" => floor(),
        "handshaking" => handshaking::run(),
        _ => hub(kind, more),
    }
}

/// Obeys `send BYTES TIMES`: so many passes over all sockets.
fn floor() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let sockets: Arc<parking_lot::Mutex<Vec<TcpStream>>> = Arc::default();
    let accepted = sockets.clone();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let _ = socket.set_nodelay(true);
            accepted.lock().push(socket);
        }
    });
    let flags = rustix::net::SendFlags::NOSIGNAL | rustix::net::SendFlags::DONTWAIT;
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match *line.split(' ').collect::<Vec<_>>() {
            ["send", bytes, times] => {
                let frame = vec![b'x'; bytes.parse().expect("a size")];
                for _ in 0..times.parse().expect("a number") {
                    for socket in &*sockets.lock() {
                        let _ = rustix::net::send(socket, &frame, flags);
                    }
                }
            }
            ["cpu"] => println!("{}", cpu_ns()),
            _ => return,
        }
    }
}

fn said(topic: &str, message: impl Into<Bytes>) -> Broadcast {
    let (topic, message) = (Topic::channel(topic), message.into());
    Broadcast { topic, message, offset: None, conflate: None, except: None, kind: None }
}

/// A message whose frame for a base client takes so many bytes.
fn filling(bytes: usize) -> String {
    let header = if bytes < 65_540 { 4 } else { 10 };
    let rest = bytes - header - r#"{"identifier":"","message":}"#.len() - IDENTIFIER.len();
    format!("\"{}\"", "x".repeat(rest - 2))
}

/// Rows as dashboards are told them: what compresses as text does, not as one letter does.
pub fn row(number: usize) -> String {
    format!(
        r#"{{"action":"update","stream":{{"id":{number},"source":"Discord","platform":"Twitch","link":"https://www.twitch.tv/user_{}","status":"live","title":"Protest march, {} people, block {}","city":"Springfield","state":"OR","posted_by":"bot-{}","is_pinned":false,"created_at":"2026-11-21T12:{:02}:{:02}.123Z"}}}}"#,
        number * 7919 % 10_007,
        number * 31 % 977,
        number % 40,
        number % 9,
        number % 60,
        number * 7 % 60
    )
}

/// Obeys `say BYTES TIMES`, `rows FIRST TIMES`, `present BYTES`, `keep FIRST TIMES`; answers `cpu`, `rss`, `slow`, `clients`.
#[tokio::main(worker_threads = 1)]
async fn hub(kind: &str, folder: &str) {
    let mut plan = Plan::new();
    plan.channel(Bench);
    let hub = Hub::open(plan, MemoryJournal::new(), HubConfig::default()).await.expect("a hub");
    let folder = std::path::Path::new(folder);
    let files = TlsFiles { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
    let config = ServeConfig {
        cores: 1,
        ping_every: Duration::from_secs(if kind == "pinging" { 3 } else { 3600 }),
        tls: (kind == "sealed").then(|| Certificate::open(files).expect("a certificate").server_config()),
        deflate: kind == "deflating",
        ..ServeConfig::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let app = || App::new().route("/hello", web::get().to(async || HttpResponse::Ok().body("hello")));
    let running = serve(config, listener, hub.clone(), Arc::new(Everybody(Principal::house())), app).await.expect("serving");
    println!("{}", running.addr);
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let number = |text: &str| text.parse::<usize>().expect("a number");
        match *line.split(' ').collect::<Vec<_>>() {
            ["say", bytes, times] => {
                let message = Bytes::from(filling(number(bytes)));
                for _ in 0..number(times) {
                    hub.publish(said("bench", message.clone()), false).await.expect("published");
                }
            }
            ["rows", first, times] => {
                for at in number(first)..number(first) + number(times) {
                    hub.publish(said("bench", row(at)), false).await.expect("published");
                }
            }
            ["present", bytes] => hub.publish(said("present", filling(number(bytes))), false).await.expect("published"),
            ["keep", first, times] => {
                for at in number(first)..number(first) + number(times) {
                    hub.publish(said("bench", row(at)), true).await.expect("published");
                }
                println!("{times}");
            }
            ["cpu"] => println!("{}", cpu_ns()),
            ["rss"] => println!("{}", rss_bytes()),
            ["slow"] => println!("{}", running.stats().total().slow),
            ["clients"] => println!("{}", running.stats().total().connections),
            _ => return,
        }
    }
}
