//! What a deployment says: [`Settings`] as written become a [`Config`] as checked. The only reader of the environment.
//!
//! It composes: each part's own configuration is declared beside the code it configures, and only filled in here.
//! `trunkline.example.toml` documents every key and is parsed by a test.

pub mod bootstrap;
pub mod cable;
pub mod pubsub;
pub mod settings;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use trunkline_actors::accounts::{BootstrapUser, PasswordConfig};
use trunkline_protocol::{Role, limits};

pub use bootstrap::Bootstrap;
pub use cable::CableConfig;
pub use pubsub::{PublishKeys, PubsubSettings};
pub use settings::{Mistakes, Section, Settings};

use crate::{
    edge::{
        EdgeConfig, RateLimits, TlsFiles,
        tls::Certificate,
        tokens::{Signing, Tokens, TrustedKey, TrustedKeySet},
    },
    telemetry::{LogFormat, TelemetryConfig},
};

/// Everything, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the edge listens.
    pub listen: SocketAddr,
    /// Where the journal is kept: `memory:`, `sled:FOLDER`.
    pub journal: String,
    /// What the edge was told.
    pub edge: EdgeConfig,
    /// What the cable was told beyond that.
    pub cable: CableConfig,
    /// How principals prove who they are.
    pub auth: AuthConfig,
    /// Accounts and keys created at start where they are missing.
    pub bootstrap: Bootstrap,
    /// What the streams wing was told.
    pub streams: StreamsConfig,
    /// What it said of publishing and subscribing by name.
    pub pubsub: PubsubSettings,
    /// What is logged and counted.
    pub telemetry: TelemetryConfig,
}

/// Secrets and lifetimes of access tokens.
#[derive(Clone)]
pub struct AuthConfig {
    /// The HMAC secret; `None`: one is made and kept in the journal, so that tokens outlive a restart.
    pub secret: Option<String>,
    /// An Ed25519 private key (PKCS #8, PEM) to sign with instead; its public half is at `/.well-known/jwks.json`.
    pub key_pair: Option<String>,
    /// Whose tokens are accepted beside our own.
    pub trusted_keys: Vec<TrustedKey>,
    /// Where others publish their keys.
    pub trusted_key_sets: Vec<TrustedKeySet>,
    /// How long a person's token lives.
    pub token_lifetime: Duration,
    /// How long a service account's token lives.
    pub service_token_lifetime: Duration,
    /// May anybody sign up?
    pub signup: bool,
    /// Logins per minute of one address, and of one account.
    pub login_per_minute: u32,
    /// Sign-ups per hour of one address.
    pub signup_per_hour: u32,
    /// What hashing a password costs.
    pub passwords: PasswordConfig,
}

impl std::fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthConfig").field("signup", &self.signup).finish_non_exhaustive()
    }
}

/// Who has a feature (`streams.md` 4.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feature {
    /// Nobody.
    Off,
    /// Administrators.
    Admins,
    /// Whoever may write streams.
    Editors,
    /// Everybody who is signed in.
    Everyone,
}

