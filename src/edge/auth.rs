//! Who asks. A request's token or key becomes a [`Principal`] once, at the threshold, which leaves it in the request's extensions; handlers
//! take [`Caller`]. `/cable`, which passes no threshold, asks [`Auth::identify`] with what its upgrade request holds.

use std::{collections::HashMap, future::Ready, net::IpAddr, ops::Deref, sync::Arc, time::Duration};

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    dev::Payload,
    http::{
        Method,
        header::{AUTHORIZATION, COOKIE, HeaderMap},
    },
};
use futures::future::BoxFuture;
use parking_lot::RwLock;
use tokio::sync::broadcast::error::RecvError;
use trunkline_actors::{
    AskError, Clock, Hub,
    accounts::{
        Account, Accounts,
        audit::{Act, Denials},
        bootstrap::{self, hash_of},
        directory::Claimed,
    },
};
use trunkline_protocol::{Principal, Timestamp};

use super::{
    Api, Problem,
    server::Gate,
    throttle::Throttle,
    tokens::{BadToken, KeyError, Named, Proven, Signing, Tokens},
    upgrade::{Handshake, Identify, Unidentified},
};
use crate::config::AuthConfig;

/// Credentials remembered in each of two generations; a refill costs one signature each.
const REMEMBERED_MAX: usize = 8192;
/// How long a chain of refresh tokens lives.
pub const REFRESH_LIFETIME: Duration = Duration::from_secs(60 * 24 * 3600);
/// An address may also try only so often within twenty minutes (`streams.md` section 3).
const LOGINS_PER_LONG_WINDOW: usize = 500;
const LONG_WINDOW: Duration = Duration::from_secs(20 * 60);
/// How often sockets are checked against what no revocation tells: a key's own end.
const RECHECK_PERIOD: Duration = Duration::from_secs(30);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Everything by which principals are named: keys, the directory, what was verified lately, who tries how often.
pub struct Auth {
    /// What the deployment said.
    pub config: AuthConfig,
    /// Signs and reads tokens.
    pub tokens: Tokens,
    /// Everybody known.
    pub accounts: Arc<Accounts>,
    /// Logins of an address within a minute, and of an account.
    pub logins: Throttle,
    /// Logins of an address within twenty minutes.
    pub long_logins: Throttle,
    /// Wrong passwords for addresses that have no account: they are locked like those that have one, so that nobody can tell.
    pub strangers: Throttle,
    /// Signups of an address within an hour.
    pub signups: Throttle,
    clock: Clock,
    remembered: RwLock<Remembered>,
}

/// Why nobody can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// There is neither token nor key.
    #[error("no token and no key")]
    Missing,
    /// There is one, and it proves nothing (any more).
    #[error("the token or key is not valid")]
    Invalid,
    /// There is one whose time is over.
    #[error("the token has expired")]
    Expired,
}

/// What a request brings along by which somebody might be named.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its query string, without `?`.
    pub query: &'a str,
    /// Whether the cookie counts: only where a foreign page could do no harm by sending it along (`GET`, and the cable, which checks origins).
    pub cookie: bool,
}

/// Where the edge's authentication could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// A key cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The signing secret could not be kept.
    #[error("the signing secret could not be kept: {0}")]
    Secret(#[from] AskError),
}

