//! [`StreamRow`]: the one JSON shape of a stream, with every alias of `streams.md` 4.1. The wire spelling lives nowhere else.

use std::sync::Arc;

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Kept, Owner};
use crate::streams::{location::LocationRow, stream::StreamState, streamer::StreamerRow};

/// A stream with its surroundings as they were when it was looked at. Serialises as the object of 4.1: every key, null when empty.
#[derive(Clone, Debug)]
pub struct StreamRow {
    /// The stream.
    pub kept: Arc<Kept>,
    /// Where it is.
    pub location: Option<Arc<LocationRow>>,
    /// Who streams.
    pub streamer: Option<Arc<StreamerRow>>,
    /// Whose it is.
    pub owner: Option<Owner>,
    /// It names the address of its figures.
    pub analytics: bool,
}

impl StreamRow {
    /// What is known of it.
    #[must_use]
    pub fn stream(&self) -> &StreamState {
        &self.kept.stream
    }
    /// Its id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.kept.stream.id
    }
    /// Counts its changes: the `ETag`.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.kept.stream.version
    }

    /// Writes every member into a map that may hold others too.
    ///
    /// # Errors
    /// The serialiser's own.
    pub fn members<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let stream = self.stream();
        let link = &*stream.link;
        map.serialize_entry("id", &stream.id)?;
        map.serialize_entry("source", &stream.source)?;
        map.serialize_entry("link", link)?;
        map.serialize_entry("url", link)?;
        map.serialize_entry("status", stream.status.key())?;
        map.serialize_entry("platform", &stream.platform.map(|platform| platform.as_str()))?;
        map.serialize_entry("platform_key", &stream.platform.map(|platform| platform.key.key()))?;
        map.serialize_entry("title", &stream.title)?;
        map.serialize_entry("notes", &stream.notes)?;
        map.serialize_entry("city", &stream.city)?;
        map.serialize_entry("state", &stream.state)?;
        map.serialize_entry("posted_by", &stream.posted_by)?;
        map.serialize_entry("external_id", &stream.external_id)?;
        map.serialize_entry("orientation", &stream.orientation.map(|orientation| orientation.key()))?;
        map.serialize_entry("kind", stream.kind.key())?;
        map.serialize_entry("is_pinned", &stream.is_pinned)?;
        map.serialize_entry("pinned", &stream.is_pinned)?;
        map.serialize_entry("is_archived", &stream.is_archived)?;
        map.serialize_entry("archived", &stream.is_archived)?;
        map.serialize_entry("last_checked_at", &stream.last_checked_at)?;
        map.serialize_entry("last_checked", &stream.last_checked_at)?;
        map.serialize_entry("checked_at", &stream.last_checked_at)?;
        map.serialize_entry("last_live_at", &stream.last_live_at)?;
        map.serialize_entry("started_at", &stream.started_at)?;
        map.serialize_entry("ended_at", &stream.ended_at)?;
        // The location may have been taken off the list since: then there is none.
        map.serialize_entry("location_id", &self.location.as_ref().map(|row| row.id))?;
        map.serialize_entry("location", &self.location.as_ref().map(|row| LocationBrief(row)))?;
        map.serialize_entry("streamer_id", &self.streamer.as_ref().map(|row| row.id))?;
        map.serialize_entry("streamer", &self.streamer.as_ref().map(|row| StreamerBrief(row)))?;
        map.serialize_entry("user", &OwnerBrief(stream, self.owner.as_ref()))?;
        map.serialize_entry("user_id", &stream.user)?;
        map.serialize_entry("analytics_url", &self.analytics.then(|| format!("/api/v1/streams/{}/analytics", stream.id)))?;
        map.serialize_entry("tags", &[(); 0])?;
        map.serialize_entry("lock_version", &stream.version)?;
        map.serialize_entry("created_at", &stream.created_at)?;
        map.serialize_entry("updated_at", &stream.updated_at)
    }
}

impl Serialize for StreamRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.members(&mut map)?;
        map.end()
    }
}

struct LocationBrief<'a>(&'a LocationRow);
impl Serialize for LocationBrief<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("id", &self.0.id)?;
        map.serialize_entry("city", &self.0.place.city)?;
        map.serialize_entry("state_province", &self.0.place.state_province)?;
        map.serialize_entry("display_name", &self.0.place.display_name())?;
        map.end()
    }
}

struct StreamerBrief<'a>(&'a StreamerRow);
impl Serialize for StreamerBrief<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("id", &self.0.id)?;
        map.serialize_entry("name", &self.0.profile.name)?;
        map.end()
    }
}

/// An owner whose account is gone is still named by id.
struct OwnerBrief<'a>(&'a StreamState, Option<&'a Owner>);
impl Serialize for OwnerBrief<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("id", &self.0.user)?;
        map.serialize_entry("email", &self.1.map(|owner| &*owner.email))?;
        map.serialize_entry("role", &self.1.map(|owner| owner.role.as_str()))?;
        map.serialize_entry("created_at", &self.1.map(|owner| owner.created_at))?;
        map.serialize_entry("updated_at", &self.1.map(|owner| owner.updated_at))?;
        map.end()
    }
}
