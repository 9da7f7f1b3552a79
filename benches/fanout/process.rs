//! This binary again, as a server or as its clients: told what to do line by line, asked for numbers.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

pub struct Process {
    child: Child,
    say: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Process {
    pub fn start(arguments: &[&str]) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child =
            Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let (say, hear) = (child.stdin.take().expect("piped"), BufReader::new(child.stdout.take().expect("piped")));
        Self { child, say, hear }
    }
    /// A server of that kind, and where it listens.
    pub fn server(kind: &str, more: &str) -> (Self, String) {
        let mut server = Self::start(&["server", kind, more]);
        let address = server.line();
        (server, address)
    }
    pub fn order(&mut self, what: &str) {
        writeln!(self.say, "{what}").expect("said");
    }
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.hear.read_line(&mut line).expect("heard");
        line.trim().to_owned()
    }
    pub fn text(&mut self, what: &str) -> String {
        self.order(what);
        self.line()
    }
    pub fn ask(&mut self, what: &str) -> f64 {
        let answer = self.text(what);
        answer.parse().unwrap_or_else(|_| panic!("`{what}` was answered `{answer}`"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server with clients that hear everything it says.
pub struct Pair {
    pub server: Process,
    pub clients: Process,
    pub address: String,
}

/// What some rounds cost.
pub struct Rounds {
    /// Of the server, per delivered message.
    pub cpu_ns: f64,
    /// From the order to the last client, in milliseconds, of each round.
    pub complete_ms: Vec<f64>,
}

impl Pair {
    pub fn start(server: &str, clients: &str, number: usize) -> Self {
        let (server, address) = Process::server(server, "");
        let mut clients = Process::start(&["clients", clients, &address]);
        clients.ask(&format!("connect {number}"));
        Self { server, clients, address }
    }
    /// Orders something of the server that brings every one of `number` clients so many bytes, and waits for all of them.
    pub fn rounds(&mut self, order: &str, number: usize, bytes: usize, messages: usize, rounds: usize) -> Rounds {
        let pace = Duration::from_millis((number / 60).max(10) as u64);
        let before = self.server.ask("cpu");
        let mut complete_ms = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            self.clients.order(&format!("expect {}", number * bytes));
            assert_eq!(self.clients.line(), "waiting");
            let began = Instant::now();
            self.server.order(order);
            assert_eq!(self.clients.line(), "complete");
            complete_ms.push(began.elapsed().as_secs_f64() * 1e3);
            std::thread::sleep(pace);
        }
        let spent = self.server.ask("cpu") - before;
        Rounds { cpu_ns: spent / (number * messages * rounds) as f64, complete_ms }
    }
}
