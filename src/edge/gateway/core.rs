//! What one core of the edge holds: its seats, its tables, who is arriving; shared by its actor, its pulse and its connections, all on one thread.
//! It sends nothing by itself.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    rc::Rc,
    sync::Arc,
};

use futures::FutureExt as _;
use tokio::sync::Notify;
use tracing::{debug, error};
use trunkline_actors::Hub;
use trunkline_protocol::{Topic, cable::Identifier, limits::TOPICS_MAX};

use super::{pace::Paced, pulse, recovery::readings::Readings, table::Table, turnstile::Turnstiles};
use crate::edge::{
    connection::{Client, Farewell, Subscription},
    server::{ServeConfig, Shared},
    stats::CoreStats,
};

/// What one core of the edge holds; shared by its actor, its pulse and its connections, all on one thread.
pub(crate) struct Core {
    index: usize,
    shared: Arc<Shared>,
    pub(super) table: RefCell<Table>,
    pub(super) paced: RefCell<Vec<Paced>>,
    /// Named and not seated yet: who is sent away meanwhile must hear of it.
    arriving: RefCell<Vec<Rc<Client>>>,
    pub(super) readings: RefCell<Readings>,
    /// How fast those who return at once are let in.
    pub(crate) turnstiles: Turnstiles,
    /// Told at the end of each pass.
    pub(super) pass_over: Notify,
    /// Set while the core is being emptied: nobody is let in any more.
    pub(super) draining: Cell<bool>,
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
    /// Its gateway broke: another takes its place. Whoever is here may have missed something, and is sent away to resume.
    pub(super) fn reopen(self: &Rc<Self>) {
        error!(core = self.index, "the gateway of a core broke; another takes its place");
        self.table.borrow_mut().end_fanout();
        self.pass_over.notify_waiters();
        self.draining.set(self.draining.get() || self.shared.is_stopping());
        self.shared.reenter(self);
        self.clients().iter().for_each(|client| client.dismiss(Farewell::SERVER_RESTART));
    }
    pub(crate) fn index(&self) -> usize {
        self.index
    }
    pub(crate) fn hub(&self) -> &Hub {
        &self.shared.hub
    }
    pub(crate) fn config(&self) -> &ServeConfig {
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
        if subscription.unfollow(topic) {
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
    /// Everybody here, seated or not yet.
    pub(super) fn clients(&self) -> Vec<Rc<Client>> {
        self.table.borrow().clients().chain(&*self.arriving.borrow()).cloned().collect()
    }
}
