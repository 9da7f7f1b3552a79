//! The last broadcasts of every topic, for clients that return: asked by the edge, filled by the relay, saved with the projections.
//!
//! Bounded three ways: broadcasts per topic, bytes in all, age. What was dropped is remembered as a number, so a client is told honestly
//! that it missed something. Nothing here is ever sent twice: a history says up to which offset it speaks ([`History::Recovered`]).

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use trunkline_persistence::Piece;
use trunkline_protocol::{
    CodecError, Commit, Position, Record, Timestamp, Topic, codec,
    limits::{BACKLOG_BROADCASTS_MAX, BACKLOG_BYTES_MAX, BACKLOG_TTL},
};

use super::{pieces, retention::Retention};
use crate::{Broadcast, Offset, Projection, Unsealed};

/// From where a client wants a topic's history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Since<'a> {
    /// After the last broadcast it received.
    After {
        /// The journal in which it received it.
        epoch: &'a str,
        /// Its offset.
        offset: u64,
    },
    /// From this second (since 1970) on, that second included.
    Seconds(i64),
}

/// What a topic's history came to.
///
/// To miss nothing and to send nothing twice: first attach the subscription to the topic, then ask; send what was recovered; from then on
/// skip every live broadcast of the topic whose offset is at most `upto`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum History {
    /// Everything since, oldest first.
    Recovered {
        /// The broadcasts, each with its offset.
        broadcasts: Vec<Broadcast>,
        /// The offset up to which this answer speaks.
        upto: u64,
    },
    /// Something after that place is no longer kept, or the place is not one of this journal: start anew.
    Gone,
}

/// How many topics are remembered, those included of which nothing is kept any longer but the last offset.
const TOPICS_MAX: usize = 100_000;
/// What a kept broadcast costs beside its message.
const OVERHEAD: usize = 96;

/// The last broadcasts of every topic.
pub(crate) struct Backlog {
    epoch: Arc<str>,
    shelves: Mutex<Shelves>,
}

#[derive(Default)]
struct Shelves {
    topics: HashMap<Topic, Shelf>,
    /// Every kept broadcast in the order of the journal, and some that are gone already.
    order: VecDeque<(u64, Topic)>,
    kept: usize,
    bytes: usize,
    /// Nothing below this offset is kept, whatever the topic.
    floor: u64,
    /// The newest offset that was handed to [`Backlog::reach`].
    reached: u64,
    /// The newest offset that was ever kept; every one up to `saved` is in a snapshot or was gone before the snapshot was taken.
    newest: u64,
    saved: u64,
    /// Gone since, and in a snapshot still: the topic, the offset, and in how many pieces.
    gone: Vec<(Topic, u64, usize)>,
    heads_changed: HashSet<Topic>,
    floor_changed: bool,
}

#[derive(Default)]
struct Shelf {
    kept: VecDeque<Kept>,
    /// The newest offset that was dropped, and the newest there ever was.
    dropped: u64,
    last: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    offset: u64,
    at: Timestamp,
    message: Bytes,
    conflate: Option<String>,
    kind: Option<String>,
}
impl Record for Kept {
    const KIND: u16 = codec::kinds::BACKLOG;
    const SCHEMA: u8 = 2;
}

static EMPTY: VecDeque<Kept> = VecDeque::new();

/// The offset of the last broadcast that a commit at `position` can have.
pub(crate) fn last_of(position: Position) -> u64 {
    position << 10 | 1023
}

