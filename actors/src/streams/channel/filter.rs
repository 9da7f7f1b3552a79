//! Which streams a dashboard wants to hear of: the optional parameters of a `StreamsChannel` subscription (`streams.md` 8.2).
//!
//! Everyone with the same filter shares one topic, whatever the order and casing they spelled it in, so that all are sent the same bytes.

use serde_json::{Map, Value};
use trunkline_protocol::{Refusal, Topic};

use crate::streams::stream::{
    field::{Change, FieldValue, StreamField},
    state::StreamState,
    words::{Platform, PlatformKey, Status},
};

/// What of a stream a filter looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Traits {
    /// What was last found out.
    pub status: Status,
    /// Where it is shown.
    pub platform: Option<PlatformKey>,
    /// On top.
    pub pinned: bool,
    /// Put away.
    pub archived: bool,
}

impl Traits {
    /// Those of a stream.
    #[must_use]
    pub fn of(state: &StreamState) -> Self {
        let platform = state.platform.map(|platform| platform.key);
        Self { status: state.status, platform, pinned: state.is_pinned, archived: state.is_archived }
    }
    /// Takes a change back.
    pub fn undo(&mut self, change: &Change) {
        self.set(change.field, &change.from);
    }
    /// Makes a change.
    pub fn redo(&mut self, change: &Change) {
        self.set(change.field, &change.to);
    }
    fn set(&mut self, field: StreamField, value: &FieldValue) {
        match field {
            StreamField::Status => self.status = value.text().and_then(Status::read).unwrap_or_default(),
            StreamField::Platform => self.platform = value.text().and_then(Platform::read).map(|platform| platform.key),
            StreamField::IsPinned => self.pinned = *value == FieldValue::Flag(true),
            StreamField::IsArchived => self.archived = *value == FieldValue::Flag(true),
            _ => {}
        }
    }
}

/// A checked filter. Empty: every stream, archived ones too.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    statuses: Vec<Status>,
    archived: bool,
    platforms: Vec<PlatformKey>,
    pinned: Option<bool>,
}

impl Filter {
    /// Reads the parameters; unknown ones are ignored, an empty value counts as absent.
    ///
    /// # Errors
    /// Where a status, platform or flag is none: such a subscription would hear nothing for ever.
    pub fn read(params: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut filter = Self::default();
        for word in words(params, &["status"]) {
            if word.eq_ignore_ascii_case("archived") {
                filter.archived = true;
                continue;
            }
            filter.statuses.push(Status::read(&word).ok_or_else(|| Refusal::field("status", "is not included in the list"))?);
        }
        for word in words(params, &["platform"]) {
            let platform = Platform::read(&word).ok_or_else(|| Refusal::field("platform", "is not included in the list"))?;
            filter.platforms.push(platform.key);
        }
        for word in words(params, &["pinned", "is_pinned"]) {
            filter.pinned = match word.as_str() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => return Err(Refusal::field("pinned", "must be true or false")),
            };
        }
        filter.statuses.sort_unstable_by_key(|status| status.key());
        filter.statuses.dedup();
        filter.platforms.sort_unstable_by_key(|platform| platform.key());
        filter.platforms.dedup();
        Ok(filter)
    }
    /// The topic of everyone with this filter: `streams`, `streams?status=live&pinned=true`.
    #[must_use]
    pub fn topic(&self) -> Topic {
        let mut parts = Vec::new();
        let statuses: Vec<&str> =
            self.statuses.iter().map(|status| status.key()).chain(self.archived.then_some("archived")).collect();
        if !statuses.is_empty() {
            parts.push(format!("status={}", statuses.join(",")));
        }
        if !self.platforms.is_empty() {
            let platforms: Vec<&str> = self.platforms.iter().map(|platform| platform.key()).collect();
            parts.push(format!("platform={}", platforms.join(",")));
        }
        if let Some(pinned) = self.pinned {
            parts.push(format!("pinned={pinned}"));
        }
        if parts.is_empty() { Topic::channel("streams") } else { Topic::channel(format!("streams?{}", parts.join("&"))) }
    }
    /// Whether it asks for everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
    /// Whether a stream like this is wanted. As in lists, what is archived is wanted only by those who ask for `archived`.
    #[must_use]
    pub fn wants(&self, traits: &Traits) -> bool {
        if self.is_empty() {
            return true;
        }
        let status = match traits.archived {
            true => self.archived,
            false => self.statuses.contains(&traits.status) || (self.statuses.is_empty() && !self.archived),
        };
        let platform = self.platforms.is_empty() || traits.platform.is_some_and(|platform| self.platforms.contains(&platform));
        status && platform && self.pinned.is_none_or(|pinned| pinned == traits.pinned)
    }
}

