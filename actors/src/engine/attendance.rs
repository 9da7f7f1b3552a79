//! Who has joined a topic, under a name of their own choosing: AnyCable's presence (`cable.md` 2.6). The edge says who joins, leaves and is
//! lost; everybody on the topic is told of the first and the last of a name. (CollaborationChannel's `presence` is another thing.)
//!
//! It lives in memory: after a restart clients join again. An event is told in the order in which it happened, and never forgotten because
//! the relay was behind: it waits, and so does whoever caused it.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::time::{Instant, timeout};
use trunkline_protocol::{
    ConnectionId, Topic,
    cable::extended::{PresenceMessage, PresenceRequest},
    limits::{ASK_DEADLINE, ATTENDANCE_BYTES_MAX, ATTENDANCE_TOPIC_BYTES_MAX},
};

use crate::{Broadcast, Hub};

/// How long a lost connection counts as present, unless the deployment says otherwise: a quick reconnect is no event.
pub const PRESENCE_TTL: Duration = Duration::from_secs(15);
/// How often lapsed connections are looked for.
pub(crate) const SWEEP_EVERY: Duration = Duration::from_millis(250);
/// What a name costs beside its text.
const OVERHEAD: usize = 128;

/// Why somebody could not join.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotJoined {
    /// The connection is there already, under another name.
    #[error("the connection has joined under another name")]
    AnotherName,
    /// The topic, or the node, holds as many as it may.
    #[error("no more can join")]
    Full,
}

