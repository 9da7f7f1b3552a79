//! The hold of a subscription that is resumed, or asks for history as it is made: what is live and has a position waits until the client has
//! been told what it missed, however long that takes. Who is resumed and does not ask is let go by the pulse, and told what came since
//! its welcome.

use std::rc::Rc;

use trunkline_actors::{Broadcast, History, Offset, Since};
use trunkline_protocol::{Topic, cable::Identifier};

use super::{Core, recovery::readings::framed};
use crate::edge::connection::{Client, Farewell};

impl Core {
    /// What has a position on these topics of the subscription waits from now on, until it is let go.
    pub(crate) fn hold(&self, client: &Client, identifier: &Rc<Identifier>, which: impl Fn(&Topic) -> bool) {
        let mut subscriptions = client.subscriptions.borrow_mut();
        let Some(subscription) = subscriptions.get_mut(identifier) else { return };
        let wanted: Vec<_> =
            subscription.topics.iter().filter(|topic| which(topic) && subscription.held(topic).is_none()).cloned().collect();
        for topic in wanted {
            if let History::Recovered { upto, .. } = self.hub().history(&topic, Since::Seconds(i64::MAX)) {
                self.table.borrow_mut().catch_up(&topic, client.slot.get(), identifier, u64::MAX);
                subscription.hold(topic, upto);
            }
        }
    }
    /// Lets go of everything that the client has not asked about.
    pub(crate) async fn let_go_of_all(&self, client: &Client) {
        self.between_passes().await;
        if client.held.take() == 0 {
            // It asks, after all.
            return;
        }
        let identifiers: Vec<_> = client.subscriptions.borrow().iter().map(|one| one.identifier.clone()).collect();
        for identifier in identifiers {
            self.let_go(client, &identifier, |_| false);
        }
    }
    /// Lets one subscription go, but for the topics that are about to be told from a place of the client's own. To be called while no pass
    /// is under way.
    pub(super) fn let_go(&self, client: &Client, identifier: &Rc<Identifier>, but: impl Fn(&Topic) -> bool) {
        let held: Vec<_> = match client.subscriptions.borrow_mut().get_mut(identifier) {
            Some(subscription) if client.slot.get() != u32::MAX => {
                let held = subscription.let_go();
                held.into_iter().filter(|(topic, _)| subscription.topics.contains(topic)).collect()
            }
            _ => return,
        };
        for (topic, welcomed) in held.into_iter().filter(|(topic, _)| !but(topic)) {
            let Some((broadcasts, upto)) = self.said_since(&topic, welcomed) else {
                // More was said meanwhile than is kept: no silent hole, but a reader who was too slow to ask.
                return client.dismiss(Farewell::TOO_SLOW);
            };
            client.link.replay(&framed(&broadcasts, identifier, client.dialect()));
            self.table.borrow_mut().catch_up(&topic, client.slot.get(), identifier, upto);
        }
    }
    /// Everything that was said on the topic after this offset, and up to which one that is; `None` where some of it is gone.
    pub(super) fn said_since(&self, topic: &Topic, offset: u64) -> Option<(Vec<Broadcast>, u64)> {
        let History::Recovered { broadcasts, upto } = self.hub().history(topic, Since::Seconds(0)) else { return None };
        let Some(Offset { epoch, .. }) = broadcasts.first().and_then(|first| first.offset.as_ref()) else {
            return (upto <= offset).then(|| (Vec::new(), upto));
        };
        match self.hub().history(topic, Since::After { epoch, offset }) {
            History::Recovered { broadcasts, upto } => Some((broadcasts, upto)),
            History::Gone => None,
        }
    }
    /// A history by time, and everything that came while it waited.
    pub(super) fn and_what_waited(&self, topic: &Topic, mut by_time: Vec<Broadcast>, held: u64) -> History {
        let Some((waited, upto)) = self.said_since(topic, held) else { return History::Gone };
        by_time.retain(|broadcast| broadcast.offset.as_ref().is_some_and(|at| at.offset <= held));
        by_time.extend(waited);
        History::Recovered { broadcasts: by_time, upto }
    }
}
