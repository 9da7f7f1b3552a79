//! Wing: the hub seen from outside, for whoever operates it (`platform.md` section 6).
//!
//! Who talks to it: `SystemChannel`'s subscribers, and the edge, which adds figures of its own. It decides nothing and keeps nothing:
//! the history of restarts is the engine's, in the journal.
//!
//! # Layout
//! - [`channel`]: the supervision tree and the figures, told once a second while somebody watches

pub mod channel;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use parking_lot::RwLock;
use serde::Serialize;
use serde_json::Value;
use trunkline_protocol::Timestamp;

use crate::{Hub, Plan, Supervision};
use channel::SystemChannel;

/// How often watchers are told.
const TELL_EVERY: Duration = Duration::from_secs(1);

type Figure = Box<dyn Fn() -> Value + Send + Sync>;

/// What is seen of a hub besides its tree: figures by name, each asked when somebody looks. Found by [`Hub::provided`].
#[derive(Default)]
pub struct System {
    figures: RwLock<BTreeMap<&'static str, Figure>>,
}

/// A hub as it is at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// Who supervises whom, how they are, and what happened to them.
    pub tree: Supervision,
    /// The figures by name: `presence`, and what the edge adds (`connections`, `deliveries` …).
    pub figures: BTreeMap<&'static str, Value>,
}

impl System {
    /// Shows a figure under this name from now on. It is asked about once a second, and must answer at once.
    pub fn show(&self, name: &'static str, figure: impl Fn() -> Value + Send + Sync + 'static) {
        self.figures.write().insert(name, Box::new(figure));
    }
    /// The hub as it is now.
    #[must_use]
    pub fn look(&self, hub: &Hub) -> Seen {
        let figures = self.figures.read().iter().map(|(name, figure)| (*name, figure())).collect();
        Seen { at: hub.clock().now(), tree: hub.supervision(), figures }
    }
}
impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("figures", &self.figures.read().keys().collect::<Vec<_>>()).finish()
    }
}

/// The lines of this wing.
pub fn plan(plan: &mut Plan) {
    let (system, channel) = (Arc::<System>::default(), Arc::<SystemChannel>::default());
    plan.provide(system.clone());
    plan.channel(channel.clone());
    plan.every("system", TELL_EVERY, move |hub| {
        let (system, channel) = (system.clone(), channel.clone());
        Box::pin(async move { channel.tell(&system, hub).await })
    });
}
