//! The AnyCable extension: what was missed is told before what is live, once and in order; whispers reach the others.

use serde_json::{Value, json};

use super::harness::{House, after, stream};

#[tokio::test(flavor = "multi_thread")]
async fn tells_what_was_missed_once_and_in_order_while_more_is_being_said() {
    let house = House::open().await;
    let chat = stream("chat");
    let seen = house.seen(json!(0)).await;
    assert_eq!((&seen["stream_id"], &seen["message"]), (&json!("chat"), &json!(0)));
    let hub = house.hub.clone();
    let talking = tokio::spawn(async move {
        for number in 1..300 {
            let broadcast = super::channels::broadcast(trunkline::protocol::Topic::pubsub("chat"), &json!(number));
            hub.publish(broadcast, true).await.expect("published");
        }
    });
    for _ in 0..10 {
        let mut again = house.extended("/cable").await.0;
        again.send(json!({"command":"subscribe","identifier":chat,"history":after(&seen)}).to_string()).await;
        assert_eq!(again.hear().await["type"], "confirm_subscription");
        let (mut next, mut last, mut confirmed) = (1, seen["offset"].as_u64(), false);
        while next < 300 {
            let frame = again.hear().await;
            if frame["type"] == "confirm_history" {
                assert!(!confirmed);
                confirmed = true;
                continue;
            }
            assert_eq!(frame["message"], next);
            assert!(frame["offset"].as_u64() > last);
            last = frame["offset"].as_u64();
            next += 1;
        }
        if !confirmed {
            assert_eq!(again.hear().await["type"], "confirm_history");
        }
        again.silent(20).await;
    }
    talking.await.expect("said");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_a_history_that_it_cannot_tell_and_ignores_one_of_nobody() {
    let house = House::open().await;
    let chat = stream("chat");
    let mut client = house.extended("/cable").await.0;
    client.subscribe(&chat).await;
    house.say("chat", json!(1)).await;
    let seen = client.hear().await;
    let ask = |streams: Value| json!({"command":"history","identifier":chat,"history":{"streams":streams}}).to_string();
    for (streams, answer) in [
        (json!({"chat":{"epoch":seen["epoch"],"offset":seen["offset"]}}), "confirm_history"),
        (json!({"chat":{"epoch":"other","offset":seen["offset"]}}), "reject_history"),
        (json!({"chat":{"epoch":seen["epoch"],"offset":9_007_199_254_740_991_u64}}), "reject_history"),
        (json!({"secret":{"epoch":seen["epoch"],"offset":1}}), "reject_history"),
    ] {
        client.send(ask(streams)).await;
        assert_eq!(client.hear().await, json!({"identifier":chat,"type":answer}));
    }
    client.send(json!({"command":"history","identifier":chat,"history":{"since":1}}).to_string()).await;
    assert_eq!(client.hear().await["message"], 1);
    assert_eq!(client.hear().await["type"], "confirm_history");
    client.send(json!({"command":"history","identifier":stream("x"),"history":{"since":1}}).to_string()).await;
    client.is_alive().await;
}
