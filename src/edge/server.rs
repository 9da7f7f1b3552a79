//! Starts and stops the edge: one listener, one actix worker per core, REST through the App and cables through the upgrade service.
//!
//! Two runtimes: the hub's actors live on the house's; everything here lives on actix's own threads and reaches the hub only through
//! its handle. The house survives the edge's restart.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use actix::Addr;
use actix_codec::Framed;
use actix_http::{HttpMessage as _, HttpService, Request, body::MessageBody, h1};
use actix_server::{Server, ServerHandle};
use actix_service::{
    IntoServiceFactory, Service as _, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory, fn_factory_with_config, fn_service,
    map_config,
};
use actix_web::{Error, dev::AppConfig};
use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{net::TcpStream, sync::oneshot};
use tracing::{error, info};
use trunkline_actors::{Hub, Outlet};
use trunkline_protocol::{Principal, cable::DisconnectReason, limits};

use super::{
    census::{self, Census},
    connection::Farewell,
    finishing::attend,
    gateway::{Core, Dismiss, Drain, Gateway, Whom, outlet},
    origin::Origins,
    stats::EdgeStats,
    tickets::Tickets,
    upgrade::{self, Identify, IntoWire, Sealed},
};

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

/// What every core shares.
pub(crate) struct Shared {
    pub hub: Hub,
    pub config: ServeConfig,
    pub identify: Arc<dyn Identify>,
    pub stats: Arc<EdgeStats>,
    /// What lost connections had.
    pub tickets: Tickets,
    open: AtomicUsize,
    /// Of those, readers of events: their sockets stay among those of requests, and must leave some room there.
    reading: AtomicUsize,
    reading_max: usize,
    working: AtomicUsize,
    stopping: AtomicBool,
    open_max: usize,
    gateways: Mutex<Vec<Addr<Gateway>>>,
    /// Who is being sent away: each until every core has seen to it, and dropped the word.
    dismissing: Mutex<Vec<Weak<Whom>>>,
    outlets: Mutex<Vec<Arc<dyn Outlet>>>,
}

