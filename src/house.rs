//! A whole hub in one value: journal, hub, accounts, edge. What the binary runs, and what examples, benches and tests open in-process.
//!
//! It composes and holds no logic: who is asked for what stands in the parts.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use actix_web::{
    App,
    middleware::{NormalizePath, from_fn},
    web,
};
use trunkline_actors::{
    AskError, Hub, HubConfig, OpenError, Plan,
    accounts::{self, Passwords},
    streams::StreamsConfig,
    system::System,
    wings::{self, WingsConfig},
};
use trunkline_persistence::{Journal, OpenJournalError};

use crate::{
    config::{Config, Feature},
    edge::{
        self, Api, EdgeStats, Identify, JidDoor, Origins, Running, ServeConfig,
        auth::{self, Auth, CableDoor},
        events,
        limits::Minutes,
        publish::{self, PublishDesk},
        rest, threshold,
        tls::{Certificate, TlsError},
        tokens::KeySet,
        upgrade,
    },
    telemetry::metrics::Metrics,
};

/// A running hub with its street side.
pub struct House {
    /// Through which everything is asked.
    pub hub: Hub,
    /// Where it listens.
    pub address: SocketAddr,
    /// The password that was made up for the first administrator, where nobody was one: told this once and kept nowhere.
    pub first_admin_password: Option<String>,
    running: Running,
    scheme: &'static str,
}

