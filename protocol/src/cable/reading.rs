//! What a client says, read without copying more than its identifier. Everything malformed is ignored, never answered.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value, value::RawValue};

use super::extended::{HistoryRequest, PresenceRequest};

/// One command of a client. Extra keys are tolerated; of a repeated key the last one counts, as in Ruby.
#[derive(Clone, Debug)]
pub enum ClientFrame<'a> {
    /// Wants a place in a channel.
    Subscribe {
        /// The subscription's name, decoded.
        identifier: Cow<'a, str>,
        /// What was missed since then (`cable.md` 2.3).
        history: Option<HistoryRequest>,
        /// Joins at once under this presence (`cable.md` 2.6).
        presence: Option<PresenceRequest>,
    },
    /// Gives it up.
    Unsubscribe {
        /// The subscription's name, decoded.
        identifier: Cow<'a, str>,
    },
    /// Performs an action (`"command":"message"`).
    Perform {
        /// The subscription's name, decoded.
        identifier: Cow<'a, str>,
        /// What to do, still closed.
        data: Data<'a>,
    },
    /// Asks for what was missed.
    History {
        /// The subscription's name, decoded.
        identifier: Cow<'a, str>,
        /// Since when or where.
        history: HistoryRequest,
    },
    /// Tells the others of the topic something, unstored.
    Whisper {
        /// The subscription's name, decoded.
        identifier: Cow<'a, str>,
        /// Any JSON value, passed on as it is.
        data: &'a RawValue,
    },
    /// Joins the presence of the subscription.
    Join {
        /// The subscription's name, decoded.
        identifier: Cow<'a, str>,
        /// As whom.
        presence: PresenceRequest,
    },
    /// Leaves it.
    Leave {
        /// The subscription's name, decoded.
        identifier: Cow<'a, str>,
    },
    /// Asks who is there.
    Presence {
        /// The subscription's name, decoded.
        identifier: Cow<'a, str>,
        /// Whether the records are wanted, or only their number.
        records: bool,
    },
    /// Asks whether the hub is alive; answered `{"type":"pong"}`.
    Ping,
    /// Answers a ping.
    Pong,
}

/// Why a frame was passed over; for the log and the counters, never for the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ignored {
    /// Not JSON, or not an object.
    Malformed,
    /// No `command`, or one that nobody knows.
    UnknownCommand,
    /// A member that the command needs is missing or of another type.
    Incomplete,
}

impl<'a> ClientFrame<'a> {
    /// Reads one text message.
    ///
    /// # Errors
    /// [`Ignored`]: the connection stays as it was.
    pub fn read(text: &'a str) -> Result<Self, Ignored> {
        let members: Members<'a> = serde_json::from_str(text).map_err(|_| Ignored::Malformed)?;
        let command = members.command.and_then(string).ok_or(Ignored::UnknownCommand)?;
        let identifier = || members.identifier.and_then(string).ok_or(Ignored::Incomplete);
        Ok(match &*command {
            "subscribe" => Self::Subscribe {
                identifier: identifier()?,
                history: members.history.and_then(HistoryRequest::read),
                presence: members.presence.and_then(PresenceRequest::read),
            },
            "unsubscribe" => Self::Unsubscribe { identifier: identifier()? },
            "message" => Self::Perform { identifier: identifier()?, data: Data::of(members.data.ok_or(Ignored::Incomplete)?)? },
            "history" => Self::History {
                identifier: identifier()?,
                history: members.history.and_then(HistoryRequest::read).ok_or(Ignored::Incomplete)?,
            },
            "whisper" => Self::Whisper { identifier: identifier()?, data: members.data.ok_or(Ignored::Incomplete)? },
            "join" => Self::Join {
                identifier: identifier()?,
                presence: members.presence.and_then(PresenceRequest::read).ok_or(Ignored::Incomplete)?,
            },
            "leave" => Self::Leave { identifier: identifier()? },
            "presence" => {
                let records = members
                    .data
                    .and_then(|data| serde_json::from_str::<Map<String, Value>>(data.get()).ok())
                    .is_none_or(|data| data.get("return_records") != Some(&Value::Bool(false)));
                Self::Presence { identifier: identifier()?, records }
            }
            "ping" => Self::Ping,
            "pong" => Self::Pong,
            _ => return Err(Ignored::UnknownCommand),
        })
    }
}

