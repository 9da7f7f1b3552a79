//! The fields of a stream and their values, as facts record them: who changed what, from what, to what.
//!
//! Written into the journal: variants are only ever appended.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use trunkline_protocol::Timestamp;

/// A field that somebody may change. In the journal by its place in this list: append, never reorder.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's own (streams.md 4.4)")]
pub enum StreamField {
    Link,
    Source,
    Status,
    Platform,
    Title,
    Notes,
    City,
    State,
    PostedBy,
    ExternalId,
    Orientation,
    Kind,
    IsPinned,
    IsArchived,
    LastCheckedAt,
    LastLiveAt,
    StartedAt,
    EndedAt,
    Location,
    Streamer,
}

impl StreamField {
    /// Every field with its name on the wire.
    pub const ALL: [(StreamField, &'static str); 20] = [
        (StreamField::Link, "link"),
        (StreamField::Source, "source"),
        (StreamField::Status, "status"),
        (StreamField::Platform, "platform"),
        (StreamField::Title, "title"),
        (StreamField::Notes, "notes"),
        (StreamField::City, "city"),
        (StreamField::State, "state"),
        (StreamField::PostedBy, "posted_by"),
        (StreamField::ExternalId, "external_id"),
        (StreamField::Orientation, "orientation"),
        (StreamField::Kind, "kind"),
        (StreamField::IsPinned, "is_pinned"),
        (StreamField::IsArchived, "is_archived"),
        (StreamField::LastCheckedAt, "last_checked_at"),
        (StreamField::LastLiveAt, "last_live_at"),
        (StreamField::StartedAt, "started_at"),
        (StreamField::EndedAt, "ended_at"),
        (StreamField::Location, "location_id"),
        (StreamField::Streamer, "streamer_id"),
    ];
    /// The fields that are cells of the shared grid (`streams.md` 8.3).
    pub const CELLS: [StreamField; 12] = [
        StreamField::Title,
        StreamField::Source,
        StreamField::Link,
        StreamField::City,
        StreamField::State,
        StreamField::Platform,
        StreamField::Status,
        StreamField::Orientation,
        StreamField::Kind,
        StreamField::StartedAt,
        StreamField::EndedAt,
        StreamField::Notes,
    ];
    /// The name on the wire: `posted_by`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
    /// The cell of the grid with this name.
    #[must_use]
    pub fn cell(name: &str) -> Option<Self> {
        Self::CELLS.into_iter().find(|field| field.name() == name)
    }
    /// The most characters its text may have. Small enough that a fact with every field's old and new text fits a record.
    #[must_use]
    pub fn characters_max(self) -> usize {
        match self {
            Self::Notes => 4000,
            Self::Title => 500,
            Self::Link => super::super::link::LINK_BYTES_MAX,
            _ => 255,
        }
    }
}

/// The value of a field, as facts record it. Closed words are recorded by their spelling.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum FieldValue {
    /// Empty.
    Nothing,
    /// Text, or a closed word.
    Text(Box<str>),
    /// Yes or no.
    Flag(bool),
    /// A moment.
    At(Timestamp),
    /// The id of something else.
    Id(u64),
}

impl FieldValue {
    /// Empty, or blank text.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::Flag(_) | Self::At(_) | Self::Id(_) => false,
        }
    }
    /// The text, where it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Nothing | Self::Flag(_) | Self::At(_) | Self::Id(_) => None,
        }
    }
    /// As it is said on the wire.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Text(text) => Value::from(&**text),
            Self::Flag(flag) => Value::from(*flag),
            Self::At(at) => Value::from(at.to_string()),
            Self::Id(id) => Value::from(*id),
        }
    }
}
impl From<Option<&str>> for FieldValue {
    fn from(text: Option<&str>) -> Self {
        text.map_or(Self::Nothing, |text| Self::Text(text.into()))
    }
}
impl From<&str> for FieldValue {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}
impl From<Option<Timestamp>> for FieldValue {
    fn from(at: Option<Timestamp>) -> Self {
        at.map_or(Self::Nothing, Self::At)
    }
}
impl From<Option<u64>> for FieldValue {
    fn from(id: Option<u64>) -> Self {
        id.map_or(Self::Nothing, Self::Id)
    }
}

/// One field of a write: what it was, what it is now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// Which field.
    pub field: StreamField,
    /// What it was.
    pub from: FieldValue,
    /// What it is now.
    pub to: FieldValue,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_field_at_its_own_place_in_the_table() {
        for (field, name) in StreamField::ALL {
            assert_eq!(field.name(), name);
        }
        assert_eq!(StreamField::cell("started_at"), Some(StreamField::StartedAt));
        assert_eq!(StreamField::cell("is_pinned"), None);
    }
}
