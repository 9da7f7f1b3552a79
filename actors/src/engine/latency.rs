//! How long something took, counted without a lock: four buckets to each power of two, so a quantile is off by at most a fifth.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Up to 2^32 microseconds: more than an hour.
const BUCKETS: usize = 128;

/// Durations, counted by size since the start.
pub(crate) struct Latency([AtomicU64; BUCKETS]);

impl Default for Latency {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Latency {
    /// One took so long.
    pub(crate) fn took(&self, time: Duration) {
        self.0[bucket(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))].fetch_add(1, Relaxed);
    }
    /// All that were counted so far.
    pub(crate) fn counted(&self) -> Counted {
        Counted(array::from_fn(|at| self.0[at].load(Relaxed)))
    }
}

/// The counts at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted([u64; BUCKETS]);

impl Counted {
    /// Those that were counted since an earlier moment.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(array::from_fn(|at| self.0[at].saturating_sub(earlier.0[at])))
    }
    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }
    /// What this share of them (0 to 1) did not exceed, in microseconds; `None` where there is none.
    #[must_use]
    pub fn quantile_us(&self, share: f64) -> Option<u64> {
        let rank = ((self.count() as f64 * share).ceil() as u64).max(1);
        let mut below = 0;
        let at = self.0.iter().position(|count| {
            below += count;
            below >= rank
        })?;
        Some(end(at))
    }
}

fn bucket(us: u64) -> usize {
    if us < 4 {
        return us as usize;
    }
    let power = us.ilog2();
    let quarter = (us >> (power - 2)) & 3;
    ((power as usize - 1) * 4 + quarter as usize).min(BUCKETS - 1)
}

/// The largest number of a bucket.
fn end(bucket: usize) -> u64 {
    if bucket < 4 {
        return bucket as u64;
    }
    let (power, quarter) = (bucket as u32 / 4 + 1, bucket as u64 % 4);
    ((4 + quarter + 1) << (power - 2)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_number_in_a_bucket_that_ends_at_most_a_fourth_above_it() {
        for us in (0..70_000).chain([1 << 20, 123_456_789, (1 << 32) - 1]) {
            let end = end(bucket(us));
            assert!(end >= us && end <= us + us / 4, "{us} is told as {end}");
        }
    }

    #[test]
    fn tells_quantiles_of_what_came_since_a_moment() {
        let latency = Latency::default();
        latency.took(Duration::from_secs(9));
        let before = latency.counted();
        assert_eq!(latency.counted().since(&before).quantile_us(0.5), None);
        (1..=100).for_each(|ms| latency.took(Duration::from_millis(ms)));
        let since = latency.counted().since(&before);
        assert_eq!(since.count(), 100);
        let (half, most) = (since.quantile_us(0.5).expect("some"), since.quantile_us(1.0).expect("some"));
        assert!((50_000..=62_500).contains(&half) && (100_000..=125_000).contains(&most), "{half} {most}");
    }
}
