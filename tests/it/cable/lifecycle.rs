//! Subscribe, hear, act, leave; order; pings; the end of the hub.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use serde_json::{Value, json};
use trunkline::actors::{Admission, AskError, Channel, Hub, Leaving, Plan, Subscribing};

use super::harness::{House, id, stream};

#[tokio::test(flavor = "multi_thread")]
async fn confirms_rejects_and_stays_silent_exactly_as_asked() {
    let house = House::open().await;
    let mut client = house.client().await;
    let echo = r#"{ "id":"é\u0000<&>", "channel":"EchoChannel" }"#;
    client.subscribe(echo).await;
    // Again: silence, and the subscription still works.
    client.command("subscribe", echo).await;
    client.perform(echo, json!({"action":"echo","x":[1,null,{"y":"z"}]})).await;
    assert_eq!(client.hear().await, json!({"identifier":echo,"message":{"action":"echo","x":[1,null,{"y":"z"}]}}));
    // An object instead of a string; an unknown action; an action of nobody.
    client.send(json!({"command":"message","identifier":echo,"data":{"action":"tick"}}).to_string()).await;
    assert_eq!(client.message().await, "tock");
    client.perform(echo, json!({"action":"dance"})).await;
    client.perform(&stream("nobody"), json!({"action":"broadcast","payload":1})).await;
    for (identifier, _) in [(r#"{"channel":"RejectChannel"}"#, 1), (r#"{"channel":"Nope"}"#, 2), ("no JSON", 3), ("[]", 4), ("", 5)]
    {
        for _ in 0..2 {
            client.command("subscribe", identifier).await;
            assert_eq!(client.hear().await, json!({"identifier":identifier,"type":"reject_subscription"}));
        }
    }
    client.command("unsubscribe", echo).await;
    client.command("unsubscribe", echo).await;
    client.command("unsubscribe", "unknown").await;
    client.perform(echo, json!({"action":"tick"})).await;
    client.silent(200).await;
    client.subscribe(echo).await;
    client.is_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn greets_before_it_confirms() {
    let house = House::open().await;
    let mut client = house.client().await;
    let greet = r#"{"channel":"GreetChannel"}"#;
    client.command("subscribe", greet).await;
    assert_eq!(client.message().await, "hello");
    assert_eq!(client.message().await, "world");
    assert_eq!(client.hear().await["type"], "confirm_subscription");
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_each_subscription_once_in_order() {
    let house = House::open().await;
    let (mut one, mut two) = (house.client().await, house.client().await);
    // Two identifiers on one topic, one identifier on two topics, one topic named twice.
    let (plain, spaced) = (stream("a"), r#"{"stream":"a","channel":"StreamChannel"}"#);
    let both = r#"{"channel":"StreamChannel","stream":"a","stream2":"b"}"#;
    let twice = r#"{"channel":"StreamChannel","stream":"a","stream2":"a"}"#;
    for identifier in [&plain, spaced, both, twice] {
        one.subscribe(identifier).await;
    }
    two.subscribe(&stream("b")).await;
    for number in 0..200 {
        house.say(if number % 2 == 0 { "a" } else { "b" }, json!(number)).await;
    }
    let mut heard = vec![Vec::new(); 4];
    let mut all = Vec::new();
    for _ in 0..(100 * 4 + 100) {
        let frame = one.hear().await;
        let at = [&plain, spaced, both, twice].iter().position(|identifier| frame["identifier"] == **identifier).expect("ours");
        let number = frame["message"].as_u64().expect("a number");
        heard[at].push(number);
        all.push(number);
    }
    let even: Vec<u64> = (0..200).step_by(2).collect();
    assert_eq!((&heard[0], &heard[1], &heard[3]), (&even, &even, &even));
    assert_eq!(heard[2], (0..200).collect::<Vec<u64>>());
    assert!(all.is_sorted(), "one client hears everything in the order it was said");
    for number in (1..200).step_by(2) {
        assert_eq!(two.message().await, number);
    }
    one.silent(100).await;
    two.silent(100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_published_after_the_confirmation_and_tells_nothing_after_the_end() {
    // One core, and somebody on it who always listens: whoever publishes is answered when it is kept, a moment before it is told, and a client
    // that subscribes within that moment may hear it. What the witness has heard, nobody hears who comes later.
    let house = House::with(Plan::new(), |config| config.cores = 1).await;
    let (mut client, mut witness) = (house.client().await, house.client().await);
    let chat = stream("chat");
    witness.subscribe(&chat).await;
    for round in 0..50 {
        client.subscribe(&chat).await;
        house.say("chat", json!(round)).await;
        assert_eq!(client.message().await, round);
        assert_eq!(witness.message().await, round);
        client.command("unsubscribe", &chat).await;
        client.is_alive().await;
        house.say("chat", json!("unheard")).await;
        assert_eq!(witness.message().await, "unheard");
    }
    client.silent(200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn follows_and_unfollows_while_subscribed() {
    let house = House::open().await;
    let mut client = house.client().await;
    let chat = stream("chat");
    client.subscribe(&chat).await;
    client.perform(&chat, json!({"action":"follow","stream":"more"})).await;
    client.is_alive().await;
    house.say("more", json!(1)).await;
    assert_eq!(client.message().await, 1);
    client.perform(&chat, json!({"action":"unfollow","stream":"more"})).await;
    client.is_alive().await;
    house.say("more", json!(2)).await;
    house.say("chat", json!({"html":"<b>&</b>"})).await;
    house.say("chat", json!("{\"x\":1}")).await;
    house.say("chat", Value::Null).await;
    assert_eq!(client.message().await, json!({"html":"<b>&</b>"}));
    assert_eq!(client.message().await, json!("{\"x\":1}"));
    assert_eq!(client.message().await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn obeys_one_client_strictly_in_order() {
    let house = House::open().await;
    let mut client = house.client().await;
    let chat = stream("chat");
    client.command("subscribe", &chat).await;
    for number in 0..500 {
        client.perform(&chat, json!({"action":"broadcast","payload":number})).await;
    }
    assert_eq!(client.hear().await["type"], "confirm_subscription");
    for number in 0..500 {
        assert_eq!(client.message().await, number);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_everybody_also_a_busy_one() {
    let house = House::with(Plan::new(), |config| config.ping_every = Duration::from_millis(300)).await;
    let mut raw = house.raw().await;
    raw.open().await;
    let mut pings = 0;
    for number in 0..20 {
        house.say("x", json!(number)).await;
        let (first, payload) = raw.frame().await;
        let frame: Value = serde_json::from_slice(&payload).expect("JSON");
        assert_eq!(first, 0x81);
        pings += usize::from(frame["type"] == "ping" && frame["message"].as_i64().is_some_and(|now| now > 1_600_000_000));
    }
    assert_eq!(pings, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_every_three_seconds_unless_a_client_asks_otherwise() {
    let house = House::open().await;
    let ping = async |client: &mut super::harness::Cable| loop {
        let heard = tokio::time::timeout(Duration::from_secs(20), futures::StreamExt::next(&mut client.socket)).await;
        let frame: Value =
            serde_json::from_str(heard.expect("in time").expect("open").expect("a frame").to_text().expect("text")).expect("JSON");
        if frame["type"] == "ping" {
            return frame["message"].as_i64().expect("an integer");
        }
    };
    let mut usual = house.client().await;
    let first = ping(&mut usual).await;
    let mut quick = house.connect("/cable?pi=1&ptp=ms", &[]).await.0;
    let mut slow = house.connect("/cable?pi=300&ptp=ns", &[]).await.0;
    let mut nonsense = house.connect("/cable?pi=0&ptp=weeks", &[]).await.0;
    let second = ping(&mut usual).await;
    assert!((2..=10).contains(&(second - first)), "{first} {second}");
    // Three seconds of hers have come meanwhile, at least.
    let (one, two) = (ping(&mut quick).await, ping(&mut quick).await);
    assert!((900..3_000).contains(&(two - one)) && one / 1000 >= first, "{one} {two}");
    assert!((first..=second + 20).contains(&ping(&mut nonsense).await));
    slow.is_alive_after_its_welcome().await;
}

/// Notes who left.
struct Leavers(Arc<Mutex<Vec<String>>>);

impl Channel for Leavers {
    fn name(&self) -> &'static str {
        "Leavers"
    }
    fn admit<'a>(&'a self, subscribing: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async move {
            let slow = subscribing.params.contains_key("slow");
            tokio::time::sleep(Duration::from_millis(if slow { 300 } else { 0 })).await;
            Ok(Admission::default())
        })
    }
    fn left<'a>(&'a self, leaving: Leaving<'a>, _: &'a Hub) -> BoxFuture<'a, ()> {
        Box::pin(async { self.0.lock().expect("whole").push(leaving.identifier.to_owned()) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_the_channel_of_every_subscription_that_ended_however_it_ended() {
    let left = Arc::new(Mutex::new(Vec::new()));
    let mut plan = Plan::new();
    plan.channel(Leavers(left.clone()));
    let house = House::with(plan, |_| {}).await;
    let name = |who: &str| id(&json!({"channel":"Leavers","who":who}));
    let mut closing = house.client().await;
    closing.subscribe(&name("closed 1")).await;
    closing.subscribe(&name("closed 2")).await;
    let _ = closing.socket.close(None).await;
    let mut vanishing = house.client().await;
    vanishing.subscribe(&name("vanished")).await;
    let pending = id(&json!({"channel":"Leavers","slow":true,"who":"pending"}));
    vanishing.command("subscribe", &pending).await;
    drop(vanishing);
    let mut unsubscribing = house.client().await;
    unsubscribing.subscribe(&name("unsubscribed")).await;
    unsubscribing.command("unsubscribe", &name("unsubscribed")).await;
    let mut expected = vec![name("closed 1"), name("closed 2"), name("unsubscribed"), name("vanished"), pending];
    expected.sort();
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut left = left.lock().expect("whole").clone();
        left.sort();
        if left == expected {
            return;
        }
    }
    panic!("left: {:?}", left.lock());
}

#[tokio::test(flavor = "multi_thread")]
async fn says_server_restart_when_it_stops_and_finishes_what_was_begun() {
    let left = Arc::new(Mutex::new(Vec::new()));
    let mut plan = Plan::new();
    plan.channel(Leavers(left.clone()));
    let house = House::with(plan, |_| {}).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = house.client().await;
        client.subscribe(r#"{"channel":"Leavers"}"#).await;
        clients.push(client);
    }
    let mut busy = house.client().await;
    busy.command("subscribe", r#"{"channel":"Leavers","slow":1}"#).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let stats = house.running.stats();
    let stop = tokio::spawn(house.running.stop());
    assert_eq!(busy.hear().await["type"], "confirm_subscription");
    clients.push(busy);
    for client in &mut clients {
        assert_eq!(client.hear().await, json!({"type":"disconnect","reason":"server_restart","reconnect":true}));
        assert_eq!(client.hear_or_close().await.expect_err("closed").map(|close| u16::from(close.code)), Some(1001));
    }
    tokio::time::timeout(Duration::from_secs(10), stop).await.expect("in time").expect("stopped");
    assert_eq!(left.lock().expect("whole").len(), 51);
    assert_eq!(stats.total().connections, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_away_every_connection_of_a_revoked_principal_within_a_second() {
    let house = House::open().await;
    let mut revoked = Vec::new();
    for _ in 0..6 {
        let mut client = house.connect("/cable?user=7", &[]).await.0;
        client.hear().await;
        revoked.push(client);
    }
    let mut other = house.connect("/cable?user=8", &[]).await.0;
    other.hear().await;
    house.running.gate().revoke(|who| who.user.0 == 7);
    for client in &mut revoked {
        let heard = tokio::time::timeout(Duration::from_secs(1), client.hear()).await.expect("within a second");
        assert_eq!(heard, json!({"type":"disconnect","reason":"unauthorized","reconnect":false}));
        assert!(client.hear_or_close().await.is_err());
    }
    other.is_alive().await;
    house.running.gate().disconnect(|who| who.user.0 == 8, true);
    assert_eq!(other.hear().await, json!({"type":"disconnect","reason":"remote","reconnect":true}));
}
