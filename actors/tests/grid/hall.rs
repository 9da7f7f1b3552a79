//! A hub with people in front of it: tabs that subscribe, act and leave, and a recorder of everything that is broadcast.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use trunkline_actors::{
    Action, Admission, AskError, Broadcast, Clock, Hub, HubConfig, Leaving, Outlet, Plan, Subscribing,
    accounts::policy,
    streams::{
        self, StreamsConfig,
        board::{Board, NoOwners},
        stream::{Changes, Draft, Room, Stream, StreamCommand, StreamFact},
    },
    system,
    testing::MOMENT,
};
use trunkline_persistence::MemoryJournal;
use trunkline_protocol::{ConnectionId, Credential, Principal, Role, Topic, UserId};

pub const GRID: &str = "CollaborativeStreamsChannel";
pub const DASHBOARD: &str = "StreamsChannel";

/// Remembers every broadcast, in order.
#[derive(Default)]
pub struct Recorder {
    heard: Mutex<Vec<Broadcast>>,
    more: Notify,
}
impl Outlet for Recorder {
    fn deliver(&self, batch: Arc<[Broadcast]>) -> BoxFuture<'_, ()> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).extend(batch.iter().cloned());
        self.more.notify_waiters();
        Box::pin(async {})
    }
}

pub struct Hall {
    pub hub: Hub,
    pub journal: Arc<MemoryJournal>,
    pub recorder: Arc<Recorder>,
}

