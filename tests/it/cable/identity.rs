//! Who a client is, and for how long: applications' tokens, the hub's own, and whether it still answers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::{client_async, tungstenite::client::IntoClientRequest as _};
use trunkline::{actors::Plan, client::CableClient, config::Config};

use super::harness::{Cable, HANDSHAKE, House, PATIENCE, SECRET};

const EXTENDED: (&str, &str) = ("sec-websocket-protocol", "actioncable-v1-ext-json");
const BASE: (&str, &str) = ("sec-websocket-protocol", "actioncable-v1-json");

fn in_seconds(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    i64::try_from(now).expect("a time") + seconds
}
fn signed(claims: &Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("signed")
}
async fn sent_away(client: &mut Cable, reason: &str, reconnect: bool) {
    assert_eq!(client.hear().await, json!({"type":"disconnect","reason":reason,"reconnect":reconnect}));
    assert_eq!(client.hear_or_close().await.expect_err("closed").map(|close| u16::from(close.code)), Some(1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn lets_in_whom_an_application_vouches_for_and_finds_all_of_their_connections() {
    let house = House::open().await;
    let ext = r#"{"user_id": 42}"#;
    let token = signed(&json!({"ext": ext, "exp": in_seconds(600)}));
    let offers = format!("actioncable-v1-ext-json, anycable-token.{token}");
    let by_query = house.connect(&format!("/cable?jid={token}"), &[EXTENDED]).await.0;
    let by_header = house.connect("/cable", &[BASE, ("x-jid", &token)]).await.0;
    let (by_offer, response) = house.connect("/cable", &[("sec-websocket-protocol", &offers)]).await;
    assert_eq!(response.headers()["sec-websocket-protocol"], "actioncable-v1-ext-json", "the token is never echoed");
    let mut theirs = [by_query, by_header, by_offer];
    for client in &mut theirs {
        assert_eq!(client.hear().await["type"], "welcome");
        client.is_alive().await;
    }
    let mut other = house.connect(&format!("/cable?jid={}", signed(&json!({"ext": "{\"user_id\":42}"}))), &[]).await.0;
    other.hear().await;
    house.running.gate().disconnect(move |who| who.identifiers() == ext, true);
    for client in &mut theirs {
        sent_away(client, "remote", true).await;
    }
    other.is_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_whom_it_does_not_let_in_why_not() {
    let house = House::open().await;
    for speaks in [EXTENDED, BASE] {
        let expired = signed(&json!({"ext": "{}", "exp": in_seconds(-1)}));
        let mut old = house.connect(&format!("/cable?jid={expired}"), &[speaks]).await.0;
        sent_away(&mut old, "token_expired", false).await;
        let mut forged = house.connect("/cable?jid=a.b.c", &[speaks]).await.0;
        sent_away(&mut forged, "unauthorized", false).await;
        let nameless = signed(&json!({"sub": "42"}));
        let mut nameless = house.connect("/cable", &[speaks, ("x-jid", &nameless)]).await.0;
        let close = nameless.hear_or_close().await.expect_err("closed without a word");
        assert_eq!(close.map(|close| u16::from(close.code)), Some(1011));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_a_live_connection_away_when_an_application_no_longer_vouches_for_it_and_resumes_it_not() {
    let house = House::with(Plan::new(), |config| config.ping_every = Duration::from_millis(300)).await;
    let token = signed(&json!({"ext": "{}", "exp": in_seconds(2)}));
    let (mut lost, welcome) = house.extended(&format!("/cable?jid={token}")).await;
    lost.is_alive().await;
    drop(lost);
    let mut there = house.connect(&format!("/cable?jid={token}"), &[BASE]).await.0;
    there.hear().await;
    sent_away(&mut there, "token_expired", false).await;
    let sid = welcome["sid"].as_str().expect("a sid");
    let (_, again) = house.extended(&format!("/cable?sid={sid}")).await;
    assert!(again.get("restored").is_none(), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_a_live_connection_away_when_its_token_ends() {
    let mut config = Config::in_memory().with_account("ana@example.org", "editor", false);
    config.auth.token_lifetime = Duration::from_secs(2);
    let house = trunkline::house::House::open(config).await.expect("a house");
    let body = json!({"user": {"email": "ana@example.org", "password": Config::EXAMPLE_PASSWORD}});
    let answer = reqwest::Client::new().post(format!("{}/api/v1/login", house.url())).json(&body).send().await.expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    let mut cable = CableClient::connect(&house.url(), answer["token"].as_str()).await.expect("welcomed");
    cable.subscribe(r#"{"channel":"StreamsChannel"}"#).await.expect("confirmed");
    let mut request = format!("ws://{}/cable?token={}", house.address, answer["token"].as_str().expect("a token"))
        .into_client_request()
        .expect("a request");
    request.headers_mut().insert(EXTENDED.0, EXTENDED.1.parse().expect("a header"));
    let stream = TcpStream::connect(house.address).await.expect("connected");
    let mut extended = Cable { socket: client_async(request, stream).await.expect("a cable").0 };
    assert_eq!(extended.hear().await["type"], "welcome");
    let ended = tokio::time::timeout(Duration::from_secs(20), cable.next()).await.expect("in time").expect_err("sent away");
    assert!(ended.to_string().contains("unauthorized"), "{ended}");
    sent_away(&mut extended, "token_expired", false).await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_away_who_says_nothing_where_pongs_are_asked_for() {
    let house = House::with(Plan::new(), |config| {
        config.ping_every = Duration::from_millis(300);
        config.pong_timeout = Some(Duration::from_secs(2));
    })
    .await;
    let (mut silent, _) = house.extended("/cable").await;
    let (mut answering, _) = house.extended("/cable").await;
    let mut base = house.client().await;
    // Bytes of a command that never ends are no sign of life.
    let mut dribbling = house.raw().await;
    dribbling.send(HANDSHAKE.replace("actioncable-v1-json", "actioncable-v1-ext-json")).await;
    assert!(dribbling.answer().await.starts_with("HTTP/1.1 101"));
    let (mut hears, mut says) = dribbling.stream.into_split();
    let dribble = tokio::spawn(async move {
        says.write_all(&[0x81, 0x80 | 125, 0, 0, 0, 0]).await.expect("written");
        while says.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let answers = tokio::spawn(async move {
        for _ in 0..16 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            answering.send(r#"{"command":"pong"}"#).await;
        }
        answering
    });
    assert_eq!(silent.hear().await, json!({"type":"disconnect","reason":"no_pong","reconnect":true}));
    let mut heard = Vec::new();
    let ended = tokio::time::timeout(2 * PATIENCE, hears.read_to_end(&mut heard)).await;
    assert!(ended.is_ok() && String::from_utf8_lossy(&heard).contains("no_pong"), "{heard:?}");
    dribble.abort();
    answers.await.expect("answered").is_alive().await;
    base.is_alive().await;
}
