//! Health, and the hub seen from outside (`streams.md` 7.3, `platform.md` section 6).

use std::collections::HashMap;

use utoipa::{IntoParams, ToSchema};

use super::words::{ActorState, Moment};
use crate::edge::tokens::KeySetSeen;

/// Whether the hub is well.
#[derive(ToSchema)]
pub struct Health {
    /// `ok` or `degraded`.
    status: String,
    timestamp: Moment,
    version: String,
    dependencies: Dependencies,
}

/// `ok` or `error` each; the names are those that existing monitors look for.
#[derive(ToSchema)]
pub struct Dependencies {
    database: String,
    redis: String,
    external_api: String,
}

/// The process answers.
#[derive(ToSchema)]
pub struct Alive {
    status: String,
}

/// Whether it should be sent work.
#[derive(ToSchema)]
pub struct Ready {
    /// `ready` or `not ready`.
    status: String,
    #[schema(required = false)]
    database: String,
    /// Why not.
    #[schema(required = false)]
    error: String,
}

/// Whether the hub is well, and what it counts.
#[derive(ToSchema)]
pub struct DetailedHealth {
    #[serde(flatten)]
    health: Health,
    journal: Journal,
    house: House,
    cables: Cables,
    /// Where the keys of other houses come from.
    key_sets: Vec<KeySetSeen>,
}

/// Its actors.
#[derive(ToSchema)]
pub struct House {
    awake: u64,
    restarts: u64,
    /// Why the hub gave up.
    failed: Option<String>,
}

/// Its sockets.
#[derive(ToSchema)]
pub struct Cables {
    connections: u64,
    accepted: u64,
    refused: u64,
    deliveries: u64,
    slow: u64,
}

/// The journal.
#[derive(ToSchema)]
pub struct Journal {
    /// Its identity.
    epoch: String,
    /// The newest durable commit.
    head: u64,
    /// The newest that every projection holds.
    seen: u64,
    /// Why nobody is told any more.
    stopped: Option<String>,
    appended: u64,
    barriers: u64,
    queued: u64,
    last_batch_us: u64,
    disk_bytes: u64,
}

/// The journal now.
#[derive(ToSchema)]
pub struct JournalNow {
    at: Moment,
    #[serde(flatten)]
    journal: Journal,
    append_latency: Latency,
}

/// What entities waited for their appends in the last seconds; null where there was none.
#[derive(ToSchema)]
pub struct Latency {
    count: u64,
    p50_us: Option<u64>,
    p99_us: Option<u64>,
    max_us: Option<u64>,
    over_ms: u64,
}

/// The supervision tree.
#[derive(ToSchema)]
pub struct Tree {
    at: Moment,
    /// Why the hub gave up.
    failed: Option<String>,
    /// Since it opened.
    restarts: u64,
    supervisors: Vec<Supervisor>,
    /// Oldest first; kept over restarts of the hub.
    history: Vec<Restart>,
}

/// One supervisor.
#[derive(ToSchema)]
pub struct Supervisor {
    kind: String,
    awake: u64,
    /// All who rest or crashed, and the busiest.
    children: Vec<Child>,
}

/// One actor.
#[derive(ToSchema)]
pub struct Child {
    id: String,
    state: ActorState,
    /// How long it still rests.
    #[schema(required = false)]
    for_ms: u64,
    /// Commands that wait.
    mailbox: u64,
    restarts: Vec<Restart>,
}

/// One restart.
#[derive(ToSchema)]
pub struct Restart {
    kind: String,
    id: String,
    cause: String,
    at: Moment,
}

/// The sockets.
#[derive(ToSchema)]
pub struct Connections {
    at: Moment,
    connections_max: u64,
    total: Total,
    cores: Vec<Core>,
    /// Per second, over the last second.
    rates: HashMap<String, f64>,
}

/// What all cores count.
#[derive(ToSchema)]
pub struct Total {
    #[serde(flatten)]
    counts: Counts,
    refused: u64,
}

/// What one core counts.
#[derive(ToSchema)]
pub struct Core {
    core: u64,
    #[serde(flatten)]
    counts: Counts,
}

/// What is counted; all but `connections` since the start.
#[derive(ToSchema)]
pub struct Counts {
    connections: u64,
    accepted: u64,
    resumed: u64,
    commands: u64,
    ignored: u64,
    received_bytes: u64,
    deliveries: u64,
    delivered_bytes: u64,
    conflated: u64,
    slow: u64,
}

/// Who hears what, most heard first.
#[derive(ToSchema)]
pub struct Topics {
    at: Moment,
    data: Vec<Heard>,
    total: u64,
    has_more: bool,
    /// Cores that did not answer in time.
    silent_cores: Vec<u64>,
}

/// One topic.
#[derive(ToSchema)]
pub struct Heard {
    topic: String,
    subscriptions: u64,
    /// By core.
    cores: Vec<u64>,
}

/// Which topics.
#[derive(IntoParams)]
pub struct TopicFilter {
    /// Within the address.
    search: Option<String>,
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u64>,
}

/// What is to panic: one of the three.
#[derive(ToSchema)]
pub struct Fault {
    /// A stream's id.
    stream: Option<u64>,
    /// `kind/key`.
    entity: Option<String>,
    /// The whole hub.
    hub: Option<bool>,
    cause: Option<String>,
}

/// What panicked.
#[derive(ToSchema)]
pub struct Faulted {
    entity: Option<String>,
    hub: bool,
    cause: String,
    at: Moment,
}
