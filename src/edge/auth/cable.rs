//! Who opens a cable, whether they may take up a lost one, and who is shown the gate.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::sync::broadcast::error::RecvError;
use trunkline_actors::{
    Clock, Hub,
    accounts::{
        Accounts,
        audit::{Act, Denials},
    },
};
use trunkline_protocol::Principal;

use super::{
    Auth, Parts, Unauthenticated,
    credential::{credential, in_query},
};
use crate::edge::{Gate, Handshake, Identify, Unidentified};

/// How often sockets are checked against what no revocation tells: a key's own end.
const RECHECK_PERIOD: Duration = Duration::from_secs(30);

/// Names the clients of `/cable`: cookie, `token`, `jwt` or `api_key` in the query, header; the first found counts (`streams.md` 8.1).
pub struct CableDoor {
    /// By which they are named.
    pub auth: Arc<Auth>,
    /// Whoever shows nothing may come in and read what is public (`streams.md` C20).
    pub public: bool,
}

impl CableDoor {
    fn shown(handshake: &Handshake) -> Result<String, Unauthenticated> {
        let cookie = handshake.cookie("jwt_token").map(|value| value.trim_matches('"')).filter(|value| !value.is_empty());
        if let Some(token) = cookie {
            return Ok(token.to_owned());
        }
        let query = handshake.uri.query().unwrap_or_default();
        in_query(query).map_or_else(|| credential(&Parts { headers: &handshake.headers, query, cookie: false }), Ok)
    }
    async fn name(&self, handshake: &Handshake) -> Result<Principal, Unidentified> {
        let named = match Self::shown(handshake) {
            Ok(shown) => self.auth.meet(&shown).await,
            Err(nothing) => Err(nothing),
        };
        match named {
            Err(Unauthenticated::Missing) if self.public => Ok(Principal::anonymous()),
            Err(Unauthenticated::Missing | Unauthenticated::Invalid) => Err(Unidentified::Unauthorized),
            Err(Unauthenticated::Expired) => Err(Unidentified::TokenExpired),
            Ok(who) => Ok(who),
        }
    }
}

impl Identify for CableDoor {
    fn identify<'a>(&'a self, _: &'a Hub, handshake: &'a Handshake) -> BoxFuture<'a, Result<Principal, Unidentified>> {
        Box::pin(self.name(handshake))
    }
    fn may_resume(&self, hub: &Hub, who: &Principal, handshake: &Handshake) -> bool {
        let shown = Self::shown(handshake).and_then(|shown| self.auth.of_credential(&shown));
        let is_another = shown.is_ok_and(|shown| shown.identifiers() != who.identifiers());
        !is_another && self.auth.accounts.still_stands(who, hub.clock().now())
    }
    fn denied(&self, hub: &Hub, who: &Principal, channel: &str) {
        hub.provided::<Denials>().note(Act::of(who, "access.denied", format_args!("subscribe {channel}")));
    }
}

/// Shows the gate to whoever is revoked, as soon as it is durable, for as long as the hub lives. Spawned once, beside the server.
pub async fn watch(accounts: Arc<Accounts>, clock: Clock, gate: Gate) {
    let mut revocations = accounts.revocations();
    let recheck = |accounts: &Arc<Accounts>| {
        let (accounts, now) = (accounts.clone(), clock.now());
        gate.revoke(move |who| !accounts.still_stands(who, now));
    };
    let mut rechecks = tokio::time::interval(RECHECK_PERIOD);
    loop {
        tokio::select! {
            revoked = revocations.recv() => match revoked {
                Ok(revoked) => gate.revoke(move |who| revoked.concerns(who)),
                // Some were missed: everybody is asked for.
                Err(RecvError::Lagged(_)) => recheck(&accounts),
                Err(RecvError::Closed) => return,
            },
            // A key, or a rotated key's old secret, may have come to its end meanwhile.
            _ = rechecks.tick() => recheck(&accounts),
        }
    }
}
