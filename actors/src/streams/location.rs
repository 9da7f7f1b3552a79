//! Where streams are. One registry holds every location, so that two posts from one new city make one location.
//!
//! Streams ask [`find_or_create`]; the edge asks [`create`], [`change`], [`remove`] and reads [`Locations`].

mod locations;
mod place;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use trunkline_protocol::{Position, Record, Refusal, RefusalKind, codec::kinds};

pub use locations::{LocationFilter, LocationRow, Locations};
pub use place::{Microdegrees, Place, PlaceChange, degrees};

use crate::{
    AskError, Asking, Decision, Entity, Hub, NoNotice, Written,
    accounts::policy::permission::{LOCATIONS_WRITE, STREAMS_WRITE},
};

/// The registry's only key.
pub(super) const ALL: &str = "all";

/// Every location, as the rules see them.
#[derive(Debug, Default)]
pub struct LocationRegistry {
    places: BTreeMap<u64, Place>,
    names: HashMap<String, u64>,
}

/// A wish concerning one location.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum LocationCommand {
    /// Add a place under a fresh id.
    Add {
        /// The fresh id.
        id: u64,
        /// The place.
        place: Place,
    },
    /// Change what is said of it.
    Change {
        /// Which.
        id: u64,
        /// What is to change.
        change: PlaceChange,
    },
    /// Take it off the list; the asker has seen that no stream is there.
    Remove {
        /// Which.
        id: u64,
    },
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LocationFact {
    /// A location was added.
    Added {
        /// Its id.
        id: u64,
        /// What is said of it.
        place: Place,
    },
    /// What is said of it changed to this.
    Changed {
        /// Which.
        id: u64,
        /// What is said of it now.
        place: Place,
    },
    /// It was taken off the list.
    Removed {
        /// Which.
        id: u64,
    },
}

impl Record for LocationFact {
    const KIND: u16 = kinds::LOCATION;
    const SCHEMA: u8 = 1;
}

impl Entity for LocationRegistry {
    const KIND: &'static str = "location";
    type Command = LocationCommand;
    type Fact = LocationFact;
    type Notice = NoNotice;

    fn decide(&self, command: &LocationCommand, asking: &Asking) -> Result<Decision<Self>, Refusal> {
        match command {
            LocationCommand::Add { id, place } => {
                // Who may post a stream may name its city.
                if !asking.by.may(STREAMS_WRITE) {
                    asking.by.require(LOCATIONS_WRITE)?;
                }
                place.check()?;
                self.free(place, *id)?;
                Ok(Decision::fact(LocationFact::Added { id: *id, place: place.clone() }))
            }
            LocationCommand::Change { id, change } => {
                asking.by.require(LOCATIONS_WRITE)?;
                let before = self.places.get(id).ok_or_else(not_found)?;
                let place = change.of(before);
                place.check()?;
                if place == *before {
                    return Ok(Decision::nothing());
                }
                self.free(&place, *id)?;
                Ok(Decision::fact(LocationFact::Changed { id: *id, place }))
            }
            LocationCommand::Remove { id } => {
                asking.by.require(LOCATIONS_WRITE)?;
                self.places.get(id).ok_or_else(not_found)?;
                Ok(Decision::fact(LocationFact::Removed { id: *id }))
            }
        }
    }

    fn apply(&mut self, fact: &LocationFact, _written: &Written) {
        match fact {
            LocationFact::Added { id, place } | LocationFact::Changed { id, place } => {
                if let Some(before) = self.places.insert(*id, place.clone()) {
                    self.names.remove(&before.normalized_name());
                }
                self.names.insert(place.normalized_name(), *id);
            }
            LocationFact::Removed { id } => {
                if let Some(before) = self.places.remove(id) {
                    self.names.remove(&before.normalized_name());
                }
            }
        }
    }
}

impl LocationRegistry {
    /// Refuses where another location has that name, and says which.
    fn free(&self, place: &Place, id: u64) -> Result<(), Refusal> {
        match self.names.get(&place.normalized_name()) {
            Some(holder) if *holder != id => {
                Err(place::failed(vec![("normalized_name".into(), "has already been taken".into())]).about(holder))
            }
            _ => Ok(()),
        }
    }
}

