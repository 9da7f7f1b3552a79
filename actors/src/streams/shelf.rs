//! The rows of a projection by id, and which of them its next snapshot must write. One sealed piece per row.
//!
//! Used inside a projection's own lock; it has none itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use trunkline_persistence::Piece;
use trunkline_protocol::{CodecError, Record, codec};

/// Rows by id. A row is shared, never changed in place: whoever reads holds what was true when they looked.
#[derive(Debug)]
pub struct Shelf<R> {
    rows: BTreeMap<u64, Arc<R>>,
    dirty: BTreeSet<u64>,
}

impl<R> Default for Shelf<R> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), dirty: BTreeSet::new() }
    }
}

impl<R: Record> Shelf<R> {
    /// The row of that id.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Arc<R>> {
        self.rows.get(&id)
    }
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
    /// Every row, by id.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<R>> {
        self.rows.values()
    }
    /// Every row with its id, by id.
    pub fn pairs(&self) -> impl Iterator<Item = (u64, &Arc<R>)> {
        self.rows.iter().map(|(id, row)| (*id, row))
    }
    /// Puts a row, in place of an older one.
    pub fn put(&mut self, id: u64, row: R) {
        self.rows.insert(id, Arc::new(row));
        self.dirty.insert(id);
    }
    /// Takes a row away.
    pub fn remove(&mut self, id: u64) -> Option<Arc<R>> {
        let row = self.rows.remove(&id)?;
        self.dirty.insert(id);
        Some(row)
    }
    /// The pieces that changed since the last call: the id, eight bytes big-endian, and the sealed row.
    pub fn changed(&mut self) -> Vec<Piece> {
        let dirty = std::mem::take(&mut self.dirty);
        let piece =
            |id: u64| Piece { key: id.to_be_bytes().to_vec(), value: self.rows.get(&id).map(|row| codec::seal(row.as_ref())) };
        dirty.into_iter().map(piece).collect()
    }
    /// The rows of these pieces; pieces whose key is no id are another's business and passed over.
    ///
    /// # Errors
    /// [`CodecError`] where a row cannot be read.
    pub fn restored(pieces: &[(Vec<u8>, Bytes)]) -> Result<Self, CodecError> {
        let mut rows = BTreeMap::new();
        for (key, value) in pieces {
            let Ok(id) = <[u8; 8]>::try_from(key.as_slice()) else { continue };
            rows.insert(u64::from_be_bytes(id), Arc::new(codec::open::<R>(value)?));
        }
        Ok(Self { rows, dirty: BTreeSet::new() })
    }
}
