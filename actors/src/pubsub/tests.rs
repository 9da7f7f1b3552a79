use std::time::Duration;

use serde_json::{Value, json};
use trunkline_persistence::{Journal as _, MemoryJournal};
use trunkline_protocol::{ConnectionId, Principal, cable::Identifier, limits::BACKLOG_TTL};

use super::*;
use crate::{Admission, Clock, History, HubConfig, Kept, Since, Subscribing, testing};

fn config() -> PubsubConfig {
    let rule = |pattern, kept, broadcasts_max, latest_wins| Rule {
        pattern: Pattern::new(pattern),
        retention: Retention { kept, broadcasts_max, ttl: Duration::from_secs(3600) },
        latest_wins,
    };
    PubsubConfig {
        public: true,
        streams: Some(Verifier::new("ours")),
        turbo: Some(Verifier::new("turbo")),
        rules: vec![
            rule("kept/*", Kept::Journal, 2_000, false),
            rule("brief/*", Kept::Journal, 2, false),
            rule("gone/*", Kept::Nowhere, 1, false),
            rule("rows/*", Kept::Memory, 10, true),
        ],
        ..PubsubConfig::default()
    }
}

fn plan_of(config: PubsubConfig) -> Plan {
    let mut whole = Plan::new();
    plan(&mut whole, config);
    whole
}

async fn admit(hub: &Hub, identifier: Value) -> Option<Admission> {
    let identifier = Identifier::new(&identifier.to_string());
    let (who, connection) = (Principal::anonymous(), ConnectionId::random());
    let subscribing = Subscribing { identifier: identifier.text(), params: identifier.params(), who: &who, connection };
    hub.subscribe(identifier.channel().unwrap_or_default(), subscribing).await.ok()
}

fn message(stream: &str, data: impl ToString) -> Message {
    Message { stream: stream.into(), data: data.to_string(), except: None, kind: None, transient: false }
}

async fn say(hub: &Hub, message: Message) {
    hub.provided::<Pubsub>().publish(hub, vec![message]).await.expect("published");
}

/// What a history tells, with offsets; `None` where it is gone.
fn told(history: History) -> Option<Vec<(u64, String)>> {
    let History::Recovered { broadcasts, .. } = history else { return None };
    Some(broadcasts.iter().map(numbered).collect())
}
fn numbered(one: &Broadcast) -> (u64, String) {
    (one.offset.as_ref().map_or(0, |at| at.offset), String::from_utf8_lossy(&one.message).into_owned())
}

#[tokio::test(start_paused = true)]
async fn lets_in_whoever_names_a_public_stream_or_shows_a_signature_of_the_right_kind() {
    let hub = testing::hub(plan_of(config())).await;
    let (ours, turbo) = (Verifier::new("ours").sign("chat"), Verifier::new("turbo").sign("chat"));
    let public = admit(&hub, json!({"channel": "$pubsub", "stream_name": "chat"})).await.expect("public");
    assert_eq!((public.topics, public.whisper), (vec![Topic::pubsub("chat")], Some(Topic::pubsub("chat"))));
    let signed = admit(&hub, json!({"channel": "$pubsub", "signed_stream_name": ours, "stream_name": "other"})).await;
    let signed = signed.expect("the signed name decides");
    assert_eq!((signed.topics, signed.whisper), (vec![Topic::pubsub("chat")], None));
    assert!(admit(&hub, json!({"channel": "Turbo::StreamsChannel", "signed_stream_name": turbo})).await.is_some());
    for refused in [
        json!({"channel": "$pubsub"}),
        json!({"channel": "$pubsub", "stream_name": ""}),
        json!({"channel": "$pubsub", "stream_name": 7}),
        json!({"channel": "$pubsub", "signed_stream_name": turbo, "stream_name": "chat"}),
        json!({"channel": "$pubsub", "signed_stream_name": 7, "stream_name": "chat"}),
        json!({"channel": "Turbo::StreamsChannel", "signed_stream_name": ours}),
        json!({"channel": "Turbo::StreamsChannel", "stream_name": "chat"}),
        // No secret of this kind: nobody can have signed.
        json!({"channel": "CableReady::Stream", "identifier": ours}),
    ] {
        assert!(admit(&hub, refused.clone()).await.is_none(), "{refused}");
    }
    hub.close().await;
    let closed = testing::hub(plan_of(PubsubConfig { public: false, signed_whispers: true, ..config() })).await;
    assert!(admit(&closed, json!({"channel": "$pubsub", "stream_name": "chat"})).await.is_none());
    let signed = admit(&closed, json!({"channel": "$pubsub", "signed_stream_name": ours})).await.expect("signed");
    assert_eq!(signed.whisper, Some(Topic::pubsub("chat")));
    closed.close().await;
}

