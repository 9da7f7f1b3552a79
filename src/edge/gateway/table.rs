//! Who sits where, and who hears what: slot → client, topic → identifier → slots.

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet, hash_map::Entry},
    hash::{Hash, Hasher},
    rc::Rc,
};

use trunkline_protocol::{ConnectionId, Topic, cable::Identifier};

use crate::edge::connection::{Client, Dialect};

/// Those who are sent the same bytes: one topic, one identifier, one dialect.
#[derive(Debug)]
pub(super) struct Group {
    pub identifier: Rc<Identifier>,
    pub dialect: Dialect,
    pub slots: Vec<u32>,
}

/// One subscription of one client; an identifier is compared by its address.
#[derive(Debug)]
struct Place {
    slot: u32,
    identifier: Rc<Identifier>,
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.slot == other.slot && Rc::ptr_eq(&self.identifier, &other.identifier)
    }
}
impl Eq for Place {}
impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.slot.hash(state);
    }
}

/// A core's tables.
#[derive(Default)]
pub(super) struct Table {
    seats: Vec<Option<Rc<Client>>>,
    free: Vec<u32>,
    /// Slots given back while a fan-out was under way: its list of slots may still name them, so nobody gets them before its end.
    resting: Vec<u32>,
    fanning_out: bool,
    connections: HashMap<ConnectionId, u32>,
    topics: HashMap<Topic, HashMap<(usize, Dialect), Group>>,
    /// Who was told a topic's history up to an offset: what is still on its way up to there has been told already.
    caught_up: HashMap<Topic, HashMap<Place, u64>>,
    identifiers: HashSet<Interned>,
    /// Names that were to be forgotten while something still held them (a reading, a frame on its way), by address.
    lingering: HashMap<usize, Rc<Identifier>>,
}

