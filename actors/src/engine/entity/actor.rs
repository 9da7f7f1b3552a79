//! The actor of one awake entity: takes in what waits, decides it all in place, appends one commit, answers when that is durable.
//!
//! The hub posts wishes; the alarm keeper rings; only the files beside this one append. State is never shown to anybody before its facts
//! are durable: when an append fails, the state is thrown away and built again from the journal.
//!
//! # Layout
//! - here: what the actor is told, how it wakes and leaves
//! - `draft`: what a batch of commands comes to; `append`: how that is written; `settle`: who is answered what

use std::{
    collections::VecDeque,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use trunkline_protocol::{
    CommandId, EntityId, Principal, Timestamp,
    limits::{COMMIT_TURNS_MAX, CONFLICT_RETRIES_MAX, ENTITY_IDLE},
};

use super::{append::Appending, memory::Memory};
use crate::{
    Asking, Entity,
    engine::{
        AskError,
        house::House,
        mailbox::{Gate, Mailbox, Message, Resident, Wish},
    },
};

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
        untouched: true,
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
pub(super) struct Desk<E: Entity> {
    pub(super) house: Arc<House>,
    pub(super) id: EntityId,
    gate: Arc<Gate>,
    pub(super) waiting: VecDeque<Box<Wish<E>>>,
    turn_is_due: bool,
    /// The alarm that was rung last, until it changes.
    rung_for: Option<Timestamp>,
    /// Nothing has been decided since the actor was started.
    untouched: bool,
    /// `None`: asleep still, or thrown away after a failed append.
    pub(super) memory: Option<Memory<E>>,
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
                // Boxed, here and below: an actor that waits for nobody should not carry the room for it.
                Box::pin(desk.work(&me)).await
            }
            Message::Turn => {
                desk.turn_is_due = false;
                Box::pin(desk.work(&me)).await
            }
            Message::Ring => {
                desk.rung().await;
                Box::pin(desk.work(&me)).await
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
            let begins = std::mem::take(&mut self.untouched) && self.waiting.iter().all(|wish| E::begins(&wish.command));
            if self.memory.is_none() && begins {
                self.memory = Some(Memory::presumed_new());
            } else if self.memory.is_none() && !Box::pin(self.wake()).await {
                break;
            }
            let draft = match catch_unwind(AssertUnwindSafe(|| self.draft())) {
                Ok(draft) => draft,
                Err(panic) => return Err(self.crash(me, panic.as_ref())),
            };
            if self.memory.as_ref().is_some_and(|memory| memory.presumed) && !draft.only_writes() {
                // Whoever is to be told no, or something old, is told so by the history itself.
                self.memory = None;
                continue;
            }
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
    pub(super) fn note_alarm(&mut self) {
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

/// What a panic said.
pub(crate) fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without words".to_owned())
}
