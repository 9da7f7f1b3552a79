//! What an idle subscribed client costs in memory, by slope, and what it cost in processor time to come to that, plain or under TLS; beside what
//! the same costs a bare loop, which is plain.

use std::path::Path;

use crate::{machine::median, process::Process};

/// The first ones fill what grows once.
const FIRST: usize = 2_000;

/// What a client came to.
struct Came {
    bytes: f64,
    cpu_us: f64,
}

pub fn measure(clients: usize, kind: &str, sessions: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, security) = if kind == "sealed" { ("sealed", "TLS") } else { ("hub", "plain") };
    if kind == "sealed" {
        certify(folder.path());
    }
    let came: Vec<[Came; 2]> = (0..sessions)
        .map(|_| [come("handshaking", "cable", folder.path(), clients), come(server, kind, folder.path(), clients)])
        .collect();
    let of = |pick: fn(&[Came; 2]) -> f64| median(came.iter().map(pick));
    println!("{clients} idle subscribed clients, who came 64 at a time; medians of {sessions} sessions");
    println!("  bare loop, plain      {:5.1} µs of server CPU each", of(|[bare, _]| bare.cpu_us));
    println!(
        "  gateway, {security:12} {:5.1} µs of server CPU each, {:.2} times the loop's; {:.0} bytes each",
        of(|[_, gateway]| gateway.cpu_us),
        of(|[bare, gateway]| gateway.cpu_us / bare.cpu_us),
        of(|[_, gateway]| gateway.bytes),
    );
}

fn come(server: &str, kind: &str, folder: &Path, clients: usize) -> Came {
    let path = folder.to_str().expect("text");
    let (mut server, address) = Process::server(server, path);
    let address = if kind == "sealed" { format!("{address},{path}") } else { address };
    let mut come = Process::start(&["clients", kind, &address]);
    come.ask(&format!("connect {FIRST}"));
    let (rss, cpu) = (server.ask("rss"), server.ask("cpu"));
    come.ask(&format!("connect {clients}"));
    let each = |spent: f64| spent / clients as f64;
    Came { cpu_us: each(server.ask("cpu") - cpu) / 1e3, bytes: each(server.ask("rss") - rss) }
}

fn certify(folder: &Path) {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(folder.join("key.pem"), issued.signing_key.serialize_pem()).expect("written");
    std::fs::write(folder.join("certificate.pem"), issued.cert.pem()).expect("written");
}
