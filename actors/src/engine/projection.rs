//! A read-only picture folded from commits; asked by the edge, never by rules.

use bytes::Bytes;
use trunkline_persistence::Piece;
use trunkline_protocol::{CodecError, Commit, Notice};

/// Pieces that are yet to be sealed.
pub type Unsealed = Box<dyn FnOnce() -> Vec<Piece> + Send>;

/// Folds every commit, in order, exactly once. Shared: it keeps its own locks, held for the length of one fold or one question.
pub trait Projection: Send + Sync + 'static {
    /// Its name: the prefix of its pieces in the snapshot.
    fn name(&self) -> &'static str;
    /// Changes whenever the shape of its pieces does: it is then rebuilt from the whole journal.
    fn schema(&self) -> u8;
    /// Takes a commit in. Commits of kinds it does not care for are passed over.
    ///
    /// # Errors
    /// [`CodecError`] where a record of its kind cannot be read: the relay stops there rather than skip it.
    fn fold(&self, commit: &Commit) -> Result<(), CodecError>;
    /// Takes a notice in.
    fn hear(&self, _notice: &Notice) {}
    /// The pieces that changed since the last call (or since it was restored); called between folds. Each key is its own business.
    fn changed(&self) -> Vec<Piece>;
    /// The same, sealed later on another thread: for projections of many rows, whose sealing would keep everybody waiting. What is
    /// saved is what was so when this was called.
    fn changed_unsealed(&self) -> Unsealed {
        let pieces = self.changed();
        Box::new(move || pieces)
    }
    /// Starts from these pieces, all that were ever saved and not removed, and forgets what it held; with no pieces: starts from nothing.
    ///
    /// # Errors
    /// [`CodecError`] where a piece cannot be read: everything is then rebuilt from the journal.
    fn restore(&self, pieces: Vec<(Vec<u8>, Bytes)>) -> Result<(), CodecError>;
}
