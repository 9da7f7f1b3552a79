//! What a body gives: nothing, a blank, or a value. Clients spell one field in several ways; the first spelling present counts.
//!
//! Used by the commands' readers; it knows no resource.

use serde_json::{Map, Value};
use trunkline_protocol::Timestamp;

/// `None`: not mentioned. `Some(None)`: null or blank. `Some(Some(_))`: a value.
pub type Given<T> = Option<Option<T>>;

/// The first of `names` that the body mentions.
#[must_use]
pub fn value<'a>(body: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| body.get(*name))
}

/// A trimmed text; numbers and booleans are spelled out, lists and objects count as blank (one client sends `[]` for no notes).
#[must_use]
pub fn text(body: &Map<String, Value>, names: &[&str]) -> Given<String> {
    value(body, names).map(spelled)
}

/// A flag: `true`, `1`, `"true"`, `"1"`, `"yes"`, `"on"` and their opposites; anything else counts as blank.
#[must_use]
pub fn flag(body: &Map<String, Value>, names: &[&str]) -> Given<bool> {
    let spelled = text(body, names)?;
    Some(spelled.and_then(|word| match word.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }))
}

/// An id: a whole number that JavaScript can hold, or its spelling. `Err` with the text where it is something else.
///
/// # Errors
/// The text that is no id.
pub fn id(body: &Map<String, Value>, names: &[&str]) -> Result<Given<u64>, String> {
    match text(body, names) {
        None => Ok(None),
        Some(None) => Ok(Some(None)),
        Some(Some(word)) => match word.parse::<u64>() {
            Ok(id) if id <= trunkline_protocol::id::MAX_SAFE_INTEGER => Ok(Some(Some(id))),
            _ => Err(word),
        },
    }
}

/// A moment in RFC 3339.
///
/// # Errors
/// The text that is no moment.
pub fn moment(body: &Map<String, Value>, names: &[&str]) -> Result<Given<Timestamp>, String> {
    match text(body, names) {
        None => Ok(None),
        Some(None) => Ok(Some(None)),
        Some(Some(word)) => Timestamp::parse(&word).map(|moment| Some(Some(moment))).ok_or(word),
    }
}

/// A value's trimmed spelling; `None` where it is null, blank, a list or an object.
#[must_use]
pub fn spelled(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn tells_the_absent_from_the_blank_from_the_value() {
        let body = body(json!({"a": " x ", "b": "  ", "c": null, "d": [], "e": 7, "f": "1", "g": "2024-01-01T00:00:00Z"}));
        assert_eq!(text(&body, &["a"]), Some(Some("x".into())));
        assert_eq!(text(&body, &["nope", "a"]), Some(Some("x".into())));
        for blank in ["b", "c", "d"] {
            assert_eq!(text(&body, &[blank]), Some(None), "{blank}");
        }
        assert_eq!(text(&body, &["nope"]), None);
        assert_eq!(id(&body, &["e"]), Ok(Some(Some(7))));
        assert_eq!(id(&body, &["a"]), Err("x".into()));
        assert_eq!(flag(&body, &["f"]), Some(Some(true)));
        assert!(moment(&body, &["g"]).expect("a date").is_some());
        assert_eq!(moment(&body, &["a"]), Err("x".into()));
    }
}
