//! What each command does. Ignored where the contract asks for silence; otherwise the hub is asked, and the answer framed.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use serde_json::{Map, Value, value::RawValue};
use tokio::time::timeout;
use tracing::debug;
use trunkline_actors::{Action, Admission, AskError, Broadcast, Leaving, Subscribing};
use trunkline_protocol::{
    cable::{ClientFrame, Data, Identifier, ServerFrame, extended::HistoryRequest},
    limits,
};

use super::Client;
use crate::edge::gateway::Core;

/// The hub's own deadlines are shorter; this one only guards the connection against a channel that forgot its own.
const DEADLINE: Duration = Duration::from_secs(15);

/// Reads a message and begins to obey it. `None`: there is nothing to wait for.
pub(super) fn begin(core: &Rc<Core>, client: &Rc<Client>, text: &str) -> Option<LocalBoxFuture<'static, ()>> {
    core.stats().received(text.len());
    let frame = match ClientFrame::read(text) {
        Ok(frame) => frame,
        Err(why) => {
            core.stats().ignored();
            debug!(connection = %client.id, ?why, "frame ignored");
            return None;
        }
    };
    match frame {
        ClientFrame::Subscribe { identifier, history, .. } => subscribe(core, client, &identifier, history),
        ClientFrame::Unsubscribe { identifier } => {
            let identifier = core.known(&identifier)?;
            client.subscriptions.borrow().get(&identifier)?;
            Some(Box::pin(unsubscribe(core.clone(), client.clone(), identifier)))
        }
        ClientFrame::Perform { identifier, data } => {
            let identifier = core.known(&identifier)?;
            if !client.subscriptions.borrow().get(&identifier)?.confirmed {
                return None;
            }
            let data = data.open()?;
            Some(Box::pin(perform(core.clone(), client.clone(), identifier, data)))
        }
        ClientFrame::Ping => {
            client.send(&ServerFrame::Pong);
            None
        }
        ClientFrame::History { identifier, history } => {
            let (identifier, core, client) = (core.known(&identifier)?, core.clone(), client.clone());
            Some(Box::pin(async move { core.recover(&client, &identifier, &history).await }))
        }
        ClientFrame::Whisper { identifier, data } => whisper(core, client, &identifier, data),
        ClientFrame::Presence { identifier, .. } => {
            // Nobody's presence is kept here; said, because a client that waits for it would wait for ever (`cable.md` 2.6).
            let identifier = core.known(&identifier).unwrap_or_else(|| Rc::new(Identifier::new(&identifier)));
            let message = br#"{"type":"error","total":0}"#;
            let (identifier, kind) = (identifier.json(), Some("presence"));
            client.send(&ServerFrame::Data { identifier, message, kind, position: None });
            None
        }
        ClientFrame::Join { .. } | ClientFrame::Leave { .. } | ClientFrame::Pong => None,
    }
}

/// Tells the others on the subscription's whisper topic, where its channel allows it.
fn whisper(core: &Rc<Core>, client: &Rc<Client>, identifier: &str, data: &RawValue) -> Option<LocalBoxFuture<'static, ()>> {
    let identifier = core.known(identifier)?;
    let topic = client.subscriptions.borrow().get(&identifier)?.whisper.clone()?;
    let message = Bytes::copy_from_slice(data.get().as_bytes());
    let broadcast = Broadcast { topic, message, offset: None, conflate: None, except: Some(client.id), kind: None };
    let core = core.clone();
    Some(Box::pin(async move {
        if let Err(error) = core.hub().publish(broadcast, false).await {
            debug!(%error, "whisper lost");
        }
    }))
}

