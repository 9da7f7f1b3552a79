//! Floor 0: words that cross a boundary.
//!
//! Who talks to it: everyone. What it never does: wait, tell the time, or touch a file; if it needs a runtime it is not a word.
//!
//! # Layout
//! - [`id`], [`time`], [`principal`]: who, when, on whose behalf
//! - [`commit`], [`codec`], [`notice`]: what was written, how it is sealed, what is told without being written
//! - [`golden`]: records keep their bytes, for tests
//! - [`cell`], [`topic`], [`refusal`]: what is edited, where it is told, how the domain says no
//! - [`verdict`], [`call`]: what moderation says, and an ask sealed until it has said so
//! - [`cable`]: ActionCable frames, exactly
//! - [`limits`]: every bound of the hub in one place
#![deny(missing_docs)]

pub mod cable;
pub mod call;
pub mod cell;
pub mod codec;
pub mod commit;
pub mod golden;
pub mod id;
pub mod limits;
pub mod notice;
pub mod principal;
pub mod refusal;
pub mod time;
pub mod topic;
pub mod verdict;

pub use call::Call;
pub use cell::Cell;
pub use codec::{CodecError, Record};
pub use commit::{Commit, NewCommit, Position, Turn, Version};
pub use id::{CommandId, ConnectionId, EntityId, UserId};
pub use notice::Notice;
pub use principal::{Credential, Permissions, Principal, Role};
pub use refusal::{Refusal, RefusalKind};
pub use time::Timestamp;
pub use topic::Topic;
pub use verdict::{Opinion, Reason, Verdict};
