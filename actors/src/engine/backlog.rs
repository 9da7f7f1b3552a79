//! The last broadcasts of every topic, for clients that return: asked by the edge, filled by the relay, saved with the projections.
//!
//! Bounded three ways: broadcasts per topic, bytes in all, age, for which the time in which the hub was down does not count. What was dropped is remembered as a number, so a client is told honestly
//! that it missed something. Nothing here is ever sent twice: a history says up to which offset it speaks ([`History::Recovered`]).
//!
//! # Layout
//! - here: what is kept, and what is answered of it
//! - `shelves`: the broadcasts by topic, and their bounds; `saving`: their part of the relay's snapshots

mod saving;
mod shelves;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use trunkline_protocol::{
    Position, Timestamp, Topic,
    limits::{BACKLOG_BYTES_MAX, BACKLOG_TTL},
};

use super::retention::Retention;
use crate::{Broadcast, Offset};
use shelves::{Down, Kept, Shelf, Shelves};

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

/// The last broadcasts of every topic.
pub(crate) struct Backlog {
    epoch: Arc<str>,
    shelves: Mutex<Shelves>,
    /// Which commit the relay is at.
    at: AtomicU64,
}

static EMPTY: VecDeque<Kept> = VecDeque::new();

/// The offset of the last broadcast that a commit at `position` can have.
pub(crate) fn last_of(position: Position) -> u64 {
    position << 10 | 1023
}

impl Backlog {
    pub(crate) fn new(epoch: Arc<str>) -> Self {
        Self { epoch, shelves: Mutex::default(), at: AtomicU64::new(0) }
    }
    /// The relay is about to render the commit at `position`.
    pub(crate) fn turn_to(&self, position: Position) {
        self.at.store(position, Ordering::Release);
    }
    /// What is said on the topic of every commit that is rendered from now on is here; of those before it nothing is.
    pub(crate) fn begin(&self, topic: &Topic, now: Timestamp) {
        self.shelves.lock().begin(topic, last_of(self.at.load(Ordering::Acquire)), now);
    }
    /// Of the commits after which position all that is said on the topic is here; `None` where the topic is not known.
    pub(crate) fn begins(&self, topic: &Topic) -> Option<Position> {
        self.shelves.lock().topics.get(topic).map(|shelf| shelf.dropped >> 10)
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
        let oldest = shelves.horizon(now, BACKLOG_TTL);
        while shelves.bytes > BACKLOG_BYTES_MAX || shelves.oldest_at().is_some_and(|at| at < oldest) {
            shelves.drop_oldest();
        }
        shelves.tidy();
    }
    /// The hub is opened `now`, and everything up to `position` is here: what it holds is as old as it was when the last of it was said.
    pub(crate) fn open(&self, position: Position, now: Timestamp) {
        {
            let mut shelves = self.shelves.lock();
            shelves.down = shelves.newest_at().map(|from| Down { from, to: now });
        }
        self.reach(position, now);
    }
    /// What was said before this moment has outlived `ttl`.
    pub(crate) fn horizon(&self, now: Timestamp, ttl: Duration) -> Timestamp {
        self.shelves.lock().horizon(now, ttl)
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
        let hidden = shelf.map_or(0, |shelf| shelf.hidden(retention.broadcasts_max, shelves.horizon(now, retention.ttl)));
        if self.is_gone(&shelves, shelf, since, hidden) {
            return History::Gone;
        }
        // Skipped, not filtered: where the clock was set back, something old stands behind something young, and a history has no hole.
        let found = shelf.map_or(&EMPTY, |shelf| &shelf.kept).iter().skip(hidden).skip_while(|kept| match since {
            Since::Seconds(second) => kept.at.as_seconds() < second,
            Since::After { offset, .. } => kept.offset <= offset,
        });
        let upto = shelf.map_or(0, |shelf| shelf.last);
        History::Recovered { broadcasts: found.map(|kept| self.broadcast(topic, kept)).collect(), upto }
    }
    /// Whether something after the place is not here, though the place is one that the relay has reached.
    pub(crate) fn lacks(&self, topic: &Topic, since: Since<'_>, retention: &Retention, now: Timestamp) -> bool {
        let shelves = self.shelves.lock();
        let shelf = shelves.topics.get(topic);
        let hidden = shelf.map_or(0, |shelf| shelf.hidden(retention.broadcasts_max, shelves.horizon(now, retention.ttl)));
        self.is_place(&shelves, since) && self.is_gone(&shelves, shelf, since, hidden)
    }
    fn is_gone(&self, shelves: &Shelves, shelf: Option<&Shelf>, since: Since<'_>, hidden: usize) -> bool {
        let Since::After { offset, .. } = since else { return false };
        let Some(shelf) = shelf else { return true };
        let hidden = hidden.checked_sub(1).map_or(0, |last| shelf.kept[last].offset);
        !self.is_place(shelves, since) || offset < shelf.dropped.max(hidden).max(shelves.floor)
    }
    /// Whether this is a place that the relay has reached.
    fn is_place(&self, shelves: &Shelves, since: Since<'_>) -> bool {
        match since {
            Since::Seconds(_) => true,
            Since::After { epoch, offset } => epoch == &*self.epoch && offset <= shelves.reached,
        }
    }
    /// May something that was said on the topic from this second on be missing here, though it was kept?
    pub(crate) fn begins_after(&self, topic: &Topic, second: i64) -> bool {
        let shelves = self.shelves.lock();
        let Some(shelf) = shelves.topics.get(topic) else { return true };
        let whole = shelf.dropped == 0 && shelves.floor == 0;
        !whole && shelf.kept.front().is_none_or(|first| first.at.as_seconds() >= second)
    }
    /// Was something dropped that was said on the topic from this second on, though its time was not over?
    pub(crate) fn lacks_since(&self, topic: &Topic, second: i64, now: Timestamp) -> bool {
        let shelves = self.shelves.lock();
        let oldest = second.max(shelves.horizon(now, BACKLOG_TTL).as_seconds());
        shelves.topics.get(topic).is_some_and(|shelf| shelf.dropped > 0 && shelf.dropped_at.as_seconds() >= oldest)
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
