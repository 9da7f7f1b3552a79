//! `trunkline bench`'s clients against a hub, and against a bare loop of send(2) on the very same sockets, interleaved in one run: nothing
//! that delivers one message with one write can be cheaper than the loop. Every message is numbered and checked, the loop's as well.
//!
//! `cargo bench --bench load` measures 1,000 and 5,000 clients; `-- CLIENTS SESSIONS` something else. Hub, loop and clients are three
//! processes (this binary again). What matters are the ratios; the figures are medians of the sessions.

#[path = "support/channel.rs"]
mod channel;
#[path = "load/servers.rs"]
mod servers;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::IpAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use trunkline::client::load::{Crowd, Ledger, Mark, Pulse, Swarm, Target, process::own_cpu, tally::Times};

/// Messages that are sent one after the other, in a burst.
const BURST: usize = 16;
/// Whatever has not come by then never will.
const LOST: Duration = Duration::from_secs(30);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().expect("a number");
    match words[..] {
        ["hub", run] => servers::hub(number(run)),
        ["floor", run, hub] => servers::floor(number(run), hub),
        [] => [1_000, 5_000].into_iter().for_each(|clients| measure(clients, 5)),
        [clients] => measure(number(clients) as usize, 5),
        [clients, sessions, ..] => measure(number(clients) as usize, number(sessions) as usize),
    }
}

