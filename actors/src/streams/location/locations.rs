//! Locations as they are shown: the list, its filters, and the one JSON shape of a location.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use trunkline_persistence::Piece;
use trunkline_protocol::{CodecError, Commit, Record, Timestamp, codec::kinds};

use super::{LocationFact, Place, place::degrees};
use crate::{Entity as _, Projection, streams::shelf::Shelf};

/// A location as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LocationRow {
    /// Its id.
    pub id: u64,
    /// What is said of it.
    pub place: Place,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Record for LocationRow {
    const KIND: u16 = kinds::PROJECTION_SNAPSHOT;
    const SCHEMA: u8 = 1;
}

impl LocationRow {
    /// Inside a stream (`streams.md` 4.1): id, city, `state_province`, `display_name`.
    #[must_use]
    pub fn brief(&self) -> Value {
        json!({"id": self.id, "city": self.place.city, "state_province": self.place.state_province, "display_name": self.place.display_name()})
    }
    /// The whole object of section 5.
    #[must_use]
    pub fn json(&self, streams_count: u64) -> Map<String, Value> {
        let place = &self.place;
        let (latitude, longitude) = (place.latitude.map(degrees), place.longitude.map(degrees));
        let coordinates = latitude.as_ref().zip(longitude.as_ref()).map(|(latitude, longitude)| json!([latitude, longitude]));
        let object = json!({
            "id": self.id, "city": place.city, "state_province": place.state_province, "region": place.region, "country": place.country,
            "display_name": place.display_name(), "full_display_name": place.full_display_name(), "normalized_name": place.normalized_name(),
            "latitude": latitude, "longitude": longitude, "coordinates": coordinates, "is_known_city": place.is_known_city,
            "streams_count": streams_count, "created_at": self.created_at, "updated_at": self.updated_at,
        });
        let Value::Object(members) = object else { return Map::new() };
        members
    }
    /// As `/locations/all` lists it.
    #[must_use]
    pub fn listed(&self, with_known: bool) -> Value {
        let place = &self.place;
        let mut listed = json!({
            "id": self.id, "city": place.city, "state_province": place.state_province, "country": place.country,
            "display_name": place.display_name(), "normalized_name": place.normalized_name(),
        });
        if with_known {
            listed["is_known_city"] = place.is_known_city.into();
        }
        listed
    }
}

/// Which locations are asked for; empty means any.
#[derive(Clone, Debug, Default)]
pub struct LocationFilter {
    /// In any of the names, ignoring case.
    pub search: Option<String>,
    /// The country, ignoring case.
    pub country: Option<String>,
    /// The state or province, ignoring case.
    pub state: Option<String>,
    /// Only places an admin vouches for.
    pub known: bool,
}

impl LocationFilter {
    fn passes(&self, place: &Place) -> bool {
        let same = |wanted: &Option<String>, has: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| has.as_ref().is_some_and(|has| has.to_lowercase() == wanted.to_lowercase()))
        };
        let holds = |text: &str| {
            let text = text.to_lowercase();
            [Some(&place.city), place.state_province.as_ref(), place.region.as_ref(), place.country.as_ref()]
                .into_iter()
                .flatten()
                .any(|name| name.to_lowercase().contains(&text))
                || place.normalized_name().contains(&text)
        };
        (!self.known || place.is_known_city)
            && same(&self.country, &place.country)
            && same(&self.state, &place.state_province)
            && self.search.as_deref().is_none_or(holds)
    }
}

/// The projection of every location.
#[derive(Debug, Default)]
pub struct Locations {
    shown: RwLock<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    rows: Shelf<LocationRow>,
    names: HashMap<String, u64>,
}

impl Locations {
    /// The location of that id.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<Arc<LocationRow>> {
        self.shown.read().rows.get(id).cloned()
    }
    /// The location of that normalised name.
    #[must_use]
    pub fn named(&self, normalized_name: &str) -> Option<Arc<LocationRow>> {
        let shown = self.shown.read();
        shown.names.get(normalized_name).and_then(|id| shown.rows.get(*id)).cloned()
    }
    /// Those that pass, by city, then state, then id.
    #[must_use]
    pub fn list(&self, filter: &LocationFilter) -> Vec<Arc<LocationRow>> {
        let mut rows: Vec<_> = self.shown.read().rows.iter().filter(|row| filter.passes(&row.place)).cloned().collect();
        rows.sort_by_cached_key(|row| {
            (row.place.city.to_lowercase(), row.place.state_province.as_deref().map(str::to_lowercase), row.id)
        });
        rows
    }
}

impl Shown {
    fn take(&mut self, fact: LocationFact, at: Timestamp) {
        match fact {
            LocationFact::Added { id, place } => self.put(LocationRow { id, place, created_at: at, updated_at: at }),
            LocationFact::Changed { id, place } => {
                let created_at = self.rows.get(id).map_or(at, |row| row.created_at);
                self.put(LocationRow { id, place, created_at, updated_at: at });
            }
            LocationFact::Removed { id } => {
                if let Some(row) = self.rows.remove(id) {
                    self.names.remove(&row.place.normalized_name());
                }
            }
        }
    }
    fn put(&mut self, row: LocationRow) {
        if let Some(before) = self.rows.get(row.id) {
            self.names.remove(&before.place.normalized_name());
        }
        self.names.insert(row.place.normalized_name(), row.id);
        self.rows.put(row.id, row);
    }
}

impl Projection for Locations {
    fn name(&self) -> &'static str {
        "locations"
    }
    fn schema(&self) -> u8 {
        1
    }
    fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
        if commit.entity.kind() != super::LocationRegistry::KIND {
            return Ok(());
        }
        let mut shown = self.shown.write();
        for fact in commit.facts_of::<LocationFact>() {
            shown.take(fact?, commit.at);
        }
        Ok(())
    }
    fn changed(&self) -> Vec<Piece> {
        self.shown.write().rows.changed()
    }
    fn restore(&self, pieces: Vec<(Vec<u8>, Bytes)>) -> Result<(), CodecError> {
        let rows = Shelf::<LocationRow>::restored(&pieces)?;
        let names = rows.iter().map(|row| (row.place.normalized_name(), row.id)).collect();
        *self.shown.write() = Shown { rows, names };
        Ok(())
    }
}
