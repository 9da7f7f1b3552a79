//! GET /cable: route, origin, room, subprotocol; then a task of its own says who it is and welcomes it, or sends it away.
//!
//! Every WebSocket upgrade lands here, past the App and its middleware. The upgrade's future returns at once: while it lives, actix-http keeps
//! the request's buffers, twelve times what a connection may cost.

use std::{net::SocketAddr, os::fd::AsFd as _, rc::Rc, sync::Arc, time::Duration};

use actix_codec::Framed;
use actix_http::{
    HttpMessage as _, Method, Request,
    body::BoxBody,
    h1,
    header::{self, HeaderMap, HeaderName, HeaderValue},
    ws::{HandshakeError, verify_handshake},
};
use actix_web::{HttpResponse, http::Uri, web};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tracing::debug;
use trunkline_actors::Hub;
use trunkline_protocol::{
    ConnectionId, Principal,
    cable::{ServerFrame, Subprotocol},
};

use super::{
    connection::{self, Client, Dialect, Farewell, Session},
    gateway::{Core, Pace},
    socket::{Duplex, Link, Wire, append_text, negotiate},
    tickets::Kept,
};

/// How long naming a client may take; then it is sent away and comes back.
pub(crate) const IDENTIFY_DEADLINE: Duration = Duration::from_secs(5);
/// How long it may take until it is a client's turn, and it is named.
const ARRIVE_DEADLINE: Duration = Duration::from_secs(10);
/// The kernel's send buffer of one client: without it a stalled reader costs 2.3 MB of kernel memory before we notice.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// A peer that acknowledges nothing for so long is gone: without it a client that lost power is pinged for a quarter of an hour.
pub(crate) const UNHEARD_MS: u32 = 120_000;

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

/// What a plain `GET /cable` is told, as Rails does.
pub async fn not_an_upgrade() -> HttpResponse<BoxBody> {
    HttpResponse::NotFound().content_type("text/plain").body("Page not found")
}

/// Answers plain requests on the cable's paths; to be mounted before the App's own default.
pub fn plain(paths: &[String]) -> impl FnOnce(&mut web::ServiceConfig) + Clone + Send + use<> {
    let paths = paths.to_vec();
    move |root| {
        for path in paths {
            root.route(&path, web::route().to(not_an_upgrade));
        }
    }
}

/// A transport that an upgrade may arrive on.
pub(crate) trait IntoWire {
    /// Whether it is TLS.
    const SECURE: bool;
    /// As a link wants it.
    fn into_wire(self) -> Wire;
}

impl IntoWire for TcpStream {
    const SECURE: bool = false;
    fn into_wire(self) -> Wire {
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(self.as_fd(), SEND_BUFFER_BYTES);
        Wire::Plain(self)
    }
}

impl<T: Duplex + 'static> IntoWire for Sealed<T> {
    const SECURE: bool = true;
    fn into_wire(self) -> Wire {
        Wire::Sealed(std::cell::RefCell::new(Box::new(self.0)))
    }
}

/// A TLS stream.
pub(crate) struct Sealed<T>(pub T);

/// Takes an upgrade over. Returns at once.
pub(crate) fn take<T, W: IntoWire>(core: &Rc<Core>, mut request: Request, framed: Framed<T, h1::Codec>, wire: fn(T) -> W) {
    let parts = framed.into_parts();
    let link = Link::new(wire(parts.io).into_wire(), core.config().outbox_bytes_max);
    // Answers to requests pipelined before this one, still unsent, go first.
    let mut out = parts.write_buf.to_vec();
    // Copied, as the headers are: the request's buffer is large, and whoever comes next uses it while it is warm.
    let unread = Bytes::copy_from_slice(&parts.read_buf);
    match admit(core, &request, W::SECURE) {
        Ok(speaks) => {
            let offers = || negotiate(texts(&request, header::SEC_WEBSOCKET_EXTENSIONS));
            let extension = if core.config().deflate { offers() } else { None };
            out.extend_from_slice(&switching(&request, speaks, extension));
            let handshake = Handshake {
                uri: request.uri().clone(),
                headers: own(std::mem::take(request.headers_mut())),
                peer: request.peer_addr(),
                secure: W::SECURE,
            };
            let dialect = Dialect { speaks: speaks.unwrap_or(Subprotocol::Base), deflates: extension.is_some() };
            if core.config().echo.as_deref() == Some(request.path()) {
                link.send(out.into());
                let client = Client::new(link, ConnectionId::random(), Principal::anonymous(), dialect);
                actix_rt::spawn(Session::echoing(core.clone(), Rc::new(client), unread));
            } else {
                core.outlive(welcome(core.clone(), link, handshake, dialect, Said { out, unread }));
            }
        }
        Err(refused) => {
            out.extend_from_slice(refused.as_bytes());
            link.send_last(out.into());
            core.outlive(refuse(link));
        }
    }
}

