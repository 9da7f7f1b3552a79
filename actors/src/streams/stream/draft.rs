//! What a client sent about a stream, read: every alias, every validation of `streams.md` 4.4, in one place.
//!
//! REST, import, batch and cable all come through here; what leaves here is valid in itself. Pure: knows neither rights nor neighbours.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trunkline_protocol::{Refusal, Timestamp, id::MAX_SAFE_INTEGER};

use super::{
    field::{FieldValue, StreamField},
    words::{Orientation, Platform, Status, StreamKind},
};
use crate::streams::link::Link;

/// Which place a client named, beside `city` and `state`, which are fields.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Place {
    /// None: what `city` and `state` say, if they are given at all.
    #[default]
    AsWritten,
    /// `location: null` or `location_id: null`: no place any more.
    Cleared,
    /// `location_id`.
    Known(u64),
    /// `location: {..}`; its city and state stand in the fields.
    Described {
        /// Its region.
        region: Option<Box<str>>,
        /// Its country.
        country: Option<Box<str>>,
    },
}

/// What is to be changed: only what was provided. The link stands apart, for it names the entity.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Changes {
    /// The new link.
    pub link: Option<Link>,
    /// Every other field that was provided, each once.
    pub fields: Vec<(StreamField, FieldValue)>,
    /// The place; resolved into [`StreamField::Location`] before a rule sees it.
    pub place: Place,
    /// `streamer_name`; resolved into [`StreamField::Streamer`] before a rule sees it.
    pub streamer_name: Option<Box<str>>,
}

impl Changes {
    /// The value provided for a field.
    #[must_use]
    pub fn get(&self, field: StreamField) -> Option<&FieldValue> {
        self.fields.iter().find(|(candidate, _)| *candidate == field).map(|(_, value)| value)
    }
    /// The text provided for a field.
    #[must_use]
    pub fn text(&self, field: StreamField) -> Option<&str> {
        self.get(field)?.text()
    }
    /// Provides a value.
    pub fn set(&mut self, field: StreamField, value: FieldValue) {
        match self.fields.iter_mut().find(|(candidate, _)| *candidate == field) {
            Some((_, present)) => *present = value,
            None => self.fields.push((field, value)),
        }
    }
    /// Nothing was provided.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.link.is_none() && self.fields.is_empty() && self.place == Place::AsWritten && self.streamer_name.is_none()
    }
    /// One cell of the grid, as an editor typed it (`streams.md` 8.3): a kind outside the set is a video.
    ///
    /// # Errors
    /// 422 by 4.4.
    pub fn of_cell(field: StreamField, text: Option<&str>) -> Result<Self, Refusal> {
        let mut changes = Self::default();
        if field == StreamField::Link {
            changes.link = Some(Link::read(text.unwrap_or_default())?);
            return Ok(changes);
        }
        let sent = text.map_or(Value::Null, Value::from);
        let value = match read(field, &sent) {
            Err(_) if field == StreamField::Kind => FieldValue::from(StreamKind::Video.key()),
            Err(_) if field == StreamField::Status && is_archived_word(&sent) => {
                changes.set(StreamField::IsArchived, FieldValue::Flag(true));
                return Ok(changes);
            }
            read => read.map_err(|message| Refusal::field(field.name(), message))?,
        };
        changes.set(field, value);
        Ok(changes)
    }
}

/// Every spelling of each field that stands for itself; the first one given wins.
const SPELLINGS: [(StreamField, &[&str]); 17] = [
    (StreamField::Source, &["source"]),
    (StreamField::Status, &["status"]),
    (StreamField::Platform, &["platform"]),
    (StreamField::Title, &["title"]),
    (StreamField::Notes, &["notes"]),
    (StreamField::City, &["city"]),
    (StreamField::State, &["state", "region"]),
    (StreamField::PostedBy, &["posted_by", "postedBy"]),
    (StreamField::ExternalId, &["external_id", "externalId"]),
    (StreamField::Orientation, &["orientation"]),
    (StreamField::Kind, &["kind"]),
    (StreamField::IsPinned, &["is_pinned", "pinned", "isPinned"]),
    (StreamField::IsArchived, &["is_archived", "archived", "isArchived", "isExpired"]),
    (StreamField::LastCheckedAt, &["last_checked_at", "last_checked", "checked_at", "checkedAt"]),
    (StreamField::LastLiveAt, &["last_live_at", "liveAt"]),
    (StreamField::StartedAt, &["started_at", "startedAt"]),
    (StreamField::EndedAt, &["ended_at", "endedAt"]),
];

