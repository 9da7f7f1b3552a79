//! Who makes a REST request, and from where. Named once at the threshold, which leaves the principal in the request's extensions; handlers
//! take [`Caller`].

use std::{future::Ready, net::IpAddr, ops::Deref};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload, http::Method};
use trunkline_actors::accounts::audit::{Act, Denials};
use trunkline_protocol::Principal;

use super::{Parts, credential::credential};
use crate::edge::{Api, Problem};

/// Whom a request's token or key proves: asked once for each request, by the threshold. Anonymous where there is none, and where it
/// proves nothing (such a request counts as anonymous, `streams.md` section 3, and is answered 401 by [`Caller`]).
pub async fn identify(api: &Api, request: &HttpRequest) -> Principal {
    let named = match credential(&parts(request)) {
        Ok(credential) => api.auth.meet(&credential).await,
        Err(nothing) => Err(nothing),
    };
    named.unwrap_or_else(|_| Principal::anonymous())
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

/// From which network address a request comes. Behind a trusted proxy: the last address of `X-Forwarded-For`, the only one that the proxy
/// itself saw.
#[must_use]
pub fn ip(request: &HttpRequest, trust_forwarded: bool) -> Option<IpAddr> {
    let forwarded = || request.headers().get("x-forwarded-for")?.to_str().ok()?.rsplit(',').next()?.trim().parse().ok();
    let peer = request.peer_addr().map(|peer| peer.ip());
    if trust_forwarded { forwarded().or(peer) } else { peer }
}

/// The same as it is counted and written down; empty where it is not known.
#[must_use]
pub fn address(request: &HttpRequest, trust_forwarded: bool) -> String {
    ip(request, trust_forwarded).map(|address| address.to_string()).unwrap_or_default()
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