/// The same headers, apart from the request's buffer.
fn own(mut headers: HeaderMap) -> HeaderMap {
    headers.retain(|_, value| {
        // An error: as it was a value before, it is one now.
        if let Ok(copy) = HeaderValue::from_bytes(value.as_bytes()) {
            *value = copy;
        }
        true
    });
    headers
}

/// What the client may not, as a whole HTTP answer.
fn answer(status: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n{body}")
}

fn admit(core: &Core, request: &Request, secure: bool) -> Result<Option<Subprotocol>, String> {
    let config = core.config();
    if !config.paths.iter().chain(&config.echo).any(|path| path == request.path()) {
        return Err(answer("404 Not Found", "", "Page not found"));
    }
    verify_handshake(request.head()).map_err(|error| match error {
        HandshakeError::GetMethodRequired => answer("405 Method Not Allowed", "allow: GET\r\n", "A cable is opened with GET"),
        HandshakeError::UnsupportedVersion => answer(
            "426 Upgrade Required",
            "upgrade: websocket\r\nsec-websocket-version: 13\r\n",
            "WebSocket version 13 is spoken here",
        ),
        other => answer("400 Bad Request", "", &format!("Not a WebSocket handshake: {other}")),
    })?;
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).map(|key| key.as_bytes());
    if !key.is_some_and(|key| BASE64_STANDARD.decode(key).is_ok_and(|key| key.len() == 16)) || request.method() != Method::GET {
        return Err(answer("400 Bad Request", "", "Not a WebSocket handshake: the key is not 16 bytes in base64"));
    }
    if !config.origins.admit(request.headers(), secure) {
        return Err(answer("404 Not Found", "", "Page not found"));
    }
    if core.is_draining() || !core.shared().reserve() {
        core.shared().stats.refused();
        return Err(answer("503 Service Unavailable", "retry-after: 5\r\n", "The hub is full; try again in a moment"));
    }
    Ok(Subprotocol::select(texts(request, header::SEC_WEBSOCKET_PROTOCOL).flat_map(|line| line.split(','))))
}

fn texts(request: &Request, name: HeaderName) -> impl Iterator<Item = &str> {
    request.headers().get_all(name).filter_map(|value| value.to_str().ok())
}

fn switching(request: &Request, speaks: Option<Subprotocol>, extension: Option<&str>) -> Vec<u8> {
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).map_or(&b""[..], |key| key.as_bytes());
    let accept = derive_accept_key(key);
    let protocol = speaks.map(|speaks| format!("sec-websocket-protocol: {}\r\n", speaks.as_str())).unwrap_or_default();
    let extension = extension.map(|accepted| format!("sec-websocket-extensions: {accepted}\r\n")).unwrap_or_default();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\
        {protocol}{extension}\r\n"
    )
    .into_bytes()
}

/// What has been said already: by us, and not yet sent; by the client, and not yet read.
struct Said {
    out: Vec<u8>,
    unread: Bytes,
}

