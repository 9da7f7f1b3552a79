//! What the store's values mean, and how its errors are told.

use trunkline_protocol::{Commit, EntityId, Position, Version, codec};

use super::keys;
use crate::{JournalError, Loaded};

/// Opens a stored commit. It was sealed before it had a position: that is its key's.
pub(super) fn commit(position: Position, sealed: &Option<sled::IVec>) -> Result<Commit, JournalError> {
    let sealed = sealed.as_ref().ok_or_else(|| JournalError::Corrupt(format!("there is no commit at position {position}")))?;
    let commit: Commit = codec::open(sealed).map_err(|error| JournalError::Corrupt(format!("commit {position}: {error}")))?;
    Ok(Commit { position, ..commit })
}

/// The commits of an entity after a version and up to a position.
pub(super) fn history(db: &sled::Db, entity: &EntityId, after: Version, head: Position) -> Result<Vec<Commit>, JournalError> {
    let mut commits = Vec::new();
    let mut version = after;
    for entry in db.range(keys::versions_after(entity, after)) {
        let (_, position) = entry.map_err(unavailable)?;
        let position = keys::number(&position).unwrap_or_default();
        if position > head {
            break;
        }
        let commit = commit(position, &db.get(keys::commit(position)).map_err(unavailable)?)?;
        version += 1;
        if commit.version != version || commit.entity != *entity {
            return Err(JournalError::Corrupt(format!("{entity}: version {version} is missing")));
        }
        commits.push(commit);
    }
    Ok(commits)
}

/// The commits after a position, up to and with `last`, which are all there.
pub(super) fn page(db: &sled::Db, after: Position, last: Position) -> Result<Vec<Commit>, JournalError> {
    let mut commits = Vec::with_capacity((last - after) as usize);
    for entry in db.range(keys::commit(after + 1)..=keys::commit(last)) {
        let (key, sealed) = entry.map_err(unavailable)?;
        commits.push(commit(keys::number(&key).unwrap_or_default(), &Some(sealed))?);
    }
    let gapless = commits.iter().map(|commit| commit.position).eq(after + 1..=last);
    if gapless { Ok(commits) } else { Err(JournalError::Corrupt(format!("a commit is missing between {after} and {last}"))) }
}

/// What a snapshot says of itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SnapshotHead {
    pub(super) at: u64,
    /// How many times it was saved: a reader who sees it change was overtaken by a save.
    pub(super) saves: u64,
}

impl SnapshotHead {
    pub(super) fn bytes(self) -> Vec<u8> {
        [self.at.to_be_bytes(), self.saves.to_be_bytes()].concat()
    }
}

pub(super) fn snapshot_head(db: &sled::Db, key: &[u8]) -> Result<Option<SnapshotHead>, JournalError> {
    let Some(value) = db.get(key).map_err(unavailable)? else { return Ok(None) };
    match value.as_chunks() {
        ([at, saves], []) => Ok(Some(SnapshotHead { at: u64::from_be_bytes(*at), saves: u64::from_be_bytes(*saves) })),
        _ => Err(JournalError::Corrupt("the head of a snapshot".into())),
    }
}

/// A snapshot as of one moment. A save is one batch, and none is seen half by a single read; so whoever finds the same head before
/// and after has read between two saves.
pub(super) fn snapshot(db: &sled::Db, name: &str) -> Result<Option<Loaded>, JournalError> {
    let (head_key, prefix) = (keys::snapshot_head(name), keys::pieces(name));
    loop {
        let Some(head) = snapshot_head(db, &head_key)? else { return Ok(None) };
        let mut pieces = Vec::new();
        for entry in db.scan_prefix(&prefix) {
            let (key, value) = entry.map_err(unavailable)?;
            pieces.push((key[prefix.len()..].to_vec(), value.to_vec().into()));
        }
        if snapshot_head(db, &head_key)? == Some(head) {
            return Ok(Some(Loaded { at: head.at, pieces }));
        }
    }
}

pub(super) fn unavailable(error: sled::Error) -> JournalError {
    match error {
        sled::Error::Corruption { .. } => JournalError::Corrupt(error.to_string()),
        other => JournalError::Unavailable(other.to_string()),
    }
}
