//! Taking a lost connection up again (`cable.md` 2.1): its ticket is found, each of its channels is asked again, and what they still grant is
//! attached before the welcome.
//!
//! Asking again is what makes it right: whoever may no longer hear something is not resumed there, and a channel that keeps account of its
//! subscribers (its `left` ran when the connection was lost) has the new one in its books. Greetings are not repeated.
//!
//! A resumed subscription is held: what is live and has a position waits until its client has asked for what it missed, so that this comes
//! first and nothing comes twice. One that does not ask is told what is live a few seconds later, from its welcome on.

use std::{rc::Rc, sync::Arc, time::Duration, time::Instant};

use futures::future::join_all;
use tokio::time::{Instant as Deadline, timeout, timeout_at};
use tracing::debug;
use trunkline_actors::Admission;
use trunkline_protocol::{ConnectionId, Principal, cable::Identifier};

use super::{Client, commands};
use crate::edge::{
    gateway::{Core, TakeUp},
    identify::Handshake,
    tickets::{Kept, Ticket},
};

/// How long other cores may take to say whether they still hold the connection.
const TAKE_UP_DEADLINE: Duration = Duration::from_secs(2);
/// How long asking all the channels may take; the client subscribes anew to what was not granted by then.
const READMIT_DEADLINE: Duration = Duration::from_secs(5);
/// Looks of the pulse, one a ping's period, until a client that does not ask is told what is live.
const HELD_LOOKS: u8 = 2;

/// A subscription that its channel has granted again.
pub(crate) struct Readmitted {
    pub identifier: Rc<Identifier>,
    admission: Admission,
    moved: bool,
}

/// Keeps what a lost connection had, for when its client comes back.
pub(crate) fn keep(core: &Core, client: &Client) {
    if client.can_resume() && core.shared().tickets.are_kept() {
        core.shared().tickets.keep(client.id, client.ticket(), Instant::now());
    }
}

/// The ticket of the sid that a client shows, where there is one and the client may have it. The connection may still be there: a client
/// notices a dead line before the hub does. It is closed then.
pub(crate) async fn find(core: &Core, handshake: &Arc<Handshake>) -> Option<Ticket> {
    let shared = core.shared();
    let sid = shown(handshake).filter(|_| shared.tickets.are_kept())?;
    let may: Arc<dyn Fn(&Principal) -> bool + Send + Sync> = {
        let (shared, handshake) = (shared.clone(), handshake.clone());
        Arc::new(move |who| !shared.is_dismissed(who) && shared.identify.may_resume(&shared.hub, who, &handshake))
    };
    if let Some(ticket) = shared.tickets.take(sid, Instant::now(), &*may) {
        return Some(ticket);
    }
    let take_up = TakeUp { sid, may: may.clone() };
    let answers = shared.gateways().into_iter().map(|gateway| {
        let take_up = take_up.clone();
        async move { timeout(TAKE_UP_DEADLINE, gateway.send(take_up)).await.ok()?.ok()? }
    });
    let taken = join_all(answers).await.into_iter().flatten().next();
    // It may have been lost, and its ticket kept, while the others were asked; or its owner sent away.
    taken.or_else(|| shared.tickets.take(sid, Instant::now(), &*may)).filter(|ticket| may(&ticket.who))
}

/// The sid in the header, or else in the query; nothing where it is no sid of ours.
fn shown(handshake: &Handshake) -> Option<ConnectionId> {
    let text = handshake.header("x-anycable-restore-sid").map(str::to_owned).or_else(|| handshake.query("sid"))?;
    let is_ours = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_ours.then(|| u128::from_str_radix(&text, 16).ok()).flatten().map(ConnectionId)
}

/// Asks the channels of a ticket whether they let its client in again.
pub(crate) async fn readmit(core: &Core, client: &Client, subscriptions: Vec<Kept>) -> Vec<Readmitted> {
    let until = Deadline::now() + READMIT_DEADLINE;
    let mut readmitted = Vec::with_capacity(subscriptions.len());
    for Kept { identifier, topics } in subscriptions {
        let identifier = core.intern(&identifier);
        match timeout_at(until, commands::ask(core, client, &identifier)).await {
            Ok(Ok(mut admission)) => {
                let moved = topics.is_some();
                if let Some(topics) = topics {
                    admission.topics = topics.into_vec();
                }
                readmitted.push(Readmitted { identifier, admission, moved });
            }
            refused => {
                debug!(connection = %client.id, identifier = identifier.text(), in_time = refused.is_ok(), "not resumed");
                core.forget(identifier);
            }
        }
    }
    readmitted
}

impl Core {
    /// Attaches what was granted again, and holds it.
    pub(crate) fn reattach(&self, client: &Client, readmitted: Vec<Readmitted>) -> Vec<Rc<Identifier>> {
        let mut identifiers = Vec::with_capacity(readmitted.len());
        for Readmitted { identifier, admission, moved } in readmitted {
            client.subscriptions.borrow_mut().begin(identifier.clone());
            commands::settle(self, client, &identifier, admission);
            if let Some(subscription) = client.subscriptions.borrow_mut().get_mut(&identifier) {
                subscription.moved = moved;
            }
            self.hold(client, &identifier, |_| true);
            identifiers.push(identifier);
        }
        if !identifiers.is_empty() {
            client.held.set(HELD_LOOKS);
        }
        identifiers
    }
}

impl Client {
    fn can_resume(&self) -> bool {
        self.speaks == trunkline_protocol::cable::Subprotocol::Extended
    }
    /// What it has, as it is kept for later.
    pub(crate) fn ticket(&self) -> Ticket {
        let subscriptions = self.subscriptions.borrow();
        let confirmed = subscriptions.iter().filter(|one| one.confirmed);
        let kept = confirmed.map(|one| Kept {
            identifier: one.identifier.text().into(),
            topics: one.moved.then(|| one.topics.iter().cloned().collect()),
        });
        Ticket { who: self.who.clone(), subscriptions: kept.collect() }
    }
    /// While it is told what it missed, the pulse lets nothing go; then it counts anew, for there may be more to ask.
    pub(crate) async fn unhurried(&self, telling: impl Future<Output = ()>) {
        let is_held = self.held.take() > 0;
        telling.await;
        if is_held {
            self.held.set(HELD_LOOKS);
        }
    }
    /// Hands over what it has to the connection on which its client came back, and goes.
    pub(crate) fn hand_over(&self, may: &dyn Fn(&Principal) -> bool) -> Option<Ticket> {
        if !self.can_resume() || self.dismissed().is_some() || !may(&self.who) {
            return None;
        }
        let ticket = self.ticket();
        self.dismiss(super::Farewell::TAKEN_UP);
        Some(ticket)
    }
}
