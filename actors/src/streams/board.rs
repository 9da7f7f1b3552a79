//! The list of streams: found by id, link or a submitter's own id, filtered, sorted, paged; and the one JSON shape of a stream.
//!
//! Folds the facts of every stream; read by REST, by the channels and by moderation. It decides nothing.
//!
//! # Layout
//! - [`row`]: [`StreamRow`], the one JSON shape of a stream (`streams.md` 4.1)
//! - [`filter`], [`sort`]: what is wanted (4.2)
//! - [`shelves`]: the rows and their indexes; [`past`]: the board as it once was

pub mod filter;
mod past;
pub mod row;
mod shelves;
pub mod sort;
mod surroundings;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::RwLock;
use trunkline_persistence::Piece;
use trunkline_protocol::{CodecError, Commit, EntityId, Principal, Role, Timestamp, UserId, codec};

pub use filter::{Archive, Filter};
pub use row::StreamRow;
pub use shelves::Kept;
pub use sort::{Sort, SortBy};

use super::{
    location::Locations,
    stream::{Stream, StreamFact},
    streamer::Streamers,
};
use crate::{Entity as _, Projection, Unsealed};
use shelves::Shelves;

/// Whose a stream is, as every row shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The account.
    pub id: UserId,
    /// Its e-mail address.
    pub email: Arc<str>,
    /// Its role.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Who the owners are: another wing knows, and this one only asks.
pub trait Owners: Send + Sync + 'static {
    /// The account of this id; `None` where it is gone.
    fn owner(&self, user: UserId) -> Option<Owner>;
    /// Whose commits tell of it; `None` where nobody's do.
    fn told_by(&self, user: UserId) -> Option<EntityId>;
    /// The same, knowing nobody yet; and what folds those commits for it.
    fn anew(&self) -> (Arc<dyn Owners>, Option<Arc<dyn Projection>>);
}

/// Nobody is known: hubs without accounts, and tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOwners;
impl Owners for NoOwners {
    fn owner(&self, _user: UserId) -> Option<Owner> {
        None
    }
    fn told_by(&self, _user: UserId) -> Option<EntityId> {
        None
    }
    fn anew(&self) -> (Arc<dyn Owners>, Option<Arc<dyn Projection>>) {
        (Arc::new(Self), None)
    }
}

/// One page of what was wanted.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its rows, in order.
    pub rows: Vec<StreamRow>,
    /// How many there are on all pages.
    pub total: usize,
}

/// Every stream of the hub.
pub struct Board {
    shelves: RwLock<Shelves>,
    dirty: parking_lot::Mutex<BTreeSet<u64>>,
    version: AtomicU64,
    locations: Arc<Locations>,
    streamers: Arc<Streamers>,
    owners: Arc<dyn Owners>,
    analytics: bool,
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("streams", &self.len()).finish_non_exhaustive()
    }
}

