//! One running node, and the handle through which everything is asked of it. A route and a deadline; no logic.
//!
//! # Layout
//! - here: open, query, publish, watch, close; [`Health`]
//! - `asking`: the way to one entity; `channels`: what the edge asks of channels

mod asking;
mod channels;
mod health;

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    fmt,
    sync::Arc,
    time::Duration,
};

use ractor::ActorCell;
use tokio::{sync::oneshot, time::timeout};
use trunkline_persistence::Journal;
use trunkline_protocol::{
    CommandId, Commit, EntityId, Notice, Position, Principal, Refusal, Topic, Version,
    limits::{ASK_DEADLINE, READ_YOUR_WRITES_DEADLINE},
};

use crate::{
    AskError, Asking, Attendance, Broadcast, Channel, Clock, History, Outlet, PRESENCE_TTL, Plan, Projection, Since, Supervision,
    engine::{
        house::House,
        latency::Counted,
        opening, published,
        relay::{Relay, Tell},
        sequence::Sequences,
        supervisor::report,
    },
    plan::Denied,
};

pub use health::Health;

/// What a hub may be told when it opens; the defaults suit everybody.
#[derive(Clone, Debug)]
pub struct HubConfig {
    /// What time it is.
    pub clock: Clock,
    /// How long a lost connection counts as present on the topics it has joined (`cable.md` 2.6).
    pub presence_ttl: Duration,
}
impl Default for HubConfig {
    fn default() -> Self {
        Self { clock: Clock::System, presence_ttl: PRESENCE_TTL }
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
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) house: Arc<House>,
    pub(crate) relay: Arc<Relay>,
    pub(crate) epoch: Arc<str>,
    pub(crate) channels: HashMap<&'static str, Arc<dyn Channel>>,
    pub(crate) projections: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    pub(crate) provided: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    pub(crate) sequences: Sequences,
    pub(crate) attendance: Attendance,
    pub(crate) denied: Option<Denied>,
    pub(crate) root: tokio::sync::Mutex<Option<ActorCell>>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hub")
    }
}