/// Names the client when it is its turn, or takes up the connection that it lost, then makes it an entry of this core. Commands that came
/// earlier wait, unread; our own answer waits for the first frame, so that both go out at once. What few clients need is boxed: every byte of this
/// future is copied for each of them.
async fn welcome(core: Rc<Core>, link: Link, handshake: Handshake, dialect: Dialect, said: Said) {
    let handshake = Arc::new(handshake);
    let arriving = async {
        let _turn = core.turnstiles.arrive().await;
        identify(&core, &handshake, dialect.speaks).await
    };
    let (named, kept) = timeout(ARRIVE_DEADLINE, arriving).await.unwrap_or((Err(Unidentified::Unavailable), None));
    let pace = Pace::asked(&handshake);
    drop(handshake);
    let Said { mut out, unread } = said;
    let speaks = dialect.speaks;
    let farewell = match named {
        Ok(who) => {
            let client = Rc::new(Client::new(link, ConnectionId::random(), who, dialect));
            match kept {
                Some(kept) => {
                    client.link.send(out.into());
                    Box::pin(resume(&core, &client, kept)).await;
                }
                None => greet(&core, &client, out, None),
            }
            if let Some(pace) = pace {
                core.keep_pace(&client, pace);
            }
            // A task of its own: this one is larger than a connection may be.
            actix_rt::spawn(Session::new(core, client, unread));
            return;
        }
        Err(Unidentified::Unauthorized) => Farewell::UNAUTHORIZED,
        // Base clients know no other word for it (`streams.md` 8.1).
        Err(Unidentified::TokenExpired) if speaks == Subprotocol::Extended => Farewell::TOKEN_EXPIRED,
        Err(Unidentified::TokenExpired) => Farewell::UNAUTHORIZED,
        Err(Unidentified::VouchExpired) => Farewell::TOKEN_EXPIRED,
        Err(Unidentified::Nameless) => Farewell::NAMELESS,
        Err(Unidentified::Unavailable) => Farewell::SERVER_RESTART,
    };
    debug!(?farewell, "client not let in");
    out.extend_from_slice(&farewell.frames());
    link.send_last(out.into());
    Box::pin(refuse(link)).await;
    core.gone();
}

/// Who it is; and what it had, where it takes up a connection.
async fn identify(
    core: &Core,
    handshake: &Arc<Handshake>,
    speaks: Subprotocol,
) -> (Result<Principal, Unidentified>, Option<Vec<Kept>>) {
    let ticket = match speaks {
        Subprotocol::Extended => Box::pin(connection::find(core, handshake)).await,
        Subprotocol::Base | Subprotocol::Unsupported | Subprotocol::Events(_) => None,
    };
    match ticket {
        Some(ticket) => (Ok(ticket.who), Some(ticket.subscriptions)),
        None => (name(core, handshake).await, None),
    }
}

async fn name(core: &Core, handshake: &Handshake) -> Result<Principal, Unidentified> {
    let named = timeout(IDENTIFY_DEADLINE, core.shared().identify.identify(core.hub(), handshake)).await;
    named.unwrap_or(Err(Unidentified::Unavailable))
}

/// The first frame, behind what has not been sent yet; `restored`: what the client has again, where it took up a connection.
fn greet(core: &Core, client: &Rc<Client>, mut out: Vec<u8>, restored: Option<&[&str]>) {
    let sid = (client.speaks == Subprotocol::Extended).then(|| client.id.to_string());
    append_text(&mut out, &ServerFrame::Welcome { sid: sid.as_deref(), restored });
    client.link.send(out.into());
    if client.slot.get() == u32::MAX {
        core.join(client);
    }
}

/// Welcomes a client back. Seat, topics, welcome: nothing is heard between them. Where no channel grants anything any more, the client
/// begins anew: an empty list would tell it that it has everything.
async fn resume(core: &Rc<Core>, client: &Rc<Client>, kept: Vec<Kept>) {
    let had_nothing = kept.is_empty();
    core.expect(client);
    let readmitted = connection::readmit(core, client, kept).await;
    core.join(client);
    let identifiers = core.reattach(client, readmitted);
    let restored: Vec<&str> = identifiers.iter().map(|identifier| identifier.json()).collect();
    greet(core, client, Vec::new(), (had_nothing || !restored.is_empty()).then_some(&restored));
    core.stats().resumed();
    let (hall, client) = (core.clone(), client.clone());
    core.outlive(async move {
        for identifier in identifiers {
            connection::joined(&hall, &client, &identifier).await;
        }
    });
}

/// Drains a last answer, says that it was the last, and waits a moment for the other side to have read it.
async fn refuse(link: Link) {
    let _ = timeout(Duration::from_secs(2), async {
        futures::future::poll_fn(|cx| link.poll_drain(cx)).await?;
        futures::future::poll_fn(|cx| link.poll_shutdown(cx)).await?;
        let mut scratch = [0; 1024];
        while futures::future::poll_fn(|cx| link.poll_read(cx, &mut scratch)).await? > 0 {}
        Ok::<_, std::io::Error>(())
    })
    .await;
}