impl std::fmt::Debug for House {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("House").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Why a house does not open.
#[derive(Debug, thiserror::Error)]
pub enum HouseError {
    /// The port is taken, or not ours to take.
    #[error("cannot listen on {address}: {error}{}", if error.kind() == io::ErrorKind::AddrInUse { "; is another hub running there?" } else { "" })]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] OpenJournalError),
    /// The hub cannot be opened on it.
    #[error(transparent)]
    Hub(#[from] OpenError),
    /// The configured accounts cannot be created.
    #[error("the configured accounts cannot be created: {0}")]
    Accounts(#[from] AskError),
    /// What the configuration says of passwords and tokens cannot be used.
    #[error("auth: {0}")]
    Auth(String),
    /// The edge cannot be started.
    #[error("the edge cannot be started: {0}")]
    Edge(io::Error),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl House {
    /// Opens everything, in the order in which it can fail cheaply. To be called on the multi-thread house runtime.
    ///
    /// # Errors
    /// [`HouseError`], each in words that say what to do.
    pub async fn open(config: Config) -> Result<Self, HouseError> {
        let plan = plan(&config)?;
        Self::open_with(config, plan).await
    }
    /// The same with a plan of one's own: the wings' and more.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(config: Config, plan: Plan) -> Result<Self, HouseError> {
        // First of all: a second hub must not even look at the journal of the first.
        let listener = TcpListener::bind(config.listen).map_err(|error| HouseError::Listen { address: config.listen, error })?;
        let journal = open_journal(config.journal.clone()).await?;
        let hub = Hub::open(plan, journal.clone(), hub_config(&config)).await?;
        let opened = Self::open_edge(&config, listener, hub.clone(), journal).await;
        if opened.is_err() {
            hub.close().await;
        }
        opened
    }
    /// `http://127.0.0.1:7070`; under TLS `https://…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }
    /// What the edge counts.
    #[must_use]
    pub fn stats(&self) -> Arc<EdgeStats> {
        self.running.stats()
    }
    /// Tells every client to come back later, lets what is in flight finish, and closes the journal.
    pub async fn close(self) {
        self.running.stop().await;
        self.hub.close().await;
    }

    async fn open_edge(config: &Config, listener: TcpListener, hub: Hub, journal: Arc<dyn Journal>) -> Result<Self, HouseError> {
        accounts::bootstrap(&hub, &config.bootstrap.users, &config.bootstrap.api_keys).await?;
        let first_admin_password = accounts::first_admin(&hub).await?;
        let auth = Auth::open(&hub, config.auth.clone()).await.map_err(|error| HouseError::Auth(error.to_string()))?;
        let auth = Arc::new(auth);
        let door = CableDoor { auth: auth.clone(), public: config.edge.public_streams };
        let door: Arc<dyn Identify> = match &config.cable.jid {
            Some(jid) => Arc::new(JidDoor::new(jid, door)),
            None => Arc::new(door),
        };
        let api = web::Data::new(Api {
            hub: hub.clone(),
            journal,
            config: config.edge.clone(),
            streams: config.streams.clone(),
            auth,
            metrics: Arc::new(Metrics::new()),
            minutes: Minutes::default(),
            cables: std::sync::OnceLock::new(),
            gate: std::sync::OnceLock::new(),
        });
        let desk = web::Data::new(PublishDesk::new(&hub, config.pubsub.keys.clone()));
        let certificate = config.edge.tls.clone().map(Certificate::open).transpose()?;
        let serve = ServeConfig { tls: certificate.as_ref().map(Certificate::server_config), ..serve_config(config) };
        let (paths, served, published) = (serve.paths.clone(), api.clone(), desk.clone());
        let app = move || {
            App::new()
                .wrap(from_fn(threshold::pass))
                .wrap(NormalizePath::trim())
                .configure(upgrade::plain(&paths))
                .configure(publish::routes(published.clone()))
                .configure(events::routes)
                .configure(rest::routes(served.clone()))
        };
        let running = edge::serve(serve, listener, hub.clone(), door, app).await.map_err(HouseError::Edge)?;
        // Set once: this is the only edge that this Api ever serves.
        drop(api.cables.set(running.stats()));
        drop(api.gate.set(running.gate()));
        drop(desk.gate.set(running.gate()));
        rest::system::show(&hub.provided::<System>(), &running.gate());
        if let Some(certificate) = certificate {
            tokio::spawn(Certificate::watch(Arc::downgrade(&certificate)));
        }
        for set in api.auth.tokens.key_sets() {
            tokio::spawn(KeySet::follow(Arc::downgrade(set), hub.clock()));
        }
        tokio::spawn(auth::watch(hub.projection(), hub.clock(), running.gate()));
        let scheme = if config.edge.tls.is_some() { "https" } else { "http" };
        Ok(Self { address: running.addr, hub, first_admin_password, running, scheme })
    }
}

/// What a hub of all wings is made of.
///
/// # Errors
/// [`HouseError::Auth`] where the configured cost of passwords is none.
pub fn plan(config: &Config) -> Result<Plan, HouseError> {
    let passwords = Passwords::new(&config.auth.passwords).map_err(|error| HouseError::Auth(error.to_string()))?;
    let streams = StreamsConfig {
        auto_archive: config.streams.auto_archive,
        location_validation: config.streams.location_validation,
        analytics: config.streams.analytics != Feature::Off,
    };
    Ok(wings::plan(&WingsConfig { passwords: Arc::new(passwords), streams, pubsub: config.pubsub.wing.clone() }))
}

/// Recovery may take seconds: not on a thread that others wait for.
async fn open_journal(url: String) -> Result<Arc<dyn Journal>, HouseError> {
    let opened = tokio::task::spawn_blocking(move || trunkline_persistence::open(&url)).await;
    Ok(opened.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))?)
}

fn hub_config(config: &Config) -> HubConfig {
    HubConfig { presence_ttl: config.cable.presence_ttl, ..HubConfig::default() }
}

fn serve_config(config: &Config) -> ServeConfig {
    let default = ServeConfig::default();
    ServeConfig {
        cores: if config.edge.workers == 0 { default.cores } else { config.edge.workers },
        origins: Origins { allowed: config.edge.cable_origins.clone(), ..default.origins },
        deflate: config.edge.deflate,
        connections_max: config.edge.connections_max,
        pong_timeout: config.cable.pong_timeout,
        session_ttl: config.cable.session_ttl,
        head_timeout: config.edge.head_timeout,
        keep_alive: config.edge.keep_alive,
        drain_timeout: config.edge.stop_timeout,
        ..default
    }
}
