//! What every core of the edge shares: how much room there is, who is at work, who is being sent away. It knows no connection.

use std::{
    collections::HashMap,
    rc::Rc,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use actix::Addr;
use futures::Stream;
use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::info;
use trunkline_actors::{Hub, Outlet};
use trunkline_protocol::Principal;

use super::ServeConfig;
use crate::edge::{
    gateway::{Batch, Core, Drain, Gateway, Whom, outlet},
    identify::Identify,
    stats::EdgeStats,
    tickets::Tickets,
};

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
    /// Cables at once.
    pub(super) open_max: usize,
    /// Per core: sockets that are not cables (yet).
    pub(super) requests_max: usize,
    gateways: Mutex<Vec<Addr<Gateway>>>,
    /// Who is being sent away: each until every core has seen to it, and dropped the word.
    dismissing: Mutex<Vec<Weak<Whom>>>,
    /// Where the hub hands over what each core tells.
    outlets: Mutex<HashMap<usize, Arc<dyn Outlet>>>,
}

impl Shared {
    /// What `config.cores` cores are going to share.
    pub(super) fn new(config: ServeConfig, hub: Hub, identify: Arc<dyn Identify>) -> Arc<Self> {
        let room = Room::measure(config.cores);
        Arc::new(Self {
            open_max: config.connections_max.min(room.cables),
            requests_max: room.requests,
            stats: Arc::new(EdgeStats::new(config.cores)),
            tickets: Tickets::new(config.session_ttl),
            reading_max: (room.requests * config.cores / 2).max(1),
            hub,
            config,
            identify,
            open: AtomicUsize::new(0),
            reading: AtomicUsize::new(0),
            working: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            gateways: Mutex::default(),
            dismissing: Mutex::default(),
            outlets: Mutex::default(),
        })
    }
    /// Starts this thread's gateway and tells the hub of it.
    pub(super) fn enter(self: &Arc<Self>) -> Rc<Core> {
        let mut gateways = self.gateways.lock();
        let core = Core::new(gateways.len(), self.clone());
        gateways.push(Gateway::open(core.clone(), self.attach(core.index())));
        core
    }
    /// The same for a core whose gateway broke.
    pub(crate) fn reenter(&self, core: &Rc<Core>) {
        let gateway = Gateway::open(core.clone(), self.attach(core.index()));
        self.gateways.lock()[core.index()] = gateway;
    }
    /// From now on the hub hands this over for a core, and nothing where it did before.
    pub(crate) fn attach(&self, core: usize) -> impl Stream<Item = Batch> + use<> {
        let (outlet, batches) = outlet();
        let outlet: Arc<dyn Outlet> = Arc::new(outlet);
        self.hub.attach(outlet.clone());
        if let Some(before) = self.outlets.lock().insert(core, outlet) {
            self.hub.detach(&before);
        }
        batches
    }
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
    /// Whether every answer is the last of its connection.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
    /// Somebody is sent away, though not every core knows it yet: nobody hands out what one that does not know has lost meanwhile.
    pub(crate) fn is_dismissed(&self, who: &Principal) -> bool {
        self.dismissing.lock().iter().filter_map(Weak::upgrade).any(|whom| whom(who))
    }
    /// Every answer from now on is the last of its connection, and every client is sent away.
    pub(super) fn begin_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        for gateway in &*self.gateways.lock() {
            gateway.do_send(Drain);
        }
    }
    /// The hub tells the edge nothing any more.
    pub(super) fn detach(&self) {
        for (_, outlet) in self.outlets.lock().drain() {
            self.hub.detach(&outlet);
        }
    }
    pub(super) fn begin_dismissing(&self, whom: &Arc<Whom>) {
        let mut dismissing = self.dismissing.lock();
        dismissing.retain(|whom| whom.strong_count() > 0);
        dismissing.push(Arc::downgrade(whom));
    }
    /// Every core's actor.
    pub(crate) fn gateways(&self) -> Vec<Addr<Gateway>> {
        self.gateways.lock().clone()
    }
    /// Nobody is here, and nothing is being finished.
    pub(super) fn is_idle(&self) -> bool {
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
