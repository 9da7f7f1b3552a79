//! What each command does. Ignored where the contract asks for silence; otherwise the hub is asked, which answers in time whatever a channel
//! does, and the answer framed.

use std::rc::Rc;

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use serde_json::{Map, Value, value::RawValue};
use tracing::debug;
use trunkline_actors::{Action, Admission, AskError, Broadcast, Leaving, Subscribing};
use trunkline_protocol::{
    RefusalKind,
    cable::{
        ClientFrame, Data, Identifier, ServerFrame,
        extended::{HistoryRequest, PresenceRequest},
    },
    limits,
};

use super::{Asides, Client, attending};
use crate::edge::gateway::Core;

/// Reads a message and begins to obey it. `None`: there is nothing to wait for.
pub(super) fn begin(core: &Rc<Core>, client: &Rc<Client>, text: &str) -> Option<LocalBoxFuture<'static, ()>> {
    core.stats().received(text.len());
    core.heard(client);
    let frame = match ClientFrame::read(text) {
        Ok(frame) => frame,
        Err(why) => {
            core.stats().ignored();
            debug!(connection = %client.id, ?why, "frame ignored");
            return None;
        }
    };
    match frame {
        ClientFrame::Subscribe { identifier, history, presence } => {
            subscribe(core, client, &identifier, Wanted { history, presence })
        }
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
            Some(Box::pin(async move { client.unhurried(core.recover(&client, &identifier, &history)).await }))
        }
        ClientFrame::Whisper { identifier, data } => whisper(core, client, &identifier, data),
        ClientFrame::Presence { identifier, records } => {
            attending::tell(core, client, &identifier, records);
            None
        }
        ClientFrame::Join { identifier, presence } => {
            let (identifier, core, client) = (core.known(&identifier)?, core.clone(), client.clone());
            Some(Box::pin(async move { attending::join(&core, &client, &identifier, &presence).await }))
        }
        ClientFrame::Leave { identifier } => {
            let (identifier, core, client) = (core.known(&identifier)?, core.clone(), client.clone());
            Some(Box::pin(async move { attending::leave(&core, &client, &identifier).await }))
        }
        ClientFrame::Pong => None,
    }
}

/// What a client wants beside its subscription.
struct Wanted {
    history: Option<HistoryRequest>,
    presence: Option<PresenceRequest>,
}

/// Tells the others on the subscription's whisper topic, where its channel allows it.
fn whisper(core: &Rc<Core>, client: &Rc<Client>, identifier: &str, data: &RawValue) -> Option<LocalBoxFuture<'static, ()>> {
    let identifier = core.known(identifier)?;
    let topic = client.subscriptions.borrow().get(&identifier)?.asides.as_ref()?.whisper.clone()?;
    let message = Bytes::copy_from_slice(data.get().as_bytes());
    let broadcast = Broadcast { except: Some(client.id), ..Broadcast::new(topic, message) };
    let core = core.clone();
    Some(Box::pin(async move {
        if let Err(error) = core.hub().publish(broadcast, false).await {
            debug!(%error, "whisper lost");
        }
    }))
}

fn subscribe(core: &Rc<Core>, client: &Rc<Client>, text: &str, wanted: Wanted) -> Option<LocalBoxFuture<'static, ()>> {
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
    Some(Box::pin(admit(core.clone(), client.clone(), identifier, wanted)))
}

/// Subscribes and waits for what comes of it: whether the subscription stands. For those who send no commands of their own.
pub(crate) async fn subscribe_now(core: &Rc<Core>, client: &Rc<Client>, text: &str, history: Option<HistoryRequest>) -> bool {
    if let Some(admission) = subscribe(core, client, text, Wanted { history, presence: None }) {
        admission.await;
    }
    let subscriptions = client.subscriptions.borrow();
    core.known(text).is_some_and(|identifier| subscriptions.get(&identifier).is_some_and(|one| one.confirmed))
}

