//! What came of a bench, for people and for programs.

use std::{
    collections::BTreeMap,
    fmt, io,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::publisher::Published;
use crate::client::load::{
    Ledger, Tally,
    process::{Usage, own_cpu, usage},
    tally::{Lagging, Times},
};

/// How often the server's memory is looked at; a look reads all of `/proc`.
const SAMPLE: Duration = Duration::from_secs(1);
const SHARES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)];

/// A whole run.
#[derive(Debug)]
pub struct Report {
    pub url: String,
    pub payload_bytes: usize,
    pub connecting: Connecting,
    pub published: Published,
    pub delivering: Delivering,
    pub tally: Tally,
    pub cost: Cost,
    pub interrupted: bool,
}

/// Getting in.
#[derive(Debug)]
pub struct Connecting {
    pub asked: u32,
    pub took: Duration,
}

/// How far and how fast messages came.
#[derive(Debug)]
pub struct Delivering {
    pub expected: u64,
    pub took: Duration,
    pub to_last: Times,
}

impl Delivering {
    /// From the first message sent to the last that came; and of each message, to the last of its clients.
    pub fn of(ledger: &Ledger, tally: &Tally, published: &Published, expected: u64) -> Self {
        let mut to_last = Times::default();
        let (mut first, mut last) = (u64::MAX, 0);
        for (message, arrival) in tally.arrivals.iter().enumerate().take(published.messages) {
            let Some(sent) = ledger.sent(message).filter(|_| arrival.clients > 0) else { continue };
            to_last.note(arrival.last.saturating_sub(sent));
            first = first.min(sent);
            last = last.max(arrival.last);
        }
        Self { expected, took: Duration::from_nanos(last.saturating_sub(first)), to_last }
    }
}

/// What it cost: the server's process if it was named, and our own.
#[derive(Debug)]
pub struct Cost {
    pid: Option<u32>,
    /// At the start, once all were connected, at the end.
    server: [Usage; 3],
    own: [Duration; 3],
    most_bytes: u64,
    sampled: Instant,
}

impl Cost {
    /// Before anything is done.
    pub fn new(pid: Option<u32>) -> io::Result<Self> {
        let server = pid.map(usage).transpose()?.unwrap_or_default();
        Ok(Self { pid, server: [server; 3], own: [own_cpu(); 3], most_bytes: server.resident_bytes, sampled: Instant::now() })
    }
    /// Everybody is in.
    pub fn connected(&mut self) {
        self.note(1);
    }
    /// Everything came.
    pub fn ended(&mut self) {
        self.note(2);
    }
    /// Looks at the memory, if it is time to.
    pub fn sample(&mut self) {
        if self.sampled.elapsed() >= SAMPLE {
            self.sampled = Instant::now();
            self.server();
        }
    }

    fn note(&mut self, from: usize) {
        let (server, own) = (self.server(), own_cpu());
        self.server[from..].fill(server);
        self.own[from..].fill(own);
    }
    /// The server now; as it was last, where it is gone.
    fn server(&mut self) -> Usage {
        let now = self.pid.and_then(|pid| usage(pid).ok()).unwrap_or(self.server[2]);
        self.most_bytes = self.most_bytes.max(now.resident_bytes);
        now
    }
    fn json(&self, subscribed: u64, delivered: u64) -> Value {
        let [start, connected, end] = self.server;
        let cpu = self.server.map(|usage| usage.cpu);
        json!({
            "pid": self.pid, "processes": end.processes,
            "connecting_cpu_seconds": spent(&cpu, 0).as_secs_f64(),
            "us_per_connection": each_us(spent(&cpu, 0), subscribed),
            "delivering_cpu_seconds": spent(&cpu, 1).as_secs_f64(),
            "us_per_delivery": each_us(spent(&cpu, 1), delivered),
            "resident_bytes": {"start": start.resident_bytes, "connected": connected.resident_bytes, "end": end.resident_bytes, "most": self.most_bytes},
            "resident_bytes_per_connection": each(grown(start, connected), subscribed),
        })
    }
}

/// Of three instants, what passed between one and the next.
fn spent(cpu: &[Duration; 3], from: usize) -> Duration {
    cpu[from + 1].saturating_sub(cpu[from])
}
/// Nothing, where there was nobody or nothing to share it.
fn each(whole: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| whole / count as f64)
}
fn each_us(spent: Duration, count: u64) -> Option<f64> {
    each(spent.as_secs_f64() * 1e6, count)
}
/// `, 1.35 µs a delivery`, as far as there was one.
fn apiece(spent: Duration, count: u64, what: &str) -> String {
    each_us(spent, count).map(|us| format!(", {us:.2} µs {what}")).unwrap_or_default()
}
fn grown(from: Usage, to: Usage) -> f64 {
    to.resident_bytes as f64 - from.resident_bytes as f64
}
fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(0.001)
}

