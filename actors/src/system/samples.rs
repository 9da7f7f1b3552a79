//! What grew how fast: counters looked at once a second, and what the last seconds came to. Bounded; forgotten when the hub closes.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

use crate::Counted;

/// How far back the quantiles of the append latency look, in samples (one a second).
const KEPT: usize = 11;

/// Counters at one moment.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) counters: BTreeMap<&'static str, u64>,
    pub(super) appends: Counted,
}

/// The last samples, oldest first.
#[derive(Debug, Default)]
pub(super) struct Samples(VecDeque<Sample>);

/// How long appends took lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AppendLatency {
    /// How many there were.
    pub count: u64,
    /// What half of them did not exceed, in microseconds; `None` where there were none.
    pub p50_us: Option<u64>,
    /// What 99 of 100 did not exceed.
    pub p99_us: Option<u64>,
    /// What none exceeded.
    pub max_us: Option<u64>,
    /// Over how long, in milliseconds.
    pub over_ms: u64,
}

impl Samples {
    pub(super) fn push(&mut self, sample: Sample) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back(sample);
    }
    /// Per second, over the last two samples; zero for a counter that is new, and where there are no two.
    pub(super) fn rates(&self) -> BTreeMap<&'static str, f64> {
        let Some(last) = self.0.back() else { return BTreeMap::new() };
        let before = self.0.iter().rev().nth(1);
        let rate = |name: &'static str, now: u64| {
            let Some(before) = before else { return 0.0 };
            let grown = before.counters.get(name).map_or(0, |then| now.saturating_sub(*then));
            let seconds = last.at.duration_since(before.at).max(Duration::from_millis(1)).as_secs_f64();
            (grown as f64 / seconds * 10.0).round() / 10.0
        };
        last.counters.iter().map(|(name, now)| (*name, rate(name, *now))).collect()
    }
    pub(super) fn append_latency(&self) -> AppendLatency {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else { return AppendLatency::default() };
        let lately = last.appends.since(&first.appends);
        AppendLatency {
            count: lately.count(),
            p50_us: lately.quantile_us(0.5),
            p99_us: lately.quantile_us(0.99),
            max_us: lately.quantile_us(1.0),
            over_ms: u64::try_from(last.at.duration_since(first.at).as_millis()).unwrap_or(u64::MAX),
        }
    }
}
