//! What each command does. Ignored where the contract asks for silence; otherwise the hub is asked, and the answer framed.

use std::{rc::Rc, time::Duration};

use futures::future::LocalBoxFuture;
use serde_json::{Map, Value};
use tokio::time::timeout;
use tracing::debug;
use trunkline_actors::{Action, Admission, AskError, Leaving, Subscribing};
use trunkline_protocol::{
    cable::{ClientFrame, Data, Identifier, ServerFrame},
    limits,
};

use super::{Client, subscriptions::Asides};
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
        ClientFrame::Subscribe { identifier, .. } => subscribe(core, client, &identifier),
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
        // Answered by the extended protocol; silent in the base one.
        ClientFrame::History { .. }
        | ClientFrame::Whisper { .. }
        | ClientFrame::Join { .. }
        | ClientFrame::Leave { .. }
        | ClientFrame::Presence { .. }
        | ClientFrame::Pong => None,
    }
}

fn subscribe(core: &Rc<Core>, client: &Rc<Client>, text: &str) -> Option<LocalBoxFuture<'static, ()>> {
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
    Some(Box::pin(admit(core.clone(), client.clone(), identifier)))
}

async fn admit(core: Rc<Core>, client: Rc<Client>, identifier: Rc<Identifier>) {
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
    let Admission { topics, greetings, whisper, presence } = admission;
    for greeting in &greetings {
        client.transmit(&identifier, greeting);
    }
    // Attached before confirmed: what is published after the client saw the confirmation is never lost.
    for topic in topics {
        core.follow(&client, &identifier, topic);
    }
    if let Some(subscription) = client.subscriptions.borrow_mut().get_mut(&identifier) {
        subscription.confirmed = true;
        if whisper.is_some() || presence.is_some() {
            subscription.asides = Some(Box::new(Asides { whisper, presence }));
        }
    }
    client.send(&ServerFrame::Confirm(identifier.json()));
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
