//! Wing: the hub seen from outside, for whoever operates it (`platform.md` section 6).
//!
//! Who talks to it: `SystemChannel`'s subscribers and `/api/v1/system/*`, and the edge, which adds figures of its own. It decides nothing
//! and keeps nothing: the history of restarts is the engine's, in the journal.
//!
//! # Layout
//! - [`channel`]: the hub as it is, told once a second while somebody watches; and taps, which tell a topic's frames as they pass
//! - [`samples`]: what grew how fast in the last seconds

pub mod channel;
pub mod samples;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use trunkline_protocol::{Position, Timestamp};

use crate::{Hub, Plan, RelayHealth, Supervision};
use channel::SystemChannel;
use samples::{AppendLatency, Sample, Samples};

/// How often counters are looked at, and watchers told.
const TELL_EVERY: Duration = Duration::from_secs(1);

type Figure = Box<dyn Fn() -> Value + Send + Sync>;
type Counter = Box<dyn Fn() -> u64 + Send + Sync>;

/// What is seen of a hub besides its tree: figures by name, each asked when somebody looks. Found by [`Hub::provided`].
#[derive(Default)]
pub struct System {
    figures: RwLock<BTreeMap<&'static str, Figure>>,
    counters: RwLock<BTreeMap<&'static str, Counter>>,
    samples: Mutex<Samples>,
}

/// A hub as it is at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// Who supervises whom, how they are, and what happened to them.
    pub tree: Supervision,
    /// What the journal says of itself, and how far the relay is.
    pub journal: JournalSeen,
    /// How long appends took in the last ten seconds.
    pub append_latency: AppendLatency,
    /// How fast counters grow, per second: `commits`, and what the edge counts (`deliveries`, `commands` …).
    pub rates: BTreeMap<&'static str, f64>,
    /// The figures by name: what the edge adds (`connections` …).
    pub figures: BTreeMap<&'static str, Value>,
}

/// The journal as it is at one moment.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct JournalSeen {
    /// Its identity.
    pub epoch: Arc<str>,
    /// The newest durable commit.
    pub head: Position,
    /// The newest commit that every projection holds and everybody was told.
    pub seen: Position,
    /// Why nobody is told any more: a record that cannot be read. `None`: all is well.
    pub stopped: Option<String>,
    /// Commits acknowledged since it was opened.
    pub appended: u64,
    /// Barriers (fdatasync) since it was opened.
    pub barriers: u64,
    /// Appends that wait.
    pub queued: usize,
    /// How long the last batch took, in microseconds.
    pub last_batch_us: u64,
    /// Bytes on disk; 0 without a disk.
    pub disk_bytes: u64,
}

impl JournalSeen {
    /// Of this hub, now.
    #[must_use]
    pub fn of(hub: &Hub) -> Self {
        let health = hub.health();
        let stats = health.journal;
        let (seen, head, stopped) = match health.relay {
            RelayHealth::Following { position, head } => (position, head.max(position), None),
            RelayHealth::Stopped { position, reason } => (position, position, Some(reason)),
        };
        Self {
            epoch: hub.epoch(),
            head,
            seen,
            stopped,
            appended: stats.appended,
            barriers: stats.barriers,
            queued: stats.queued,
            last_batch_us: stats.last_batch_us,
            disk_bytes: stats.disk_bytes,
        }
    }
}

impl System {
    /// Shows a figure under this name from now on. It is asked about once a second, and must answer at once.
    pub fn show(&self, name: &'static str, figure: impl Fn() -> Value + Send + Sync + 'static) {
        self.figures.write().insert(name, Box::new(figure));
    }
    /// Shows how fast a number grows, under this name, from now on. It is asked once a second, and must answer at once.
    pub fn count(&self, name: &'static str, counter: impl Fn() -> u64 + Send + Sync + 'static) {
        self.counters.write().insert(name, Box::new(counter));
    }
    /// The hub as it is now.
    #[must_use]
    pub fn look(&self, hub: &Hub) -> Seen {
        let figures = self.figures.read().iter().map(|(name, figure)| (*name, figure())).collect();
        Seen {
            at: hub.clock().now(),
            tree: hub.supervision(),
            journal: JournalSeen::of(hub),
            append_latency: self.append_latency(),
            rates: self.rates(),
            figures,
        }
    }
    /// How fast counters grew over the last second.
    #[must_use]
    pub fn rates(&self) -> BTreeMap<&'static str, f64> {
        self.samples.lock().rates()
    }
    /// How long appends took lately.
    #[must_use]
    pub fn append_latency(&self) -> AppendLatency {
        self.samples.lock().append_latency()
    }
    fn sample(&self, hub: &Hub) {
        let mut counters: BTreeMap<_, _> = self.counters.read().iter().map(|(name, counter)| (*name, counter())).collect();
        counters.insert("commits", hub.health().journal.appended);
        self.samples.lock().push(Sample { at: Instant::now(), counters, appends: hub.append_latency() });
    }
}
impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("figures", &self.figures.read().keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// The lines of this wing.
pub fn plan(plan: &mut Plan) {
    let (system, channel) = (Arc::<System>::default(), Arc::<SystemChannel>::default());
    plan.provide(system.clone());
    plan.channel(channel.clone());
    plan.every("system", TELL_EVERY, move |hub| {
        let (system, channel) = (system.clone(), channel.clone());
        Box::pin(async move {
            system.sample(hub);
            channel.tell(&system, hub).await;
        })
    });
}
