//! The contract of [`Journal`] as tests. Every backend calls it in three lines:
//!
//! ```text
//! trunkline_persistence::conforms!(MyBackend::new());
//! ```
//!
//! Who talks to it: tests only. It knows no backend. Each story panics where the journal breaks its word.
#![expect(clippy::missing_panics_doc, reason = "panicking is what they are for")]

mod history;
mod snapshots;

use std::sync::Arc;

use bytes::Bytes;
use trunkline_protocol::{CommandId, EntityId, NewCommit, Timestamp, Turn, UserId, Version};

use crate::Journal;

pub use self::{
    history::{
        answers_a_repeat_as_before, closes_and_keeps_everything, lets_one_writer_win_each_version, outlives_a_caller_who_gives_up,
        reads_after_a_version, refuses_what_does_not_fit, refuses_who_comes_late, tells_everything_once_and_in_order,
    },
    snapshots::{adds_up_many_saves, keeps_snapshots_by_piece, refuses_a_piece_that_does_not_fit, saves_all_or_none},
};

/// A place for one journal, empty at first. Dropping it removes what it made.
pub trait Backend: Send + Sync {
    /// Opens the journal; once it was closed, opens again what was there.
    fn open(&self) -> Arc<dyn Journal>;
}

/// One `#[tokio::test]` for each story; the argument makes a fresh [`Backend`].
#[macro_export]
macro_rules! conforms {
    ($backend:expr) => {
        $crate::conforms!(@stories $backend;
            answers_a_repeat_as_before, refuses_who_comes_late, lets_one_writer_win_each_version, tells_everything_once_and_in_order,
            reads_after_a_version, refuses_what_does_not_fit, outlives_a_caller_who_gives_up, closes_and_keeps_everything,
            keeps_snapshots_by_piece, adds_up_many_saves, saves_all_or_none, refuses_a_piece_that_does_not_fit
        );
    };
    (@stories $backend:expr; $($story:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                $crate::conformance::$story(&$backend).await;
            }
        )*
    };
}

/// A commit of one turn with one fact of these bytes.
#[must_use]
pub fn commit(entity: &EntityId, expected: Version, fact: impl Into<Bytes>) -> NewCommit {
    let turn = Turn { command: CommandId::new(), by: UserId(7), connection: None, facts: vec![fact.into()] };
    NewCommit { entity: entity.clone(), expected, at: Timestamp::from_millis(1_700_000_000_000), turns: vec![turn] }
}