impl Board {
    /// An empty board. `analytics`: rows name the address of their figures (4.7).
    #[must_use]
    pub fn new(locations: Arc<Locations>, streamers: Arc<Streamers>, owners: Arc<dyn Owners>, analytics: bool) -> Self {
        Self {
            shelves: RwLock::default(),
            dirty: parking_lot::Mutex::default(),
            version: AtomicU64::new(0),
            locations,
            streamers,
            owners,
            analytics,
        }
    }
    /// How many streams there are, archived ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shelves.read().len()
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Grows with every change; the same number, the same board.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
    /// What is kept of a stream.
    #[must_use]
    pub fn kept(&self, id: u64) -> Option<Arc<Kept>> {
        self.shelves.read().get(id).cloned()
    }
    /// The stream as it is shown.
    #[must_use]
    pub fn row(&self, id: u64) -> Option<StreamRow> {
        self.kept(id).map(|kept| self.dress(kept))
    }
    /// The streams that have this canonical link now: active ones first, then the newest first.
    #[must_use]
    pub fn with_link(&self, canonical: &str) -> Vec<Arc<Kept>> {
        self.shelves.read().with_link(canonical)
    }
    /// The one stream that has this canonical link and is not archived.
    #[must_use]
    pub fn active_with_link(&self, canonical: &str) -> Option<Arc<Kept>> {
        self.with_link(canonical).into_iter().next().filter(|kept| !kept.stream.is_archived)
    }
    /// The active stream that its owner calls so.
    #[must_use]
    pub fn active_with_external_id(&self, user: UserId, external_id: &str) -> Option<Arc<Kept>> {
        self.shelves.read().with_external_id(user, external_id).filter(|kept| !kept.stream.is_archived)
    }
    /// One page of the streams that pass; `page` counts from 1.
    #[must_use]
    pub fn page(&self, filter: &Filter, sort: Sort, page: usize, per_page: usize) -> Page {
        let skip = page.saturating_sub(1).saturating_mul(per_page);
        let (kept, total) = self.shelves.read().page(filter, sort, skip, per_page, &self.streamers);
        Page { rows: kept.into_iter().map(|kept| self.dress(kept)).collect(), total }
    }
    /// Every stream that passes, in order, as kept: [`Board::dress`] makes a row of each, one at a time.
    #[must_use]
    pub fn all(&self, filter: &Filter, sort: Sort) -> Vec<Arc<Kept>> {
        self.shelves.read().page(filter, sort, 0, usize::MAX, &self.streamers).0
    }
    /// Whether the stream passes.
    #[must_use]
    pub fn passes(&self, id: u64, filter: &Filter) -> bool {
        self.kept(id).is_some_and(|kept| filter.passes(&kept))
    }
    /// A stream with its surroundings: location, streamer, owner as they are now.
    #[must_use]
    pub fn dress(&self, kept: Arc<Kept>) -> StreamRow {
        let stream = &kept.stream;
        StreamRow {
            location: stream.location.and_then(|id| self.locations.get(id)),
            streamer: stream.streamer.and_then(|id| self.streamers.get(id)),
            owner: self.owners.owner(stream.user),
            analytics: self.analytics,
            kept,
        }
    }
    /// What others are shown of an account: the local part of its address; `None` where it is gone.
    #[must_use]
    pub fn name_of(&self, user: UserId) -> Option<String> {
        if user == UserId::HOUSE {
            return Some(Principal::house().display_name().to_owned());
        }
        let owner = self.owners.owner(user)?;
        Some(owner.email.split('@').next().unwrap_or(&owner.email).to_owned())
    }
    fn take(&self, fact: &StreamFact, home: &str, at: Timestamp) {
        if self.shelves.write().take(fact, home, at) {
            self.dirty.lock().insert(fact.stream());
            self.version.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Projection for Board {
    fn name(&self) -> &'static str {
        "board"
    }
    fn schema(&self) -> u8 {
        1
    }
    fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
        if commit.entity.kind() != Stream::KIND {
            return Ok(());
        }
        for fact in commit.facts_of::<StreamFact>() {
            self.take(&fact?, commit.entity.key(), commit.at);
        }
        Ok(())
    }
    fn changed(&self) -> Vec<Piece> {
        self.changed_unsealed()()
    }
    fn changed_unsealed(&self) -> Unsealed {
        let dirty = std::mem::take(&mut *self.dirty.lock());
        let shelves = self.shelves.read();
        let rows: Vec<_> = dirty.into_iter().map(|id| (id, shelves.get(id).cloned())).collect();
        let seal = |(id, kept): (u64, Option<Arc<Kept>>)| Piece {
            key: id.to_be_bytes().to_vec(),
            value: kept.map(|kept| codec::seal(kept.as_ref())),
        };
        Box::new(move || rows.into_iter().map(seal).collect())
    }
    fn restore(&self, pieces: Vec<(Vec<u8>, Bytes)>) -> Result<(), CodecError> {
        let mut shelves = Shelves::default();
        for (_, value) in pieces {
            let mut kept = codec::open::<Kept>(&value)?;
            if kept.home == kept.canonical {
                kept.home = Arc::clone(&kept.canonical);
            }
            shelves.put(kept);
        }
        *self.shelves.write() = shelves;
        self.dirty.lock().clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
