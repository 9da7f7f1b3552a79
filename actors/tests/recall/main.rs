//! Histories beyond memory: what channels said of commits is said again from the journal, exactly, whatever has changed since.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value, json};
use trunkline_actors::{
    Broadcast, Clock, History, Hub, HubConfig, Leaving, Plan, Since, Subscribing,
    accounts::{
        self, PasswordConfig, Passwords, policy,
        user::{NewAccount, User, UserCommand},
    },
    streams::{
        self, StreamsConfig,
        board::Board,
        location::{self, PlaceChange},
        stream::{Changes, Draft, Room, StreamCommand},
        streamer::{self, ProfileChange},
        writing,
    },
    testing::{MOMENT, Recorder},
};
use trunkline_persistence::{Journal as _, MemoryJournal};
use trunkline_protocol::{
    CommandId, ConnectionId, EntityId, NewCommit, Principal, Role, Topic, Turn, UserId,
    limits::{BACKLOG_BROADCASTS_MAX, BACKLOG_TTL, RECALL_BYTES_MAX, RECALL_COMMITS_MAX},
};

fn plan() -> Plan {
    let mut plan = Plan::new();
    let people = accounts::plan(&mut plan, Arc::new(Passwords::new(&PasswordConfig::default()).expect("the default is sane")));
    streams::plan(&mut plan, StreamsConfig { auto_archive: None, ..StreamsConfig::default() }, people);
    plan
}

/// A hub on this journal, some time after [`MOMENT`].
async fn open(journal: &Arc<MemoryJournal>, after: Duration) -> Hub {
    let config = HubConfig { clock: Clock::starting_at(MOMENT.plus(after)), ..HubConfig::default() };
    Hub::open(plan(), journal.clone(), config).await.expect("the hub opens")
}

fn person(id: u64) -> Principal {
    Principal {
        user: UserId(id),
        email: format!("p{id}@example.test").into(),
        role: Role::Admin,
        permissions: policy::permissions(Role::Admin, false),
        ..Principal::house()
    }
}

async fn sign_up(hub: &Hub, who: &Principal) {
    let email = who.email.to_string();
    let account = NewAccount { id: who.user.0, email: email.clone(), password: "$".into(), role: Role::Default, service: false };
    let outcome = hub.ask::<User>(&email, UserCommand::SignUp(account), hub.asking(&Principal::house())).await;
    hub.seen(outcome.expect("signed up").position).await.expect("folded");
}

/// One who subscribes: the topic they hear.
struct Tab {
    channel: &'static str,
    params: Value,
    connection: ConnectionId,
}
impl Tab {
    fn new(channel: &'static str, params: Value) -> Self {
        Self { channel, params, connection: ConnectionId::random() }
    }
    async fn comes(&self, hub: &Hub) -> Topic {
        let (params, who) = (self.params.as_object().expect("an object"), person(1));
        let subscribing = Subscribing { identifier: "tab", params, who: &who, connection: self.connection };
        hub.subscribe(self.channel, subscribing).await.expect("admitted").topics[0].clone()
    }
    async fn leaves(&self, hub: &Hub) {
        let (params, who) = (self.params.as_object().expect("an object"), person(1));
        hub.left(self.channel, Leaving { identifier: "tab", params, who: &who, connection: self.connection }).await;
    }
}
fn tabs() -> [Tab; 5] {
    [
        Tab::new("StreamsChannel", json!({})),
        Tab::new("StreamsChannel", json!({"status": "live"})),
        Tab::new("StreamsChannel", json!({"pinned": true, "status": "archived,offline"})),
        Tab::new("CollaborativeStreamsChannel", json!({})),
        Tab::new("CollaborationChannel", json!({})),
    ]
}

async fn add(hub: &Hub, who: &Principal, body: Value) -> u64 {
    let draft = Draft::try_from(body.as_object().expect("an object")).expect("a draft");
    let added = writing::add(hub, draft, hub.asking(who)).await.expect("added");
    hub.seen(added.position).await.expect("folded");
    added.id
}
async fn change(hub: &Hub, who: &Principal, id: u64, body: Value) {
    let changes = Changes::try_from(body.as_object().expect("an object")).expect("changes");
    let outcome = writing::change(hub, id, changes, None, hub.asking(who)).await.expect("changed");
    hub.seen(outcome.position).await.expect("folded");
}
async fn command(hub: &Hub, who: &Principal, id: u64, command: StreamCommand) {
    let outcome = writing::ask(hub, id, command, hub.asking(who)).await.expect("done");
    hub.seen(outcome.position).await.expect("folded");
}

/// What a client that comes back is told, as the edge asks for it; `None` where it is gone.
async fn missed(hub: &Hub, topic: &Topic, since: Since<'_>) -> Option<Vec<Broadcast>> {
    let (epoch, mut since, mut told) = (hub.epoch(), since, Vec::new());
    loop {
        let (found, is_last) = match hub.recall(topic, since).await {
            Some(found) => (found, false),
            None => (hub.history(topic, since), true),
        };
        let History::Recovered { mut broadcasts, upto } = found else { return None };
        told.append(&mut broadcasts);
        if is_last {
            return Some(told);
        }
        since = Since::After { epoch: &epoch, offset: upto };
    }
}
fn after(place: &Broadcast) -> Since<'_> {
    let at = place.offset.as_ref().expect("it has a place");
    Since::After { epoch: &at.epoch, offset: at.offset }
}

