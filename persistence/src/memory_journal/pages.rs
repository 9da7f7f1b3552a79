//! What a journal in memory holds, and what shall go wrong with it. Touched under its lock only.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use tokio::sync::oneshot;
use trunkline_protocol::{Commit, EntityId, NewCommit, Position, Version};

use super::Fault;
use crate::{AppendError, Appended, JournalError, Snapshot};

#[derive(Default)]
pub(super) struct Pages {
    /// Position `n` is at `n - 1`.
    pub(super) commits: Vec<Commit>,
    pub(super) histories: HashMap<EntityId, Vec<Position>>,
    pub(super) snapshots: BTreeMap<String, Stored>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) failing_reads: usize,
    pub(super) failing_saves: usize,
    pub(super) never_closes: bool,
    /// While paused: what was asked and is not yet durable.
    pub(super) unsynced: Option<Vec<Unsynced>>,
    pub(super) appended: u64,
    pub(super) closed: bool,
}

/// An append that is asked for and not yet durable, and whom to answer.
pub(super) type Unsynced = (NewCommit, oneshot::Sender<Result<Appended, AppendError>>);

#[derive(Clone, Default)]
pub(super) struct Stored {
    pub(super) at: u64,
    pub(super) pieces: BTreeMap<Vec<u8>, Bytes>,
}

impl Pages {
    pub(super) fn version_of(&self, entity: &EntityId) -> Version {
        self.histories.get(entity).map_or(0, |history| history.len() as Version)
    }

    pub(super) fn commit_at(&self, position: Position) -> &Commit {
        &self.commits[position as usize - 1]
    }

    pub(super) fn replay_of(&self, commit: &NewCommit) -> Option<Position> {
        let position = *self.histories.get(&commit.entity)?.get(usize::try_from(commit.expected).ok()?)?;
        (self.commit_at(position).id() == commit.id()).then_some(position)
    }

    pub(super) fn readable(&mut self) -> Result<(), JournalError> {
        if self.failing_reads == 0 {
            return Ok(());
        }
        self.failing_reads -= 1;
        Err(JournalError::Unavailable("told to fail".into()))
    }

    pub(super) fn save(&mut self, snapshot: Snapshot) -> Result<(), JournalError> {
        if self.closed {
            return Err(JournalError::Unavailable("the journal is closed".into()));
        }
        if self.failing_saves > 0 {
            self.failing_saves -= 1;
            return Err(JournalError::Unavailable("told to fail".into()));
        }
        crate::snapshots::check(&snapshot)?;
        let stored = self.snapshots.entry(snapshot.name).or_default();
        stored.at = snapshot.at;
        if snapshot.replace {
            stored.pieces.clear();
        }
        for piece in snapshot.pieces {
            match piece.value {
                Some(value) => stored.pieces.insert(piece.key, value),
                None => stored.pieces.remove(&piece.key),
            };
        }
        Ok(())
    }
}