impl Backlog {
    pub(crate) fn new(epoch: Arc<str>) -> Self {
        Self { epoch, shelves: Mutex::default() }
    }
    /// Keeps those of `broadcasts` that have an offset. They come in the order of the journal.
    pub(crate) fn keep(&self, broadcasts: &[Broadcast], at: Timestamp) {
        let mut shelves = self.shelves.lock();
        for broadcast in broadcasts {
            let Some(offset) = broadcast.offset.as_ref().map(|offset| offset.offset) else { continue };
            shelves.keep(broadcast, offset, at);
        }
    }
    /// The relay has told everything up to `position`; what grew too old goes.
    pub(crate) fn reach(&self, position: Position, now: Timestamp) {
        let mut shelves = self.shelves.lock();
        shelves.reached = shelves.reached.max(last_of(position));
        let oldest = now.minus(BACKLOG_TTL);
        while shelves.bytes > BACKLOG_BYTES_MAX || shelves.oldest_at().is_some_and(|at| at < oldest) {
            shelves.drop_oldest();
        }
        shelves.tidy();
    }
    /// Broadcasts of commits up to `position` were not rendered: they are too old to be asked for.
    pub(crate) fn skip_to(&self, position: Position) {
        let mut shelves = self.shelves.lock();
        shelves.floor = shelves.floor.max(last_of(position));
        shelves.floor_changed = true;
    }
    /// The topic's history since a place, within its retention.
    pub(crate) fn history(&self, topic: &Topic, since: Since<'_>, retention: &Retention, now: Timestamp) -> History {
        let shelves = self.shelves.lock();
        let shelf = shelves.topics.get(topic);
        let upto = shelf.map_or(0, |shelf| shelf.last);
        let (kept, dropped) = shelf.map_or((&EMPTY, 0), |shelf| (&shelf.kept, shelf.dropped));
        let oldest = now.minus(retention.ttl);
        let mut within = kept.iter().skip(kept.len().saturating_sub(retention.broadcasts_max)).peekable();
        let mut hidden = kept.len().checked_sub(retention.broadcasts_max + 1).map_or(0, |last| kept[last].offset);
        while let Some(old) = within.next_if(|kept| kept.at < oldest) {
            hidden = old.offset;
        }
        if let Since::After { epoch, offset } = since {
            let known = shelf.is_some() && offset >= dropped.max(hidden).max(shelves.floor);
            if epoch != &*self.epoch || offset > shelves.reached || !known {
                return History::Gone;
            }
        }
        let found = within.filter(|kept| match since {
            Since::Seconds(second) => kept.at.as_seconds() >= second,
            Since::After { offset, .. } => kept.offset > offset,
        });
        History::Recovered { broadcasts: found.map(|kept| self.broadcast(topic, kept)).collect(), upto }
    }
    /// May something that was said on the topic from this second on be missing here, though it was kept?
    pub(crate) fn begins_after(&self, topic: &Topic, second: i64) -> bool {
        let shelves = self.shelves.lock();
        let Some(shelf) = shelves.topics.get(topic) else { return true };
        let whole = shelf.dropped == 0 && shelves.floor == 0;
        !whole && shelf.kept.front().is_none_or(|first| first.at.as_seconds() >= second)
    }
    /// Is this a place that the relay has reached?
    pub(crate) fn has_reached(&self, epoch: &str, offset: u64) -> bool {
        epoch == &*self.epoch && offset <= self.shelves.lock().reached
    }
    fn broadcast(&self, topic: &Topic, kept: &Kept) -> Broadcast {
        Broadcast {
            topic: topic.clone(),
            message: kept.message.clone(),
            offset: Some(Offset { epoch: Arc::clone(&self.epoch), offset: kept.offset }),
            conflate: kept.conflate.as_deref().map(Arc::from),
            except: None,
            kind: kept.kind.as_deref().map(Arc::from),
        }
    }
}

impl Shelf {
    fn find(&self, offset: u64) -> Option<&Kept> {
        let place = self.kept.binary_search_by_key(&offset, |kept| kept.offset).ok()?;
        self.kept.get(place)
    }
}

impl Kept {
    /// In how many pieces it is saved; one too many does no harm.
    fn pieces(&self) -> usize {
        pieces::count(self.message.len() + self.conflate.as_ref().map_or(0, String::len) + OVERHEAD)
    }
}

