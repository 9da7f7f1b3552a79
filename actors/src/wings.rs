//! The register of wings: a new wing is one line here, and what one wing must know of another is handed over here.

use std::sync::Arc;

use crate::{
    Plan, accounts,
    moderation::{
        self, Pipeline,
        stages::{Duplicate, IgnoreList, Trusted},
    },
    pubsub::{self, PubsubConfig},
    streams::{self, StreamsConfig},
    system,
};

/// What the wings are told by whoever opens a hub of all of them.
#[derive(Clone, Debug)]
pub struct WingsConfig {
    /// Hashes and checks passwords, at the configured cost.
    pub passwords: Arc<accounts::Passwords>,
    /// What the deployment said of livestreams.
    pub streams: StreamsConfig,
    /// What it said of publishing and subscribing by name.
    pub pubsub: PubsubConfig,
}

/// The plan of a whole hub.
#[must_use]
pub fn plan(config: &WingsConfig) -> Plan {
    let mut plan = Plan::new();
    let people = accounts::plan(&mut plan, config.passwords.clone());
    let known = streams::plan(&mut plan, config.streams, people);
    // Flood, rules and classifier take their places after these (`platform.md` section 3).
    let pipeline = Pipeline::new().stage(Trusted).stage(IgnoreList(known.ignore_lists)).stage(Duplicate(known.board));
    moderation::plan(&mut plan, pipeline);
    pubsub::plan(&mut plan, config.pubsub.clone());
    system::plan(&mut plan);
    plan
}
