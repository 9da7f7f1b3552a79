//! Who is here: the users on each topic that keeps presence, over all their tabs.
//!
//! Channels tell it of arrivals, signs of life and departures; it says lists and deltas as a [`Notice`], never more than four times a
//! second per topic. Nothing of it is kept: after a restart the clients come back and say so themselves. It never touches a lease.
//!
//! Of one place the edge reports `arrive`, then signs of life, then `leave`, in that order.

pub mod roster;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use trunkline_protocol::{EntityId, Notice, Principal, Record, Timestamp, Topic, UserId, codec};

use self::roster::{Place, Roster, Told};
use crate::{Hub, Plan};

/// How often lists that had to wait are looked at; well below [`roster::LIST_EVERY`], so that they wait no longer than they must.
const TICK: Duration = Duration::from_millis(50);
/// How often lapsed places are looked for.
const SWEEP_EVERY_MS: i64 = 1000;

/// What is said of a topic's people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PresenceNotice {
    /// Where.
    pub topic: Topic,
    /// Who is there, who came, who went.
    pub told: Told,
}
impl Record for PresenceNotice {
    const KIND: u16 = codec::kinds::PRESENCE;
    const SCHEMA: u8 = 1;
}

/// Everyone on every topic that keeps presence. Bounded by the places that clients may take (connections × subscriptions).
#[derive(Debug, Default)]
pub struct Presence {
    topics: Mutex<HashMap<Topic, Roster>>,
    swept_ms: AtomicI64,
}

impl Presence {
    /// Provides presence to a hub, and the worker that tells what had to wait. Found by [`Hub::provided`].
    pub fn plan(plan: &mut Plan) {
        let presence = Arc::new(Self::default());
        plan.provide(presence.clone());
        plan.every("presence", TICK, move |hub| {
            let presence = presence.clone();
            Box::pin(async move {
                for (topic, notice) in presence.tick(hub.clock().now()) {
                    presence.say(hub, &topic, notice);
                }
            })
        });
    }
    /// A place is taken. Everyone there, the newcomer included, is told the list: now, or within [`roster::LIST_EVERY`].
    pub fn arrive(&self, hub: &Hub, topic: &Topic, place: Place, who: &Principal) {
        self.change(hub, topic, |roster, now| roster.arrive(place, who, now));
    }
    /// A sign of life that is no activity.
    pub fn ping(&self, hub: &Hub, topic: &Topic, place: Place, who: &Principal) {
        self.change(hub, topic, |roster, now| roster.ping(place, who, now));
    }
    /// The user did something.
    pub fn active(&self, hub: &Hub, topic: &Topic, place: Place, who: &Principal) {
        self.change(hub, topic, |roster, now| roster.active(place, who, now));
    }
    /// A place is given up.
    pub fn leave(&self, hub: &Hub, topic: &Topic, place: &Place) {
        self.change(hub, topic, |roster, _| roster.leave(place));
    }
    /// Whether the connection of this place has another one on the topic: its tab is not gone yet.
    #[must_use]
    pub fn has_another(&self, topic: &Topic, place: &Place) -> bool {
        self.topics.lock().get(topic).is_some_and(|roster| roster.has_another(place))
    }
    /// The name under which a user is present on a topic; `None` where they are not.
    #[must_use]
    pub fn name(&self, topic: &Topic, user: UserId) -> Option<String> {
        self.topics.lock().get(topic)?.name(user).map(str::to_owned)
    }
    /// How many places are taken and by how many users, over all topics; for metrics.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let topics = self.topics.lock();
        topics.values().map(Roster::counts).fold((0, 0), |(places, users), (p, u)| (places + p, users + u))
    }

    fn change(&self, hub: &Hub, topic: &Topic, change: impl FnOnce(&mut Roster, Timestamp)) {
        let now = hub.clock().now();
        let told = {
            let mut topics = self.topics.lock();
            let roster = topics.entry(topic.clone()).or_default();
            change(roster, now);
            let told = roster.tell(now);
            if roster.is_empty() {
                topics.remove(topic);
            }
            told.map(|told| notice(topic, told, now))
        };
        if let Some(notice) = told {
            self.say(hub, topic, notice);
        }
    }
    /// What the relay has no room for is told anew with the next list.
    fn say(&self, hub: &Hub, topic: &Topic, notice: Notice) {
        if !hub.notice(notice)
            && let Some(roster) = self.topics.lock().get_mut(topic)
        {
            roster.tell_anew();
        }
    }
    fn tick(&self, now: Timestamp) -> Vec<(Topic, Notice)> {
        let sweep = (now.as_millis() - self.swept_ms.load(Ordering::Relaxed)).abs() >= SWEEP_EVERY_MS;
        if sweep {
            self.swept_ms.store(now.as_millis(), Ordering::Relaxed);
        }
        let mut notices = Vec::new();
        self.topics.lock().retain(|topic, roster| {
            if sweep {
                roster.sweep(now);
            }
            notices.extend(roster.tell(now).map(|told| (topic.clone(), notice(topic, told, now))));
            !roster.is_empty()
        });
        notices
    }
}

fn notice(topic: &Topic, told: Told, at: Timestamp) -> Notice {
    let said = codec::seal(&PresenceNotice { topic: topic.clone(), told });
    Notice { entity: EntityId::new("presence", topic.name()), at, by: UserId::HOUSE, connection: None, said }
}

#[cfg(test)]
mod tests {
    use trunkline_protocol::limits::TELLS_MAX;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tells_again_what_the_relay_had_no_room_for() {
        let hub = crate::testing::hub(Plan::new()).await;
        let (presence, topic, who) = (Presence::default(), Topic::channel("grid"), Principal::house());
        let nobody = Told { users: Vec::new(), total: 0, joined: Vec::new(), left: Vec::new() };
        // Without a pause, so that the relay takes none of them.
        for _ in 0..TELLS_MAX {
            hub.notice(notice(&topic, nobody.clone(), hub.clock().now()));
        }
        presence.arrive(&hub, &topic, (trunkline_protocol::ConnectionId(1), "grid".into()), &who);
        let told = presence.tick(hub.clock().now().plus(roster::LIST_EVERY));
        assert_eq!(told.len(), 1, "whoever is there must hear of it");
        assert_eq!(presence.tick(hub.clock().now().plus(2 * roster::LIST_EVERY)).len(), 0, "once");
    }

    #[test]
    fn tells_what_had_to_wait_and_forgets_a_topic_that_everybody_left() {
        let presence = Presence::default();
        let (topic, who, start) = (Topic::channel("grid"), Principal::house(), Timestamp::from_millis(1_700_000_000_000));
        let place = |n| (trunkline_protocol::ConnectionId(n), Arc::from("grid"));
        presence.topics.lock().entry(topic.clone()).or_default().arrive(place(1), &who, start);
        let first = presence.tick(start);
        assert_eq!(first.len(), 1);
        let said = first[0].1.open::<PresenceNotice>().expect("readable").expect("a presence notice");
        assert_eq!((said.topic, said.told.users.len()), (topic.clone(), 1));
        presence.topics.lock().get_mut(&topic).expect("there").arrive(place(2), &who, start);
        assert!(presence.tick(start.plus(Duration::from_millis(249))).is_empty());
        assert_eq!(presence.tick(start.plus(Duration::from_millis(250))).len(), 1);
        assert_eq!(presence.counts(), (2, 1));
        presence.tick(start.plus(roster::PRESENCE));
        assert!(presence.topics.lock().is_empty(), "lapsed, so nobody is left who could be told");
    }
}
