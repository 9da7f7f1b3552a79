//! Worth telling but not worth keeping: a lease renewed, a user arrived. Told to projections and channels, never written.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{CodecError, ConnectionId, EntityId, Record, Timestamp, UserId, codec};

/// Something ephemeral that an entity or a service said. It has no position and cannot be resumed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Notice {
    /// Whom it is about.
    pub entity: EntityId,
    /// When it was said.
    pub at: Timestamp,
    /// On whose behalf.
    pub by: UserId,
    /// From which connection, where it came from one.
    pub connection: Option<ConnectionId>,
    /// What was said, sealed.
    pub said: Bytes,
}

impl Notice {
    /// What was said, if it was an `R`.
    ///
    /// # Errors
    /// [`CodecError`] where the envelope is of kind `R` but cannot be read.
    pub fn open<R: Record>(&self) -> Result<Option<R>, CodecError> {
        codec::open_if(&self.said)
    }
}