/// Memory lets go of everything: its time is over, and something more is said.
async fn forget(hub: &Hub) {
    tokio::time::advance(BACKLOG_TTL + Duration::from_secs(2)).await;
    add(hub, &person(1), json!({"link": format!("https://a.example/{:?}", hub.clock().now()), "source": "later"})).await;
}

/// Streams with surroundings, all of which change; what each topic was told.
async fn an_afternoon(hub: &Hub, topics: &[Topic]) -> BTreeMap<Topic, Vec<Broadcast>> {
    let recorder = Recorder::attached_to(hub);
    let (ana, ben) = (person(1), person(2));
    sign_up(hub, &ana).await;
    sign_up(hub, &ben).await;
    let mut ids = Vec::new();
    for (number, who) in [&ana, &ben, &ana, &ben].into_iter().enumerate() {
        let status = ["live", "offline"][number % 2];
        let body = json!({"link": format!("https://twitch.tv/s{number}"), "source": "feed", "status": status, "city": "Seattle",
            "state": "WA", "streamer_name": format!("Streamer {}", number / 2), "platform": "twitch"});
        ids.push(add(hub, who, body).await);
    }
    for round in 0..3 {
        change(hub, &ana, ids[0], json!({"title": format!("Round {round}"), "status": (["offline", "live"][round % 2])})).await;
        change(hub, &ben, ids[1], json!({"status": "live", "notes": format!("n{round}"), "city": "Oslo"})).await;
        let row = hub.projection::<Board>().row(ids[round]).expect("a row");
        if let Some(place) = &row.location {
            let change = PlaceChange { state_province: Some(Some(format!("S{round}"))), ..PlaceChange::default() };
            let position = location::change(hub, hub.asking(&ana), place.id, change).await.expect("moved");
            hub.seen(position).await.expect("folded");
        }
        if let Some(streamer) = &row.streamer {
            let change = ProfileChange { name: Some(Some(format!("Renamed {round}"))), ..ProfileChange::default() };
            let position = streamer::change(hub, hub.asking(&ana), streamer.id, change).await.expect("renamed");
            hub.seen(position).await.expect("folded");
        }
        let role = UserCommand::ChangeRole { role: Some([Role::Editor, Role::Default, Role::Editor][round]), service: None };
        let changed = hub.ask::<User>(&*ben.email, role, hub.asking(&Principal::house())).await.expect("another role");
        hub.seen(changed.position).await.expect("folded");
        command(hub, &ana, ids[2], StreamCommand::Pin { id: ids[2] }).await;
        command(hub, &ana, ids[2], StreamCommand::Archive { id: ids[2] }).await;
        command(hub, &ana, ids[2], StreamCommand::Unarchive { id: ids[2], room: Room::Unknown }).await;
    }
    command(hub, &ana, ids[3], StreamCommand::Delete { id: ids[3] }).await;
    add(hub, &ben, json!({"link": "https://twitch.tv/s3", "source": "again"})).await;
    let told = recorder.told();
    let of = |topic: &Topic| told.iter().filter(|one| one.topic == *topic && one.offset.is_some()).cloned().collect();
    topics.iter().map(|topic| (topic.clone(), of(topic))).collect()
}