impl TryFrom<&Map<String, Value>> for Changes {
    type Error = Refusal;
    fn try_from(sent: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut errors = Errors::default();
        let changes = read_changes(sent, &mut errors);
        errors.or(changes)
    }
}

fn read_changes(sent: &Map<String, Value>, errors: &mut Errors) -> Changes {
    let mut changes = Changes::default();
    for (field, spellings) in SPELLINGS {
        let Some(value) = spellings.iter().find_map(|name| sent.get(*name)) else { continue };
        // A written status `archived` archives (C7).
        if field == StreamField::Status && is_archived_word(value) {
            changes.set(StreamField::IsArchived, FieldValue::Flag(true));
            continue;
        }
        match read(field, value) {
            Ok(value) => changes.set(field, value),
            Err(message) => errors.add(field.name(), message),
        }
    }
    if let Some(value) = sent.get("link").or_else(|| sent.get("url")) {
        match Link::read(&plain(value).unwrap_or_default()) {
            Ok(link) => changes.link = Some(link),
            Err(refusal) => errors.fields.extend(refusal.fields),
        }
    }
    read_place(sent, &mut changes, errors);
    read_streamer(sent, &mut changes, errors);
    changes
}

fn read_place(sent: &Map<String, Value>, changes: &mut Changes, errors: &mut Errors) {
    match sent.get("location_id") {
        None => {}
        Some(value) if is_blank(value) => changes.place = Place::Cleared,
        Some(value) => match read_id(value) {
            Some(id) => changes.place = Place::Known(id),
            None => errors.add("location", "must exist"),
        },
    }
    match sent.get("location") {
        Some(Value::Null) => changes.place = Place::Cleared,
        Some(Value::Object(place)) => {
            let part = |names: &[&str]| {
                names.iter().find_map(|name| place.get(*name)).and_then(plain).filter(|text| !text.trim().is_empty())
            };
            if let Some(id) = place.get("id").and_then(read_id) {
                changes.place = Place::Known(id);
                return;
            }
            for (field, names) in [(StreamField::City, ["city", "city"]), (StreamField::State, ["state_province", "state"])] {
                if let Some(text) = part(&names) {
                    match read(field, &Value::String(text)) {
                        Ok(value) => changes.set(field, value),
                        Err(message) => errors.add(field.name(), message),
                    }
                }
            }
            let bounded = |text: String| Box::from(text.trim().chars().take(255).collect::<String>());
            changes.place = Place::Described { region: part(&["region"]).map(bounded), country: part(&["country"]).map(bounded) };
        }
        _ => {}
    }
}

fn read_streamer(sent: &Map<String, Value>, changes: &mut Changes, errors: &mut Errors) {
    if let Some(value) = sent.get("streamer_id") {
        match read_id(value) {
            Some(id) => changes.set(StreamField::Streamer, FieldValue::Id(id)),
            None if is_blank(value) => changes.set(StreamField::Streamer, FieldValue::Nothing),
            None => errors.add("streamer", "must exist"),
        }
        return;
    }
    let name = sent.get("streamer_name").and_then(plain);
    changes.streamer_name =
        name.map(|name| name.trim().chars().take(255).collect::<String>()).filter(|name| !name.is_empty()).map(Box::from);
}

/// A stream that is to be: a link, a source, and whatever else is known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Draft {
    /// Its link.
    pub link: Link,
    /// Everything else; `link` is `None` here.
    pub changes: Changes,
}

impl TryFrom<&Map<String, Value>> for Draft {
    type Error = Refusal;
    fn try_from(sent: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut errors = Errors::default();
        let mut changes = read_changes(sent, &mut errors);
        let link = changes.link.take();
        if link.is_none() && !errors.concern("link") {
            errors.add("link", "can't be blank");
        }
        // What is empty is not worth a place in the journal; a status that is not given is `unknown` (C8).
        changes.fields.retain(|(_, value)| !value.is_blank());
        let Some(link) = link else { return Err(Refusal::fields(errors.fields)) };
        if changes.get(StreamField::Platform).is_none()
            && !errors.concern("platform")
            && let Some(key) = link.platform()
        {
            changes.set(StreamField::Platform, FieldValue::from(key.key()));
        }
        if !sent.contains_key("source") {
            let source = changes.text(StreamField::PostedBy).or_else(|| link.user_name()).unwrap_or_else(|| link.host());
            let source: String = source.chars().take(255).collect();
            changes.set(StreamField::Source, FieldValue::from(source.as_str()));
        }
        errors.or(Self { link, changes })
    }
}

