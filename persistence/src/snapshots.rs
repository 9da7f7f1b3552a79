//! Where a projection or an entity may start from instead of from nothing.
//!
//! A snapshot is a set of keyed pieces and the position (or version) that they speak of. Saving writes only the pieces that changed,
//! together with that position, all or none; so a large projection costs what changed, not what it holds.

use bytes::Bytes;

/// One keyed piece: its value, or `None` to remove it. A value is at most
/// [`RECORD_BYTES_MAX`](trunkline_protocol::limits::RECORD_BYTES_MAX) bytes; whoever has more cuts it up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Its key within the snapshot.
    pub key: Vec<u8>,
    /// Its value; `None` removes it.
    pub value: Option<Bytes>,
}

/// What to write: the pieces that changed, and what they bring the snapshot up to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// Whose: `relay`, `entity/stream/…`.
    pub name: String,
    /// The position (relay) or version (entity) that the snapshot is whole at, once these pieces are in.
    pub at: u64,
    /// Forget every piece that was there before.
    pub replace: bool,
    /// What changed.
    pub pieces: Vec<Piece>,
}

/// A snapshot as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// What it is whole at.
    pub at: u64,
    /// Every piece, sorted by key.
    pub pieces: Vec<(Vec<u8>, Bytes)>,
}
