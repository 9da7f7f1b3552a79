//! How a batch ends: what it left is remembered and told, and everybody who asked is answered.

use trunkline_protocol::{CommandId, Position, Version};

use super::{
    actor::Desk,
    draft::{Came, Draft},
};
use crate::{Entity, Outcome, engine::AskError};

impl<E: Entity> Desk<E> {
    /// The draft is durable (or wrote nothing): remembers it, tells its notices, answers everybody in it.
    pub(super) async fn settle(&mut self, draft: Draft<E>, written_at: Option<Position>) {
        let memory = self.memory.as_mut().expect("it is awake: the draft was decided on it");
        if let Some(position) = written_at {
            memory.version += 1;
            memory.position = position;
            memory.presumed = false;
            for turn in &draft.turns {
                memory.answered.push(turn.command, memory.version);
            }
            if let Some(booked) = draft.booked {
                memory.booked = booked;
            }
        }
        let (version, position) = (memory.version, memory.position);
        self.note_alarm();
        for notice in draft.notices {
            self.house.tell(notice, position).await;
        }
        let mut answered: Vec<Option<Vec<E::Fact>>> = Vec::new();
        let has_twins = draft.came.iter().any(|came| matches!(came, Came::Twin(_)));
        for came in draft.came {
            let wish = self.waiting.pop_front().expect("every outcome came of a wish");
            let mut kept = None;
            match came {
                Came::Abandoned => {}
                Came::Refused(refusal) => wish.answer(Err(refusal.into())),
                Came::Before(at) => {
                    let earlier = Box::pin(self.earlier(wish.asking.command, at)).await;
                    wish.answer(earlier);
                }
                Came::Twin(place) => {
                    let facts = answered.get(place).cloned().flatten().unwrap_or_default();
                    wish.answer(Ok(Outcome { version, position, facts, replayed: true }));
                }
                Came::Facts(facts) => {
                    if has_twins {
                        kept = Some(facts.clone());
                    }
                    let position = if facts.is_empty() { 0 } else { position };
                    wish.answer(Ok(Outcome { version, position, facts, replayed: false }));
                }
            }
            if has_twins {
                answered.push(kept);
            }
        }
        if let (Some(_), Some(memory)) = (written_at, self.memory.as_mut()) {
            memory.save_if_due(&*self.house.journal, &self.id, false).await;
        }
    }

    /// The outcome of a command that was answered before, read back from the journal.
    async fn earlier(&self, command: CommandId, at: Version) -> Result<Outcome<E>, AskError> {
        let unavailable = |error: &dyn std::fmt::Display| AskError::Unavailable(error.to_string());
        let commits = self.house.journal.read(&self.id, at - 1).await.map_err(|error| unavailable(&error))?;
        let commit = commits.first().filter(|commit| commit.version == at).ok_or_else(|| unavailable(&"its history is gone"))?;
        let turn = commit.turns.iter().find(|turn| turn.command == command).ok_or_else(|| unavailable(&"its turn is gone"))?;
        let facts = turn.facts_of::<E::Fact>().collect::<Result<_, _>>().map_err(|error| unavailable(&error))?;
        Ok(Outcome { version: at, position: commit.position, facts, replayed: true })
    }

    /// Turns the first `count` who wait away.
    pub(super) fn turn_away(&mut self, count: usize, error: &AskError) {
        for wish in self.waiting.drain(..count) {
            wish.answer(Err(error.clone()));
        }
    }
}
