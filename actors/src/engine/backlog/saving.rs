//! The backlog in the relay's snapshots: what changed since the last one, and how it is built again.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use trunkline_persistence::Piece;
use trunkline_protocol::{CodecError, Commit, Record, Timestamp, Topic, codec};

use super::{
    Backlog,
    shelves::{Kept, OVERHEAD, Shelf, Shelves},
};
use crate::{Projection, Unsealed, engine::pieces};

/// What is remembered of a topic beside its broadcasts; under an empty topic: the floor, and the last offset of those that are forgotten.
#[derive(Serialize, Deserialize)]
struct Head {
    dropped: u64,
    last: u64,
    dropped_at: Timestamp,
}
impl Record for Head {
    const KIND: u16 = codec::kinds::BACKLOG_HEAD;
    const SCHEMA: u8 = 2;
    fn upcast(schema: u8, payload: &[u8]) -> Result<Self, CodecError> {
        match schema {
            // When it was dropped is not known: maybe just now.
            1 => codec::decode(payload).map(|(dropped, last)| Self { dropped, last, dropped_at: Timestamp::from_millis(i64::MAX) }),
            _ => Err(CodecError::UnknownSchema { kind: Self::KIND, schema }),
        }
    }
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
            let head = shelves
                .topics
                .get(&topic)
                .map(|shelf| codec::seal(&Head { dropped: shelf.dropped, last: shelf.last, dropped_at: shelf.dropped_at }));
            out.push(Piece { key: [key(topic.as_str(), 0), vec![0; 4]].concat(), value: head });
        }
        if std::mem::take(&mut shelves.floor_changed) {
            let head = Head { dropped: shelves.floor, last: shelves.forgotten, dropped_at: Timestamp::from_millis(0) };
            let head = codec::seal(&head);
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
                        shelves.topics.insert(topic, Shelf { last: head.last, ..Shelf::after(head.dropped, head.dropped_at) });
                    }
                    None => (shelves.floor, shelves.forgotten) = (head.dropped, head.last),
                }
            } else {
                let topic = Topic::from_address(&topic).ok_or(CodecError::NotAnEnvelope)?;
                found.push((topic, codec::open_long(&bytes)?));
            }
        }
        found.sort_by_key(|(_, kept)| kept.offset);
        for (topic, kept) in found {
            let forgotten = shelves.forgotten;
            let shelf = shelves.topics.entry(topic.clone()).or_insert_with(|| Shelf::after(forgotten, kept.at));
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
    use std::sync::Arc;

    use trunkline_protocol::{
        Position, Timestamp,
        limits::{BACKLOG_BROADCASTS_MAX, BACKLOG_TTL},
    };

    use super::*;
    use crate::{Broadcast, History, Offset, Retention, Since};

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

    #[test]
    fn tells_by_time_without_a_hole_where_the_clock_was_set_back() {
        let epoch: Arc<str> = "epoch".into();
        let backlog = Backlog::new(Arc::clone(&epoch));
        let at = |second: i64| Timestamp::from_millis(second * 1000);
        for (position, second) in [(1, 100), (2, 200), (3, 150), (4, 210)] {
            backlog.keep(&[said(position, &epoch)], at(second));
        }
        let History::Recovered { broadcasts, .. } =
            backlog.history(&Topic::channel("all"), Since::Seconds(160), &Retention::STANDARD, at(210))
        else {
            panic!("by time nothing is gone")
        };
        assert_eq!(broadcasts.iter().map(|one| &*one.message).collect::<Vec<_>>(), [b"2", b"3", b"4"]);
    }
}