impl Table {
    pub(super) fn seat(&mut self, client: Rc<Client>) -> u32 {
        let id = client.id;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.seats[slot as usize] = Some(client);
                slot
            }
            None => {
                self.seats.push(Some(client));
                (self.seats.len() - 1) as u32
            }
        };
        self.connections.insert(id, slot);
        slot
    }
    pub(super) fn unseat(&mut self, slot: u32, id: ConnectionId) {
        self.seats[slot as usize] = None;
        self.connections.remove(&id);
        if self.fanning_out { &mut self.resting } else { &mut self.free }.push(slot);
    }
    pub(super) fn client(&self, slot: u32) -> Option<&Rc<Client>> {
        self.seats.get(slot as usize)?.as_ref()
    }
    pub(super) fn clients(&self) -> impl Iterator<Item = &Rc<Client>> {
        self.seats.iter().flatten()
    }
    /// How many slots there are, taken or not.
    pub(super) fn slots(&self) -> u32 {
        self.seats.len() as u32
    }
    pub(super) fn slot_of(&self, connection: ConnectionId) -> Option<u32> {
        self.connections.get(&connection).copied()
    }
    /// Until [`Self::end_fanout`] no slot is given to anybody new.
    pub(super) fn begin_fanout(&mut self) {
        self.fanning_out = true;
    }
    /// Whether a pass is under way, whose lists of slots were made before now.
    pub(super) fn is_fanning_out(&self) -> bool {
        self.fanning_out
    }
    /// Live broadcasts of the topic up to this offset are not for this subscription.
    pub(super) fn catch_up(&mut self, topic: &Topic, slot: u32, identifier: &Rc<Identifier>, upto: u64) {
        let caught_up = self.caught_up.entry(topic.clone()).or_default();
        caught_up.insert(Place { slot, identifier: identifier.clone() }, upto);
    }
    /// Those who were told the topic's history up to this offset or further: they must not be told everything from there on.
    pub(super) fn caught_up(&self, topic: &Topic, offset: u64) -> impl Iterator<Item = u32> {
        self.caught_up.get(topic).into_iter().flatten().filter(move |(_, upto)| **upto >= offset).map(|(place, _)| place.slot)
    }
    /// Was this told to the subscription already, with its history?
    pub(super) fn was_told(&self, topic: &Topic, slot: u32, identifier: &Rc<Identifier>, offset: u64) -> bool {
        let upto = self.caught_up.get(topic).and_then(|of_topic| of_topic.get(&Place { slot, identifier: identifier.clone() }));
        upto.is_some_and(|upto| offset <= *upto)
    }
    /// The core has passed this offset of the topic: nobody needs to be spared anything up to there.
    pub(super) fn passed(&mut self, topic: &Topic, offset: u64) {
        if let Some(of_topic) = self.caught_up.get_mut(topic) {
            of_topic.retain(|_, upto| *upto > offset);
            if of_topic.is_empty() {
                self.caught_up.remove(topic);
            }
        }
    }
    pub(super) fn end_fanout(&mut self) {
        self.fanning_out = false;
        self.free.append(&mut self.resting);
    }

    pub(super) fn attach(&mut self, topic: Topic, identifier: &Rc<Identifier>, dialect: Dialect, slot: u32) {
        let groups = self.topics.entry(topic).or_default();
        let group = groups.entry((Rc::as_ptr(identifier).addr(), dialect)).or_insert_with(|| Group {
            identifier: identifier.clone(),
            dialect,
            slots: Vec::new(),
        });
        group.slots.push(slot);
    }
    pub(super) fn detach(&mut self, topic: &Topic, identifier: &Rc<Identifier>, dialect: Dialect, slot: u32) {
        if let Some(caught_up) = self.caught_up.get_mut(topic) {
            caught_up.remove(&Place { slot, identifier: identifier.clone() });
            if caught_up.is_empty() {
                self.caught_up.remove(topic);
            }
        }
        let Some(groups) = self.topics.get_mut(topic) else { return };
        if let Entry::Occupied(mut entry) = groups.entry((Rc::as_ptr(identifier).addr(), dialect)) {
            let slots = &mut entry.get_mut().slots;
            if let Some(at) = slots.iter().position(|one| *one == slot) {
                slots.swap_remove(at);
            }
            if slots.is_empty() {
                entry.remove();
            }
        }
        if groups.is_empty() {
            self.topics.remove(topic);
        }
    }
    /// The groups of a topic; empty where nobody here hears it.
    pub(super) fn groups(&self, topic: &Topic) -> impl Iterator<Item = &Group> {
        self.topics.get(topic).into_iter().flat_map(HashMap::values)
    }

    /// How many subscriptions hear the topic.
    pub(super) fn hearers_of(&self, topic: &Topic) -> usize {
        self.groups(topic).map(|group| group.slots.len()).sum()
    }
    /// The same of every topic that anybody here hears; those of a single connection are nobody else's business.
    pub(super) fn hearers(&self) -> Vec<(Topic, usize)> {
        let shared = self.topics.keys().filter(|topic| !topic.is_personal());
        shared.map(|topic| (topic.clone(), self.hearers_of(topic))).collect()
    }
    pub(super) fn known(&self, text: &str) -> Option<Rc<Identifier>> {
        self.identifiers.get(text).map(|interned| interned.0.clone())
    }
    pub(super) fn intern(&mut self, text: &str) -> Rc<Identifier> {
        if let Some(known) = self.known(text) {
            return known;
        }
        let identifier = Rc::new(Identifier::new(text));
        self.identifiers.insert(Interned(identifier.clone()));
        identifier
    }
    pub(super) fn forget(&mut self, identifier: Rc<Identifier>) {
        // Ours and the table's: nobody else has it.
        if Rc::strong_count(&identifier) == 2 {
            self.identifiers.remove(identifier.text());
        } else {
            self.lingering.insert(Rc::as_ptr(&identifier).addr(), identifier);
        }
    }
    /// Forgets the names that nothing holds any longer.
    pub(super) fn tidy(&mut self) {
        let Self { lingering, identifiers, .. } = self;
        lingering.retain(|_, identifier| {
            let is_held = Rc::strong_count(identifier) > 2;
            if !is_held {
                identifiers.remove(identifier.text());
            }
            is_held
        });
    }
}

/// An identifier found by its text.
struct Interned(Rc<Identifier>);

impl Borrow<str> for Interned {
    fn borrow(&self) -> &str {
        self.0.text()
    }
}
impl PartialEq for Interned {
    fn eq(&self, other: &Self) -> bool {
        self.0.text() == other.0.text()
    }
}
impl Eq for Interned {}
impl Hash for Interned {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_a_name_once_nothing_holds_it_any_longer() {
        let mut table = Table::default();
        let (one, other) = (table.intern("one"), table.intern("other"));
        let (reading, subscription) = (one.clone(), other.clone());
        table.forget(one);
        table.forget(other);
        table.tidy();
        assert!(table.known("one").is_some() && table.known("other").is_some(), "both are in use");
        drop(reading);
        table.tidy();
        assert!(table.known("one").is_none() && table.known("other").is_some());
        table.forget(subscription.clone());
        table.forget(subscription);
        table.tidy();
        assert!(table.identifiers.is_empty() && table.lingering.is_empty());
    }
}
