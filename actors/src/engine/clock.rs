//! What time it is. Handed in, so that tests pause it: a paused tokio clock pauses this one too.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use trunkline_protocol::Timestamp;

/// The hub's clock.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's own.
    System,
    /// Starts at a moment and moves with tokio's clock.
    Tokio {
        /// What it showed at `since`.
        base: Timestamp,
        /// When it was started.
        since: Instant,
    },
}

impl Clock {
    /// A clock for tests: shows `base` now and moves with tokio's (paused) time.
    #[must_use]
    pub fn starting_at(base: Timestamp) -> Self {
        Self::Tokio { base, since: Instant::now() }
    }
    /// The moment it shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
                Timestamp::from_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Tokio { base, since } => base.plus(since.elapsed()),
        }
    }
}
