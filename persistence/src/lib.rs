//! Floor 1: remembers bytes. Knows commits, not what they mean.
//!
//! # Layout
//! - [`journal`]: the trait every backend keeps, and what may go wrong
//! - [`snapshots`]: where a projection or an entity may start from instead of from nothing
//! - [`MemoryJournal`]: tests and examples, with faults to order
#![deny(missing_docs)]

pub mod journal;
pub mod snapshots;

mod memory_journal;

pub use journal::{AppendError, Appended, FollowError, Journal, JournalError, JournalStats};
pub use memory_journal::{Fault, MemoryJournal};
pub use snapshots::{Loaded, Piece, Snapshot};
