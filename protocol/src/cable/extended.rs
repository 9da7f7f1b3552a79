//! The AnyCable extension (`cable.md` section 2): what a client asks about history and presence.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Since when, or after which position of each topic, a client wants what it missed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HistoryRequest {
    /// Unix seconds, inclusive; 0 or absent: nothing by time.
    pub since: i64,
    /// Per stream name: the last position seen.
    pub streams: BTreeMap<String, StreamPosition>,
}

/// The last position of a topic that a client saw.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StreamPosition {
    /// Which incarnation of the history.
    pub epoch: String,
    /// Where in it.
    pub offset: u64,
}

impl HistoryRequest {
    /// Reads the `history` member; `None` where it asks for nothing or cannot be read.
    #[must_use]
    pub fn read(raw: &RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            since: Option<f64>,
            #[serde(default)]
            streams: Option<BTreeMap<String, StreamPosition>>,
        }
        let wire: Wire = serde_json::from_str(raw.get()).ok()?;
        #[expect(clippy::cast_possible_truncation, reason = "a float saturates; a time that far away is no time")]
        let since = wire.since.unwrap_or(0.0) as i64;
        let request = Self { since, streams: wire.streams.unwrap_or_default() };
        (request.since > 0 || !request.streams.is_empty()).then_some(request)
    }
}

/// As whom a client is present.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PresenceRequest {
    /// Who.
    pub id: String,
    /// What others are shown: any JSON value, as text.
    pub info: Box<str>,
}

impl PresenceRequest {
    /// Reads the `presence` member; `None` where it names nobody.
    #[must_use]
    pub fn read(raw: &RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire<'a> {
            id: String,
            #[serde(borrow, default)]
            info: Option<&'a RawValue>,
        }
        let wire: Wire<'_> = serde_json::from_str(raw.get()).ok()?;
        if wire.id.is_empty() {
            return None;
        }
        Some(Self { id: wire.id, info: wire.info.map_or("null", RawValue::get).into() })
    }
}

/// What is told of a topic's attendance: the `message` of a `presence` frame, and the body of the REST answer.
#[derive(Clone, Copy, Debug)]
pub enum PresenceMessage<'a> {
    /// Somebody new is there.
    Join {
        /// Who.
        id: &'a str,
        /// What others are shown, JSON text.
        info: &'a str,
    },
    /// Somebody is there no longer.
    Leave {
        /// Who.
        id: &'a str,
    },
    /// Who is there: each id with its info.
    Info(&'a [(&'a str, &'a str)]),
    /// Only how many are there.
    Total(usize),
    /// It could not be told.
    Error,
}

impl PresenceMessage<'_> {
    /// Its JSON. Of an empty topic the records are left out (`cable.md` 2.6).
    #[must_use]
    pub fn to_json(&self) -> String {
        let quoted = |id: &str| serde_json::Value::from(id).to_string();
        match self {
            Self::Join { id, info } => format!(r#"{{"type":"join","info":{info},"id":{}}}"#, quoted(id)),
            Self::Leave { id } => format!(r#"{{"type":"leave","id":{}}}"#, quoted(id)),
            Self::Info([]) => Self::Total(0).to_json(),
            Self::Info(people) => {
                let records: Vec<String> =
                    people.iter().map(|(id, info)| format!(r#"{{"info":{info},"id":{}}}"#, quoted(id))).collect();
                format!(r#"{{"type":"info","total":{},"records":[{}]}}"#, people.len(), records.join(","))
            }
            Self::Total(total) => format!(r#"{{"type":"info","total":{total}}}"#),
            Self::Error => r#"{"type":"error","total":0}"#.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn reads_a_history_request_and_refuses_an_empty_one() {
        let request = HistoryRequest::read(&raw(r#"{"since":1795214100,"streams":{"chat":{"epoch":"vRXl","offset":43}}}"#));
        let request = request.expect("a request");
        assert_eq!((request.since, request.streams["chat"].offset), (1_795_214_100, 43));
        for text in ["{}", "null", "7", r#"{"since":0}"#, r#"{"streams":{}}"#, r#"{"streams":{"a":{"epoch":1,"offset":-1}}}"#] {
            assert_eq!(HistoryRequest::read(&raw(text)), None, "{text}");
        }
    }

    #[test]
    fn reads_who_is_present() {
        let presence = PresenceRequest::read(&raw(r#"{"id":"u1","info":{"name":"Ann"}}"#)).expect("somebody");
        assert_eq!((&*presence.id, &*presence.info), ("u1", r#"{"name":"Ann"}"#));
        assert_eq!(PresenceRequest::read(&raw(r#"{"id":""}"#)), None);
    }

    #[test]
    fn tells_who_is_there_as_the_contract_spells_it() {
        let told = |message: PresenceMessage<'_>| message.to_json();
        assert_eq!(
            told(PresenceMessage::Join { id: "u1", info: r#"{"name":"Ann"}"# }),
            r#"{"type":"join","info":{"name":"Ann"},"id":"u1"}"#
        );
        assert_eq!(told(PresenceMessage::Leave { id: "\"" }), r#"{"type":"leave","id":"\""}"#);
        assert_eq!(
            told(PresenceMessage::Info(&[("u1", "7"), ("u2", "null")])),
            r#"{"type":"info","total":2,"records":[{"info":7,"id":"u1"},{"info":null,"id":"u2"}]}"#
        );
        assert_eq!(told(PresenceMessage::Info(&[])), r#"{"type":"info","total":0}"#);
        assert_eq!(told(PresenceMessage::Error), r#"{"type":"error","total":0}"#);
    }
}
