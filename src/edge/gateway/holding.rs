//! The hold of a subscription that is resumed, or asks for history as it is made: what is live and has a position waits until the client has
//! been told what it missed, however long that takes. Who is resumed and does not ask is let go by the pulse, and told what came since
//! its welcome.

use std::rc::Rc;

use trunkline_actors::{History, Offset, Since};
use trunkline_protocol::{Topic, cable::Identifier};

use super::{Core, recovery::readings::framed};
use crate::edge::connection::{Client, Farewell};

impl Core {
    /// What has a position on these topics of the subscription waits from now on, until it is let go.
    pub(crate) fn hold(&self, client: &Client, identifier: &Rc<Identifier>, which: impl Fn(&Topic) -> bool) {
        let mut subscriptions = client.subscriptions.borrow_mut();
        let Some(subscription) = subscriptions.get_mut(identifier) else { return };
        let wanted: Vec<_> =
            subscription.topics.iter().filter(|topic| which(topic) && !subscription.holds(topic)).cloned().collect();
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
            let History::Recovered { broadcasts, upto } = self.hub().history(&topic, Since::Seconds(0)) else { continue };
            let Some(Offset { epoch, .. }) = broadcasts.first().and_then(|first| first.offset.as_ref()) else {
                self.table.borrow_mut().catch_up(&topic, client.slot.get(), identifier, upto);
                continue;
            };
            let History::Recovered { broadcasts, upto } = self.hub().history(&topic, Since::After { epoch, offset: welcomed })
            else {
                // More was said meanwhile than is kept: no silent hole, but a reader who was too slow to ask.
                return client.dismiss(Farewell::TOO_SLOW);
            };
            client.link.replay(&framed(&broadcasts, identifier, client.dialect()));
            self.table.borrow_mut().catch_up(&topic, client.slot.get(), identifier, upto);
        }
    }
}