impl Feature {
    const WORDS: [(&'static str, Self); 4] =
        [("off", Self::Off), ("admins", Self::Admins), ("editors", Self::Editors), ("everyone", Self::Everyone)];
}

/// What a deployment may say of livestreams.
#[derive(Clone, Debug)]
pub struct StreamsConfig {
    /// After how long without life a stream is archived; `None`: never of itself.
    pub auto_archive: Option<Duration>,
    /// The wall feed may be read without signing in.
    pub public_feed: bool,
    /// A city that nobody has named as known is refused.
    pub location_validation: bool,
    /// `GET /streams/:id/analytics`.
    pub analytics: Feature,
    /// `POST /streams/bulk_import`.
    pub bulk_import: Feature,
    /// `GET /streams/export`.
    pub export: Feature,
}

impl Config {
    /// The address a hub listens on unless told otherwise.
    pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7070);

    /// Reads the file (if one is named), then this process's environment over it.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn load(file: Option<&Path>) -> Result<Self, Mistakes> {
        let text = match file {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| Mistakes(vec![format!("{} cannot be read: {error}", path.display())]))?,
        };
        // A variable that is not UTF-8 cannot be one of ours.
        let environment = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Self::read(&text, environment)
    }
    /// What an unconfigured hub is.
    #[must_use]
    pub fn standard() -> Self {
        Self::read("", []).expect("the defaults are without mistake: a test says so")
    }
    /// A hub for examples and tests: everything in memory, any free port, no rate limits worth mentioning.
    #[must_use]
    pub fn in_memory() -> Self {
        let mut config = Self::standard();
        config.listen = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        config.journal = "memory:".to_owned();
        config.edge.rates = RateLimits { anonymous: 1_000_000, user: 1_000_000, service: 1_000_000, ..config.edge.rates };
        config.auth.login_per_minute = 100_000;
        // Hashing is not what examples and tests are about.
        config.auth.passwords = PasswordConfig { memory_kib: 64, passes: 1, ..config.auth.passwords };
        config
    }
    /// The password of accounts that [`with_account`](Self::with_account) adds.
    pub const EXAMPLE_PASSWORD: &str = "Example-password-1";

    /// The same with one more account, for examples and tests. An unknown role is `default`.
    #[must_use]
    pub fn with_account(mut self, email: &str, role: &str, service: bool) -> Self {
        let (email, password) = (email.to_owned(), Self::EXAMPLE_PASSWORD.to_owned());
        self.bootstrap.users.push(BootstrapUser { email, password, role: role.parse().unwrap_or(Role::Default), service });
        self
    }
    /// Reads a configuration from its text and an environment.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn read(text: &str, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, Mistakes> {
        let mut settings = Settings::read(text, environment);
        let bootstrap = Bootstrap::read(&mut settings);
        let journal = settings.section("journal", |journal| {
            let url = journal.text("url", "sled:./data");
            if !["memory:", "sled:", "etcd://"].iter().any(|scheme| url.starts_with(scheme)) {
                journal.mistake("url", &format!("is `{url}`, must be `memory:` or `sled:FOLDER`"));
            }
            url
        });
        let (listen, edge) = settings.section("server", read_server);
        let edge = EdgeConfig { rates: settings.section("limits", read_rates), ..edge };
        let cable = settings.section("cable", CableConfig::read);
        let trusted_keys = settings.rows("auth", "trusted_key", read_trusted_key);
        let trusted_key_sets = settings.rows("auth", "trusted_key_set", read_trusted_key_set).into_iter().flatten().collect();
        let auth = AuthConfig { trusted_keys, trusted_key_sets, ..settings.section("auth", read_auth) };
        // Keys that cannot be read are found now, not at the first login.
        let signing = auth.key_pair.clone().map_or(Signing::Secret(vec![0; 32]), Signing::KeyPair);
        if let Err(error) = Tokens::new(&signing, &auth.trusted_keys) {
            settings.mistake(format!("auth: {error}"));
        }
        let streams = settings.section("streams", read_streams);
        let pubsub = PubsubSettings::read(&mut settings);
        let telemetry = settings.section("telemetry", |telemetry| TelemetryConfig {
            log: telemetry.text("log", TelemetryConfig::LOG),
            format: telemetry.choice("format", LogFormat::Text, &[("text", LogFormat::Text), ("json", LogFormat::Json)]),
        });
        if let Err(reason) = telemetry.check() {
            settings.mistake(format!("telemetry.log {reason}"));
        }
        settings.finish(Self { listen, journal, edge, cable, auth, bootstrap, streams, pubsub, telemetry })
    }
    /// The folder that the journal keeps its files in; `None` where it keeps none.
    #[must_use]
    pub fn data_folder(&self) -> Option<PathBuf> {
        self.journal.strip_prefix("sled:").map(PathBuf::from)
    }
}

fn read_server(server: &mut Section<'_>) -> (SocketAddr, EdgeConfig) {
    let listen = server.address("listen", Config::LISTEN);
    let default = EdgeConfig::default();
    let edge = EdgeConfig {
        workers: server.size("workers", 0, 0..=1024),
        tls: read_tls(server),
        connections_max: server.size("connections_max", default.connections_max, 1..=10_000_000),
        cors_origins: server.list("cors_origins", &["*"]),
        cable_origins: server.list("cable_origins", &["*"]),
        deflate: server.flag("deflate", false),
        public_streams: server.flag("public_streams", false),
        trust_forwarded: server.flag("trust_forwarded", false),
        maintenance: server.flag("maintenance", false),
        demo: server.flag("demo", false),
        demo_faults: server.flag("demo_faults", false),
        body_bytes_max: server.size("body_bytes_max", limits::BODY_BYTES_MAX, 1024..=1 << 30),
        import_bytes_max: server.size("import_bytes_max", limits::IMPORT_BYTES_MAX, 1024..=1 << 30),
        head_timeout: server.seconds("head_timeout_s", default.head_timeout.as_secs(), 1..=3600),
        body_timeout: server.seconds("body_timeout_s", default.body_timeout.as_secs(), 1..=3600),
        keep_alive: server.seconds("keep_alive_s", default.keep_alive.as_secs(), 1..=3600),
        stop_timeout: server.seconds("stop_timeout_s", default.stop_timeout.as_secs(), 0..=3600),
        rates: default.rates,
    };
    for origin in edge.cors_origins.iter().chain(&edge.cable_origins) {
        if origin != "*" && !origin.contains("://") {
            server.mistake(
                "cors_origins/cable_origins",
                &format!("holds `{origin}`, must be `*` or an origin such as https://example.org"),
            );
        }
    }
    (listen, edge)
}

