//! Who edits which cell now: folded from what streams write and what they say of renewals, told to whoever joins the grid. It decides
//! nothing: a lease is the stream's own.

use std::collections::BTreeMap;

use bytes::Bytes;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use trunkline_persistence::Piece;
use trunkline_protocol::{Cell, CodecError, Commit, Notice, Record, Timestamp, UserId, codec::kinds, limits::LEASE};

use super::{
    grid::{cell, seconds_left},
    shelf::Shelf,
    stream::{
        Stream,
        fact::{StreamFact, StreamNotice},
        field::StreamField,
    },
};
use crate::{Entity as _, Projection};

/// A lock as others see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Lock {
    user: UserId,
    user_name: Box<str>,
    until: Timestamp,
}

/// The locks of one stream, by field.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Held(BTreeMap<StreamField, Lock>);
impl Record for Held {
    const KIND: u16 = kinds::PROJECTION_SNAPSHOT;
    const SCHEMA: u8 = 1;
}

/// A lock as a newcomer is told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Locked {
    /// Which cell.
    pub cell: Cell,
    /// Who edits it.
    pub user: UserId,
    /// The name shown.
    pub user_name: Box<str>,
    /// For how many more seconds, unless renewed.
    pub expires_in_s: u64,
}

/// Every lock there is.
#[derive(Debug, Default)]
pub struct Locks {
    shelf: RwLock<Shelf<Held>>,
}

impl Locks {
    /// What somebody who comes now should see: a lock for each cell that is being edited.
    #[must_use]
    pub fn now(&self, now: Timestamp) -> Vec<Locked> {
        let shelf = self.shelf.read();
        let seen = |id: u64, field: &StreamField, lock: &Lock| Locked {
            cell: cell(id, *field),
            user: lock.user,
            user_name: lock.user_name.clone(),
            expires_in_s: match seconds_left(lock.until, now) {
                // Renewals are not written: after a restart its stream gives it one fresh term, and says so when that ends.
                0 => LEASE.as_secs(),
                left => left,
            },
        };
        shelf.pairs().flat_map(|(id, held)| held.0.iter().map(move |(field, lock)| seen(id, field, lock))).collect()
    }
    fn change(&self, id: u64, change: impl FnOnce(&mut Held)) {
        let mut shelf = self.shelf.write();
        let mut held = shelf.get(id).map(|held| Held::clone(held)).unwrap_or_default();
        change(&mut held);
        if held.0.is_empty() {
            shelf.remove(id);
        } else {
            shelf.put(id, held);
        }
    }
    fn take(&self, fact: StreamFact) {
        match fact {
            StreamFact::CellLocked { id, field, user, user_name, until, .. } => {
                self.change(id, |held| drop(held.0.insert(field, Lock { user, user_name, until })));
            }
            StreamFact::CellUnlocked { id, field, .. } => self.change(id, |held| drop(held.0.remove(&field))),
            StreamFact::StreamDeleted { id } => drop(self.shelf.write().remove(id)),
            _ => {}
        }
    }
}

impl Projection for Locks {
    fn name(&self) -> &'static str {
        "locks"
    }
    fn schema(&self) -> u8 {
        1
    }
    fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
        if commit.entity.kind() != Stream::KIND {
            return Ok(());
        }
        for fact in commit.facts_of::<StreamFact>() {
            self.take(fact?);
        }
        Ok(())
    }
    fn hear(&self, notice: &Notice) {
        let Ok(Some(StreamNotice::LeaseRenewed { id, field, user, until, .. })) = notice.open::<StreamNotice>() else { return };
        let renewed = |held: &mut Held| {
            if let Some(lock) = held.0.get_mut(&field).filter(|lock| lock.user == user) {
                lock.until = lock.until.max(until);
            }
        };
        self.change(id, renewed);
    }
    fn changed(&self) -> Vec<Piece> {
        self.shelf.write().changed()
    }
    fn restore(&self, pieces: Vec<(Vec<u8>, Bytes)>) -> Result<(), CodecError> {
        *self.shelf.write() = Shelf::restored(&pieces)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use trunkline_protocol::ConnectionId;

    use super::*;
    use crate::streams::stream::fact::UnlockReason;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }
    fn locked(id: u64, field: StreamField, until: i64) -> StreamFact {
        StreamFact::CellLocked {
            id,
            field,
            user: UserId(2),
            user_name: "ana".into(),
            connection: ConnectionId(1),
            until: at(until),
        }
    }
    fn shown(locks: &Locks, now: i64) -> Vec<(String, u64)> {
        locks.now(at(now)).iter().map(|lock| (lock.cell.to_string(), lock.expires_in_s)).collect()
    }

    #[test]
    fn shows_what_is_held_until_its_end_is_written_also_after_a_restart() {
        let locks = Locks::default();
        locks.take(locked(7, StreamField::Title, 30));
        locks.take(locked(7, StreamField::City, 25));
        assert_eq!(shown(&locks, 10), [("stream_7_title".into(), 20), ("stream_7_city".into(), 15)]);

        let again = Locks::default();
        let pieces = locks.changed().into_iter().filter_map(|piece| Some((piece.key, piece.value?))).collect();
        again.restore(pieces).expect("its own pieces");
        assert_eq!(shown(&again, 60)[0], ("stream_7_title".into(), 30), "its end is not written yet");

        let user = UserId(2);
        let gone =
            |field| StreamFact::CellUnlocked { id: 7, field, user, connection: ConnectionId(1), reason: UnlockReason::Expired };
        again.take(gone(StreamField::Title));
        assert_eq!(shown(&again, 0).len(), 1);
        again.take(gone(StreamField::City));
        assert!(shown(&again, 0).is_empty());
        assert_eq!(again.changed().iter().map(|piece| piece.value.is_none()).collect::<Vec<_>>(), [true], "the piece goes, too");
    }
}
