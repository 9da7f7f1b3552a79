//! What a client shows when it asks for a cable, and who says from that who it is. It opens nothing, and knows no socket.

use std::net::SocketAddr;

use actix_http::header::{self, HeaderMap};
use actix_web::http::Uri;
use futures::future::BoxFuture;
use trunkline_actors::Hub;
use trunkline_protocol::Principal;

/// What a client showed when it asked for a cable.
#[derive(Debug)]
pub struct Handshake {
    /// Path and query.
    pub uri: Uri,
    /// Cookies, `authorization`, and whatever else an application may ask for.
    pub headers: HeaderMap,
    /// From where; a proxy's address where there is one.
    pub peer: Option<SocketAddr>,
    /// Over TLS.
    pub secure: bool,
}

impl Handshake {
    /// The first query parameter of that name, decoded.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(self.uri.query()?).ok()?;
        pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
    /// The header of that name, where it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
    /// The cookie of that name.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.headers.get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
        cookies.flat_map(|line| line.split(';')).find_map(|pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name).then_some(value)
        })
    }
}

/// Why a client was not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unidentified {
    /// It showed nothing, or nothing that holds.
    Unauthorized,
    /// Its token has ended.
    TokenExpired,
    /// The token by which an application vouched for it has ended.
    VouchExpired,
    /// The token by which an application vouched for it does not say for whom.
    Nameless,
    /// It cannot be told just now (the hub is overloaded or closing): come back.
    Unavailable,
}

/// Says who a client is. The hub's own answer is `auth`; an example may have another.
pub trait Identify: Send + Sync + 'static {
    /// Names the client, or refuses it.
    fn identify<'a>(&'a self, hub: &'a Hub, handshake: &'a Handshake) -> BoxFuture<'a, Result<Principal, Unidentified>>;
    /// May a client that shows this take up a lost connection of `who`, without being named anew? Only what is cheap to tell: whether `who`
    /// still stands, and whether the client shows itself to be somebody else.
    fn may_resume(&self, hub: &Hub, who: &Principal, _handshake: &Handshake) -> bool {
        who.expires().is_none_or(|expires| hub.clock().now() < expires)
    }
    /// Somebody who was let in was told that they may not subscribe to this channel.
    fn denied(&self, _hub: &Hub, _who: &Principal, _channel: &str) {}
}

/// Lets everybody in as the same principal: examples, benches and tests.
#[derive(Clone, Debug)]
pub struct Everybody(pub Principal);

impl Identify for Everybody {
    fn identify<'a>(&'a self, _: &'a Hub, _: &'a Handshake) -> BoxFuture<'a, Result<Principal, Unidentified>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}
