//! The seam: how the relay's batches reach a core. Bounded; a core that is behind makes the relay wait, and nothing is dropped.

use std::sync::Arc;

use futures::{Stream, future::BoxFuture, stream};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use trunkline_actors::{Broadcast, Outlet};
use trunkline_protocol::limits;

/// What is handed over at once.
pub(crate) type Batch = Arc<[Broadcast]>;

/// One core, as the relay sees it, until it is given up.
pub(crate) struct CoreOutlet {
    core: Mutex<Option<mpsc::Sender<Batch>>>,
}

/// An outlet, and the end of it that a gateway listens to: what was handed over before the core was given up comes to its end. Not the actor's mailbox: that one has no bound for those who do not wait for an answer.
pub(crate) fn outlet() -> (CoreOutlet, impl Stream<Item = Batch> + use<>) {
    let (core, batches) = mpsc::channel(limits::OUTLET_BATCHES_MAX);
    (
        CoreOutlet { core: Mutex::new(Some(core)) },
        stream::unfold(batches, async |mut batches| Some((batches.recv().await?, batches))),
    )
}

impl Outlet for CoreOutlet {
    fn deliver(&self, batch: Batch) -> BoxFuture<'_, ()> {
        let core = self.core.lock().clone();
        Box::pin(async move {
            if let Some(core) = core {
                // An error: the core is gone, and with it everybody whom this was for.
                let _ = core.send(batch).await;
            }
        })
    }
    fn given_up(&self) {
        *self.core.lock() = None;
    }
}
