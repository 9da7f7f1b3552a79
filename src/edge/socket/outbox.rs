//! What waits for a reader who is behind: frames in order, of which those with a key are replaced by a newer one of the same key.

use std::{
    collections::{HashMap, VecDeque},
    hash::{Hash, Hasher},
    rc::Rc,
    sync::Arc,
};

use bytes::{Buf as _, Bytes};
use trunkline_protocol::{Topic, cable::Identifier};

/// Names what a frame is about; while a reader is behind only the newest frame of a key is kept for it.
#[derive(Clone, Debug)]
pub(crate) struct LatestKey {
    /// On which topic.
    pub topic: Topic,
    /// Under which subscription (one per text: compared by address).
    pub identifier: Rc<Identifier>,
    /// About what.
    pub key: Arc<str>,
}

impl PartialEq for LatestKey {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.identifier, &other.identifier) && self.key == other.key && self.topic == other.topic
    }
}
impl Eq for LatestKey {}
impl Hash for LatestKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Rc::as_ptr(&self.identifier).hash(state);
        self.key.hash(state);
    }
}

/// The queue. A replaced frame leaves an empty place, cleared away once half of the places are empty.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<(Bytes, Option<LatestKey>)>,
    /// The number of the frame in front; numbers hold until empty places are cleared away.
    first: u64,
    bytes: usize,
    empty: usize,
    latest: HashMap<LatestKey, u64>,
    /// Bytes of histories: asked for, so not held against the reader.
    allowed: usize,
}

impl Outbox {
    /// So many bytes more may wait, until nothing does.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.allowed += bytes;
    }
    /// How many bytes may wait beside what any reader may leave waiting.
    pub(super) fn allowed(&self) -> usize {
        self.allowed
    }
    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
    /// Takes a frame; true where it replaced an older one. The new one goes to the end: positions keep growing along a topic.
    pub(super) fn push(&mut self, frame: Bytes, key: Option<LatestKey>) -> bool {
        let mut replaced = false;
        if let Some(key) = &key {
            let number = self.first + self.queue.len() as u64;
            if let Some(older) = self.latest.insert(key.clone(), number) {
                let place = &mut self.queue[(older - self.first) as usize];
                self.bytes -= place.0.len();
                *place = (Bytes::new(), None);
                self.empty += 1;
                replaced = true;
            }
        }
        self.bytes += frame.len();
        self.queue.push_back((frame, key));
        if self.empty > 64 && self.empty * 2 > self.queue.len() {
            self.compact();
        }
        replaced
    }
    /// What is to be written next.
    pub(super) fn front(&mut self) -> Option<&[u8]> {
        while self.queue.front().is_some_and(|(frame, _)| frame.is_empty()) {
            self.queue.pop_front();
            self.first += 1;
            self.empty = self.empty.saturating_sub(1);
        }
        self.queue.front().map(|(frame, _)| &frame[..])
    }
    /// So many bytes of the front were written. What was begun can no longer be replaced.
    pub(super) fn advance(&mut self, written: usize) {
        let Some((frame, key)) = self.queue.front_mut() else { return };
        self.bytes -= written;
        frame.advance(written);
        if let Some(key) = key.take() {
            self.latest.remove(&key);
        }
        if frame.is_empty() {
            self.queue.pop_front();
            self.first += 1;
        }
    }
    /// Forgets everything but a frame that was begun: the reader is sent away, and must be able to read that.
    pub(super) fn clear_unstarted(&mut self) {
        // Only the rest of a frame that was cut has no key and stands in front; a whole frame without a key is kept with it, harmlessly.
        self.queue.truncate(1);
        if let Some((_, Some(_))) = self.queue.front() {
            self.queue.clear();
        }
        self.latest.clear();
        self.empty = 0;
        self.bytes = self.queue.front().map_or(0, |(frame, _)| frame.len());
    }
    fn compact(&mut self) {
        self.queue.retain(|(frame, _)| !frame.is_empty());
        self.empty = 0;
        self.latest.clear();
        for (at, (_, key)) in self.queue.iter().enumerate() {
            if let Some(key) = key {
                self.latest.insert(key.clone(), self.first + at as u64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, identifier: &Rc<Identifier>) -> Option<LatestKey> {
        Some(LatestKey { topic: Topic::channel("rows"), identifier: identifier.clone(), key: name.into() })
    }
    fn drain(outbox: &mut Outbox) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(front) = outbox.front() {
            let some = front.len().min(2);
            all.extend_from_slice(&front[..some]);
            outbox.advance(some);
        }
        all
    }

    #[test]
    fn keeps_the_newest_of_each_key_and_every_frame_without_one() {
        let (one, two) = (Rc::new(Identifier::new("1")), Rc::new(Identifier::new("2")));
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"A1"), key("a", &one));
        outbox.push(Bytes::from_static(b"--"), None);
        outbox.push(Bytes::from_static(b"B1"), key("b", &one));
        outbox.push(Bytes::from_static(b"a1"), key("a", &two));
        assert!(outbox.push(Bytes::from_static(b"A2"), key("a", &one)));
        assert_eq!(outbox.bytes(), 8);
        assert_eq!(drain(&mut outbox), b"--B1a1A2");
        assert_eq!(outbox.bytes(), 0);
    }

    #[test]
    fn never_replaces_a_frame_that_was_begun() {
        let one = Rc::new(Identifier::new("1"));
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"AAAA"), key("a", &one));
        outbox.advance(1);
        assert!(!outbox.push(Bytes::from_static(b"BB"), key("a", &one)));
        assert_eq!(drain(&mut outbox), b"AAABB");
    }

    #[test]
    fn stays_small_however_often_one_key_is_told() {
        let one = Rc::new(Identifier::new("1"));
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"first"), None);
        for round in 0..100_000_u32 {
            outbox.push(Bytes::from(round.to_string()), key(["x", "y"][round as usize % 2], &one));
        }
        assert!(outbox.queue.len() < 256);
        assert_eq!(drain(&mut outbox), b"first9999899999");
    }
}
