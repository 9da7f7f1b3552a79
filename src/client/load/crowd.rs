//! Who is in a swarm, how each of them reads, and what others see of it while it runs.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU32, AtomicU64},
    time::Duration,
};

/// How a client reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reader {
    /// Everything, at once.
    Steady,
    /// A few bytes a second.
    Slow,
    /// Nothing, once it is subscribed.
    Stalled,
}

/// Who is in a swarm, and how they behave.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The number of the first client.
    pub first: u32,
    /// From one client's number to the next one's: as many as there are swarms.
    pub step: u32,
    /// All numbers are below this.
    pub end: u32,
    /// Clients opened in a second.
    pub ramp: f64,
    /// How long one may take to be subscribed.
    pub timeout: Duration,
    /// From which addresses they come, in turn; none: the system's choice.
    pub sources: Vec<IpAddr>,
    /// Percent of them that read `slow_bytes` a second.
    pub slow: f64,
    /// So much a slow reader reads in a second.
    pub slow_bytes: usize,
    /// Percent of them that read nothing.
    pub stalled: f64,
}

impl Default for Crowd {
    fn default() -> Self {
        let timeout = Duration::from_secs(30);
        Self { first: 0, step: 1, end: 1, ramp: 1000.0, timeout, sources: Vec::new(), slow: 0.0, slow_bytes: 1024, stalled: 0.0 }
    }
}

impl Crowd {
    /// How client `n` reads: the shares are spread evenly over all numbers.
    #[must_use]
    pub fn reader(&self, n: u32) -> Reader {
        let odd = self.slow + self.stalled;
        let before = |n: f64, percent: f64| (n * percent / 100.0).floor();
        let at = before(f64::from(n), odd);
        if before(f64::from(n) + 1.0, odd) <= at {
            return Reader::Steady;
        }
        let of_them = 100.0 * self.stalled / odd;
        if before(at + 1.0, of_them) > before(at, of_them) { Reader::Stalled } else { Reader::Slow }
    }
}

/// What others see of the swarms while they run.
#[derive(Debug)]
pub struct Pulse {
    /// Clients that are subscribed, or were.
    pub subscribed: AtomicU32,
    /// Clients that did not get in.
    pub failed: AtomicU32,
    /// Clients that were cut off.
    pub ended: AtomicU32,
    /// Messages that came to steady readers.
    pub delivered: AtomicU64,
    /// Steady readers subscribed to each topic.
    pub steady: Box<[AtomicU32]>,
}

impl Pulse {
    /// Before anybody came.
    #[must_use]
    pub fn new(topics: u32) -> Self {
        let count = AtomicU32::default;
        let steady = (0..topics.max(1)).map(|_| AtomicU32::default()).collect();
        Self { subscribed: count(), failed: count(), ended: count(), delivered: AtomicU64::default(), steady }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_the_slow_and_the_stalled_evenly() {
        let crowd = Crowd { slow: 2.0, stalled: 1.0, ..Crowd::default() };
        let count = |wanted: Reader| (0..10_000).filter(|n| crowd.reader(*n) == wanted).count();
        assert_eq!((count(Reader::Steady), count(Reader::Slow), count(Reader::Stalled)), (9_700, 200, 100));
        let half = (0..5_000).filter(|n| crowd.reader(*n) == Reader::Stalled).count();
        assert!((49..=51).contains(&half), "{half}");
        assert!((0..1000).all(|n| Crowd::default().reader(n) == Reader::Steady));
        let all = Crowd { stalled: 100.0, ..Crowd::default() };
        assert!((0..1000).all(|n| all.reader(n) == Reader::Stalled));
    }
}