impl Hub {
    /// Opens a hub: restores projections and backlog, replays the tail of the journal, starts supervisors and workers.
    /// Must be called on the multi-thread house runtime: its actors live there.
    ///
    /// # Errors
    /// [`OpenError`] where the journal cannot be read, or holds what this version cannot read.
    pub async fn open(plan: Plan, journal: Arc<dyn Journal>, config: HubConfig) -> Result<Self, OpenError> {
        Box::pin(opening::open(plan, journal, config)).await
    }
    /// The hub's clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.inner.house.clock
    }
    /// The identity of the journal: half of every [`Offset`](crate::Offset).
    #[must_use]
    pub fn epoch(&self) -> Arc<str> {
        Arc::clone(&self.inner.epoch)
    }
    /// A new wish of `by`: a fresh command id, now.
    #[must_use]
    pub fn asking(&self, by: &Principal) -> Asking {
        let command = CommandId::new();
        self.inner.relay.traces.note(command);
        Asking { command, by: by.clone(), at: self.clock().now(), connection: None }
    }
    /// The next integer of a sequence: never given twice, growing on one node; numbers may be left out. Below 2^53.
    ///
    /// # Errors
    /// Those of [`Hub::ask`].
    pub async fn next_id(&self, sequence: &'static str) -> Result<u64, AskError> {
        self.inner.sequences.next(self, sequence).await
    }
    /// The projection of this type.
    ///
    /// # Panics
    /// Where the plan lists none: a mistake in the plan, found by the first test.
    #[must_use]
    pub fn projection<P: Projection>(&self) -> Arc<P> {
        let found = self.inner.projections.get(&TypeId::of::<P>()).cloned().and_then(|any| any.downcast().ok());
        found.unwrap_or_else(|| panic!("the plan lists no projection {}", type_name::<P>()))
    }
    /// What the plan provided under this type: a wing's own long-lived thing (presence, the moderation pipeline).
    ///
    /// # Panics
    /// Where the plan provides none.
    #[must_use]
    pub fn provided<T: Send + Sync + 'static>(&self) -> Arc<T> {
        let found = self.inner.provided.get(&TypeId::of::<T>()).cloned().and_then(|any| any.downcast().ok());
        found.unwrap_or_else(|| panic!("the plan provides no {}", type_name::<T>()))
    }
    /// Resolves when every projection has folded `position` (read your writes).
    ///
    /// # Errors
    /// [`AskError::Deadline`] where the relay is that far behind.
    pub async fn seen(&self, position: Position) -> Result<(), AskError> {
        if *self.inner.relay.seen.borrow() >= position {
            return Ok(());
        }
        let mut seen = self.inner.relay.seen.subscribe();
        match timeout(READ_YOUR_WRITES_DEADLINE, seen.wait_for(|seen| *seen >= position)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(AskError::Unavailable("the relay has ended".into())),
            Err(_) => Err(AskError::Deadline),
        }
    }
    /// What one entity wrote before a version, newest first, at most so many commits: for a history that is folded when somebody asks.
    ///
    /// # Errors
    /// [`AskError::Unavailable`] where the journal cannot be read, [`AskError::Deadline`] where it does not answer.
    pub async fn commits(&self, entity: &EntityId, before: Version, at_most: usize) -> Result<Vec<Commit>, AskError> {
        match timeout(ASK_DEADLINE, self.inner.house.journal.read_back(entity, before, at_most)).await {
            Ok(Ok(commits)) => Ok(commits),
            Ok(Err(error)) => Err(AskError::Unavailable(error.to_string())),
            Err(_) => Err(AskError::Deadline),
        }
    }
    /// Tells projections and channels something that is not kept; `false` where the relay is so far behind that it is dropped.
    pub fn notice(&self, notice: Notice) -> bool {
        let is_taken = self.inner.house.tells.try_send(Tell::Notice(notice, 0)).is_ok();
        if !is_taken {
            tracing::warn!("the relay is behind: a notice is dropped");
        }
        is_taken
    }
    /// Tells a topic something directly. Where `keep`, as [`Hub::publish_all`] does; otherwise it is not stored for those who return
    /// (whispers, figures), and this resolves when it is queued.
    ///
    /// # Errors
    /// Those of [`Hub::ask`]; [`AskError::Overloaded`] where the relay is far behind.
    pub async fn publish(&self, broadcast: Broadcast, keep: bool) -> Result<(), AskError> {
        if keep { self.publish_all(vec![(broadcast, true)]).await } else { published::say(&self.inner.house, broadcast).await }
    }
    /// Tells topics something directly, in this order; each, where it is to be kept (`true`), kept as its topic's
    /// [`Retention`](crate::Retention) says. Resolves when every core of the edge has been handed it, and what the journal keeps is durable.
    /// A refusal tells nothing; where the world fails, those before the failure may have been told.
    ///
    /// # Errors
    /// Those of [`Hub::ask`]; [`AskError::Overloaded`] where the relay is far behind.
    pub async fn publish_all(&self, broadcasts: Vec<(Broadcast, bool)>) -> Result<(), AskError> {
        published::publish(self, broadcasts).await
    }
    /// The history of a topic since a place, as far as memory reaches; see [`History`] for how to go on with what is live.
    #[must_use]
    pub fn history(&self, topic: &Topic, since: Since<'_>) -> History {
        self.inner.relay.history(topic, since)
    }
    /// What was said on a topic since a place and is no longer in memory: read from the journal, oldest first, not more at once than fits a
    /// reader's outbox. `None`: the journal has nothing to add, ask [`Hub::history`]. Otherwise go on from where this speaks up to
    /// ([`Since::After`] with its `upto`): ask here again, until it is `None`.
    pub async fn recall(&self, topic: &Topic, since: Since<'_>) -> Option<History> {
        self.inner.relay.recall(topic, since).await
    }
    /// From now on everything that channels say on the topic is remembered for [`Hub::history`], and what they said before is forgotten there.
    /// For a channel that speaks on a topic only while somebody is there: it calls this before it says the first word, and while it is
    /// rendering nothing; what its topic was not told meanwhile is recalled.
    pub fn begin(&self, topic: &Topic) {
        self.inner.relay.backlog.begin(topic, self.clock().now());
    }
    /// Who has joined which topic.
    #[must_use]
    pub fn attendance(&self) -> &Attendance {
        &self.inner.attendance
    }
    /// Adds a core of the edge: from now on it is handed every broadcast.
    pub fn attach(&self, outlet: Arc<dyn Outlet>) {
        self.inner.relay.fanout.attach(outlet);
    }
    /// Removes a core of the edge: it is handed nothing more.
    pub fn detach(&self, outlet: &Arc<dyn Outlet>) {
        self.inner.relay.fanout.detach(outlet);
    }
    /// How the hub is.
    #[must_use]
    pub fn health(&self) -> Health {
        let house = &self.inner.house;
        Health {
            failed: house.failed(),
            relay: self.inner.relay.health(),
            awake: house.directory.len(),
            restarts: house.history.total(),
            journal: house.journal.stats(),
        }
    }
    /// The supervision tree: who is awake, backing off or quarantined, and what crashed when and why.
    #[must_use]
    pub fn supervision(&self) -> Supervision {
        report::tree(&self.inner.house)
    }
    /// Resolves when the hub has failed for good, with the reason: whoever runs the process ends it then. Never, where it does not.
    pub async fn until_failed(&self) -> String {
        let mut failed = self.inner.house.failed.subscribe();
        match failed.wait_for(Option::is_some).await.map(|failed| failed.clone()) {
            Ok(Some(cause)) => cause,
            // The hub itself holds the sender.
            _ => std::future::pending().await,
        }
    }
    /// How long the appends of entities took, counted since the hub opened.
    #[must_use]
    pub fn append_latency(&self) -> Counted {
        self.inner.house.appends.counted()
    }
    /// From now on what `topic` tells is also told, frame by frame and latest never wins, on the topic that comes back. Ended by
    /// [`Hub::untap`], once for each time.
    ///
    /// # Errors
    /// Refused where too many topics are tapped, or the topic is a tap.
    pub fn tap(&self, topic: &Topic) -> Result<Topic, Refusal> {
        self.inner.relay.fanout.taps.open(topic)
    }
    /// One who tapped the topic has had enough.
    pub fn untap(&self, topic: &Topic) {
        self.inner.relay.fanout.taps.close(topic);
    }
    /// Makes an entity panic: to see (in a test, in a demonstration) what happens then. Resolves when its crash has been counted.
    ///
    /// # Errors
    /// Refused 404 where no such kind is kept; those of [`Hub::ask`].
    pub async fn crash(&self, entity: &EntityId, cause: &str) -> Result<(), AskError> {
        let resident = self.inner.house.resident(entity).ok_or_else(Refusal::not_found)??;
        let (told, crashed) = oneshot::channel();
        resident.crash(cause.to_owned(), told);
        match timeout(ASK_DEADLINE, crashed).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(AskError::Unavailable("it was gone already".into())),
            Err(_) => Err(AskError::Deadline),
        }
    }
    /// Fails the hub for good, as its root supervisor does when it gives up: to see what happens then.
    pub fn fail(&self, cause: &str) {
        self.inner.house.fail(cause);
    }
    /// Retires every entity that nobody asks at this moment; the next ask wakes it again. For tests and for an operator short of memory.
    pub fn retire_everybody(&self) {
        self.inner.house.directory.residents().iter().for_each(|resident| resident.leave(false));
    }
    /// Retires every entity, saves a snapshot and closes the journal; nothing acknowledged is lost.
    pub async fn close(&self) {
        Box::pin(opening::close(self)).await;
    }
}
