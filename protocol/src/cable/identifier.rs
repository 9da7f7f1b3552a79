//! The name of a subscription: the client's own string, kept byte for byte, with what can be read from it.

use serde_json::{Map, Value};

/// A subscription's name. Two identifiers are the same subscription only if their decoded text is the same (`cable.md` 1.5).
#[derive(Clone, Debug)]
pub struct Identifier {
    text: Box<str>,
    json: Box<str>,
    channel: Option<Box<str>>,
    params: Map<String, Value>,
}

impl Identifier {
    /// Takes the decoded string. Never fails: what is not a JSON object with a `channel` names no channel and is rejected by whoever asks.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut params = match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(params)) => params,
            _ => Map::new(),
        };
        let channel = match params.remove("channel") {
            Some(Value::String(channel)) => Some(channel.into_boxed_str()),
            _ => None,
        };
        let json = serde_json::to_string(text).expect("a string is always JSON").into_boxed_str();
        Self { text: text.into(), json, channel, params }
    }
    /// The client's string, decoded.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The string as JSON, quotes included: spliced into every frame of the subscription.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }
    /// The channel it names, if it names one.
    #[must_use]
    pub fn channel(&self) -> Option<&str> {
        self.channel.as_deref()
    }
    /// Its other members.
    #[must_use]
    pub fn params(&self) -> &Map<String, Value> {
        &self.params
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_text_and_reads_channel_and_params() {
        let identifier = Identifier::new(r#"{ "id": 7, "channel": "Chat" }"#);
        assert_eq!(identifier.text(), r#"{ "id": 7, "channel": "Chat" }"#);
        assert_eq!(identifier.channel(), Some("Chat"));
        assert_eq!(identifier.params().get("id"), Some(&Value::from(7)));
        assert!(!identifier.params().contains_key("channel"));
    }

    #[test]
    fn names_no_channel_where_there_is_none() {
        for text in ["", "[]", "null", "Chat", "{}", r#"{"channel":7}"#, r#"{"channel":null}"#, "\u{0}", &"[".repeat(10_000)] {
            assert_eq!(Identifier::new(text).channel(), None, "{text:.20}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_string_comes_back_byte_for_byte(text in "\\PC*|[\\x00-\\x7f]*") {
            let identifier = Identifier::new(&text);
            let back: String = serde_json::from_str(identifier.json()).expect("valid JSON");
            proptest::prop_assert_eq!(back, text);
        }
    }
}
