//! What a batch of commands comes to: decided in order, applied in place, not yet written. Pure but for the state.
//!
//! The actor (`actor.rs`) asks for it, has it written (`append.rs`) and settles it (`settle.rs`). It answers nobody.

use bytes::Bytes;
use trunkline_protocol::{
    Notice, Refusal, RefusalKind, Timestamp, Turn, Version, codec,
    limits::{COMMIT_TURNS_MAX, RECORD_BYTES_MAX},
};

use super::actor::Desk;
use crate::{Decision, Entity, Written, engine::alarms::AlarmSet};

/// What a commit may hold of facts: a record less the words that the journal writes around them.
const COMMIT_BYTES_MAX: usize = RECORD_BYTES_MAX - 1024;
/// What a turn and a fact cost beside the facts' own bytes.
const TURN_BYTES: usize = 64;
const FACT_BYTES: usize = 4;

/// What a command came to, before it is durable.
pub(super) enum Came<E: Entity> {
    /// Answered before, at this version.
    Before(Version),
    /// The same command stands earlier in this very batch.
    Twin(usize),
    Refused(Refusal),
    Facts(Vec<E::Fact>),
    /// Nobody waits for it any longer, and it was not decided.
    Abandoned,
}

/// A batch that is decided and applied, and not yet written.
pub(super) struct Draft<E: Entity> {
    pub(super) came: Vec<Came<E>>,
    pub(super) turns: Vec<Turn>,
    pub(super) notices: Vec<Notice>,
    pub(super) at: Timestamp,
    /// What the journal will know of the alarm, if this changes it.
    pub(super) booked: Option<Option<Timestamp>>,
}

impl<E: Entity> Draft<E> {
    /// Whether it says nothing but what was done: true of a draft that may be decided without the history, because the journal refuses
    /// it where that was wrong.
    pub(super) fn only_writes(&self) -> bool {
        !self.turns.is_empty()
            && self.came.iter().all(|came| match came {
                Came::Facts(facts) => !facts.is_empty(),
                Came::Abandoned => true,
                Came::Before(_) | Came::Twin(_) | Came::Refused(_) => false,
            })
    }
}

impl<E: Entity> Desk<E> {
    /// Decides what waits, in order, and applies what comes of it. Pure but for the state.
    pub(super) fn draft(&mut self) -> Draft<E> {
        let memory = self.memory.as_mut().expect("it is awake: work() woke it");
        let (version, at) = (memory.version + 1, self.house.clock.now());
        let mut draft = Draft { came: Vec::with_capacity(1), turns: Vec::with_capacity(1), notices: Vec::new(), at, booked: None };
        let mut bytes = self.id.as_str().len();
        for wish in self.waiting.iter().take(COMMIT_TURNS_MAX) {
            if wish.abandoned() {
                draft.came.push(Came::Abandoned);
                continue;
            }
            let asking = &wish.asking;
            if let Some(before) = memory.answered.find(asking.command) {
                draft.came.push(Came::Before(before));
                continue;
            }
            if draft.turns.iter().any(|turn| turn.command == asking.command) {
                let mut before = self.waiting.iter().zip(&draft.came);
                let twin =
                    before.position(|(other, came)| other.asking.command == asking.command && matches!(came, Came::Facts(_)));
                draft.came.push(Came::Twin(twin.expect("its turn came of a wish that stands before it")));
                continue;
            }
            let Decision { facts, notices } = match memory.entity.decide(&wish.command, asking) {
                Ok(decision) => decision,
                Err(refusal) => {
                    draft.came.push(Came::Refused(refusal));
                    continue;
                }
            };
            if !facts.is_empty() {
                let sealed: Vec<Bytes> = facts.iter().map(codec::seal).collect();
                let size = TURN_BYTES + sealed.iter().map(|fact| fact.len() + FACT_BYTES).sum::<usize>();
                if size > COMMIT_BYTES_MAX - self.id.as_str().len() {
                    draft.came.push(Came::Refused(too_large()));
                    continue;
                }
                if bytes + size > COMMIT_BYTES_MAX {
                    // The rest goes into the next commit; this one is decided again then.
                    break;
                }
                bytes += size;
                let written = Written { version, at, command: asking.command };
                facts.iter().for_each(|fact| memory.entity.apply(fact, &written));
                draft.turns.push(Turn {
                    command: asking.command,
                    by: asking.by.user,
                    connection: asking.connection,
                    facts: sealed,
                });
            }
            for notice in notices {
                memory.entity.hear(&notice, at);
                let said = codec::seal(&notice);
                let (by, connection) = (asking.by.user, asking.connection);
                draft.notices.push(Notice { entity: self.id.clone(), at, by, connection, said });
            }
            draft.came.push(Came::Facts(facts));
        }
        if let Some(last) = draft.turns.last_mut() {
            let alarm = memory.entity.alarm().map(|(at, _)| at);
            // An alarm that only moved away need not be written: the entity is rung early once, and says so.
            let missed = match (memory.booked, alarm) {
                (Some(booked), Some(alarm)) => alarm < booked,
                (booked, alarm) => booked != alarm,
            };
            if missed {
                last.facts.push(codec::seal(&AlarmSet(alarm)));
                draft.booked = Some(alarm);
            }
        }
        draft
    }
}

pub(super) fn too_large() -> Refusal {
    Refusal::new(RefusalKind::Invalid, "TOO_LARGE", "This is more than can be written at once.")
}
