//! What a subscription missed: told before anything that is live, once, in order and without a gap; or said to be gone, and then nothing of it.
//!
//! Three steps: what is live and has a position is held; what only the journal still holds is read; then, while no pass of the fan-out is
//! under way and without another await, the subscription is told, and let go. Identical questions (a storm asks thousands) are answered from
//! one reading of the backlog, framed once.

use std::{collections::HashMap, future::poll_fn, pin::pin, rc::Rc, task::Poll};

use futures::poll;
use trunkline_actors::{Broadcast, History, Since};
use trunkline_protocol::{
    Topic,
    cable::{Identifier, ServerFrame, Subprotocol, extended::HistoryRequest},
};

use super::{Core, fanout::Composer};
use crate::edge::{
    connection::{Client, Dialect},
    socket::FrameRun,
};

/// What all readings may hold; beyond it the next question begins anew.
const READINGS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What memory no longer holds of each topic, oldest first; `None` where some of it cannot be told.
type Recalled = Option<Vec<(Topic, Vec<Broadcast>)>>;

/// Answers that still hold: until anything new is told on this core, and no longer than a beat of its pulse.
#[derive(Default)]
pub(super) struct Readings {
    known: HashMap<Question, Rc<Reading>>,
    bytes: usize,
}

/// Everything on which an answer depends.
#[derive(PartialEq, Eq, Hash)]
struct Question {
    topic: Topic,
    since: Place,
    identifier: usize,
    dialect: Dialect,
    first: bool,
    last: bool,
}

#[derive(PartialEq, Eq, Hash)]
enum Place {
    After(String, u64),
    Seconds(i64),
}

/// A topic's history since a place, as it is written to a socket; before that of the first topic the confirmation, where it is due, and behind
/// that of the last one, that this was all.
struct Reading {
    /// Kept, because its address is part of the question.
    _identifier: Rc<Identifier>,
    run: FrameRun,
    upto: u64,
}

/// To whom a topic's history is told.
#[derive(Clone, Copy)]
struct Hearer<'a> {
    identifier: &'a Rc<Identifier>,
    dialect: Dialect,
    /// It is the first topic, and the subscription is not confirmed yet: the confirmation goes out with it.
    first: bool,
    /// It is the last topic that was asked for: the word that this was all goes out with it.
    last: bool,
}

/// Everything that was missed of one topic: what the journal still held, and what memory holds.
struct Missed {
    topic: Topic,
    recalled: Option<FrameRun>,
    reading: Rc<Reading>,
}

impl Readings {
    pub(super) fn clear(&mut self) {
        if !self.known.is_empty() {
            *self = Self::default();
        }
    }
    fn keep(&mut self, question: Question, reading: &Rc<Reading>) {
        if self.bytes + reading.run.bytes.len() > READINGS_BYTES_MAX {
            self.clear();
        }
        self.bytes += reading.run.bytes.len();
        self.known.insert(question, reading.clone());
    }
}