fn subscribe(
    core: &Rc<Core>,
    client: &Rc<Client>,
    text: &str,
    history: Option<HistoryRequest>,
) -> Option<LocalBoxFuture<'static, ()>> {
    let reject = |identifier: &Identifier| {
        client.send(&ServerFrame::Reject(identifier.json()));
        None
    };
    if text.len() > limits::IDENTIFIER_BYTES_MAX {
        return reject(&Identifier::new(text));
    }
    let identifier = core.intern(text);
    let (known, full) = {
        let subscriptions = client.subscriptions.borrow();
        (subscriptions.get(&identifier).is_some(), subscriptions.len() >= limits::SUBSCRIPTIONS_MAX)
    };
    if known {
        // Silent: to @anycable/core a second confirmation is a reason to unsubscribe (`cable.md` 1.6.4).
        return None;
    }
    if full || identifier.channel().is_none() {
        reject(&identifier);
        core.forget(identifier);
        return None;
    }
    client.subscriptions.borrow_mut().begin(identifier.clone());
    Some(Box::pin(admit(core.clone(), client.clone(), identifier, history)))
}

async fn admit(core: Rc<Core>, client: Rc<Client>, identifier: Rc<Identifier>, history: Option<HistoryRequest>) {
    let channel = identifier.channel().unwrap_or_default();
    let subscribing =
        Subscribing { identifier: identifier.text(), params: identifier.params(), who: &client.who, connection: client.id };
    let answer = timeout(DEADLINE, core.hub().subscribe(channel, subscribing)).await.unwrap_or(Err(AskError::Deadline));
    let admission = match answer {
        Ok(admission) => admission,
        Err(error) => {
            debug!(connection = %client.id, channel, %error, "subscription rejected");
            client.subscriptions.borrow_mut().remove(&identifier);
            client.send(&ServerFrame::Reject(identifier.json()));
            core.forget(identifier);
            return;
        }
    };
    let Admission { topics, greetings, whisper, .. } = admission;
    for greeting in &greetings {
        client.transmit(&identifier, greeting);
    }
    // Attached before confirmed: what is published after the client saw the confirmation is never lost.
    for topic in topics.into_iter().chain(whisper.clone()) {
        core.follow(&client, &identifier, topic);
    }
    if let Some(subscription) = client.subscriptions.borrow_mut().get_mut(&identifier) {
        subscription.confirmed = true;
        subscription.whisper = whisper;
    }
    client.send(&ServerFrame::Confirm(identifier.json()));
    if let Some(request) = history {
        core.recover(&client, &identifier, &request).await;
    }
    let _ = timeout(DEADLINE, core.hub().joined(channel, subscribing)).await;
}

async fn unsubscribe(core: Rc<Core>, client: Rc<Client>, identifier: Rc<Identifier>) {
    let Some(subscription) = client.subscriptions.borrow_mut().remove(&identifier) else { return };
    core.detach(&client, &subscription);
    drop(subscription);
    leave(&core, &client, &identifier).await;
    core.forget(identifier);
}

/// Tells the channel that a subscription has ended; also called for each one when the connection ends.
pub(super) async fn leave(core: &Core, client: &Client, identifier: &Identifier) {
    let Some(channel) = identifier.channel() else { return };
    let leaving = Leaving { identifier: identifier.text(), params: identifier.params(), who: &client.who, connection: client.id };
    if timeout(DEADLINE, core.hub().left(channel, leaving)).await.is_err() {
        debug!(connection = %client.id, channel, "the channel did not say goodbye in time");
    }
}

async fn perform(core: Rc<Core>, client: Rc<Client>, identifier: Rc<Identifier>, data: Map<String, Value>) {
    let Some(name) = Data::action(&data) else { return };
    let channel = identifier.channel().unwrap_or_default();
    let action = Action {
        identifier: identifier.text(),
        params: identifier.params(),
        name,
        data: &data,
        who: &client.who,
        connection: client.id,
    };
    let answer = timeout(DEADLINE, core.hub().perform(channel, action)).await.unwrap_or(Err(AskError::Deadline));
    let performed = match answer {
        Ok(performed) => performed,
        Err(error) => {
            debug!(connection = %client.id, channel, action = name, %error, "action failed");
            return;
        }
    };
    for topic in performed.unfollow {
        core.unfollow(&client, &identifier, &topic);
    }
    for topic in performed.follow {
        core.follow(&client, &identifier, topic);
    }
    for message in &performed.transmissions {
        client.transmit(&identifier, message);
    }
}
