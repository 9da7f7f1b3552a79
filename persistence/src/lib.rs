//! Floor 1: remembers bytes. Knows commits, not what they mean.
//!
//! # Layout
//! - [`journal`]: the trait every backend keeps, and what may go wrong
//! - [`snapshots`]: where a projection or an entity may start from instead of from nothing
//! - [`MemoryJournal`]: tests and examples, with faults to order
//! - [`SledJournal`]: the embedded default
//! - [`conformance`]: the contract as tests; every backend calls it in three lines
//! - [`open()`]: a journal by its address
#![deny(missing_docs)]

pub mod conformance;
pub mod journal;
pub mod snapshots;

mod memory_journal;
mod open;
mod sled_journal;

pub use journal::{AppendError, Appended, FollowError, Journal, JournalError, JournalStats};
pub use memory_journal::{Fault, MemoryJournal};
pub use open::{OpenJournalError, open};
pub use sled_journal::{SledJournal, SledOptions};
pub use snapshots::{Loaded, Piece, Snapshot};