impl Auth {
    /// Ready to name everybody. Without a secret or key pair in the configuration, the deployment's own secret is made and kept in the journal.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn open(hub: &Hub, config: AuthConfig) -> Result<Self, AuthError> {
        let signing = match (&config.key_pair, &config.secret) {
            (Some(pem), _) => Signing::KeyPair(pem.clone()),
            (None, Some(secret)) => Signing::Secret(secret.clone().into_bytes()),
            (None, None) => Signing::Secret(bootstrap::signing_secret(hub).await?.to_vec()),
        };
        let tokens = Tokens::new(&signing, &config.trusted_keys)?;
        Ok(Self::new(hub.projection(), hub.clock(), tokens, config))
    }

    fn new(accounts: Arc<Accounts>, clock: Clock, tokens: Tokens, config: AuthConfig) -> Self {
        let times = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            logins: Throttle::new(times(config.login_per_minute), MINUTE),
            long_logins: Throttle::new(LOGINS_PER_LONG_WINDOW.max(times(config.login_per_minute)), LONG_WINDOW),
            strangers: Throttle::new(trunkline_actors::accounts::user::FAILURES_MAX, MINUTE),
            signups: Throttle::new(times(config.signup_per_hour), HOUR),
            remembered: RwLock::default(),
            config,
            tokens,
            accounts,
            clock,
        }
    }

    /// Whom a request names. The first credential found counts, and no other: header, `X-API-Key`, query (`token`, `jwt`, `api_key`), cookie.
    ///
    /// # Errors
    /// [`Unauthenticated`].
    pub fn identify(&self, parts: &Parts<'_>) -> Result<Principal, Unauthenticated> {
        self.of_credential(&credential(parts)?)
    }

    /// Whom a token or key names.
    ///
    /// # Errors
    /// [`Unauthenticated`].
    pub fn of_credential(&self, credential: &str) -> Result<Principal, Unauthenticated> {
        let (now, generation) = (self.clock.now(), self.accounts.generation());
        let known = self.remembered.read().find(credential);
        let proof = match known {
            Some(known) if known.ends.is_some_and(|ends| now >= ends) => return Err(Unauthenticated::Expired),
            Some(known) if known.generation == generation => return Ok(known.principal.clone()),
            // Somebody's standing has changed since, perhaps this one's: the signature still holds, the rest is asked again.
            Some(known) => known.proof.clone(),
            None => self.prove(credential, now)?,
        };
        let (principal, ends) = match &proof {
            Proof::Token(token) => {
                let who = match &token.who {
                    Named::Id(id) => Claimed::Id(*id),
                    Named::Email(email) => Claimed::Email(email),
                };
                let principal = self.accounts.principal_of_token(&who, &token.jti, token.issued, token.expires);
                (principal, Some(token.expires))
            }
            Proof::Key(hash) => match self.accounts.principal_of_key(hash, now) {
                Some((principal, ends)) => (Some(principal), ends),
                None => (None, None),
            },
        };
        let principal = principal.ok_or(Unauthenticated::Invalid)?;
        let known = Known { proof, principal: principal.clone(), ends, generation };
        self.remembered.write().keep(credential, Arc::new(known));
        Ok(principal)
    }

    /// The verified token that a request carries, where it carries one: for logout.
    #[must_use]
    pub fn token_of(&self, parts: &Parts<'_>) -> Option<Proven> {
        self.tokens.read(&credential(parts).ok()?, self.clock.now()).ok()
    }

    /// How long an account's tokens live.
    #[must_use]
    pub fn lifetime(&self, account: &Account) -> Duration {
        if account.service { self.config.service_token_lifetime } else { self.config.token_lifetime }
    }

    fn prove(&self, credential: &str, now: Timestamp) -> Result<Proof, Unauthenticated> {
        // Every JWT begins with `{"` in base64. A key may be any text, so what is no good token may still be a good key.
        let looks_like_token = credential.starts_with("ey") && credential.bytes().filter(|byte| *byte == b'.').count() == 2;
        if looks_like_token {
            match self.tokens.read(credential, now) {
                Ok(token) => return Ok(Proof::Token(token)),
                Err(BadToken::Expired) => return Err(Unauthenticated::Expired),
                Err(BadToken::Invalid) => {}
            }
        }
        Ok(Proof::Key(hash_of(credential)))
    }
}

/// The credential that a request brings along.
fn credential(parts: &Parts<'_>) -> Result<String, Unauthenticated> {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(value) = parts.headers.get(AUTHORIZATION) {
        let text = value.to_str().map_err(|_| Unauthenticated::Invalid)?;
        let (scheme, token) = text.trim().split_once(' ').unwrap_or((text, ""));
        let token = token.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return Err(Unauthenticated::Invalid);
        }
        return Ok(token.to_owned());
    }
    if let Some(key) = header("x-api-key").filter(|key| !key.is_empty()) {
        return Ok(key.to_owned());
    }
    if let Some(token) = in_query(parts.query) {
        return Ok(token);
    }
    if !parts.cookie {
        return Err(Unauthenticated::Missing);
    }
    let cookies = parts.headers.get_all(COOKIE).filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let mut tokens = cookies.filter_map(|cookie| cookie.trim().strip_prefix("jwt_token=")).map(|value| value.trim_matches('"'));
    tokens.find(|value| !value.is_empty()).map(str::to_owned).ok_or(Unauthenticated::Missing)
}

fn in_query(query: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let named = pairs.find(|(name, value)| matches!(name.as_ref(), "token" | "jwt" | "api_key") && !value.is_empty());
    named.map(|(_, value)| value.into_owned())
}

/// What a credential proved when its signature was checked.
#[derive(Clone)]
enum Proof {
    Token(Proven),
    Key([u8; 32]),
}

struct Known {
    proof: Proof,
    principal: Principal,
    ends: Option<Timestamp>,
    generation: u64,
}

