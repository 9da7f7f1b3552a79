//! What the hub says to those who read it as server-sent events (`cable.md` 2.10): the same frames, as text that a browser's `EventSource` reads.

use std::io::Write as _;

use super::ServerFrame;

/// How long a client that may not come back is told to wait: a year.
const NEVER_MS: u64 = 31_536_000_000;

/// What a reader of events is told of each frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Events {
    /// Of data only the message: one subscription, whose name the reader knows.
    Message,
    /// The whole frame: several subscriptions.
    Frame,
    /// Messages, and nothing else.
    Raw,
}

impl Events {
    /// Appends the frame as an event; nothing where this reader is not told of such a frame.
    pub fn write(self, out: &mut Vec<u8>, frame: &ServerFrame<'_>) {
        let kind = kind(frame);
        if self == Self::Raw && kind.is_some() {
            return;
        }
        if let Some(kind) = kind {
            line(out, "event", kind.as_bytes());
        }
        match *frame {
            ServerFrame::Data { message, kind: None, .. } if self != Self::Frame => payload(out, message),
            _ => data(out, frame.to_json().as_bytes()),
        }
        match *frame {
            // A name with a line's end in it would be read as more than a name.
            ServerFrame::Data { position: Some(at), .. } if !at.stream.contains(['\n', '\r', '\0']) => {
                line(out, "id", format!("{}/{}/{}", at.offset, at.epoch, at.stream).as_bytes());
            }
            ServerFrame::Disconnect { reconnect: false, .. } => line(out, "retry", NEVER_MS.to_string().as_bytes()),
            _ => {}
        }
        out.push(b'\n');
    }
}

/// The event's type; messages have none.
fn kind<'a>(frame: &ServerFrame<'a>) -> Option<&'a str> {
    match *frame {
        ServerFrame::Welcome { .. } => Some("welcome"),
        ServerFrame::Ping(_) => Some("ping"),
        ServerFrame::Pong => Some("pong"),
        ServerFrame::Confirm(_) => Some("confirm_subscription"),
        ServerFrame::Reject(_) => Some("reject_subscription"),
        ServerFrame::ConfirmHistory(_) => Some("confirm_history"),
        ServerFrame::RejectHistory(_) => Some("reject_history"),
        ServerFrame::Data { kind, .. } => kind,
        ServerFrame::Disconnect { .. } => Some("disconnect"),
    }
}

/// A string is told raw, anything else as JSON.
fn payload(out: &mut Vec<u8>, message: &[u8]) {
    match serde_json::from_slice::<String>(message) {
        Ok(text) => data(out, text.as_bytes()),
        Err(_) => data(out, message),
    }
}

/// Each line of it is a line of the event.
fn data(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        line(out, "data", &rest[..at]);
        let wide = if rest[at..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[at + wide..];
    }
    line(out, "data", rest);
}

fn line(out: &mut Vec<u8>, field: &str, value: &[u8]) {
    write!(out, "{field}: ").expect("a vector takes every write");
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// A `Last-Event-ID`: offset, epoch and stream of the last message that was read (`1/vRXl/chat/42`).
#[must_use]
pub fn last_event_id(text: &str) -> Option<(u64, &str, &str)> {
    let mut parts = text.trim().splitn(3, '/');
    let (offset, epoch, stream) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    (!epoch.is_empty() && !stream.is_empty()).then_some((offset, epoch, stream))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{DisconnectReason, Position},
        *,
    };

    fn told(events: Events, frame: &ServerFrame<'_>) -> String {
        let mut out = Vec::new();
        events.write(&mut out, frame);
        String::from_utf8(out).expect("UTF-8")
    }
    fn said<'a>(message: &'a str, position: Option<Position<'a>>) -> ServerFrame<'a> {
        ServerFrame::Data { identifier: "\"i\"", message: message.as_bytes(), kind: None, position }
    }

    #[test]
    fn tells_only_the_message_and_a_string_raw_line_by_line() {
        let at = Position { stream: "chat_42", epoch: "vRXl", offset: 1 };
        assert_eq!(
            told(Events::Message, &said(r#"{"message":"hello"}"#, Some(at))),
            "data: {\"message\":\"hello\"}\nid: 1/vRXl/chat_42\n\n"
        );
        assert_eq!(told(Events::Raw, &said(r#""<b>\r\nx\ry\n""#, None)), "data: <b>\ndata: x\ndata: y\ndata: \n\n");
        assert_eq!(told(Events::Message, &said("{\n\"a\":1}", None)), "data: {\ndata: \"a\":1}\n\n");
        assert_eq!(told(Events::Frame, &said("1", None)), "data: {\"identifier\":\"i\",\"message\":1}\n\n");
        let odd = Position { stream: "a\nid: 9/x/y", epoch: "e", offset: 1 };
        assert_eq!(told(Events::Message, &said("1", Some(odd))), "data: 1\n\n");
    }

    #[test]
    fn names_what_is_no_message_and_keeps_it_from_those_who_want_messages_only() {
        let ping = ServerFrame::Ping(1_694_041_735);
        assert_eq!(told(Events::Message, &ping), "event: ping\ndata: {\"type\":\"ping\",\"message\":1694041735}\n\n");
        assert_eq!(told(Events::Raw, &ping), "");
        let presence = ServerFrame::Data { identifier: "\"i\"", message: b"{}", kind: Some("presence"), position: None };
        let expected = "event: presence\ndata: {\"type\":\"presence\",\"identifier\":\"i\",\"message\":{}}\n\n";
        assert_eq!(told(Events::Message, &presence), expected);
        let goodbye = |reconnect| ServerFrame::Disconnect { reason: DisconnectReason::Remote, reconnect };
        assert_eq!(
            told(Events::Message, &goodbye(false)),
            "event: disconnect\ndata: {\"type\":\"disconnect\",\"reason\":\"remote\",\"reconnect\":false}\nretry: 31536000000\n\n"
        );
        assert!(!told(Events::Frame, &goodbye(true)).contains("retry"));
    }

    #[test]
    fn reads_where_a_reader_left_off() {
        assert_eq!(last_event_id("1/vRXl/chat/42"), Some((1, "vRXl", "chat/42")));
        for nonsense in ["", "1", "1/e", "x/e/s", "-1/e/s", "1//s", "1/e/", "99999999999999999999999/e/s"] {
            assert_eq!(last_event_id(nonsense), None, "{nonsense}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_message_never_becomes_another_field(text in "[a-z:\\r\\n ]*") {
            let json = serde_json::to_string(&text).expect("JSON");
            let event = told(Events::Raw, &said(&json, None));
            let (body, end) = event.split_at(event.len() - 1);
            proptest::prop_assert_eq!(end, "\n");
            for line in body.trim_end_matches('\n').split('\n') {
                proptest::prop_assert!(line.starts_with("data: "), "{line}");
            }
            proptest::prop_assert!(!body.contains('\r') && !body.contains("\n\n"));
        }
    }
}
