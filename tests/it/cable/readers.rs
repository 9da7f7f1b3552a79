//! Readers who do not read: bounded, conflated where only the latest counts, sent away where every one counts; nobody else notices.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use trunkline::protocol::Topic;

use super::{
    channels,
    harness::{House, frame, stream},
};

async fn stalled(house: &House, identifier: &str) -> super::harness::Raw {
    let mut raw = house.raw().await;
    raw.open().await;
    raw.send(frame(0x81, json!({"command":"subscribe","identifier":identifier}).to_string().as_bytes())).await;
    assert!(raw.text().await.contains("confirm_subscription"));
    raw
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_a_stalled_reader_away_and_nobody_else_notices() {
    let house = House::open().await;
    let chat = stream("chat");
    let mut slow = stalled(&house, &chat).await;
    let mut quick = house.client().await;
    quick.subscribe(&chat).await;
    let filler = "x".repeat(16_000);
    for number in 0..600 {
        house.say("chat", json!([number, filler])).await;
        assert_eq!(quick.message().await[0], number);
    }
    assert_eq!(house.running.stats().total().slow, 1);
    // What it reads now is whole, in order, and ends with the reason.
    let mut heard = 0;
    loop {
        let text = slow.text().await;
        let frame: Value = serde_json::from_str(&text).expect("whole");
        if frame["type"] == "disconnect" {
            assert_eq!(frame, json!({"type":"disconnect","reason":"too_slow","reconnect":true}));
            break;
        }
        assert_eq!(frame["message"][0], heard);
        heard += 1;
    }
    assert!(heard < 599);
    assert_eq!(slow.closed().await, Some(1000));
    quick.is_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resets_a_reader_who_never_reads_again() {
    let house = House::open().await;
    let chat = stream("chat");
    let mut slow = stalled(&house, &chat).await;
    let filler = "x".repeat(60_000);
    while house.running.stats().total().slow == 0 {
        house.say("chat", json!(filler)).await;
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if house.running.stats().total().connections == 0 {
            break;
        }
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    let mut rest = Vec::new();
    assert!(slow.stream.read_to_end(&mut rest).await.is_err(), "reset");
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_a_slow_reader_only_the_latest_of_each_key() {
    let house = House::open().await;
    let chat = stream("rows");
    let mut slow = stalled(&house, &chat).await;
    let filler = "x".repeat(4_000);
    for number in 0..3_000 {
        let row = number % 10;
        let mut broadcast = channels::broadcast(Topic::pubsub("rows"), &json!([row, number, filler]));
        broadcast.conflate = Some(Arc::from(row.to_string()));
        house.hub.publish(broadcast, true).await.expect("published");
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stats = house.running.stats().total();
    assert_eq!((stats.slow, stats.connections), (0, 1));
    assert!(stats.conflated > 1_000);
    let mut latest = [0; 10];
    let mut heard = 0;
    while latest.iter().min() < Some(&2_990) {
        let frame: Value = serde_json::from_str(&slow.text().await).expect("whole");
        let (row, number) =
            (frame["message"][0].as_u64().expect("a row") as usize, frame["message"][1].as_u64().expect("a number"));
        assert!(number >= latest[row]);
        latest[row] = number;
        heard += 1;
    }
    assert!(heard < 1_500, "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_pongs_and_broadcasts_whole_for_a_reader_who_is_often_behind() {
    let house = House::open().await;
    let chat = stream("chat");
    let mut raw = stalled(&house, &chat).await;
    let filler = "x".repeat(9_000);
    let (mut pongs, mut heard) = (0, 0);
    for round in 0..30_u32 {
        for number in 0..20 {
            house.say("chat", json!([round * 20 + number, filler])).await;
            raw.send(frame(0x89, &number.to_be_bytes())).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        while heard < (round + 1) * 20 || pongs < (round + 1) * 20 {
            match raw.frame().await {
                (0x8a, _) => pongs += 1,
                (0x81, text) => {
                    let frame: Value = serde_json::from_slice(&text).expect("whole");
                    if frame["type"] != "ping" {
                        assert_eq!(frame["message"][0], heard);
                        heard += 1;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
