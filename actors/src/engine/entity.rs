//! The rules of one kind of thing: decide, apply. Pure: no clock, no await, no logging.
//!
//! The actor that runs them (`actor.rs`) decides every command that waits, appends one commit, and answers only when it is durable.

pub(crate) mod actor;
mod append;
mod draft;
pub(crate) mod memory;
mod settle;

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use trunkline_protocol::{CodecError, CommandId, ConnectionId, Position, Principal, Record, Refusal, Timestamp, Version};

/// Who asks, when, and under which command id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Asking {
    /// Names the wish: a repeat is answered as before.
    pub command: CommandId,
    /// On whose behalf.
    pub by: Principal,
    /// When.
    pub at: Timestamp,
    /// From which connection, where it comes from one.
    pub connection: Option<ConnectionId>,
}

/// What is known of a commit while its facts are applied.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// The version of the commit: a lease's fencing token.
    pub version: Version,
    /// When it was decided.
    pub at: Timestamp,
    /// The command the fact came of.
    pub command: CommandId,
}

/// What a command comes to: facts to be written, and notices to be told and forgotten. Both empty: nothing changes.
pub struct Decision<E: Entity> {
    /// To be written, in order.
    pub facts: Vec<E::Fact>,
    /// To be told without being written (a lease renewed); told after the facts.
    pub notices: Vec<E::Notice>,
}

impl<E: Entity> Decision<E> {
    /// Nothing changes.
    #[must_use]
    pub fn nothing() -> Self {
        Self { facts: Vec::new(), notices: Vec::new() }
    }
    /// One fact.
    #[must_use]
    pub fn fact(fact: E::Fact) -> Self {
        Self { facts: vec![fact], notices: Vec::new() }
    }
    /// These facts.
    #[must_use]
    pub fn facts(facts: Vec<E::Fact>) -> Self {
        Self { facts, notices: Vec::new() }
    }
    /// One notice.
    #[must_use]
    pub fn notice(notice: E::Notice) -> Self {
        Self { facts: Vec::new(), notices: vec![notice] }
    }
}

/// A thing with an identity and a history. Its state is built from facts alone; `Default` is the state without history.
pub trait Entity: Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The kind's name: the first half of an [`EntityId`](trunkline_protocol::EntityId).
    const KIND: &'static str;
    /// Changes whenever the state's shape does: a snapshot of another schema is not used, the history is read instead.
    const SNAPSHOT_SCHEMA: u8 = 1;
    /// A wish, in the imperative.
    type Command: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;
    /// What came of it, in the past tense.
    type Fact: Record + Clone + Send + Sync + 'static;
    /// What is told and not kept; [`NoNotice`] where there is nothing of the sort.
    type Notice: Record + Clone + Send + Sync + 'static;

    /// What the command comes to, given the state. Pure.
    ///
    /// # Errors
    /// A [`Refusal`] where a rule says no.
    fn decide(&self, command: &Self::Command, asking: &Asking) -> Result<Decision<Self>, Refusal>;
    /// Whether the command is as a rule the first that an entity is ever asked. It is then decided without reading the history first:
    /// where there is one after all, the journal refuses what was decided, nobody has been answered, and it is decided again.
    fn begins(_command: &Self::Command) -> bool {
        false
    }
    /// Takes a fact in. Cannot fail: what was written is so.
    fn apply(&mut self, fact: &Self::Fact, written: &Written);
    /// Takes a notice in: what may be lost at a crash (a lease's renewed deadline).
    fn hear(&mut self, _notice: &Self::Notice, _at: Timestamp) {}
    /// Called once after waking, when the history has been applied: what time did while nobody looked (a fresh term for every lease).
    fn waken(&mut self, _now: Timestamp) {}
    /// What to do if nobody asks by then. An alarm outlives retirement and restart: the entity is woken for it. An actor whose alarm is
    /// near (two idle periods) is not retired, so that what it only heard is not forgotten.
    fn alarm(&self) -> Option<(Timestamp, Self::Command)> {
        None
    }
}

/// What an ask came to, told when it is durable.
pub struct Outcome<E: Entity> {
    /// The entity's version after it.
    pub version: Version,
    /// The commit that holds it; 0 where nothing was written.
    pub position: Position,
    /// What came of it; empty where nothing changed.
    pub facts: Vec<E::Fact>,
    /// The command id was known: this is the earlier answer.
    pub replayed: bool,
}

// By hand: a derive would ask the state itself to be Clone and Debug.
impl<E: Entity> Clone for Outcome<E> {
    fn clone(&self) -> Self {
        let Self { version, position, facts, replayed } = self;
        Self { version: *version, position: *position, facts: facts.clone(), replayed: *replayed }
    }
}
impl<E: Entity> fmt::Debug for Outcome<E>
where
    E::Fact: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, position, facts, replayed } = self;
        write!(f, "Outcome {{ version: {version}, position: {position}, replayed: {replayed}, facts: {facts:?} }}")
    }
}
impl<E: Entity> fmt::Debug for Decision<E>
where
    E::Fact: fmt::Debug,
    E::Notice: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decision {{ facts: {:?}, notices: {:?} }}", self.facts, self.notices)
    }
}

/// The notice of an entity that has none: cannot be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum NoNotice {}
impl Record for NoNotice {
    const KIND: u16 = 0;
    const SCHEMA: u8 = 0;
    fn upcast(schema: u8, _payload: &[u8]) -> Result<Self, CodecError> {
        Err(CodecError::UnknownSchema { kind: 0, schema })
    }
}