/// The `data` of an action: a string holding JSON, or (more than the contract asks) the object itself.
#[derive(Clone, Debug)]
pub enum Data<'a> {
    /// JSON text in a string, decoded once.
    Text(Cow<'a, str>),
    /// The object as it came.
    Object(&'a RawValue),
}

impl<'a> Data<'a> {
    fn of(raw: &'a RawValue) -> Result<Self, Ignored> {
        match raw.get().as_bytes().first() {
            Some(b'"') => string(raw).map(Self::Text).ok_or(Ignored::Incomplete),
            Some(b'{') => Ok(Self::Object(raw)),
            _ => Err(Ignored::Incomplete),
        }
    }
    /// The members; `None` where it is not a JSON object (the action is dropped).
    #[must_use]
    pub fn open(&self) -> Option<Map<String, Value>> {
        match self {
            Self::Text(text) => serde_json::from_str(text).ok(),
            Self::Object(raw) => serde_json::from_str(raw.get()).ok(),
        }
    }
    /// The method to perform: `action`, or `receive` where it is absent or blank; `None` where it is not a string.
    #[must_use]
    pub fn action(data: &Map<String, Value>) -> Option<&str> {
        match data.get("action") {
            None | Some(Value::Null) => Some("receive"),
            Some(Value::String(name)) if name.trim().is_empty() => Some("receive"),
            Some(Value::String(name)) => Some(name),
            Some(_) => None,
        }
    }
}

/// Decodes a JSON string, borrowing where nothing was escaped.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text = raw.get();
    if let Some(inside) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
        && !inside.contains('\\')
    {
        return Some(Cow::Borrowed(inside));
    }
    serde_json::from_str::<String>(text).ok().map(Cow::Owned)
}

/// The members that some command needs, unread.
#[derive(Default)]
struct Members<'a> {
    command: Option<&'a RawValue>,
    identifier: Option<&'a RawValue>,
    data: Option<&'a RawValue>,
    history: Option<&'a RawValue>,
    presence: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members::default();
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    match &*key {
                        "command" => members.command = Some(map.next_value()?),
                        "identifier" => members.identifier = Some(map.next_value()?),
                        "data" => members.data = Some(map.next_value()?),
                        "history" => members.history = Some(map.next_value()?),
                        "presence" => members.presence = Some(map.next_value()?),
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_commands_whatever_else_they_carry() {
        let frame = ClientFrame::read(r#"{"x":[1],"command":"subscribe","identifier":"{\"channel\":\"A\"}"}"#);
        assert!(matches!(frame, Ok(ClientFrame::Subscribe { identifier, .. }) if identifier == r#"{"channel":"A"}"#));
        let frame = ClientFrame::read(r#"{"command":"unsubscribe","identifier":"\u00e9\ud83d\ude00\u0000"}"#);
        assert!(matches!(frame, Ok(ClientFrame::Unsubscribe { identifier }) if identifier == "é😀\0"));
        for data in [r#""{\"action\":\"tick\"}""#, r#"{"action":"tick"}"#] {
            let text = format!(r#"{{"command":"message","identifier":"a","data":{data}}}"#);
            let Ok(ClientFrame::Perform { data, .. }) = ClientFrame::read(&text) else { panic!("{text}") };
            let data = data.open().expect("an object");
            assert_eq!(Data::action(&data), Some("tick"));
        }
    }

    #[test]
    fn ignores_what_it_cannot_read() {
        let deep = format!(r#"{{"command":"message","identifier":"a","data":{}}}"#, "[".repeat(10_000));
        for text in [
            "",
            " ",
            "[]",
            "1",
            "null",
            "\"x\"",
            "{",
            "{}",
            "nonsense",
            r#"{"command":"dance"}"#,
            r#"{"command":7}"#,
            r#"{"command":"subscribe"}"#,
            r#"{"command":"subscribe","identifier":7}"#,
            r#"{"command":"subscribe","identifier":"\ud800"}"#,
            r#"{"command":"message","identifier":"a"}"#,
            r#"{"command":"message","identifier":"a","data":7}"#,
            r#"{"command":"message","identifier":"a","data":["x"]}"#,
            r#"{"command":"history","identifier":"a"}"#,
            &deep,
        ] {
            assert!(ClientFrame::read(text).is_err(), "{text:.60}");
        }
    }

    #[test]
    fn drops_an_action_that_is_no_object_or_too_deep() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        for text in ["", "7", "[]", "null", "{", &deep] {
            assert!(Data::Text(text.into()).open().is_none(), "{text:.40}");
        }
        let data = |text: &str| Data::Text(text.to_owned().into()).open().expect("an object");
        assert_eq!(Data::action(&data("{}")), Some("receive"));
        assert_eq!(Data::action(&data(r#"{"action":" "}"#)), Some("receive"));
        assert_eq!(Data::action(&data(r#"{"action":7}"#)), None);
    }

    proptest::proptest! {
        #[test]
        fn survives_any_text(text in "\\PC*") {
            let _ = ClientFrame::read(&text);
        }
        #[test]
        fn gives_back_any_identifier(identifier in "\\PC*|[\\x00-\\x7f]*") {
            let text = serde_json::json!({"command":"subscribe","identifier":identifier}).to_string();
            let Ok(ClientFrame::Subscribe { identifier: read, .. }) = ClientFrame::read(&text) else { panic!("{text}") };
            proptest::prop_assert_eq!(read, identifier);
        }
    }
}
