//! `SystemChannel`, for those with `system:read`: the hub as it is, latest wins; or, with `{"tap":"c:streams"}`, what that topic tells.

use std::{collections::HashMap, sync::Arc};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::Value;
use tracing::debug;
use trunkline_protocol::{ConnectionId, Refusal, Topic};

use super::{Seen, System};
use crate::{Admission, AskError, Broadcast, Channel, Hub, Leaving, Subscribing, accounts::policy::permission};

/// Whoever watches the hub. Nothing is looked up while nobody does.
#[derive(Debug, Default)]
pub struct SystemChannel {
    watchers: Mutex<HashMap<(ConnectionId, Box<str>), Watched>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Watched {
    Hub,
    Tap(Topic),
}

/// What the watchers are told.
#[derive(serde::Serialize)]
struct Told<'a> {
    action: &'static str,
    #[serde(flatten)]
    seen: &'a Seen,
}

impl SystemChannel {
    /// Tells the watchers how the hub is: `{"action":"system","at":…,"tree":{…},"journal":{…},"append_latency":{…},"rates":{…},"figures":{…}}`.
    pub(super) async fn tell(&self, system: &System, hub: &Hub) {
        if !self.watchers.lock().values().any(|watched| *watched == Watched::Hub) {
            return;
        }
        let message = match serde_json::to_vec(&Told { action: "system", seen: &system.look(hub) }) {
            Ok(message) => message,
            Err(error) => return tracing::error!(%error, "the hub as it is could not be written as JSON"),
        };
        let conflate = Some(Arc::from("system"));
        let broadcast = Broadcast { topic: topic(), message: message.into(), offset: None, conflate, except: None, kind: None };
        if let Err(error) = hub.publish(broadcast, false).await {
            debug!(%error, "the watchers of the system were not told this time");
        }
    }
}

fn topic() -> Topic {
    Topic::channel("system")
}

/// What a subscription watches; its identifier says it.
fn watched(params: &serde_json::Map<String, Value>) -> Result<Watched, Refusal> {
    match params.get("tap") {
        None | Some(Value::Null) => Ok(Watched::Hub),
        Some(Value::String(address)) => Topic::from_address(address).map(Watched::Tap).ok_or_else(no_address),
        Some(_) => Err(no_address()),
    }
}

fn no_address() -> Refusal {
    Refusal::field("tap", "is not the address of a topic")
}

impl Channel for Arc<SystemChannel> {
    fn name(&self) -> &'static str {
        "SystemChannel"
    }
    fn admit<'a>(&'a self, subscribing: Subscribing<'a>, hub: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async move {
            subscribing.who.require(permission::SYSTEM_READ)?;
            let watched = watched(subscribing.params)?;
            let heard = match &watched {
                Watched::Hub => topic(),
                Watched::Tap(tapped) => hub.tap(tapped)?,
            };
            let before = self.watchers.lock().insert((subscribing.connection, subscribing.identifier.into()), watched);
            // A subscription that was never said goodbye to: its tap must not be counted twice.
            if let Some(Watched::Tap(tapped)) = before {
                hub.untap(&tapped);
            }
            Ok(Admission::to([heard]))
        })
    }
    fn left<'a>(&'a self, leaving: Leaving<'a>, hub: &'a Hub) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let gone = self.watchers.lock().remove(&(leaving.connection, leaving.identifier.into()));
            if let Some(Watched::Tap(tapped)) = gone {
                hub.untap(&tapped);
            }
        })
    }
}
