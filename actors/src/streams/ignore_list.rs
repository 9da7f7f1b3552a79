//! Who and what is not wanted. One registry holds every entry, so that one value is listed once however many add it.
//!
//! The edge asks [`create`], [`create_all`], [`change`], [`remove_all`] and reads [`IgnoreLists`]; moderation asks [`IgnoreLists`] too.

mod entry;
mod ignore_lists;
mod ignored;

use std::collections::{BTreeMap, HashMap};

use futures::StreamExt as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use trunkline_protocol::{CommandId, Position, Record, Refusal, codec::kinds};

pub use entry::{Entry, EntryWish, ListType};
pub use ignore_lists::{IgnoreLists, IgnoreRow, Listed, Suspect};

use crate::{AskError, Asking, Decision, Entity, Hub, NoNotice, Written, accounts::policy::permission::IGNORE_LISTS_WRITE};

/// The registry's only key.
const ALL: &str = "all";
/// Entries of a bulk creation that are asked at once: what one commit of the registry holds.
const AT_ONCE: usize = trunkline_protocol::limits::COMMIT_TURNS_MAX;
/// Ids of one removal: their facts stay one small commit.
const REMOVED_AT_ONCE: usize = 500;

/// Every entry, as the rules see them.
#[derive(Debug, Default)]
pub struct IgnoreRegistry {
    entries: BTreeMap<u64, Entry>,
    values: HashMap<(ListType, String), u64>,
}

/// A wish concerning the lists.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum IgnoreCommand {
    /// List a value under a fresh id.
    Add {
        /// The fresh id.
        id: u64,
        /// The entry.
        wish: EntryWish,
    },
    /// Change an entry.
    Change {
        /// Which.
        id: u64,
        /// What is to change.
        wish: EntryWish,
    },
    /// Take an entry off its list.
    Remove {
        /// Which.
        id: u64,
    },
    /// Take off every one of these that is there; the others are passed over.
    RemoveAll {
        /// Which.
        ids: Vec<u64>,
    },
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum IgnoreFact {
    /// A value was listed.
    Added {
        /// Its id.
        id: u64,
        /// The entry.
        entry: Entry,
    },
    /// The entry changed to this.
    Changed {
        /// Which.
        id: u64,
        /// What it is now.
        entry: Entry,
    },
    /// It was taken off its list.
    Removed {
        /// Which.
        id: u64,
    },
}

impl Record for IgnoreFact {
    const KIND: u16 = kinds::IGNORE_LIST;
    const SCHEMA: u8 = 1;
}

impl Entity for IgnoreRegistry {
    const KIND: &'static str = "ignore_list";
    type Command = IgnoreCommand;
    type Fact = IgnoreFact;
    type Notice = NoNotice;

    fn decide(&self, command: &IgnoreCommand, asking: &Asking) -> Result<Decision<Self>, Refusal> {
        asking.by.require(IGNORE_LISTS_WRITE)?;
        match command {
            IgnoreCommand::Add { id, wish } => {
                let entry = wish.entry(None)?;
                self.free(&entry, *id)?;
                Ok(Decision::fact(IgnoreFact::Added { id: *id, entry }))
            }
            IgnoreCommand::Change { id, wish } => {
                let before = self.entries.get(id).ok_or_else(Refusal::not_found)?;
                let entry = wish.entry(Some(before))?;
                if entry == *before {
                    return Ok(Decision::nothing());
                }
                self.free(&entry, *id)?;
                Ok(Decision::fact(IgnoreFact::Changed { id: *id, entry }))
            }
            IgnoreCommand::Remove { id } => {
                self.entries.get(id).ok_or_else(Refusal::not_found)?;
                Ok(Decision::fact(IgnoreFact::Removed { id: *id }))
            }
            IgnoreCommand::RemoveAll { ids } => {
                let mut there: Vec<u64> = ids.iter().copied().filter(|id| self.entries.contains_key(id)).collect();
                there.sort_unstable();
                there.dedup();
                Ok(Decision::facts(there.into_iter().map(|id| IgnoreFact::Removed { id }).collect()))
            }
        }
    }

    fn apply(&mut self, fact: &IgnoreFact, _written: &Written) {
        match fact {
            IgnoreFact::Added { id, entry } | IgnoreFact::Changed { id, entry } => {
                self.forget(*id);
                self.values.insert((entry.list_type, entry.value.clone()), *id);
                self.entries.insert(*id, entry.clone());
            }
            IgnoreFact::Removed { id } => self.forget(*id),
        }
    }
}

