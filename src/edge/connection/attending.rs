//! Presence, as a client asks for it (`cable.md` 2.6): join, leave, who is there. The names themselves are the hub's
//! [`Attendance`](trunkline_actors::Attendance).

use std::rc::Rc;

use tracing::debug;
use trunkline_actors::NotJoined;
use trunkline_protocol::{
    Topic,
    cable::{
        Identifier, ServerFrame,
        extended::{PresenceMessage, PresenceRequest},
    },
};

use super::{Client, Subscription};
use crate::edge::gateway::Core;

/// Joins under a name. Silent where the channel keeps no presence, and where the connection is there under another name already.
pub(super) async fn join(core: &Core, client: &Client, identifier: &Rc<Identifier>, who: &PresenceRequest) {
    let Some(topic) = topic(client, identifier) else { return };
    match core.hub().attendance().join(core.hub(), &topic, client.id, who).await {
        Ok(()) => {
            if let Some(asides) = client.subscriptions.borrow_mut().asides_mut(identifier) {
                asides.present = true;
            }
        }
        Err(NotJoined::AnotherName) => debug!(connection = %client.id, topic = topic.as_str(), "presence id mismatch"),
        Err(NotJoined::Full) => say(client, identifier, &PresenceMessage::Error.to_json()),
    }
}

/// Leaves, if it has joined.
pub(super) async fn leave(core: &Core, client: &Client, identifier: &Rc<Identifier>) {
    let left = client.subscriptions.borrow_mut().asides_mut(identifier).is_some_and(|asides| std::mem::take(&mut asides.present));
    if let (true, Some(topic)) = (left, topic(client, identifier)) {
        give_up(core, client, &topic).await;
    }
}

/// The subscription is gone, and its presence with it.
pub(super) async fn unsubscribed(core: &Core, client: &Client, subscription: &Subscription) {
    if let Some(topic) = subscription.attends() {
        give_up(core, client, topic).await;
    }
}

/// Tells who is there. An error is said, too: a client that waits for it would wait for ever.
pub(super) fn tell(core: &Core, client: &Client, identifier: &str, records: bool) {
    let identifier = core.known(identifier).unwrap_or_else(|| Rc::new(Identifier::new(identifier)));
    let message = match topic(client, &identifier) {
        Some(topic) => core.hub().attendance().info(&topic, records),
        None => PresenceMessage::Error.to_json(),
    };
    say(client, &identifier, &message);
}

/// Where the confirmed subscription's presence is kept.
fn topic(client: &Client, identifier: &Rc<Identifier>) -> Option<Topic> {
    client.subscriptions.borrow().get(identifier)?.asides.as_ref()?.presence.clone()
}

/// Leaves the topic, unless another subscription of the same client is present there.
async fn give_up(core: &Core, client: &Client, topic: &Topic) {
    let elsewhere = client.subscriptions.borrow().iter().any(|other| other.attends() == Some(topic));
    if !elsewhere {
        core.hub().attendance().leave(core.hub(), topic, client.id).await;
    }
}

fn say(client: &Client, identifier: &Identifier, message: &str) {
    let (identifier, message) = (identifier.json(), message.as_bytes());
    client.send(&ServerFrame::Data { identifier, message, kind: Some("presence"), position: None });
}
