//! What is known of one stream: the fields of `streams.md` 4.1 that are its own. Built from facts alone, by the entity and by the board alike.

use serde::{Deserialize, Serialize};
use trunkline_protocol::{Timestamp, UserId};

use super::{
    field::{Change, FieldValue, StreamField},
    words::{Orientation, Platform, Status, StreamKind},
};

/// One stream. Text is boxed, not growable: a hub keeps a hundred thousand of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StreamState {
    /// Its id.
    pub id: u64,
    /// Whose it is.
    pub user: UserId,
    /// Counts its changes, from 1: the `ETag` and the `lock_version`.
    pub version: u64,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The link, as it was written.
    pub link: Box<str>,
    /// Where it was found; echoed verbatim.
    pub source: Box<str>,
    /// What was last found out.
    pub status: Status,
    /// Where it is shown, in the spelling that was accepted.
    pub platform: Option<Platform>,
    /// What it is called.
    pub title: Option<Box<str>>,
    /// What editors noted.
    pub notes: Option<Box<str>>,
    /// The city.
    pub city: Option<Box<str>>,
    /// The state or province.
    pub state: Option<Box<str>>,
    /// Who found it.
    pub posted_by: Option<Box<str>>,
    /// What its submitter calls it.
    pub external_id: Option<Box<str>>,
    /// Which way the picture stands.
    pub orientation: Option<Orientation>,
    /// What a wall does with it.
    pub kind: StreamKind,
    /// Shown first.
    pub is_pinned: bool,
    /// Over.
    pub is_archived: bool,
    /// When somebody last looked.
    pub last_checked_at: Option<Timestamp>,
    /// When it was last seen live.
    pub last_live_at: Option<Timestamp>,
    /// When it went live.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its location.
    pub location: Option<u64>,
    /// Its streamer.
    pub streamer: Option<u64>,
}

impl StreamState {
    /// A stream as it is when it was added with these fields.
    #[must_use]
    pub fn added(id: u64, user: UserId, fields: &[(StreamField, FieldValue)], at: Timestamp) -> Self {
        let mut stream = Self {
            id,
            user,
            version: 1,
            created_at: at,
            updated_at: at,
            link: Box::default(),
            source: Box::default(),
            status: Status::default(),
            platform: None,
            title: None,
            notes: None,
            city: None,
            state: None,
            posted_by: None,
            external_id: None,
            orientation: None,
            kind: StreamKind::default(),
            is_pinned: false,
            is_archived: false,
            last_checked_at: None,
            last_live_at: None,
            started_at: None,
            ended_at: None,
            location: None,
            streamer: None,
        };
        for (field, value) in fields {
            stream.set(*field, value);
        }
        stream
    }
    /// Takes changes in.
    pub fn change(&mut self, changes: &[Change], at: Timestamp) {
        for change in changes {
            self.set(change.field, &change.to);
        }
        self.version += 1;
        self.updated_at = at;
    }
    /// The value of a field, as a fact records it.
    #[must_use]
    pub fn get(&self, field: StreamField) -> FieldValue {
        match field {
            StreamField::Link => FieldValue::Text(self.link.clone()),
            StreamField::Source => FieldValue::Text(self.source.clone()),
            StreamField::Status => FieldValue::from(self.status.key()),
            StreamField::Platform => FieldValue::from(self.platform.map(Platform::as_str)),
            StreamField::Title => FieldValue::from(self.title.as_deref()),
            StreamField::Notes => FieldValue::from(self.notes.as_deref()),
            StreamField::City => FieldValue::from(self.city.as_deref()),
            StreamField::State => FieldValue::from(self.state.as_deref()),
            StreamField::PostedBy => FieldValue::from(self.posted_by.as_deref()),
            StreamField::ExternalId => FieldValue::from(self.external_id.as_deref()),
            StreamField::Orientation => FieldValue::from(self.orientation.map(Orientation::key)),
            StreamField::Kind => FieldValue::from(self.kind.key()),
            StreamField::IsPinned => FieldValue::Flag(self.is_pinned),
            StreamField::IsArchived => FieldValue::Flag(self.is_archived),
            StreamField::LastCheckedAt => FieldValue::from(self.last_checked_at),
            StreamField::LastLiveAt => FieldValue::from(self.last_live_at),
            StreamField::StartedAt => FieldValue::from(self.started_at),
            StreamField::EndedAt => FieldValue::from(self.ended_at),
            StreamField::Location => FieldValue::from(self.location),
            StreamField::Streamer => FieldValue::from(self.streamer),
        }
    }
    fn set(&mut self, field: StreamField, value: &FieldValue) {
        let text = || value.text().map(Box::from);
        let flag = matches!(value, FieldValue::Flag(true));
        let at = if let FieldValue::At(at) = value { Some(*at) } else { None };
        let id = if let FieldValue::Id(id) = value { Some(*id) } else { None };
        match field {
            StreamField::Link => self.link = text().unwrap_or_default(),
            StreamField::Source => self.source = text().unwrap_or_default(),
            StreamField::Status => self.status = value.text().and_then(Status::read).unwrap_or_default(),
            StreamField::Platform => self.platform = value.text().and_then(Platform::read),
            StreamField::Title => self.title = text(),
            StreamField::Notes => self.notes = text(),
            StreamField::City => self.city = text(),
            StreamField::State => self.state = text(),
            StreamField::PostedBy => self.posted_by = text(),
            StreamField::ExternalId => self.external_id = text(),
            StreamField::Orientation => self.orientation = value.text().and_then(Orientation::read),
            StreamField::Kind => self.kind = value.text().and_then(StreamKind::read).unwrap_or_default(),
            StreamField::IsPinned => self.is_pinned = flag,
            StreamField::IsArchived => self.is_archived = flag,
            StreamField::LastCheckedAt => self.last_checked_at = at,
            StreamField::LastLiveAt => self.last_live_at = at,
            StreamField::StartedAt => self.started_at = at,
            StreamField::EndedAt => self.ended_at = at,
            StreamField::Location => self.location = id,
            StreamField::Streamer => self.streamer = id,
        }
    }
}