impl Report {
    /// Everybody got in and stayed, and every message came to everybody once and in its order.
    pub fn as_hoped(&self) -> bool {
        let Self { tally, published, .. } = self;
        // Interrupted, some may have neither got in nor failed.
        let got_in = tally.failures.is_empty() && tally.subscribed == u64::from(self.connecting.asked);
        // What is expected was counted elsewhere than what came: a fault of our own shall not pass for the server's being without.
        let came = tally.flawless() && tally.delivered == self.delivering.expected;
        got_in && tally.endings.is_empty() && published.refused == 0 && came
    }
    /// For programs.
    pub fn json(&self) -> Value {
        let Self { tally, published, delivering, .. } = self;
        let own = &self.cost.own;
        json!({
            "url": self.url, "interrupted": self.interrupted, "as_hoped": self.as_hoped(),
            "connections": {
                "asked": self.connecting.asked, "subscribed": tally.subscribed, "seconds": self.connecting.took.as_secs_f64(),
                "per_second": per_second(tally.subscribed, self.connecting.took), "subscribed_ms": times(&tally.subscribing),
                "failures": tally.failures, "cut_off": tally.endings,
            },
            "messages": {
                "published": published.messages, "refused": published.refused, "refusal": published.refusal,
                "bytes": self.payload_bytes, "seconds": published.took.as_secs_f64(), "late_ms": published.late.as_secs_f64() * 1e3,
            },
            "deliveries": {
                "expected": delivering.expected, "delivered": tally.delivered, "missing": tally.missing,
                "duplicated": tally.duplicated, "reordered": tally.reordered, "strayed": tally.strayed,
                "seconds": delivering.took.as_secs_f64(), "per_second": per_second(tally.delivered, delivering.took),
                "bytes_read": tally.bytes, "pings": tally.pings,
            },
            "latency_ms": times(&tally.latency), "last_client_ms": times(&delivering.to_last),
            "slow": lagging(&tally.slow), "stalled": lagging(&tally.stalled),
            "server": self.cost.pid.map(|_| self.cost.json(tally.subscribed, tally.delivered)),
            "client": {"connecting_cpu_seconds": spent(own, 0).as_secs_f64(), "delivering_cpu_seconds": spent(own, 1).as_secs_f64(),
                "us_per_delivery": each_us(spent(own, 1), tally.delivered)},
        })
    }
}

fn lagging(lagging: &Lagging) -> Value {
    json!({"clients": lagging.clients, "cut_off": lagging.cut_off, "delivered": lagging.delivered})
}

fn times(times: &Times) -> Value {
    let mut members: serde_json::Map<String, Value> =
        SHARES.iter().map(|(name, share)| ((*name).to_owned(), json!(times.within_ms(*share)))).collect();
    members.insert("max".to_owned(), json!(times.longest_ms()));
    Value::Object(members)
}

fn line(times: &Times) -> String {
    let shares = SHARES.iter().map(|(name, share)| format!("{name} {:.2}", times.within_ms(*share)));
    format!("{}  max {:.2} ms", shares.collect::<Vec<_>>().join("  "), times.longest_ms())
}

fn reasons(f: &mut fmt::Formatter<'_>, what: &str, reasons: &BTreeMap<String, u64>) -> fmt::Result {
    reasons.iter().try_for_each(|(reason, count)| writeln!(f, "               {count} {what}: {reason}"))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tally, published, delivering, connecting, .. } = self;
        let rate = per_second(tally.subscribed, connecting.took);
        let (subscribed, asked, took) = (tally.subscribed, connecting.asked, connecting.took.as_secs_f64());
        writeln!(f, "connections    {subscribed} subscribed of {asked} in {took:.2} s, {rate:.0} a second")?;
        writeln!(f, "               {}", line(&tally.subscribing))?;
        reasons(f, "did not get in", &tally.failures)?;
        reasons(f, "were cut off", &tally.endings)?;
        if published.messages > 0 {
            self.tell_messages(f)?;
            writeln!(f, "to each        {}", line(&tally.latency))?;
            writeln!(f, "to the last    {}", line(&delivering.to_last))?;
        }
        for (name, lagging) in
            [("slow", &tally.slow), ("stalled", &tally.stalled)].iter().filter(|(_, lagging)| lagging.clients > 0)
        {
            writeln!(f, "{name:<14} {} clients, {} of them cut off by the server", lagging.clients, lagging.cut_off)?;
        }
        self.tell_cost(f)?;
        if self.interrupted {
            writeln!(f, "interrupted    this is what was measured until then")?;
        }
        if tally.delivered > 0 && self.as_hoped() {
            writeln!(f, "every message came to every client once and in its order")?;
        }
        Ok(())
    }
}

