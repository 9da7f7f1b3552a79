//! Who is present on one topic. A pure picture: moved by arrivals, signs of life and the time it is told; it never looks at a clock.
//!
//! A *place* is one subscription of one connection. A user is present while any of their places is alive, and is listed once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use trunkline_protocol::{ConnectionId, Principal, Timestamp, UserId};

/// A place that gave no sign of life for this long is gone, whatever its socket says (`streams.md` 8.4).
pub const PRESENCE: Duration = Duration::from_secs(12 * 60);
/// A user who did nothing but ping for this long is shown as inactive.
pub const INACTIVE: Duration = Duration::from_secs(10 * 60);
/// A list is told at most this often: a hundred arrivals at once are one list, not a hundred.
pub const LIST_EVERY: Duration = Duration::from_millis(250);
/// More arrivals and departures than this since the last list are told by the list alone.
pub const DELTAS_MAX: usize = 32;
/// What a list may weigh; users beyond it are counted, not named. About two thousand names.
const LIST_BYTES_MAX: usize = 48 * 1024;
/// A longer name is cut: it is shown in a small circle.
const NAME_CHARS_MAX: usize = 64;

/// One subscription of one connection: the connection, and the subscription's identifier.
pub type Place = (ConnectionId, Arc<str>);

/// A user as the others see them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Present {
    /// Who.
    pub user: UserId,
    /// The name shown.
    pub name: String,
    /// Present, but did nothing for [`INACTIVE`].
    pub inactive: bool,
}

/// What is told of a topic: everyone who is there, and who came and went since the last time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Told {
    /// By id, ascending, one entry per user.
    pub users: Vec<Present>,
    /// How many are there; more than `users` only where the list grew too heavy.
    pub total: u32,
    /// Who came; empty where there were more than [`DELTAS_MAX`] changes.
    pub joined: Vec<Present>,
    /// Who went; empty likewise.
    pub left: Vec<UserId>,
}

#[derive(Debug)]
struct Stay {
    user: UserId,
    seen: Timestamp,
}

#[derive(Debug)]
struct Person {
    name: String,
    places: u32,
    active: Timestamp,
}

/// Everyone on one topic, and what was last told of them.
#[derive(Debug, Default)]
pub struct Roster {
    places: BTreeMap<Place, Stay>,
    people: BTreeMap<UserId, Person>,
    told: BTreeMap<UserId, bool>,
    told_at: Option<Timestamp>,
    stale: bool,
}

