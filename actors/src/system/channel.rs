//! `SystemChannel`: the supervision tree and the hub's figures, for those with `system:read`. Read only, latest wins.

use std::{collections::HashSet, sync::Arc};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::json;
use tracing::debug;
use trunkline_protocol::{ConnectionId, Topic};

use super::System;
use crate::{Admission, AskError, Broadcast, Channel, Hub, Leaving, Subscribing, accounts::policy::permission};

/// Whoever watches the hub. Nothing is looked up while nobody does.
#[derive(Debug, Default)]
pub struct SystemChannel {
    watchers: Mutex<HashSet<(ConnectionId, Box<str>)>>,
}

impl SystemChannel {
    /// Tells the watchers how the hub is: `{"action":"system","at":…,"tree":{…},"figures":{…}}`.
    pub(super) async fn tell(&self, system: &System, hub: &Hub) {
        if self.watchers.lock().is_empty() {
            return;
        }
        let seen = system.look(hub);
        let message = json!({"action": "system", "at": seen.at, "tree": seen.tree, "figures": seen.figures});
        let broadcast = Broadcast {
            topic: topic(),
            message: message.to_string().into(),
            offset: None,
            conflate: Some(Arc::from("system")),
            except: None,
            kind: None,
        };
        if let Err(error) = hub.publish(broadcast, false).await {
            debug!(%error, "the watchers of the system were not told this time");
        }
    }
}

fn topic() -> Topic {
    Topic::channel("system")
}

impl Channel for Arc<SystemChannel> {
    fn name(&self) -> &'static str {
        "SystemChannel"
    }
    fn admit<'a>(&'a self, subscribing: Subscribing<'a>, _hub: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async move {
            subscribing.who.require(permission::SYSTEM_READ)?;
            self.watchers.lock().insert((subscribing.connection, subscribing.identifier.into()));
            Ok(Admission::to([topic()]))
        })
    }
    fn left<'a>(&'a self, leaving: Leaving<'a>, _hub: &'a Hub) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.watchers.lock().remove(&(leaving.connection, leaving.identifier.into()));
        })
    }
}
