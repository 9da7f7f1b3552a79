//! Where a projection or an entity may start from instead of from nothing.
//!
//! A snapshot is a set of keyed pieces and the position (or version) that they speak of. Saving writes only the pieces that changed,
//! together with that position, all or none; so a large projection costs what changed, not what it holds.

use bytes::Bytes;
use trunkline_protocol::limits::RECORD_BYTES_MAX;

use crate::JournalError;

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

/// The longest key of a piece, and the longest name of a snapshot, in bytes.
pub const KEY_BYTES_MAX: usize = 8 * 1024;

/// Says which piece is too large to be stored, before anything is written.
pub(crate) fn check(snapshot: &Snapshot) -> Result<(), JournalError> {
    if snapshot.name.len() > KEY_BYTES_MAX {
        return Err(JournalError::Unavailable(format!("the name of a snapshot is longer than {KEY_BYTES_MAX} bytes")));
    }
    for piece in &snapshot.pieces {
        if piece.key.len() > KEY_BYTES_MAX {
            return Err(JournalError::Unavailable(format!(
                "snapshot {}: a key is longer than {KEY_BYTES_MAX} bytes",
                snapshot.name
            )));
        }
        if piece.value.as_ref().is_some_and(|value| value.len() > RECORD_BYTES_MAX) {
            return Err(JournalError::Unavailable(format!(
                "snapshot {}: a piece is larger than {RECORD_BYTES_MAX} bytes",
                snapshot.name
            )));
        }
    }
    Ok(())
}
