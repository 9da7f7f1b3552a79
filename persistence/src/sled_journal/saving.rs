//! A save on its way, in steps small enough that commits need not wait for it.
//!
//! Its pieces are written as a new layer, chunk by chunk, where nobody sees them; the head that lists the layer decides. Then layers that
//! have become alike in size are merged, the same way, so that there are few of them and each piece is written again only seldom. A
//! process that dies before a decision has changed nothing, one that dies after it everything; what it leaves behind is cleared by the
//! next save.

use std::{mem, vec};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    keys,
    layers::{Head, Layer, Merged, Packing, Reading},
    stored::unavailable,
};
use crate::{JournalError, Piece, Snapshot};

/// Bytes that saves may add to a batch of appends, which wait for them, and to one of nothing else.
pub(super) const STEP_BYTES: usize = 16 * 1024;
pub(super) const LEAP_BYTES: usize = 64 * 1024;
/// What any step is taken for at least.
const STEP_BYTES_MIN: usize = 1024;
/// Keys that one step removes.
const STEP_KEYS: usize = 64;

/// What a save is asked for.
pub(super) struct Save {
    pub(super) snapshot: Snapshot,
    pub(super) done: oneshot::Sender<Result<(), JournalError>>,
    /// Its place among those that are under way, given back when it is over.
    pub(super) place: OwnedSemaphorePermit,
}

pub(super) struct Saving {
    pub(super) name: String,
    at: u64,
    replace: bool,
    /// What is stored, as of the last step.
    head: Head,
    phase: Phase,
    /// Whom to tell; nobody once told.
    pub(super) done: Option<oneshot::Sender<Result<(), JournalError>>>,
    _place: OwnedSemaphorePermit,
}

enum Phase {
    /// The pieces become a layer.
    Write(vec::IntoIter<Piece>, Option<Packing>),
    /// Two layers, the first of them at this place, become one.
    Merge(usize, Box<Merged>, Packing),
    /// Merge, if anything is to be merged.
    Look,
    /// What no head lists goes.
    Clear,
    Over,
}

/// What a step came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Going,
    /// From the next barrier on it is so. Nothing more of this name goes into the same batch: it would not see this.
    Decided,
    Over,
}

impl Saving {
    pub(super) fn new(Save { snapshot, done, place }: Save) -> Self {
        let Snapshot { name, at, replace, mut pieces } = snapshot;
        // Stable: of two pieces under one key the later one counts.
        pieces.sort_by(|one, other| one.key.cmp(&other.key));
        pieces.reverse();
        pieces.dedup_by(|earlier, later| earlier.key == later.key);
        pieces.reverse();
        let phase = Phase::Write(pieces.into_iter(), None);
        Self { name, at, replace, head: Head::default(), phase, done: Some(done), _place: place }
    }

    pub(super) fn is_decided(&self) -> bool {
        !matches!(self.phase, Phase::Write(..))
    }

