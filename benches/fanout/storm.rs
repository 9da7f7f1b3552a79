//! Everybody comes back at once: welcomed only; and welcomed, subscribed, and told two hundred missed messages each.

use std::time::Duration;

use crate::{channel::FRAME_BYTES, machine::median, process::Process};

const MISSED: usize = 200;
const PRESENT: usize = 500;

pub fn measure(clients: usize, sessions: usize) {
    let (mut bare, mut full, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut silence, mut ping_silence, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..sessions {
        let (mut server, address) = Process::server("pinging", "");
        let mut present = Process::start(&["clients", "present", &address]);
        present.ask(&format!("connect {PRESENT}"));
        let seen = position(&address, &mut server);
        server.ask(&format!("keep 1 {MISSED}"));
        let mut come = Process::start(&["clients", "cable", &address]);
        let welcomed = storm(&mut server, &mut come, &mut present, &format!("welcomes {clients}"));
        come.ask("leave");
        while server.ask("clients") > PRESENT as f64 {
            std::thread::sleep(Duration::from_millis(100));
        }
        let before = server.ask("cpu");
        let order = format!("returns {clients} {} {} 1 {MISSED}", seen.0, seen.1);
        let recovered = storm(&mut server, &mut come, &mut present, &order);
        cpu.push((server.ask("cpu") - before) / clients as f64 / 1e3);
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(come.ask("extra"), 0.0, "somebody was told something twice");
        silence.push(recovered.1);
        std::thread::sleep(Duration::from_secs(4));
        ping_silence.push(present.ask("ping_silence"));
        bare.push(welcomed.0);
        full.push(recovered.0);
        ratios.push(recovered.0 / welcomed.0);
    }
    println!("{clients} clients at once, {MISSED} messages missed by each, {PRESENT} present, medians of {sessions} sessions");
    println!(
        "  all welcomed after {:.0} ms; all welcomed, subscribed and told everything once after {:.0} ms",
        median(bare),
        median(full)
    );
    println!("  that is {:.2} times; {:.0} µs of server CPU each", median(ratios), median(cpu));
    println!(
        "  those present heard a broadcast every 100 ms, and waited at most {:.0} ms for one; for a ping {:.0} ms",
        median(silence),
        median(ping_silence),
    );
}

/// How long it took, and how long those present heard nothing meanwhile.
fn storm(server: &mut Process, come: &mut Process, present: &mut Process, order: &str) -> (f64, f64) {
    let say = format!("present {FRAME_BYTES}");
    server.order(&say);
    std::thread::sleep(Duration::from_millis(200));
    present.ask("silence");
    come.order(order);
    let took = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| come.line());
        while !waiting.is_finished() {
            server.order(&say);
            std::thread::sleep(Duration::from_millis(100));
        }
        waiting.join().expect("no panic")
    });
    std::thread::sleep(Duration::from_millis(200));
    (took.parse().unwrap_or_else(|_| panic!("`{order}` was answered `{took}`")), present.ask("silence"))
}

/// Where the topic stands: what an extended client is told with a message that is kept.
fn position(address: &str, server: &mut Process) -> (String, u64) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).expect("connected");
    let handshake = crate::clients::socket::handshake("Sec-WebSocket-Protocol: actioncable-v1-ext-json\r\n");
    let subscribe = format!(r#"{{"command":"subscribe","identifier":"{}"}}"#, crate::server::IDENTIFIER);
    stream.write_all(&[handshake.into_bytes(), crate::clients::socket::frame(&subscribe)].concat()).expect("sent");
    let (mut heard, mut asked) = (Vec::new(), false);
    loop {
        let mut some = [0; 4096];
        let length = stream.read(&mut some).expect("read");
        heard.extend_from_slice(&some[..length]);
        let text = String::from_utf8_lossy(&heard);
        if text.contains("confirm_subscription") && !asked {
            asked = true;
            server.ask("keep 0 1");
        }
        if let Some((_, told)) = text.split_once(r#""epoch":""#)
            && let Some((epoch, told)) = told.split_once(r#"","offset":"#)
            && let Some((offset, _)) = told.split_once('}')
        {
            return (epoch.to_owned(), offset.parse().expect("a number"));
        }
    }
}
