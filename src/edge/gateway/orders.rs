//! What a gateway is told beside broadcasts: to send somebody away, to hand somebody over, to count, to empty itself.

use std::sync::Arc;

use actix::{Context, Handler, Message};
use trunkline_protocol::{ConnectionId, Principal, Topic};

use super::{
    Gateway,
    turnstile::{farewells_per_ms, paced},
};
use crate::edge::{connection::Farewell, tickets::Ticket};

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
            let per_ms = farewells_per_ms(clients.len(), core.config().drain_timeout);
            paced(&clients, per_ms, |client| client.dismiss(Farewell::SERVER_RESTART)).await;
        });
    }
}
