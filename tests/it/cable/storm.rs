//! Everybody at once: hundreds who come back and ask for what they missed while others are being told things; askers without measure.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::harness::{Cable, House, PATIENCE, after, frame, stream};

fn since(identifier: &str, seen: &Value) -> String {
    json!({"command":"subscribe","identifier":identifier,"history":after(seen)}).to_string()
}

/// Says so many numbered messages, a few at a time.
async fn talk(house: &House, numbers: std::ops::Range<u32>, filler: &str) {
    for number in numbers {
        house.say("chat", json!([number, filler])).await;
    }
}

/// Hears `from..upto`, each once and in order, and the end of the history among them.
async fn hears_all(mut client: Cable, from: u32, upto: u32) -> Cable {
    assert_eq!(client.hear().await["type"], "confirm_subscription");
    let (mut next, mut told) = (from, 0);
    while next < upto || told == 0 {
        let frame = client.hear().await;
        if frame["type"] == "confirm_history" {
            told += 1;
        } else {
            assert_eq!(frame["message"][0], next, "{frame}");
            next += 1;
        }
    }
    assert_eq!(told, 1);
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_each_of_hundreds_who_return_at_once_everything_once_while_others_are_told_more() {
    const RETURNING: u32 = 300;
    let house = House::open().await;
    let chat = stream("chat");
    let mut present = house.client().await;
    present.subscribe(&chat).await;
    let seen = house.seen(json!([0, ""])).await;
    talk(&house, 1..201, "while they were away").await;
    let command = since(&chat, &seen);
    let talking = talk(&house, 201..400, "while they return");
    let returning = join_all((0..RETURNING).map(|_| async {
        let mut client = house.extended("/cable").await.0;
        client.send(command.clone()).await;
        hears_all(client, 1, 400).await
    }));
    let listening = async {
        for number in 0..400 {
            assert_eq!(present.message().await[0], number);
        }
    };
    let ((), clients, ()) = timeout(PATIENCE * 12, async { tokio::join!(talking, returning, listening) }).await.expect("in time");
    house.say("chat", json!([400, "to all"])).await;
    for mut client in clients {
        assert_eq!(client.message().await[0], 400);
    }
    assert_eq!(house.running.stats().total().slow, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_a_history_that_is_larger_than_any_reader_may_leave_waiting() {
    let house = House::open().await;
    let chat = stream("chat");
    let seen = house.seen(json!([0, ""])).await;
    // Four megabytes, four times what may wait for a reader.
    talk(&house, 1..500, &"x".repeat(8_000)).await;
    let mut client = house.extended("/cable").await.0;
    client.send(since(&chat, &seen)).await;
    sleep(Duration::from_millis(300)).await;
    house.say("chat", json!([500, "live"])).await;
    hears_all(client, 1, 501).await;
    assert_eq!(house.running.stats().total().slow, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_what_is_kept_for_one_who_asks_for_history_and_never_reads() {
    let house = House::open().await;
    let chat = stream("chat");
    let seen = house.seen(json!([0, ""])).await;
    talk(&house, 1..300, &"x".repeat(8_000)).await;
    let mut deaf = house.raw().await;
    deaf.send(super::harness::HANDSHAKE.replace("v1-json", "v1-ext-json")).await;
    let again = json!({"command":"history","identifier":chat,"history":after(&seen)});
    let asks = (0..50).map(|_| frame(0x81, again.to_string().as_bytes())).collect::<Vec<_>>().concat();
    deaf.send([frame(0x81, since(&chat, &seen).as_bytes()), asks].concat()).await;
    sleep(Duration::from_millis(500)).await;
    // One history waits for it; fifty more would be 120 MB. What is said now comes on top, until it has had its measure.
    let mut quick = house.client().await;
    quick.subscribe(&chat).await;
    for number in 300..600 {
        house.say("chat", json!([number, "x".repeat(8_000)])).await;
        assert_eq!(quick.message().await[0], number);
    }
    for _ in 0..100 {
        if house.running.stats().total().slow == 1 {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(house.running.stats().total().slow, 1, "the deaf one is sent away");
    quick.is_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_every_question_for_history_that_has_no_answer() {
    let house = House::open().await;
    let chat = stream("chat");
    let mut client = house.extended("/cable").await.0;
    client.subscribe(&chat).await;
    house.say("chat", json!(1)).await;
    let seen = client.hear().await;
    // A thousand topics at once (more do not fit a message), all but one of them another's.
    let streams: serde_json::Map<String, Value> = (0..1_000)
        .map(|number| (format!("t{number}"), json!({"epoch":"e","offset":1})))
        .chain([("chat".to_owned(), json!({"epoch":seen["epoch"],"offset":seen["offset"]}))])
        .collect();
    let ask = |streams: &Value| json!({"command":"history","identifier":chat,"history":{"streams":streams}}).to_string();
    let many = ask(&Value::Object(streams));
    assert!(many.len() < 64 * 1024);
    let future = json!({"chat":{"epoch":seen["epoch"],"offset":seen["offset"].as_u64().expect("a number") + 1_000_000}});
    let future = ask(&future);
    for _ in 0..500 {
        client.send(many.clone()).await;
        client.send(future.clone()).await;
    }
    for _ in 0..1_000 {
        assert_eq!(client.hear().await, json!({"identifier":chat,"type":"reject_history"}));
    }
    client.is_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_ten_thousand_subscriptions_and_questions_of_one_connection() {
    let house = House::open().await;
    let (mut client, mut other) = (house.extended("/cable").await.0, house.client().await);
    let numbered = |number: usize| format!(r#"{{"channel":"StreamChannel","stream":"t{number}"}}"#);
    for number in 0..10_000 {
        let ask = json!({"command":"subscribe","identifier":numbered(number),"history":{"since":1}});
        client.send(ask.to_string()).await;
    }
    other.is_alive().await;
    for number in 0..1_000 {
        assert_eq!(client.hear().await, json!({"identifier":numbered(number),"type":"confirm_subscription"}));
        assert_eq!(client.hear().await, json!({"identifier":numbered(number),"type":"confirm_history"}));
    }
    for number in 1_000..10_000 {
        assert_eq!(client.hear().await, json!({"identifier":numbered(number),"type":"reject_subscription"}));
    }
    house.say("t999", json!("heard")).await;
    assert_eq!(client.message().await, "heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_for_one_who_says_a_byte_now_and_then_and_goes_on_pinging_it() {
    let house = House::with(trunkline::actors::Plan::new(), |config| config.ping_every = Duration::from_millis(300)).await;
    let mut raw = house.raw().await;
    raw.open().await;
    let said = frame(0x81, json!({"command":"subscribe","identifier":stream("chat")}).to_string().as_bytes());
    let (last, most) = said.split_last().expect("not empty");
    raw.send(most).await;
    let mut pings = 0;
    while pings < 4 {
        let (first, text) = raw.frame().await;
        assert!(first == 0x81 && text.starts_with(br#"{"type":"ping""#), "{text:?}");
        pings += 1;
    }
    // What it had begun was waited for, and costs nobody anything.
    raw.send([*last]).await;
    assert!(raw.text().await.contains("confirm_subscription"));
}

#[tokio::test(flavor = "multi_thread")]
async fn lets_in_who_is_known_while_many_have_to_be_asked_about() {
    let house = House::with(trunkline::actors::Plan::new(), |config| config.cores = 1).await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut raw = house.raw().await;
        raw.send(super::harness::HANDSHAKE.replace("/cable", "/cable?token=slow")).await;
        slow.push(raw);
    }
    // Behind them, and in before any of them.
    let mut known = house.client().await;
    known.is_alive().await;
    for mut raw in slow {
        assert!(raw.answer().await.starts_with("HTTP/1.1 101"));
        assert_eq!(raw.text().await, r#"{"type":"welcome"}"#);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_those_who_hear_much_what_they_hear_of_a_crowd_of_messages_at_once() {
    let house = House::with(trunkline::actors::Plan::new(), |config| config.cores = 1).await;
    let mut other = house.client().await;
    let mut hearers = Vec::new();
    for _ in 0..12 {
        let mut client = house.client().await;
        for number in 0..1_000 {
            client.command("subscribe", &stream(&format!("t{number}"))).await;
        }
        for _ in 0..1_000 {
            assert_eq!(client.hear().await["type"], "confirm_subscription");
        }
        hearers.push(client);
    }
    // Two that they hear, among thirty thousand that they do not.
    let said = (0..30_000).map(|number| {
        let name = if number % 15_000 == 7 { format!("t{}", number / 15_000) } else { format!("x{number}") };
        (super::channels::broadcast(trunkline::protocol::Topic::pubsub(&name), &json!(number)), false)
    });
    house.hub.publish_all(said.collect()).await.expect("said");
    other.is_alive().await;
    for client in &mut hearers {
        assert_eq!((client.message().await, client.message().await), (json!(7), json!(15_007)));
    }
}