/// Everything that is wrong at once, in the order in which it is told.
#[derive(Default)]
struct Errors {
    fields: Vec<(Cow<'static, str>, Cow<'static, str>)>,
}

impl Errors {
    fn add(&mut self, field: &'static str, message: impl Into<Cow<'static, str>>) {
        self.fields.push((field.into(), message.into()));
    }
    fn concern(&self, field: &str) -> bool {
        self.fields.iter().any(|(candidate, _)| candidate == field)
    }
    fn or<T>(self, value: T) -> Result<T, Refusal> {
        if self.fields.is_empty() { Ok(value) } else { Err(Refusal::fields(self.fields)) }
    }
}

/// Reads the value of a field; what is wrong with it otherwise, without the field's name.
fn read(field: StreamField, sent: &Value) -> Result<FieldValue, Cow<'static, str>> {
    match field {
        StreamField::Source => match text(field, sent)? {
            FieldValue::Nothing => Err("can't be blank".into()),
            value => Ok(value),
        },
        StreamField::Status => word(sent, |text| Status::read(text).map(Status::key)).map(|value| match value {
            // A cell or a body may blank it: nothing is known then.
            FieldValue::Nothing => FieldValue::from(Status::Unknown.key()),
            value => value,
        }),
        StreamField::Platform => word(sent, |text| Platform::read(text).map(Platform::as_str)),
        StreamField::Orientation => word(sent, |text| Orientation::read(text).map(Orientation::key)),
        StreamField::Kind => word(sent, |text| StreamKind::read(text).map(StreamKind::key)).map(|value| match value {
            FieldValue::Nothing => FieldValue::from(StreamKind::Video.key()),
            value => value,
        }),
        StreamField::IsPinned | StreamField::IsArchived => flag(sent).map(FieldValue::Flag).ok_or("must be true or false".into()),
        StreamField::LastCheckedAt | StreamField::LastLiveAt | StreamField::StartedAt | StreamField::EndedAt => moment(sent),
        StreamField::Link
        | StreamField::Title
        | StreamField::Notes
        | StreamField::City
        | StreamField::State
        | StreamField::PostedBy
        | StreamField::ExternalId
        | StreamField::Location
        | StreamField::Streamer => text(field, sent),
    }
}

fn text(field: StreamField, sent: &Value) -> Result<FieldValue, Cow<'static, str>> {
    // A list or an object where text is expected is empty: one client sends `notes: []` (4.4).
    let Some(text) = plain(sent) else { return Ok(FieldValue::Nothing) };
    let text = if matches!(field, StreamField::Title | StreamField::Notes) { text.as_str() } else { text.trim() };
    if text.trim().is_empty() {
        return Ok(FieldValue::Nothing);
    }
    let most = field.characters_max();
    if text.len() > most && text.chars().count() > most {
        return Err(format!("is too long (maximum is {most} characters)").into());
    }
    Ok(FieldValue::from(text))
}

fn word(sent: &Value, read: impl Fn(&str) -> Option<&'static str>) -> Result<FieldValue, Cow<'static, str>> {
    if is_blank(sent) {
        return Ok(FieldValue::Nothing);
    }
    let known = plain(sent).and_then(|text| read(&text));
    known.map(FieldValue::from).ok_or(Cow::Borrowed("is not included in the list"))
}

fn moment(sent: &Value) -> Result<FieldValue, Cow<'static, str>> {
    if is_blank(sent) {
        return Ok(FieldValue::Nothing);
    }
    sent.as_str().and_then(Timestamp::parse).map(FieldValue::At).ok_or(Cow::Borrowed("is not a valid date"))
}

fn flag(sent: &Value) -> Option<bool> {
    match sent {
        Value::Null => Some(false),
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "t" | "yes" | "on" => Some(true),
            "false" | "0" | "f" | "no" | "off" | "" => Some(false),
            _ => None,
        },
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_archived_word(sent: &Value) -> bool {
    sent.as_str().is_some_and(|text| text.trim().eq_ignore_ascii_case("archived"))
}

fn is_blank(sent: &Value) -> bool {
    match sent {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn read_id(sent: &Value) -> Option<u64> {
    let id = match sent {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    id.filter(|id| (1..=MAX_SAFE_INTEGER).contains(id))
}

/// A scalar as text; `None` for null, lists and objects.
fn plain(sent: &Value) -> Option<String> {
    match sent {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
