//! Annotations as they are shown: the list, its filters, and the one JSON shape of an annotation.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use trunkline_persistence::Piece;
use trunkline_protocol::{CodecError, Commit, Record, Timestamp, UserId, codec::kinds};

use super::{Annotation, AnnotationFact, Note, Priority, Resolution, Tie, clock_of};
use crate::{Entity as _, Projection, streams::shelf::Shelf};

/// An annotation as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AnnotationRow {
    /// Its id.
    pub id: u64,
    /// Whose it is.
    pub owner: UserId,
    /// What it says.
    pub note: Note,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Record for AnnotationRow {
    const KIND: u16 = kinds::PROJECTION_SNAPSHOT;
    const SCHEMA: u8 = 1;
}

impl AnnotationRow {
    /// The object of section 7.2, readable in both dialects: `timestamp` is the place in the first stream that has one, else the event's time.
    #[must_use]
    pub fn json(&self) -> Map<String, Value> {
        let note = &self.note;
        let first = note.ties.iter().find_map(|tie| tie.seconds);
        let tie = |tie: &Tie| {
            json!({
                "stream_id": tie.stream, "added_by_user_id": tie.added_by,
                "seconds": tie.seconds, "timestamp_seconds": tie.seconds, "stream_timestamp_seconds": tie.seconds,
                "stream_timestamp_display": tie.seconds.map(clock_of),
            })
        };
        let object = json!({
            "id": self.id, "title": note.title, "description": note.description, "event_timestamp": note.event,
            "timestamp": first.map_or_else(|| note.event.to_string(), |seconds| format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)),
            "priority": note.priority.as_str(), "status": note.status.as_str(), "user_id": self.owner,
            "stream_ids": note.ties.iter().map(|tie| tie.stream).collect::<Vec<_>>(),
            "streams": note.ties.iter().map(tie).collect::<Vec<_>>(),
            "created_at": self.created_at, "updated_at": self.updated_at,
        });
        let Value::Object(members) = object else { return Map::new() };
        members
    }
}

/// Which annotations are asked for; empty means any.
#[derive(Clone, Debug, Default)]
pub struct AnnotationFilter {
    /// Tied to this stream.
    pub stream: Option<u64>,
    /// In title or description, ignoring case.
    pub search: Option<String>,
    /// At this moment or after.
    pub from: Option<Timestamp>,
    /// At this moment or before.
    pub to: Option<Timestamp>,
    /// Of this priority.
    pub priority: Option<Priority>,
    /// Of this status.
    pub status: Option<Resolution>,
}

impl AnnotationFilter {
    fn passes(&self, note: &Note) -> bool {
        let holds = |text: &String| {
            let text = text.to_lowercase();
            note.title.to_lowercase().contains(&text)
                || note.description.as_ref().is_some_and(|words| words.to_lowercase().contains(&text))
        };
        self.stream.is_none_or(|stream| note.ties.iter().any(|tie| tie.stream == stream))
            && self.from.is_none_or(|from| note.event >= from)
            && self.to.is_none_or(|to| note.event <= to)
            && self.priority.is_none_or(|priority| note.priority == priority)
            && self.status.is_none_or(|status| note.status == status)
            && self.search.as_ref().is_none_or(holds)
    }
}

/// The projection of every annotation.
#[derive(Debug, Default)]
pub struct Annotations {
    rows: RwLock<Shelf<AnnotationRow>>,
}

impl Annotations {
    /// The annotation of that id.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<Arc<AnnotationRow>> {
        self.rows.read().get(id).cloned()
    }
    /// Those that pass, the newest event first.
    #[must_use]
    pub fn list(&self, filter: &AnnotationFilter) -> Vec<Arc<AnnotationRow>> {
        let mut rows: Vec<_> = self.rows.read().iter().filter(|row| filter.passes(&row.note)).cloned().collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.note.event, row.id)));
        rows
    }
    fn take(&self, id: u64, fact: AnnotationFact, at: Timestamp) {
        let mut rows = self.rows.write();
        let before = rows.get(id).cloned();
        let row = match (fact, before) {
            (AnnotationFact::Added { owner, note }, _) => AnnotationRow { id, owner, note, created_at: at, updated_at: at },
            (AnnotationFact::Changed { note }, Some(before)) => {
                AnnotationRow { note, updated_at: at, ..AnnotationRow::clone(&before) }
            }
            (AnnotationFact::Tied { tie }, Some(before)) => {
                let mut row = AnnotationRow { updated_at: at, ..AnnotationRow::clone(&before) };
                row.note.ties.push(tie);
                row
            }
            (AnnotationFact::Removed, _) => {
                rows.remove(id);
                return;
            }
            (AnnotationFact::Changed { .. } | AnnotationFact::Tied { .. }, None) => return,
        };
        rows.put(id, row);
    }
}

impl Projection for Annotations {
    fn name(&self) -> &'static str {
        "annotations"
    }
    fn schema(&self) -> u8 {
        1
    }
    fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
        if commit.entity.kind() != Annotation::KIND {
            return Ok(());
        }
        let Ok(id) = commit.entity.key().parse() else { return Ok(()) };
        for fact in commit.facts_of::<AnnotationFact>() {
            self.take(id, fact?, commit.at);
        }
        Ok(())
    }
    fn changed(&self) -> Vec<Piece> {
        self.rows.write().changed()
    }
    fn restore(&self, pieces: Vec<(Vec<u8>, Bytes)>) -> Result<(), CodecError> {
        *self.rows.write() = Shelf::restored(&pieces)?;
        Ok(())
    }
}