/// The words of a parameter: a comma list, an array, a number or a flag.
fn words(params: &Map<String, Value>, names: &[&str]) -> Vec<String> {
    let Some(value) = names.iter().find_map(|name| params.get(*name)) else { return Vec::new() };
    let parts: Vec<String> = match value {
        Value::String(text) => text.split(',').map(str::to_owned).collect(),
        Value::Array(values) => values.iter().map(word).collect(),
        Value::Null => Vec::new(),
        other => vec![word(other)],
    };
    parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filter(params: Value) -> Result<Filter, Refusal> {
        Filter::read(params.as_object().expect("an object"))
    }
    const LIVE: Traits = Traits { status: Status::Live, platform: Some(PlatformKey::Twitch), pinned: false, archived: false };

    #[test]
    fn gives_one_topic_to_one_filter_however_it_is_spelled() {
        let a = filter(json!({"status": "Live, offline", "platform": ["YouTube", "twitch"], "pinned": "1"})).expect("a filter");
        let b = filter(json!({"pinned": true, "platform": "Twitch,youtube", "status": ["OFFLINE", "live", "live"], "room": 7}))
            .expect("a filter");
        assert_eq!(a, b);
        assert_eq!(a.topic().name(), "streams?status=live,offline&platform=twitch,youtube&pinned=true");
        assert_eq!(filter(json!({"status": "", "pinned": null})).expect("none").topic().name(), "streams");
    }

    #[test]
    fn refuses_what_would_never_be_heard() {
        for params in
            [json!({"status": "Sleeping"}), json!({"platform": {"a": 1}}), json!({"pinned": "perhaps"}), json!({"status": 7})]
        {
            assert!(filter(params.clone()).is_err(), "{params}");
        }
    }

    #[test]
    fn wants_archived_streams_only_where_they_are_asked_for() {
        let archived = Traits { archived: true, ..LIVE };
        assert!(Filter::default().wants(&archived), "no filter: everything");
        let live = filter(json!({"status": "live"})).expect("a filter");
        assert!(live.wants(&LIVE) && !live.wants(&archived));
        let put_away = filter(json!({"status": "archived"})).expect("a filter");
        assert!(put_away.wants(&archived) && !put_away.wants(&LIVE));
        let pinned = filter(json!({"is_pinned": true})).expect("a filter");
        assert!(!pinned.wants(&LIVE) && pinned.wants(&Traits { pinned: true, ..LIVE }));
        let elsewhere = filter(json!({"platform": "kick"})).expect("a filter");
        assert!(!elsewhere.wants(&LIVE) && !elsewhere.wants(&Traits { platform: None, ..LIVE }));
    }

    #[test]
    fn walks_a_streams_traits_back_and_forth() {
        let change = Change { field: StreamField::Status, from: "live".into(), to: "offline".into() };
        let mut traits = Traits { status: Status::Offline, ..LIVE };
        traits.undo(&change);
        assert_eq!(traits, LIVE);
        traits.redo(&change);
        assert_eq!(traits.status, Status::Offline);
    }
}
