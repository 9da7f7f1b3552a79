//! Publishing and subscribing by name: secrets, keys, and how streams are kept. `[pubsub]` and `[[pubsub.topic]]`.

use std::{fmt, time::Duration};

use trunkline_actors::{
    Kept, Pattern, Retention,
    pubsub::{
        PubsubConfig, Rule,
        signing::{Verifier, derived_key},
    },
};

use super::{Section, Settings};

/// Messages of one stream that can be asked for, at most: what is behind memory is read from the journal.
const LIMIT_MAX: u64 = 100_000;
/// The longest that a message is kept for those who return: a month.
const TTL_S_MAX: u64 = 31 * 24 * 3600;
/// A key that is no key: the address is closed.
const NO_KEY: &str = "none";

const WORDS: [(&str, Kept); 3] = [("none", Kept::Nowhere), ("memory", Kept::Memory), ("journal", Kept::Journal)];

/// What a deployment said of it.
#[derive(Clone, Debug, Default)]
pub struct PubsubSettings {
    /// Who may hear which streams, and how they are kept.
    pub wing: PubsubConfig,
    /// Who may publish.
    pub keys: PublishKeys,
}

/// The keys of those who publish over HTTP. `None`: nobody may.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PublishKeys {
    /// For `POST /_broadcast`.
    pub broadcast: Option<String>,
    /// For `POST /api/publish`.
    pub api: Option<String>,
}

// Keys are not for logs.
impl fmt::Debug for PublishKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { broadcast, api } = self;
        f.debug_struct("PublishKeys").field("broadcast", &broadcast.is_some()).field("api", &api.is_some()).finish()
    }
}

impl PublishKeys {
    /// Those that follow from one secret.
    #[must_use]
    pub fn derived_from(secret: &str) -> Self {
        Self { broadcast: Some(derived_key(secret, "broadcast-cable")), api: Some(derived_key(secret, "api-cable")) }
    }
}

impl PubsubSettings {
    /// Everything that follows from one secret.
    #[must_use]
    pub fn with_secret(secret: &str) -> Self {
        let verifier = || Some(Verifier::new(secret));
        let wing = PubsubConfig { streams: verifier(), turbo: verifier(), cable_ready: verifier(), ..PubsubConfig::default() };
        Self { wing, keys: PublishKeys::derived_from(secret) }
    }
    pub(super) fn read(settings: &mut Settings) -> Self {
        let otherwise = PubsubConfig::RETENTION;
        let mut rules = Vec::new();
        let rows = settings.rows("pubsub", "topic", |topic| read_rule(topic, otherwise));
        rules.extend(rows);
        let mut read = settings.section("pubsub", read_section);
        read.wing.rules = rules;
        read
    }
}

fn read_section(pubsub: &mut Section<'_>) -> PubsubSettings {
    let secret = secret(pubsub, "secret", "secret_env");
    let streams = self::secret(pubsub, "streams_secret", "streams_secret_env").or_else(|| secret.clone());
    let turbo = self::secret(pubsub, "turbo_secret", "turbo_secret_env").or_else(|| streams.clone());
    let cable_ready = self::secret(pubsub, "cable_ready_secret", "cable_ready_secret_env").or_else(|| streams.clone());
    let derived = secret.as_deref().map(PublishKeys::derived_from).unwrap_or_default();
    let verifier = |secret: Option<String>| secret.as_deref().map(Verifier::new);
    PubsubSettings {
        wing: PubsubConfig {
            public: pubsub.flag("public", false),
            streams: verifier(streams),
            turbo: verifier(turbo),
            cable_ready: verifier(cable_ready),
            signed_whispers: pubsub.flag("signed_whispers", false),
            rules: Vec::new(),
            otherwise: read_retention(pubsub, PubsubConfig::RETENTION),
        },
        keys: PublishKeys {
            broadcast: key(pubsub, "broadcast_key", "broadcast_key_env", derived.broadcast),
            api: key(pubsub, "api_key", "api_key_env", derived.api),
        },
    }
}

fn secret(pubsub: &mut Section<'_>, name: &'static str, name_env: &'static str) -> Option<String> {
    let secret = pubsub.secret(name, name_env);
    if secret.as_ref().is_some_and(String::is_empty) {
        pubsub.mistake(name, "must not be empty");
    }
    secret
}

fn key(pubsub: &mut Section<'_>, name: &'static str, name_env: &'static str, derived: Option<String>) -> Option<String> {
    match secret(pubsub, name, name_env) {
        None => derived,
        Some(key) => Some(key).filter(|key| key != NO_KEY),
    }
}

fn read_retention(section: &mut Section<'_>, default: Retention) -> Retention {
    Retention {
        kept: section.choice("history", default.kept, &WORDS),
        broadcasts_max: section.size("limit", default.broadcasts_max, 1..=LIMIT_MAX),
        ttl: Duration::from_secs(section.number("ttl_s", default.ttl.as_secs(), 1..=TTL_S_MAX)),
    }
}

fn read_rule(topic: &mut Section<'_>, default: Retention) -> Rule {
    let pattern = topic.required("pattern");
    Rule {
        pattern: Pattern::new(&pattern),
        retention: read_retention(topic, default),
        latest_wins: topic.flag("latest_wins", false),
    }
}
