//! One client. Frames in, frames out; meaning lives in channels.
//!
//! A connection is an entry of its core's gateway and one small task: it reads, obeys one command after the other in the order they came,
//! and drains what the socket would not take. Nothing but [`Hub`](trunkline_actors::Hub) is known here of the domain.

mod attending;
mod budget;
mod commands;
mod inbound;
mod inflating;
mod resuming;
mod session;
mod subscriptions;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use bytes::Bytes;
use serde_json::Value;
use trunkline_protocol::{
    ConnectionId, Credential, Principal,
    cable::{DisconnectReason, Identifier, ServerFrame, Subprotocol},
};

use super::socket::{Link, Sent, append_frame, append_text, close_frame};
pub(crate) use commands::{joined, subscribe_now as subscribe};
pub(crate) use resuming::{find, keep, readmit};
pub(crate) use session::{Session, depart};
pub(crate) use subscriptions::{Asides, Subscription, Subscriptions};

/// How a connection ends from our side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Farewell {
    /// Said before the close frame; `None` where the client broke the framing and is only closed.
    pub disconnect: Option<(DisconnectReason, bool)>,
    /// The close frame's code and reason; `None` where tungstenite has answered the client's own close.
    pub close: Option<(u16, &'static str)>,
}

impl Farewell {
    /// `unauthorized`, do not come back.
    pub(crate) const UNAUTHORIZED: Self =
        Self { disconnect: Some((DisconnectReason::Unauthorized, false)), close: Some((1000, "")) };
    /// The token has ended.
    pub(crate) const TOKEN_EXPIRED: Self =
        Self { disconnect: Some((DisconnectReason::TokenExpired, false)), close: Some((1000, "Auth Failed")) };
    /// Its token names nobody: no word is said of it (`cable.md` 2.8).
    pub(crate) const NAMELESS: Self = Self { disconnect: None, close: Some((1011, "Auth Error")) };
    /// The hub restarts, come back.
    pub(crate) const SERVER_RESTART: Self =
        Self { disconnect: Some((DisconnectReason::ServerRestart, true)), close: Some((1001, "Server restart")) };
    /// The reader is too slow, come back and resume.
    pub(crate) const TOO_SLOW: Self = Self { disconnect: Some((DisconnectReason::TooSlow, true)), close: Some((1000, "")) };
    /// Pongs were agreed on and none came: come back.
    pub(crate) const NO_PONG: Self = Self { disconnect: Some((DisconnectReason::NoPong, true)), close: Some((1000, "No Pong")) };
    /// Its client has come back on another connection; a disconnect would make it forget how to.
    pub(crate) const TAKEN_UP: Self = Self { disconnect: None, close: Some((1001, "Resumed elsewhere")) };
    /// What one is told whose token has ended. Base clients of the hub's own accounts know no other word for it than `unauthorized`
    /// (`streams.md` 8.1); extended ones, and those of an application, ask for a new token (`cable.md` 2.8).
    pub(crate) fn expired(who: &Principal, speaks: Subprotocol) -> Self {
        match (&who.credential, speaks) {
            (Credential::Application { .. }, _) | (_, Subprotocol::Extended | Subprotocol::Events(_)) => Self::TOKEN_EXPIRED,
            (_, Subprotocol::Base | Subprotocol::Unsupported) => Self::UNAUTHORIZED,
        }
    }
    /// Sent away on purpose.
    pub(crate) fn remote(reason: DisconnectReason, reconnect: bool) -> Self {
        Self { disconnect: Some((reason, reconnect)), close: Some((1000, "")) }
    }
    /// The client broke RFC 6455.
    pub(crate) fn broken(code: u16, reason: &'static str) -> Self {
        Self { disconnect: None, close: Some((code, reason)) }
    }
    /// The client closed.
    pub(crate) const ANSWERED: Self = Self { disconnect: None, close: None };

    /// The last frames.
    pub(crate) fn frames(&self) -> Bytes {
        let mut out = Vec::new();
        if let Some((reason, reconnect)) = self.disconnect {
            append_text(&mut out, &ServerFrame::Disconnect { reason, reconnect });
        }
        if let Some((code, reason)) = self.close {
            out.extend_from_slice(&close_frame(code, reason));
        }
        out.into()
    }
}

/// In which form a client is told things: those of one dialect share their frames.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Dialect {
    /// Its subprotocol.
    pub speaks: Subprotocol,
    /// It negotiated permessage-deflate.
    pub deflates: bool,
}

/// A connected client, as its gateway and its task share it.
pub(crate) struct Client {
    /// Its socket.
    pub link: Link,
    /// Its name.
    pub id: ConnectionId,
    /// Who it is.
    pub who: Principal,
    /// What it speaks.
    pub speaks: Subprotocol,
    /// Whether its messages may be compressed.
    pub deflates: bool,
    /// Its seat in the gateway.
    pub slot: Cell<u32>,
    /// When it last said anything, unix seconds; kept where pongs are asked for.
    pub heard: Cell<u32>,
    /// It is pinged at a pace of its own.
    pub paced: Cell<bool>,
    /// Resumed: looks of the pulse until it is told what is live, whether or not it asked for what it missed.
    pub held: Cell<u8>,
    /// Its subscriptions.
    pub subscriptions: RefCell<Subscriptions>,
    farewell: Cell<Option<Farewell>>,
    /// Nothing more is read of it.
    silent: Cell<bool>,
}

impl Client {
    pub(crate) fn new(link: Link, id: ConnectionId, who: Principal, dialect: Dialect) -> Self {
        let Dialect { speaks, deflates } = dialect;
        Self {
            link,
            id,
            who,
            speaks,
            deflates,
            slot: Cell::new(u32::MAX),
            heard: Cell::new(0),
            paced: Cell::new(false),
            held: Cell::new(0),
            subscriptions: RefCell::default(),
            farewell: Cell::new(None),
            silent: Cell::new(false),
        }
    }
    /// In which form it is told things.
    pub(crate) fn dialect(&self) -> Dialect {
        Dialect { speaks: self.speaks, deflates: self.deflates }
    }
    /// Whether it is here, and subscribed to that.
    pub(crate) fn stands(&self, identifier: &Rc<Identifier>) -> bool {
        self.slot.get() != u32::MAX && self.subscriptions.borrow().get(identifier).is_some_and(|one| one.confirmed)
    }
    /// Sends one frame.
    pub(crate) fn send(&self, frame: &ServerFrame<'_>) -> Sent {
        let mut out = Vec::with_capacity(192);
        append_frame(&mut out, frame, self.speaks);
        self.link.send(out.into())
    }
    /// Sends what a channel transmits to this client alone.
    pub(crate) fn transmit(&self, identifier: &Identifier, message: &Value) {
        let message = message.to_string();
        self.send(&ServerFrame::Data { identifier: identifier.json(), message: message.as_bytes(), kind: None, position: None });
    }
    /// Sends it away as soon as the command it is at has been finished. The first reason stays.
    pub(crate) fn dismiss(&self, farewell: Farewell) {
        if self.farewell.get().is_none() {
            self.farewell.set(Some(farewell));
            self.link.wake();
        }
    }
    /// Whether it goes, by its own will or ours: what it missed need not be told any more.
    pub(crate) fn is_going(&self) -> bool {
        self.silent.get() || self.dismissed().is_some()
    }
    /// How it is to be sent away, if it is.
    pub(crate) fn dismissed(&self) -> Option<Farewell> {
        if self.link.is_too_slow() {
            return Some(Farewell::TOO_SLOW);
        }
        self.farewell.get()
    }
}