/// Both files or neither; what they hold is read now, so that a mistake in them is found before the hub opens.
fn read_tls(server: &mut Section<'_>) -> Option<TlsFiles> {
    let files = match (server.optional("tls_certificate"), server.optional("tls_key")) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => TlsFiles { certificate: certificate.into(), key: key.into() },
        (certificate, _) => {
            let (given, missing) =
                if certificate.is_some() { ("tls_certificate", "tls_key") } else { ("tls_key", "tls_certificate") };
            server.mistake(missing, &format!("is missing; it belongs to `{given}`"));
            return None;
        }
    };
    if let Err(error) = Certificate::open(files.clone()) {
        server.mistake("tls_certificate/tls_key", &error.to_string());
    }
    Some(files)
}

fn read_rates(rates: &mut Section<'_>) -> RateLimits {
    let mut per_minute = |key, default| u32::try_from(rates.number(key, default, 1..=1_000_000_000)).unwrap_or(u32::MAX);
    let (anonymous, user, service) =
        (per_minute("anonymous_per_minute", 60), per_minute("user_per_minute", 600), per_minute("service_per_minute", 6000));
    let mut exempt = Vec::new();
    for text in rates.list("exempt_addresses", &[]) {
        match text.parse() {
            Ok(address) => exempt.push(address),
            Err(_) => rates.mistake("exempt_addresses", &format!("holds `{text}`, which is no IP address")),
        }
    }
    RateLimits { anonymous, user, service, exempt }
}

fn read_auth(auth: &mut Section<'_>) -> AuthConfig {
    let secret = auth.secret("secret", "secret_env");
    if secret.as_ref().is_some_and(|secret| secret.len() < 32) {
        auth.mistake("secret", "must be at least 32 bytes long");
    }
    let key_pair = auth.secret("key_pair", "key_pair_env");
    AuthConfig {
        secret,
        key_pair,
        trusted_keys: Vec::new(),
        trusted_key_sets: Vec::new(),
        token_lifetime: auth.seconds("token_lifetime_s", 24 * 3600, 60..=366 * 24 * 3600),
        service_token_lifetime: auth.seconds("service_token_lifetime_s", 30 * 24 * 3600, 60..=366 * 24 * 3600),
        signup: auth.flag("signup", true),
        login_per_minute: u32::try_from(auth.number("login_per_minute", 10, 1..=1_000_000)).unwrap_or(10),
        signup_per_hour: u32::try_from(auth.number("signup_per_hour", 300, 1..=1_000_000)).unwrap_or(300),
        passwords: PasswordConfig {
            memory_kib: u32::try_from(auth.number("password_memory_kib", 19 * 1024, 8..=1 << 22)).unwrap_or(19 * 1024),
            passes: u32::try_from(auth.number("password_passes", 2, 1..=1000)).unwrap_or(2),
            ..PasswordConfig::default()
        },
    }
}

fn read_trusted_key(key: &mut Section<'_>) -> TrustedKey {
    TrustedKey {
        algorithm: key.required("algorithm"),
        public_key: key.required("public_key"),
        kid: key.optional("kid"),
        issuer: key.optional("issuer"),
        audience: key.optional("audience"),
    }
}

fn read_trusted_key_set(set: &mut Section<'_>) -> Option<TrustedKeySet> {
    let (url, issuer, audience) = (set.optional("url"), set.optional("issuer"), set.optional("audience"));
    let Some(url) = url else {
        set.mistake("url", "is missing");
        return None;
    };
    TrustedKeySet::at(&url, issuer, audience).map_err(|fault| set.mistake("url", fault)).ok()
}

fn read_streams(streams: &mut Section<'_>) -> StreamsConfig {
    let archive_after = streams.seconds("archive_after_s", 30 * 60, 60..=366 * 24 * 3600);
    StreamsConfig {
        auto_archive: streams.flag("auto_archive", true).then_some(archive_after),
        public_feed: streams.flag("public_feed", false),
        location_validation: streams.flag("location_validation", false),
        analytics: streams.choice("analytics", Feature::Everyone, &Feature::WORDS),
        bulk_import: streams.choice("bulk_import", Feature::Editors, &Feature::WORDS),
        export: streams.choice("export", Feature::Everyone, &Feature::WORDS),
    }
}

#[cfg(test)]
mod tests;
