//! The bounded way to one entity's actor: ractor's own mailboxes have no bound, so a permit travels inside every wish.
//!
//! Askers post here; the actor counts here what is on its way, and closes the gate when it retires. The permit comes back when the
//! wish is dropped: answered, abandoned, or lost with its actor.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use ractor::{ActorId, ActorRef};
use tokio::sync::oneshot;
use trunkline_protocol::{EntityId, limits::MAILBOX_COMMANDS_MAX};

use super::AskError;
use crate::{Asking, Entity, Outcome};

/// What an entity's actor is told.
pub(crate) enum Message<E: Entity> {
    /// Somebody asks.
    Ask(Box<Wish<E>>),
    /// Everything that waited when this was sent has been taken in: decide it.
    Turn,
    /// The alarm is due.
    Ring,
    /// Somebody wants to see what a crash does: panic.
    Crash {
        /// What it says when it dies.
        cause: String,
        /// Told when the crash has been counted.
        crashed: oneshot::Sender<()>,
    },
    /// Nobody asked for a while (or the hub closes): save and stop, unless somebody is on the way.
    Leave {
        /// The hub closes: an alarm is no reason to stay.
        closing: bool,
    },
}

/// One command on its way, and the place where its answer is awaited.
pub(crate) struct Wish<E: Entity> {
    pub(crate) command: E::Command,
    pub(crate) asking: Asking,
    /// `None`: an alarm's own command; nobody waits.
    pub(crate) reply: Option<oneshot::Sender<Result<Outcome<E>, AskError>>>,
    /// Returned by its drop.
    pub(crate) permit: Option<Permit>,
}

impl<E: Entity> Wish<E> {
    /// Nobody waits for the answer any longer: what is not decided yet need not be.
    pub(crate) fn abandoned(&self) -> bool {
        self.reply.as_ref().is_some_and(oneshot::Sender::is_closed)
    }
    pub(crate) fn answer(self, answer: Result<Outcome<E>, AskError>) {
        if let Some(reply) = self.reply {
            // Whoever stopped waiting has been told so by their own deadline.
            let _ = reply.send(answer);
        }
    }
}

/// Counts the wishes of one entity that are not answered yet; closed for ever by [`Gate::retire`].
pub(crate) struct Gate {
    entered: AtomicU32,
    /// When somebody last entered, in milliseconds since the hub opened.
    entered_ms: AtomicU64,
}

const RETIRED: u32 = 1 << 31;