    /// How many pieces are yet to be written before it is decided.
    pub(super) fn left(&self) -> usize {
        if let Phase::Write(pieces, _) = &self.phase { pieces.len() } else { 0 }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Adds the next step to a batch, and takes its bytes off what may be added.
    pub(super) fn step(&mut self, db: &sled::Db, writes: &mut sled::Batch, room: &mut usize) -> Result<Step, JournalError> {
        *room = room.saturating_sub(STEP_BYTES_MIN);
        match mem::replace(&mut self.phase, Phase::Over) {
            Phase::Write(pieces, packing) => self.write(db, pieces, packing, writes, room),
            Phase::Look => self.look(db),
            Phase::Merge(place, merged, packing) => self.merge(place, merged, packing, writes, room),
            Phase::Clear => self.clear(db, writes, room),
            Phase::Over => Ok(Step::Over),
        }
    }

    fn write(
        &mut self,
        db: &sled::Db,
        mut pieces: vec::IntoIter<Piece>,
        packing: Option<Packing>,
        writes: &mut sled::Batch,
        room: &mut usize,
    ) -> Result<Step, JournalError> {
        let mut packing = match packing {
            Some(packing) => packing,
            None => {
                // Not before: an earlier save of this name has just ended.
                self.head = Head::read(db, &self.name)?.unwrap_or_default();
                Packing::new(self.head.next)
            }
        };
        while *room > 0 {
            let Some(piece) = pieces.next() else {
                let layer = packing.finish(&self.name, writes);
                let replaced = if self.replace { mem::take(&mut self.head.layers) } else { Vec::new() };
                self.head.layers.extend((layer.chunks > 0).then_some(layer));
                self.head.at = self.at;
                self.decide(writes);
                // As a rule what an entity's snapshot replaces is one chunk: it goes at once.
                let few = replaced.iter().map(|layer| layer.chunks as usize).sum::<usize>() <= STEP_KEYS;
                if few {
                    replaced.iter().flat_map(Layer::keys(&self.name)).for_each(|key| writes.remove(key));
                }
                self.phase = if few && self.head.alike().is_none() { Phase::Over } else { Phase::Look };
                return Ok(Step::Decided);
            };
            take_off(room, &piece);
            packing.add(&self.name, &piece, writes);
        }
        self.phase = Phase::Write(pieces, Some(packing));
        Ok(Step::Going)
    }

    fn look(&mut self, db: &sled::Db) -> Result<Step, JournalError> {
        let layers = &self.head.layers;
        self.phase = match self.head.alike() {
            None => Phase::Clear,
            Some(place) => {
                let reading = |layer: Layer| Reading::new(db, &self.name, layer);
                let merged = Merged::new(reading(layers[place]), reading(layers[place + 1]))?;
                Phase::Merge(place, Box::new(merged), Packing::new(self.head.next))
            }
        };
        Ok(Step::Going)
    }

    fn merge(
        &mut self,
        place: usize,
        mut merged: Box<Merged>,
        mut packing: Packing,
        writes: &mut sled::Batch,
        room: &mut usize,
    ) -> Result<Step, JournalError> {
        while *room > 0 {
            let Some(piece) = merged.piece()? else {
                let layer = packing.finish(&self.name, writes);
                self.head.layers.splice(place..place + 2, (layer.chunks > 0).then_some(layer));
                self.decide(writes);
                self.phase = Phase::Look;
                return Ok(Step::Decided);
            };
            take_off(room, &piece);
            // Below the eldest there is nothing that a removal could hide.
            if place > 0 || piece.value.is_some() {
                packing.add(&self.name, &piece, writes);
            }
        }
        self.phase = Phase::Merge(place, merged, packing);
        Ok(Step::Going)
    }

    fn decide(&mut self, writes: &mut sled::Batch) {
        self.head.next += 1;
        writes.insert(keys::snapshot_head(&self.name), self.head.bytes());
    }

    fn clear(&mut self, db: &sled::Db, writes: &mut sled::Batch, room: &mut usize) -> Result<Step, JournalError> {
        let mut live = self.head.layers.clone();
        live.sort_by_key(|layer| layer.number);
        let chunk = |number, chunk| keys::chunk(&self.name, number, chunk);
        let mut from = chunk(0, 0);
        let mut removed = 0;
        for layer in live.iter().map(Some).chain([None]) {
            let upto = layer.map_or(chunk(u64::MAX, u32::MAX), |layer| chunk(layer.number, 0));
            for key in db.range(from..upto).keys().take(STEP_KEYS - removed) {
                writes.remove(key.map_err(unavailable)?);
                removed += 1;
            }
            from = layer.map_or_else(Vec::new, |layer| chunk(layer.number, layer.chunks));
        }
        if removed < STEP_KEYS {
            return Ok(Step::Over);
        }
        // Until this batch is written the same ones would be found again.
        *room = 0;
        self.phase = Phase::Clear;
        Ok(Step::Going)
    }
}

fn take_off(room: &mut usize, piece: &Piece) {
    *room = room.saturating_sub(piece.key.len() + piece.value.as_ref().map_or(0, Bytes::len));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::{Journal as _, SledJournal, sled_journal::SAVES_MAX};

    fn snapshot(name: String) -> Snapshot {
        Snapshot { name, at: 1, replace: true, pieces: Vec::new() }
    }

    #[tokio::test]
    async fn saves_all_of_a_crowd_and_never_more_at_once_than_there_are_places() {
        let folder = tempfile::tempdir().expect("a folder");
        let journal = SledJournal::open(folder.path()).expect("a journal");
        let mut crowd = join_all((0..SAVES_MAX + 50).map(|number| journal.save(snapshot(format!("entity/{number}")))));
        assert!(futures::poll!(&mut crowd).is_pending());
        assert!(journal.saves.available_permits() < SAVES_MAX, "places are taken");
        assert!(crowd.await.iter().all(Result::is_ok));
        journal.close().await.expect("closed");
        assert_eq!(journal.saves.available_permits(), SAVES_MAX, "and given back");
    }

    #[test]
    fn clears_what_nothing_lists_a_few_keys_with_each_batch() {
        let db = sled::Config::new().temporary(true).open().expect("a store");
        let left_behind = 5 * STEP_KEYS;
        for number in 0..left_behind {
            db.insert(keys::chunk("relay", 7, number as u32), "of a save that was never decided").expect("stored");
        }
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("a place");
        let mut saving = Saving::new(Save { snapshot: snapshot("relay".into()), done: oneshot::channel().0, place });
        saving.phase = Phase::Look;
        let (mut batches, mut steps) = (0, 0);
        while !saving.is_over() {
            let (mut writes, mut room) = (sled::Batch::default(), LEAP_BYTES);
            while room > 0 && !saving.is_over() {
                saving.step(&db, &mut writes, &mut room).expect("the store can be read");
                steps += 1;
            }
            db.apply_batch(writes).expect("stored");
            batches += 1;
        }
        assert!(db.is_empty(), "nothing is left");
        assert_eq!((batches, steps), (left_behind / STEP_KEYS + 1, left_behind / STEP_KEYS + 2), "no key is looked at twice");
    }
}
