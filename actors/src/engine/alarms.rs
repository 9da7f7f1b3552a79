//! Which entity wants to be woken when. A retired entity has no timer, so the hub keeps one book for all of them.
//!
//! An entity's actor writes its alarm beside its facts ([`AlarmSet`]) whenever it would otherwise be missed; this projection folds
//! that, so a hub that opens again knows it. An actor that is awake corrects its entry as it goes ([`Alarms::note`]).

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use trunkline_persistence::Piece;
use trunkline_protocol::{CodecError, Commit, EntityId, Record, Timestamp, Version, codec};

use crate::Projection;

/// Written as the last fact of a commit by whose facts the entity's alarm appeared, vanished or came nearer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct AlarmSet(pub(crate) Option<Timestamp>);
impl Record for AlarmSet {
    const KIND: u16 = codec::kinds::ALARM;
    const SCHEMA: u8 = 1;
}

/// One entry of the book, as it is saved.
#[derive(Serialize, Deserialize)]
struct Entry {
    version: Version,
    at: Timestamp,
}
impl Record for Entry {
    const KIND: u16 = codec::kinds::PROJECTION_SNAPSHOT;
    const SCHEMA: u8 = 1;
}

/// The book of alarms.
#[derive(Default)]
pub(crate) struct Alarms {
    book: Mutex<Book>,
    /// Rung when the earliest alarm may have come nearer.
    pub(crate) nearer: Notify,
}

#[derive(Default)]
struct Book {
    /// By entity: the version that said so, and when it wants to be woken.
    entries: HashMap<EntityId, (Version, Timestamp)>,
    by_time: BTreeSet<(Timestamp, EntityId)>,
    changed: HashSet<EntityId>,
}

/// How soon an entity that did not answer its alarm is rung again.
const RING_AGAIN_MS: i64 = 5_000;

impl Alarms {
    /// What the entity wants as of `version`; what an older version wanted is not heard any more.
    pub(crate) fn note(&self, entity: &EntityId, version: Version, at: Option<Timestamp>) {
        let mut book = self.book.lock();
        let known = book.entries.get(entity).copied();
        if known.is_none() && at.is_none() || known.is_some_and(|(known, _)| known > version) || known == at.map(|at| (version, at))
        {
            return;
        }
        if let Some((_, before)) = known {
            book.by_time.remove(&(before, entity.clone()));
        }
        book.changed.insert(entity.clone());
        let Some(at) = at else {
            book.entries.remove(entity);
            return;
        };
        book.entries.insert(entity.clone(), (version, at));
        let first = book.by_time.first().is_none_or(|(first, _)| at < *first);
        book.by_time.insert((at, entity.clone()));
        drop(book);
        if first {
            self.nearer.notify_one();
        }
    }
    /// At most `most` entities whose time has come. Each is rung again a little later unless it notes something else by then.
    pub(crate) fn due(&self, now: Timestamp, most: usize) -> Vec<EntityId> {
        let mut book = self.book.lock();
        let due: Vec<_> = book.by_time.iter().take_while(|(at, _)| *at <= now).take(most).cloned().collect();
        for (at, entity) in &due {
            let again = Timestamp::from_millis(now.as_millis() + RING_AGAIN_MS);
            book.by_time.remove(&(*at, entity.clone()));
            book.by_time.insert((again, entity.clone()));
            if let Some(entry) = book.entries.get_mut(entity) {
                entry.1 = again;
            }
        }
        due.into_iter().map(|(_, entity)| entity).collect()
    }
    /// When the next one is due.
    pub(crate) fn earliest(&self) -> Option<Timestamp> {
        self.book.lock().by_time.first().map(|(at, _)| *at)
    }
    /// Forgets an entity of a kind that this hub no longer keeps.
    pub(crate) fn forget(&self, entity: &EntityId) {
        self.note(entity, Version::MAX, None);
    }
}

impl Projection for Alarms {
    fn name(&self) -> &'static str {
        "engine.alarms"
    }
    fn schema(&self) -> u8 {
        1
    }
    fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
        for set in commit.facts_of::<AlarmSet>() {
            self.note(&commit.entity, commit.version, set?.0);
        }
        Ok(())
    }
    fn changed(&self) -> Vec<Piece> {
        let mut book = self.book.lock();
        let changed = std::mem::take(&mut book.changed);
        let piece = |entity: EntityId| Piece {
            value: book.entries.get(&entity).map(|(version, at)| codec::seal(&Entry { version: *version, at: *at })),
            key: entity.as_str().as_bytes().to_vec(),
        };
        changed.into_iter().map(piece).collect()
    }
    fn restore(&self, pieces: Vec<(Vec<u8>, Bytes)>) -> Result<(), CodecError> {
        let mut restored = Book::default();
        for (key, value) in pieces {
            let entity: EntityId = String::from_utf8_lossy(&key).parse().map_err(|_| CodecError::NotAnEnvelope)?;
            let Entry { version, at } = codec::open(&value)?;
            restored.by_time.insert((at, entity.clone()));
            restored.entries.insert(entity, (version, at));
        }
        *self.book.lock() = restored;
        Ok(())
    }
}
