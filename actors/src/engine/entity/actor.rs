//! The actor of one awake entity: takes in what waits, decides it all in place, appends one commit, answers when that is durable.
//!
//! The hub posts wishes; the alarm keeper rings; only this file appends. State is never shown to anybody before its facts are durable:
//! when an append fails, the state is thrown away and built again from the journal.

use std::{
    collections::VecDeque,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use trunkline_persistence::AppendError;
use trunkline_protocol::{
    CommandId, EntityId, NewCommit, Notice, Position, Principal, Refusal, RefusalKind, Timestamp, Turn, Version, codec,
    limits::{COMMIT_TURNS_MAX, CONFLICT_RETRIES_MAX, ENTITY_IDLE, RECORD_BYTES_MAX},
};

use super::memory::Memory;
use crate::{
    Asking, Decision, Entity, Outcome, Written,
    engine::{
        AskError,
        alarms::AlarmSet,
        house::House,
        mailbox::{Gate, Mailbox, Message, Resident, Wish},
    },
};

/// What a commit may hold of facts: a record less the words that the journal writes around them.
const COMMIT_BYTES_MAX: usize = RECORD_BYTES_MAX - 1024;
/// What a turn and a fact cost beside the facts' own bytes.
const TURN_BYTES: usize = 64;
const FACT_BYTES: usize = 4;

/// Starts the actor of `id` under `supervisor`. Call on the house runtime.
pub(crate) fn start<E: Entity>(
    house: &Arc<House>,
    id: &EntityId,
    supervisor: ractor::ActorCell,
) -> Result<Arc<dyn Resident>, AskError> {
    let gate = Gate::open(house.elapsed_ms());
    let desk = Desk {
        house: Arc::clone(house),
        id: id.clone(),
        gate: Arc::clone(&gate),
        waiting: VecDeque::new(),
        turn_is_due: false,
        rung_for: None,
        memory: None,
    };
    // Instantly: it is in the directory before its history has been read, so all who ask at once meet one actor.
    match ractor::ActorRuntime::spawn_linked_instant(None, EntityActor::<E>(PhantomData), desk, supervisor) {
        Ok((actor, _)) => Ok(Arc::new(Mailbox::new(id.clone(), actor, gate))),
        Err(error) => Err(AskError::Unavailable(error.to_string())),
    }
}

struct EntityActor<E>(PhantomData<fn() -> E>);

/// What the actor has before it.
struct Desk<E: Entity> {
    house: Arc<House>,
    id: EntityId,
    gate: Arc<Gate>,
    waiting: VecDeque<Box<Wish<E>>>,
    turn_is_due: bool,
    /// The alarm that was rung last, until it changes.
    rung_for: Option<Timestamp>,
    /// `None`: asleep still, or thrown away after a failed append.
    memory: Option<Memory<E>>,
}

impl<E: Entity> Actor for EntityActor<E> {
    type Msg = Message<E>;
    type State = Desk<E>;
    type Arguments = Desk<E>;

    async fn pre_start(&self, _: ActorRef<Message<E>>, desk: Desk<E>) -> Result<Desk<E>, ActorProcessingErr> {
        Ok(desk)
    }

    async fn handle(&self, me: ActorRef<Message<E>>, message: Message<E>, desk: &mut Desk<E>) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Ask(wish) => {
                desk.waiting.push_back(wish);
                // While more are on their way than are here, one commit for all of them is cheaper: `Turn` lands behind those that
                // are in the queue by now.
                if desk.waiting.len() < COMMIT_TURNS_MAX && desk.gate.waiting() > desk.waiting.len() {
                    return desk.take_in_the_rest(&me);
                }
                desk.work(&me).await
            }
            Message::Turn => {
                desk.turn_is_due = false;
                desk.work(&me).await
            }
            Message::Ring => {
                desk.rung().await;
                desk.work(&me).await
            }
            Message::Crash { cause, crashed } => {
                // A real panic, so that everything that follows is what follows a bug.
                let Err(panic) = catch_unwind(AssertUnwindSafe(|| -> () { panic!("{cause}") })) else { return Ok(()) };
                let error = desk.crash(&me, panic.as_ref());
                // Whoever wanted it may have stopped waiting.
                let _ = crashed.send(());
                Err(error)
            }
            Message::Leave { closing } => {
                Box::pin(desk.leave(&me, closing)).await;
                Ok(())
            }
        }
    }
}

/// What a command came to, before it is durable.
enum Came<E: Entity> {
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
struct Draft<E: Entity> {
    came: Vec<Came<E>>,
    turns: Vec<Turn>,
    notices: Vec<Notice>,
    at: Timestamp,
    /// What the journal will know of the alarm, if this changes it.
    booked: Option<Option<Timestamp>>,
}

/// What became of an append.
enum Appending {
    Durable(Position),
    /// Somebody else wrote: decide again.
    Conflict,
    /// Nothing was written; everybody is told why.
    Not(AskError),
}

impl<E: Entity> Desk<E> {
    fn take_in_the_rest(&mut self, me: &ActorRef<Message<E>>) -> Result<(), ActorProcessingErr> {
        if !self.turn_is_due {
            me.cast(Message::Turn)?;
            self.turn_is_due = true;
        }
        Ok(())
    }

