//! The seam: how the relay's batches reach a core. Bounded; a core that is behind makes the relay wait, and nothing is dropped.

use std::sync::Arc;

use actix::{Addr, Message};
use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use trunkline_actors::{Broadcast, Outlet};
use trunkline_protocol::limits;

use super::Gateway;

/// A batch on its way into a core, with its place in the queue.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Handover {
    /// What to tell.
    pub batch: Arc<[Broadcast]>,
    /// Given back when the batch has been taken in.
    pub _place: OwnedSemaphorePermit,
}

/// One core, as the relay sees it.
pub(crate) struct CoreOutlet {
    gateway: Addr<Gateway>,
    places: Arc<Semaphore>,
}

impl CoreOutlet {
    pub(crate) fn new(gateway: Addr<Gateway>) -> Self {
        // actix mailboxes take everything that is `do_send`: the bound is this, a permit inside each message.
        Self { gateway, places: Arc::new(Semaphore::new(limits::OUTLET_BATCHES_MAX)) }
    }
}

impl Outlet for CoreOutlet {
    fn deliver(&self, batch: Arc<[Broadcast]>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if !self.gateway.connected() {
                return;
            }
            if let Ok(place) = self.places.clone().acquire_owned().await {
                self.gateway.do_send(Handover { batch, _place: place });
            }
        })
    }
}
