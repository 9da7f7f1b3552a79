//! What the store's values mean, and how its errors are told.

use std::collections::BTreeMap;

use bytes::Bytes;
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

/// The newest commits of an entity before a version and up to a position, newest first.
pub(super) fn history_back(
    db: &sled::Db,
    entity: &EntityId,
    before: Version,
    at_most: usize,
    head: Position,
) -> Result<Vec<Commit>, JournalError> {
    let mut commits = Vec::new();
    for entry in db.range(keys::versions_before(entity, before)).rev() {
        if commits.len() >= at_most {
            break;
        }
        let (_, position) = entry.map_err(unavailable)?;
        let position = keys::number(&position).unwrap_or_default();
        if position > head {
            continue;
        }
        let commit = commit(position, &db.get(keys::commit(position)).map_err(unavailable)?)?;
        let follows = commits.last().is_none_or(|newer: &Commit| newer.version == commit.version + 1);
        if !follows || commit.entity != *entity {
            return Err(JournalError::Corrupt(format!("{entity}: the version after {} is missing", commit.version)));
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
    /// Grows with every save: a reader who sees it change was overtaken by one.
    pub(super) saves: u64,
    /// How the staged pieces count.
    pub(super) staged: Staged,
}

/// How the pieces of a large save count that are not yet in their places.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Staged {
    /// Not at all: their save was never decided.
    No = 0,
    /// Over those in their places.
    Over = 1,
    /// Instead of those in their places.
    Instead = 2,
}

impl SnapshotHead {
    pub(super) fn bytes(self) -> Vec<u8> {
        [&self.at.to_be_bytes()[..], &self.saves.to_be_bytes(), &[self.staged as u8]].concat()
    }
}

pub(super) fn snapshot_head(db: &sled::Db, key: &[u8]) -> Result<Option<SnapshotHead>, JournalError> {
    let Some(value) = db.get(key).map_err(unavailable)? else { return Ok(None) };
    let staged = |tag| match tag {
        0 => Some(Staged::No),
        1 => Some(Staged::Over),
        2 => Some(Staged::Instead),
        _ => None,
    };
    match value.as_chunks() {
        ([at, saves], [tag]) if let Some(staged) = staged(*tag) => {
            Ok(Some(SnapshotHead { at: u64::from_be_bytes(*at), saves: u64::from_be_bytes(*saves), staged }))
        }
        _ => Err(JournalError::Corrupt("the head of a snapshot".into())),
    }
}

/// A staged piece: `1` and its value, or `0` for one that is to be removed.
pub(super) fn staged(value: Option<&[u8]>) -> Vec<u8> {
    value.map_or_else(|| vec![0], |value| [&[1], value].concat())
}

/// The other way round.
pub(super) fn unstaged(bytes: &[u8]) -> Option<&[u8]> {
    bytes.strip_prefix(&[1])
}

/// A snapshot as of one moment: whoever finds the same head before and after has read between two saves.
pub(super) fn snapshot(db: &sled::Db, name: &str) -> Result<Option<Loaded>, JournalError> {
    let head_key = keys::snapshot_head(name);
    loop {
        let Some(head) = snapshot_head(db, &head_key)? else { return Ok(None) };
        // The staged ones first: one that is brought to its place meanwhile is seen twice, and not missed.
        let staged = if head.staged == Staged::No { Vec::new() } else { under(db, &keys::staged(name, b""))? };
        let mut pieces = if head.staged == Staged::Instead { Vec::new() } else { under(db, &keys::pieces(name))? };
        if snapshot_head(db, &head_key)? != Some(head) {
            continue;
        }
        if !staged.is_empty() {
            let mut merged: BTreeMap<_, _> = pieces.into_iter().collect();
            for (key, value) in staged {
                match unstaged(&value) {
                    Some(put) => merged.insert(key, value.slice_ref(put)),
                    None => merged.remove(&key),
                };
            }
            pieces = merged.into_iter().collect();
        }
        return Ok(Some(Loaded { at: head.at, pieces }));
    }
}

/// Everything whose key begins like this, without that beginning.
fn under(db: &sled::Db, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Bytes)>, JournalError> {
    let entries = db.scan_prefix(prefix).map(|entry| {
        let (key, value) = entry.map_err(unavailable)?;
        Ok((key[prefix.len()..].to_vec(), value.to_vec().into()))
    });
    entries.collect()
}

pub(super) fn unavailable(error: sled::Error) -> JournalError {
    match error {
        sled::Error::Corruption { .. } => JournalError::Corrupt(error.to_string()),
        other => JournalError::Unavailable(other.to_string()),
    }
}