impl Shared {
    /// Takes room for one more cable, if there is any.
    pub(crate) fn reserve(&self) -> bool {
        let room = |open| (open < self.open_max).then_some(open + 1);
        self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok()
    }
    /// Gives it back.
    pub(crate) fn release(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
    /// Takes room for one more reader of events, if there is any.
    pub(crate) fn reserve_reading(&self) -> bool {
        let room = |reading| (reading < self.reading_max).then_some(reading + 1);
        if self.reading.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_err() {
            return false;
        }
        let reserved = self.reserve();
        if !reserved {
            self.reading.fetch_sub(1, Ordering::Relaxed);
        }
        reserved
    }
    /// Gives it back.
    pub(crate) fn release_reading(&self) {
        self.reading.fetch_sub(1, Ordering::Relaxed);
        self.release();
    }
    /// Something is being finished, until the guard is dropped.
    pub(crate) fn at_work(self: &Arc<Self>) -> AtWork {
        self.working.fetch_add(1, Ordering::Relaxed);
        AtWork(self.clone())
    }
    /// Every answer from now on is the last of its connection.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
    /// Somebody is sent away, though not every core knows it yet: nobody hands out what one that does not know has lost meanwhile.
    pub(crate) fn is_dismissed(&self, who: &Principal) -> bool {
        self.dismissing.lock().iter().filter_map(Weak::upgrade).any(|whom| whom(who))
    }
    fn begin_dismissing(&self, whom: &Arc<Whom>) {
        let mut dismissing = self.dismissing.lock();
        dismissing.retain(|whom| whom.strong_count() > 0);
        dismissing.push(Arc::downgrade(whom));
    }
    /// Every core's actor.
    pub(crate) fn gateways(&self) -> Vec<Addr<Gateway>> {
        self.gateways.lock().clone()
    }
    fn is_idle(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0 && self.working.load(Ordering::Relaxed) == 0
    }
}

/// Held by whatever must be finished before the edge stops.
pub(crate) struct AtWork(Arc<Shared>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer has left its service a moment before it has left the process.
const FLUSH: Duration = Duration::from_millis(50);

/// A running edge. Dropping it leaves it running; [`Running::stop`] ends it.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    server: ServerHandle,
    thread: JoinHandle<io::Result<()>>,
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
    /// is answered, then stops the listener and the workers. Connections on which nothing is asked are not waited for.
    pub async fn stop(self) {
        let Self { shared, server, thread, .. } = self;
        shared.stopping.store(true, Ordering::Relaxed);
        server.pause().await;
        for gateway in &*shared.gateways.lock() {
            gateway.do_send(Drain);
        }
        let deadline = Instant::now() + shared.config.drain_timeout;
        while !shared.is_idle() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for outlet in shared.outlets.lock().drain(..) {
            shared.hub.detach(&outlet);
        }
        // Not gracefully: that would wait for idle connections, too, until the deadline.
        tokio::time::sleep(FLUSH).await;
        server.stop(false).await;
        let ended = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(ended, Ok(Ok(Ok(())))) {
            error!("the edge's thread did not end well");
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
        for gateway in &*self.shared.gateways.lock() {
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
    // Inherited by every connection: a reader of events who reads nothing any more is given up, too.
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&listener, upgrade::UNHEARD_MS);
    let room = Room::measure(config.cores.max(1));
    let cores = config.cores.max(1);
    let shared = Arc::new(Shared {
        open_max: config.connections_max.min(room.cables),
        stats: Arc::new(EdgeStats::new(cores)),
        tickets: Tickets::new(config.session_ttl),
        hub,
        config,
        identify,
        open: AtomicUsize::new(0),
        reading: AtomicUsize::new(0),
        reading_max: (room.requests * cores / 2).max(1),
        working: AtomicUsize::new(0),
        stopping: AtomicBool::new(false),
        gateways: Mutex::default(),
        dismissing: Mutex::default(),
        outlets: Mutex::default(),
    });
    let (started, starting) = oneshot::channel();
    let thread = {
        let shared = shared.clone();
        std::thread::Builder::new().name("edge".to_owned()).spawn(move || {
            // A plain tokio runtime, so that actix-server gives each worker a runtime of its own, too, not an arbiter.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async move {
                match build(&shared, listener, room.requests, app) {
                    Ok(server) => {
                        let _ = started.send(Ok(server.handle()));
                        server.await
                    }
                    Err(error) => {
                        let _ = started.send(Err(error));
                        Ok(())
                    }
                }
            })
        })?
    };
    let server = starting.await.map_err(|_| io::Error::other("the edge's thread ended while it started"))??;
    let deadline = Instant::now() + Duration::from_secs(10);
    while shared.gateways.lock().len() < cores {
        if Instant::now() > deadline || thread.is_finished() {
            return Err(io::Error::other("the edge's workers did not start"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    info!(%addr, cores, cables = shared.open_max, "the edge listens");
    Ok(Running { addr, shared, server, thread })
}

fn build<F, A, S, B>(shared: &Arc<Shared>, listener: TcpListener, requests: usize, app: F) -> io::Result<Server>
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
    let config = shared.config.clone();
    let builder = Server::build()
        .workers(config.cores.max(1))
        .backlog(4096)
        .max_concurrent_connections(requests)
        .shutdown_timeout(config.drain_timeout.as_secs().max(1))
        .disable_signals();
    let shared = shared.clone();
    // Types that no function can name.
    macro_rules! attended {
        ($core:expr) => {{
            let core = $core;
            let app = app().into_factory().map_err(|error: S::Error| error.into().error_response());
            apply_fn_factory(app, move |request: Request, app: &_| {
                // Whoever reads events takes a seat on this core.
                request.extensions_mut().insert(core.clone());
                attend::<_, _, B, _>(core.shared(), app.call(request))
            })
        }};
    }
    // The two differ in the type of their streams only.
    macro_rules! http {
        ($wire:expr) => {{
            let core = enter(&shared);
            HttpService::build()
                .tcp_nodelay(true)
                .client_request_timeout(config.head_timeout)
                .client_disconnect_timeout(Duration::from_secs(5))
                .keep_alive(config.keep_alive)
                .upgrade(upgrades(core.clone(), $wire))
                .finish(map_config(attended!(core), |()| AppConfig::default()))
        }};
    }
    let server = match config.tls.clone() {
        None => builder.listen("edge", listener, move || http!(|stream: TcpStream| stream).tcp()),
        Some(tls) => builder.listen("edge", listener, move || http!(Sealed).rustls_0_23((*tls).clone())),
    }?;
    Ok(server.run())
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
        Future = std::future::Ready<Result<(), actix_http::Error>>,
    >,
    Future = impl Future,
> {
    fn_factory_with_config(move |(): ()| {
        let core = core.clone();
        async move {
            Ok::<_, ()>(fn_service(move |(request, framed): (Request, Framed<T, h1::Codec>)| {
                upgrade::take(&core, request, framed, wire);
                std::future::ready(Ok::<_, actix_http::Error>(()))
            }))
        }
    })
}

/// Starts this thread's gateway and tells the hub of it.
fn enter(shared: &Arc<Shared>) -> Rc<Core> {
    let mut gateways = shared.gateways.lock();
    let core = Core::new(gateways.len(), shared.clone());
    let (outlet, batches) = outlet();
    let gateway = Gateway::open(core.clone(), batches);
    let outlet: Arc<dyn Outlet> = Arc::new(outlet);
    shared.hub.attach(outlet.clone());
    shared.outlets.lock().push(outlet);
    gateways.push(gateway);
    core
}

/// How many sockets this process may hold.
struct Room {
    cables: usize,
    /// Per core: sockets that are not cables (yet); above it the listener waits.
    requests: usize,
}

impl Room {
    /// Raises the soft limit of open files to the hard one and divides it: files and journal, requests, cables. Whoever asks for more than that
    /// is refused with a 503 while there still is a descriptor to say so with.
    fn measure(cores: usize) -> Self {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if setrlimit(Resource::Nofile, raised).is_err() {
            info!("the limit of open files stays as it is");
        }
        let files = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20).min(1 << 24) as usize;
        let reserve = (files / 8).min(256);
        let requests = (files / 8).clamp(16, 16_384);
        Self { cables: files.saturating_sub(reserve + requests).max(1), requests: (requests / cores).max(8) }
    }
}