impl Core {
    /// Tells a confirmed subscription what it missed, when it is its turn, then says so.
    pub(crate) async fn recover(&self, client: &Client, identifier: &Rc<Identifier>, request: &HistoryRequest) {
        self.caught_up(client).await;
        if client.is_going() {
            return;
        }
        let _turn = self.turnstiles.recover().await;
        self.tell_missed(client, identifier, request, false).await;
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
        let _turn = self.turnstiles.recover().await;
        settle();
        self.tell_missed(client, identifier, request, true).await;
    }
    async fn tell_missed(&self, client: &Client, identifier: &Rc<Identifier>, request: &HistoryRequest, mut unconfirmed: bool) {
        // Until it is told what it missed, it hears nothing that is live.
        self.hold(client, identifier, |topic| since(topic, request).is_some());
        let topics = client.subscriptions.borrow().get(identifier).map(|subscription| subscription.topics.clone());
        let topics = topics.unwrap_or_default();
        let mut reading = pin!(async {
            let recalled = self.recall(&topics, request).await;
            // A pass under way may hold broadcasts for this client that the history holds, too.
            self.between_passes().await;
            recalled
        });
        let at_once = poll!(reading.as_mut());
        if unconfirmed && !matches!(&at_once, Poll::Ready(Some(recalled)) if recalled.iter().all(|(_, read)| read.is_empty())) {
            client.send(&ServerFrame::Confirm(identifier.json()));
            unconfirmed = false;
        }
        let recalled = match at_once {
            Poll::Ready(recalled) => recalled,
            Poll::Pending => reading.await,
        };
        self.tell(client, identifier, request, recalled, unconfirmed);
    }
    /// One history at a time: its frames may exceed what a reader is otherwise allowed to leave waiting. The client's task, in which this runs,
    /// drains the link before it comes back here. A reader of events is sent nothing before it has been told everything it asked for.
    async fn caught_up(&self, client: &Client) {
        if !matches!(client.speaks, Subprotocol::Events(_)) {
            poll_fn(|_| if client.link.is_behind() && !client.is_going() { Poll::Pending } else { Poll::Ready(()) }).await;
        }
    }
    /// Reads what of these topics only the journal still holds.
    async fn recall(&self, topics: &[Topic], request: &HistoryRequest) -> Recalled {
        let mut recalled = Vec::new();
        for topic in topics {
            if let Some(since) = since(topic, request) {
                recalled.push((topic.clone(), self.hub().recall(topic, since).await?));
            }
        }
        Some(recalled)
    }
    fn tell(&self, client: &Client, identifier: &Rc<Identifier>, request: &HistoryRequest, recalled: Recalled, unconfirmed: bool) {
        let topics = match client.subscriptions.borrow().get(identifier) {
            Some(subscription) if subscription.confirmed && client.slot.get() != u32::MAX => subscription.topics.clone(),
            _ => return,
        };
        // A stream that is none of the subscription's cannot be told.
        let known = request.streams.keys().all(|name| topics.iter().any(|topic| topic.name() == name));
        let wanted: Vec<_> = topics.iter().filter_map(|topic| Some((topic, since(topic, request)?))).collect();
        let told: Option<Vec<Missed>> = recalled.filter(|_| known).and_then(|mut recalled| {
            let missed = |(at, (topic, asked)): (usize, &(&Topic, Since<'_>))| {
                let read = recalled.iter_mut().find(|(of, _)| of == *topic).map(|(_, read)| std::mem::take(read));
                let (first, last) = (unconfirmed && at == 0, at + 1 == wanted.len());
                let hearer = Hearer { identifier, dialect: client.dialect(), first, last };
                self.missed(topic, *asked, &read.unwrap_or_default(), hearer)
            };
            wanted.iter().enumerate().map(missed).collect()
        });
        if unconfirmed && told.as_ref().is_none_or(Vec::is_empty) {
            client.send(&ServerFrame::Confirm(identifier.json()));
        }
        let Some(told) = told else {
            self.let_go(client, identifier, |_| false);
            client.send(&ServerFrame::RejectHistory(identifier.json()));
            return;
        };
        self.let_go(client, identifier, |topic| told.iter().any(|missed| missed.topic == *topic));
        for Missed { topic, recalled, reading } in told {
            if let Some(run) = recalled {
                client.link.replay(&run);
            }
            client.link.replay(&reading.run);
            self.table.borrow_mut().catch_up(&topic, client.slot.get(), identifier, reading.upto);
        }
        if wanted.is_empty() {
            client.send(&ServerFrame::ConfirmHistory(identifier.json()));
        }
    }
    /// `None` where some of it is gone.
    fn missed(&self, topic: &Topic, asked: Since<'_>, recalled: &[Broadcast], hearer: Hearer<'_>) -> Option<Missed> {
        let last = recalled.last().and_then(|last| last.offset.as_ref());
        let since = last.map_or(asked, |last| Since::After { epoch: &last.epoch, offset: last.offset });
        let reading = self.reading(topic, since, hearer)?;
        let recalled = last.map(|_| framed(recalled, hearer.identifier, hearer.dialect));
        Some(Missed { topic: topic.clone(), recalled, reading })
    }
    /// Resolves when no pass is under way.
    pub(super) async fn between_passes(&self) {
        while self.table.borrow().is_fanning_out() {
            self.pass_over.notified().await;
        }
    }
    fn reading(&self, topic: &Topic, since: Since<'_>, hearer: Hearer<'_>) -> Option<Rc<Reading>> {
        let Hearer { identifier, dialect, first, last } = hearer;
        let place = match since {
            Since::After { epoch, offset } => Place::After(epoch.to_owned(), offset),
            Since::Seconds(seconds) => Place::Seconds(seconds),
        };
        let question =
            Question { topic: topic.clone(), since: place, identifier: Rc::as_ptr(identifier).addr(), dialect, first, last };
        if let Some(known) = self.readings.borrow().known.get(&question) {
            return Some(known.clone());
        }
        let History::Recovered { broadcasts, upto } = self.hub().history(topic, since) else { return None };
        let mut composer = Composer::default();
        if first {
            composer.add_word(&ServerFrame::Confirm(identifier.json()), dialect.speaks);
        }
        broadcasts.iter().for_each(|broadcast| composer.add(broadcast, identifier, dialect));
        if last {
            composer.add_word(&ServerFrame::ConfirmHistory(identifier.json()), dialect.speaks);
        }
        let reading = Rc::new(Reading { _identifier: identifier.clone(), run: composer.take(), upto });
        self.readings.borrow_mut().keep(question, &reading);
        Some(reading)
    }
}

/// From where the request wants the topic, if it wants it.
fn since<'a>(topic: &Topic, request: &'a HistoryRequest) -> Option<Since<'a>> {
    match request.streams.get(topic.name()) {
        Some(at) => Some(Since::After { epoch: &at.epoch, offset: at.offset }),
        None if request.since > 0 => Some(Since::Seconds(request.since)),
        None => None,
    }
}

pub(super) fn framed(broadcasts: &[Broadcast], identifier: &Rc<Identifier>, dialect: Dialect) -> FrameRun {
    let mut composer = Composer::default();
    broadcasts.iter().for_each(|broadcast| composer.add(broadcast, identifier, dialect));
    composer.take()
}
