//! What a subscription missed: told before anything that is live, once, in order and without a gap; or said to be gone, and then nothing of it.
//!
//! What is live and has a position is held. What only the journal still holds is told in portions, the next one when the client has read
//! the last, however slowly. Then, while no pass of the fan-out is under way and without another await, the subscription is told what memory
//! holds, and let go.
//!
//! # Layout
//! - here: the order of it all
//! - `readings`: identical questions are answered from one reading

pub(super) mod readings;

use std::{future::poll_fn, pin::pin, rc::Rc, task::Poll, time::Duration};

use futures::poll;
use tokio::time::timeout;
use trunkline_actors::Since;
use trunkline_protocol::{
    Topic,
    cable::{Identifier, ServerFrame, Subprotocol, extended::HistoryRequest},
    limits::RECALL_BYTES_MAX,
};

use super::{Core, turnstile::Passage};
use crate::edge::connection::{Client, Farewell};
use readings::{Hearer, Part, Reading};

/// How long a reader may take for one portion of a history.
const PORTION_DEADLINE: Duration = Duration::from_secs(60);

/// A topic, and from where on it is still to be told.
type Wanted<'a> = (Topic, Since<'a>);
/// The next portions of what only the journal holds, each with its place among what is wanted; `None` where one cannot be told.
type Portions = Option<Vec<(usize, Rc<Reading>)>>;

/// What came of telling what memory holds.
enum Told {
    Whole,
    /// Of some topic memory does not hold all that is wanted.
    NotWhole,
    /// There is nobody to be told any more.
    Nobody,
}

