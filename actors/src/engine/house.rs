//! What every actor of one hub shares: the clock, the journal, who is awake, which alarms are set, and the relay's ear.
//!
//! The hub is its front door; actors reach it by reference. It decides nothing.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;
use ractor::ActorCell;
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    time::Instant,
};
use trunkline_persistence::Journal;
use trunkline_protocol::{EntityId, Notice, Position};

use super::{
    AskError,
    alarms::Alarms,
    directory::Directory,
    latency::Latency,
    mailbox::Resident,
    relay::Tell,
    supervisor::{
        history::{Chronicle, History},
        report::Reports,
    },
};
use crate::{Clock, Entity as _};

/// Makes the actor of one entity under a supervisor.
type Start = fn(&Arc<House>, &EntityId, ActorCell) -> Result<Arc<dyn Resident>, AskError>;

/// One kind of entity that the plan lists.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Makes the actor of one entity of this kind, under this kind's supervisor.
    pub(crate) start: Start,
    /// Its supervisor, once there is one.
    pub(crate) supervisor: RwLock<Option<ActorCell>>,
}

/// What every actor of one hub shares.
pub(crate) struct House {
    pub(crate) clock: Clock,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) directory: Directory,
    pub(crate) alarms: Arc<Alarms>,
    pub(crate) kinds: HashMap<&'static str, Kind>,
    pub(crate) tells: mpsc::Sender<Tell>,
    pub(crate) history: Arc<History>,
    pub(crate) reports: Reports,
    pub(crate) failed: watch::Sender<Option<String>>,
    /// How long appends took.
    pub(crate) appends: Latency,
    /// The house runtime: an actor spawned elsewhere would live on an edge worker's thread and die with it.
    pub(crate) runtime: Handle,
    pub(crate) opened: Instant,
    pub(crate) closing: watch::Sender<bool>,
    /// Asks are taken; false from the moment the hub closes or fails.
    pub(crate) open: AtomicBool,
}

impl House {
    /// Milliseconds since the hub opened.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }
    /// Are asks of this kind taken? A hub that has failed still writes down why.
    pub(crate) fn takes(&self, kind: &str) -> bool {
        self.is_open() || (kind == Chronicle::KIND && self.failed().is_some() && !*self.closing.borrow())
    }
    /// The mailbox of an entity of any kind, woken if it sleeps. `None`: this hub keeps no such kind.
    pub(crate) fn resident(self: &Arc<Self>, id: &EntityId) -> Option<Result<Arc<dyn Resident>, AskError>> {
        let kind = self.kinds.get(id.kind())?;
        Some(self.directory.wake(id, || {
            let supervisor = kind.supervisor.read().clone();
            let supervisor = supervisor.ok_or_else(|| AskError::Unavailable("its supervisor is starting".into()))?;
            let _in_the_house = self.runtime.enter();
            (kind.start)(self, id, supervisor)
        }))
    }
    /// Wakes an entity because its alarm is due.
    pub(crate) fn ring(self: &Arc<Self>, id: &EntityId) {
        match self.resident(id) {
            Some(Ok(resident)) => resident.ring(),
            Some(Err(error)) => tracing::debug!(entity = %id, %error, "its alarm must wait"),
            None => {
                tracing::warn!(entity = %id, "an alarm of a kind that this hub does not keep is dropped");
                self.alarms.forget(id);
            }
        }
    }
    /// The root supervisor gave up: nothing is taken any more. Whoever runs the process looks at the hub's health and ends it.
    pub(crate) fn fail(&self, cause: &str) {
        tracing::error!(cause, "THE HUB HAS FAILED: its root supervisor gave up");
        self.open.store(false, Ordering::Release);
        self.failed.send_replace(Some(cause.to_owned()));
    }
    pub(crate) fn failed(&self) -> Option<String> {
        self.failed.borrow().clone()
    }
    /// Tells a notice once the relay has told everything up to `after`. Waits a moment where the relay is far behind, then drops it:
    /// what must not be lost is a fact.
    pub(crate) async fn tell(&self, notice: Notice, after: Position) {
        let Err(full) = self.tells.try_send(Tell::Notice(notice, after)) else { return };
        let mpsc::error::TrySendError::Full(tell) = full else { return };
        if self.tells.send_timeout(tell, Duration::from_secs(1)).await.is_err() {
            tracing::warn!("the relay is behind: a notice is dropped");
        }
    }
    /// An actor of this entity has died of `cause`: it is taken out of the directory, and its crash is counted. Only the first word counts.
    pub(crate) fn crashed(&self, id: &EntityId, actor: ractor::ActorId, cause: &str) {
        let Some(resident) = self.directory.forget(id, actor) else { return };
        resident.break_down();
        let resting = self.directory.crashed(id);
        tracing::error!(entity = %id, cause, resting, "an entity crashed; it is built again from its history by the next ask");
        self.history.note(id.kind(), id.key(), cause, self.clock.now());
    }
}

/// Resolves when the hub closes.
pub(crate) async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error says that the house is gone, and that is closed too.
    let _ = closing.wait_for(|closing| *closing).await;
}
