//! What the store's values mean, and how its errors are told.

use trunkline_protocol::{Commit, EntityId, Position, Version, codec};

use super::keys;
use crate::JournalError;

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

pub(super) fn unavailable(error: sled::Error) -> JournalError {
    match error {
        sled::Error::Corruption { .. } => JournalError::Corrupt(error.to_string()),
        other => JournalError::Unavailable(other.to_string()),
    }
}