impl Shelves {
    fn keep(&mut self, broadcast: &Broadcast, offset: u64, at: Timestamp) {
        let shelf = self.topics.entry(broadcast.topic.clone()).or_default();
        if offset <= shelf.last {
            // Kept already: the relay tells a page again after a restart.
            return;
        }
        let text = |text: &Arc<str>| text.to_string();
        let (conflate, kind) = (broadcast.conflate.as_ref().map(text), broadcast.kind.as_ref().map(text));
        shelf.kept.push_back(Kept { offset, at, message: broadcast.message.clone(), conflate, kind });
        shelf.last = offset;
        self.kept += 1;
        self.bytes += broadcast.message.len() + OVERHEAD;
        self.order.push_back((offset, broadcast.topic.clone()));
        self.newest = self.newest.max(offset);
        if shelf.kept.len() > BACKLOG_BROADCASTS_MAX {
            self.drop_first_of(&broadcast.topic);
        }
    }
    fn oldest_at(&mut self) -> Option<Timestamp> {
        loop {
            let (offset, topic) = self.order.front()?;
            match self.topics.get(topic).and_then(|shelf| shelf.kept.front()) {
                Some(kept) if kept.offset == *offset => return Some(kept.at),
                _ => self.order.pop_front(),
            };
        }
    }
    fn drop_oldest(&mut self) {
        if self.oldest_at().is_some()
            && let Some((_, topic)) = self.order.pop_front()
        {
            self.drop_first_of(&topic);
        }
    }
    fn drop_first_of(&mut self, topic: &Topic) {
        let Some(shelf) = self.topics.get_mut(topic) else { return };
        let Some(gone) = shelf.kept.pop_front() else { return };
        shelf.dropped = gone.offset;
        self.kept -= 1;
        self.bytes -= gone.message.len() + OVERHEAD;
        if gone.offset <= self.saved {
            self.gone.push((topic.clone(), gone.offset, gone.pieces()));
        }
        if !self.heads_changed.contains(topic) {
            self.heads_changed.insert(topic.clone());
        }
    }
    fn tidy(&mut self) {
        if self.order.len() > 2 * self.kept + 1024 {
            let topics = &self.topics;
            self.order.retain(|(offset, topic)| {
                topics.get(topic).and_then(|shelf| shelf.kept.front()).is_some_and(|first| *offset >= first.offset)
            });
        }
        if self.topics.len() > TOPICS_MAX {
            let empty: Vec<Topic> =
                self.topics.iter().filter(|(_, shelf)| shelf.kept.is_empty()).map(|(topic, _)| topic.clone()).collect();
            for topic in empty {
                // A client of this topic is told to start anew: nothing is known of it any longer.
                self.topics.remove(&topic);
                self.heads_changed.insert(topic);
            }
        }
    }
}

/// What is remembered of a topic beside its broadcasts; under an empty topic: the floor.
#[derive(Serialize, Deserialize)]
struct Head {
    dropped: u64,
    last: u64,
}
impl Record for Head {
    const KIND: u16 = codec::kinds::BACKLOG_HEAD;
    const SCHEMA: u8 = 1;
}

fn key(topic: &str, offset: u64) -> Vec<u8> {
    let mut key = topic.as_bytes().to_vec();
    key.extend(offset.to_be_bytes());
    key
}

