//! What an application publishes from outside, as AnyCable spells it (`cable.md` 2.9): one message, several, or a command. Read whole or not
//! at all: a publication with a mistake in it is refused with a sentence, and nothing of it is told.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::limits::{IDENTIFIER_BYTES_MAX, PUBLICATION_BYTES_MAX};

/// A `broadcast_type` is a word.
const KIND_BYTES_MAX: usize = 64;

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Publication {
    /// Messages for streams, in order.
    Messages(Vec<Message>),
    /// Every connection of these identifiers is to be sent away.
    Disconnect {
        /// The connection's identifiers: JSON in a string.
        identifier: String,
        /// Whether it may come back.
        reconnect: bool,
    },
}

/// One message for one stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// For whom.
    pub stream: String,
    /// JSON text.
    pub data: String,
    /// The `sid` of the connection that is not told.
    pub except: Option<String>,
    /// The frame's `type`, where it is to have one.
    pub kind: Option<String>,
    /// Told now or never: not kept for those who return.
    pub transient: bool,
}

/// Why a publication is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unpublishable {
    /// It is not JSON.
    #[error("the body is not JSON: {0}")]
    Malformed(String),
    /// It is JSON, and no publication.
    #[error("{0}")]
    Invalid(String),
    /// A message is longer than a reader can be told.
    #[error("the data of one message is longer than {PUBLICATION_BYTES_MAX} bytes")]
    TooLong,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    stream: Option<String>,
    #[serde(default)]
    data: Option<String>,
    #[serde(default)]
    meta: Option<Meta>,
    #[serde(default)]
    command: Option<String>,
    #[serde(default)]
    payload: Option<Payload>,
}

#[derive(Deserialize, Default)]
struct Meta {
    #[serde(default)]
    exclude_socket: Option<String>,
    #[serde(default)]
    broadcast_type: Option<String>,
    #[serde(default)]
    transient: Option<bool>,
}

#[derive(Deserialize, Default)]
struct Payload {
    #[serde(default)]
    identifier: Option<String>,
    #[serde(default)]
    reconnect: Option<bool>,
}

impl Publication {
    /// Reads a body.
    ///
    /// # Errors
    /// [`Unpublishable`]: nothing of it is to be told.
    pub fn read(body: &[u8]) -> Result<Self, Unpublishable> {
        let text = std::str::from_utf8(body).map_err(|error| Unpublishable::Malformed(error.to_string()))?;
        if text.trim_start().starts_with('[') {
            let several: Vec<Wire> = parse(text)?;
            if several.is_empty() {
                return Err(Unpublishable::Invalid("there is no message in the array".into()));
            }
            let place = |(place, wire): (usize, Wire)| {
                Message::of(wire).map_err(|error| match error {
                    Unpublishable::Invalid(sentence) => Unpublishable::Invalid(format!("message {}: {sentence}", place + 1)),
                    other => other,
                })
            };
            return several.into_iter().enumerate().map(place).collect::<Result<_, _>>().map(Self::Messages);
        }
        let wire: Wire = parse(text)?;
        match wire.command.as_deref() {
            None => Message::of(wire).map(|message| Self::Messages(vec![message])),
            Some("disconnect") => disconnect(wire.payload),
            Some(_) => Err(Unpublishable::Invalid("`command` must be disconnect".into())),
        }
    }
}

/// Tells what is no JSON from what is no publication.
fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unpublishable> {
    serde_json::from_str(text).map_err(|error| match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Unpublishable::Invalid(format!("the body is no publication: {error}")),
        Err(error) => Unpublishable::Malformed(error.to_string()),
    })
}

fn disconnect(payload: Option<Payload>) -> Result<Publication, Unpublishable> {
    let Payload { identifier, reconnect } = payload.unwrap_or_default();
    // Nobody's identifiers would be everybody's who has none.
    match identifier.filter(|identifier| !identifier.is_empty()) {
        Some(identifier) => Ok(Publication::Disconnect { identifier, reconnect: reconnect.unwrap_or(true) }),
        None => Err(Unpublishable::Invalid("`payload.identifier` must be a string that is not empty".into())),
    }
}

impl Message {
    fn of(wire: Wire) -> Result<Self, Unpublishable> {
        let missing = |sentence: &str| Unpublishable::Invalid(sentence.into());
        let stream = wire.stream.filter(|stream| !stream.is_empty());
        let stream = stream.ok_or_else(|| missing("`stream` must be a string that is not empty"))?;
        // It stands in the identifier of whoever hears it.
        if stream.len() > IDENTIFIER_BYTES_MAX {
            return Err(Unpublishable::Invalid(format!(
                "`stream` is longer than {IDENTIFIER_BYTES_MAX} bytes: nobody can hear it"
            )));
        }
        let data = wire.data.ok_or_else(|| missing("`data` must be a string holding JSON"))?;
        if data.len() > PUBLICATION_BYTES_MAX {
            return Err(Unpublishable::TooLong);
        }
        let Meta { exclude_socket, broadcast_type, transient } = wire.meta.unwrap_or_default();
        let kind = broadcast_type.filter(|kind| !kind.is_empty());
        if kind.as_ref().is_some_and(|kind| kind.len() > KIND_BYTES_MAX || kind.chars().any(char::is_control)) {
            return Err(Unpublishable::Invalid("`meta.broadcast_type` must be a short word".into()));
        }
        let except = exclude_socket.filter(|sid| !sid.is_empty());
        Ok(Self { stream, data: json(data), except, kind, transient: transient.unwrap_or(false) })
    }
}

