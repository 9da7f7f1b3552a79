//! What is kept of a stream, how long it can be asked for, and what a restart leaves of it.

use serde_json::{Value, json};
use trunkline::{config::Config, house::House};
use trunkline_actors::{Kept, Retention, pubsub::PubsubConfig};

use super::{BROADCAST_KEY, Street, config, public, rule};
use crate::cable::harness::Cable;

fn after(stream: &str, epoch: &Value, offset: u64) -> Value {
    json!({"streams": {stream: {"epoch": epoch, "offset": offset}}})
}

async fn subscribe(cable: &mut Cable, stream: &str, history: Value) {
    cable.send(json!({"command": "subscribe", "identifier": public(stream), "history": history}).to_string()).await;
    assert_eq!(cable.hear().await["type"], "confirm_subscription");
}

async fn ask(cable: &mut Cable, stream: &str, history: Value) {
    cable.send(json!({"command": "history", "identifier": public(stream), "history": history}).to_string()).await;
}

/// The messages until the history's end; `None` where it was rejected.
async fn told(cable: &mut Cable) -> Option<Vec<Value>> {
    let mut told = Vec::new();
    loop {
        let mut frame = cable.hear().await;
        match frame["type"].as_str() {
            Some("confirm_history") => return Some(told),
            Some("reject_history") if told.is_empty() => return None,
            None => told.push(frame["message"].take()),
            Some(other) => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_a_stream_from_one_and_tells_exactly_what_can_be_told() {
    let street = Street::with(|config| {
        config.pubsub.wing.otherwise = Retention { broadcasts_max: 5, ..PubsubConfig::RETENTION };
        config.pubsub.wing.rules = vec![rule("fleeting", Kept::Nowhere, 1)];
    })
    .await;
    let mut cable = street.hearing("chat").await;
    let mut epoch = Value::Null;
    for number in 1..=8 {
        street.say("chat", json!(number)).await;
        let frame = cable.hear().await;
        assert_eq!((&frame["stream_id"], &frame["offset"]), (&json!("chat"), &json!(number)));
        epoch = frame["epoch"].clone();
    }
    // Five are kept: 4 to 8. Whoever saw 3 misses nothing that is gone.
    for (offset, expected) in [(3, Some(5)), (7, Some(1)), (8, Some(0)), (2, None), (0, None), (9, None)] {
        ask(&mut cable, "chat", after("chat", &epoch, offset)).await;
        assert_eq!(told(&mut cable).await.map(|told| told.len()), expected, "{offset}");
    }
    for refused in [after("chat", &json!("other"), 7), after("secret", &epoch, 7)] {
        ask(&mut cable, "chat", refused).await;
        assert_eq!(told(&mut cable).await, None);
    }
    let base = &mut street.cable("/cable", "actioncable-v1-json").await.0;
    subscribe(base, "chat", json!({"since": 1})).await;
    assert_eq!(told(base).await, Some(vec![json!(4), json!(5), json!(6), json!(7), json!(8)]));
    let now = street.house.hub.clock().now().as_seconds();
    ask(base, "chat", json!({"since": now + 60})).await;
    assert_eq!(told(base).await, Some(vec![]));
    street.say("fleeting", json!(1)).await;
    let mut other = street.extended().await.0;
    subscribe(&mut other, "fleeting", json!({"since": 1})).await;
    assert_eq!(told(&mut other).await, Some(vec![]));
    ask(&mut other, "fleeting", after("fleeting", &epoch, 1)).await;
    assert_eq!(told(&mut other).await, None);
    street.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_no_gap_and_says_nothing_twice_while_more_is_being_published() {
    let street = Street::with(|config| {
        config.pubsub.wing.otherwise = Retention { broadcasts_max: 1_000, ..PubsubConfig::RETENTION };
        config.pubsub.wing.rules = vec![rule("kept", Kept::Journal, 1_000)];
    })
    .await;
    for stream in ["chat", "kept"] {
        let mut first = street.hearing(stream).await;
        street.say(stream, json!(0)).await;
        let seen = first.hear().await;
        drop(first);
        let (http, url) = (street.http.clone(), street.house.url());
        let talking = tokio::spawn(async move {
            for number in 1..400 {
                let body = json!({"stream": stream, "data": number.to_string()}).to_string();
                let request = http.post(format!("{url}/_broadcast")).bearer_auth(BROADCAST_KEY).body(body);
                assert_eq!(request.send().await.expect("an answer").status(), 201);
            }
        });
        for _ in 0..8 {
            let mut again = street.extended().await.0;
            subscribe(&mut again, stream, after(stream, &seen["epoch"], seen["offset"].as_u64().expect("an offset"))).await;
            let (mut next, mut confirmed) = (1, false);
            while next < 400 || !confirmed {
                let frame = again.hear().await;
                if frame["type"] == "confirm_history" {
                    assert!(!std::mem::replace(&mut confirmed, true));
                    continue;
                }
                assert_eq!(frame["message"], next);
                next += 1;
            }
        }
        talking.await.expect("said");
    }
    street.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resumes_a_journaled_stream_after_a_restart_and_says_so_where_memory_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let on_disk = |config: &mut Config| {
        config.journal = format!("sled:{}", folder.path().join("data").display());
        config.pubsub.wing.rules = vec![rule("kept", Kept::Journal, 100)];
    };
    let street = Street::with(on_disk).await;
    let mut cable = street.hearing("kept").await;
    cable.subscribe(&public("chat")).await;
    let mut kept = Value::Null;
    for number in 1..=3 {
        street.say("kept", json!(number)).await;
        let frame = cable.hear().await;
        if number == 1 {
            kept = frame;
        }
    }
    street.say("chat", json!("hi")).await;
    let chat = cable.hear().await;
    street.close().await;
    let street = Street::with(on_disk).await;
    street.say("kept", json!(4)).await;
    let mut cable = street.extended().await.0;
    let place = |frame: &Value| frame["offset"].as_u64().expect("an offset");
    subscribe(&mut cable, "kept", after("kept", &kept["epoch"], place(&kept))).await;
    assert_eq!(told(&mut cable).await, Some(vec![json!(2), json!(3), json!(4)]));
    subscribe(&mut cable, "chat", after("chat", &chat["epoch"], place(&chat))).await;
    assert_eq!(told(&mut cable).await, None, "another incarnation");
    street.say("chat", json!("again")).await;
    let again = cable.hear().await;
    assert_eq!((&again["offset"], again["epoch"] != chat["epoch"]), (&json!(1), true));
    street.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_that_was_told_nothing_lets_nobody_publish_or_hear() {
    let mut silent = config();
    silent.pubsub = Default::default();
    let street = Street { house: House::open(silent).await.expect("a house"), http: reqwest::Client::new() };
    assert_eq!(street.post("/_broadcast", BROADCAST_KEY, r#"{"stream":"a","data":"1"}"#).await.status(), 404);
    let mut cable = street.extended().await.0;
    cable.command("subscribe", &public("a")).await;
    assert_eq!(cable.hear().await["type"], "reject_subscription");
    street.close().await;
}