impl Core {
    /// Tells a confirmed subscription what it missed, when it is its turn, then says so.
    pub(crate) async fn recover(&self, client: &Client, identifier: &Rc<Identifier>, request: &HistoryRequest) {
        self.caught_up(client).await;
        if client.is_going() {
            return;
        }
        let turn = self.turnstiles.recover().await;
        self.tell_missed(client, identifier, request, false, turn).await;
    }
    /// The same for a subscription that is being made, and that `settle` attaches: it is confirmed and told in one write, unless there is
    /// something to be waited for.
    pub(crate) async fn confirm_and_recover(
        &self,
        client: &Client,
        identifier: &Rc<Identifier>,
        request: &HistoryRequest,
        settle: impl FnOnce(),
    ) {
        self.caught_up(client).await;
        // A pass under way may still tell things under the name of a subscription that ended a moment ago.
        self.between_passes().await;
        let turn = self.turnstiles.recover().await;
        settle();
        self.tell_missed(client, identifier, request, true, turn).await;
    }
    async fn tell_missed(
        &self,
        client: &Client,
        identifier: &Rc<Identifier>,
        request: &HistoryRequest,
        mut unconfirmed: bool,
        mut turn: Passage,
    ) {
        // Until it is told what it missed, it hears nothing that is live.
        self.hold(client, identifier, |topic| since(topic, request).is_some());
        let epoch = self.hub().epoch();
        let Some(mut wanted) = wanted(client, identifier, request) else { return };
        // A stream that is none of the subscription's cannot be told.
        if !request.streams.keys().all(|name| wanted.iter().any(|(topic, _)| topic.name() == name)) {
            return self.reject(client, identifier, unconfirmed);
        }
        let hearer = Hearer { identifier, dialect: client.dialect() };
        let (mut told_bytes, mut looked_again) = (0, false);
        loop {
            match self.next_portions(client, &wanted, hearer, &mut unconfirmed).await {
                Some(portions) if portions.is_empty() => match self.tell(client, &wanted, hearer, unconfirmed) {
                    Told::Whole | Told::Nobody => return,
                    // More may have been said meanwhile than memory holds.
                    Told::NotWhole if !looked_again => looked_again = true,
                    Told::NotWhole => break,
                },
                Some(portions) => {
                    looked_again = false;
                    for (at, portion) in portions {
                        told_bytes += portion.run.bytes.len();
                        client.link.replay(&portion.run);
                        wanted[at].1 = Since::After { epoch: &epoch, offset: portion.upto };
                    }
                    drop(turn);
                    self.take_its_time(client, told_bytes).await;
                    turn = self.turnstiles.recover().await;
                }
                None => break,
            }
            if client.is_going() {
                return;
            }
        }
        match told_bytes {
            0 => self.reject(client, identifier, unconfirmed),
            // Some of it was told, so it cannot be said to be gone; the client comes back, and goes on from there.
            _ => client.dismiss(Farewell::TOO_SLOW),
        }
        drop(turn);
    }
    /// One history at a time: its frames may exceed what a reader is otherwise allowed to leave waiting. The client's task, in which this runs,
    /// drains the link before it comes back here. A reader of events is sent nothing before it has been told everything it asked for.
    async fn caught_up(&self, client: &Client) {
        if !matches!(client.speaks, Subprotocol::Events(_)) {
            poll_fn(|_| if client.link.is_behind() && !client.is_going() { Poll::Pending } else { Poll::Ready(()) }).await;
        }
    }
    /// Waits until the client has read a portion. A reader of events comes back for what is too much to be kept for it.
    async fn take_its_time(&self, client: &Client, told_bytes: usize) {
        let too_much = matches!(client.speaks, Subprotocol::Events(_)) && told_bytes > RECALL_BYTES_MAX;
        if too_much || timeout(PORTION_DEADLINE, self.caught_up(client)).await.is_err() {
            client.dismiss(Farewell::TOO_SLOW);
        }
    }
    /// The same as [`Core::portions`]. Where there is something to be waited for, or anything is to be told before the rest, the subscription
    /// is confirmed first.
    async fn next_portions(&self, client: &Client, wanted: &[Wanted<'_>], hearer: Hearer<'_>, unconfirmed: &mut bool) -> Portions {
        let mut reading = pin!(self.portions(wanted, hearer));
        let at_once = poll!(reading.as_mut());
        if *unconfirmed && !matches!(&at_once, Poll::Ready(Some(portions)) if portions.is_empty()) {
            client.send(&ServerFrame::Confirm(hearer.identifier.json()));
            *unconfirmed = false;
        }
        match at_once {
            Poll::Ready(portions) => portions,
            Poll::Pending => reading.await,
        }
    }
    /// Reads what of these topics only the journal still holds, not more than fits an outbox. Where that is nothing, no pass of the fan-out is
    /// under way.
    async fn portions(&self, wanted: &[Wanted<'_>], hearer: Hearer<'_>) -> Portions {
        let (mut portions, mut bytes) = (Vec::new(), 0);
        for (at, (topic, since)) in wanted.iter().enumerate() {
            if let Some(portion) = self.recalled(topic, *since, hearer).await.ok()? {
                bytes += portion.run.bytes.len();
                portions.push((at, portion));
            }
            if bytes > RECALL_BYTES_MAX {
                break;
            }
        }
        // A pass under way may hold broadcasts for this client that the history holds, too.
        self.between_passes().await;
        Some(portions)
    }
    /// Tells what memory holds, and lets the subscription go.
    fn tell(&self, client: &Client, wanted: &[Wanted<'_>], hearer: Hearer<'_>, unconfirmed: bool) -> Told {
        let identifier = hearer.identifier;
        if !stands(client, identifier) {
            return Told::Nobody;
        }
        let read = wanted.iter().enumerate().map(|(at, (topic, since))| {
            let held = client.subscriptions.borrow().get(identifier).and_then(|subscription| subscription.held(topic));
            let part = Part::Memory { first: unconfirmed && at == 0, last: at + 1 == wanted.len(), held };
            self.remembered(topic, *since, part, hearer)
        });
        let Some(read) = read.collect::<Option<Vec<_>>>() else { return Told::NotWhole };
        if read.is_empty() && unconfirmed {
            client.send(&ServerFrame::Confirm(identifier.json()));
        }
        self.let_go(client, identifier, |topic| wanted.iter().any(|(told, _)| told == topic));
        if read.is_empty() {
            client.send(&ServerFrame::ConfirmHistory(identifier.json()));
        }
        for ((topic, _), reading) in wanted.iter().zip(read) {
            client.link.replay(&reading.run);
            self.table.borrow_mut().catch_up(topic, client.slot.get(), identifier, reading.upto);
        }
        Told::Whole
    }
    /// Says that some of it is gone, and tells what is live from now on.
    fn reject(&self, client: &Client, identifier: &Rc<Identifier>, unconfirmed: bool) {
        if !stands(client, identifier) {
            return;
        }
        if unconfirmed {
            client.send(&ServerFrame::Confirm(identifier.json()));
        }
        self.let_go(client, identifier, |_| false);
        client.send(&ServerFrame::RejectHistory(identifier.json()));
    }
    /// Resolves when no pass is under way.
    pub(super) async fn between_passes(&self) {
        while self.table.borrow().is_fanning_out() {
            self.pass_over.notified().await;
        }
    }
}

/// Whether there is somebody to be told.
fn stands(client: &Client, identifier: &Rc<Identifier>) -> bool {
    client.slot.get() != u32::MAX && client.subscriptions.borrow().get(identifier).is_some_and(|one| one.confirmed)
}

/// What the request wants of the subscription's topics; `None` where there is no subscription.
fn wanted<'a>(client: &Client, identifier: &Rc<Identifier>, request: &'a HistoryRequest) -> Option<Vec<Wanted<'a>>> {
    let subscriptions = client.subscriptions.borrow();
    let topics = &subscriptions.get(identifier)?.topics;
    Some(topics.iter().filter_map(|topic| Some((topic.clone(), since(topic, request)?))).collect())
}

/// From where the request wants the topic, if it wants it.
fn since<'a>(topic: &Topic, request: &'a HistoryRequest) -> Option<Since<'a>> {
    match request.streams.get(topic.name()) {
        Some(at) => Some(Since::After { epoch: &at.epoch, offset: at.offset }),
        None if request.since > 0 => Some(Since::Seconds(request.since)),
        None => None,
    }
}
