//! Starts and stops the edge: one address, one thread per core, REST through the App and cables through the upgrade service.
//!
//! Two runtimes: the hub's actors live on the house's; everything here lives on the edge's own threads and reaches the hub only through
//! its handle. The house survives the edge's restart.

mod shared;
mod workers;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_codec::Framed;
use actix_http::{HttpMessage as _, HttpService, Protocol, Request, body::MessageBody, h1};
use actix_service::{
    IntoServiceFactory, Service as _, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory, fn_factory_with_config, fn_service,
    map_config,
};
use actix_web::{Error, dev::AppConfig};
use rustix::net::sockopt;
use tokio::net::TcpStream;
use tracing::{error, info};
use trunkline_actors::Hub;
use trunkline_protocol::{Principal, cable::DisconnectReason, limits};

use super::{
    census::{self, Census},
    connection::Farewell,
    finishing::{Unread, attend},
    gateway::{Core, Dismiss, Whom},
    identify::Identify,
    origin::Origins,
    stats::EdgeStats,
    upgrade::{self, IntoWire, Sealed, UNHEARD_MS},
};
pub(crate) use shared::{AtWork, Shared};
use workers::{Serving, Workers, listeners};

/// How long a lost connection may be taken up again, unless the deployment says otherwise.
pub const SESSION_TTL: Duration = Duration::from_secs(300);

/// What a deployment may say about the server; the defaults suit one machine.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Worker threads; each owns its sockets.
    pub cores: usize,
    /// Where cables are opened.
    pub paths: Vec<String>,
    /// Speaks TLS with this, REST and cables alike; its certificate resolver may change its answer while it runs. `None`: plain.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// From which pages.
    pub origins: Origins,
    /// Compresses messages (permessage-deflate) for clients that offer to.
    pub deflate: bool,
    /// Cables at once; at most what the file descriptor limit allows, whatever is said here.
    pub connections_max: usize,
    /// A frame or message of a client.
    pub frame_bytes_max: usize,
    /// What may wait for one slow reader.
    pub outbox_bytes_max: usize,
    /// How often each client is pinged.
    pub ping_every: Duration,
    /// An extended client that says nothing for so long, no pong either, is sent away (`cable.md` 2.4). `None`: it may be silent.
    pub pong_timeout: Option<Duration>,
    /// How long a lost connection may be taken up again by an extended client (`cable.md` 2.1); nothing: never.
    pub session_ttl: Duration,
    /// Where a WebSocket is told what it says, for conformance suites. `None`: nowhere.
    pub echo: Option<String>,
    /// How long a client may take over a request's head.
    pub head_timeout: Duration,
    /// How long an idle HTTP connection is kept.
    pub keep_alive: Duration,
    /// How long stopping may take until whoever is left is cut off.
    pub drain_timeout: Duration,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(2, usize::from),
            paths: vec!["/cable".to_owned()],
            tls: None,
            origins: Origins::default(),
            deflate: false,
            connections_max: usize::MAX,
            frame_bytes_max: limits::FRAME_BYTES_MAX,
            outbox_bytes_max: limits::OUTBOX_BYTES_MAX,
            ping_every: Duration::from_secs(3),
            pong_timeout: None,
            session_ttl: SESSION_TTL,
            echo: None,
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            drain_timeout: Duration::from_secs(20),
        }
    }
}

/// An answer has left its service a moment before it has left the process.
const FLUSH: Duration = Duration::from_millis(50);

/// A running edge. Dropping it leaves it running; [`Running::stop`] ends it.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    workers: Workers,
}

impl Running {
    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Arc<EdgeStats> {
        self.shared.stats.clone()
    }
    /// How many cables may be open at once.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.shared.open_max
    }
    /// What revokes and disconnects; may be cloned and kept.
    #[must_use]
    pub fn gate(&self) -> Gate {
        Gate { shared: self.shared.clone() }
    }
    /// Lets nobody in any more, tells everybody `server_restart`, waits until the last has been told and every request and command in hand
    /// is answered, then stops the threads. Connections on which nothing is asked are not waited for.
    pub async fn stop(self) {
        let Self { shared, workers, .. } = self;
        workers.rest();
        shared.begin_stopping();
        let deadline = Instant::now() + shared.config.drain_timeout;
        while !shared.is_idle() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shared.detach();
        tokio::time::sleep(FLUSH).await;
        if !workers.end().await {
            error!("a thread of the edge did not end well");
        }
    }
}

/// Sends clients away, and says who is there.
#[derive(Clone)]
pub struct Gate {
    shared: Arc<Shared>,
}

