//! Every line of `cable.md` 1.2 and 1.6.7: what is malformed is ignored, what breaks the framing is closed with the right code, nobody crashes.

use futures::SinkExt as _;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::harness::{House, frame, stream};

#[tokio::test(flavor = "multi_thread")]
async fn ignores_what_it_cannot_read_and_stays_usable() {
    let house = House::open().await;
    let mut client = house.client().await;
    let deep = format!(r#"{{"command":"message","identifier":"a","data":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    for text in [
        "",
        " ",
        "[]",
        "1",
        "null",
        "\"x\"",
        "{",
        "nonsense",
        "{}",
        r#"{"command":"dance","identifier":"a"}"#,
        r#"{"command":{}}"#,
        r#"{"command":"subscribe"}"#,
        r#"{"command":"subscribe","identifier":{}}"#,
        r#"{"command":"pong"}"#,
        &deep,
        r#"{"command":"message","identifier":"a","data":"{}"}"#,
        r#"{"command":"subscribe","identifier":"\ud800"}"#,
    ] {
        client.send(text).await;
    }
    client.socket.send(Message::binary(vec![0xff; 100])).await.expect("sent");
    client.socket.send(Message::binary(br#"{"command":"ping"}"#.to_vec())).await.expect("sent");
    client.silent(100).await;
    client.is_alive().await;
    client.send(r#"{"command":"ping"}"#).await;
    assert_eq!(client.hear().await, json!({"type":"pong"}));
    assert!(house.running.stats().total().ignored >= 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_with_the_code_that_says_what_was_wrong() {
    let house = House::open().await;
    let unmasked = vec![0x81, 0x02, b'{', b'}'];
    let oversized = frame(0x81, &vec![b'x'; 70_000]);
    let fragments: Vec<u8> = [frame(0x01, &vec![b'x'; 40_000]), frame(0x80, &vec![b'x'; 40_000])].concat();
    for (bytes, code) in [
        (unmasked, 1002),
        (frame(0x83, b"{}"), 1002),
        (frame(0x8b, b""), 1002),
        (frame(0xc1, b"{}"), 1002),
        (frame(0xa1, b"{}"), 1002),
        (frame(0x91, b"{}"), 1002),
        (frame(0x80, b"{}"), 1002),
        ([frame(0x01, b"{"), frame(0x81, b"}")].concat(), 1002),
        (frame(0x89, &[b'x'; 126]), 1002),
        (frame(0x09, b"x"), 1002),
        (frame(0x88, b"x"), 1002),
        (frame(0x88, &[0x03, 0xec]), 1002),
        (frame(0x81, b"\xff\xfe"), 1007),
        ([frame(0x01, b"\xce"), frame(0x80, b"x")].concat(), 1007),
        (frame(0x88, &[0x03, 0xe8, 0xff]), 1007),
        (oversized, 1009),
        (fragments, 1009),
        (frame(0x88, &[0x03, 0xe8]), 1000),
        (frame(0x88, &[0x0f, 0xa0]), 4000),
    ] {
        let mut raw = house.raw().await;
        raw.open().await;
        raw.send(&bytes).await;
        assert_eq!(raw.closed().await, Some(code), "{:?}", &bytes[..bytes.len().min(16)]);
    }
    let mut raw = house.raw().await;
    raw.open().await;
    raw.send(frame(0x88, b"")).await;
    assert!(matches!(raw.closed().await, None | Some(1000)));
    house.client().await.is_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_fragments_with_pings_between_them_and_one_byte_at_a_time() {
    let house = House::open().await;
    let mut raw = house.raw().await;
    raw.open().await;
    let text = json!({"command":"subscribe","identifier":r#"{"channel":"EchoChannel","é":"😀"}"#}).to_string();
    let (one, rest) = text.as_bytes().split_at(text.find('é').expect("there") + 1);
    let (two, three) = rest.split_at(1);
    let all = [frame(0x01, one), frame(0x89, b"beat"), frame(0x00, two), frame(0x8a, b"unasked"), frame(0x80, three)].concat();
    for byte in all {
        raw.send([byte]).await;
    }
    // One of the hub's own pings may come between.
    let mut pong = raw.frame().await;
    while pong.0 == 0x81 {
        pong = raw.frame().await;
    }
    assert_eq!(pong, (0x8a, b"beat".to_vec()));
    let confirmed: serde_json::Value = serde_json::from_str(&raw.text().await).expect("JSON");
    assert_eq!(confirmed["type"], "confirm_subscription");
    assert_eq!(confirmed["identifier"], r#"{"channel":"EchoChannel","é":"😀"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_floods_while_others_are_served() {
    let house = House::open().await;
    let (flooding, mut other) = (house.client().await, house.client().await);
    let chat = stream("chat");
    other.subscribe(&chat).await;
    let (mut sink, mut source) = futures::StreamExt::split(flooding.socket);
    let flood = tokio::spawn(async move {
        for _ in 0..9_000 {
            sink.send(Message::text("{")).await.expect("sent");
        }
        let tick = json!({"command":"subscribe","identifier":r#"{"channel":"EchoChannel"}"#}).to_string();
        sink.send(Message::text(tick)).await.expect("sent");
    });
    for number in 0..50 {
        house.say("chat", json!(number)).await;
        assert_eq!(other.message().await, number);
    }
    flood.await.expect("flooded");
    loop {
        let heard = tokio::time::timeout(super::harness::PATIENCE, futures::StreamExt::next(&mut source)).await.expect("in time");
        if heard.expect("open").expect("a frame").to_text().is_ok_and(|text| text.contains("confirm_subscription")) {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_what_one_connection_may_hold() {
    let house = House::open().await;
    let mut client = house.client().await;
    let long = format!(r#"{{"channel":"EchoChannel","x":"{}"}}"#, "x".repeat(5_000));
    client.command("subscribe", &long).await;
    assert_eq!(client.hear().await, json!({"identifier":long,"type":"reject_subscription"}));
    let numbered = |number: usize| format!(r#"{{"channel":"EchoChannel","number":{number}}}"#);
    for number in 0..1_100 {
        client.command("subscribe", &numbered(number)).await;
    }
    for number in 0..1_100 {
        let answer = if number < 1_000 { "confirm_subscription" } else { "reject_subscription" };
        assert_eq!(client.hear().await, json!({"identifier":numbered(number),"type":answer}));
    }
    client.command("unsubscribe", &numbered(500)).await;
    client.is_alive().await;
    let chat = stream("topic0");
    client.command("unsubscribe", &numbered(501)).await;
    client.subscribe(&chat).await;
    for number in 1..=1_000 {
        client.perform(&chat, json!({"action":"follow","stream":format!("topic{number}")})).await;
    }
    client.perform(&chat, json!({"action":"broadcast","stream":"topic1000","payload":"too many"})).await;
    client.perform(&chat, json!({"action":"broadcast","stream":"topic999","payload":"enough"})).await;
    assert_eq!(client.message().await, "enough");
}
