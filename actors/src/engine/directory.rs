//! Who is awake: entity → mailbox, for one hub. Nothing here is process-global: two hubs in one process know nothing of each other.
//!
//! The hub looks entities up here; an actor that retires or dies is taken out; a supervisor that counts crashes bars the door for a while.
//! No guard leaves this file.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use dashmap::{DashMap, Entry};
use ractor::ActorId;
use tokio::time::Instant;
use trunkline_protocol::{
    EntityId,
    limits::{QUARANTINE_CRASHES, QUARANTINE_WINDOW},
};

use super::{
    AskError,
    mailbox::{Mailbox, Resident},
};
use crate::Entity;

/// Who is awake, and who may not wake for a while.
#[derive(Default)]
pub(crate) struct Directory {
    awake: DashMap<EntityId, Arc<dyn Resident>>,
    /// Only entities that crashed within the last window are here.
    breakers: DashMap<EntityId, Breaker>,
}

#[derive(Default)]
struct Breaker {
    crashes: VecDeque<Instant>,
    barred_until: Option<Instant>,
}

impl Directory {
    /// The mailbox of an entity, if it is awake.
    pub(crate) fn awake<E: Entity>(&self, id: &EntityId) -> Option<Arc<Mailbox<E>>> {
        let resident = Arc::clone(&*self.awake.get(id)?);
        resident.as_any().downcast().ok()
    }
    /// The entity's mailbox, made by `wake` if it sleeps: all who ask at once meet one actor. A quarantined entity is not woken.
    pub(crate) fn wake(
        &self,
        id: &EntityId,
        wake: impl FnOnce() -> Result<Arc<dyn Resident>, AskError>,
    ) -> Result<Arc<dyn Resident>, AskError> {
        if self.quarantined(id).is_some() {
            return Err(AskError::Quarantined);
        }
        match self.awake.entry(id.clone()) {
            Entry::Occupied(place) => Ok(Arc::clone(place.get())),
            Entry::Vacant(place) => Ok(Arc::clone(&*place.insert(wake()?))),
        }
    }
    /// Takes out this very actor's entry; a newer actor's stays.
    pub(crate) fn forget(&self, id: &EntityId, actor: ActorId) -> Option<Arc<dyn Resident>> {
        self.awake.remove_if(id, |_, resident| resident.actor() == actor).map(|(_, resident)| resident)
    }
    /// The entity that this actor is; a search, for the rare death that nobody announced.
    pub(crate) fn of_actor(&self, actor: ActorId) -> Option<EntityId> {
        self.awake.iter().find(|entry| entry.value().actor() == actor).map(|entry| entry.key().clone())
    }
    /// How many are awake.
    pub(crate) fn len(&self) -> usize {
        self.awake.len()
    }
    /// Everybody who is awake.
    pub(crate) fn residents(&self) -> Vec<Arc<dyn Resident>> {
        self.awake.iter().map(|entry| Arc::clone(entry.value())).collect()
    }
    /// Counts a crash; true where it was one too many and the entity now rests.
    pub(crate) fn crashed(&self, id: &EntityId) -> bool {
        let now = Instant::now();
        let mut breaker = self.breakers.entry(id.clone()).or_default();
        breaker.crashes.push_back(now);
        while breaker.crashes.front().is_some_and(|crash| now.duration_since(*crash) > QUARANTINE_WINDOW) {
            breaker.crashes.pop_front();
        }
        if breaker.crashes.len() < QUARANTINE_CRASHES {
            return false;
        }
        breaker.crashes.clear();
        breaker.barred_until = Some(now + QUARANTINE_WINDOW);
        true
    }
    /// How long the entity still rests.
    pub(crate) fn quarantined(&self, id: &EntityId) -> Option<Duration> {
        let until = self.breakers.get(id)?.barred_until?;
        Some(until.duration_since(Instant::now())).filter(|left| !left.is_zero())
    }
    /// Everybody who rests, and for how long; forgets those whose crashes are long past.
    pub(crate) fn resting(&self) -> Vec<(EntityId, Duration)> {
        let now = Instant::now();
        self.breakers.retain(|_, breaker| {
            let recent = breaker.crashes.back().is_some_and(|crash| now.duration_since(*crash) <= QUARANTINE_WINDOW);
            recent || breaker.barred_until.is_some_and(|until| until > now)
        });
        let left = |breaker: &Breaker| breaker.barred_until.map(|until| until.duration_since(now)).filter(|left| !left.is_zero());
        self.breakers.iter().filter_map(|entry| Some((entry.key().clone(), left(entry.value())?))).collect()
    }
}
