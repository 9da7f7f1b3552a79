//! A part of the audit log, newest first: from memory, and what is older than that from the journal, a bounded part at a time.

use trunkline_protocol::{CodecError, Commit, EntityId, Version};

use super::{AuditLog, Wanted};
use crate::{
    AskError, Entity as _, Hub,
    accounts::audit::{Audit, AuditFact, Entry, LOG},
};

/// Commits read at once.
const COMMITS_AT_ONCE: usize = 64;
/// Commits that one page may cost: whoever asks for the rare act goes on from the cursor.
const COMMITS_A_PAGE: usize = 1024;

/// One page, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The entries; may be fewer than asked for although there are more, where they are far apart.
    pub entries: Vec<Entry>,
    /// Where the next page begins, for [`Wanted::before`]; `None`: this is the end.
    pub next: Option<u64>,
}

/// At most `limit` entries of the log.
///
/// # Errors
/// Those of [`Hub::commits`].
pub async fn read(hub: &Hub, wanted: &Wanted, limit: usize) -> Result<Page, AskError> {
    let (mut entries, oldest) = hub.projection::<AuditLog>().newest(wanted, limit + 1);
    let from = wanted.before.map_or(oldest, |before| before.min(oldest));
    let mut next = None;
    if entries.len() <= limit && from > 1 {
        next = read_older(hub, &Wanted { before: Some(from), ..wanted.clone() }, limit, &mut entries).await?;
    }
    if entries.len() > limit {
        entries.truncate(limit);
        next = entries.last().map(|entry| entry.number);
    }
    Ok(Page { entries, next })
}

/// Adds what the journal holds, until there is more than `limit`; where to go on, if that is not known to be the end.
async fn read_older(hub: &Hub, wanted: &Wanted, limit: usize, entries: &mut Vec<Entry>) -> Result<Option<u64>, AskError> {
    let log = EntityId::new(Audit::KIND, LOG);
    let mut before = after(hub, &log, wanted.before.unwrap_or_default()).await?;
    for _ in 0..COMMITS_A_PAGE / COMMITS_AT_ONCE {
        let commits = hub.commits(&log, before, COMMITS_AT_ONCE).await?;
        for commit in &commits {
            // What a commit tells was done before it was written, and so was all that stands before it.
            if wanted.since.is_some_and(|since| commit.at < since) {
                return Ok(None);
            }
            entries.extend(told(commit)?.into_iter().rev().filter(|entry| wanted.holds(entry)));
            if entries.len() > limit {
                return Ok(None);
            }
        }
        match commits.last() {
            Some(oldest) if oldest.version > 1 => before = oldest.version,
            _ => return Ok(None),
        }
    }
    // The first entry of what was read last.
    let oldest = hub.commits(&log, before + 1, 1).await?;
    Ok(oldest.first().map(told).transpose()?.and_then(|told| told.first().map(|entry| entry.number)))
}

/// The version after the commit that tells this entry. Every commit tells one entry or more, so it is no later than the number.
async fn after(hub: &Hub, log: &EntityId, number: u64) -> Result<Version, AskError> {
    let (mut from, mut upto) = (1, number);
    while from < upto {
        let middle = from.midpoint(upto);
        let commits = hub.commits(log, middle + 1, 1).await?;
        let last = commits.first().map(told).transpose()?.and_then(|told| told.last().map(|entry| entry.number));
        if last.is_some_and(|last| last < number) { from = middle + 1 } else { upto = middle }
    }
    Ok(from + 1)
}

fn told(commit: &Commit) -> Result<Vec<Entry>, AskError> {
    let recorded = |fact: Result<AuditFact, CodecError>| match fact {
        Ok(AuditFact::Recorded(entry)) => Some(Ok(entry)),
        Ok(AuditFact::CarriedOver { .. }) => None,
        Err(error) => Some(Err(AskError::Unavailable(error.to_string()))),
    };
    commit.facts_of::<AuditFact>().filter_map(recorded).collect()
}
