//! Starts, restarts and retires actors; the only place that spawns.
//!
//! The root keeps one supervisor per kind of entity and one per group of permanent actors (relay, clockwork, workers). A permanent child
//! that dies is started again after a jittered pause; one that dies too often takes its supervisor with it, which the root starts again; if
//! that happens too often the hub has failed and says so. An entity is never restarted by its supervisor: the next ask builds it again
//! from its history, unless it crashed so often that it rests (`directory.rs`).

pub(crate) mod history;
pub(crate) mod report;
pub(crate) mod worker;

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    time::Duration,
};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent as RactorEvent};
use tokio::time::Instant;

use super::house::House;

type Started = Pin<Box<dyn Future<Output = Result<ActorCell, SpawnErr>> + Send>>;

/// A permanent child: how it is called in reports, and how it is started under a supervisor.
#[derive(Clone)]
pub(crate) struct Child {
    pub(crate) id: String,
    start: Arc<dyn Fn(ActorCell) -> Started + Send + Sync>,
}

impl Child {
    pub(crate) fn new<F>(id: impl Into<String>, start: impl Fn(ActorCell) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<ActorCell, SpawnErr>> + Send + 'static,
    {
        Self { id: id.into(), start: Arc::new(move |supervisor| Box::pin(start(supervisor))) }
    }
}

/// How often a child may die, and how long to wait before it is started again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// More restarts than this within `within` end the supervisor.
    pub(crate) restarts_max: usize,
    pub(crate) within: Duration,
    /// The first pause is at most this; it doubles with every restart, up to `pause_max`. The pause is drawn between nothing and that
    /// (full jitter), so that what died together does not come back together.
    pub(crate) pause: Duration,
    pub(crate) pause_max: Duration,
}

impl Policy {
    /// For a group of permanent actors.
    pub(crate) const GROUP: Self = Self {
        restarts_max: 8,
        within: Duration::from_secs(60),
        pause: Duration::from_millis(50),
        pause_max: Duration::from_secs(5),
    };
    /// For the root: its children die only when something is deeply wrong.
    pub(crate) const ROOT: Self = Self {
        restarts_max: 3,
        within: Duration::from_secs(600),
        pause: Duration::from_millis(200),
        pause_max: Duration::from_secs(10),
    };
    fn pause_before(&self, restart: u32) -> Duration {
        let top = self.pause.saturating_mul(1 << restart.min(16)).min(self.pause_max);
        Duration::from_millis(rand::random_range(0..=u64::try_from(top.as_millis()).unwrap_or(u64::MAX).max(1)))
    }
}

/// A supervisor of permanent children; the root is one whose children are supervisors.
pub(crate) struct Supervisor {
    pub(crate) name: &'static str,
    pub(crate) policy: Policy,
    pub(crate) house: Weak<House>,
    /// The root's end is the hub's.
    pub(crate) root: bool,
}

pub(crate) enum Wish {
    Start(usize),
}

pub(crate) struct Supervised {
    children: Vec<Place>,
    restarts: VecDeque<Instant>,
}

struct Place {
    child: Child,
    actor: Option<ActorCell>,
    restarts: u32,
    started: Instant,
}

impl Supervisor {
    fn died(&self, me: &ActorRef<Wish>, state: &mut Supervised, place: usize, cause: &str) -> Result<(), ActorProcessingErr> {
        let Some(house) = self.house.upgrade() else { return Ok(()) };
        if !house.is_open() {
            return Ok(());
        }
        let now = Instant::now();
        let at = &mut state.children[place];
        at.actor = None;
        if now.duration_since(at.started) > self.policy.within {
            at.restarts = 0;
        }
        at.restarts += 1;
        let pause = self.policy.pause_before(at.restarts);
        tracing::error!(supervisor = self.name, child = at.child.id, cause, ?pause, "a permanent actor died; it is started again");
        house.history.note(self.name, &at.child.id, cause, house.clock.now());
        house.reports.backing_off(self.name, &at.child.id, pause);
        state.restarts.push_back(now);
        while state.restarts.front().is_some_and(|restart| now.duration_since(*restart) > self.policy.within) {
            state.restarts.pop_front();
        }
        if state.restarts.len() > self.policy.restarts_max {
            let cause = format!("{} died too often: {cause}", state.children[place].child.id);
            if self.root {
                // It stays, and so do the others: ending it would kill entities in the middle of an append. Nothing more is taken, and
                // whoever runs the process ends it in order.
                house.fail(&cause);
                return Ok(());
            }
            return Err(cause.into());
        }
        me.send_after(pause, move || Wish::Start(place));
        Ok(())
    }
}

