//! A commit: what one entity wrote at one version. The unit of fencing, of ordering and of the resume position.
//!
//! An entity that finds several commands waiting decides them all and writes one commit, so a commit holds one [`Turn`] per command.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{CodecError, CommandId, ConnectionId, EntityId, Record, Timestamp, UserId, codec};

/// Counts an entity's commits, from 1; 0 is an entity without history. Grows by one: it is the fence, and a lease's fencing token.
pub type Version = u64;

/// Counts the commits of a journal, in the order in which they are told; grows, not always by one. 0 is before the first.
pub type Position = u64;

/// What came of one command: its id, who gave it, and the facts it left, each sealed in its own envelope.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Turn {
    /// The wish this came of; a repeated id is answered as before.
    pub command: CommandId,
    /// On whose behalf.
    pub by: UserId,
    /// From which connection, where it came from one.
    pub connection: Option<ConnectionId>,
    /// What came of it, sealed, in order; never empty.
    pub facts: Vec<Bytes>,
}

impl Turn {
    /// Each fact of this turn that is an `R`; others are passed over.
    pub fn facts_of<R: Record>(&self) -> impl Iterator<Item = Result<R, CodecError>> {
        self.facts.iter().filter_map(|fact| codec::open_if(fact).transpose())
    }
}

/// A commit that is yet to be written: it names the version it expects to follow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCommit {
    /// Whose history.
    pub entity: EntityId,
    /// The version it was decided on; the commit becomes `expected + 1`, or conflicts.
    pub expected: Version,
    /// When it was decided.
    pub at: Timestamp,
    /// What each command left; never empty.
    pub turns: Vec<Turn>,
}

impl NewCommit {
    /// The id by which a journal knows a repeated append: that of the first turn.
    #[must_use]
    pub fn id(&self) -> CommandId {
        self.turns.first().map_or(CommandId(0), |turn| turn.command)
    }
    /// The commit it becomes, written at `position`.
    #[must_use]
    pub fn written(self, position: Position) -> Commit {
        Commit { entity: self.entity, version: self.expected + 1, position, at: self.at, turns: self.turns }
    }
}

/// One fenced record of the journal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Commit {
    /// Whose history.
    pub entity: EntityId,
    /// Which one of its commits.
    pub version: Version,
    /// Where in the journal.
    pub position: Position,
    /// When it was decided.
    pub at: Timestamp,
    /// What each command left.
    pub turns: Vec<Turn>,
}

impl Commit {
    /// The id by which a journal knows a repeated append: that of the first turn.
    #[must_use]
    pub fn id(&self) -> CommandId {
        self.turns.first().map_or(CommandId(0), |turn| turn.command)
    }
    /// Each fact of any turn that is an `R`, in order; others are passed over.
    pub fn facts_of<R: Record>(&self) -> impl Iterator<Item = Result<R, CodecError>> {
        self.turns.iter().flat_map(Turn::facts_of)
    }
}

impl Record for Commit {
    const KIND: u16 = codec::kinds::COMMIT;
    const SCHEMA: u8 = 1;
}