impl Roster {
    /// A place is taken, which counts as activity. The list is told anew even if it is the same: the newcomer has not heard it.
    pub fn arrive(&mut self, place: Place, who: &Principal, now: Timestamp) {
        self.seen(place, who, now);
        self.act(who.user, now);
        self.stale = true;
    }
    /// A sign of life, which is no activity. Of a place that had lapsed: it is taken again.
    pub fn ping(&mut self, place: Place, who: &Principal, now: Timestamp) {
        self.seen(place, who, now);
    }
    /// The user did something.
    pub fn active(&mut self, place: Place, who: &Principal, now: Timestamp) {
        self.seen(place, who, now);
        self.act(who.user, now);
    }
    /// A place is given up.
    pub fn leave(&mut self, place: &Place) {
        let Some(stay) = self.places.remove(place) else { return };
        if let Some(person) = self.people.get_mut(&stay.user) {
            person.places -= 1;
            if person.places == 0 {
                self.people.remove(&stay.user);
                self.stale = true;
            }
        }
    }
    /// Whether the connection of this place has another one here.
    #[must_use]
    pub fn has_another(&self, place: &Place) -> bool {
        let from: Place = (place.0, "".into());
        self.places.range(from..).take_while(|(other, _)| other.0 == place.0).any(|(other, _)| other != place)
    }
    /// Drops the places that gave no sign of life, and notices who became inactive. Worth doing once a second.
    pub fn sweep(&mut self, now: Timestamp) {
        let lapsed: Vec<Place> =
            self.places.iter().filter(|(_, stay)| now.since(stay.seen) >= PRESENCE).map(|(place, _)| place.clone()).collect();
        for place in &lapsed {
            self.leave(place);
        }
        if !self.stale {
            self.stale = self.people.iter().any(|(user, person)| self.told.get(user) != Some(&person.inactive(now)));
        }
    }
    /// What to tell now: nothing where nothing changed, or where the last list is younger than [`LIST_EVERY`].
    pub fn tell(&mut self, now: Timestamp) -> Option<Told> {
        let too_soon = self.told_at.is_some_and(|at| now >= at && now.since(at) < LIST_EVERY);
        if !self.stale || too_soon {
            return None;
        }
        let everyone = || self.people.iter().map(|(user, person)| person.present(*user, now));
        let mut weight = 0;
        let users: Vec<Present> = everyone().take_while(|present| grow(&mut weight, present) <= LIST_BYTES_MAX).collect();
        let mut joined: Vec<Present> =
            everyone().filter(|present| !self.told.contains_key(&present.user)).take(DELTAS_MAX + 1).collect();
        let mut left: Vec<UserId> =
            self.told.keys().filter(|user| !self.people.contains_key(user)).take(DELTAS_MAX + 1).copied().collect();
        if joined.len() + left.len() > DELTAS_MAX {
            joined.clear();
            left.clear();
        }
        let total = u32::try_from(self.people.len()).unwrap_or(u32::MAX);
        self.told = self.people.iter().map(|(user, person)| (*user, person.inactive(now))).collect();
        self.told_at = Some(now);
        self.stale = false;
        Some(Told { users, total, joined, left })
    }
    /// What was told last was heard by nobody: the list is told again.
    pub fn tell_anew(&mut self) {
        self.stale = true;
    }
    /// The name under which a user is shown.
    #[must_use]
    pub fn name(&self, user: UserId) -> Option<&str> {
        self.people.get(&user).map(|person| &*person.name)
    }
    /// Nobody is here, and nobody is left who could be told so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
    /// How many places are taken, and by how many users.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.places.len(), self.people.len())
    }

    fn seen(&mut self, place: Place, who: &Principal, now: Timestamp) {
        if let Some(stay) = self.places.get_mut(&place) {
            stay.seen = now;
            return;
        }
        self.places.insert(place, Stay { user: who.user, seen: now });
        let person = self.people.entry(who.user).or_insert_with(|| {
            let name = who.display_name().chars().take(NAME_CHARS_MAX).collect();
            Person { name, places: 0, active: now }
        });
        person.places += 1;
        self.stale = true;
    }
    fn act(&mut self, user: UserId, now: Timestamp) {
        let Some(person) = self.people.get_mut(&user) else { return };
        person.active = now;
        if self.told.get(&user) == Some(&true) {
            self.stale = true;
        }
    }
}

impl Person {
    fn inactive(&self, now: Timestamp) -> bool {
        now.since(self.active) >= INACTIVE
    }
    fn present(&self, user: UserId, now: Timestamp) -> Present {
        Present { user, name: self.name.clone(), inactive: self.inactive(now) }
    }
}

/// The weight of a list with one more entry: its name and, generously, its numbers.
fn grow(weight: &mut usize, present: &Present) -> usize {
    *weight += present.name.len() + 12;
    *weight
}

#[cfg(test)]
mod tests {
    use trunkline_protocol::{Credential, Permissions, Role};

    use super::*;

