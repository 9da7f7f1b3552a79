//! What a subscription missed: told before anything that is live, without a gap and nothing twice; or said to be gone, and then nothing of it.
//!
//! Three steps: what only the journal still holds is read first, while the subscription hears nothing yet; then no pass of the fan-out may be
//! under way; then, without another await, it is attached and told. Live broadcasts that the answer already holds are kept from it.

use std::rc::Rc;

use trunkline_actors::{Broadcast, History, Since};
use trunkline_protocol::{
    Topic,
    cable::{Identifier, ServerFrame, extended::HistoryRequest},
};

use super::{Core, fanout};
use crate::edge::connection::Client;

/// What memory no longer holds of each topic, oldest first; `None` where some of it cannot be told.
pub(crate) type Recalled = Option<Vec<(Topic, Vec<Broadcast>)>>;

impl Core {
    /// Reads what of these topics only the journal still holds.
    pub(crate) async fn recall(&self, topics: &[Topic], request: &HistoryRequest) -> Recalled {
        let mut recalled = Vec::new();
        for topic in topics {
            if let Some(since) = since(topic, request) {
                recalled.push((topic.clone(), self.hub().recall(topic, since).await?));
            }
        }
        Some(recalled)
    }
    /// A pass under way may hold broadcasts for a client that its history holds, too.
    pub(crate) async fn quiet(&self) {
        while self.table.borrow().is_fanning_out() {
            tokio::task::yield_now().await;
        }
    }
    /// Answers the history request of a subscription that stands.
    pub(crate) async fn recover_standing(&self, client: &Client, identifier: &Rc<Identifier>, request: &HistoryRequest) {
        let topics = match client.subscriptions.borrow().get(identifier) {
            Some(subscription) if subscription.confirmed => subscription.topics.clone(),
            _ => return,
        };
        let recalled = self.recall(&topics, request).await;
        self.quiet().await;
        self.recover(client, identifier, request, recalled);
    }
    /// Tells a subscription what it missed, then says so. Call when it is [`quiet`](Self::quiet).
    pub(crate) fn recover(&self, client: &Client, identifier: &Rc<Identifier>, request: &HistoryRequest, recalled: Recalled) {
        let topics = match client.subscriptions.borrow().get(identifier) {
            Some(subscription) if subscription.confirmed && client.slot.get() != u32::MAX => subscription.topics.clone(),
            _ => return,
        };
        // A stream that is none of the subscription's cannot be told.
        let known = request.streams.keys().all(|name| topics.iter().any(|topic| topic.name() == name));
        let recovered = recalled.filter(|_| known).and_then(|recalled| self.missed(&topics, request, recalled));
        let Some(recovered) = recovered else {
            self.let_go(client, identifier, |_| false);
            client.send(&ServerFrame::RejectHistory(identifier.json()));
            return;
        };
        self.let_go(client, identifier, |topic| recovered.iter().any(|(told, ..)| told == topic));
        for (topic, broadcasts, upto) in recovered {
            for broadcast in &broadcasts {
                client.link.send(fanout::compose(broadcast, identifier, client.speaks));
            }
            self.table.borrow_mut().catch_up(&topic, client.slot.get(), identifier, upto);
        }
        client.send(&ServerFrame::ConfirmHistory(identifier.json()));
    }
    /// Everything that was missed, topic by topic, each with the offset up to which it speaks; `None` where some of it is gone.
    fn missed(
        &self,
        topics: &[Topic],
        request: &HistoryRequest,
        mut recalled: Vec<(Topic, Vec<Broadcast>)>,
    ) -> Option<Vec<(Topic, Vec<Broadcast>, u64)>> {
        let mut missed = Vec::new();
        for topic in topics {
            let Some(asked) = since(topic, request) else { continue };
            let read = recalled.iter_mut().find(|(of, _)| of == topic).map(|(_, read)| std::mem::take(read));
            let mut all = read.unwrap_or_default();
            let last = all.last().and_then(|last| last.offset.clone());
            let since = last.as_ref().map_or(asked, |last| Since::After { epoch: &last.epoch, offset: last.offset });
            let History::Recovered { broadcasts, upto } = self.hub().history(topic, since) else { return None };
            all.extend(broadcasts);
            missed.push((topic.clone(), all, upto));
        }
        Some(missed)
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