impl Actor for Supervisor {
    type Msg = Wish;
    type State = Supervised;
    type Arguments = Vec<Child>;

    async fn pre_start(&self, me: ActorRef<Wish>, children: Vec<Child>) -> Result<Supervised, ActorProcessingErr> {
        // Started by message, not here: a bad child must not fail its supervisor's own start.
        for place in 0..children.len() {
            me.cast(Wish::Start(place))?;
        }
        let place = |child| Place { child, actor: None, restarts: 0, started: Instant::now() };
        Ok(Supervised { children: children.into_iter().map(place).collect(), restarts: VecDeque::new() })
    }

    async fn handle(&self, me: ActorRef<Wish>, Wish::Start(place): Wish, state: &mut Supervised) -> Result<(), ActorProcessingErr> {
        let Some(at) = state.children.get_mut(place).filter(|at| at.actor.is_none()) else { return Ok(()) };
        match (at.child.start)(me.get_cell()).await {
            Ok(actor) => {
                at.actor = Some(actor);
                at.started = Instant::now();
                if let Some(house) = self.house.upgrade() {
                    house.reports.running(self.name, &at.child.id);
                }
                Ok(())
            }
            // A child that fails while starting is no event: it is told here.
            Err(error) => self.died(&me, state, place, &error.to_string()),
        }
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<Wish>,
        event: RactorEvent,
        state: &mut Supervised,
    ) -> Result<(), ActorProcessingErr> {
        let (actor, cause) = match &event {
            RactorEvent::ActorFailed(actor, error) => (actor, error.to_string()),
            RactorEvent::ActorTerminated(actor, _, reason) => (actor, reason.clone().unwrap_or_else(|| "it stopped".into())),
            // Starts are no news; and the enum grows with ractor's features.
            _ => return Ok(()),
        };
        let place = state.children.iter().position(|at| at.actor.as_ref().is_some_and(|known| known.get_id() == actor.get_id()));
        match place {
            Some(place) => self.died(&me, state, place, &cause),
            None => Ok(()),
        }
    }
}

/// The supervisor of one kind of entity. Its children are temporary: a crashed one is taken out of the directory and counted.
pub(crate) struct KindSupervisor {
    pub(crate) house: Weak<House>,
}

impl Actor for KindSupervisor {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle_supervisor_evt(&self, _: ActorRef<()>, event: RactorEvent, (): &mut ()) -> Result<(), ActorProcessingErr> {
        let Some(house) = self.house.upgrade() else { return Ok(()) };
        let (actor, cause) = match &event {
            RactorEvent::ActorFailed(actor, error) => (actor, error.to_string()),
            RactorEvent::ActorTerminated(actor, _, Some(reason)) => (actor, reason.clone()),
            _ => return Ok(()),
        };
        // A panic in a rule has been counted by the actor itself, before anybody heard of it; this is for every other death.
        if let Some(id) = house.directory.of_actor(actor.get_id()) {
            house.crashed(&id, actor.get_id(), &cause);
        }
        Ok(())
    }
}

/// The supervisor of one kind, as a child of the root.
pub(crate) fn kind(house: &Arc<House>, name: &'static str) -> Child {
    let house = Arc::downgrade(house);
    Child::new(name, move |root| {
        let house = house.clone();
        async move {
            let (actor, _) = Actor::spawn_linked(None, KindSupervisor { house: house.clone() }, (), root).await?;
            if let Some(kind) = house.upgrade().as_ref().and_then(|house| house.kinds.get(name)) {
                *kind.supervisor.write() = Some(actor.get_cell());
            }
            Ok(actor.get_cell())
        }
    })
}

/// A group of permanent actors, as a child of the root.
pub(crate) fn group(house: &Arc<House>, name: &'static str, children: Vec<Child>) -> Child {
    let house = Arc::downgrade(house);
    Child::new(name, move |root| {
        let supervisor = Supervisor { name, policy: Policy::GROUP, house: house.clone(), root: false };
        let children = children.clone();
        async move { Ok(Actor::spawn_linked(None, supervisor, children, root).await?.0.get_cell()) }
    })
}

/// Starts the root.
pub(crate) async fn root(house: &Arc<House>, children: Vec<Child>) -> Result<ActorCell, SpawnErr> {
    let supervisor = Supervisor { name: "root", policy: Policy::ROOT, house: Arc::downgrade(house), root: true };
    Ok(Actor::spawn(None, supervisor, children).await?.0.get_cell())
}