/// The attendance of every topic of this node.
#[derive(Debug)]
pub struct Attendance {
    ttl: Duration,
    rolls: Mutex<Rolls>,
    /// Whoever holds it tells what is to be told.
    telling: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Rolls {
    topics: HashMap<Topic, Roll>,
    bytes: usize,
    /// Lost connections and when they count as gone, the earliest first: by the time that passes, not by a clock that can be set.
    lost: VecDeque<(Instant, Topic, ConnectionId)>,
    /// What happened and is not told yet. Bounded by those who wait for its being told, and by those who are lost.
    untold: VecDeque<Broadcast>,
}

/// Who is on one topic.
#[derive(Debug, Default)]
struct Roll {
    people: BTreeMap<Arc<str>, Attendee>,
    names: HashMap<ConnectionId, Arc<str>>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Attendee {
    info: Box<str>,
    connections: SmallVec<[ConnectionId; 1]>,
}

impl Attendance {
    pub(crate) fn new(ttl: Duration) -> Self {
        Self { ttl, rolls: Mutex::default(), telling: tokio::sync::Mutex::default() }
    }
    /// A connection joins; everybody on the topic is told, if nobody of that name was there. Joining again renews what others are shown.
    ///
    /// # Errors
    /// [`NotJoined`]; nobody is told anything then.
    pub async fn join(&self, hub: &Hub, topic: &Topic, connection: ConnectionId, who: &PresenceRequest) -> Result<(), NotJoined> {
        self.rolls.lock().join(topic, connection, who)?;
        self.tell(hub).await;
        Ok(())
    }
    /// A connection leaves; everybody is told, if it was the last of its name.
    pub async fn leave(&self, hub: &Hub, topic: &Topic, connection: ConnectionId) {
        self.rolls.lock().leave(topic, connection);
        self.tell(hub).await;
    }
    /// A connection was lost: it leaves after a while, and nobody is told if the same name joins on another one before.
    pub fn lose(&self, topic: &Topic, connection: ConnectionId) {
        let gone = Instant::now() + self.ttl;
        self.rolls.lock().lost.push_back((gone, topic.clone(), connection));
    }
    /// Who is there, as clients and operators are told; without `records` only how many.
    #[must_use]
    pub fn info(&self, topic: &Topic, records: bool) -> String {
        let rolls = self.rolls.lock();
        let people = rolls.topics.get(topic).map(|roll| &roll.people);
        if !records {
            return PresenceMessage::Total(people.map_or(0, BTreeMap::len)).to_json();
        }
        let people: Vec<_> = people.into_iter().flatten().map(|(id, attendee)| (&**id, &*attendee.info)).collect();
        PresenceMessage::Info(&people).to_json()
    }
    /// Lets those go whose time is over.
    pub(crate) async fn sweep(&self, hub: &Hub) {
        let now = Instant::now();
        let waiting = {
            let mut rolls = self.rolls.lock();
            while rolls.lost.front().is_some_and(|(gone, ..)| *gone <= now) {
                if let Some((_, topic, connection)) = rolls.lost.pop_front() {
                    rolls.leave(&topic, connection);
                }
            }
            !rolls.untold.is_empty()
        };
        if waiting {
            self.tell(hub).await;
        }
    }
    /// Tells what happened, in order. What the relay does not take stays, for the next who tells; so does what others take too long
    /// to get to.
    async fn tell(&self, hub: &Hub) {
        let Ok(_turn) = timeout(ASK_DEADLINE, self.telling.lock()).await else {
            return tracing::warn!("who came and went is told later: others are still telling");
        };
        loop {
            let Some(next) = self.rolls.lock().untold.front().cloned() else { return };
            if let Err(error) = hub.publish(next, false).await {
                return tracing::warn!(%error, "who came and went is told later");
            }
            self.rolls.lock().untold.pop_front();
        }
    }
}

impl Rolls {
    fn join(&mut self, topic: &Topic, connection: ConnectionId, who: &PresenceRequest) -> Result<(), NotJoined> {
        let roll = self.topics.get(topic);
        if roll.and_then(|roll| roll.names.get(&connection)).is_some_and(|name| **name != *who.id) {
            return Err(NotJoined::AnotherName);
        }
        let known = roll.and_then(|roll| roll.people.get(&*who.id));
        let is_there = roll.is_some_and(|roll| roll.names.contains_key(&connection));
        let more = who.info.len() + known.map_or(who.id.len(), |_| 0) + if is_there { 0 } else { OVERHEAD };
        let less = known.map_or(0, |attendee| attendee.info.len());
        let too_much = |bytes: usize, most: usize| more > less && bytes + more - less > most;
        if too_much(roll.map_or(0, |roll| roll.bytes), ATTENDANCE_TOPIC_BYTES_MAX) || too_much(self.bytes, ATTENDANCE_BYTES_MAX) {
            return Err(NotJoined::Full);
        }
        let is_new = known.is_none();
        let roll = self.topics.entry(topic.clone()).or_default();
        let before = roll.bytes;
        roll.enter(connection, who);
        self.bytes = self.bytes + roll.bytes - before;
        if is_new {
            self.note(topic, &PresenceMessage::Join { id: &who.id, info: &who.info });
        }
        Ok(())
    }
    fn leave(&mut self, topic: &Topic, connection: ConnectionId) {
        let Some(roll) = self.topics.get_mut(topic) else { return };
        let before = roll.bytes;
        let gone = roll.exit(connection);
        self.bytes = self.bytes + roll.bytes - before;
        if roll.names.is_empty() {
            self.topics.remove(topic);
        }
        if let Some(id) = gone {
            self.note(topic, &PresenceMessage::Leave { id: &id });
        }
    }
    fn note(&mut self, topic: &Topic, message: &PresenceMessage<'_>) {
        let told = Broadcast::new(topic.clone(), message.to_json());
        self.untold.push_back(Broadcast { kind: Some("presence".into()), ..told });
    }
}

impl Roll {
    fn enter(&mut self, connection: ConnectionId, who: &PresenceRequest) {
        let id: Arc<str> = match self.people.get_key_value(&*who.id) {
            Some((id, _)) => id.clone(),
            None => {
                self.bytes += who.id.len();
                who.id.as_str().into()
            }
        };
        let attendee = self.people.entry(id.clone()).or_default();
        self.bytes = self.bytes + who.info.len() - attendee.info.len();
        attendee.info = who.info.clone();
        if self.names.insert(connection, id).is_none() {
            attendee.connections.push(connection);
            self.bytes += OVERHEAD;
        }
    }
    /// The name of whom that was the last.
    fn exit(&mut self, connection: ConnectionId) -> Option<Arc<str>> {
        let id = self.names.remove(&connection)?;
        self.bytes -= OVERHEAD;
        let attendee = self.people.get_mut(&id)?;
        attendee.connections.retain(|one| *one != connection);
        if !attendee.connections.is_empty() {
            return None;
        }
        self.bytes -= id.len() + attendee.info.len();
        self.people.remove(&id);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use trunkline_persistence::MemoryJournal;

    use super::*;
    use crate::{HubConfig, Plan};

    fn ann(info: &str) -> PresenceRequest {
        PresenceRequest { id: "ann".into(), info: info.into() }
    }
    fn told(rolls: &mut Rolls) -> Vec<String> {
        rolls.untold.drain(..).map(|broadcast| String::from_utf8_lossy(&broadcast.message).into_owned()).collect()
    }

    #[test]
    fn tells_of_the_first_and_the_last_connection_of_a_name_only() {
        let (mut rolls, topic) = (Rolls::default(), Topic::pubsub("chat"));
        let (one, two) = (ConnectionId(1), ConnectionId(2));
        rolls.join(&topic, one, &ann("1")).expect("in");
        rolls.join(&topic, one, &ann("2")).expect("in");
        rolls.join(&topic, two, &ann("3")).expect("in");
        assert_eq!(told(&mut rolls), [r#"{"type":"join","info":1,"id":"ann"}"#]);
        assert_eq!(&*rolls.topics[&topic].people["ann"].info, "3");
        rolls.leave(&topic, one);
        rolls.leave(&topic, one);
        assert!(told(&mut rolls).is_empty());
        rolls.leave(&topic, two);
        assert_eq!(told(&mut rolls), [r#"{"type":"leave","id":"ann"}"#]);
        assert_eq!((rolls.topics.len(), rolls.bytes), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn lets_nobody_wait_for_ever_for_those_who_tell_and_forgets_nothing() {
        let hub = Hub::open(Plan::new(), MemoryJournal::new(), HubConfig::default()).await.expect("a hub");
        let (attendance, topic) = (hub.attendance(), Topic::pubsub("chat"));
        let telling = attendance.telling.lock().await;
        let (one, ann) = (ConnectionId(1), ann("1"));
        timeout(2 * ASK_DEADLINE, attendance.join(&hub, &topic, one, &ann)).await.expect("in time").expect("in");
        assert_eq!(attendance.rolls.lock().untold.len(), 1);
        drop(telling);
        attendance.leave(&hub, &topic, one).await;
        assert!(attendance.rolls.lock().untold.is_empty(), "the arrival and the departure are told");
        hub.close().await;
    }

    #[tokio::test(start_paused = true)]
    async fn lets_a_lost_connection_go_when_its_time_has_passed_whatever_the_clock_shows() {
        // This clock stands still, as one does that is set back again and again.
        let journal = MemoryJournal::new();
        let hub = Hub::open(Plan::new(), journal, HubConfig::default()).await.expect("it opens");
        let (attendance, topic) = (hub.attendance(), Topic::pubsub("chat"));
        attendance.join(&hub, &topic, ConnectionId(1), &ann("1")).await.expect("in");
        attendance.lose(&topic, ConnectionId(1));
        tokio::time::sleep(PRESENCE_TTL - Duration::from_secs(1)).await;
        assert_eq!(attendance.info(&topic, false), r#"{"type":"info","total":1}"#);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(attendance.info(&topic, false), r#"{"type":"info","total":0}"#);
    }

    #[test]
    fn lets_whoever_is_there_join_again_where_nobody_else_can() {
        let (mut rolls, topic) = (Rolls::default(), Topic::pubsub("chat"));
        let large = |number: usize| PresenceRequest { id: format!("u{number}"), info: "7".repeat(60_000).into() };
        let joined = (0..20).filter(|n| rolls.join(&topic, ConnectionId(*n as u128), &large(*n)).is_ok()).count();
        assert_eq!(rolls.join(&topic, ConnectionId(99), &large(99)), Err(NotJoined::Full));
        let bytes = rolls.bytes;
        assert_eq!(
            (0..joined).map(|n| rolls.join(&topic, ConnectionId(n as u128), &large(n))).collect::<Vec<_>>(),
            vec![Ok(()); joined]
        );
        assert_eq!(rolls.bytes, bytes);
    }

    #[test]
    fn refuses_a_second_name_of_one_connection_and_what_is_too_much() {
        let (mut rolls, topic) = (Rolls::default(), Topic::pubsub("chat"));
        rolls.join(&topic, ConnectionId(1), &ann("1")).expect("in");
        let ben = PresenceRequest { id: "ben".into(), info: "2".into() };
        assert_eq!(rolls.join(&topic, ConnectionId(1), &ben), Err(NotJoined::AnotherName));
        rolls.join(&Topic::pubsub("other"), ConnectionId(1), &ben).expect("another topic");
        told(&mut rolls);
        let large = |number: usize| PresenceRequest { id: format!("u{number}"), info: "7".repeat(60_000).into() };
        let joined = (0..20).filter(|n| rolls.join(&topic, ConnectionId(10 + *n as u128), &large(*n)).is_ok()).count();
        assert_eq!((joined, told(&mut rolls).len()), (8, 8));
        assert!(rolls.topics[&topic].bytes <= ATTENDANCE_TOPIC_BYTES_MAX);
        for n in 0..20 {
            rolls.leave(&topic, ConnectionId(10 + n));
        }
        rolls.leave(&topic, ConnectionId(1));
        rolls.leave(&Topic::pubsub("other"), ConnectionId(1));
        assert_eq!((rolls.topics.len(), rolls.bytes), (0, 0));
    }
}