    fn someone(id: u64, name: &str) -> Principal {
        Principal {
            user: UserId(id),
            email: format!("{name}@example.test").into(),
            role: Role::Editor,
            service: false,
            permissions: Permissions::default(),
            credential: Credential::House,
        }
    }
    fn tab(number: u128) -> Place {
        (ConnectionId(number), "grid".into())
    }
    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
    }
    fn names(told: &Told) -> Vec<&str> {
        told.users.iter().map(|present| present.name.as_str()).collect()
    }

    #[test]
    fn lists_a_user_once_whatever_the_number_of_their_tabs() {
        let (mut roster, ana, bo) = (Roster::default(), someone(2, "ana"), someone(1, "bo"));
        roster.arrive(tab(1), &ana, at(0));
        roster.arrive(tab(2), &ana, at(0));
        roster.arrive(tab(3), &bo, at(0));
        let told = roster.tell(at(0)).expect("three arrivals");
        assert_eq!(names(&told), ["bo", "ana"], "by id, one each");
        assert_eq!(told.joined.len(), 2);
        roster.leave(&tab(1));
        assert_eq!(roster.tell(at(1)), None, "her other tab is open: nothing changed");
        roster.leave(&tab(2));
        let told = roster.tell(at(2)).expect("she is gone");
        assert_eq!((names(&told), &*told.left), (vec!["bo"], &[UserId(2)][..]));
        roster.leave(&tab(2));
        assert_eq!(roster.counts(), (1, 1), "leaving twice is leaving once");
    }

    #[test]
    fn tells_a_second_tab_the_list_although_nobody_new_is_in_it() {
        let (mut roster, ana) = (Roster::default(), someone(2, "ana"));
        roster.arrive(tab(1), &ana, at(0));
        assert!(roster.tell(at(0)).is_some());
        roster.arrive(tab(2), &ana, at(1));
        let told = roster.tell(at(1)).expect("the second tab has heard nothing yet");
        assert_eq!((told.users.len(), told.joined.len()), (1, 0));
    }

    #[test]
    fn makes_one_list_of_a_hundred_arrivals() {
        let mut roster = Roster::default();
        let start = at(0);
        let mut lists = Vec::new();
        for n in 1..=100_u64 {
            let now = start.plus(Duration::from_millis(n));
            roster.arrive(tab(u128::from(n)), &someone(n, "x"), now);
            lists.extend(roster.tell(now));
        }
        assert_eq!(lists.len(), 1, "the first is told at once, the others wait");
        lists.extend(roster.tell(start.plus(Duration::from_millis(251))));
        assert_eq!((lists.len(), lists[1].users.len(), lists[1].joined.len()), (2, 100, 0), "too many deltas: the list alone");
        assert_eq!(roster.tell(at(9)), None);
    }

    #[test]
    fn shows_who_did_nothing_for_ten_minutes_and_forgets_who_gave_no_sign_for_twelve() {
        let (mut roster, ana, bo) = (Roster::default(), someone(2, "ana"), someone(1, "bo"));
        roster.arrive(tab(1), &ana, at(0));
        roster.arrive(tab(2), &bo, at(0));
        assert!(roster.tell(at(0)).is_some());
        roster.ping(tab(1), &ana, at(599));
        roster.sweep(at(599));
        assert_eq!(roster.tell(at(599)), None);
        roster.sweep(at(600));
        let told = roster.tell(at(600)).expect("both fell idle");
        assert!(told.users.iter().all(|present| present.inactive), "a ping is no activity");
        roster.active(tab(1), &ana, at(601));
        assert_eq!(roster.tell(at(602)).expect("she is back").users.iter().filter(|present| present.inactive).count(), 1);
        roster.sweep(at(719));
        assert_eq!(roster.tell(at(719)), None);
        roster.sweep(at(720));
        assert_eq!(names(&roster.tell(at(720)).expect("he lapsed")), ["ana"]);
        roster.ping(tab(2), &bo, at(730));
        assert_eq!(names(&roster.tell(at(730)).expect("he pings again")), ["bo", "ana"]);
        roster.sweep(at(5000));
        assert!(roster.is_empty());
        assert_eq!(roster.counts(), (0, 0));
    }

    #[test]
    fn knows_a_connections_last_place_from_one_of_two() {
        let (mut roster, ana) = (Roster::default(), someone(2, "ana"));
        let spaced: Place = (ConnectionId(1), "grid, spelled otherwise".into());
        roster.arrive(tab(1), &ana, at(0));
        roster.arrive(spaced.clone(), &ana, at(0));
        roster.arrive(tab(2), &ana, at(0));
        assert!(roster.has_another(&tab(1)) && !roster.has_another(&tab(2)));
        roster.leave(&tab(1));
        assert!(!roster.has_another(&spaced) && roster.has_another(&tab(1)));
    }

    #[test]
    fn never_makes_a_list_too_heavy_to_seal() {
        let mut roster = Roster::default();
        for n in 0..5000_u64 {
            roster.arrive(tab(u128::from(n)), &someone(n, &"é".repeat(300)), at(0));
        }
        let told = roster.tell(at(0)).expect("a crowd");
        assert_eq!(told.total, 5000);
        assert!(!told.users.is_empty() && told.users.len() < 5000);
        assert!(told.users.iter().all(|present| present.name.chars().count() <= NAME_CHARS_MAX));
    }
}