impl Hall {
    pub async fn open() -> Self {
        Self::over(MemoryJournal::new()).await
    }
    pub async fn over(journal: Arc<MemoryJournal>) -> Self {
        let mut plan = Plan::new();
        let config = StreamsConfig { auto_archive: None, ..StreamsConfig::default() };
        streams::plan(&mut plan, config, Arc::new(NoOwners));
        system::plan(&mut plan);
        let config = HubConfig { clock: Clock::starting_at(MOMENT), ..HubConfig::default() };
        let hub = Hub::open(plan, journal.clone(), config).await.expect("the hub opens");
        let recorder = Arc::new(Recorder::default());
        hub.attach(recorder.clone());
        Self { hub, journal, recorder }
    }
    /// A stream of this link, added by the house.
    pub async fn add(&self, link: &str) -> u64 {
        self.add_with(json!({"link": link, "source": "test"})).await
    }
    pub async fn add_with(&self, body: Value) -> u64 {
        let id = self.hub.next_id("streams").await.expect("an id");
        let draft = Draft::try_from(body.as_object().expect("an object")).expect("a draft");
        let key = draft.link.canonical().to_owned();
        let command = StreamCommand::Add { id, draft: Arc::new(draft), reclaim: None };
        self.write(&key, command, &Principal::house()).await;
        id
    }
    /// An edit over HTTP.
    pub async fn edit(&self, id: u64, body: Value, who: &Principal) {
        let changes = Changes::try_from(body.as_object().expect("an object")).expect("changes");
        let key = self.key(id);
        self.write(&key, StreamCommand::Edit { id, changes, expected: None, room: Room::Unknown }, who).await;
    }
    pub async fn write(&self, key: &str, command: StreamCommand, who: &Principal) {
        let outcome = self.hub.ask::<Stream>(key, command, self.hub.asking(who)).await.expect("written");
        self.hub.seen(outcome.position).await.expect("folded");
    }
    pub fn key(&self, id: u64) -> String {
        self.hub.projection::<Board>().kept(id).expect("a stream").home.to_string()
    }
    pub async fn tab(&self, who: &Principal, channel: &'static str, params: Value) -> Tab<'_> {
        self.try_tab(who, channel, params).await.expect("admitted")
    }
    pub async fn try_tab(&self, who: &Principal, channel: &'static str, params: Value) -> Result<Tab<'_>, AskError> {
        let params = params.as_object().expect("an object").clone();
        let (identifier, connection) = (format!("{channel} {params:?}"), ConnectionId::random());
        let mut tab =
            Tab { hall: self, who: who.clone(), channel, params, identifier, connection, admission: Admission::default() };
        tab.admission = self.hub.subscribe(channel, tab.subscribing()).await?;
        self.hub.joined(channel, tab.subscribing()).await;
        Ok(tab)
    }
    /// Everything said on a topic so far.
    pub fn heard_on(&self, topic: &Topic) -> Vec<Value> {
        let heard = self.recorder.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let on_topic = heard.iter().filter(|broadcast| broadcast.topic == *topic);
        on_topic.map(|broadcast| serde_json::from_slice(&broadcast.message).expect("JSON")).collect()
    }
    /// Everything said on any of these topics so far, in order: what a client hears that is on all of them.
    pub fn in_order(&self, topics: &[&Topic]) -> Vec<Value> {
        let heard = self.recorder.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let on_topics = heard.iter().filter(|broadcast| topics.contains(&&broadcast.topic));
        on_topics.map(|broadcast| serde_json::from_slice(&broadcast.message).expect("JSON")).collect()
    }
    /// Waits (paused time flies) until `enough` messages on the topic satisfy it, and tells all that were said.
    pub async fn until(&self, topic: &Topic, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let waiting = async {
            loop {
                let more = self.recorder.more.notified();
                let heard = self.heard_on(topic);
                if enough(&heard) {
                    return heard;
                }
                more.await;
            }
        };
        let Ok(heard) = tokio::time::timeout(Duration::from_secs(3600), waiting).await else {
            panic!("never said on {topic:?}; only {:#?}", self.heard_on(topic));
        };
        heard
    }
    /// The ids of every stream added, in the order of the journal.
    pub fn added_in_journal(&self) -> Vec<u64> {
        let commits = self.journal.commits();
        let facts = commits.iter().flat_map(|commit| commit.facts_of::<StreamFact>());
        facts.filter_map(|fact| if let Ok(StreamFact::StreamAdded { id, .. }) = fact { Some(id) } else { None }).collect()
    }
    pub fn clear(&self) {
        self.recorder.heard.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// One confirmed subscription of one connection.
pub struct Tab<'a> {
    hall: &'a Hall,
    pub who: Principal,
    channel: &'static str,
    params: Map<String, Value>,
    identifier: String,
    pub connection: ConnectionId,
    pub admission: Admission,
}

impl Tab<'_> {
    pub fn topic(&self) -> &Topic {
        &self.admission.topics[0]
    }
    pub fn subscribing(&self) -> Subscribing<'_> {
        Subscribing { identifier: &self.identifier, params: &self.params, who: &self.who, connection: self.connection }
    }
    /// Performs an action; what only this tab is told.
    pub async fn act(&self, data: Value) -> Vec<Value> {
        let data = data.as_object().expect("an object");
        let name = data.get("action").and_then(Value::as_str).unwrap_or("receive");
        let action =
            Action { identifier: &self.identifier, params: &self.params, name, data, who: &self.who, connection: self.connection };
        self.hall.hub.perform(self.channel, action).await.expect("performed").transmissions
    }
    pub async fn lock(&self, cell: &str) -> Vec<Value> {
        self.act(json!({"action": "lock_cell", "cell_id": cell})).await
    }
    pub async fn update(&self, stream: u64, field: &str, value: &str) -> Vec<Value> {
        let cell = format!("stream_{stream}_{field}");
        let stream = stream.to_string();
        self.act(json!({"action": "update_cell", "cell_id": cell, "stream_id": stream, "field": field, "value": value})).await
    }
    pub async fn leave(&self) {
        let leaving = Leaving { identifier: &self.identifier, params: &self.params, who: &self.who, connection: self.connection };
        self.hall.hub.left(self.channel, leaving).await;
    }
}

/// A person of a role.
pub fn person(id: u64, name: &str, role: Role) -> Principal {
    Principal {
        user: UserId(id),
        email: format!("{name}@example.test").into(),
        role,
        service: false,
        permissions: policy::permissions(role, false),
        credential: Credential::House,
    }
}
pub fn editor(id: u64, name: &str) -> Principal {
    person(id, name, Role::Editor)
}
/// The messages of these actions, with only the named members, in order.
pub fn brief(heard: &[Value], actions: &[&str], members: &[&str]) -> Vec<Value> {
    let named = heard.iter().filter(|message| actions.contains(&message["action"].as_str().unwrap_or("")));
    named
        .map(|message| {
            let kept: BTreeMap<&str, &Value> = members.iter().map(|member| (*member, &message[*member])).collect();
            json!(kept)
        })
        .collect()
}
pub fn count(heard: &[Value], action: &str) -> usize {
    heard.iter().filter(|message| message["action"] == action).count()
}
