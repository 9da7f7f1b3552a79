//! Floor 2: the domain. ractor lives here and nowhere else. Engine below, wings above.
//!
//! # Layout
//! - [`hub`]: the front door: open, ask, subscribe, query, close
//! - [`plan`]: what a hub keeps, shows and checks, listed before it opens
//! - [`testing`]: given / when / then
//! - [`engine`]: the machinery; names no feature, imports no wing
//! - [`wings`]: the register of wings
//! - [`accounts`]: wing: who is here and what they may do
//! - [`streams`]: wing: livestreams, and the people and places around them
//! - [`moderation`]: wing: what may come in
//! - [`pubsub`]: wing: publishing and subscribing by name
//! - [`system`]: wing: the hub seen from outside
#![deny(missing_docs)]

pub mod accounts;
pub mod engine;
pub mod hub;
pub mod moderation;
pub mod plan;
pub mod pubsub;
pub mod streams;
pub mod system;
pub mod testing;
pub mod wings;

pub use engine::{
    AskError,
    attendance::{Attendance, NotJoined, PRESENCE_TTL},
    backlog::{History, Since},
    channel::{Action, Admission, Channel, Leaving, Performed, Subscribing},
    clock::Clock,
    entity::{Asking, Decision, Entity, NoNotice, Outcome, Written},
    fanout::{Broadcast, Broadcasts, Offset, Outlet},
    latency::Counted,
    lease::{Claim, Holder, Lease, Leases},
    projection::{Projection, Unsealed},
    relay::RelayHealth,
    retelling::Retelling,
    retention::{Kept, Pattern, Retention, Retentions},
    supervisor::{
        history::Restarted,
        report::{ActorReport, ActorState, Supervision, SupervisorReport},
    },
    trace::traced,
};
pub use hub::{Health, Hub, HubConfig, OpenError};
pub use plan::Plan;
