//! Gateway: one actix actor per core. It owns this core's sockets and its topic → identifier → slots table; it moves frames and understands none.
//!
//! Broadcasts arrive as batches, are gathered for as long as more come with every turn of the core, and go out in one pass ([`fanout`]):
//! coalescing under load; at rest, no delay but a fraction of what the pass itself will take. Everything else of a core (seats, pulse) lives beside the actor on the same thread, so that a long fan-out delays nobody's ping.

mod fanout;
mod handover;
mod holding;
mod pace;
mod pulse;
pub(crate) mod recovery;
mod table;
mod turnstile;

use std::{
    cell::{Cell, RefCell},
    future::Future,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix::{Actor, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler, Message, StreamHandler, WrapFuture as _};
use futures::{FutureExt as _, Stream};
use tokio::{sync::Notify, task::yield_now};
use tracing::debug;
use trunkline_actors::Hub;
use trunkline_protocol::{ConnectionId, Principal, Topic, cable::Identifier, limits::TOPICS_MAX};

use super::{
    connection::{Client, Farewell, Subscription},
    server::Shared,
    stats::CoreStats,
    tickets::Ticket,
};
use handover::Batch;
pub(crate) use handover::outlet;
pub(crate) use pace::Pace;
use pace::Paced;
use recovery::readings::Readings;
use table::Table;
use turnstile::{Turnstiles, farewells_per_ms};

/// What one core of the edge holds; shared by its actor, its pulse and its connections, all on one thread.
pub(crate) struct Core {
    index: usize,
    shared: Arc<Shared>,
    table: RefCell<Table>,
    paced: RefCell<Vec<Paced>>,
    /// Named and not seated yet: who is sent away meanwhile must hear of it.
    arriving: RefCell<Vec<Rc<Client>>>,
    readings: RefCell<Readings>,
    /// How fast those who return at once are let in.
    pub(crate) turnstiles: Turnstiles,
    /// Told at the end of each pass.
    pass_over: Notify,
    /// Set while the core is being emptied: nobody is let in any more.
    draining: Cell<bool>,
}

impl Core {
    pub(crate) fn new(index: usize, shared: Arc<Shared>) -> Rc<Self> {
        let core = Rc::new(Self {
            index,
            shared,
            table: RefCell::default(),
            paced: RefCell::default(),
            arriving: RefCell::default(),
            readings: RefCell::default(),
            turnstiles: Turnstiles::default(),
            pass_over: Notify::new(),
            draining: Cell::new(false),
        });
        pulse::start(&core);
        core
    }
    pub(crate) fn hub(&self) -> &Hub {
        &self.shared.hub
    }
    pub(crate) fn config(&self) -> &super::ServeConfig {
        &self.shared.config
    }
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
    pub(crate) fn stats(&self) -> &CoreStats {
        self.shared.stats.core(self.index)
    }
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }
    /// A client that is named, and has to wait for its seat.
    pub(crate) fn expect(&self, client: &Rc<Client>) {
        self.arriving.borrow_mut().push(client.clone());
    }
    /// Gives a welcomed client its seat.
    pub(crate) fn join(&self, client: &Rc<Client>) {
        self.arriving.borrow_mut().retain(|one| !Rc::ptr_eq(one, client));
        let slot = self.table.borrow_mut().seat(client.clone());
        client.slot.set(slot);
        client.link.seat(slot);
        self.heard(client);
        self.stats().joined();
        if self.is_draining() {
            client.dismiss(Farewell::SERVER_RESTART);
        }
    }
    /// Takes it back. Broadcasts no longer reach the client; its subscriptions are still to be left.
    /// False: it had none (any more).
    pub(crate) fn leave(&self, client: &Client) -> bool {
        let slot = client.slot.replace(u32::MAX);
        if slot == u32::MAX {
            return false;
        }
        client.link.unseat();
        let mut table = self.table.borrow_mut();
        for subscription in client.subscriptions.borrow().iter() {
            for topic in &subscription.topics {
                table.detach(topic, &subscription.identifier, client.dialect(), slot);
            }
        }
        table.unseat(slot, client.id);
        self.stats().left();
        true
    }
    /// Notes a sign of life, where signs of life are asked for.
    pub(crate) fn heard(&self, client: &Client) {
        if self.config().pong_timeout.is_some() {
            client.heard.set(pulse::seconds(self.hub().clock().now()));
        }
    }
    /// Its socket is closed: there is room for another.
    pub(crate) fn gone(&self) {
        self.shared.release();
    }
    /// Work that outlives its connection; the edge does not stop before it is done.
    pub(crate) fn outlive(&self, work: impl Future<Output = ()> + 'static) {
        let at_work = self.shared.at_work();
        actix_rt::spawn(work.map(move |()| drop(at_work)));
    }

    /// The one identifier of this text on this core.
    pub(crate) fn intern(&self, text: &str) -> Rc<Identifier> {
        self.table.borrow_mut().intern(text)
    }
    /// The same, where anybody here has subscribed to it.
    pub(crate) fn known(&self, text: &str) -> Option<Rc<Identifier>> {
        self.table.borrow().known(text)
    }
    /// A subscription of this name has ended; the last one takes the name with it.
    pub(crate) fn forget(&self, identifier: Rc<Identifier>) {
        self.table.borrow_mut().forget(identifier);
    }
    /// From now on the subscription hears `topic`; once, however often it is asked.
    pub(crate) fn follow(&self, client: &Client, identifier: &Rc<Identifier>, topic: Topic) {
        let mut subscriptions = client.subscriptions.borrow_mut();
        let Some(subscription) = subscriptions.get_mut(identifier) else { return };
        if client.slot.get() == u32::MAX || subscription.topics.contains(&topic) {
            return;
        }
        if subscription.topics.len() >= TOPICS_MAX {
            debug!(connection = %client.id, identifier = identifier.text(), topic = topic.as_str(), "too many topics: not followed");
            return;
        }
        self.table.borrow_mut().attach(topic.clone(), identifier, client.dialect(), client.slot.get());
        subscription.topics.push(topic);
    }
    /// It no longer hears it.
    pub(crate) fn unfollow(&self, client: &Client, identifier: &Rc<Identifier>, topic: &Topic) {
        let mut subscriptions = client.subscriptions.borrow_mut();
        let Some(subscription) = subscriptions.get_mut(identifier) else { return };
        if let Some(at) = subscription.topics.iter().position(|one| one == topic) {
            subscription.topics.remove(at);
            self.table.borrow_mut().detach(topic, identifier, client.dialect(), client.slot.get());
        }
    }
    /// It hears nothing any more.
    pub(crate) fn detach(&self, client: &Client, subscription: &Subscription) {
        let mut table = self.table.borrow_mut();
        for topic in &subscription.topics {
            table.detach(topic, &subscription.identifier, client.dialect(), client.slot.get());
        }
    }
    fn clients(&self) -> Vec<Rc<Client>> {
        self.table.borrow().clients().chain(&*self.arriving.borrow()).cloned().collect()
    }
}

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

