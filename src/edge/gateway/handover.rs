//! The seam: how the relay's batches reach a core. Bounded; a core that is behind makes the relay wait, and nothing is dropped.

use std::sync::Arc;

use futures::{Stream, future::BoxFuture, stream};
use tokio::sync::mpsc;
use trunkline_actors::{Broadcast, Outlet};
use trunkline_protocol::limits;

/// What is handed over at once.
pub(super) type Batch = Arc<[Broadcast]>;

/// One core, as the relay sees it.
pub(crate) struct CoreOutlet {
    core: mpsc::Sender<Batch>,
}

/// An outlet, and the end of it that a gateway listens to. Not the actor's mailbox: that one has no bound for those who do not wait for an answer.
pub(crate) fn outlet() -> (CoreOutlet, impl Stream<Item = Batch> + use<>) {
    let (core, batches) = mpsc::channel(limits::OUTLET_BATCHES_MAX);
    (CoreOutlet { core }, stream::unfold(batches, async |mut batches| Some((batches.recv().await?, batches))))
}

impl Outlet for CoreOutlet {
    fn deliver(&self, batch: Batch) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // An error: the core is gone, and with it everybody whom this was for.
            let _ = self.core.send(batch).await;
        })
    }
}