/// JSON text as it came; any other text as the JSON string of it (`cable.md` 1.6.10).
fn json(data: String) -> String {
    if serde_json::from_str::<&RawValue>(&data).is_ok() {
        return data;
    }
    serde_json::to_string(&data).expect("a string is always JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(data: &str) -> Message {
        let body = serde_json::json!({"stream": "s", "data": data}).to_string();
        match Publication::read(body.as_bytes()) {
            Ok(Publication::Messages(mut messages)) if messages.len() == 1 => messages.remove(0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn passes_json_on_as_it_is_and_any_other_text_as_a_string() {
        for (data, told) in [
            (r#"{"x":1}"#, r#"{"x":1}"#),
            (r#""{\"x\":1}""#, r#""{\"x\":1}""#),
            ("null", "null"),
            (" 7 ", " 7 "),
            ("hello", r#""hello""#),
            ("{broken", r#""{broken""#),
            ("", r#""""#),
            ("<turbo-stream>\n", r#""<turbo-stream>\n""#),
        ] {
            assert_eq!(one(data).data, told, "{data}");
        }
    }

    #[test]
    fn reads_several_with_their_meta_and_a_command() {
        let body = r#"[{"stream":"a","data":"1","meta":{"exclude_socket":"s1","broadcast_type":"note","transient":true,"more":1}},{"stream":"b","data":"2","x":0}]"#;
        let Ok(Publication::Messages(messages)) = Publication::read(body.as_bytes()) else { panic!("messages") };
        let first =
            Message { stream: "a".into(), data: "1".into(), except: Some("s1".into()), kind: Some("note".into()), transient: true };
        assert_eq!((messages.len(), &messages[0], messages[1].stream.as_str()), (2, &first, "b"));
        let command = |payload: &str| Publication::read(format!(r#"{{"command":"disconnect","payload":{payload}}}"#).as_bytes());
        let identifier = r#"{"user_id":1}"#.to_owned();
        assert_eq!(
            command(r#"{"identifier":"{\"user_id\":1}"}"#),
            Ok(Publication::Disconnect { identifier: identifier.clone(), reconnect: true })
        );
        assert_eq!(
            command(r#"{"identifier":"{\"user_id\":1}","reconnect":false}"#),
            Ok(Publication::Disconnect { identifier, reconnect: false })
        );
    }

    #[test]
    fn refuses_a_publication_with_a_mistake_in_it_whole() {
        let long = serde_json::json!({"stream": "s", "data": "x".repeat(PUBLICATION_BYTES_MAX + 1)}).to_string();
        assert_eq!(Publication::read(long.as_bytes()), Err(Unpublishable::TooLong));
        let nobodys = serde_json::json!({"stream": "s".repeat(IDENTIFIER_BYTES_MAX + 1), "data": "1"}).to_string();
        assert!(matches!(Publication::read(nobodys.as_bytes()), Err(Unpublishable::Invalid(_))));
        for malformed in ["", "{", "stream=s", r#"{"stream":"s""#] {
            assert!(matches!(Publication::read(malformed.as_bytes()), Err(Unpublishable::Malformed(_))), "{malformed}");
        }
        assert!(matches!(Publication::read(b"{\"stream\":\"\xff\"}"), Err(Unpublishable::Malformed(_))));
        for invalid in [
            "{}",
            "[]",
            "7",
            "null",
            r#"{"stream":"s"}"#,
            r#"{"stream":"","data":"1"}"#,
            r#"{"stream":7,"data":"1"}"#,
            r#"{"stream":"s","data":{"x":1}}"#,
            r#"[{"stream":"s","data":"1"},{"data":"2"}]"#,
            r#"{"command":"dance"}"#,
            r#"{"command":"disconnect"}"#,
            r#"{"command":"disconnect","payload":{"identifier":""}}"#,
            r#"{"command":"disconnect","payload":{"identifier":{"user_id":1}}}"#,
            r#"{"stream":"s","data":"1","meta":{"broadcast_type":"a\nb"}}"#,
            r#"{"stream":"s","data":"1","meta":{"transient":"yes"}}"#,
        ] {
            assert!(matches!(Publication::read(invalid.as_bytes()), Err(Unpublishable::Invalid(_))), "{invalid}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_data_is_told_as_json(data in "\\PC*|[\\x00-\\x7f]*") {
            let told = one(&data).data;
            proptest::prop_assert!(serde_json::from_str::<IgnoredAny>(&told).is_ok());
        }
        #[test]
        fn survives_any_body(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = Publication::read(&body);
        }
    }
}
