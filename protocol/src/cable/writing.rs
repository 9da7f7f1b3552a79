//! What the hub says, spliced together from what is already JSON: a frame costs a copy, not a serialisation.

use std::io::Write as _;

/// Why a client is sent away (`cable.md` 1.8).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DisconnectReason {
    /// Not known, not allowed, or no longer.
    Unauthorized,
    /// The hub stops or restarts.
    ServerRestart,
    /// Sent away on purpose by an operator or the application.
    Remote,
    /// The token has ended.
    TokenExpired,
    /// Pongs were agreed on and none came.
    NoPong,
    /// Too much waited for this reader.
    TooSlow,
}

impl DisconnectReason {
    /// Its spelling on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::ServerRestart => "server_restart",
            Self::Remote => "remote",
            Self::TokenExpired => "token_expired",
            Self::NoPong => "no_pong",
            Self::TooSlow => "too_slow",
        }
    }
}

/// Where a message stands in its topic's history (`cable.md` 2.2); only extended clients are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position<'a> {
    /// The topic's name.
    pub stream: &'a str,
    /// Which incarnation of the history.
    pub epoch: &'a str,
    /// Where in it.
    pub offset: u64,
}

/// One message of the hub. `identifier` is always the JSON string, quotes included ([`Identifier::json`](super::Identifier::json)).
#[derive(Clone, Copy, Debug)]
pub enum ServerFrame<'a> {
    /// The session is accepted; always first.
    Welcome {
        /// The resume ticket.
        sid: Option<&'a str>,
        /// The subscriptions that a resumed session has kept, by identifier; `None` where nothing was resumed.
        restored: Option<&'a [&'a str]>,
    },
    /// Alive; unix seconds.
    Ping(i64),
    /// Answers a client's ping.
    Pong,
    /// The subscription stands.
    Confirm(&'a str),
    /// It does not.
    Reject(&'a str),
    /// What was missed has been told.
    ConfirmHistory(&'a str),
    /// What was missed cannot be told.
    RejectHistory(&'a str),
    /// What a topic or the channel says.
    Data {
        /// Under which subscription.
        identifier: &'a str,
        /// JSON text, spliced as it is.
        message: &'a [u8],
        /// The frame's `type`, where it has one (`presence`).
        kind: Option<&'a str>,
        /// Where it stands, where that is told.
        position: Option<Position<'a>>,
    },
    /// Go away, and come back or not.
    Disconnect {
        /// Why.
        reason: DisconnectReason,
        /// Whether to come back.
        reconnect: bool,
    },
}

impl ServerFrame<'_> {
    /// Appends the frame's JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Welcome { sid, restored } => welcome(out, sid, restored),
            Self::Ping(seconds) => write(out, format_args!(r#"{{"type":"ping","message":{seconds}}}"#)),
            Self::Pong => out.extend_from_slice(br#"{"type":"pong"}"#),
            Self::Confirm(identifier) => typed(out, identifier, "confirm_subscription"),
            Self::Reject(identifier) => typed(out, identifier, "reject_subscription"),
            Self::ConfirmHistory(identifier) => typed(out, identifier, "confirm_history"),
            Self::RejectHistory(identifier) => typed(out, identifier, "reject_history"),
            Self::Data { identifier, message, kind, position } => data(out, identifier, message, kind, position),
            Self::Disconnect { reason, reconnect } => {
                write(out, format_args!(r#"{{"type":"disconnect","reason":"{}","reconnect":{reconnect}}}"#, reason.as_str()));
            }
        }
    }
    /// The frame's JSON, for tests and single use.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = Vec::with_capacity(128);
        self.write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

fn welcome(out: &mut Vec<u8>, sid: Option<&str>, restored: Option<&[&str]>) {
    out.extend_from_slice(br#"{"type":"welcome""#);
    if let Some(sid) = sid {
        write(out, format_args!(r#","sid":"{sid}""#));
    }
    if let Some(identifiers) = restored {
        out.extend_from_slice(br#","restored":true"#);
        if !identifiers.is_empty() {
            write(out, format_args!(r#","restored_ids":[{}]"#, identifiers.join(",")));
        }
    }
    out.push(b'}');
}

fn typed(out: &mut Vec<u8>, identifier: &str, kind: &str) {
    write(out, format_args!(r#"{{"identifier":{identifier},"type":"{kind}"}}"#));
}

fn data(out: &mut Vec<u8>, identifier: &str, message: &[u8], kind: Option<&str>, position: Option<Position<'_>>) {
    out.push(b'{');
    if let Some(kind) = kind {
        out.extend_from_slice(br#""type":"#);
        serde_json::to_writer(&mut *out, kind).expect("a vector takes every write");
        out.push(b',');
    }
    out.extend_from_slice(br#""identifier":"#);
    out.extend_from_slice(identifier.as_bytes());
    out.extend_from_slice(br#","message":"#);
    out.extend_from_slice(message);
    if let Some(Position { stream, epoch, offset }) = position {
        out.extend_from_slice(br#","stream_id":"#);
        serde_json::to_writer(&mut *out, stream).expect("a vector takes every write");
        write(out, format_args!(r#","epoch":"{epoch}","offset":{offset}"#));
    }
    out.push(b'}');
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes every write");
}
