//! What a hub keeps, shows and checks, listed before it opens. A plan can print itself.

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use parking_lot::RwLock;
use trunkline_protocol::{EntityId, Principal};

use crate::{
    Channel, Entity, Hub, Projection, Retentions,
    engine::{entity::actor, house::Kind},
};

/// What a worker does with the hub.
pub(crate) type Work = Arc<dyn for<'a> Fn(&'a Hub) -> BoxFuture<'a, ()> + Send + Sync>;
/// What hears who was denied what.
pub(crate) type Denied = Arc<dyn Fn(&Principal, &EntityId) + Send + Sync>;
type Things = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

/// The list of everything a hub is made of. A wing adds its lines in its own file (`pub fn plan(plan: &mut Plan)`).
#[derive(Default)]
pub struct Plan {
    pub(crate) kinds: HashMap<&'static str, Kind>,
    pub(crate) projections: Vec<Arc<dyn Projection>>,
    pub(crate) channels: Vec<Arc<dyn Channel>>,
    pub(crate) workers: Vec<(&'static str, Duration, Work)>,
    pub(crate) projections_by_type: Things,
    pub(crate) provided: Things,
    pub(crate) retentions: Retentions,
    pub(crate) denied: Option<Denied>,
    lines: Vec<String>,
}

impl Plan {
    /// An empty plan.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Keeps entities of this kind. Listing a kind twice changes nothing.
    pub fn entity<E: Entity>(&mut self) -> &mut Self {
        if self.keep::<E>() {
            self.lines.push(format!("entity      {}", E::KIND));
        }
        self
    }
    pub(crate) fn keep<E: Entity>(&mut self) -> bool {
        let kind = Kind { name: E::KIND, start: actor::start::<E>, supervisor: RwLock::default() };
        self.kinds.insert(E::KIND, kind).is_none()
    }
    /// Folds this projection; the same `Arc` may be held by channels and handed to whoever asks. [`Hub::projection`] finds it by type.
    pub fn projection<P: Projection>(&mut self, projection: Arc<P>) -> &mut Self {
        self.lines.push(format!("projection  {} (schema {})", projection.name(), projection.schema()));
        self.projections_by_type.insert(TypeId::of::<P>(), Arc::clone(&projection) as Arc<dyn Any + Send + Sync>);
        self.projections.push(projection);
        self
    }
    /// Offers this channel to clients.
    pub fn channel(&mut self, channel: impl Channel) -> &mut Self {
        self.lines.push(format!("channel     {}", channel.name()));
        self.channels.push(Arc::new(channel));
        self
    }
    /// Provides a long-lived thing that is neither entity nor projection (presence, the moderation pipeline); [`Hub::provided`] finds it by type.
    pub fn provide<T: Send + Sync + 'static>(&mut self, thing: Arc<T>) -> &mut Self {
        let name = type_name::<T>();
        self.lines.push(format!("provides    {}", name.rsplit("::").next().unwrap_or(name)));
        self.provided.insert(TypeId::of::<T>(), thing);
        self
    }
    /// Keeps what is published on `$pubsub` topics by these rules.
    pub fn retain(&mut self, retentions: Retentions) -> &mut Self {
        self.retentions = retentions;
        self
    }
    /// Tells this, and nothing else, whom an entity denied what they asked over a cable. (A request is denied where it is answered.)
    pub fn on_denial(&mut self, denied: impl Fn(&Principal, &EntityId) + Send + Sync + 'static) -> &mut Self {
        self.denied = Some(Arc::new(denied));
        self
    }
    /// Does this every `period` while the hub is open, the first time one period after it opened, under supervision: a panic is counted,
    /// logged, and the worker started again.
    pub fn every<F>(&mut self, name: &'static str, period: Duration, work: F) -> &mut Self
    where
        F: for<'a> Fn(&'a Hub) -> BoxFuture<'a, ()> + Send + Sync + 'static,
    {
        self.lines.push(format!("worker      {name}, every {period:?}"));
        self.workers.push((name, period, Arc::new(work)));
        self
    }
    /// Every kind, projection, channel and worker, one line each; what `trunkline plan` prints.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.clone()
    }
}
