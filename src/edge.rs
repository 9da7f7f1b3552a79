//! The street side of the hub: one port, its conventions, its resources. It holds no rule of any wing.

pub mod server;
pub mod tls;
pub mod identify;
pub mod upgrade;
pub mod origin;
mod finishing;
mod gateway;
mod connection;
mod socket;
mod tickets;
pub mod stats;
pub mod census;
pub mod threshold;
pub mod trace;
pub mod version;
pub mod cors;
pub mod auth;
pub mod tokens;
pub mod jid;
pub mod throttle;
pub mod limits;
pub mod idempotency;
pub mod query;
pub mod etag;
pub mod body;
pub mod answer;
pub mod rest;
pub mod publish;
pub mod events;
pub mod openapi;
pub mod dashboard;
pub mod page;

pub use answer::Problem;
pub use auth::Caller;
pub use body::{Body, Document, LargeBody};
pub use identify::{Everybody, Handshake, Identify, Unidentified};
pub use jid::{JidConfig, JidDoor};
pub use origin::Origins;
pub use query::{Id, Query};
pub use rest::Api;
pub use server::{Gate, Running, SESSION_TTL, ServeConfig, serve};
pub use stats::{EdgeCounts, EdgeStats};
pub use tls::TlsFiles;

use std::{net::IpAddr, time::Duration};

use trunkline_protocol::limits::{BODY_BYTES_MAX, IMPORT_BYTES_MAX};

/// What a deployment may say about the edge; the defaults suit a machine of one's own.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// Threads that serve; 0: as many as the machine has cores.
    pub workers: usize,
    /// Speaks TLS with this certificate; `None`: plain.
    pub tls: Option<TlsFiles>,
    /// Sockets held at once, over all cores; one more is refused politely. Also held below what the process may open.
    pub connections_max: usize,
    /// Who may call `/api` from a browser: `*`, or origins.
    pub cors_origins: Vec<String>,
    /// Whose pages may open `/cable`: `*`, or origins. The hub's own page always may.
    pub cable_origins: Vec<String>,
    /// Cables are compressed for clients that offer to (permessage-deflate).
    pub deflate: bool,
    /// `/cable` without a token may read `StreamsChannel` (`streams.md` C20).
    pub public_streams: bool,
    /// The hub stands behind a proxy that sets `X-Forwarded-For`, `-Host` and `-Proto`.
    pub trust_forwarded: bool,
    /// Everything but health is answered 503.
    pub maintenance: bool,
    /// The demo accounts are shown on the first page.
    pub demo: bool,
    /// `POST /api/v1/system/faults` is there: an administrator may make an entity panic, to see what follows.
    pub demo_faults: bool,
    /// The largest request body, but for a [`LargeBody`].
    pub body_bytes_max: usize,
    /// The largest body of a bulk import.
    pub import_bytes_max: usize,
    /// How long a request's head may take to arrive.
    pub head_timeout: Duration,
    /// How long a request's body may take to arrive before it is answered 408.
    pub body_timeout: Duration,
    /// How long an idle connection is kept for the next request.
    pub keep_alive: Duration,
    /// How long a graceful stop waits for what is in flight.
    pub stop_timeout: Duration,
    /// Requests per minute.
    pub rates: RateLimits,
}

/// Requests per minute, by who asks (`streams.md` section 3).
#[derive(Clone, Debug)]
pub struct RateLimits {
    /// Of one address, not signed in.
    pub anonymous: u32,
    /// Of one person.
    pub user: u32,
    /// Of one service account or API key.
    pub service: u32,
    /// Addresses that are not counted.
    pub exempt: Vec<IpAddr>,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            workers: 0,
            tls: None,
            connections_max: 100_000,
            cors_origins: vec!["*".to_owned()],
            cable_origins: vec!["*".to_owned()],
            deflate: false,
            public_streams: false,
            trust_forwarded: false,
            maintenance: false,
            demo: false,
            demo_faults: false,
            body_bytes_max: BODY_BYTES_MAX,
            import_bytes_max: IMPORT_BYTES_MAX,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(20),
            keep_alive: Duration::from_secs(75),
            stop_timeout: Duration::from_secs(15),
            rates: RateLimits { anonymous: 60, user: 600, service: 6000, exempt: Vec::new() },
        }
    }
}
