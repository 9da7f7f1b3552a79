//! A stream as the wall reads it (`streams.md` 4.9): its own names, its own capitals, no nulls where it expects nothing.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::board::StreamRow;

/// One tile of the wall. Serialises as the object of 4.9; never sets `_id` or `_dataSource`, which the wall sets itself.
#[derive(Clone, Copy, Debug)]
pub struct WallRow<'a>(pub &'a StreamRow);

impl Serialize for WallRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stream = self.0.stream();
        let streamer = self.0.streamer.as_ref().map(|row| row.profile.name.as_str());
        let label = stream.title.as_deref().or(streamer).unwrap_or(&stream.source);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &stream.id)?;
        map.serialize_entry("kind", stream.kind.key())?;
        map.serialize_entry("link", &stream.link)?;
        map.serialize_entry("label", label)?;
        map.serialize_entry("source", &stream.source)?;
        map.serialize_entry("notes", stream.notes.as_deref().unwrap_or_default())?;
        map.serialize_entry("status", stream.status.name())?;
        map.serialize_entry("city", stream.city.as_deref().unwrap_or_default())?;
        map.serialize_entry("state", stream.state.as_deref().unwrap_or_default())?;
        if let Some(orientation) = stream.orientation {
            map.serialize_entry("orientation", orientation.letter())?;
        }
        map.serialize_entry("addedDate", &stream.created_at)?;
        map.serialize_entry("platform", &stream.platform.map(|platform| platform.as_str()))?;
        map.serialize_entry("is_pinned", &stream.is_pinned)?;
        map.end()
    }
}
