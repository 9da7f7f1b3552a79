//! Moments worth finding again, also called annotations: what happened, when, and where in which streams. One entity each.
//!
//! The edge asks [`create`], [`change`], [`tie`], [`remove`] and reads [`Annotations`].

mod annotations;
mod note;

use serde::{Deserialize, Serialize};
use trunkline_protocol::{Position, Record, Refusal, UserId, codec::kinds};

pub use annotations::{AnnotationFilter, AnnotationRow, Annotations};
pub use note::{Note, NoteChange, Priority, Resolution, Tie, TieWish, clock_of, seconds_of};

use super::tally::Tally;
use crate::{
    AskError, Asking, Decision, Entity, Hub, NoNotice, Written,
    accounts::policy::permission::{TIMESTAMPS_UPDATE_ANY, TIMESTAMPS_WRITE},
};

/// One annotation; without a note before it was made and after it was removed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Annotation {
    note: Option<Note>,
    owner: UserId,
}

/// A wish concerning one annotation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum AnnotationCommand {
    /// Make it.
    Add {
        /// What is said.
        change: NoteChange,
    },
    /// Change what is said.
    Change {
        /// What is to change.
        change: NoteChange,
    },
    /// Tie it to a stream.
    Tie {
        /// Which, and where in it.
        tie: TieWish,
    },
    /// Remove it.
    Remove,
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AnnotationFact {
    /// It was made, by whoever's turn it was.
    Added {
        /// Whose it is.
        owner: UserId,
        /// What is said.
        note: Note,
    },
    /// What is said changed to this.
    Changed {
        /// What is said now.
        note: Note,
    },
    /// It was tied to one more stream.
    Tied {
        /// Which, where, and by whom.
        tie: Tie,
    },
    /// It was removed.
    Removed,
}

impl Record for AnnotationFact {
    const KIND: u16 = kinds::TIMESTAMP;
    const SCHEMA: u8 = 1;
}

impl Entity for Annotation {
    const KIND: &'static str = "timestamp";
    type Command = AnnotationCommand;
    type Fact = AnnotationFact;
    type Notice = NoNotice;

    fn decide(&self, command: &AnnotationCommand, asking: &Asking) -> Result<Decision<Self>, Refusal> {
        asking.by.require(TIMESTAMPS_WRITE)?;
        if let AnnotationCommand::Add { change } = command {
            if self.note.is_some() {
                return Err(Refusal::conflict("EXISTS", "This annotation exists already"));
            }
            let note = change.of(&Note::blank(asking.at), asking)?;
            return Ok(Decision::fact(AnnotationFact::Added { owner: asking.by.user, note }));
        }
        let note = self.note.as_ref().ok_or_else(Refusal::not_found)?;
        if self.owner != asking.by.user {
            asking.by.require(TIMESTAMPS_UPDATE_ANY)?;
        }
        match command {
            AnnotationCommand::Change { change } => {
                let changed = change.of(note, asking)?;
                if changed == *note {
                    Ok(Decision::nothing())
                } else {
                    Ok(Decision::fact(AnnotationFact::Changed { note: changed }))
                }
            }
            AnnotationCommand::Tie { tie } => {
                note.check_tie(tie)?;
                Ok(Decision::fact(AnnotationFact::Tied { tie: tie.by(asking.by.user) }))
            }
            AnnotationCommand::Remove => Ok(Decision::fact(AnnotationFact::Removed)),
            // Settled above.
            AnnotationCommand::Add { .. } => Ok(Decision::nothing()),
        }
    }

    fn apply(&mut self, fact: &AnnotationFact, _written: &Written) {
        match fact {
            AnnotationFact::Added { owner, note } => (self.owner, self.note) = (*owner, Some(note.clone())),
            AnnotationFact::Changed { note } => self.note = Some(note.clone()),
            AnnotationFact::Tied { tie } => {
                if let Some(note) = &mut self.note {
                    note.ties.push(*tie);
                }
            }
            AnnotationFact::Removed => self.note = None,
        }
    }
}

/// Makes an annotation: its id, and the position from which it is seen.
///
/// # Errors
/// 403, 422; what [`Hub::ask`] may answer.
pub async fn create(hub: &Hub, asking: Asking, change: NoteChange) -> Result<(u64, Position), AskError> {
    asking.by.require(TIMESTAMPS_WRITE)?;
    known(hub, change.ties.iter().flatten())?;
    let id = hub.next_id("timestamps").await?;
    let outcome = hub.ask::<Annotation>(id, AnnotationCommand::Add { change }, asking).await?;
    Ok((id, outcome.position))
}

/// Changes what is said; answers the position from which it is seen.
///
/// # Errors
/// 403 for all but the owner and who may change any, 404, 422; what [`Hub::ask`] may answer.
pub async fn change(hub: &Hub, asking: Asking, id: u64, change: NoteChange) -> Result<Position, AskError> {
    there(hub, id)?;
    known(hub, change.ties.iter().flatten())?;
    Ok(hub.ask::<Annotation>(id, AnnotationCommand::Change { change }, asking).await?.position)
}

/// Ties it to one more stream; answers the position from which it is seen.
///
/// # Errors
/// As [`change`]; 422 `Stream has already been taken` where it is tied to that stream.
pub async fn tie(hub: &Hub, asking: Asking, id: u64, tie: TieWish) -> Result<Position, AskError> {
    there(hub, id)?;
    known(hub, [&tie])?;
    Ok(hub.ask::<Annotation>(id, AnnotationCommand::Tie { tie }, asking).await?.position)
}

/// Removes it.
///
/// # Errors
/// 403 for all but the owner and who may change any, 404; what [`Hub::ask`] may answer.
pub async fn remove(hub: &Hub, asking: Asking, id: u64) -> Result<Position, AskError> {
    there(hub, id)?;
    Ok(hub.ask::<Annotation>(id, AnnotationCommand::Remove, asking).await?.position)
}

/// An id that nobody was ever given must not wake an actor: a walk through the numbers would be an attack.
fn there(hub: &Hub, id: u64) -> Result<(), Refusal> {
    hub.projection::<Annotations>().get(id).map(|_| ()).ok_or_else(Refusal::not_found)
}

fn known<'a>(hub: &Hub, ties: impl IntoIterator<Item = &'a TieWish>) -> Result<(), Refusal> {
    let tally = hub.projection::<Tally>();
    match ties.into_iter().find(|tie| !tally.knows(tie.stream)) {
        Some(tie) => Err(Refusal::field("stream", "must exist").about(tie.stream)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