    /// Decides, writes, answers — until nobody waits.
    async fn work(&mut self, me: &ActorRef<Message<E>>) -> Result<(), ActorProcessingErr> {
        let mut conflicts = 0;
        while !self.waiting.is_empty() {
            if self.memory.is_none() && !Box::pin(self.wake()).await {
                break;
            }
            let draft = match catch_unwind(AssertUnwindSafe(|| self.draft())) {
                Ok(draft) => draft,
                Err(panic) => return Err(self.crash(me, panic.as_ref())),
            };
            if draft.turns.is_empty() {
                self.settle(draft, None).await;
                continue;
            }
            match self.write(&draft).await {
                Appending::Durable(position) => {
                    self.settle(draft, Some(position)).await;
                    conflicts = 0;
                }
                Appending::Conflict if conflicts < CONFLICT_RETRIES_MAX => {
                    conflicts += 1;
                    self.memory = None;
                }
                Appending::Conflict => {
                    self.memory = None;
                    self.turn_away(draft.came.len(), &AskError::Overloaded);
                }
                Appending::Not(error) => {
                    self.memory = None;
                    self.turn_away(draft.came.len(), &error);
                }
            }
        }
        if self.waiting.capacity() > 16 && self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        Ok(())
    }

    /// Builds the entity from its history; where that fails, everybody who waits is told so.
    async fn wake(&mut self) -> bool {
        match Memory::<E>::load(&*self.house.journal, &self.id).await {
            Ok(mut memory) => {
                memory.entity.waken(self.house.clock.now());
                self.memory = Some(memory);
                self.note_alarm();
                true
            }
            Err(error) => {
                tracing::error!(entity = %self.id, %error, "it cannot be woken");
                self.turn_away(self.waiting.len(), &AskError::Unavailable(error.to_string()));
                false
            }
        }
    }

    /// Decides what waits, in order, and applies what comes of it. Pure but for the state.
    fn draft(&mut self) -> Draft<E> {
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

    /// Appends the draft. An append whose outcome is unknown is looked for until it is known: nobody is answered before.
    async fn write(&mut self, draft: &Draft<E>) -> Appending {
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
        let mut pause = Duration::from_millis(5);
        loop {
            if let Ok(commits) = self.house.journal.read(&self.id, expected).await {
                match commits.first() {
                    Some(commit) if same(&commit.turns, &draft.turns) => return Appending::Durable(commit.position),
                    Some(_) => return Appending::Conflict,
                    None => {}
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

    /// The draft is durable (or wrote nothing): remembers it, tells its notices, answers everybody in it.
    async fn settle(&mut self, draft: Draft<E>, written_at: Option<Position>) {
        let memory = self.memory.as_mut().expect("it is awake: the draft was decided on it");
        if let Some(position) = written_at {
            memory.version += 1;
            memory.position = position;
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
    fn turn_away(&mut self, count: usize, error: &AskError) {
        for wish in self.waiting.drain(..count) {
            wish.answer(Err(error.clone()));
        }
    }

    /// The alarm is due: what the entity wants done then is asked like any other wish.
    async fn rung(&mut self) {
        if self.memory.is_none() && !Box::pin(self.wake()).await {
            return;
        }
        let now = self.house.clock.now();
        let alarm = self.memory.as_ref().and_then(|memory| memory.entity.alarm());
        let Some((due, command)) = alarm.filter(|(at, _)| *at <= now) else {
            self.note_alarm();
            return;
        };
        self.rung_for = Some(due);
        let asking = Asking { command: CommandId::new(), by: Principal::house(), at: now, connection: None };
        self.waiting.push_back(Box::new(Wish { command, asking, reply: None, permit: None }));
    }

    /// Brings the book of alarms up to date. An alarm that stays as it was although it was answered is rung again a little later.
    fn note_alarm(&mut self) {
        let Some(memory) = &self.memory else { return };
        let alarm = memory.entity.alarm().map(|(at, _)| at);
        if alarm.is_some() && alarm == self.rung_for {
            return;
        }
        self.rung_for = None;
        self.house.alarms.note(&self.id, memory.version, alarm);
    }

    /// Retires, unless somebody is on the way or an alarm is near: what was only heard (a renewed lease) would be forgotten.
    async fn leave(&mut self, me: &ActorRef<Message<E>>, closing: bool) {
        let alarm = self.memory.as_ref().and_then(|memory| memory.entity.alarm());
        let near = self.house.clock.now().plus(2 * ENTITY_IDLE);
        if !closing && alarm.is_some_and(|(at, _)| at <= near) {
            return;
        }
        if !self.waiting.is_empty() || !self.gate.retire() {
            if closing {
                // Behind those who are on their way. They hold permits, so this ends.
                let _ = me.cast(Message::Leave { closing });
                tokio::task::yield_now().await;
            }
            return;
        }
        self.house.directory.forget(&self.id, me.get_id());
        if let Some(memory) = self.memory.as_mut() {
            memory.save_if_due(&*self.house.journal, &self.id, true).await;
        }
        me.stop(None);
    }

    /// A rule panicked: this actor dies and nobody else. Those who wait hear it when their wishes are dropped, after the crash was counted.
    fn crash(&mut self, me: &ActorRef<Message<E>>, panic: &(dyn std::any::Any + Send)) -> ActorProcessingErr {
        let cause = said(panic);
        self.house.crashed(&self.id, me.get_id(), &cause);
        format!("{} crashed: {cause}", self.id).into()
    }
}

/// Whether two commits hold the same commands.
fn same(one: &[Turn], other: &[Turn]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.command == other.command)
}

fn too_large() -> Refusal {
    Refusal::new(RefusalKind::Invalid, "TOO_LARGE", "This is more than can be written at once.")
}

/// What a panic said.
pub(crate) fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without words".to_owned())
}
