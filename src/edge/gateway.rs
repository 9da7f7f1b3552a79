//! Gateway: one actix actor per core. It owns this core's sockets and its topic → identifier → slots table; it moves frames and understands none.
//!
//! Broadcasts arrive as batches, are gathered for as long as more come with every turn of the core, and go out in one pass ([`fanout`]):
//! coalescing under load; at rest, no delay but a fraction of what the pass itself will take. Everything else of a core (seats, pulse) lives beside the actor on the same thread, so that a long fan-out delays nobody's ping.
//!
//! # Layout
//! - here: the actor; `core`: what it and everybody else on its thread hold; `table`: who sits where and hears what; `orders`: what it is told
//! - `handover`: how broadcasts arrive; `fanout`: how they go out; `pulse`, `pace`: pings
//! - `recovery`, `holding`: what was missed, and what waits meanwhile; `turnstile`: the pace of a storm

mod core;
mod fanout;
mod handover;
mod holding;
mod orders;
mod pace;
mod pulse;
pub(crate) mod recovery;
mod table;
mod turnstile;

use std::{rc::Rc, time::Duration};

use actix::{Actor, ActorFutureExt as _, Addr, AsyncContext as _, Context, StreamHandler, WrapFuture as _};
use futures::Stream;
use tokio::task::yield_now;

pub(crate) use self::core::Core;
use super::connection::Farewell;
pub(crate) use handover::{Batch, outlet};
pub(crate) use orders::{Dismiss, Drain, Hearers, TakeUp, Whom};
pub(crate) use pace::Pace;
pub(crate) use turnstile::Passage;

/// The actor: it receives, and goes to sleep while a fan-out is under way.
pub(crate) struct Gateway {
    core: Rc<Core>,
    tick: Vec<Batch>,
}

/// Turns of the core for which a pass is put off while every one of them brings more: a burst of sixteen goes out in one write.
const TURNS_MAX: usize = 16;
/// What is waited for each client that a pass will write to; a write takes some fifty times as long.
const PATIENCE_EACH: Duration = Duration::from_nanos(100);
/// The kernel wakes nobody sooner.
const PATIENCE_MIN: Duration = Duration::from_micros(50);
/// However many they are.
const PATIENCE_MAX: Duration = Duration::from_micros(500);

/// How long the rest of a burst is waited for: a fiftieth of what the pass will take, so that nobody notices; the second pass that it
/// spares costs fifty times as much. `None`: it takes less than there is to be spared.
fn patience(hearers: usize) -> Option<Duration> {
    let patience = PATIENCE_EACH.saturating_mul(u32::try_from(hearers).unwrap_or(u32::MAX)).min(PATIENCE_MAX);
    (patience >= PATIENCE_MIN).then_some(patience)
}

impl Gateway {
    /// Starts the gateway of this thread's core; it tells what comes out of `batches`.
    pub(crate) fn open(core: Rc<Core>, batches: impl Stream<Item = Batch> + 'static) -> Addr<Self> {
        Self::create(|context| {
            context.add_stream(batches);
            Self { core, tick: Vec::new() }
        })
    }
    /// Comes back after everybody else on this core; if that brought nothing more, what has gathered is written.
    fn gather(&self, turns: usize, context: &mut Context<Self>) {
        let gathered = self.tick.len();
        if turns == 0 {
            // Whoever woke this thread may have been put aside for it, with more in hand. Shorter than a slice of the pass, so it may block.
            match patience(self.hearers()) {
                Some(patience) => std::thread::sleep(patience),
                None => std::thread::yield_now(),
            }
        }
        let turn = yield_now().into_actor(self).map(move |(), gateway, context| {
            if gateway.tick.len() > gathered && turns < TURNS_MAX {
                gateway.gather(turns + 1, context);
            } else {
                gateway.flush(context);
            }
        });
        context.spawn(turn);
    }
    /// To how many clients a pass would write now.
    fn hearers(&self) -> usize {
        let table = self.core.table.borrow();
        let topics = self.tick.iter().flat_map(|batch| batch.iter()).map(|broadcast| &broadcast.topic);
        topics.map(|topic| table.hearers_of(topic)).max().unwrap_or(0)
    }
    fn flush(&mut self, context: &mut Context<Self>) {
        let tick = std::mem::take(&mut self.tick);
        let core = self.core.clone();
        context.wait(async move { fanout::write(&core, &tick).await }.into_actor(self).map(|(), _, _| ()));
    }
}

impl Actor for Gateway {
    type Context = Context<Self>;
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // A bug of ours, but nobody's sockets have gone with it: they must not stay open and be told nothing.
        if std::thread::panicking() {
            let core = self.core.clone();
            actix_rt::spawn(async move { core.reopen() });
        }
    }
}

impl StreamHandler<Batch> for Gateway {
    fn handle(&mut self, batch: Batch, context: &mut Context<Self>) {
        self.tick.push(batch);
        if self.tick.len() == 1 {
            self.gather(0, context);
        }
    }
    /// The hub hands this core nothing more: it is closed, or it has given the core up. Then it is asked again, and whoever is here, and
    /// may have missed something, is sent away to resume.
    fn finished(&mut self, context: &mut Context<Self>) {
        if self.core.is_draining() {
            return;
        }
        context.add_stream(self.core.shared().attach(self.core.index()));
        self.core.clients().iter().for_each(|client| client.dismiss(Farewell::SERVER_RESTART));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_many_who_hear_it_then_the_rest_of_a_burst_is_waited_for_a_fraction_of_the_pass() {
        let a_write = Duration::from_micros(2);
        for hearers in [500, 1_000, 5_000, 15_000, usize::MAX] {
            let pass = a_write.saturating_mul(u32::try_from(hearers).unwrap_or(u32::MAX));
            let waited = patience(hearers).expect("they are many");
            assert!(waited <= pass / 20 && waited <= PATIENCE_MAX, "{hearers}: {waited:?}");
        }
    }
    #[test]
    fn given_few_who_hear_it_then_nothing_is_waited_for() {
        assert_eq!((patience(0), patience(1), patience(499)), (None, None, None));
    }
}
