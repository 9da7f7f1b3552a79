//! GET /cable: route, origin, room, subprotocol. Who may come in is handed to a task of its own ([`welcome`]), which says who it is.
//!
//! Every WebSocket upgrade lands here, past the App and its middleware. The upgrade's future returns at once: while it lives, actix-http keeps
//! the request's buffers, twelve times what a connection may cost.

mod welcome;

use std::{os::fd::AsFd as _, rc::Rc};

use actix_codec::Framed;
use actix_http::{
    HttpMessage as _, Method, Request, Version,
    body::BoxBody,
    h1,
    header::{self, HeaderMap, HeaderName, HeaderValue},
    ws::{HandshakeError, verify_handshake},
};
use actix_web::{HttpResponse, web};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::{FutureExt as _, future::LocalBoxFuture};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use trunkline_protocol::{ConnectionId, Principal, cable::Subprotocol};

use super::{
    connection::{Client, Dialect, Session},
    gateway::Core,
    identify::Handshake,
    socket::{Duplex, Link, Wire, negotiate},
};
pub(crate) use welcome::IDENTIFY_DEADLINE;
use welcome::{Said, begin, refuse, welcome};

/// The kernel's send buffer of one client: without it a stalled reader costs 2.3 MB of kernel memory before we notice.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// A peer that acknowledges nothing for so long is gone: without it a client that lost power is pinged for a quarter of an hour.
pub(crate) const UNHEARD_MS: u32 = 120_000;

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

/// Takes an upgrade over. Who is refused stays among the requests until it has read why: there is room for so many of them.
#[must_use]
pub(crate) fn take<T, W: IntoWire>(
    core: &Rc<Core>,
    mut request: Request,
    framed: Framed<T, h1::Codec>,
    wire: fn(T) -> W,
) -> Option<LocalBoxFuture<'static, ()>> {
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
            switch(&mut out, &request, speaks, extension);
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
                let at_work = core.shared().at_work();
                let welcomed = welcome(core.clone(), link, handshake, dialect, Said { out, unread });
                begin(Box::pin(welcomed.map(move |()| drop(at_work))));
            }
        }
        Err(refused) => {
            out.extend_from_slice(refused.as_bytes());
            link.send_last(out.into());
            let at_work = core.shared().at_work();
            return Some(Box::pin(refuse(link).map(move |()| drop(at_work))));
        }
    }
    None
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
    if request.version() < Version::HTTP_11 {
        return Err(answer("400 Bad Request", "", "Not a WebSocket handshake: HTTP/1.1 at least is needed"));
    }
    let mut keys = request.headers().get_all(header::SEC_WEBSOCKET_KEY);
    let key = keys.next().filter(|_| keys.next().is_none());
    // 16 bytes of a key, and what the decoder wants of room.
    let is_key = |key: &HeaderValue| BASE64_STANDARD.decode_slice(key, &mut [0; 18]).is_ok_and(|length| length == 16);
    if !key.is_some_and(is_key) || request.method() != Method::GET {
        return Err(answer("400 Bad Request", "", "Not a WebSocket handshake: there is not one key, of 16 bytes in base64"));
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

/// Appends the answer to a handshake.
fn switch(out: &mut Vec<u8>, request: &Request, speaks: Option<Subprotocol>, extension: Option<&str>) {
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).map_or(&b""[..], |key| key.as_bytes());
    // Room for the welcome, too.
    out.reserve(256);
    out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n");
    let mut say =
        |name: &str, value: &str| [name, ": ", value, "\r\n"].iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
    say("sec-websocket-accept", &derive_accept_key(key));
    if let Some(speaks) = speaks {
        say("sec-websocket-protocol", speaks.as_str());
    }
    if let Some(accepted) = extension {
        say("sec-websocket-extensions", accepted);
    }
    out.extend_from_slice(b"\r\n");
}