async fn admit(core: Rc<Core>, client: Rc<Client>, identifier: Rc<Identifier>, wanted: Wanted) {
    let admission = match ask(&core, &client, &identifier).await {
        Ok(admission) => admission,
        Err(error) => {
            debug!(connection = %client.id, identifier = identifier.text(), %error, "subscription rejected");
            if matches!(&error, AskError::Refused(refusal) if refusal.kind == RefusalKind::Forbidden) {
                core.shared().identify.denied(core.hub(), &client.who, identifier.channel().unwrap_or_default());
            }
            client.subscriptions.borrow_mut().remove(&identifier);
            client.send(&ServerFrame::Reject(identifier.json()));
            core.forget(identifier);
            return;
        }
    };
    for greeting in &admission.greetings {
        client.transmit(&identifier, greeting);
    }
    // Attached before confirmed: what is published after the client saw the confirmation is never lost.
    match wanted.history {
        None => {
            settle(&core, &client, &identifier, admission);
            client.send(&ServerFrame::Confirm(identifier.json()));
        }
        Some(request) => with_history(&core, &client, &identifier, admission, request).await,
    }
    // Boxed, as most ask for neither this nor a history, and each pays for the size of this future.
    if let Some(presence) = wanted.presence {
        Box::pin(attending::join(&core, &client, &identifier, &presence)).await;
    }
    joined(&core, &client, &identifier).await;
}

/// Confirms a subscription and tells it what it missed.
fn with_history<'a>(
    core: &'a Core,
    client: &'a Client,
    identifier: &'a Rc<Identifier>,
    admission: Admission,
    request: HistoryRequest,
) -> LocalBoxFuture<'a, ()> {
    let settle = || settle(core, client, identifier, admission);
    Box::pin(async move { client.unhurried(core.confirm_and_recover(client, identifier, &request, settle)).await })
}

/// Asks the channel for a place.
pub(super) async fn ask(core: &Core, client: &Client, identifier: &Identifier) -> Result<Admission, AskError> {
    let channel = identifier.channel().unwrap_or_default();
    core.hub().subscribe(channel, subscribing(client, identifier)).await
}

/// Takes the place that was granted: from here on the subscription hears its topics.
pub(super) fn settle(core: &Core, client: &Client, identifier: &Rc<Identifier>, admission: Admission) {
    let Admission { topics, whisper, presence, .. } = admission;
    for topic in topics.into_iter().chain(whisper.clone()) {
        core.follow(client, identifier, topic);
    }
    if let Some(subscription) = client.subscriptions.borrow_mut().get_mut(identifier) {
        subscription.confirmed = true;
        if whisper.is_some() || presence.is_some() {
            subscription.asides = Some(Box::new(Asides { whisper, presence, ..Asides::default() }));
        }
    }
}

/// Lets the channel tell of the arrival.
pub(crate) async fn joined(core: &Core, client: &Client, identifier: &Identifier) {
    let channel = identifier.channel().unwrap_or_default();
    core.hub().joined(channel, subscribing(client, identifier)).await;
}

fn subscribing<'a>(client: &'a Client, identifier: &'a Identifier) -> Subscribing<'a> {
    Subscribing { identifier: identifier.text(), params: identifier.params(), who: &client.who, connection: client.id }
}

async fn unsubscribe(core: Rc<Core>, client: Rc<Client>, identifier: Rc<Identifier>) {
    let Some(subscription) = client.subscriptions.borrow_mut().remove(&identifier) else { return };
    core.detach(&client, &subscription);
    attending::unsubscribed(&core, &client, &subscription).await;
    drop(subscription);
    leave(&core, &client, &identifier).await;
    core.forget(identifier);
}

/// Tells the channel that a subscription has ended; also called for each one when the connection ends.
pub(super) async fn leave(core: &Core, client: &Client, identifier: &Identifier) {
    let Some(channel) = identifier.channel() else { return };
    let leaving = Leaving { identifier: identifier.text(), params: identifier.params(), who: &client.who, connection: client.id };
    core.hub().left(channel, leaving).await;
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
    let performed = match core.hub().perform(channel, action).await {
        Ok(performed) => performed,
        Err(error) => {
            debug!(connection = %client.id, channel, action = name, %error, "action failed");
            return;
        }
    };
    if !(performed.unfollow.is_empty() && performed.follow.is_empty())
        && let Some(subscription) = client.subscriptions.borrow_mut().get_mut(&identifier)
    {
        subscription.moved = true;
    }
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