/// Two generations: when the young one is full it becomes the old one, and the old one is forgotten. Whoever asks often stays.
#[derive(Default)]
struct Remembered {
    young: HashMap<Box<str>, Arc<Known>>,
    old: HashMap<Box<str>, Arc<Known>>,
}

impl Remembered {
    fn find(&self, credential: &str) -> Option<Arc<Known>> {
        self.young.get(credential).or_else(|| self.old.get(credential)).cloned()
    }
    fn keep(&mut self, credential: &str, known: Arc<Known>) {
        if self.young.len() >= REMEMBERED_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(credential.into(), known);
    }
}

/// Whom a request's token or key proves: asked once for each request, by the threshold. Anonymous where there is none, and where it
/// proves nothing (such a request counts as anonymous, `streams.md` section 3, and is answered 401 by [`Caller`]).
///
/// # Errors
/// None today; a [`Problem`] where it could not be told just now.
pub async fn identify(api: &Api, request: &HttpRequest) -> Result<Principal, Problem> {
    Ok(api.auth.identify(&parts(request)).unwrap_or_else(|_| Principal::anonymous()))
}

/// Somebody was told that they may not: said in the audit log a moment later.
pub fn note_denial(api: &Api, request: &HttpRequest) {
    let Some(who) = request.extensions().get::<Principal>().cloned() else { return };
    let template = request.match_pattern().unwrap_or_default();
    let act = Act::of(&who, "access.denied", format_args!("{} {template}", request.method()));
    api.hub.provided::<Denials>().note(act.from(address(request, api.config.trust_forwarded)));
}

/// What a REST request brings along.
#[must_use]
pub fn parts(request: &HttpRequest) -> Parts<'_> {
    let cookie = matches!(*request.method(), Method::GET | Method::HEAD);
    Parts { headers: request.headers(), query: request.query_string(), cookie }
}

/// From which network address a request comes, as it is counted and written down. Behind a trusted proxy: the last address of
/// `X-Forwarded-For`, the only one that the proxy itself saw.
#[must_use]
pub fn address(request: &HttpRequest, trust_forwarded: bool) -> String {
    let forwarded = || {
        let text = request.headers().get("x-forwarded-for")?.to_str().ok()?;
        text.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
    };
    let peer = request.peer_addr().map(|peer| peer.ip());
    let address = if trust_forwarded { forwarded().or(peer) } else { peer };
    address.map(|address| address.to_string()).unwrap_or_default()
}

/// Names the clients of `/cable`: cookie, `token`, `jwt` or `api_key` in the query, header; the first found counts (`streams.md` 8.1).
pub struct CableDoor {
    /// By which they are named.
    pub auth: Arc<Auth>,
    /// Whoever shows nothing may come in and read what is public (`streams.md` C20).
    pub public: bool,
}

impl CableDoor {
    fn name(&self, handshake: &Handshake) -> Result<Principal, Unauthenticated> {
        let cookie = handshake.cookie("jwt_token").map(|value| value.trim_matches('"')).filter(|value| !value.is_empty());
        if let Some(token) = cookie {
            return self.auth.of_credential(token);
        }
        let query = handshake.uri.query().unwrap_or_default();
        match in_query(query) {
            Some(token) => self.auth.of_credential(&token),
            None => self.auth.identify(&Parts { headers: &handshake.headers, query, cookie: false }),
        }
    }
}

impl Identify for CableDoor {
    fn identify<'a>(&'a self, _: &'a Hub, handshake: &'a Handshake) -> BoxFuture<'a, Result<Principal, Unidentified>> {
        let named = match self.name(handshake) {
            Err(Unauthenticated::Missing) if self.public => Ok(Principal::anonymous()),
            Err(Unauthenticated::Missing | Unauthenticated::Invalid) => Err(Unidentified::Unauthorized),
            Err(Unauthenticated::Expired) => Err(Unidentified::TokenExpired),
            Ok(who) => Ok(who),
        };
        Box::pin(std::future::ready(named))
    }
    fn may_resume(&self, hub: &Hub, who: &Principal, handshake: &Handshake) -> bool {
        let is_another = self.name(handshake).is_ok_and(|shown| shown.identifiers() != who.identifiers());
        !is_another && self.auth.accounts.still_stands(who, hub.clock().now())
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

/// The signed-in principal; a request without one is answered 401 before the handler runs.
#[derive(Clone, Debug)]
pub struct Caller(pub Principal);

impl Deref for Caller {
    type Target = Principal;
    fn deref(&self) -> &Principal {
        &self.0
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let named = request.extensions().get::<Principal>().filter(|who| !who.is_anonymous()).cloned();
        std::future::ready(named.map(Caller).ok_or_else(Problem::unauthenticated))
    }
}

#[cfg(test)]
mod tests;
