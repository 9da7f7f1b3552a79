//! Dashboards that were away for longer than memory reaches: told everything from the journal, in order and once, while more is being said.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};
use trunkline_actors::{
    Hub,
    streams::{stream::Draft, writing},
};
use trunkline_protocol::{
    Principal,
    limits::{BACKLOG_BROADCASTS_MAX, RECALL_BYTES_MAX},
};

use super::{
    cable::harness::Cable,
    pubsub::{EventReader, Street},
};

/// So many that memory does not hold all of them, and that telling them takes several portions.
const MANY: usize = BACKLOG_BROADCASTS_MAX + 500;

async fn add(hub: &Hub, number: usize) -> u64 {
    let status = ["live", "offline"][number % 2];
    let notes = "n".repeat(400);
    let body = json!({"link": format!("https://twitch.tv/s{number}"), "source": "feed", "status": status, "notes": notes});
    let draft = Draft::try_from(body.as_object().expect("an object")).expect("a draft");
    writing::add(hub, draft, hub.asking(&Principal::house())).await.expect("added").id
}
async fn add_many(hub: &Hub, numbers: std::ops::Range<usize>) {
    for number in numbers {
        add(hub, number).await;
    }
}
/// Somebody who goes on adding while others read.
fn adding(hub: &Hub, numbers: std::ops::Range<usize>) -> JoinHandle<()> {
    let hub = hub.clone();
    tokio::spawn(async move {
        for number in numbers {
            add(&hub, number).await;
            sleep(Duration::from_millis(2)).await;
        }
    })
}

const ALL: &str = r#"{"channel":"StreamsChannel"}"#;
const LIVE: &str = r#"{"channel":"StreamsChannel","status":"live"}"#;

/// Subscribes and asks for everything after a frame.
async fn come_back(cable: &mut Cable, identifier: &str, seen: &Value) {
    let places = json!({seen["stream_id"].as_str().expect("a stream"): {"epoch": seen["epoch"], "offset": seen["offset"]}});
    cable.send(json!({"command": "subscribe", "identifier": identifier, "history": {"streams": places}}).to_string()).await;
    assert_eq!(cable.hear().await["type"], "confirm_subscription");
}
/// The numbers of the streams that are told from now on, up to this one; the word that the history is told comes among them, once.
async fn numbers_upto(cable: &mut Cable, last: usize, pause: Duration) -> Vec<usize> {
    let (mut numbers, mut offset, mut confirmed) = (Vec::new(), 0, 0);
    loop {
        let frame = cable.hear().await;
        if frame["type"] == "confirm_history" {
            confirmed += 1;
        } else {
            numbers.push(number(&frame["message"]));
            let next = frame["offset"].as_u64().expect("a place");
            assert!(next > offset, "{frame}");
            offset = next;
        }
        if numbers.last().is_some_and(|number| *number >= last) && confirmed > 0 {
            assert_eq!(confirmed, 1);
            return numbers;
        }
        if !pause.is_zero() && numbers.len() % 100 == 0 {
            sleep(pause).await;
        }
    }
}
fn number(message: &Value) -> usize {
    assert_eq!(message["action"], "created");
    let link = message["stream"]["link"].as_str().expect("a link");
    link.trim_start_matches("https://twitch.tv/s").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_everything_missed_from_the_journal_whoever_asks_and_however_slowly_they_read() {
    let street = Street::open().await;
    let hub = street.house.hub.clone();
    let (mut all, mut live) = (street.extended().await.0, street.extended().await.0);
    all.subscribe(ALL).await;
    live.subscribe(LIVE).await;
    add(&hub, 0).await;
    let (seen_of_all, seen_of_live) = (all.hear().await, live.hear().await);
    drop((all, live));
    add_many(&hub, 1..MANY).await;
    let adding = adding(&hub, MANY..MANY + 300);
    let returning = |identifier: &'static str, seen: &Value, step, pause| {
        let (street, seen) = (&street, seen.clone());
        async move {
            let mut cable = street.extended().await.0;
            come_back(&mut cable, identifier, &seen).await;
            let heard = numbers_upto(&mut cable, MANY + 298, pause).await;
            assert!(
                heard.iter().copied().eq((1..).filter(|number| number % step == 0).take(heard.len())),
                "{identifier}: {heard:?}"
            );
        }
    };
    tokio::join!(
        returning(ALL, &seen_of_all, 1, Duration::ZERO),
        returning(ALL, &seen_of_all, 1, Duration::from_millis(100)),
        returning(LIVE, &seen_of_live, 2, Duration::ZERO),
        returning(LIVE, &seen_of_live, 2, Duration::from_millis(50)),
    );
    adding.await.expect("added");
    street.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_a_reader_of_events_more_than_fits_when_it_comes_back_for_it() {
    let street = Street::open().await;
    let hub = street.house.hub.clone();
    let url = format!("{}/events?channel=StreamsChannel", street.house.url());
    let mut reader = EventReader::new(street.http.get(&url).send().await.expect("an answer"));
    reader.expect("welcome").await;
    reader.expect("confirm_subscription").await;
    add(&hub, 0).await;
    let mut last = reader.expect("").await["id"].clone();
    let first = last.clone();
    drop(reader);
    add_many(&hub, 1..MANY).await;
    let (mut expected, mut times, mut bytes) = (1..MANY, 0, 0);
    loop {
        let again = street.http.get(&url).header("last-event-id", &last).send().await.expect("an answer");
        let mut reader = EventReader::new(again);
        reader.expect("welcome").await;
        reader.expect("confirm_subscription").await;
        times += 1;
        let mut event = reader.next().await.expect("an event");
        while !event.contains_key("event") {
            let message: Value = serde_json::from_str(&event["data"]).expect("JSON");
            assert_eq!(Some(number(&message)), expected.next());
            bytes += event["data"].len();
            last = event["id"].clone();
            event = reader.next().await.expect("an event");
        }
        match &*event["event"] {
            "confirm_history" => break,
            kind => assert_eq!(kind, "disconnect", "{event:?}"),
        }
    }
    assert_eq!(expected.next(), None);
    assert!(times > 1 && bytes > RECALL_BYTES_MAX, "{bytes} bytes in {times} answers");
    // Who is told no places could not come back for the rest.
    let raw = street.http.get(format!("{url}&raw=1")).header("last-event-id", &first).send().await.expect("an answer");
    assert_eq!(raw.status(), 400);
    assert_eq!(raw.json::<Value>().await.expect("a problem")["code"], "TOO_MUCH_MISSED");
    street.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn says_so_where_more_was_missed_than_is_told_again_and_goes_on_live() {
    let street = Street::open().await;
    let hub = street.house.hub.clone();
    let mut cable = street.extended().await.0;
    cable.subscribe(ALL).await;
    add(&hub, 0).await;
    let seen = cable.hear().await;
    drop(cable);
    for (member, value) in [("epoch", json!("other")), ("offset", json!(1_u64 << 45)), ("stream_id", json!("collaboration"))] {
        let mut foreign = seen.clone();
        foreign[member] = value;
        let mut cable = street.extended().await.0;
        come_back(&mut cable, ALL, &foreign).await;
        assert_eq!(cable.hear().await["type"], "reject_history", "{member}");
        let added = add(&hub, 1 + usize::from(member == "offset") + 2 * usize::from(member == "epoch")).await;
        assert_eq!(cable.message().await["stream"]["id"], added);
    }
    street.close().await;
}