impl IgnoreRegistry {
    fn free(&self, entry: &Entry, id: u64) -> Result<(), Refusal> {
        match self.values.get(&(entry.list_type, entry.value.clone())) {
            Some(holder) if *holder != id => Err(Refusal::field("value", "has already been taken").about(holder)),
            _ => Ok(()),
        }
    }
    fn forget(&mut self, id: u64) {
        if let Some(entry) = self.entries.remove(&id) {
            self.values.remove(&(entry.list_type, entry.value));
        }
    }
}

// The index follows from the entries: a snapshot holds the entries alone.
impl Serialize for IgnoreRegistry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.entries.serialize(serializer)
    }
}
impl<'de> Deserialize<'de> for IgnoreRegistry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = BTreeMap::<u64, Entry>::deserialize(deserializer)?;
        let values = entries.iter().map(|(id, entry)| ((entry.list_type, entry.value.clone()), *id)).collect();
        Ok(Self { entries, values })
    }
}

/// Lists a value: the entry's id, and the position from which it is seen.
///
/// # Errors
/// 403; 422 naming the entry that lists the value already; what [`Hub::ask`] may answer.
pub async fn create(hub: &Hub, asking: Asking, wish: EntryWish) -> Result<(u64, Position), AskError> {
    let fresh = hub.next_id("ignore_lists").await?;
    add(hub, asking, fresh, wish).await
}

/// Lists many values, in order; each is answered for itself.
///
/// # Errors
/// 403 before anything is listed; what [`Hub::next_id`] may answer.
pub async fn create_all(
    hub: &Hub,
    asking: &Asking,
    wishes: Vec<EntryWish>,
) -> Result<Vec<Result<(u64, Position), AskError>>, AskError> {
    asking.by.require(IGNORE_LISTS_WRITE)?;
    let mut asks = Vec::with_capacity(wishes.len());
    for (step, wish) in (0_u32..).zip(wishes) {
        let asking = Asking { command: CommandId::step(asking.command, step), ..asking.clone() };
        let fresh = hub.next_id("ignore_lists").await?;
        asks.push(add(hub, asking, fresh, wish));
    }
    Ok(futures::stream::iter(asks).buffered(AT_ONCE).collect().await)
}

async fn add(hub: &Hub, asking: Asking, fresh: u64, wish: EntryWish) -> Result<(u64, Position), AskError> {
    let outcome = hub.ask::<IgnoreRegistry>(ALL, IgnoreCommand::Add { id: fresh, wish }, asking).await?;
    // A repeated command is answered with the facts of the first time, so the id is the fact's.
    let id = outcome.facts.iter().find_map(|fact| if let IgnoreFact::Added { id, .. } = fact { Some(*id) } else { None });
    Ok((id.unwrap_or(fresh), outcome.position))
}

/// Changes an entry; answers the position from which it is seen.
///
/// # Errors
/// 403, 404, 422; what [`Hub::ask`] may answer.
pub async fn change(hub: &Hub, asking: Asking, id: u64, wish: EntryWish) -> Result<Position, AskError> {
    Ok(hub.ask::<IgnoreRegistry>(ALL, IgnoreCommand::Change { id, wish }, asking).await?.position)
}

/// Takes an entry off its list.
///
/// # Errors
/// 403, 404; what [`Hub::ask`] may answer.
pub async fn remove(hub: &Hub, asking: Asking, id: u64) -> Result<Position, AskError> {
    Ok(hub.ask::<IgnoreRegistry>(ALL, IgnoreCommand::Remove { id }, asking).await?.position)
}

/// Takes off every one of these that is there: how many were, and the position from which it is seen.
///
/// # Errors
/// 403; what [`Hub::ask`] may answer. Those taken off before a failure stay off.
pub async fn remove_all(hub: &Hub, asking: &Asking, ids: &[u64]) -> Result<(usize, Position), AskError> {
    asking.by.require(IGNORE_LISTS_WRITE)?;
    let (mut removed, mut position) = (0, 0);
    for (step, ids) in (0_u32..).zip(ids.chunks(REMOVED_AT_ONCE)) {
        let asking = Asking { command: CommandId::step(asking.command, step), ..asking.clone() };
        let outcome = hub.ask::<IgnoreRegistry>(ALL, IgnoreCommand::RemoveAll { ids: ids.to_vec() }, asking).await?;
        removed += outcome.facts.len();
        position = position.max(outcome.position);
    }
    Ok((removed, position))
}

#[cfg(test)]
mod tests;
