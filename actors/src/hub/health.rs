//! How a hub is, for `/health` and `/metrics`.

use trunkline_persistence::JournalStats;

use crate::RelayHealth;

/// How a hub is.
#[derive(Clone, Debug)]
pub struct Health {
    /// Why the hub has failed for good; the process should end and be started again.
    pub failed: Option<String>,
    /// How the relay is.
    pub relay: RelayHealth,
    /// How many entities are awake.
    pub awake: usize,
    /// Restarts since the hub opened.
    pub restarts: u64,
    /// What the journal says of itself.
    pub journal: JournalStats,
}

impl Health {
    /// Whether everything works.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.failed.is_none() && matches!(self.relay, RelayHealth::Following { .. })
    }
}
