//! One permanent worker: does its work, and is started again by its supervisor when the work panics.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::Child;

/// What a worker does.
pub(crate) type Work = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

struct Worker {
    work: Work,
    /// `None`: the work lasts as long as the hub; it ends by itself when that closes.
    period: Option<Duration>,
}

struct Go;

impl Actor for Worker {
    type Msg = Go;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, me: ActorRef<Go>, (): ()) -> Result<(), ActorProcessingErr> {
        match self.period {
            Some(period) => drop(me.send_after(period, || Go)),
            None => me.cast(Go)?,
        }
        Ok(())
    }
    async fn handle(&self, me: ActorRef<Go>, Go: Go, (): &mut ()) -> Result<(), ActorProcessingErr> {
        (self.work)().await;
        match self.period {
            Some(period) => drop(me.send_after(period, || Go)),
            None => me.stop(None),
        }
        Ok(())
    }
}

/// A worker that does `work` every `period`, the first time one period from now.
pub(crate) fn every(id: impl Into<String>, period: Duration, work: Work) -> Child {
    child(id, Some(period), work)
}

/// A worker whose work lasts as long as the hub.
pub(crate) fn lasting(id: impl Into<String>, work: Work) -> Child {
    child(id, None, work)
}

fn child(id: impl Into<String>, period: Option<Duration>, work: Work) -> Child {
    Child::new(id, move |supervisor| {
        let worker = Worker { work: Arc::clone(&work), period };
        async move { Ok(Actor::spawn_linked(None, worker, (), supervisor).await?.0.get_cell()) }
    })
}
