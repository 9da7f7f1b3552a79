//! The rows of the board and their indexes. Used inside the board's own lock; it has none itself.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use trunkline_protocol::{Record, Timestamp, UserId, codec::kinds};

use super::{Archive, Filter, Sort, sort};
use crate::streams::{
    link::Link,
    stream::{StreamFact, StreamField, StreamState},
    streamer::Streamers,
};

/// A stream as the board keeps it. Shared, never changed in place: whoever reads holds what was true when they looked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// What is known of it.
    pub stream: StreamState,
    /// The canonical spelling of its link.
    pub canonical: Arc<str>,
    /// The key of its entity: the canonical link under which it was added.
    pub home: Arc<str>,
}

impl Record for Kept {
    const KIND: u16 = kinds::PROJECTION_SNAPSHOT;
    const SCHEMA: u8 = 1;
}

/// The default order: pinned first, then the newest (`streams.md` 4.2).
type Rank = (Reverse<bool>, Reverse<Timestamp>, Reverse<u64>);

fn rank(stream: &StreamState) -> Rank {
    (Reverse(stream.is_pinned), Reverse(stream.created_at), Reverse(stream.id))
}

#[derive(Debug, Default)]
pub(super) struct Shelves {
    rows: HashMap<u64, Arc<Kept>>,
    active: BTreeMap<Rank, Arc<Kept>>,
    archived: BTreeMap<Rank, Arc<Kept>>,
    // These remember the hashes of their texts: when a table of a quarter million grows, nobody may write until each has its new place.
    links: IndexMap<Arc<str>, SmallVec<[u64; 2]>>,
    external_ids: IndexMap<(UserId, Box<str>), u64>,
}

impl Shelves {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
    pub(super) fn get(&self, id: u64) -> Option<&Arc<Kept>> {
        self.rows.get(&id)
    }
    pub(super) fn with_link(&self, canonical: &str) -> Vec<Arc<Kept>> {
        let Some(ids) = self.links.get(canonical) else { return Vec::new() };
        let mut found: Vec<Arc<Kept>> = ids.iter().filter_map(|id| self.rows.get(id)).cloned().collect();
        found.sort_by_key(|kept| (kept.stream.is_archived, Reverse(kept.stream.created_at), Reverse(kept.stream.id)));
        found
    }
    pub(super) fn with_external_id(&self, user: UserId, external_id: &str) -> Option<Arc<Kept>> {
        let id = self.external_ids.get(&(user, Box::from(external_id)))?;
        self.rows.get(id).cloned()
    }

    /// Takes a fact in; whether it changed a row.
    pub(super) fn take(&mut self, fact: &StreamFact, home: &str, at: Timestamp) -> bool {
        match fact {
            StreamFact::StreamAdded { id, user, key, fields } => {
                let canonical: Arc<str> = Arc::from(&**key);
                let home = if **key == *home { Arc::clone(&canonical) } else { Arc::from(home) };
                self.put(Kept { stream: StreamState::added(*id, *user, fields, at), canonical, home });
            }
            StreamFact::StreamDeleted { id } => return self.remove(*id).is_some(),
            StreamFact::CellLocked { .. }
            | StreamFact::CellUnlocked { .. }
            | StreamFact::LinkLent { .. }
            | StreamFact::LinkMoved { .. } => return false,
            StreamFact::BlanksFilled { id, changes }
            | StreamFact::FieldsChanged { id, changes }
            | StreamFact::StreamPinned { id, changes }
            | StreamFact::StreamUnpinned { id, changes }
            | StreamFact::StreamArchived { id, changes, .. }
            | StreamFact::StreamUnarchived { id, changes } => {
                let Some(before) = self.rows.get(id) else { return false };
                let mut kept = Kept::clone(before);
                kept.stream.change(changes, at);
                if changes.iter().any(|change| change.field == StreamField::Link)
                    && let Ok(link) = Link::read(&kept.stream.link)
                {
                    kept.canonical = Arc::from(link.canonical());
                }
                self.put(kept);
            }
        }
        true
    }

    /// Puts a row, in place of an older one of its id.
    pub(super) fn put(&mut self, kept: Kept) {
        self.remove(kept.stream.id);
        let kept = Arc::new(kept);
        let stream = &kept.stream;
        self.links.entry(Arc::clone(&kept.canonical)).or_default().push(stream.id);
        if let Some(external_id) = &stream.external_id {
            self.external_ids.insert((stream.user, external_id.clone()), stream.id);
        }
        let shelf = if stream.is_archived { &mut self.archived } else { &mut self.active };
        shelf.insert(rank(stream), Arc::clone(&kept));
        self.rows.insert(stream.id, kept);
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Kept>> {
        let kept = self.rows.remove(&id)?;
        let stream = &kept.stream;
        let shelf = if stream.is_archived { &mut self.archived } else { &mut self.active };
        shelf.remove(&rank(stream));
        if let Some(ids) = self.links.get_mut(&kept.canonical) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.links.swap_remove(&kept.canonical);
            }
        }
        if let Some(external_id) = &stream.external_id {
            let name = (stream.user, external_id.clone());
            if self.external_ids.get(&name) == Some(&id) {
                self.external_ids.swap_remove(&name);
            }
        }
        Some(kept)
    }

    /// The rows that pass, after `skip`, at most `take` of them; and how many pass in all.
    pub(super) fn page(
        &self,
        filter: &Filter,
        order: Sort,
        skip: usize,
        take: usize,
        streamers: &Streamers,
    ) -> (Vec<Arc<Kept>>, usize) {
        if let Some(found) = self.candidates(filter) {
            let passing = found.into_iter().filter(|kept| filter.passes(kept)).collect();
            return cut(sort::sorted(passing, order, streamers), skip, take);
        }
        let shelf = match filter.archive() {
            Archive::Active => &self.active,
            Archive::Archived => &self.archived,
            Archive::All => {
                let both = self.active.values().chain(self.archived.values());
                let passing = both.filter(|kept| filter.passes(kept)).cloned().collect();
                return cut(sort::sorted(passing, order, streamers), skip, take);
            }
        };
        if order != Sort::DEFAULT {
            let passing = shelf.values().filter(|kept| filter.passes(kept)).cloned().collect();
            return cut(sort::sorted(passing, order, streamers), skip, take);
        }
        // The shelf stands in the default order: only the page itself is touched twice.
        if filter.is_plain() {
            return (shelf.values().skip(skip).take(take).cloned().collect(), shelf.len());
        }
        let (mut page, mut total) = (Vec::new(), 0);
        for kept in shelf.values().filter(|kept| filter.passes(kept)) {
            if total >= skip && page.len() < take {
                page.push(Arc::clone(kept));
            }
            total += 1;
        }
        (page, total)
    }

    /// The few rows among which a very narrow filter looks; `None` where everything must be looked at.
    fn candidates(&self, filter: &Filter) -> Option<Vec<Arc<Kept>>> {
        filter.link().map(|canonical| canonical.map_or_else(Vec::new, |canonical| self.with_link(canonical)))
    }
}

fn cut(rows: Vec<Arc<Kept>>, skip: usize, take: usize) -> (Vec<Arc<Kept>>, usize) {
    let total = rows.len();
    (rows.into_iter().skip(skip).take(take).collect(), total)
}
