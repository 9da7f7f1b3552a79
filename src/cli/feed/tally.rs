//! What became of a feed: counts, surprises, how long it took.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde_json::{Value, json};

use super::{lines::Line, post::Outcome};

/// Surprises and failures that are told one by one; the rest is only counted.
const TOLD_MAX: usize = 10;
/// The outcomes a summary always shows, in this order.
const SHOWN: [&str; 5] = ["created", "duplicate", "invalid", "blocked", "failed"];

/// The sum of what became of every line.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    counts: BTreeMap<&'static str, u64>,
    expected: u64,
    surprises: u64,
    told: Vec<String>,
    waits: Vec<Duration>,
    /// From the first line to the last answer.
    pub took: Duration,
}

impl Tally {
    /// Counts one line.
    pub fn note(&mut self, line: &Line, outcome: &Outcome, waited: Duration) {
        *self.counts.entry(outcome.name()).or_default() += 1;
        self.waits.push(waited);
        if let Outcome::Failed(reason) = outcome {
            self.tell(format!("line {}: {reason}", line.number));
        }
        let Some(expect) = line.expect.as_deref() else { return };
        self.expected += 1;
        // Created, but the answer was lost with the connection: the second attempt found its own stream.
        let own = matches!(outcome, Outcome::Duplicate { retried: true }) && expect == "created";
        if own || outcome.name() == expect {
            return;
        }
        self.surprises += 1;
        let reason = match outcome {
            Outcome::Invalid(reason) | Outcome::Failed(reason) => format!(" ({reason})"),
            _ => String::new(),
        };
        self.tell(format!("line {}: expected {expect}, was {}{reason}", line.number, outcome.name()));
    }
    /// Adds another sender's part.
    pub fn add(&mut self, other: Self) {
        for (name, count) in other.counts {
            *self.counts.entry(name).or_default() += count;
        }
        self.expected += other.expected;
        self.surprises += other.surprises;
        self.waits.extend(other.waits);
        other.told.into_iter().for_each(|line| self.tell(line));
    }
    /// A sender ended before its lines did.
    pub fn broken(&mut self, reason: &str) {
        *self.counts.entry("failed").or_default() += 1;
        self.tell(format!("a sender ended early: {reason}"));
    }
    /// Nothing failed, and where the file said what to expect, that is what came.
    pub fn as_hoped(&self) -> bool {
        self.surprises == 0 && self.counts.get("failed").copied().unwrap_or(0) == 0
    }
    /// For programs.
    pub fn json(&self) -> Value {
        let mut summary = json!({
            "total": self.total(), "seconds": self.took.as_secs_f64(), "per_second": self.per_second(), "p50_ms": self.wait_ms(50),
            "p99_ms": self.wait_ms(99), "expected": self.expected, "mismatches": self.surprises, "notes": self.told,
        });
        for name in SHOWN {
            summary[name] = json!(self.counts.get(name).copied().unwrap_or(0));
        }
        for (name, count) in &self.counts {
            summary[*name] = json!(count);
        }
        summary
    }

    fn tell(&mut self, line: String) {
        if self.told.len() < TOLD_MAX {
            self.told.push(line);
        }
    }
    fn total(&self) -> u64 {
        self.counts.values().sum()
    }
    fn per_second(&self) -> f64 {
        self.total() as f64 / self.took.as_secs_f64().max(0.001)
    }
    fn wait_ms(&self, percent: usize) -> f64 {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        waits.get((waits.len() * percent / 100).min(waits.len().saturating_sub(1))).map_or(0.0, |wait| wait.as_secs_f64() * 1000.0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in SHOWN.iter().chain(self.counts.keys().filter(|name| !SHOWN.contains(name))) {
            writeln!(f, "{name:>10}  {}", self.counts.get(name).copied().unwrap_or(0))?;
        }
        writeln!(
            f,
            "{:>10}  {} in {:.1} s, {:.0} a second; answered within {:.1} ms (half), {:.1} ms (99 of 100)",
            "total",
            self.total(),
            self.took.as_secs_f64(),
            self.per_second(),
            self.wait_ms(50),
            self.wait_ms(99)
        )?;
        if self.expected > 0 {
            let verdict =
                if self.surprises == 0 { "every one as the file says".to_owned() } else { format!("{} otherwise", self.surprises) };
            writeln!(f, "{:>10}  {} lines: {verdict}", "expected", self.expected)?;
        }
        self.told.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(expect: &str) -> Line {
        Line { number: 1, expect: Some(expect.to_owned()), body: Value::Null }
    }

    #[test]
    fn counts_a_surprise_but_not_its_own_lost_answer() {
        let mut tally = Tally::default();
        tally.note(&line("created"), &Outcome::Created, Duration::ZERO);
        tally.note(&line("created"), &Outcome::Duplicate { retried: true }, Duration::ZERO);
        assert!(tally.as_hoped());
        tally.note(&line("created"), &Outcome::Duplicate { retried: false }, Duration::ZERO);
        assert!(!tally.as_hoped());
        assert_eq!((&tally.json()["duplicate"], &tally.json()["mismatches"]), (&json!(2), &json!(1)));
    }
}
