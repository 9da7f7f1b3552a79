use bytes::Bytes;
use serde_json::Value;
use trunkline_protocol::{CommandId, EntityId, Turn, UserId, codec::seal};

use super::*;
use crate::{
    Broadcast, Projection as _,
    streams::{
        board::NoOwners,
        location::Locations,
        stream::{Change, FieldValue, StreamField, UnlockReason},
        streamer::Streamers,
    },
    testing::MOMENT,
};

struct Told {
    board: Arc<Board>,
    channel: StreamsChannel,
    version: u64,
}

impl Told {
    fn nothing_yet() -> Self {
        let board = Arc::new(Board::new(Arc::<Locations>::default(), Arc::<Streamers>::default(), Arc::new(NoOwners), true));
        Self { channel: StreamsChannel::new(Arc::clone(&board)), board, version: 0 }
    }
    /// Folds one commit of these facts, one turn each, then renders it.
    fn of(&mut self, facts: Vec<StreamFact>) -> Vec<Broadcast> {
        self.version += 1;
        let turn = |fact: &StreamFact| {
            let facts: Vec<Bytes> = vec![seal(fact)];
            Turn { command: CommandId::new(), by: UserId(2), connection: None, facts }
        };
        let commit = Commit {
            entity: EntityId::new(Stream::KIND, "twitch.tv/a"),
            version: self.version,
            position: self.version,
            at: MOMENT,
            turns: facts.iter().map(turn).collect(),
        };
        self.board.fold(&commit).expect("readable");
        let mut out = Broadcasts::default();
        self.channel.render(&commit, &mut out);
        out.said().to_vec()
    }
    fn watch(&self, params: Value) -> Topic {
        let params = params.as_object().expect("an object").clone();
        let who = trunkline_protocol::Principal::house();
        let subscribing = Subscribing { identifier: "dashboard", params: &params, who: &who, connection: ConnectionId(1) };
        self.channel.watch(Filter::read(&params).expect("a filter"), &subscribing, |_| {}).expect("room")
    }
}

fn added(id: u64) -> StreamFact {
    let fields = vec![(StreamField::Link, "https://twitch.tv/a".into()), (StreamField::Status, FieldValue::from("live"))];
    StreamFact::StreamAdded { id, user: UserId(2), key: "twitch.tv/a".into(), fields }
}
fn status(id: u64, from: &str, to: &str) -> StreamFact {
    StreamFact::FieldsChanged { id, changes: vec![Change { field: StreamField::Status, from: from.into(), to: to.into() }] }
}
fn message(broadcast: &Broadcast) -> Value {
    serde_json::from_slice(&broadcast.message).expect("JSON")
}

#[test]
fn never_leaves_out_a_creation_and_lets_the_newest_of_a_row_win() {
    let mut told = Told::nothing_yet();
    let said = told.of(vec![added(1), added(2)]);
    assert!(said.iter().all(|broadcast| broadcast.conflate.is_none()), "every creation counts");
    let said = told.of(vec![status(1, "live", "offline"), status(2, "live", "error")]);
    let keys: Vec<Option<&str>> = said.iter().map(|broadcast| broadcast.conflate.as_deref()).collect();
    assert_eq!(keys, [Some("1"), Some("2")], "by row");
    let said = told.of(vec![StreamFact::StreamDeleted { id: 1 }]);
    assert!(said.len() == 2 && said.iter().all(|broadcast| broadcast.conflate.is_none()), "a removal counts");
}

#[test]
fn follows_a_row_through_one_commit_into_a_filter_and_out_of_it() {
    let mut told = Told::nothing_yet();
    let topic = told.watch(serde_json::json!({"status": "offline"}));
    told.of(vec![added(1)]);
    let said = told.of(vec![status(1, "live", "offline"), status(1, "offline", "error"), status(1, "error", "live")]);
    let filtered: Vec<Value> = said.iter().filter(|broadcast| broadcast.topic == topic).map(message).collect();
    assert_eq!(filtered.iter().map(|message| message["filter"].as_str()).collect::<Vec<_>>(), [Some("entered"), Some("left")]);
    assert_eq!(said.len(), 5, "without a filter: all three");
}

#[test]
fn passes_over_what_dashboards_do_not_show() {
    let mut told = Told::nothing_yet();
    told.of(vec![added(1)]);
    let unlocked = StreamFact::CellUnlocked {
        id: 1,
        field: StreamField::Title,
        user: UserId(2),
        connection: ConnectionId(1),
        reason: UnlockReason::Expired,
    };
    assert!(told.of(vec![unlocked, StreamFact::LinkLent { to: 9 }]).is_empty());
    let gone = told.of(vec![added(3), status(3, "live", "error"), StreamFact::StreamDeleted { id: 3 }]);
    assert_eq!(gone.iter().map(|broadcast| message(broadcast)["action"].clone()).collect::<Vec<_>>(), ["archived", "deleted"]);
}

#[test]
fn refuses_one_filter_too_many_but_not_one_more_watcher() {
    let told = Told::nothing_yet();
    let platforms = ["twitch", "youtube", "tiktok", "kick", "facebook", "instagram", "unknown"];
    let mut refused = 0;
    let who = trunkline_protocol::Principal::house();
    for set in 1..=300_u32 {
        let names: Vec<&str> = (0..7).filter(|bit| set & (1 << bit) != 0).map(|bit| platforms[bit]).collect();
        let params =
            serde_json::json!({"platform": names, "pinned": set & 128 != 0, "status": if set & 256 != 0 { "live" } else { "" }});
        let params = params.as_object().expect("an object").clone();
        let subscribing = Subscribing { identifier: "dashboard", params: &params, who: &who, connection: ConnectionId(set.into()) };
        refused += usize::from(told.channel.watch(Filter::read(&params).expect("a filter"), &subscribing, |_| {}).is_err());
    }
    assert_eq!(refused, 300 - FILTERS_MAX);
    told.watch(serde_json::json!({"platform": "twitch", "pinned": false}));
}