/// Saved and restored like a projection; the relay fills it, so there is nothing to fold.
impl Projection for Backlog {
    fn name(&self) -> &'static str {
        "engine.backlog"
    }
    fn schema(&self) -> u8 {
        2
    }
    fn fold(&self, _: &Commit) -> Result<(), CodecError> {
        Ok(())
    }
    fn changed(&self) -> Vec<Piece> {
        self.changed_unsealed()()
    }
    fn changed_unsealed(&self) -> Unsealed {
        let mut shelves = self.shelves.lock();
        let (gone, heads) = (std::mem::take(&mut shelves.gone), std::mem::take(&mut shelves.heads_changed));
        let mut out = Vec::new();
        for (topic, offset, pieces) in gone {
            let key = key(topic.as_str(), offset);
            out.extend(pieces::doomed(&key, pieces));
        }
        // Whatever came and went since the last snapshot was never in one.
        let recent = shelves.order.iter().rev().take_while(|(offset, _)| *offset > shelves.saved);
        let kept: Vec<(Topic, Kept)> =
            recent.filter_map(|(offset, topic)| Some((topic.clone(), shelves.topics.get(topic)?.find(*offset)?.clone()))).collect();
        // Offsets grow from commit to commit, not within one: all those of a commit are in the same snapshot.
        shelves.saved = shelves.newest | 1023;
        for topic in heads {
            let head = shelves.topics.get(&topic).map(|shelf| codec::seal(&Head { dropped: shelf.dropped, last: shelf.last }));
            out.push(Piece { key: [key(topic.as_str(), 0), vec![0; 4]].concat(), value: head });
        }
        if std::mem::take(&mut shelves.floor_changed) {
            let head = codec::seal(&Head { dropped: shelves.floor, last: 0 });
            out.push(Piece { key: [key("", 0), vec![0; 4]].concat(), value: Some(head) });
        }
        Box::new(move || {
            out.extend(kept.iter().flat_map(|(topic, kept)| pieces::cut(&key(topic.as_str(), kept.offset), &codec::seal(kept))));
            out
        })
    }
    fn restore(&self, pieces: Vec<(Vec<u8>, Bytes)>) -> Result<(), CodecError> {
        let mut shelves = Shelves::default();
        let mut found: Vec<(Topic, Kept)> = Vec::new();
        for whole in pieces.chunk_by(|(one, _), (other, _)| one[..one.len().max(4) - 4] == other[..other.len().max(4) - 4]) {
            let key = &whole[0].0;
            let Some((topic, offset)) = key.len().checked_sub(12).map(|at| (&key[..at], &key[at..at + 8])) else {
                return Err(CodecError::NotAnEnvelope);
            };
            let topic = String::from_utf8(topic.to_vec()).map_err(|_| CodecError::NotAnEnvelope)?;
            let bytes = pieces::join(whole, &key[..key.len() - 4]).ok_or(CodecError::NotAnEnvelope)?;
            if offset == [0; 8] {
                let head: Head = codec::open(&bytes)?;
                match Topic::from_address(&topic) {
                    Some(topic) => {
                        let shelf = shelves.topics.entry(topic).or_default();
                        (shelf.dropped, shelf.last) = (head.dropped, head.last);
                    }
                    None => shelves.floor = head.dropped,
                }
            } else {
                let topic = Topic::from_address(&topic).ok_or(CodecError::NotAnEnvelope)?;
                found.push((topic, codec::open_long(&bytes)?));
            }
        }
        found.sort_by_key(|(_, kept)| kept.offset);
        for (topic, kept) in found {
            let shelf = shelves.topics.entry(topic.clone()).or_default();
            shelf.last = shelf.last.max(kept.offset);
            shelves.kept += 1;
            shelves.bytes += kept.message.len() + OVERHEAD;
            shelves.reached = shelves.reached.max(kept.offset);
            shelves.newest = shelves.newest.max(kept.offset);
            shelves.order.push_back((kept.offset, topic));
            shelf.kept.push_back(kept);
        }
        shelves.saved = if shelves.kept == 0 { 0 } else { shelves.newest | 1023 };
        *self.shelves.lock() = shelves;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL_MS: i64 = BACKLOG_TTL.as_millis() as i64;

    fn said(position: Position, epoch: &Arc<str>) -> Broadcast {
        let offset = Some(Offset { epoch: Arc::clone(epoch), offset: position << 10 });
        let message = Bytes::from(position.to_string());
        Broadcast { topic: Topic::channel("all"), message, offset, conflate: None, except: None, kind: None }
    }

    /// What a snapshot holds once these changes are in it.
    fn save(backlog: &Backlog, saved: &mut std::collections::BTreeMap<Vec<u8>, Bytes>) -> usize {
        let changed = backlog.changed();
        let count = changed.len();
        for Piece { key, value } in changed {
            match value {
                Some(value) => saved.insert(key, value),
                None => saved.remove(&key),
            };
        }
        count
    }

    #[test]
    fn saves_what_is_kept_and_nothing_of_what_came_and_went() {
        let epoch: Arc<str> = "epoch".into();
        let (backlog, mut saved) = (Backlog::new(Arc::clone(&epoch)), Default::default());
        let at = |position| Timestamp::from_millis(position as i64);
        let newest = 5 * BACKLOG_BROADCASTS_MAX as Position;
        for position in 1..=newest {
            backlog.keep(&[said(position, &epoch)], at(position));
            backlog.reach(position, at(position));
            if position == newest / 2 {
                assert_eq!(save(&backlog, &mut saved), BACKLOG_BROADCASTS_MAX + 1, "those kept, and the head");
            }
        }
        assert_eq!(save(&backlog, &mut saved), 2 * BACKLOG_BROADCASTS_MAX + 1, "those kept, those to be removed, and the head");
        assert_eq!(save(&backlog, &mut saved), 0, "nothing changed");
        let restored = Backlog::new(Arc::clone(&epoch));
        restored.restore(saved.clone().into_iter().collect()).expect("readable");
        let since = Since::After { epoch: &epoch, offset: (newest - 10) << 10 };
        let told = |backlog: &Backlog| backlog.history(&Topic::channel("all"), since, &Retention::STANDARD, at(newest));
        assert_eq!(told(&restored), told(&backlog));
        // What is in the snapshot and grows too old is removed from it, whichever process saved it.
        restored.reach(newest, Timestamp::from_millis(newest as i64 + 2 * TTL_MS));
        save(&restored, &mut saved);
        assert_eq!(saved.len(), 1, "the head alone");
    }
}
