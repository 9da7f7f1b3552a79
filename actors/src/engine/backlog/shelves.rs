//! The shelves of the backlog: the broadcasts of each topic, bounded in number; in what order they came, and which of them a snapshot holds.
//!
//! Used inside the backlog's own lock; they have none themselves, and look at no clock.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use trunkline_protocol::{Record, Timestamp, Topic, codec, limits::BACKLOG_BROADCASTS_MAX};

use crate::{Broadcast, engine::pieces};

/// How many topics are remembered, those included of which nothing is kept any longer but the last offset.
const TOPICS_MAX: usize = 100_000;
/// What a kept broadcast costs beside its message.
pub(super) const OVERHEAD: usize = 96;

/// What is kept of every topic, and what of that is in a snapshot.
#[derive(Default)]
pub(super) struct Shelves {
    pub topics: HashMap<Topic, Shelf>,
    /// Every kept broadcast in the order of the journal, and some that are gone already.
    pub order: VecDeque<(u64, Topic)>,
    pub kept: usize,
    pub bytes: usize,
    /// Nothing below this offset is kept, whatever the topic.
    pub floor: u64,
    /// Of topics that are not remembered: nothing was said on them after this offset.
    pub forgotten: u64,
    /// The newest offset that was handed to [`Backlog::reach`](super::Backlog::reach).
    pub reached: u64,
    /// The newest offset that was ever kept; every one up to `saved` is in a snapshot or was gone before the snapshot was taken.
    pub newest: u64,
    pub saved: u64,
    /// Gone since, and in a snapshot still: the topic, the offset, and in how many pieces.
    pub gone: Vec<(Topic, u64, usize)>,
    pub heads_changed: HashSet<Topic>,
    pub floor_changed: bool,
    pub down: Option<Down>,
}

/// When the hub was down before it was opened, or had nothing to say.
#[derive(Clone, Copy)]
pub(super) struct Down {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// What is kept of one topic.
pub(super) struct Shelf {
    pub kept: VecDeque<Kept>,
    /// The newest offset that was dropped, when it had been said, and the newest there ever was.
    pub dropped: u64,
    pub dropped_at: Timestamp,
    pub last: u64,
}

/// A broadcast as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub offset: u64,
    pub at: Timestamp,
    pub message: Bytes,
    pub conflate: Option<String>,
    pub kind: Option<String>,
}
impl Record for Kept {
    const KIND: u16 = codec::kinds::BACKLOG;
    const SCHEMA: u8 = 2;
}

impl Shelf {
    /// Of a topic of which nothing is kept up to this offset.
    pub(super) fn after(offset: u64, at: Timestamp) -> Self {
        Self { kept: VecDeque::new(), dropped: offset, dropped_at: at, last: offset }
    }
    /// How many of the first that are kept may no longer be told: all but so many, and those that were said before a moment.
    pub(super) fn hidden(&self, broadcasts_max: usize, oldest: Timestamp) -> usize {
        let beyond = self.kept.len().saturating_sub(broadcasts_max);
        beyond + self.kept.iter().skip(beyond).take_while(|kept| kept.at < oldest).count()
    }
    /// The broadcast at this offset.
    pub(super) fn find(&self, offset: u64) -> Option<&Kept> {
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
    /// Keeps one more; its offset is the newest of its topic.
    pub(super) fn keep(&mut self, broadcast: &Broadcast, offset: u64, at: Timestamp) {
        let forgotten = self.forgotten;
        let shelf = self.topics.entry(broadcast.topic.clone()).or_insert_with(|| Shelf::after(forgotten, at));
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
    /// Of what was said on the topic up to this offset nothing is kept any longer.
    pub(super) fn begin(&mut self, topic: &Topic, offset: u64, now: Timestamp) {
        while self.topics.get(topic).is_some_and(|shelf| !shelf.kept.is_empty()) {
            self.drop_first_of(topic);
        }
        self.topics.insert(topic.clone(), Shelf::after(offset, now));
        self.heads_changed.insert(topic.clone());
    }
    /// What was said before this moment has outlived `ttl`, the time not counted in which the hub was down.
    pub(super) fn horizon(&self, now: Timestamp, ttl: Duration) -> Timestamp {
        match self.down {
            Some(Down { from, to }) if now.since(to) < ttl => from.minus(ttl - now.since(to)),
            _ => now.minus(ttl),
        }
    }
    /// When the newest of all that is kept was said.
    pub(super) fn newest_at(&self) -> Option<Timestamp> {
        let (offset, topic) = self.order.back()?;
        Some(self.topics.get(topic)?.find(*offset)?.at)
    }
    /// When the oldest of all that is kept was said.
    pub(super) fn oldest_at(&mut self) -> Option<Timestamp> {
        loop {
            let (offset, topic) = self.order.front()?;
            match self.topics.get(topic).and_then(|shelf| shelf.kept.front()) {
                Some(kept) if kept.offset == *offset => return Some(kept.at),
                _ => self.order.pop_front(),
            };
        }
    }
    /// Drops that.
    pub(super) fn drop_oldest(&mut self) {
        if self.oldest_at().is_some()
            && let Some((_, topic)) = self.order.pop_front()
        {
            self.drop_first_of(&topic);
        }
    }
    fn drop_first_of(&mut self, topic: &Topic) {
        let Some(shelf) = self.topics.get_mut(topic) else { return };
        let Some(gone) = shelf.kept.pop_front() else { return };
        (shelf.dropped, shelf.dropped_at) = (gone.offset, gone.at);
        self.kept -= 1;
        self.bytes -= gone.message.len() + OVERHEAD;
        if gone.offset <= self.saved {
            self.gone.push((topic.clone(), gone.offset, gone.pieces()));
        }
        if !self.heads_changed.contains(topic) {
            self.heads_changed.insert(topic.clone());
        }
    }
    /// Forgets what is of no use any longer.
    pub(super) fn tidy(&mut self) {
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
                self.forgotten = self.topics.remove(&topic).map_or(0, |shelf| shelf.last).max(self.forgotten);
                self.floor_changed = true;
                self.heads_changed.insert(topic);
            }
        }
    }
}
