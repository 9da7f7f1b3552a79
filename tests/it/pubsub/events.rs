//! GET and POST /events.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use trunkline_actors::pubsub::signing::Verifier;

use super::{EventReader, SECRET, Street, public};

impl Street {
    async fn events(&self, query: &str) -> Response {
        self.http.get(format!("{}/events?{query}", self.house.url())).send().await.expect("an answer")
    }
    /// A reader that has been welcomed and confirmed.
    async fn reading(&self, query: &str) -> EventReader {
        let response = self.events(query).await;
        assert_eq!(response.status(), 200, "{query}");
        let mut reader = EventReader::new(response);
        let welcome = reader.expect("welcome").await;
        assert!(parsed(&welcome["data"])["sid"].is_string());
        reader.expect("confirm_subscription").await;
        reader
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_a_reader_what_a_cable_would_as_event_source_reads_it() {
    let street = Street::open().await;
    let response = street.events("stream=chat%2F42").await;
    let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "text/event-stream; charset=utf-8");
    assert_eq!(header("cache-control"), "private, no-cache, no-store, must-revalidate, max-age=0");
    assert_eq!(header("x-accel-buffering"), "no");
    let mut reader = EventReader::new(response);
    let sid = parsed(&reader.expect("welcome").await["data"])["sid"].as_str().expect("a sid").to_owned();
    let confirmed = reader.expect("confirm_subscription").await;
    assert_eq!(parsed(&confirmed["data"])["identifier"], public("chat/42"));
    street.say("chat/42", json!({"message": "hello"})).await;
    let event = reader.expect("").await;
    assert_eq!(event["data"], r#"{"message":"hello"}"#);
    let id: Vec<&str> = event["id"].splitn(3, '/').collect();
    assert_eq!((id[0], id[2]), ("1", "chat/42"));
    street.say("chat/42", json!("<b>\nraw\r\ntext</b>")).await;
    assert_eq!(reader.expect("").await["data"], "<b>\nraw\ntext</b>");
    let but_her = json!({"stream": "chat/42", "data": "1", "meta": {"exclude_socket": sid}});
    street.publish(&but_her).await;
    street.publish(&json!({"stream": "chat/42", "data": "2", "meta": {"broadcast_type": "note"}})).await;
    let note = reader.expect("note").await;
    assert_eq!(parsed(&note["data"])["message"], 2);
    let mut pinged = reader.any().await;
    while pinged.as_ref().is_some_and(|event| event.get("event").is_none_or(|kind| kind != "ping")) {
        pinged = reader.any().await;
    }
    assert!(parsed(&pinged.expect("a ping")["data"])["message"].is_i64());
    street.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_on_where_a_reader_left_off() {
    let street = Street::open().await;
    let mut reader = street.reading("stream=chat").await;
    street.say("chat", json!(1)).await;
    let last = reader.expect("").await["id"].clone();
    drop(reader);
    street.say("chat", json!(2)).await;
    street.say("chat", json!(3)).await;
    let url = format!("{}/events?stream=chat", street.house.url());
    let again = street.http.get(&url).header("last-event-id", &last).send().await.expect("an answer");
    let mut reader = EventReader::new(again);
    reader.expect("welcome").await;
    reader.expect("confirm_subscription").await;
    for number in ["2", "3"] {
        assert_eq!(reader.expect("").await["data"], number);
    }
    reader.expect("confirm_history").await;
    street.say("chat", json!(4)).await;
    assert_eq!(reader.expect("").await["data"], "4");
    // From another life of the hub: said so, and then told what is live.
    let foreign = street.http.get(&url).header("last-event-id", "1/other/chat").send().await.expect("an answer");
    let mut reader = EventReader::new(foreign);
    reader.expect("welcome").await;
    reader.expect("confirm_subscription").await;
    reader.expect("reject_history").await;
    let raw = street.events("stream=chat&raw=1&history_since=1").await;
    let mut reader = EventReader::new(raw);
    for number in ["1", "2", "3", "4"] {
        let event = reader.any().await.expect("an event");
        assert_eq!((event["data"].as_str(), event.contains_key("event")), (number, false), "data and nothing else");
    }
    street.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_who_may_not_hear_with_a_status_and_not_with_a_stream() {
    let street = Street::with(|config| {
        config.pubsub.wing.public = false;
        config.edge.public_streams = true;
    })
    .await;
    let signed = Verifier::new(SECRET).sign("chat");
    for (query, expected) in [
        ("", 400),
        ("raw=1", 400),
        ("stream=chat", 400),
        ("channel=NoSuchChannel", 400),
        ("identifier=nonsense", 400),
        (&format!("signed_stream={signed}0"), 400),
        (&format!("signed_stream={signed}&history_since=yesterday"), 400),
        (&format!("signed_stream={signed}&token=nonsense"), 401),
        (&format!("signed_stream={signed}"), 200),
        (&format!("turbo_signed_stream_name={signed}"), 200),
    ] {
        let answer = street.events(query).await;
        assert_eq!(answer.status(), expected, "{query}");
        if expected != 200 {
            let problem: Value = answer.json().await.expect("a problem is JSON");
            assert!(problem["error"].is_string(), "{problem}");
        }
    }
    let url = format!("{}/events?signed_stream={signed}", street.house.url());
    for method in [Method::PUT, Method::DELETE, Method::HEAD] {
        assert_eq!(street.http.request(method, &url).send().await.expect("an answer").status(), 405);
    }
    let preflight = street.http.request(Method::OPTIONS, &url).header("origin", "https://a.example");
    let preflight = preflight.header("access-control-request-headers", "x-any").send().await.expect("an answer");
    assert_eq!(
        (preflight.status().as_u16(), &preflight.headers()["access-control-allow-origin"]),
        (200, &"https://a.example".parse().expect("a header"))
    );
    assert_eq!(preflight.headers()["access-control-allow-headers"], "x-any");
    let shared = street.http.get(&url).header("origin", "https://a.example").send().await.expect("an answer");
    assert_eq!(shared.headers()["access-control-allow-origin"], "https://a.example");
    drop(shared);
    // Nobody is left behind by those who were turned away or went.
    for _ in 0..200 {
        if street.house.stats().total().connections == 0 {
            return street.close().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{:?}", street.house.stats().total());
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribes_to_as_much_as_a_body_names_and_tells_whole_frames() {
    let street = Street::open().await;
    let post = async |body: String| {
        let request = street.http.post(format!("{}/events", street.house.url())).body(body);
        request.send().await.expect("an answer")
    };
    let subscribe = |stream: &str| json!({"command": "subscribe", "identifier": public(stream)}).to_string();
    let answer = post(format!("{}\n\n{}\n", subscribe("a"), subscribe("b"))).await;
    assert_eq!(answer.status(), 200);
    let mut reader = EventReader::new(answer);
    reader.expect("welcome").await;
    for stream in ["a", "b"] {
        let confirmed = reader.expect("confirm_subscription").await;
        assert_eq!(parsed(&confirmed["data"])["identifier"], public(stream));
    }
    for stream in ["b", "a"] {
        street.say(stream, json!("hi")).await;
        let frame = parsed(&reader.expect("").await["data"]);
        assert_eq!((&frame["identifier"], &frame["message"]), (&json!(public(stream)), &json!("hi")));
    }
    let unknown = json!({"command": "subscribe", "identifier": "{\"channel\":\"No\"}"}).to_string();
    for (body, expected) in [
        (String::new(), 400),
        ("nonsense".to_owned(), 400),
        (json!({"command": "unsubscribe", "identifier": public("a")}).to_string(), 400),
        (format!("{}\n{unknown}", subscribe("a")), 400),
        (subscribe(&"x".repeat(70_000)), 413),
    ] {
        assert_eq!(post(body.clone()).await.status(), expected, "{body:.60}");
    }
    street.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_no_reader_more_at_once_than_may_wait_for_one() {
    let street = Street::open().await;
    for number in 0..80 {
        street.say("chat", json!([number, "x".repeat(60_000)])).await;
    }
    let ask = |spellings: usize| {
        // The same stream under as many names.
        let names = (0..spellings).map(|blanks| public("chat").replace(':', &format!(":{}", " ".repeat(blanks))));
        let lines = names.map(|name| json!({"command": "subscribe", "identifier": name, "history": {"since": 1}}).to_string());
        let body = lines.collect::<Vec<_>>().join("\n");
        street.http.post(format!("{}/events", street.house.url())).body(body).send()
    };
    let all = ask(30).await.expect("an answer");
    assert_eq!(all.status(), 400);
    let problem: Value = all.json().await.expect("a problem is JSON");
    assert_eq!(problem["code"], "TOO_MUCH_MISSED", "{problem}");
    // One is told whatever it missed.
    let one = ask(1).await.expect("an answer");
    assert_eq!(one.status(), 200);
    let mut reader = EventReader::new(one);
    for event in ["welcome", "confirm_subscription"] {
        reader.expect(event).await;
    }
    for number in 0..80 {
        assert_eq!(parsed(&reader.expect("").await["data"])["message"][0], number);
    }
    reader.expect("confirm_history").await;
    street.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn says_goodbye_to_readers_too_and_does_not_keep_a_stopping_hub_waiting() {
    let street = Street::open().await;
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(street.reading("stream=chat").await);
    }
    let began = tokio::time::Instant::now();
    let told = async {
        for reader in &mut readers {
            let event = reader.expect("disconnect").await;
            assert_eq!(parsed(&event["data"]), json!({"type": "disconnect", "reason": "server_restart", "reconnect": true}));
            assert!(!event.contains_key("retry"));
            assert_eq!(reader.next().await, None);
        }
    };
    tokio::join!(street.close(), told);
    assert!(began.elapsed() < Duration::from_secs(14), "sooner than it would cut anybody off: {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_a_reader_away_who_may_not_come_back() {
    let street = Street::with(|config| {
        config.bootstrap.api_keys = vec![trunkline_actors::accounts::BootstrapKey {
            name: "bot".into(),
            key: "tl_bot_0123456789abcdef".into(),
            role: trunkline_protocol::Role::Editor,
            scopes: Vec::new(),
        }];
    })
    .await;
    let mut reader = street.reading("stream=chat&api_key=tl_bot_0123456789abcdef").await;
    let users = street.house.hub.projection::<trunkline_actors::accounts::Accounts>();
    let hash = trunkline_actors::accounts::bootstrap::hash_of("tl_bot_0123456789abcdef");
    let (bot, _) = users.principal_of_key(&hash, street.house.hub.clock().now()).expect("its key");
    let payload = json!({"identifier": bot.identifiers(), "reconnect": false});
    street.publish(&json!({"command": "disconnect", "payload": payload})).await;
    let event = reader.expect("disconnect").await;
    assert_eq!(parsed(&event["data"]), json!({"type": "disconnect", "reason": "remote", "reconnect": false}));
    assert_eq!(event["retry"], "31536000000");
    assert_eq!(reader.next().await, None);
    street.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cuts_off_a_reader_who_does_not_read_and_nobody_else_notices() {
    let street = Street::open().await;
    let mut slow = TcpStream::connect(street.house.address).await.expect("connected");
    slow.write_all(b"GET /events?stream=chat HTTP/1.1\r\nHost: hub\r\n\r\n").await.expect("asked");
    let mut quick = street.reading("stream=chat").await;
    while street.house.stats().total().connections < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let filler = "x".repeat(200_000);
    let mut said = 0;
    while street.house.stats().total().slow == 0 {
        street.say("chat", json!([said, filler])).await;
        assert_eq!(parsed(&quick.expect("").await["data"])[0], said);
        said += 1;
        assert!(said < 1_000, "what waits for one reader is bounded");
    }
    // What it reads now ends with the reason.
    let (mut heard, mut chunk) = (Vec::new(), vec![0; 1 << 20]);
    while !String::from_utf8_lossy(&heard[heard.len().saturating_sub(200)..]).contains("too_slow") {
        let read = tokio::time::timeout(Duration::from_secs(10), slow.read(&mut chunk)).await.expect("in time").expect("read");
        assert!(read > 0, "the reason comes before the end");
        heard.extend_from_slice(&chunk[..read]);
    }
    let goodbye = String::from_utf8_lossy(&heard[heard.len() - 200..]).into_owned();
    assert!(goodbye.contains(r#"{"type":"disconnect","reason":"too_slow","reconnect":true}"#), "{goodbye}");
    street.say("chat", json!("still here")).await;
    assert_eq!(quick.expect("").await["data"], "still here");
    street.close().await;
}