#[tokio::test(start_paused = true)]
async fn says_again_word_for_word_what_was_said_before_everything_changed() {
    let journal = MemoryJournal::new();
    let hub = open(&journal, Duration::ZERO).await;
    let tabs = tabs();
    let mut topics = Vec::new();
    for tab in &tabs {
        topics.push(tab.comes(&hub).await);
    }
    let told = an_afternoon(&hub, &topics).await;
    assert!(told.values().all(|told| told.len() > 5), "every one has something to say");
    forget(&hub).await;
    for restart in [false, true] {
        let hub = if restart {
            hub.close().await;
            open(&journal.restarted(), Duration::from_secs(3600)).await
        } else {
            hub.clone()
        };
        for (tab, topic) in tabs.iter().zip(&topics) {
            assert_eq!(tab.comes(&hub).await, *topic);
            let told = &told[topic];
            assert_eq!(hub.history(topic, after(&told[0])), History::Gone, "{topic:?}: memory does not reach so far");
            for (place, from) in told.iter().enumerate() {
                let missed = missed(&hub, topic, after(from)).await.expect("the journal reaches so far");
                assert_eq!(missed[..told.len() - place - 1], told[place + 1..], "{topic:?} after {place}");
            }
            let foreign = Since::After { epoch: "other", offset: 1 << 10 };
            let future = Since::After { epoch: &hub.epoch(), offset: 1 << 40 };
            assert_eq!((missed(&hub, topic, foreign).await, missed(&hub, topic, future).await), (None, None));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn leaves_no_hole_where_nobody_watched_through_a_filter() {
    let journal = MemoryJournal::new();
    let hub = open(&journal, Duration::ZERO).await;
    let (ana, tab) = (person(1), Tab::new("StreamsChannel", json!({"status": "live"})));
    sign_up(&hub, &ana).await;
    let live = |number: u64| json!({"link": format!("https://twitch.tv/l{number}"), "source": "feed", "status": "live"});
    let recorder = Recorder::attached_to(&hub);
    let topic = tab.comes(&hub).await;
    add(&hub, &ana, live(0)).await;
    let heard = recorder.has(2).await;
    let place = heard.iter().find(|one| one.topic == topic).expect("told").clone();
    tab.leaves(&hub).await;
    for number in 1..4 {
        add(&hub, &ana, live(number)).await;
    }
    let told = |missed: Option<Vec<Broadcast>>| {
        let number = |one: &Broadcast| serde_json::from_slice::<Value>(&one.message).expect("JSON")["stream"]["id"].as_u64();
        missed.map(|missed| missed.iter().filter_map(number).collect::<Vec<_>>())
    };
    let every = hub.projection::<Board>();
    let ids: Vec<u64> = (1..6).filter_map(|n| Some(every.active_with_link(&format!("twitch.tv/l{n}"))?.stream.id)).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(tab.comes(&hub).await, topic);
    assert_eq!(told(missed(&hub, &topic, after(&place)).await), Some(ids.clone()), "at once");
    let second = MOMENT.as_seconds();
    assert_eq!(told(missed(&hub, &topic, Since::Seconds(second)).await).map(|told| told.len()), Some(4), "by time as well");
    add(&hub, &ana, live(4)).await;
    assert_eq!(told(missed(&hub, &topic, after(&place)).await).map(|told| told.len()), Some(4), "and what is said since");
    // Nobody watched while the hub was opened again, either.
    hub.close().await;
    let hub = open(&journal.restarted(), Duration::from_secs(60)).await;
    add(&hub, &ana, live(5)).await;
    assert_eq!(tab.comes(&hub).await, topic);
    assert_eq!(told(missed(&hub, &topic, after(&place)).await).map(|told| told.len()), Some(5));
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn tells_in_portions_more_than_memory_holds_and_nothing_that_is_too_much() {
    let journal = MemoryJournal::new();
    let hub = open(&journal, Duration::ZERO).await;
    let ana = person(1);
    sign_up(&hub, &ana).await;
    let topic = Tab::new("StreamsChannel", json!({})).comes(&hub).await;
    let recorder = Recorder::attached_to(&hub);
    let many = BACKLOG_BROADCASTS_MAX + 200;
    for number in 0..many {
        add(&hub, &ana, json!({"link": format!("https://twitch.tv/m{number}"), "source": "feed"})).await;
    }
    let told: Vec<Broadcast> = recorder.has(many).await.into_iter().filter(|one| one.topic == topic).collect();
    assert_eq!(hub.history(&topic, after(&told[0])), History::Gone);
    let Some(History::Recovered { broadcasts, .. }) = hub.recall(&topic, after(&told[0])).await else { panic!("a portion") };
    let bytes: usize = broadcasts.iter().map(|one| one.message.len()).sum();
    assert!(bytes < RECALL_BYTES_MAX && broadcasts.len() < many - 1, "{bytes} bytes are a portion");
    assert_eq!(missed(&hub, &topic, after(&told[0])).await.as_deref(), Some(&told[1..]));
    assert_eq!(missed(&hub, &topic, Since::Seconds(MOMENT.as_seconds())).await.as_deref(), Some(&told[..]), "by time as well");
    // What would be found of a topic that nobody retells, or that nobody knows.
    for strange in [Topic::channel("streams?status=live"), Topic::channel("nothing"), Topic::channel("alarms")] {
        assert_eq!(missed(&hub, &strange, after(&told[0])).await, None, "{strange:?}");
    }
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn refuses_by_time_as_by_place_where_more_was_missed_than_is_told_again() {
    let journal = MemoryJournal::new();
    let noise = EntityId::new("noise", "all");
    for expected in 0..RECALL_COMMITS_MAX + 2 {
        let turn = Turn { command: CommandId::new(), by: UserId::HOUSE, connection: None, facts: Vec::new() };
        let commit = NewCommit { entity: noise.clone(), expected, at: MOMENT, turns: vec![turn] };
        journal.append(commit).await.expect("appended");
    }
    let hub = open(&journal, Duration::from_secs(1)).await;
    let topic = Tab::new("StreamsChannel", json!({"status": "live"})).comes(&hub).await;
    let epoch = hub.epoch();
    for since in [Since::Seconds(MOMENT.as_seconds()), Since::After { epoch: &epoch, offset: 1 << 10 }] {
        assert_eq!(missed(&hub, &topic, since).await, None, "{since:?}");
    }
    let near = Since::After { epoch: &epoch, offset: (RECALL_COMMITS_MAX - 5) << 10 };
    assert_eq!(missed(&hub, &topic, near).await, Some(Vec::new()));
    hub.close().await;
}