impl StreamHandler<Batch> for Gateway {
    fn handle(&mut self, batch: Batch, context: &mut Context<Self>) {
        self.tick.push(batch);
        if self.tick.len() == 1 {
            self.gather(0, context);
        }
    }
    fn finished(&mut self, _: &mut Context<Self>) {
        // The hub is closed; clients are still to be sent away.
    }
}

/// Whom something concerns.
pub(crate) type Whom = dyn Fn(&Principal) -> bool + Send + Sync;

/// Sends away every client of whom this is true.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub(crate) struct Dismiss {
    pub whom: Arc<Whom>,
    pub farewell: Farewell,
}

impl Handler<Dismiss> for Gateway {
    type Result = ();
    fn handle(&mut self, dismiss: Dismiss, _: &mut Context<Self>) {
        // On every core, after what it has already lost and before what it loses later: nobody slips through with a ticket.
        self.core.shared().tickets.revoke(&*dismiss.whom);
        for client in self.core.clients() {
            if (dismiss.whom)(&client.who) {
                client.dismiss(dismiss.farewell);
            }
        }
    }
}

/// Asks for what the connection `sid` has, if it is here and may be taken up by whoever asks.
#[derive(Message, Clone)]
#[rtype(result = "Option<Ticket>")]
pub(crate) struct TakeUp {
    pub sid: ConnectionId,
    pub may: Arc<Whom>,
}

impl Handler<TakeUp> for Gateway {
    type Result = actix::MessageResult<TakeUp>;
    fn handle(&mut self, take_up: TakeUp, _: &mut Context<Self>) -> Self::Result {
        let table = self.core.table.borrow();
        let client = table.slot_of(take_up.sid).and_then(|slot| table.client(slot));
        actix::MessageResult(client.and_then(|client| client.hand_over(&*take_up.may)))
    }
}

/// Says how many subscriptions hear each topic here.
#[derive(Message, Clone, Copy)]
#[rtype(result = "Vec<(Topic, usize)>")]
pub(crate) struct Hearers;

impl Handler<Hearers> for Gateway {
    type Result = actix::MessageResult<Hearers>;
    fn handle(&mut self, _: Hearers, _: &mut Context<Self>) -> Self::Result {
        actix::MessageResult(self.core.table.borrow().hearers())
    }
}

/// Lets nobody in any more and sends everybody away, so many at a time.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub(crate) struct Drain;

impl Handler<Drain> for Gateway {
    type Result = ();
    fn handle(&mut self, _: Drain, _: &mut Context<Self>) {
        self.core.draining.set(true);
        let core = self.core.clone();
        actix_rt::spawn(async move {
            let clients = core.clients();
            for some in clients.chunks(farewells_per_ms(clients.len(), core.config().drain_timeout)) {
                for client in some {
                    client.dismiss(Farewell::SERVER_RESTART);
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
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
