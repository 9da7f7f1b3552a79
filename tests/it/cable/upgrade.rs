//! From HTTP to the cable: paths, origins, subprotocols, who is let in, and how many.

use std::time::Duration;

use serde_json::json;
use trunkline::{actors::Plan, edge::Origins};

use super::harness::{HANDSHAKE, House, frame};

#[tokio::test(flavor = "multi_thread")]
async fn selects_the_first_subprotocol_it_knows() {
    let house = House::open().await;
    for (offers, selected) in [
        ("actioncable-v1-json, actioncable-unsupported", Some("actioncable-v1-json")),
        ("actioncable-unsupported, actioncable-v1-json", Some("actioncable-unsupported")),
        ("actioncable-v1-ext-json, another.abc", Some("actioncable-v1-ext-json")),
        ("chat, superchat", None),
    ] {
        let mut raw = house.raw().await;
        raw.send(HANDSHAKE.replace("actioncable-v1-json", offers)).await;
        let head = raw.answer().await.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101"), "{head}");
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        let line = head.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        assert_eq!(line, selected);
        let welcome: serde_json::Value = serde_json::from_str(&raw.text().await).expect("JSON");
        assert_eq!(welcome["type"], "welcome");
        assert_eq!(welcome.get("sid").is_some(), offers.contains("ext"));
    }
    let (mut none, response) = house.connect("/cable", &[]).await;
    assert!(!response.headers().contains_key("sec-websocket-protocol"));
    assert_eq!(none.hear().await, json!({"type":"welcome"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_what_is_no_handshake_with_what_is_wrong() {
    let house = House::open().await;
    for (request, status) in [
        ("GET /cable HTTP/1.1\r\nHost: hub\r\n\r\n".to_owned(), "404"),
        (HANDSHAKE.replace("/cable", "/hello"), "404"),
        (HANDSHAKE.replace("Version: 13", "Version: 12"), "426"),
        (HANDSHAKE.replace("Sec-WebSocket-Version: 13\r\n", ""), "400"),
        (HANDSHAKE.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), "400"),
        (HANDSHAKE.replace("Sec-WebSocket-Key", "X-Key"), "400"),
        (HANDSHAKE.replace("Host: hub", "Host: hub\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="), "400"),
        (HANDSHAKE.replace("HTTP/1.1", "HTTP/1.0"), "400"),
        (HANDSHAKE.replace("GET /cable", "POST /cable"), "405"),
        (HANDSHAKE.replace("Host: hub", "Host: hub\r\nOrigin: http://evil.example"), "404"),
        ("GET /hello HTTP/1.1\r\nHost: hub\r\n\r\n".to_owned(), "200"),
    ] {
        let mut raw = house.raw().await;
        raw.send(&request).await;
        let answer = raw.answer().await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{request}\n{answer}");
        if status == "404" {
            assert!(answer.ends_with("Page not found"), "{answer}");
            assert!(answer.to_ascii_lowercase().contains("content-type: text/plain"), "{answer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn admits_origins_by_policy() {
    let strict = Origins { missing: false, allowed: vec!["https://app.example".into()], same_as_host: true };
    let house = House::with(Plan::new(), |config| config.origins = strict).await;
    assert!(house.try_connect("/cable", &[]).await.is_err());
    assert!(house.try_connect("/cable", &[("origin", "http://evil.example")]).await.is_err());
    assert!(house.try_connect("/cable", &[("origin", "https://app.example")]).await.is_ok());
    let own = format!("http://{}", house.running.addr);
    assert!(house.try_connect("/cable", &[("origin", &own)]).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn lets_in_whom_it_knows_and_tells_others_why_not() {
    let house = House::open().await;
    for (token, speaks, reason) in [
        ("bad", "actioncable-v1-json", "unauthorized"),
        ("old", "actioncable-v1-json", "unauthorized"),
        ("old", "actioncable-v1-ext-json", "token_expired"),
    ] {
        let mut refused = house.connect(&format!("/cable?token={token}"), &[("sec-websocket-protocol", speaks)]).await.0;
        assert_eq!(refused.hear().await, json!({"type":"disconnect","reason":reason,"reconnect":false}));
        assert_eq!(refused.hear_or_close().await.expect_err("closed").map(|close| u16::from(close.code)), Some(1000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn obeys_what_was_pipelined_behind_the_handshake_and_behind_other_requests() {
    let house = House::open().await;
    let mut raw = house.raw().await;
    let subscribe = r#"{"command":"subscribe","identifier":"{\"channel\":\"EchoChannel\"}"}"#;
    let mut all = b"GET /hello HTTP/1.1\r\nHost: hub\r\n\r\n".to_vec();
    all.extend_from_slice(HANDSHAKE.as_bytes());
    all.extend_from_slice(&frame(0x81, subscribe.as_bytes()));
    raw.send(&all).await;
    assert!(raw.answer().await.ends_with("hello"));
    assert!(raw.answer().await.starts_with("HTTP/1.1 101"));
    assert_eq!(raw.text().await, r#"{"type":"welcome"}"#);
    assert!(raw.text().await.ends_with(r#""type":"confirm_subscription"}"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_politely_when_it_is_full_and_has_room_again_later() {
    let house = House::with(Plan::new(), |config| config.connections_max = 3).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(house.client().await);
    }
    let mut raw = house.raw().await;
    raw.send(HANDSHAKE).await;
    let answer = raw.answer().await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 503") && answer.contains("retry-after: "), "{answer}");
    assert_eq!(house.running.stats().total().refused, 1);
    drop(clients.pop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    house.client().await.is_alive().await;
    for client in &mut clients {
        client.is_alive().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gives_up_on_half_a_request() {
    let house = House::with(Plan::new(), |config| config.head_timeout = Duration::from_millis(300)).await;
    let mut raw = house.raw().await;
    raw.send(&HANDSHAKE[..60]).await;
    assert!(raw.answer().await.starts_with("HTTP/1.1 408"));
}
