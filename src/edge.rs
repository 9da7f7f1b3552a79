//! The street side of the hub: one port, its conventions, its resources. It holds no rule of any wing.

pub mod answer;
pub mod auth;
pub mod body;
pub mod query;
pub mod rest;

pub use answer::Problem;
pub use auth::Caller;
pub use body::{Body, BodyLimit, Document};
pub use query::{Id, Query};
pub use rest::Api;

use std::time::Duration;

use trunkline_protocol::limits;

/// What a deployment may change about the edge; the defaults suit a machine of one's own.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// The largest request body; a route may set its own [`BodyLimit`].
    pub body_bytes_max: usize,
    /// The largest body of a bulk import.
    pub import_bytes_max: usize,
    /// How long a request's body may take to arrive before it is answered 408.
    pub body_timeout: Duration,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: limits::BODY_BYTES_MAX,
            import_bytes_max: limits::IMPORT_BYTES_MAX,
            body_timeout: Duration::from_secs(20),
        }
    }
}