#[tokio::test(start_paused = true)]
async fn keeps_each_stream_as_its_rule_says() {
    let hub = testing::hub(plan_of(config())).await;
    let recorder = testing::Recorder::attached_to(&hub);
    for number in 0..3 {
        for stream in ["chat", "kept/1", "brief/1", "gone/1", "rows/1"] {
            say(&hub, message(stream, number)).await;
        }
    }
    say(&hub, Message { transient: true, ..message("chat", 9) }).await;
    let heard = recorder.has(16).await;
    let of = |stream: &str| heard.iter().filter(|one| one.topic == Topic::pubsub(stream)).collect::<Vec<_>>();
    assert_eq!(of("chat").iter().map(|one| numbered(one).0).collect::<Vec<_>>(), [1, 2, 3, 0], "the last one was transient");
    assert!(of("kept/1").iter().all(|one| one.offset.as_ref().is_some_and(|at| at.epoch == hub.epoch())));
    assert!(of("gone/1").iter().all(|one| one.offset.is_none()));
    assert!(of("rows/1").iter().all(|one| one.conflate.is_some()));
    let since = |stream: &str, since: Since<'_>| told(hub.history(&Topic::pubsub(stream), since)).map(|told| told.len());
    let everything: Vec<_> =
        ["chat", "kept/1", "brief/1", "gone/1"].iter().map(|stream| since(stream, Since::Seconds(1))).collect();
    assert_eq!(everything, [Some(3), Some(3), Some(2), Some(0)]);
    let after = |stream: &str, place: usize| {
        let at = of(stream)[place].offset.clone().expect("it has a place");
        since(stream, Since::After { epoch: &at.epoch, offset: at.offset })
    };
    assert_eq!((after("chat", 0), after("kept/1", 1), after("brief/1", 0)), (Some(2), Some(1), Some(2)));
    let (mine, other) = (of("chat")[0].offset.clone().expect("a place"), of("kept/1")[0].offset.clone().expect("a place"));
    assert_eq!(since("chat", Since::After { epoch: &other.epoch, offset: other.offset }), None);
    assert_eq!(since("gone/1", Since::After { epoch: &mine.epoch, offset: 1 }), None);
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn recalls_from_the_journal_what_memory_no_longer_holds() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan_of(config()), journal.clone()).await;
    let recorder = testing::Recorder::attached_to(&hub);
    let (topic, brief) = (Topic::pubsub("kept/1"), Topic::pubsub("brief/1"));
    for number in 0..5 {
        say(&hub, message("kept/1", number)).await;
        say(&hub, message("brief/1", number)).await;
    }
    let first = recorder.has(10).await[0].offset.clone().expect("a place");
    hub.close().await;
    // However long it was down, nothing has grown older; only then does the hub's memory let go of it.
    let late = HubConfig { clock: Clock::starting_at(testing::MOMENT.plus(Duration::from_secs(1800))), ..HubConfig::default() };
    let hub = Hub::open(plan_of(config()), journal.restarted(), late).await.expect("it opens again");
    let since = Since::After { epoch: &first.epoch, offset: first.offset };
    assert_eq!(told(hub.history(&topic, since)).map(|told| told.len()), Some(4), "memory reaches so far");
    tokio::time::advance(BACKLOG_TTL + Duration::from_secs(1)).await;
    for number in 0..2 {
        say(&hub, message("kept/2", number)).await;
    }
    assert_eq!(hub.history(&topic, since), History::Gone, "memory does not reach so far");
    let recalled = hub.recall(&topic, since).await.expect("the journal does");
    let History::Recovered { upto, .. } = recalled else { panic!("it is not gone") };
    let texts = told(recalled).map(|told| told.into_iter().map(|(_, text)| text).collect::<Vec<_>>());
    assert_eq!(texts, Some(["1", "2", "3", "4"].map(str::to_owned).into()));
    say(&hub, message("kept/1", 5)).await;
    let rest = Since::After { epoch: &first.epoch, offset: upto };
    assert_eq!(hub.recall(&topic, rest).await, None, "memory holds the rest");
    let rest = hub.history(&topic, rest);
    assert_eq!(told(rest).map(|told| told.into_iter().map(|(_, text)| text).collect()), Some(vec!["5".to_owned()]));
    let counted = async |topic, since| hub.recall(topic, since).await.map(|found| told(found).map(|told| told.len()));
    assert_eq!(counted(&topic, Since::Seconds(1)).await, Some(Some(6)), "by time as well");
    // Not what its rule no longer keeps, not another journal's, not the future.
    assert_eq!(counted(&brief, since).await, Some(None));
    assert_eq!(counted(&brief, Since::Seconds(1)).await, Some(Some(2)));
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(counted(&topic, since).await, Some(None));
    let foreign = [("other", first.offset), (&*first.epoch, u64::MAX)];
    for (epoch, offset) in foreign {
        let since = Since::After { epoch, offset };
        assert_eq!((hub.recall(&topic, since).await, hub.history(&topic, since)), (None, History::Gone));
    }
    hub.close().await;
    journal.close().await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn publishes_many_at_once_in_order_and_refuses_what_the_journal_cannot_hold() {
    let hub = testing::hub(plan_of(config())).await;
    let recorder = testing::Recorder::attached_to(&hub);
    let pubsub = hub.provided::<Pubsub>();
    let stream = |number: usize| ["chat", "kept/1", "kept/2"][number / 7 % 3];
    let many: Vec<Message> = (0..300).map(|number| message(stream(number), number)).collect();
    pubsub.publish(&hub, many).await.expect("published");
    recorder.has(300).await;
    for of in ["chat", "kept/1", "kept/2"] {
        let expected: Vec<Value> = (0..300).filter(|number| stream(*number) == of).map(Value::from).collect();
        assert_eq!(recorder.on(&Topic::pubsub(of)), expected, "{of}");
    }
    let offsets: Vec<u64> =
        recorder.told().iter().filter(|one| one.topic == Topic::pubsub("kept/1")).map(|one| numbered(one).0).collect();
    assert!(offsets.is_sorted() && offsets.windows(2).all(|pair| pair[0] < pair[1]), "{offsets:?}");
    let long = format!("\"{}\"", "x".repeat(100_000));
    assert!(matches!(pubsub.publish(&hub, vec![message("kept/1", &long)]).await, Err(AskError::Refused(_))));
    pubsub.publish(&hub, vec![message("chat", &long)]).await.expect("memory holds it");
    hub.close().await;
}
