//! A fan-out address. Everyone on a topic is sent the same bytes; who may see less subscribes to another topic.
//!
//! Topics of channels and topics of `$pubsub` live in two rooms: no client can reach a channel's topic by naming a public stream.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::ConnectionId;

const PERSONAL: &str = "a:to:";

/// A fan-out address. Cheap to clone; built only by its constructors.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Topic(Arc<str>);

impl Topic {
    /// A channel's topic: the name is the channel's own business (`streams`, `stream:42`).
    #[must_use]
    pub fn channel(name: impl fmt::Display) -> Self {
        Self(format!("c:{name}").into())
    }
    /// The topic behind the `$pubsub` stream `name` (`cable.md` 2.7), public or signed.
    #[must_use]
    pub fn pubsub(name: impl fmt::Display) -> Self {
        Self(format!("p:{name}").into())
    }
    /// The topic on which whispers or presence of another topic travel; never stored.
    #[must_use]
    pub fn aside(of: &Topic, what: &str) -> Self {
        Self(format!("a:{what}:{}", of.0).into())
    }
    /// The topic on which one connection alone is told of another topic; never stored.
    #[must_use]
    pub fn personal(of: &Topic, connection: ConnectionId) -> Self {
        Self(format!("{PERSONAL}{connection}:{}", of.0).into())
    }
    /// A topic by its whole address, as it was stored; `None` where no constructor builds such an address.
    #[must_use]
    pub fn from_address(address: &str) -> Option<Self> {
        ["c:", "p:", "a:"].iter().any(|room| address.starts_with(room)).then(|| Self(address.into()))
    }
    /// What the extended protocol calls `stream_id`: the name without its room.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0[2..]
    }
    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Whether it is one connection's own.
    #[must_use]
    pub fn is_personal(&self) -> bool {
        self.0.starts_with(PERSONAL)
    }
    /// Whether it is a `$pubsub` topic.
    #[must_use]
    pub fn is_pubsub(&self) -> bool {
        self.0.starts_with("p:")
    }
}
impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
