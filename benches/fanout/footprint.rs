//! What an idle subscribed client costs in memory, by slope, and what it cost in processor time to come to that; plain or under TLS.

use crate::{machine::median, process::Process};

/// The first ones fill what grows once.
const FIRST: usize = 2_000;

pub fn measure(clients: usize, kind: &str, sessions: usize) {
    let (mut bytes, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..sessions {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_str().expect("text");
        let sealed = kind == "sealed";
        if sealed {
            let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
            std::fs::write(folder.path().join("key.pem"), issued.signing_key.serialize_pem()).expect("written");
            std::fs::write(folder.path().join("certificate.pem"), issued.cert.pem()).expect("written");
        }
        let (mut server, address) = Process::server(if sealed { "sealed" } else { "hub" }, path);
        let address = if sealed { format!("{address},{path}") } else { address };
        let mut come = Process::start(&["clients", kind, &address]);
        come.ask(&format!("connect {FIRST}"));
        let (before, spent) = (server.ask("rss"), server.ask("cpu"));
        come.ask(&format!("connect {clients}"));
        cpu.push((server.ask("cpu") - spent) / clients as f64 / 1e3);
        bytes.push((server.ask("rss") - before) / clients as f64);
    }
    println!(
        "{clients} idle subscribed clients ({}): {:.0} bytes each, {:.1} µs of server CPU to connect and subscribe, 64 at a time",
        if kind == "sealed" { "TLS" } else { "plain" },
        median(bytes),
        median(cpu),
    );
}