// The names follow from the places: a snapshot holds the places alone.
impl Serialize for LocationRegistry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.places.serialize(serializer)
    }
}
impl<'de> Deserialize<'de> for LocationRegistry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let places = BTreeMap::<u64, Place>::deserialize(deserializer)?;
        let names = places.iter().map(|(id, place)| (place.normalized_name(), *id)).collect();
        Ok(Self { places, names })
    }
}

/// The location of that name, added where there is none yet; `None` where the place has no city. With `known_only` (the flag
/// `location_validation`) only a place that an admin vouches for will do (`streams.md` 4.4).
///
/// # Errors
/// 422 where the city is not known or a name is too long; what [`Hub::ask`] may answer.
pub async fn find_or_create(hub: &Hub, asking: &Asking, place: Place, known_only: bool) -> Result<Option<u64>, AskError> {
    if place.city.is_empty() {
        return Ok(None);
    }
    let shown = hub.projection::<Locations>().named(&place.normalized_name());
    if known_only {
        let known = shown.filter(|row| row.place.is_known_city).ok_or_else(not_recognized)?;
        return Ok(Some(known.id));
    }
    if let Some(row) = shown {
        return Ok(Some(row.id));
    }
    // A step of the caller's command: a retry of the caller finds what it made.
    let asking = Asking { command: trunkline_protocol::CommandId::step(asking.command, 41), ..asking.clone() };
    let place = Place { is_known_city: false, ..place };
    match create(hub, asking, place).await {
        Ok((id, _)) => Ok(Some(id)),
        Err(AskError::Refused(refusal)) => match refusal.subject.as_deref().and_then(|id| id.parse().ok()) {
            Some(id) => Ok(Some(id)),
            None => Err(AskError::Refused(refusal)),
        },
        Err(failure) => Err(failure),
    }
}

/// Adds a location: its id, and the position from which it is seen.
///
/// # Errors
/// 403; 422 with details, naming the location that has the name already; what [`Hub::ask`] may answer.
pub async fn create(hub: &Hub, asking: Asking, place: Place) -> Result<(u64, Position), AskError> {
    let fresh = hub.next_id("locations").await?;
    let outcome = hub.ask::<LocationRegistry>(ALL, LocationCommand::Add { id: fresh, place }, asking).await?;
    // A repeated command is answered with the facts of the first time, so the id is the fact's.
    let id = outcome.facts.iter().find_map(|fact| if let LocationFact::Added { id, .. } = fact { Some(*id) } else { None });
    Ok((id.unwrap_or(fresh), outcome.position))
}

/// Changes what is said of a location; answers the position from which it is seen.
///
/// # Errors
/// 403, 404 `Location not found`, 422 with details; what [`Hub::ask`] may answer.
pub async fn change(hub: &Hub, asking: Asking, id: u64, change: PlaceChange) -> Result<Position, AskError> {
    Ok(hub.ask::<LocationRegistry>(ALL, LocationCommand::Change { id, change }, asking).await?.position)
}

/// Takes a location off the list, unless `streams_count` streams are there.
///
/// # Errors
/// 403, 404 `Location not found`, 422 `Cannot delete location`; what [`Hub::ask`] may answer.
pub async fn remove(hub: &Hub, asking: Asking, id: u64, streams_count: u64) -> Result<Position, AskError> {
    asking.by.require(LOCATIONS_WRITE)?;
    if streams_count > 0 {
        let base = format!("Location is being used by {streams_count} stream(s)");
        let refusal = Refusal::fields(vec![("base".into(), base.into())]);
        return Err(Refusal { sentence: "Cannot delete location".into(), code: "LOCATION_IN_USE".into(), ..refusal }.into());
    }
    Ok(hub.ask::<LocationRegistry>(ALL, LocationCommand::Remove { id }, asking).await?.position)
}

/// 404 in the words of this resource.
#[must_use]
pub fn not_found() -> Refusal {
    Refusal::new(RefusalKind::NotFound, "NOT_FOUND", "Location not found")
}

fn not_recognized() -> Refusal {
    Refusal::field("location", "validation failed: City is not a recognized city. Please contact an admin to add it.")
}

#[cfg(test)]
mod tests;
