//! Topic → one outlet per core of the edge. Only the relay speaks to it.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, join_all};
use parking_lot::RwLock;
use serde_json::Value;
use trunkline_protocol::{CommandId, Commit, ConnectionId, Topic, limits::OUTLET_DEADLINE};

use super::{tap::Taps, trace::Traces};

/// A place in a topic's history, by which a client resumes: made of the journal's epoch and a commit's position
/// (`position << 10 | place among the commit's broadcasts on that topic`), so it is the same on every node and after every restart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offset {
    /// The journal's identity.
    pub epoch: Arc<str>,
    /// Grows along the topic; below 2^53.
    pub offset: u64,
}

/// What everyone on a topic is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broadcast {
    /// To whom.
    pub topic: Topic,
    /// The message: JSON text, spliced into each subscriber's frame as it is.
    pub message: Bytes,
    /// Where it stands in the topic's history; `None` for what cannot be resumed.
    pub offset: Option<Offset>,
    /// Latest wins: while a reader is behind, only the newest broadcast of this key is kept for it. `None`: every one counts.
    pub conflate: Option<Arc<str>>,
    /// Not to this connection (a whisper's own sender).
    pub except: Option<ConnectionId>,
    /// The frame's `type` key (`presence`); `None` for a data frame, which has none.
    pub kind: Option<Arc<str>>,
}

/// What a channel makes of one commit or notice; filled by [`Channel::render`](super::channel::Channel::render).
#[derive(Debug, Default)]
pub struct Broadcasts {
    pub(crate) out: Vec<Broadcast>,
    /// Of the commit's turns.
    traces: Vec<(CommandId, Arc<str>)>,
    /// What is said now belongs to it.
    trace: Option<Arc<str>>,
}

impl Broadcast {
    /// A message for everybody on a topic: JSON text, every one counts.
    #[must_use]
    pub fn new(topic: Topic, message: impl Into<Bytes>) -> Self {
        Self { topic, message: message.into(), offset: None, conflate: None, except: None, kind: None }
    }
}

impl Broadcasts {
    pub(crate) fn of(commit: &Commit, traces: &Traces) -> Self {
        let mut broadcasts = Self { traces: traces.of(commit), ..Self::default() };
        if let [turn] = &*commit.turns {
            broadcasts.turn(turn.command);
        }
        broadcasts
    }
    /// What is said from now on came of this turn of the commit. Where a commit has only one, that is known.
    pub fn turn(&mut self, command: CommandId) {
        self.trace = self.traces.iter().find(|(of, _)| *of == command).map(|(_, trace)| Arc::clone(trace));
    }
    /// Says `message` (any JSON value) on `topic`; every one counts.
    pub fn say(&mut self, topic: &Topic, message: &impl serde::Serialize) {
        self.push(topic, message, None);
    }
    /// Says `message` on `topic`; a reader who is behind receives only the newest of each `key`.
    pub fn say_latest(&mut self, topic: &Topic, key: &str, message: &impl serde::Serialize) {
        self.push(topic, message, Some(key.into()));
    }
    /// What was said, in order; for tests of a channel.
    #[must_use]
    pub fn said(&self) -> &[Broadcast] {
        &self.out
    }
    fn push(&mut self, topic: &Topic, message: &impl serde::Serialize, conflate: Option<Arc<str>>) {
        let mut message = serde_json::to_vec(message).expect("messages are plain JSON values");
        if let Some(trace) = &self.trace
            && message.len() > 2
            && message.pop_if(|last| *last == b'}').is_some()
        {
            message.extend_from_slice(format!(",\"trace_id\":{}}}", Value::from(&**trace)).as_bytes());
        }
        self.out.push(Broadcast {
            topic: topic.clone(),
            message: message.into(),
            offset: None,
            conflate,
            except: None,
            kind: None,
        });
    }
}

/// One core of the edge. Takes batches in order; waits (bounded) where the core is behind, never drops.
pub trait Outlet: Send + Sync + 'static {
    /// Hands over a batch; resolves when the core has room for the next.
    fn deliver(&self, batch: Arc<[Broadcast]>) -> BoxFuture<'_, ()>;
    /// The hub gave this core up because it took nothing for [`OUTLET_DEADLINE`]: it is handed nothing more, so it must disconnect its
    /// clients, who resume elsewhere.
    fn given_up(&self) {}
}

/// The cores of the edge that are attached.
#[derive(Default)]
pub(crate) struct Fanout {
    outlets: RwLock<Vec<Arc<dyn Outlet>>>,
    pub(crate) taps: Taps,
}

impl Fanout {
    pub(crate) fn attach(&self, outlet: Arc<dyn Outlet>) {
        self.outlets.write().push(outlet);
    }
    pub(crate) fn detach(&self, outlet: &Arc<dyn Outlet>) {
        self.outlets.write().retain(|attached| !Arc::ptr_eq(attached, outlet));
    }
    /// Hands a batch to every core and waits until each has room for the next.
    pub(crate) async fn deliver(&self, mut batch: Vec<Broadcast>) {
        if batch.is_empty() {
            return;
        }
        self.taps.add_to(&mut batch);
        let outlets = self.outlets.read().clone();
        let batch: Arc<[Broadcast]> = batch.into();
        let deliveries = outlets.iter().map(|outlet| tokio::time::timeout(OUTLET_DEADLINE, outlet.deliver(Arc::clone(&batch))));
        for (outlet, delivered) in outlets.iter().zip(join_all(deliveries).await) {
            if delivered.is_err() {
                tracing::error!("a core of the edge took nothing for too long; it is given up");
                self.detach(outlet);
                outlet.given_up();
            }
        }
    }
}
