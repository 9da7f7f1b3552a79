//! What came of a run: counts, times, and why some did not get in or did not stay. Each thread of clients has its own; they are added up
//! at the end.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

/// Reasons told apart; all others are counted as one.
const REASONS_MAX: usize = 16;
/// An hour: whoever waits longer has waited an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// Times in microseconds, to three digits.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("these bounds are ones a histogram can have"))
    }
}

impl Times {
    /// Adds one, in nanoseconds.
    pub fn note(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds / 1000);
    }
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("every histogram here has the same bounds");
    }
    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }
    /// The time within which `share` (0 to 1) of them lie, in milliseconds.
    #[must_use]
    pub fn within_ms(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1000.0
    }
    /// The longest, in milliseconds.
    #[must_use]
    pub fn longest_ms(&self) -> f64 {
        self.0.max() as f64 / 1000.0
    }
}

/// Where one message has come so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival {
    /// To how many clients.
    pub clients: u32,
    /// To the last of them, in the ledger's time.
    pub last: u64,
}

/// Counts of clients that are slow on purpose.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lagging {
    /// How many there are.
    pub clients: u64,
    /// How many the server has cut off, as it may.
    pub cut_off: u64,
    /// Messages that came to them.
    pub delivered: u64,
}

/// The sum of what clients saw.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Clients that came to be subscribed.
    pub subscribed: u64,
    /// From opening the socket to being subscribed.
    pub subscribing: Times,
    /// Why clients did not get in.
    pub failures: BTreeMap<String, u64>,
    /// Why subscribed clients were cut off.
    pub endings: BTreeMap<String, u64>,
    /// Messages that came, each once for each client.
    pub delivered: u64,
    /// Messages that were sent and did not come.
    pub missing: u64,
    /// Messages that came once more.
    pub duplicated: u64,
    /// Messages that came after a later one.
    pub reordered: u64,
    /// Messages of another topic than the client's, under another identifier, or never sent.
    pub strayed: u64,
    /// Pings of the protocol.
    pub pings: u64,
    /// Bytes read from all sockets.
    pub bytes: u64,
    /// From sending a message to each client's reading it.
    pub latency: Times,
    /// Every message's.
    pub arrivals: Vec<Arrival>,
    /// Clients that read little.
    pub slow: Lagging,
    /// Clients that read nothing.
    pub stalled: Lagging,
}

impl Tally {
    /// With room for so many messages.
    #[must_use]
    pub fn of(messages: usize) -> Self {
        Self { arrivals: vec![Arrival::default(); messages], ..Self::default() }
    }
    /// Adds what another thread's clients saw.
    pub fn add(&mut self, other: Self) {
        self.subscribed += other.subscribed;
        self.subscribing.add(&other.subscribing);
        other.failures.into_iter().for_each(|(reason, count)| count_reason(&mut self.failures, reason, count));
        other.endings.into_iter().for_each(|(reason, count)| count_reason(&mut self.endings, reason, count));
        self.delivered += other.delivered;
        self.missing += other.missing;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.strayed += other.strayed;
        self.pings += other.pings;
        self.bytes += other.bytes;
        self.latency.add(&other.latency);
        for (ours, theirs) in self.arrivals.iter_mut().zip(other.arrivals) {
            ours.clients += theirs.clients;
            ours.last = ours.last.max(theirs.last);
        }
        for (ours, theirs) in [(&mut self.slow, other.slow), (&mut self.stalled, other.stalled)] {
            ours.clients += theirs.clients;
            ours.cut_off += theirs.cut_off;
            ours.delivered += theirs.delivered;
        }
    }
    /// One did not get in.
    pub fn failed(&mut self, reason: String) {
        count_reason(&mut self.failures, reason, 1);
    }
    /// One was cut off.
    pub fn ended(&mut self, reason: String) {
        count_reason(&mut self.endings, reason, 1);
    }
    /// Every message came to every client once and in its order, and nothing else came.
    #[must_use]
    pub fn flawless(&self) -> bool {
        self.missing + self.duplicated + self.reordered + self.strayed == 0
    }
}

fn count_reason(reasons: &mut BTreeMap<String, u64>, reason: String, count: u64) {
    let known = reasons.len() < REASONS_MAX || reasons.contains_key(&reason);
    *reasons.entry(if known { reason } else { "other reasons".to_owned() }).or_default() += count;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_what_two_threads_saw() {
        let (mut one, mut two) = (Tally::of(2), Tally::of(2));
        one.latency.note(1_000_000);
        two.latency.note(9_000_000);
        one.arrivals[1] = Arrival { clients: 3, last: 70 };
        two.arrivals[1] = Arrival { clients: 2, last: 50 };
        (one.delivered, two.delivered, two.duplicated) = (3, 2, 1);
        two.failed("refused".to_owned());
        one.add(two);
        assert_eq!((one.delivered, one.arrivals[1].clients, one.arrivals[1].last, one.latency.count()), (5, 5, 70, 2));
        assert_eq!((one.failures["refused"], one.flawless()), (1, false));
        assert!((one.latency.within_ms(0.5) - 1.0).abs() < 0.01 && (one.latency.longest_ms() - 9.0).abs() < 0.01);
    }

    #[test]
    fn tells_a_bounded_number_of_reasons_apart() {
        let mut tally = Tally::default();
        (0..1000).for_each(|number| tally.ended(format!("reason {number}")));
        assert_eq!((tally.endings.len(), tally.endings["other reasons"]), (17, 984));
    }
}