impl Report {
    fn tell_messages(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tally, published, delivering, .. } = self;
        let (count, took, late) = (published.messages, published.took.as_secs_f64(), published.late.as_secs_f64() * 1e3);
        writeln!(f, "messages       {count} of {} bytes published in {took:.2} s, at most {late:.1} ms late", self.payload_bytes)?;
        if let Some(refusal) = &published.refusal {
            writeln!(f, "               {} were not taken: {refusal}", published.refused)?;
        }
        let rate = per_second(tally.delivered, delivering.took);
        writeln!(f, "deliveries     {} of {}, {rate:.0} a second", tally.delivered, delivering.expected)?;
        let (missing, duplicated) = (tally.missing, tally.duplicated);
        writeln!(
            f,
            "               {missing} missing, {duplicated} duplicated, {} reordered, {} strayed",
            tally.reordered, tally.strayed
        )
    }
    fn tell_cost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tally, Cost { server, own, most_bytes, .. }) = (&self.tally, &self.cost);
        let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
        if self.cost.pid.is_some() {
            let ([start, connected, end], cpu) = (*server, server.map(|usage| usage.cpu));
            let (connecting, delivering) = (spent(&cpu, 0), spent(&cpu, 1));
            let every = [apiece(connecting, tally.subscribed, "each"), apiece(delivering, tally.delivered, "a delivery")];
            let processes = end.processes;
            let (first, second) = (connecting.as_secs_f64(), delivering.as_secs_f64());
            writeln!(
                f,
                "server CPU     {first:.2} s to connect{}; then {second:.2} s{} ({processes} processes)",
                every[0], every[1]
            )?;
            let slope = each(grown(start, connected), tally.subscribed).map(|bytes| format!(" ({bytes:.0} bytes each)"));
            let slope = slope.unwrap_or_default();
            let (start, connected, most) = (mib(start.resident_bytes), mib(connected.resident_bytes), mib(*most_bytes));
            writeln!(f, "server memory  {start:.1} MiB, {connected:.1} MiB connected{slope}, {most:.1} MiB at the most")?;
        }
        let (first, second) = (spent(own, 0).as_secs_f64(), spent(own, 1));
        let every = apiece(second, tally.delivered, "a delivery");
        writeln!(f, "client CPU     {first:.2} s to connect; then {:.2} s{every}", second.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENTENCE: &str = "every message came to every client once and in its order";

    /// Two clients and three messages, without fault.
    fn report() -> Report {
        Report {
            url: String::new(),
            payload_bytes: 128,
            connecting: Connecting { asked: 2, took: Duration::from_secs(1) },
            published: Published { messages: 3, ..Published::default() },
            delivering: Delivering { expected: 6, took: Duration::from_secs(1), to_last: Times::default() },
            tally: Tally { subscribed: 2, delivered: 6, ..Tally::default() },
            cost: Cost::new(None).expect("nobody's"),
            interrupted: false,
        }
    }

    #[test]
    fn says_that_all_was_well_only_where_it_was() {
        let all_well = |report: &Report| (report.as_hoped(), report.to_string().contains(SENTENCE));
        assert_eq!(all_well(&report()), (true, true));
        let wrong: [fn(&mut Report); 8] = [
            |report| report.tally.missing = 1,
            |report| report.tally.reordered = 1,
            |report| report.tally.failed("refused".into()),
            |report| report.tally.ended("too slow".into()),
            |report| report.published.refused = 1,
            // Interrupted before everybody was in: neither in nor failed.
            |report| report.connecting.asked = 3,
            |report| report.delivering.expected = 7,
            |report| report.tally.delivered = 5,
        ];
        for (place, wrong) in wrong.iter().enumerate() {
            let mut report = report();
            wrong(&mut report);
            assert_eq!(all_well(&report), (false, false), "{place}");
        }
        let mut idle = report();
        (idle.published, idle.delivering.expected, idle.tally.delivered) = (Published::default(), 0, 0);
        assert_eq!(all_well(&idle), (true, false), "nothing was published: nothing is said of messages");
    }
}
