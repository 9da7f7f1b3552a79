//! The journal: an append-only book of commits, fenced by version, ordered by position. The only truth.
//!
//! Whoever implements it passes `conformance.rs`. It never looks inside a fact.

use futures::{FutureExt as _, future::BoxFuture, stream::BoxStream};
use trunkline_protocol::{Commit, EntityId, NewCommit, Position, Version};

use crate::{Loaded, Snapshot};

/// An append that is durable: on the disk (embedded) or on the disks of a majority (clustered).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// The version it became.
    pub version: Version,
    /// Its place in the journal.
    pub position: Position,
    /// It had been written before: the same commit id was found at this version.
    pub replayed: bool,
}

/// Why an append was not acknowledged.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else wrote that version; nothing was written.
    #[error("the entity is at version {actual}")]
    Conflict {
        /// The version the entity is at.
        actual: Version,
    },
    /// The queue is full; nothing was written.
    #[error("the journal's queue is full")]
    Overloaded,
    /// The commit does not fit into one record; nothing was written.
    #[error("the commit is {bytes} bytes, more than one record may hold")]
    TooLarge {
        /// The size it would have.
        bytes: usize,
    },
    /// The disk is (nearly) full: the journal takes no more, and everything acknowledged is safe. Nothing was written.
    #[error("the disk that holds the journal is full")]
    Full,
    /// The outcome is unknown: read the entity back and compare the commit id before answering anybody.
    #[error("the outcome of the append is unknown: {0}")]
    Ambiguous(String),
}

/// A read or a snapshot failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JournalError {
    /// The store could not be reached or answered with an error.
    #[error("the journal cannot be read: {0}")]
    Unavailable(String),
    /// What is stored cannot be decoded.
    #[error("the journal holds a record that cannot be read: {0}")]
    Corrupt(String),
}

/// Why following ended.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FollowError {
    /// The commits before `oldest` are gone: load snapshots, then follow again.
    #[error("the journal begins at position {oldest}")]
    Compacted {
        /// The first position that can still be followed.
        oldest: Position,
    },
    /// The store is lost to us.
    #[error("the journal cannot be followed: {0}")]
    Lost(String),
}

/// What a journal says of itself; for `/health`, `/metrics` and the system page.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct JournalStats {
    /// Commits acknowledged since it was opened.
    pub appended: u64,
    /// Barriers (fdatasync) issued since it was opened.
    pub barriers: u64,
    /// Appends waiting for the committer.
    pub queued: usize,
    /// The last batch: how long from the first append drawn to the acknowledgement, in microseconds.
    pub last_batch_us: u64,
    /// Bytes on disk, where there is a disk.
    pub disk_bytes: u64,
}

/// An append-only book of commits. `append` is the fence: of all who name the same expected version, one wins.
pub trait Journal: Send + Sync + 'static {
    /// Writes a commit if the entity is at `commit.expected`, and answers when it is durable. A repeat of a commit whose id is
    /// already at that version answers as before (`replayed`).
    fn append(&self, commit: NewCommit) -> BoxFuture<'_, Result<Appended, AppendError>>;
    /// The commits of one entity after a version, in order; empty where there are none.
    fn read(&self, entity: &EntityId, after: Version) -> BoxFuture<'_, Result<Vec<Commit>, JournalError>>;
    /// The newest commits of one entity before a version, newest first, at most so many: a long history read from its end.
    /// Where a store cannot read backwards, this reads everything and keeps the end.
    fn read_back<'a>(
        &'a self,
        entity: &'a EntityId,
        before: Version,
        at_most: usize,
    ) -> BoxFuture<'a, Result<Vec<Commit>, JournalError>> {
        async move {
            let mut commits = self.read(entity, 0).await?;
            commits.truncate(commits.partition_point(|commit| commit.version < before));
            commits.reverse();
            commits.truncate(at_most);
            Ok(commits)
        }
        .boxed()
    }
    /// Every commit after a position, in order and without a gap, in pages of at most
    /// [`FOLLOW_PAGE_MAX`](trunkline_protocol::limits::FOLLOW_PAGE_MAX); then the new ones as they become durable. Ends with an error, or when the journal closes.
    fn follow(&self, after: Position) -> BoxStream<'static, Result<Vec<Commit>, FollowError>>;
    /// The position of the newest durable commit.
    fn head(&self) -> Position;
    /// The identity of this journal: made when it was created, changed when it is restored from a backup. At most 16 URL-safe characters.
    fn epoch(&self) -> &str;
    /// Writes the changed pieces of a snapshot, all of them or none.
    fn save(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), JournalError>>;
    /// The snapshot of that name, whole; `None` where there is none.
    fn load(&self, name: &str) -> BoxFuture<'_, Result<Option<Loaded>, JournalError>>;
    /// What it says of itself.
    fn stats(&self) -> JournalStats;
    /// Makes everything durable and stops. Appends after it are `Ambiguous`.
    fn close(&self) -> BoxFuture<'_, Result<(), JournalError>>;
}

/// A new identity for a journal: 12 random URL-safe characters.
pub(crate) fn new_epoch() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let random = trunkline_protocol::ConnectionId::random().0;
    (0..12).map(|place| char::from(LETTERS[(random >> (5 * place)) as usize % LETTERS.len()])).collect()
}
