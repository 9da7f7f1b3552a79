//! How a draft is written: at the version it was decided on, and looked for where nobody knows what became of it.

use std::time::{Duration, Instant};

use trunkline_persistence::AppendError;
use trunkline_protocol::{Commit, NewCommit, Position, Version};

use super::{
    actor::Desk,
    draft::{Draft, too_large},
};
use crate::{Entity, engine::AskError};

/// What became of an append.
pub(super) enum Appending {
    Durable(Position),
    /// Somebody else wrote: decide again.
    Conflict,
    /// Nothing was written; everybody is told why.
    Not(AskError),
}

impl<E: Entity> Desk<E> {
    /// Appends the draft. An append whose outcome is unknown is looked for until it is known: nobody is answered before.
    pub(super) async fn write(&mut self, draft: &Draft<E>) -> Appending {
        let expected = self.memory.as_ref().map_or(0, |memory| memory.version);
        let commit = NewCommit { entity: self.id.clone(), expected, at: draft.at, turns: draft.turns.clone() };
        let began = Instant::now();
        match self.house.journal.append(commit).await {
            Ok(appended) if !appended.replayed => {
                self.house.appends.took(began.elapsed());
                Appending::Durable(appended.position)
            }
            // Another actor wrote this first command before us (its retry reached another hub): what else that commit holds is not ours.
            Ok(_) | Err(AppendError::Conflict { .. }) => Appending::Conflict,
            Err(AppendError::Ambiguous(reason)) => Box::pin(self.find_out(draft, expected, &reason)).await,
            Err(AppendError::Overloaded) => Appending::Not(AskError::Overloaded),
            Err(AppendError::Full) => Appending::Not(AskError::Full),
            Err(AppendError::TooLarge { bytes }) => {
                tracing::error!(entity = %self.id, bytes, "the journal refused a commit for its size");
                Appending::Not(AskError::Refused(too_large()))
            }
        }
    }

    /// Reads back, and writes the very same commit again, until it is known what became of it.
    async fn find_out(&mut self, draft: &Draft<E>, expected: Version, reason: &str) -> Appending {
        tracing::warn!(entity = %self.id, expected, reason, "the outcome of an append is unknown; looking for it");
        let presumed = self.memory.as_ref().is_some_and(|memory| memory.presumed);
        let mut pause = Duration::from_millis(5);
        loop {
            if let Ok(commits) = self.house.journal.read(&self.id, expected).await {
                match &*commits {
                    [commit] if same(commit, draft) => return Appending::Durable(commit.position),
                    // Ours, and somebody wrote after us. Where there was taken to be no history it may as well be an old one of the
                    // same command, and what came after it is not known here.
                    [commit, ..] if same(commit, draft) && !presumed => return Appending::Durable(commit.position),
                    [_, ..] => return Appending::Conflict,
                    [] => {}
                }
                let again = NewCommit { entity: self.id.clone(), expected, at: draft.at, turns: draft.turns.clone() };
                match self.house.journal.append(again).await {
                    Ok(appended) if !appended.replayed => return Appending::Durable(appended.position),
                    // Settled meanwhile: the next look tells whose it was. `Full` and the like say nothing of the first attempt.
                    _ => {}
                }
            }
            if !self.house.is_open() && pause >= Duration::from_secs(1) {
                // The hub closes and the journal does not answer. Nobody is told yes or no; the journal knows when it opens again.
                return Appending::Not(AskError::Unavailable("the hub is closing".into()));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }
}

/// Whether a commit is this draft: the same commands, decided at the same moment. Decided at another one they are somebody else's.
fn same<E: Entity>(commit: &Commit, draft: &Draft<E>) -> bool {
    commit.at == draft.at && commit.turns.iter().map(|turn| turn.command).eq(draft.turns.iter().map(|turn| turn.command))
}
