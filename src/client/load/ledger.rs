//! When each message was sent, for those who hear it: written by the one who publishes, read by every thread of clients. Its size is the
//! whole run's, fixed at the start.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// The most messages of one run: sixteen bytes each here, and twelve in each thread's [`Tally`](super::Tally).
pub const MESSAGES_MAX: usize = 20_000_000;

const UNSENT: u64 = 0;
/// The server did not take it: nobody need hear it.
const WITHDRAWN: u64 = u64::MAX;

/// The messages of a run. Message `k` is number `k / topics` of topic `k % topics`.
#[derive(Debug)]
pub struct Ledger {
    origin: Instant,
    topics: u32,
    sent: Box<[AtomicU64]>,
}

impl Ledger {
    /// Room for so many messages, over so many topics.
    #[must_use]
    pub fn new(messages: usize, topics: u32) -> Self {
        let sent = (0..messages.min(MESSAGES_MAX)).map(|_| AtomicU64::new(UNSENT)).collect();
        Self { origin: Instant::now(), topics: topics.max(1), sent }
    }
    /// How many messages there is room for.
    #[must_use]
    pub fn room(&self) -> usize {
        self.sent.len()
    }
    /// Over how many topics they go.
    #[must_use]
    pub fn topics(&self) -> u32 {
        self.topics
    }
    /// The topic and number of a message.
    #[must_use]
    pub fn address(&self, message: usize) -> (u32, u32) {
        let topics = self.topics as usize;
        ((message % topics) as u32, (message / topics) as u32)
    }
    /// The message of a topic and number, if there is room for such a one.
    #[must_use]
    pub fn message(&self, topic: u32, number: u32) -> Option<usize> {
        let message = number as usize * self.topics as usize + topic as usize;
        (topic < self.topics && message < self.sent.len()).then_some(message)
    }
    /// How many of the first `messages` are a topic's.
    #[must_use]
    pub fn published(&self, messages: usize, topic: u32) -> u32 {
        (messages + self.topics as usize - 1 - topic as usize).checked_div(self.topics as usize).unwrap_or(0) as u32
    }
    /// Nanoseconds since the ledger was opened.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }
    /// That instant on the clock.
    #[must_use]
    pub fn at(&self, nanoseconds: u64) -> Instant {
        self.origin + Duration::from_nanos(nanoseconds)
    }
    /// It is sent now. To be said before the first byte of it is written.
    pub fn send(&self, message: usize) {
        self.sent[message].store(self.now().max(1), Ordering::Release);
    }
    /// The server did not take it.
    pub fn withdraw(&self, message: usize) {
        self.sent[message].store(WITHDRAWN, Ordering::Release);
    }
    /// When it was sent; `None` where it was not, or was withdrawn.
    #[must_use]
    pub fn sent(&self, message: usize) -> Option<u64> {
        Some(self.sent.get(message)?.load(Ordering::Acquire)).filter(|sent| !matches!(*sent, UNSENT | WITHDRAWN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_each_topic_on_its_own() {
        let ledger = Ledger::new(7, 3);
        let addresses: Vec<_> = (0..7).map(|message| ledger.address(message)).collect();
        assert_eq!(addresses, [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (0, 2)]);
        assert!(addresses.iter().enumerate().all(|(message, (topic, number))| ledger.message(*topic, *number) == Some(message)));
        assert_eq!((ledger.message(1, 2), ledger.message(3, 0)), (None, None));
        let published = |messages| (0..3).map(|topic| ledger.published(messages, topic)).collect::<Vec<_>>();
        assert_eq!((published(0), published(4), published(7)), (vec![0, 0, 0], vec![2, 1, 1], vec![3, 2, 2]));
    }

    #[test]
    fn knows_what_was_sent_and_what_was_taken_back() {
        let ledger = Ledger::new(2, 1);
        assert_eq!(ledger.sent(0), None);
        ledger.send(0);
        assert!(ledger.sent(0).is_some_and(|sent| sent <= ledger.now()));
        ledger.withdraw(0);
        assert_eq!((ledger.sent(0), ledger.sent(9)), (None, None));
    }
}
