//! A subscription that is taken up again waits until its client has been told what it missed: however late that asks, however slowly it
//! reads and whatever becomes of the topic meanwhile, it is told everything, once and in order, or that it was not.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;
use trunkline::{
    actors::{Broadcast, Kept, Plan, Retention, Retentions},
    edge::ServeConfig,
    protocol::Topic,
};

use super::harness::{Cable, HANDSHAKE, House, after, frame, stream};

const PERIOD: Duration = Duration::from_millis(300);

async fn quick(change: impl FnOnce(&mut ServeConfig)) -> House {
    House::with(Plan::new(), |config| {
        config.ping_every = PERIOD;
        change(config);
    })
    .await
}

fn in_memory(ttl: Duration) -> Plan {
    let mut plan = Plan::new();
    plan.retain(Retentions::new(Vec::new(), Retention { kept: Kept::Memory, broadcasts_max: 100, ttl }));
    plan
}

/// One who heard the first message on the stream `chat`, was lost, and is back; and that message.
async fn back(house: &House) -> (Cable, Value) {
    let (mut first, welcome) = house.extended("/cable").await;
    first.subscribe(&stream("chat")).await;
    house.say("chat", json!(0)).await;
    let seen = first.hear().await;
    drop(first);
    let (again, welcome) = house.extended(&format!("/cable?sid={}", welcome["sid"].as_str().expect("a sid"))).await;
    assert_eq!(welcome["restored"], true);
    (again, seen)
}

fn ask(history: &Value) -> String {
    json!({"command":"history","identifier":stream("chat"),"history":history}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_nothing_twice_to_one_who_asked_and_does_not_read_yet() {
    let house = quick(|config| config.outbox_bytes_max = 64 << 20).await;
    let (mut again, seen) = back(&house).await;
    // More than any buffer on the way holds; its question is not answered before it has read that.
    let filler = json!("x".repeat(30_000)).to_string();
    for _ in 0..300 {
        house.hub.publish(Broadcast::new(Topic::pubsub("chat"), filler.clone()), false).await.expect("said");
    }
    again.send(ask(&after(&seen))).await;
    for number in 1..=3 {
        house.say("chat", json!(number)).await;
    }
    sleep(PERIOD * 5).await;
    let mut heard = Vec::new();
    loop {
        let frame = again.hear().await;
        match &frame["message"] {
            Value::Number(number) => heard.push(number.as_u64()),
            Value::String(_) => {}
            _ => break assert_eq!(frame["type"], "confirm_history"),
        }
    }
    assert_eq!(heard, [Some(1), Some(2), Some(3)]);
    house.say("chat", json!(4)).await;
    assert_eq!(again.message().await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_nothing_twice_to_one_who_stops_following_and_follows_again() {
    let house = quick(|_| {}).await;
    let (mut again, _) = back(&house).await;
    for action in ["unfollow", "follow"] {
        again.perform(&stream("chat"), json!({"action":action,"stream":"chat"})).await;
    }
    again.is_alive().await;
    house.say("chat", json!("live")).await;
    assert_eq!(again.message().await, "live");
    sleep(PERIOD * 5).await;
    house.say("chat", json!("end")).await;
    assert_eq!(again.message().await, "end");
}

#[tokio::test(flavor = "multi_thread")]
async fn says_so_where_what_waited_is_no_longer_kept() {
    let house = House::with(in_memory(Duration::from_millis(100)), |config| config.ping_every = PERIOD).await;
    let (mut again, _) = back(&house).await;
    house.say("chat", json!("waits for it")).await;
    // It does not ask; when it is told what is live, that is too old to be told.
    let heard = again.hear().await;
    assert_eq!(heard, json!({"type":"disconnect","reason":"too_slow","reconnect":true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_what_is_live_also_to_one_whose_clock_is_ahead() {
    let house = House::open().await;
    let (mut again, _) = back(&house).await;
    house.say("chat", json!("live")).await;
    again.is_alive().await;
    again.send(ask(&json!({"since": house.hub.clock().now().as_seconds() + 3_600}))).await;
    assert_eq!(again.message().await, "live");
    assert_eq!(again.hear().await["type"], "confirm_history");
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_what_is_live_on_a_topic_that_was_forgotten_meanwhile() {
    let house = House::with(in_memory(Duration::from_secs(600)), |_| {}).await;
    let mut client = house.extended("/cable").await.0;
    for number in 1..=3 {
        house.say("chat", json!(number)).await;
    }
    client.send(json!({"command":"subscribe","identifier":stream("chat"),"history":{"since":1}}).to_string()).await;
    assert_eq!(client.hear().await["type"], "confirm_subscription");
    for number in 1..=3 {
        assert_eq!(client.message().await, number);
    }
    assert_eq!(client.hear().await["type"], "confirm_history");
    // More topics than are remembered.
    for thousands in 0..101 {
        let some = (0..1_000).map(|number| (Broadcast::new(Topic::pubsub(thousands * 1_000 + number), "1"), true));
        house.hub.publish_all(some.collect()).await.expect("said");
    }
    house.say("chat", json!("new life")).await;
    assert_eq!(client.message().await, "new life");
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_nothing_twice_to_one_who_leaves_and_comes_back_in_one_breath() {
    // So many that a pass over them lets others on the core have their turn in the middle of it.
    let house = House::with(Plan::new(), |config| config.cores = 1).await;
    let subscribe = json!({"command":"subscribe","identifier":stream("chat")}).to_string();
    let mut crowd = Vec::new();
    for _ in 0..600 {
        let mut raw = house.raw().await;
        raw.send([HANDSHAKE.as_bytes(), &frame(0x81, subscribe.as_bytes())].concat()).await;
        crowd.push(raw);
    }
    let mut client = house.extended("/cable").await.0;
    client.subscribe(&stream("chat")).await;
    house.say("chat", json!(0)).await;
    let mut seen = client.hear().await;
    let hub = house.hub.clone();
    let talking = tokio::spawn(async move {
        for number in 1.. {
            let broadcast = super::channels::broadcast(Topic::pubsub("chat"), &json!(number));
            hub.publish(broadcast, true).await.expect("published");
            sleep(Duration::from_millis(2)).await;
        }
    });
    for _ in 0..60 {
        let again = json!({"command":"subscribe","identifier":stream("chat"),"history":after(&seen)});
        client.command("unsubscribe", &stream("chat")).await;
        client.send(again.to_string()).await;
        // What comes before the confirmation belongs to the subscription that has ended.
        while client.hear().await["type"] != "confirm_subscription" {}
        loop {
            let frame = client.hear().await;
            if frame["type"] == "confirm_history" {
                break;
            }
            assert_eq!(frame["message"].as_u64(), seen["message"].as_u64().map(|number| number + 1), "{frame}");
            seen = frame;
        }
    }
    talking.abort();
}
