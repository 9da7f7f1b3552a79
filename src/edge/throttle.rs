//! How often something may be tried: so many times within a sliding window, by key (an address, an account). For logins and signups, which
//! are counted apart from other requests. Bounded: when too many keys are told apart, strangers share one count.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use parking_lot::Mutex;
use trunkline_protocol::Timestamp;

/// Keys told apart at once.
const KEYS_MAX: usize = 65_536;

/// So many times within a window.
#[derive(Debug)]
pub struct Throttle {
    times: usize,
    window: Duration,
    tried: Mutex<HashMap<String, VecDeque<Timestamp>>>,
}

impl Throttle {
    /// At most `times` within `window`.
    #[must_use]
    pub fn new(times: usize, window: Duration) -> Self {
        Self { times: times.max(1), window, tried: Mutex::default() }
    }
    /// Counts a try; an error says for how long there may be no other.
    ///
    /// # Errors
    /// The time to wait, where it was one too many. Such a try is not counted: who keeps trying waits no longer than who stops.
    pub fn count(&self, key: &str, now: Timestamp) -> Result<(), Duration> {
        self.with(key, now, |tried| match tried.front() {
            Some(first) if tried.len() >= self.times => Err(first.plus(self.window).since(now)),
            _ => {
                tried.push_back(now);
                Ok(())
            }
        })
    }
    /// Would a try be counted?
    ///
    /// # Errors
    /// The time to wait.
    pub fn check(&self, key: &str, now: Timestamp) -> Result<(), Duration> {
        self.with(key, now, |tried| match tried.front() {
            Some(first) if tried.len() >= self.times => Err(first.plus(self.window).since(now)),
            _ => Ok(()),
        })
    }

    fn with<T>(&self, key: &str, now: Timestamp, ask: impl FnOnce(&mut VecDeque<Timestamp>) -> T) -> T {
        let mut tried = self.tried.lock();
        if tried.len() >= KEYS_MAX && !tried.contains_key(key) {
            tried.retain(|_, times| times.back().is_some_and(|last| now.since(*last) < self.window));
        }
        let crowded = tried.len() >= KEYS_MAX && !tried.contains_key(key);
        let times = tried.entry(if crowded { String::new() } else { key.to_owned() }).or_default();
        while times.front().is_some_and(|first| now.since(*first) >= self.window) {
            times.pop_front();
        }
        ask(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn lets_so_many_through_a_sliding_window_and_says_how_long_to_wait() {
        let throttle = Throttle::new(2, Duration::from_secs(60));
        assert_eq!(throttle.count("a", at(0)), Ok(()));
        assert_eq!(throttle.count("a", at(50)), Ok(()));
        assert_eq!(throttle.count("a", at(55)), Err(Duration::from_secs(5)));
        assert_eq!(throttle.count("b", at(55)), Ok(()));
        assert_eq!(throttle.count("a", at(60)), Ok(()));
        assert_eq!(throttle.check("a", at(61)), Err(Duration::from_secs(49)), "no burst at the edge of a minute");
    }

    #[test]
    fn does_not_grow_with_the_crowd() {
        let throttle = Throttle::new(2, Duration::from_secs(60));
        for number in 0..KEYS_MAX + 10 {
            let _ = throttle.count(&number.to_string(), at(0));
        }
        assert!(throttle.tried.lock().len() <= KEYS_MAX + 1);
        assert!(throttle.count("one more", at(1)).is_err(), "strangers share a count");
        assert!(throttle.count("later", at(61)).is_ok());
    }
}
