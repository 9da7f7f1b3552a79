//! How many streams a location and a streamer have: folded from what happened to streams, asked by the lists and before a location is
//! deleted. It holds nothing that is shown of a stream.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use trunkline_persistence::Piece;
use trunkline_protocol::{CodecError, Commit, Record, codec, codec::kinds};

use super::stream::{Change, FieldValue, Stream, StreamFact, StreamField};
use crate::{Entity as _, Projection};

/// Streams of one piece of the snapshot.
const PIECE_STREAMS: u64 = 512;

/// What is counted of one stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Whereabouts {
    location: Option<u64>,
    streamer: Option<u64>,
    archived: bool,
}

#[derive(Serialize, Deserialize)]
struct Page(Vec<(u64, Whereabouts)>);
impl Record for Page {
    const KIND: u16 = kinds::PROJECTION_SNAPSHOT;
    const SCHEMA: u8 = 1;
}

/// A streamer's streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StreamCount {
    /// All of them.
    pub all: u64,
    /// Those not archived.
    pub active: u64,
}

/// The projection of the counts.
#[derive(Debug, Default)]
pub struct Tally {
    counted: RwLock<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    streams: BTreeMap<u64, Whereabouts>,
    locations: HashMap<u64, u64>,
    streamers: HashMap<u64, StreamCount>,
    dirty: BTreeSet<u64>,
}

impl Tally {
    /// Is there a stream of that id, archived or not?
    #[must_use]
    pub fn knows(&self, stream: u64) -> bool {
        self.counted.read().streams.contains_key(&stream)
    }
    /// How many streams are there, archived ones included.
    #[must_use]
    pub fn at_location(&self, location: u64) -> u64 {
        self.counted.read().locations.get(&location).copied().unwrap_or_default()
    }
    /// How many streams are theirs.
    #[must_use]
    pub fn of_streamer(&self, streamer: u64) -> StreamCount {
        self.counted.read().streamers.get(&streamer).copied().unwrap_or_default()
    }
}

impl Counted {
    fn take(&mut self, fact: &StreamFact) {
        let id = fact.stream();
        match fact {
            StreamFact::StreamAdded { fields, .. } => {
                let mut now = Whereabouts::default();
                fields.iter().for_each(|(field, value)| now.learn(*field, value));
                self.replace(id, Some(now));
            }
            StreamFact::StreamDeleted { .. } => self.replace(id, None),
            _ => self.change(id, fact.changes()),
        }
    }
    fn change(&mut self, id: u64, changes: &[Change]) {
        let Some(before) = self.streams.get(&id).copied() else { return };
        let mut now = before;
        changes.iter().for_each(|change| now.learn(change.field, &change.to));
        if now != before {
            self.replace(id, Some(now));
        }
    }
    fn replace(&mut self, id: u64, now: Option<Whereabouts>) {
        let before = match now {
            Some(now) => self.streams.insert(id, now),
            None => self.streams.remove(&id),
        };
        if let Some(before) = before {
            self.count(before, |count| count.saturating_sub(1));
        }
        if let Some(now) = now {
            self.count(now, |count| count + 1);
        }
        self.dirty.insert(id / PIECE_STREAMS);
    }
    fn count(&mut self, stream: Whereabouts, step: impl Fn(u64) -> u64) {
        if let Some(location) = stream.location {
            let count = self.locations.entry(location).or_default();
            *count = step(*count);
            if *count == 0 {
                self.locations.remove(&location);
            }
        }
        if let Some(streamer) = stream.streamer {
            let count = self.streamers.entry(streamer).or_default();
            count.all = step(count.all);
            if !stream.archived {
                count.active = step(count.active);
            }
            if count.all == 0 {
                self.streamers.remove(&streamer);
            }
        }
    }
}

impl Whereabouts {
    fn learn(&mut self, field: StreamField, value: &FieldValue) {
        let id = if let FieldValue::Id(id) = value { Some(*id) } else { None };
        match field {
            StreamField::Location => self.location = id,
            StreamField::Streamer => self.streamer = id,
            StreamField::IsArchived => self.archived = *value == FieldValue::Flag(true),
            _ => {}
        }
    }
}

impl Projection for Tally {
    fn name(&self) -> &'static str {
        "tally"
    }
    fn schema(&self) -> u8 {
        1
    }
    fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
        if commit.entity.kind() != Stream::KIND {
            return Ok(());
        }
        let mut counted = self.counted.write();
        for fact in commit.facts_of::<StreamFact>() {
            counted.take(&fact?);
        }
        Ok(())
    }
    fn changed(&self) -> Vec<Piece> {
        let mut counted = self.counted.write();
        let dirty = std::mem::take(&mut counted.dirty);
        let piece = |page: u64| {
            let first = page * PIECE_STREAMS;
            let streams: Vec<_> = counted.streams.range(first..first + PIECE_STREAMS).map(|(id, stream)| (*id, *stream)).collect();
            Piece { key: page.to_be_bytes().to_vec(), value: (!streams.is_empty()).then(|| codec::seal(&Page(streams))) }
        };
        dirty.into_iter().map(piece).collect()
    }
    fn restore(&self, pieces: Vec<(Vec<u8>, Bytes)>) -> Result<(), CodecError> {
        let mut counted = Counted::default();
        for (_, piece) in pieces {
            for (id, stream) in codec::open::<Page>(&piece)?.0 {
                counted.replace(id, Some(stream));
            }
        }
        counted.dirty.clear();
        *self.counted.write() = counted;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use trunkline_protocol::UserId;

    use super::*;

    fn added(id: u64, location: u64, streamer: u64) -> StreamFact {
        let fields = vec![(StreamField::Location, FieldValue::Id(location)), (StreamField::Streamer, FieldValue::Id(streamer))];
        StreamFact::StreamAdded { id, user: UserId(1), key: "x".into(), fields }
    }
    fn archived(id: u64) -> StreamFact {
        let change = Change { field: StreamField::IsArchived, from: FieldValue::Flag(false), to: FieldValue::Flag(true) };
        StreamFact::StreamArchived { id, automatic: false, changes: vec![change] }
    }
    fn moved(id: u64, to: FieldValue) -> StreamFact {
        StreamFact::FieldsChanged { id, changes: vec![Change { field: StreamField::Location, from: FieldValue::Nothing, to }] }
    }

    #[test]
    fn counts_what_is_there_and_what_is_still_active() {
        let tally = Tally::default();
        let take = |fact: StreamFact| tally.counted.write().take(&fact);
        for fact in [added(1, 5, 3), added(2, 5, 3), added(600, 6, 3), archived(1)] {
            take(fact);
        }
        assert_eq!((tally.at_location(5), tally.at_location(6), tally.at_location(7)), (2, 1, 0));
        assert_eq!(tally.of_streamer(3), StreamCount { all: 3, active: 2 });
        take(moved(1, FieldValue::Nothing));
        take(moved(2, FieldValue::Id(6)));
        assert_eq!((tally.at_location(5), tally.at_location(6)), (0, 2));
        take(StreamFact::StreamDeleted { id: 600 });
        assert_eq!((tally.at_location(6), tally.of_streamer(3).all, tally.knows(600)), (1, 2, false));

        let again = Tally::default();
        let pieces = tally.changed().into_iter().filter_map(|piece| Some((piece.key, piece.value?))).collect();
        again.restore(pieces).expect("its own pieces");
        assert_eq!((again.at_location(6), again.of_streamer(3)), (1, StreamCount { all: 2, active: 1 }));
        assert!(again.changed().is_empty() && tally.changed().is_empty());
    }
}
