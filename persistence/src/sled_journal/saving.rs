//! A save that is too large for one batch, in steps small enough that commits need not wait for it.
//!
//! A batch costs sled memory that it gives back only when the batch is over (10 KiB a key), so a hundred thousand pieces must not be
//! one. They are staged in many small batches, where nobody sees them; one small batch decides; then they are spread to their places
//! in many small batches again. Who loads meanwhile reads the staged pieces over the others. A process that dies before the decision
//! has saved nothing, one that dies after it has saved everything: the next save of that name finishes the spreading first.

use std::{iter::Peekable, vec};

use tokio::sync::oneshot;

use super::{
    keys,
    stored::{self, SnapshotHead, Staged},
};
use crate::{JournalError, Piece, Snapshot};

/// Keys that one batch may touch.
pub(super) const STEP_KEYS_MAX: usize = 512;
/// Bytes that one batch may hold for a save.
pub(super) const STEP_BYTES_MAX: usize = 1024 * 1024;

pub(super) struct Saving {
    pub(super) name: String,
    at: u64,
    replace: bool,
    pieces: Peekable<vec::IntoIter<Piece>>,
    phase: Phase,
    /// Whom to tell; nobody once told.
    pub(super) done: Option<oneshot::Sender<Result<(), JournalError>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// An earlier save was decided and not wholly spread.
    Settle,
    /// An earlier save was staged and never decided.
    Clear,
    Stage,
    Spread,
}

/// What a step came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Going,
    /// From the next barrier on it is saved.
    Decided,
    Over,
}

impl Saving {
    pub(super) fn new(snapshot: Snapshot, done: oneshot::Sender<Result<(), JournalError>>) -> Self {
        let Snapshot { name, at, replace, pieces } = snapshot;
        Self { name, at, replace, pieces: pieces.into_iter().peekable(), phase: Phase::Settle, done: Some(done) }
    }

    pub(super) fn is_decided(&self) -> bool {
        self.phase == Phase::Spread
    }

    /// Adds the next step to a batch.
    pub(super) fn step(&mut self, db: &sled::Db, writes: &mut sled::Batch) -> Result<Step, JournalError> {
        let head_key = keys::snapshot_head(&self.name);
        let head = stored::snapshot_head(db, &head_key)?;
        match self.phase {
            Phase::Settle => {
                if self.spread(db, head, writes)? {
                    self.phase = Phase::Clear;
                }
            }
            Phase::Clear => {
                if remove_some(db, &keys::staged(&self.name, b""), writes)? {
                    self.phase = Phase::Stage;
                }
            }
            Phase::Stage => {
                let (mut count, mut bytes) = (0, 0);
                while let Some(piece) = self.pieces.next_if(|_| count < STEP_KEYS_MAX && bytes < STEP_BYTES_MAX) {
                    count += 1;
                    bytes += piece.key.len() + piece.value.as_ref().map_or(0, bytes::Bytes::len);
                    writes.insert(keys::staged(&self.name, &piece.key), stored::staged(piece.value.as_deref()));
                }
                if self.pieces.peek().is_none() {
                    let staged = if self.replace { Staged::Instead } else { Staged::Over };
                    let head = SnapshotHead { at: self.at, saves: head.map_or(0, |head| head.saves) + 1, staged };
                    writes.insert(head_key, head.bytes());
                    self.phase = Phase::Spread;
                    return Ok(Step::Decided);
                }
            }
            Phase::Spread => {
                if self.spread(db, head, writes)? {
                    return Ok(Step::Over);
                }
            }
        }
        Ok(Step::Going)
    }

    /// Brings some staged pieces to their places; true where there are no more.
    fn spread(&self, db: &sled::Db, head: Option<SnapshotHead>, writes: &mut sled::Batch) -> Result<bool, JournalError> {
        let Some(head) = head else { return Ok(true) };
        let next = match head.staged {
            Staged::No => return Ok(true),
            // What they stand instead of goes first; until then nobody reads it.
            Staged::Instead => remove_some(db, &keys::pieces(&self.name), writes)?.then_some(Staged::Over),
            Staged::Over => self.spread_some(db, writes)?.then_some(Staged::No),
        };
        if let Some(staged) = next {
            writes.insert(keys::snapshot_head(&self.name), SnapshotHead { staged, saves: head.saves + 1, ..head }.bytes());
        }
        Ok(false)
    }

    fn spread_some(&self, db: &sled::Db, writes: &mut sled::Batch) -> Result<bool, JournalError> {
        let prefix = keys::staged(&self.name, b"");
        let (mut count, mut bytes) = (0, 0);
        for entry in db.scan_prefix(&prefix) {
            if count >= STEP_KEYS_MAX || bytes >= STEP_BYTES_MAX {
                return Ok(false);
            }
            let (key, value) = entry.map_err(stored::unavailable)?;
            count += 1;
            bytes += key.len() + value.len();
            let place = keys::piece(&self.name, &key[prefix.len()..]);
            match stored::unstaged(&value) {
                Some(value) => writes.insert(place, value),
                None => writes.remove(place),
            }
            writes.remove(key);
        }
        Ok(true)
    }
}

/// Removes some keys that begin like this; true where there are no more.
fn remove_some(db: &sled::Db, prefix: &[u8], writes: &mut sled::Batch) -> Result<bool, JournalError> {
    let mut count = 0;
    for key in db.scan_prefix(prefix).keys().take(STEP_KEYS_MAX) {
        writes.remove(key.map_err(stored::unavailable)?);
        count += 1;
    }
    Ok(count < STEP_KEYS_MAX)
}