impl Gate {
    /// Every client of whom this is true is told `unauthorized` and may not come back (a logout, a revoked key, a changed role).
    pub fn revoke(&self, whom: impl Fn(&Principal) -> bool + Send + Sync + 'static) {
        self.dismiss(whom, Farewell::UNAUTHORIZED);
    }
    /// Every client of whom this is true is told `remote`, on all of its connections.
    pub fn disconnect(&self, whom: impl Fn(&Principal) -> bool + Send + Sync + 'static, reconnect: bool) {
        self.dismiss(whom, Farewell::remote(DisconnectReason::Remote, reconnect));
    }
    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Arc<EdgeStats> {
        self.shared.stats.clone()
    }
    /// How many cables may be open at once.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.shared.open_max
    }
    /// Who hears what, on every core; a core that does not answer in time is named.
    pub async fn census(&self) -> Census {
        census::take(self.shared.gateways()).await
    }
    fn dismiss(&self, whom: impl Fn(&Principal) -> bool + Send + Sync + 'static, farewell: Farewell) {
        let whom: Arc<Whom> = Arc::new(whom);
        self.shared.begin_dismissing(&whom);
        let dismiss = Dismiss { whom, farewell };
        for gateway in self.shared.gateways() {
            gateway.do_send(dismiss.clone());
        }
    }
}

/// Serves REST and cables on `listener`. `app` makes the App of one worker.
///
/// # Errors
/// The listener cannot be used, or no thread can be started.
pub async fn serve<F, A, S, B>(
    config: ServeConfig,
    listener: TcpListener,
    hub: Hub,
    identify: Arc<dyn Identify>,
    app: F,
) -> io::Result<Running>
where
    F: Fn() -> A + Send + Clone + 'static,
    A: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: std::fmt::Debug,
    S::Response: Into<actix_http::Response<B>> + 'static,
    <S::Service as actix_service::Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let addr = listener.local_addr()?;
    let config = ServeConfig { cores: config.cores.max(1), ..config };
    // Inherited by every connection.
    sockopt::set_tcp_nodelay(&listener, true)?;
    sockopt::set_tcp_user_timeout(&listener, UNHEARD_MS)?;
    let shared = Shared::new(config, hub, identify);
    let workers = open(&shared, listeners(listener, shared.config.cores)?, app).await?;
    info!(%addr, cores = shared.config.cores, cables = shared.open_max, "the edge listens");
    Ok(Running { addr, shared, workers })
}

async fn open<F, A, S, B>(shared: &Arc<Shared>, listeners: Vec<TcpListener>, app: F) -> io::Result<Workers>
where
    F: Fn() -> A + Send + Clone + 'static,
    A: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: std::fmt::Debug,
    S::Response: Into<actix_http::Response<B>> + 'static,
    <S::Service as actix_service::Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let (shared, room) = (shared.clone(), shared.requests_max);
    // Types that no function can name.
    macro_rules! attended {
        ($core:expr) => {{
            let core = $core;
            let app = app().into_factory().map_err(|error: S::Error| error.into().error_response());
            apply_fn_factory(app, move |mut request: Request, app: &_| {
                let unread = Unread::of(&mut request);
                // Whoever reads events takes a seat on this core.
                request.extensions_mut().insert(core.clone());
                attend::<_, _, B, _>(core.shared(), unread, app.call(request))
            })
        }};
    }
    // The two differ in the type of their streams only.
    macro_rules! http {
        ($wire:expr) => {{
            let core = shared.enter();
            HttpService::build()
                .client_request_timeout(shared.config.head_timeout)
                .client_disconnect_timeout(Duration::from_secs(5))
                .keep_alive(shared.config.keep_alive)
                .upgrade(upgrades(core.clone(), $wire))
                .finish(map_config(attended!(core), |()| AppConfig::default()))
        }};
    }
    match shared.config.tls.clone() {
        None => {
            let service = move || http!(|stream: TcpStream| stream);
            let arrive = |stream, peer| (stream, Protocol::Http1, Some(peer));
            Workers::start(listeners, Serving { service, arrive, room }).await
        }
        Some(tls) => {
            let service = move || http!(Sealed).rustls_0_23((*tls).clone());
            Workers::start(listeners, Serving { service, arrive: |stream, _| stream, room }).await
        }
    }
}

/// What takes over every WebSocket upgrade of one worker.
#[expect(clippy::type_complexity, reason = "actix-http asks for every part of a service by name")]
fn upgrades<T: 'static, W: IntoWire + 'static>(
    core: Rc<Core>,
    wire: fn(T) -> W,
) -> impl ServiceFactory<
    (Request, Framed<T, h1::Codec>),
    Config = (),
    Response = (),
    Error = actix_http::Error,
    InitError = (),
    Service = impl actix_service::Service<
        (Request, Framed<T, h1::Codec>),
        Response = (),
        Error = actix_http::Error,
        Future = impl Future<Output = Result<(), actix_http::Error>>,
    >,
    Future = impl Future,
> {
    fn_factory_with_config(move |(): ()| {
        let core = core.clone();
        async move {
            Ok::<_, ()>(fn_service(move |(request, framed): (Request, Framed<T, h1::Codec>)| {
                let refused = upgrade::take(&core, request, framed, wire);
                async move {
                    if let Some(refused) = refused {
                        refused.await;
                    }
                    Ok::<_, actix_http::Error>(())
                }
            }))
        }
    })
}
