//! One running node, and the handle through which everything is asked of it. A route and a deadline; no logic.

use std::{fmt, sync::Arc};

use trunkline_persistence::Journal;
use trunkline_protocol::{Notice, Position, Principal};

use crate::{
    Action, Admission, AskError, Asking, Broadcast, Clock, Entity, Leaving, Outcome, Outlet, Performed, Plan, Projection,
    Subscribing,
};

/// What a hub may be told when it opens; the defaults suit everybody.
#[derive(Clone, Debug)]
pub struct HubConfig {
    /// What time it is.
    pub clock: Clock,
}
impl Default for HubConfig {
    fn default() -> Self {
        Self { clock: Clock::System }
    }
}

/// Why a hub could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] trunkline_persistence::JournalError),
    /// The journal holds something that this version cannot read.
    #[error("the journal cannot be folded at position {position}: {reason}")]
    Unreadable {
        /// Where.
        position: Position,
        /// Why.
        reason: String,
    },
}

/// A running hub. Clone it freely; every method has a deadline.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<()>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hub")
    }
}

#[expect(clippy::unused_async, reason = "signatures first")]
impl Hub {
    /// Opens a hub: restores projections and backlog, replays the tail of the journal, starts supervisors and workers.
    /// Must be called on the multi-thread house runtime: its actors live there.
    pub async fn open(_plan: Plan, _journal: Arc<dyn Journal>, _config: HubConfig) -> Result<Self, OpenError> {
        todo!()
    }
    /// The hub's clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        todo!()
    }
    /// A new wish of `by`: a fresh command id, now.
    #[must_use]
    pub fn asking(&self, _by: &Principal) -> Asking {
        todo!()
    }
    /// Asks one entity; answered when what came of it is durable.
    pub async fn ask<E: Entity>(
        &self,
        _key: impl fmt::Display + Send,
        _command: E::Command,
        _asking: Asking,
    ) -> Result<Outcome<E>, AskError> {
        todo!()
    }
    /// The next integer of a sequence: never given twice, growing on one node; numbers may be left out. Below 2^53.
    pub async fn next_id(&self, _sequence: &'static str) -> Result<u64, AskError> {
        todo!()
    }
    /// The projection of this type.
    ///
    /// # Panics
    /// Where the plan lists none: a mistake in the plan, found by the first test.
    #[must_use]
    pub fn projection<P: Projection>(&self) -> Arc<P> {
        todo!()
    }
    /// What the plan provided under this type: a wing's own long-lived thing (presence, the moderation pipeline).
    ///
    /// # Panics
    /// Where the plan provides none.
    #[must_use]
    pub fn provided<T: Send + Sync + 'static>(&self) -> Arc<T> {
        todo!()
    }
    /// Resolves when every projection has folded `position` (read your writes).
    pub async fn seen(&self, _position: Position) -> Result<(), AskError> {
        todo!()
    }
    /// Tells projections and channels something that is not kept.
    pub fn notice(&self, _notice: Notice) {
        todo!()
    }
    /// Tells a topic something directly: whispers, `$pubsub`. Stored for those who return only where `keep`.
    pub async fn publish(&self, _broadcast: Broadcast, _keep: bool) -> Result<(), AskError> {
        todo!()
    }
    /// Lets a client into the channel of that name; a refusal (unknown channel included) becomes `reject_subscription`.
    pub async fn subscribe(&self, _channel: &str, _subscribing: Subscribing<'_>) -> Result<Admission, AskError> {
        todo!()
    }
    /// The confirmation is on its way: the channel may tell of the arrival.
    pub async fn joined(&self, _channel: &str, _subscribing: Subscribing<'_>) {
        todo!()
    }
    /// Performs an action of a confirmed subscription.
    pub async fn perform(&self, _channel: &str, _action: Action<'_>) -> Result<Performed, AskError> {
        todo!()
    }
    /// A subscription has ended.
    pub async fn left(&self, _channel: &str, _leaving: Leaving<'_>) {
        todo!()
    }
    /// Adds a core of the edge: from now on it is handed every broadcast.
    pub fn attach(&self, _outlet: Arc<dyn Outlet>) {
        todo!()
    }
    /// Retires every entity, saves a snapshot and closes the journal; nothing acknowledged is lost.
    pub async fn close(&self) {
        todo!()
    }
}