/// A place at the gate; given back by its drop.
pub(crate) struct Permit(Arc<Gate>);
impl Drop for Permit {
    fn drop(&mut self) {
        self.0.entered.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Why a wish was not posted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotPosted {
    /// Too many wait.
    Overloaded,
    /// The actor has retired or died: look the entity up again.
    Gone,
}

impl Gate {
    pub(crate) fn open(now_ms: u64) -> Arc<Self> {
        Arc::new(Self { entered: AtomicU32::new(0), entered_ms: AtomicU64::new(now_ms) })
    }
    /// How many wishes are on their way, taken in, or being decided.
    pub(crate) fn waiting(&self) -> usize {
        (self.entered.load(Ordering::Acquire) & !RETIRED) as usize
    }
    pub(crate) fn entered_ms(&self) -> u64 {
        self.entered_ms.load(Ordering::Relaxed)
    }
    pub(crate) fn enter(self: &Arc<Self>, now_ms: u64) -> Result<Permit, NotPosted> {
        let mut entered = self.entered.load(Ordering::Acquire);
        loop {
            if entered & RETIRED != 0 {
                return Err(NotPosted::Gone);
            }
            if entered as usize >= MAILBOX_COMMANDS_MAX {
                return Err(NotPosted::Overloaded);
            }
            match self.entered.compare_exchange_weak(entered, entered + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    self.entered_ms.store(now_ms, Ordering::Relaxed);
                    return Ok(Permit(Arc::clone(self)));
                }
                Err(actual) => entered = actual,
            }
        }
    }
    /// Closes the gate if nobody is inside; from then on everybody is sent to look the entity up again.
    pub(crate) fn retire(&self) -> bool {
        self.entered.compare_exchange(0, RETIRED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
    /// Closes the gate whoever is inside: the actor has died.
    pub(crate) fn break_down(&self) {
        self.entered.fetch_or(RETIRED, Ordering::AcqRel);
    }
}

/// The way to one awake entity.
pub(crate) struct Mailbox<E: Entity> {
    id: EntityId,
    to: ActorRef<Message<E>>,
    gate: Arc<Gate>,
}

impl<E: Entity> Mailbox<E> {
    pub(crate) fn new(id: EntityId, to: ActorRef<Message<E>>, gate: Arc<Gate>) -> Self {
        Self { id, to, gate }
    }
    /// A place in the queue; asked for before the wish is made, so that nothing is lost where there is none.
    pub(crate) fn enter(&self, now_ms: u64) -> Result<Permit, NotPosted> {
        self.gate.enter(now_ms)
    }
    /// Posts a wish that holds a permit of this mailbox. A wish sent to an actor that just died comes back.
    pub(crate) fn post(&self, wish: Box<Wish<E>>) -> Result<(), Box<Wish<E>>> {
        match self.to.cast(Message::Ask(wish)) {
            Ok(()) => Ok(()),
            Err(ractor::MessagingErr::SendErr(Message::Ask(wish))) => Err(wish),
            // The message could not be boxed or the actor is of another type: neither can be, and the asker hears it as a dropped reply.
            Err(_) => Ok(()),
        }
    }
}

/// An awake entity of whatever kind.
pub(crate) trait Resident: Any + Send + Sync {
    fn id(&self) -> &EntityId;
    fn actor(&self) -> ActorId;
    fn waiting(&self) -> usize;
    fn asked_ms(&self) -> u64;
    /// Tells it that its alarm is due.
    fn ring(&self);
    /// Makes it panic.
    fn crash(&self, cause: String, crashed: oneshot::Sender<()>);
    /// Asks it to retire.
    fn leave(&self, closing: bool);
    /// Sends away everybody who still comes: the actor has died.
    fn break_down(&self);
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<E: Entity> Resident for Mailbox<E> {
    fn id(&self) -> &EntityId {
        &self.id
    }
    fn actor(&self) -> ActorId {
        self.to.get_id()
    }
    fn waiting(&self) -> usize {
        self.gate.waiting()
    }
    fn asked_ms(&self) -> u64 {
        self.gate.entered_ms()
    }
    fn ring(&self) {
        // An actor that has stopped needs no telling: whoever wakes it looks at its alarm.
        let _ = self.to.cast(Message::Ring);
    }
    fn crash(&self, cause: String, crashed: oneshot::Sender<()>) {
        // An actor that has stopped drops the sender, which says so.
        let _ = self.to.cast(Message::Crash { cause, crashed });
    }
    fn leave(&self, closing: bool) {
        let _ = self.to.cast(Message::Leave { closing });
    }
    fn break_down(&self) {
        self.gate.break_down();
    }
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sequence::{Reserve, Sequence};

    #[test]
    fn holds_exactly_its_bound_and_gets_every_permit_back() {
        let gate = Gate::open(0);
        let permits: Vec<_> = (0..1000).filter_map(|_| gate.enter(1).ok()).collect();
        assert_eq!(permits.len(), MAILBOX_COMMANDS_MAX);
        assert_eq!(gate.enter(1).err(), Some(NotPosted::Overloaded));
        assert!(!gate.retire(), "somebody is inside");
        drop(permits);
        assert_eq!(gate.waiting(), 0);
        assert!(gate.retire());
        assert_eq!(gate.enter(1).err(), Some(NotPosted::Gone));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_while_an_actor_retires_is_answered_by_the_next_one_however_slowly_it_leaves() {
        let hub = crate::testing::hub(crate::Plan::new()).await;
        hub.next_id("streams").await.expect("an id");
        // It has closed its gate, and the processor was taken from it before it could take itself out of the directory.
        let id = EntityId::new(Sequence::KIND, "streams");
        let mailbox = hub.inner.house.directory.awake::<Sequence>(&id).expect("awake");
        assert!(mailbox.gate.retire());
        let again = hub.ask::<Sequence>("streams", Reserve(1), hub.asking(&trunkline_protocol::Principal::house())).await;
        assert_eq!(again.map(|outcome| outcome.version), Ok(2));
    }
}
