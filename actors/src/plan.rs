//! What a hub keeps, shows and checks, listed before it opens. A plan can print itself.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;

use crate::{Channel, Entity, Hub, Projection};

/// The list of everything a hub is made of. A wing adds its lines in its own file (`pub fn plan(plan: &mut Plan)`).
#[derive(Default)]
pub struct Plan {
    pub(crate) projections: Vec<Arc<dyn Projection>>,
    pub(crate) channels: Vec<Arc<dyn Channel>>,
}

impl Plan {
    /// An empty plan.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Keeps entities of this kind.
    pub fn entity<E: Entity>(&mut self) -> &mut Self {
        todo!()
    }
    /// Folds this projection; the same `Arc` may be held by channels and handed to whoever asks. [`Hub::projection`] finds it by type.
    pub fn projection<P: Projection>(&mut self, _projection: Arc<P>) -> &mut Self {
        todo!()
    }
    /// Offers this channel to clients.
    pub fn channel(&mut self, channel: impl Channel) -> &mut Self {
        self.channels.push(Arc::new(channel));
        self
    }
    /// Provides a long-lived thing that is neither entity nor projection (presence, the moderation pipeline); [`Hub::provided`] finds it by type.
    pub fn provide<T: Send + Sync + 'static>(&mut self, _thing: Arc<T>) -> &mut Self {
        todo!()
    }
    /// Does this every `period` while the hub is open, under supervision: a panic is counted, logged, and the worker started again.
    pub fn every<F>(&mut self, _name: &'static str, _period: Duration, _work: F) -> &mut Self
    where
        F: for<'a> Fn(&'a Hub) -> BoxFuture<'a, ()> + Send + Sync + 'static,
    {
        todo!()
    }
    /// Every kind, projection, channel and worker, one line each; what `trunkline plan` prints.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        todo!()
    }
}
