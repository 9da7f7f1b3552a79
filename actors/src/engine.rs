//! The machinery: entities, supervision, relay, fan-out. It names no feature and imports no wing.

pub(crate) mod alarms;
pub mod attendance;
pub mod backlog;
pub mod channel;
pub mod clock;
pub(crate) mod directory;
pub mod entity;
pub mod fanout;
pub(crate) mod house;
pub(crate) mod latency;
pub mod lease;
pub(crate) mod mailbox;
pub(crate) mod opening;
pub(crate) mod pieces;
pub mod projection;
pub(crate) mod published;
pub(crate) mod recall;
pub(crate) mod recent;
pub mod relay;
pub mod retelling;
pub mod retention;
pub(crate) mod sequence;
pub mod supervisor;
pub(crate) mod tap;
pub mod trace;

use trunkline_protocol::Refusal;

/// Why an ask got no yes: the domain refused, or the world failed. A refusal is an answer; the others may be retried with the same command id.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AskError {
    /// The domain says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too much waits there already (503, Retry-After).
    #[error("too much is waiting there; try again")]
    Overloaded,
    /// It did not answer within its deadline; whether it was done is not known (504).
    #[error("it did not answer in time")]
    Deadline,
    /// It crashed too often and rests for a while (503, Retry-After).
    #[error("it crashed too often and rests for a minute")]
    Quarantined,
    /// The disk is full: nothing more is taken (503).
    #[error("the disk that holds the journal is full")]
    Full,
    /// The actor died, the journal is unreachable, or the hub is closing (503, Retry-After).
    #[error("not available: {0}")]
    Unavailable(String),
}
