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
}
