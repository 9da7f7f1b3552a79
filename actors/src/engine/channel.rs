//! What a client may subscribe to: admits, performs actions, renders commits. Stateless, and it never writes to a socket.

use futures::future::BoxFuture;
use serde_json::{Map, Value, value::RawValue};
use trunkline_protocol::{Commit, ConnectionId, Notice, Principal, Topic};

use super::{AskError, fanout::Broadcasts, retelling::Retelling};
use crate::Hub;

/// Someone asks for a place in a channel.
#[derive(Clone, Copy, Debug)]
pub struct Subscribing<'a> {
    /// The client's identifier, verbatim: the name of the subscription.
    pub identifier: &'a str,
    /// The identifier's members but `channel`.
    pub params: &'a Map<String, Value>,
    /// Who.
    pub who: &'a Principal,
    /// From where.
    pub connection: ConnectionId,
}

/// A confirmed place: which topics the subscription hears.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// What it streams; attached before the confirmation is sent.
    pub topics: Vec<Topic>,
    /// Sent to this client before the confirmation, in order (`cable.md` 1.6.3).
    pub greetings: Vec<Value>,
    /// Where its whispers go; `None`: whispers are ignored (`cable.md` 2.5).
    pub whisper: Option<Topic>,
    /// Whose presence it may join, one of `topics`: there it is told who comes and goes. `None`: presence is not kept here (`cable.md` 2.6).
    pub presence: Option<Topic>,
}

impl Admission {
    /// A place that hears these topics and nothing else.
    #[must_use]
    pub fn to(topics: impl IntoIterator<Item = Topic>) -> Self {
        Self { topics: topics.into_iter().collect(), ..Self::default() }
    }
}

/// A client performs a method of its subscription.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    /// The subscription's identifier, verbatim.
    pub identifier: &'a str,
    /// The identifier's members but `channel`.
    pub params: &'a Map<String, Value>,
    /// The method: `data.action`, or `receive` where there is none.
    pub name: &'a str,
    /// The whole `data` object, `action` included.
    pub data: &'a Map<String, Value>,
    /// Who.
    pub who: &'a Principal,
    /// From where.
    pub connection: ConnectionId,
}

/// What an action leaves for the one who performed it. Everyone else hears through commits and notices.
#[derive(Clone, Debug, Default)]
pub struct Performed {
    /// Sent to this client only, in order, under the subscription's identifier.
    pub transmissions: Vec<Value>,
    /// Topics that the subscription streams from now on.
    pub follow: Vec<Topic>,
    /// Topics that it no longer streams.
    pub unfollow: Vec<Topic>,
}

impl Performed {
    /// One message to the one who performed it.
    #[must_use]
    pub fn transmit(message: Value) -> Self {
        Self { transmissions: vec![message], ..Self::default() }
    }
}

/// A subscription has ended: unsubscribed, or its connection is gone.
#[derive(Clone, Copy, Debug)]
pub struct Leaving<'a> {
    /// The subscription's identifier, verbatim.
    pub identifier: &'a str,
    /// The identifier's members but `channel`.
    pub params: &'a Map<String, Value>,
    /// Who.
    pub who: &'a Principal,
    /// From where.
    pub connection: ConnectionId,
}

/// A channel: what it is called, who is let in, what may be done there, and what its subscribers are told.
pub trait Channel: Send + Sync + 'static {
    /// The name in the identifier: `StreamsChannel`.
    fn name(&self) -> &'static str;
    /// Lets a client in, or refuses (the wire says `reject_subscription`).
    fn admit<'a>(&'a self, subscribing: Subscribing<'a>, hub: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>>;
    /// Called when the confirmation is on its way: what should now be told of the arrival (presence).
    fn joined<'a>(&'a self, _subscribing: Subscribing<'a>, _hub: &'a Hub) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
    /// Performs an action. An error is logged and, but for a refusal that the channel turned into a transmission, told to nobody.
    fn perform<'a>(&'a self, _action: Action<'a>, _hub: &'a Hub) -> BoxFuture<'a, Result<Performed, AskError>> {
        Box::pin(async { Ok(Performed::default()) })
    }
    /// A subscription has ended.
    fn left<'a>(&'a self, _leaving: Leaving<'a>, _hub: &'a Hub) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
    /// What subscribers are told of a commit. Projections have folded it already. Pure but for reading projections.
    fn render(&self, _commit: &Commit, _out: &mut Broadcasts) {}
    /// What it takes to say again what was said on this topic of commits of the past, of which projections show no longer what they did.
    /// `None` (unless overridden): what memory no longer holds of the topic is gone. Who retells a topic is the only one who speaks on it.
    fn retelling(&self, _topic: &Topic) -> Option<Retelling> {
        None
    }
    /// What subscribers are told of a notice.
    fn render_notice(&self, _notice: &Notice, _out: &mut Broadcasts) {}
}

/// The `data` of an action as it came, for channels that pass it on unread.
pub type RawData = RawValue;