/// This binary again, told line by line what to send.
struct Server {
    child: Child,
    say: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Server {
    /// Started, and what it says first.
    fn start(arguments: &[&str]) -> (Self, String) {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a server");
        let (say, hear) = (child.stdin.take().expect("piped"), BufReader::new(child.stdout.take().expect("piped")));
        let mut server = Self { child, say, hear };
        let line = server.line();
        (server, line)
    }
    fn order(&mut self, what: &str) {
        writeln!(self.say, "{what}").expect("said");
    }
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.hear.read_line(&mut line).expect("heard");
        line.trim().to_owned()
    }
    fn cpu(&mut self) -> Duration {
        self.order("cpu");
        Duration::from_nanos(self.line().parse().expect("a number"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One way of sending, in one session.
struct Measured {
    server_ns: f64,
    client_ns: f64,
    each: Times,
    last: Times,
}

struct Bench {
    hub: Server,
    floor: Server,
    swarm: Swarm,
    ledger: Arc<Ledger>,
    clients: usize,
    sent: usize,
}

impl Bench {
    fn open(clients: usize, messages: usize) -> Self {
        let run: u32 = rand::random();
        let (hub, address) = Server::start(&["hub", &run.to_string()]);
        let ledger = Arc::new(Ledger::new(messages, 1));
        let target = Target::new(&format!("ws://{address}"), servers::IDENTIFIER).expect("an address");
        let sources: Vec<IpAddr> = (1..=1 + clients / 20_000).map(|last| IpAddr::from([127, 0, 0, last as u8])).collect();
        let crowd = Crowd { end: clients as u32, ramp: 5_000.0, sources, ..Crowd::default() };
        let pulse = Arc::new(Pulse::new(1));
        let mut swarm =
            Swarm::new(Arc::new(target), crowd, Arc::clone(&ledger), Mark::new(run), Arc::clone(&pulse)).expect("a swarm");
        while !swarm.settled() {
            swarm.turn(Duration::from_millis(10)).expect("a turn");
        }
        assert_eq!(swarm.tally().subscribed, clients as u64, "{:?}", swarm.tally().failures);
        let whose = format!("{} {address}", hub.child.id());
        let (floor, adopted) = Server::start(&["floor", &run.to_string(), &whose]);
        assert_eq!(adopted, clients.to_string(), "the loop has the hub's sockets");
        Self { hub, floor, swarm, ledger, clients, sent: 0 }
    }
    /// Orders so many rounds of so many messages, one after the other has come to everybody.
    fn rounds(&mut self, order: &str, messages: usize, rounds: usize) -> Measured {
        let pace = Duration::from_millis((self.clients / 60).max(10) as u64);
        let first = self.sent;
        drop(self.swarm.take_latency());
        let before = (self.server(order).cpu(), own_cpu());
        for _ in 0..rounds {
            let range = self.sent..self.sent + messages;
            self.sent = range.end;
            range.clone().for_each(|message| self.ledger.send(message));
            self.server(order).order(&format!("{order} {} {messages}", range.start));
            let (began, expected) = (Instant::now(), (self.sent * self.clients) as u64);
            while self.swarm.tally().delivered < expected {
                self.swarm.turn(Duration::from_millis(100)).expect("a turn");
                let delivered = self.swarm.tally().delivered;
                assert!(began.elapsed() < LOST, "{order}: {} messages are missing", expected - delivered);
            }
            std::thread::sleep(pace);
        }
        let deliveries = (self.clients * messages * rounds) as f64;
        let client_ns = (own_cpu() - before.1).as_nanos() as f64 / deliveries;
        let server_ns = (self.server(order).cpu() - before.0).as_nanos() as f64 / deliveries;
        let mut last = Times::default();
        for (at, arrival) in self.swarm.tally().arrivals[first..self.sent].iter().enumerate() {
            last.note(arrival.last - self.ledger.sent(first + at).expect("it was sent"));
        }
        Measured { server_ns, client_ns, each: self.swarm.take_latency(), last }
    }
    fn server(&mut self, order: &str) -> &mut Server {
        if order == "say" { &mut self.hub } else { &mut self.floor }
    }
}

fn measure(clients: usize, sessions: usize) {
    let rounds = (60_000 / clients).max(12);
    let ways = [("send", 1, rounds), ("say", 1, rounds), ("coalesce", BURST, rounds / 4), ("say", BURST, rounds / 4)];
    let messages: usize = ways.iter().map(|(_, messages, rounds)| messages * rounds).sum();
    let mut bench = Bench::open(clients, messages * (sessions + 1));
    let mut measured: Vec<Vec<Measured>> = ways.iter().map(|_| Vec::new()).collect();
    for session in 0..=sessions {
        for (at, (order, messages, rounds)) in ways.iter().enumerate() {
            let one = bench.rounds(order, *messages, *rounds);
            // The first session only warms up.
            if session > 0 {
                measured[at].push(one);
            }
        }
    }
    println!("{clients} clients, {} bytes a frame, medians of {sessions} interleaved sessions", channel::FRAME_BYTES);
    let names = ["one by one: send(2)", "            hub", "bursts of 16: send(2)", "            hub"];
    for (name, runs) in names.iter().zip(&measured) {
        let of = |what: fn(&Measured) -> f64| median(runs.iter().map(what));
        println!(
            "  {name:22} {:6.0} ns of server CPU a delivery; to each {:6.2} ms (p50) {:7.2} (p99), to the last {:6.2} (p50) {:7.2} (p99); client {:5.0} ns",
            of(|run| run.server_ns),
            of(|run| run.each.within_ms(0.5)),
            of(|run| run.each.within_ms(0.99)),
            of(|run| run.last.within_ms(0.5)),
            of(|run| run.last.within_ms(0.99)),
            of(|run| run.client_ns),
        );
    }
    let ratio = |floor: usize, what: fn(&Measured) -> f64| {
        median(measured[floor].iter().zip(&measured[floor + 1]).map(|(floor, hub)| what(hub) / what(floor)))
    };
    for (name, floor) in [("one by one", 0), ("bursts of 16", 2)] {
        println!(
            "  {name:12} against the loop: {:.2} times the deliveries per CPU-second; to the last {:.2} times (p50), {:.2} times (p99)",
            1.0 / ratio(floor, |run| run.server_ns),
            ratio(floor, |run| run.last.within_ms(0.5)),
            ratio(floor, |run| run.last.within_ms(0.99)),
        );
    }
    let (swarm, sent) = (bench.swarm, bench.sent);
    let tally = swarm.finish(sent);
    assert!(tally.flawless() && tally.endings.is_empty(), "{tally:?}");
    println!("  {} deliveries of {sent} messages: none missing, none twice, none out of order", tally.delivered);
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
