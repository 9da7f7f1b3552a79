//! Whoever means harm, or has a bug: over HTTP and on the cable of a whole house, while a bot, two editors and two dashboards are at work.

use std::time::Duration;

use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};
use trunkline::{
    actors::accounts::BootstrapKey,
    config::{Config, Feature},
    house::House,
    protocol::Role,
};

use crate::{
    cable::harness::{Cable, PATIENCE, Raw, frame},
    child::{ADMIN, ANA, BO, BOT, Door},
};

const VIEWER: &str = "tl_viewer_0123456789abcdef";
const GRID: &str = r#"{"channel":"CollaborativeStreamsChannel"}"#;
const STREAMS: &str = r#"{"channel":"StreamsChannel"}"#;

async fn open(change: impl FnOnce(&mut Config)) -> (House, Door) {
    let mut config = Config::in_memory().with_account("ana@example.org", "editor", false);
    let key = |name: &str, key: &str, role| BootstrapKey { name: name.into(), key: key.into(), role, scopes: Vec::new() };
    config.bootstrap.api_keys = vec![
        key("admin", ADMIN, Role::Admin),
        key("bot", BOT, Role::Editor),
        key("ana", ANA, Role::Editor),
        key("bo", BO, Role::Editor),
        key("viewer", VIEWER, Role::Viewer),
    ];
    change(&mut config);
    let house = House::open(config).await.expect("a house");
    let door = Door::to(house.address);
    (house, door)
}

#[tokio::test(flavor = "multi_thread")]
async fn says_no_in_the_words_of_the_contract() {
    let (house, door) = open(|config| {
        config.streams.analytics = Feature::Off;
        config.streams.bulk_import = Feature::Off;
        config.streams.export = Feature::Off;
    })
    .await;
    let row = door.post("https://example.org/one").await.expect("an answer").1;
    let one = format!("/api/v1/streams/{}", row["id"]);
    let analytics = format!("{one}/analytics");
    let not_yours = "You are not authorized to perform this action";
    let wrong_login = "Invalid email or password";
    let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
    let table: Vec<(&str, &Method, &str, Value, u16, &str)> = vec![
        ("", &get, "/api/v1/streams", Value::Null, 401, "Unauthorized"),
        ("nonsense", &get, &one, Value::Null, 401, "Unauthorized"),
        ("", &post, "/api/v1/streams", json!({"link": "x"}), 401, "Unauthorized"),
        ("", &post, "/api/v1/login", json!({}), 401, wrong_login),
        ("", &post, "/api/v1/login", json!({"user": "x"}), 401, wrong_login),
        ("", &post, "/api/v1/login", json!({"user": {"email": 7, "password": []}}), 401, wrong_login),
        ("", &post, "/api/v1/login", json!({"email": "nobody@example.org", "password": "x"}), 401, wrong_login),
        ("", &post, "/api/v1/users/login", json!({"email": "ana@example.org", "password": "x".repeat(100_000)}), 401, wrong_login),
        (VIEWER, &post, "/api/v1/streams", json!({"link": "https://example.org/two", "source": "x"}), 403, not_yours),
        (VIEWER, &patch, &one, json!({"title": "x"}), 403, not_yours),
        (VIEWER, &get, "/api/v1/ignore_lists", Value::Null, 403, not_yours),
        (BOT, &post, "/api/v1/ignore_lists", json!({"list_type": "url", "value": "https://x.example"}), 403, not_yours),
        (BOT, &get, "/api/v1/users", Value::Null, 403, not_yours),
        (BOT, &get, "/api/v1/api_keys", Value::Null, 403, not_yours),
        (BOT, &get, &analytics, Value::Null, 403, "This feature is not currently available"),
        (BOT, &post, "/api/v1/streams/bulk_import", json!({"streams": []}), 403, "Bulk import is not currently available"),
        (BOT, &get, "/api/v1/streams/export", Value::Null, 403, "Export feature is not currently available"),
        (BOT, &get, "/api/v1/streams/999999", Value::Null, 404, "Record not found"),
        (BOT, &patch, "/api/v1/streams/999999", json!({"title": "x"}), 404, "Record not found"),
        (ADMIN, &delete, "/api/v1/streams/999999", Value::Null, 404, "Record not found"),
        (BOT, &get, "/api/v1/streamers/999999", Value::Null, 404, "Record not found"),
        (BOT, &get, "/api/v1/timestamps/999999", Value::Null, 404, "Record not found"),
        (BOT, &get, "/api/v1/locations/999999", Value::Null, 404, "Location not found"),
        (ADMIN, &get, "/api/v1/ignore_lists/999999", Value::Null, 404, "Record not found"),
    ];
    for (key, method, path, body, status, sentence) in table {
        let body = (!body.is_null()).then_some(body);
        let (answered, problem) = door.ask(key, method.clone(), path, body.clone()).await;
        assert_eq!((answered, &problem["error"]), (status, &json!(sentence)), "{method} {path} {body:?}: {problem}");
        assert_eq!((&problem["status"], problem["code"].is_string()), (&json!(status), true), "{problem}");
    }
    for (body, field) in [
        (json!({"link": "ftp://x", "source": "x"}), "link"),
        (json!({"link": 7, "source": "x"}), "link"),
        (json!({"link": ["https://example.org"], "source": "x"}), "link"),
        (json!({"source": "x"}), "link"),
        (json!({"link": "https://example.org/x", "source": ""}), "source"),
        (json!({"link": "https://example.org/x", "source": "x".repeat(256)}), "source"),
        (json!({"link": "https://example.org/x", "source": "x", "platform": "myspace"}), "platform"),
        (json!({"link": "https://example.org/x", "source": "x", "status": "dreaming"}), "status"),
    ] {
        let (status, problem) = door.ask(BOT, Method::POST, "/api/v1/streams", Some(body.clone())).await;
        assert_eq!((status, problem["details"][field].is_array()), (422, true), "{body}: {problem}");
        assert!(problem["errors"].as_array().is_some_and(|errors| !errors.is_empty()) && problem["error"].is_string(), "{problem}");
    }
    let (status, problem) = door.ask("", Method::POST, "/api/v1/signup", Some(json!({"email": "x", "password": "x"}))).await;
    let sentence = problem["status"]["message"].as_str().unwrap_or_default();
    assert!(status == 422 && sentence.starts_with("User couldn't be created successfully. "), "{problem}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_hostile_addresses_and_queries_with_sense() {
    let (house, door) = open(|_| {}).await;
    for number in 0..3 {
        assert_eq!(door.post(&format!("https://example.org/{number}")).await.expect("an answer").0, 201);
    }
    let huge = "9".repeat(400);
    let values = [
        "0",
        "-1",
        "-9223372036854775808",
        "9007199254740992",
        "9007199254740993",
        "18446744073709551616",
        &huge,
        "1e308",
        "NaN",
        "x",
        "1.5",
        "%00",
        "%F0%9F%98%80",
        "%ff",
        "%",
        "%zz",
        "true",
        "[]",
        "'%3B--",
    ];
    let lists = ["streams", "locations", "streamers", "timestamps", "ignore_lists", "users", "api_keys", "audit"];
    for list in lists {
        let parameters =
            ["page", "per_page", "limit", "cursor", "user_id", "streamer_id", "location_id", "sort", "updated_since", "search"];
        let asks =
            parameters.iter().flat_map(|parameter| values.iter().map(move |value| format!("/api/v1/{list}?{parameter}={value}")));
        let answers = join_all(asks.map(|path| {
            let door = door.clone();
            async move { (door.ask(ADMIN, Method::GET, &path, None).await.0, path) }
        }))
        .await;
        for (status, path) in answers {
            assert!(status == 200 || (list != "streams" && status == 400) || status == 422, "{path}: {status}");
        }
    }
    for (value, per_page) in [("0", 1), ("-5", 25), ("200", 100), ("99999999999999999999", 100), ("x", 25)] {
        let (status, list) = door.get(&format!("/api/v1/streams?per_page={value}")).await;
        let shown = list["meta"]["per_page"].as_u64().expect("a number");
        assert!(status == 200 && (1..=100).contains(&shown) && (value == "0" || shown == per_page), "{value}: {}", list["meta"]);
    }
    let (status, beyond) = door.get("/api/v1/streams?page=9007199254740993").await;
    assert_eq!((status, &beyond["streams"], &beyond["meta"]["total_count"]), (200, &json!([]), &json!(3)));
    for id in [
        "0",
        "-1",
        "1.0",
        "1e0",
        "9007199254740993",
        "18446744073709551617",
        &huge,
        "%EF%BC%91",
        "%00",
        "%ff",
        "x",
        "..%2f1",
        "1%20",
    ] {
        for resource in ["streams", "locations", "streamers", "timestamps", "ignore_lists", "users", "api_keys"] {
            let (status, problem) = door.ask(ADMIN, Method::GET, &format!("/api/v1/{resource}/{id}"), None).await;
            assert!(status == 404 || status == 405, "{resource}/{id}: {status} {problem}");
            assert!(problem["error"].is_string(), "{resource}/{id}: {problem}");
        }
    }
    for (method, path, allowed) in [
        (Method::PUT, "/api/v1/login", &[404, 405][..]),
        (Method::TRACE, "/api/v1/streams", &[404, 405]),
        (Method::from_bytes(b"BREW").expect("a word"), "/api/v1/streams", &[404, 405]),
        (Method::GET, "/api/v2/streams", &[404]),
        (Method::GET, "/api/v1", &[404]),
        (Method::GET, "/api/v1/streams/1/nothing", &[404]),
        (Method::GET, "/.env", &[404]),
    ] {
        let (status, problem) = door.ask(ADMIN, method.clone(), path, None).await;
        assert!(allowed.contains(&status) && problem["error"].is_string(), "{method} {path}: {status} {problem}");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_no_body_that_is_too_deep_too_large_or_of_another_kind() {
    let (house, door) = open(|_| {}).await;
    let row = door.post("https://example.org/one").await.expect("an answer").1;
    let one = format!("/api/v1/streams/{}", row["id"]);
    let routes = [
        (Method::POST, "/api/v1/streams"),
        (Method::PATCH, &one),
        (Method::POST, "/api/v1/streams/bulk_import"),
        (Method::POST, "/api/v1/login"),
        (Method::POST, "/api/v1/signup"),
        (Method::POST, "/api/v1/locations"),
        (Method::POST, "/api/v1/streamers"),
        (Method::POST, "/api/v1/timestamps"),
        (Method::POST, "/api/v1/ignore_lists"),
        (Method::POST, "/api/v1/api_keys"),
    ];
    let deep = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let within = format!("{{\"link\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let large = format!("{{\"title\":\"{}\"}}", "x".repeat(11 << 20));
    let form = format!("a{}=1", "[b]".repeat(10_000));
    let json_kind = "application/json";
    for (method, path) in routes {
        for (kind, body, expected) in [
            (json_kind, deep.as_str(), 400),
            (json_kind, &within, 400),
            (json_kind, "{", 400),
            (json_kind, "\u{0}", 400),
            (json_kind, "{\"link\":\"\\ud800\"}", 400),
            (json_kind, &large, 413),
            ("application/x-www-form-urlencoded", &form, 400),
            ("text/plain", "{}", 415),
            ("multipart/form-data; boundary=x", "--x--", 415),
            ("\"", "{}", 415),
        ] {
            let request = door.client.request(method.clone(), format!("http://{}{path}", door.address)).bearer_auth(ADMIN);
            let Ok(answer) = request.header("content-type", kind).body(body.to_owned()).send().await else {
                // Refused by its length; whoever is still writing may find the connection closed.
                assert_eq!(expected, 413, "{method} {path} {kind}");
                continue;
            };
            let (status, problem) = (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"));
            assert_eq!(status, expected, "{method} {path} {kind} {:?}: {problem}", &body[..body.len().min(20)]);
            assert!(problem["error"].is_string() && problem["code"].is_string(), "{problem}");
        }
    }
    assert_eq!(door.get(&one).await.1["title"], Value::Null, "none of it was taken");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_what_is_no_http() {
    let (house, door) = open(|config| {
        config.edge.head_timeout = Duration::from_secs(1);
        config.edge.body_timeout = Duration::from_secs(1);
        // What was a whole request all the same keeps its connection.
        config.edge.keep_alive = Duration::from_secs(1);
    })
    .await;
    let post =
        format!("POST /api/v1/streams HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {BOT}\r\nContent-Type: application/json\r\n");
    let get = "GET /api/v1/streams HTTP/1.1\r\nHost: hub\r\n";
    let requests: Vec<Vec<u8>> = vec![
        b"\r\n\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        vec![0xff; 4096],
        format!("{get}X-Flood: {}\r\n\r\n", "x".repeat(1 << 20)).into_bytes(),
        format!("{get}{}\r\n", "X-Flood: 1\r\n".repeat(5_000)).into_bytes(),
        format!("GET /api/v1/{} HTTP/1.1\r\nHost: hub\r\n\r\n", "x".repeat(1 << 20)).into_bytes(),
        format!("{post}Content-Length: -1\r\n\r\n{{}}").into_bytes(),
        format!("{post}Content-Length: 99999999999999999999999\r\n\r\n{{}}").into_bytes(),
        format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}").into_bytes(),
        format!("{post}Content-Length: 18446744073709551615\r\n\r\n{{}}").into_bytes(),
        format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n").into_bytes(),
        format!("{post}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{{}}").into_bytes(),
        format!("{post}Transfer-Encoding: chunked, gzip\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n").into_bytes(),
        format!("{post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")
            .into_bytes(),
        // Answered before they are read, and never ended.
        b"POST /nothing HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec(),
        b"POST /api/v1/streams HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec(),
        b"PUT /events HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        format!("{post}Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd").into_bytes(),
        format!("{post}Content-Length: 500\r\n\r\n{{\"link\":").into_bytes(),
        format!("{get}Bad Header: 1\r\n\r\n").into_bytes(),
        format!("{get}X: \u{1}\r\n\r\n").into_bytes(),
    ];
    let statuses = join_all(requests.into_iter().map(async |request| {
        let mut socket = TcpStream::connect(door.address).await.expect("connected");
        // It may have heard enough before we have said everything.
        drop(tokio::io::AsyncWriteExt::write_all(&mut socket, &request).await);
        let mut answer = Vec::new();
        let closed = timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let said = String::from_utf8_lossy(&request[..request.len().min(300)]).into_owned();
        (said, closed.is_ok(), answer)
    }))
    .await;
    for (request, _, answer) in &statuses {
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{request}: {answer}");
        assert!(!answer.contains("201 Created") && !answer.contains("smuggled"), "{request}: {answer}");
    }
    for (request, closed, answer) in &statuses {
        assert!(closed, "not closed: {request}: {answer}");
    }
    assert_eq!(door.streams().await.len(), 0);
    assert_eq!(door.post("https://example.org/still").await.expect("an answer").0, 201);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn does_once_what_is_asked_twice_under_one_key_and_refuses_another_body_under_it() {
    let (house, door) = open(|_| {}).await;
    let post = async |key: String, link: &str| {
        let request = door.client.post(format!("http://{}/api/v1/streams", door.address)).bearer_auth(BOT);
        let answer =
            request.header("idempotency-key", key).json(&json!({"link": link, "source": "x"})).send().await.expect("an answer");
        (answer.status(), answer.json::<Value>().await.expect("JSON"))
    };
    // Two tabs' worth of impatience: the same request ten times at once.
    let all = join_all((0..10).map(|_| post("same".into(), "https://example.org/once"))).await;
    let created: Vec<_> = all.iter().filter(|(status, _)| *status == StatusCode::CREATED).map(|(_, row)| &row["id"]).collect();
    assert!(!created.is_empty() && created.iter().all(|id| *id == created[0]), "{all:?}");
    for (status, problem) in all.iter().filter(|(status, _)| *status != StatusCode::CREATED) {
        assert_eq!(*status, StatusCode::CONFLICT, "still at work on it: {problem}");
    }
    assert_eq!(door.streams().await.len(), 1);
    let (status, problem) = post("same".into(), "https://example.org/other").await;
    assert_eq!((status.as_u16(), &problem["code"]), (422, &json!("IDEMPOTENCY_KEY_REUSED")));
    for key in ["x".repeat(256), " ".into()] {
        assert_eq!(post(key, "https://example.org/other").await.0, StatusCode::BAD_REQUEST);
    }
    assert_eq!(post("other".into(), "https://example.org/once").await.0, StatusCode::OK);
    house.close().await;
}

async fn subscribed(door: &Door, key: &str, identifier: &str) -> Cable {
    let mut cable = door.cable(key).await;
    cable.command("subscribe", identifier).await;
    while cable.hear().await["type"] != "confirm_subscription" {}
    cable
}

async fn next(cable: &mut Cable, action: &str) -> Value {
    let heard = async {
        loop {
            let message = cable.message().await;
            if message["action"] == action {
                return message;
            }
        }
    };
    timeout(4 * PATIENCE, heard).await.unwrap_or_else(|_| panic!("never heard {action}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn lets_no_editor_be_disturbed_by_one_who_sends_nonsense() {
    let (house, door) = open(|_| {}).await;
    let row = door.post("https://example.org/one").await.expect("an answer").1;
    let (id, cell) = (row["id"].as_u64().expect("an id"), format!("stream_{}_title", row["id"]));
    let (mut ana, mut bo) = (subscribed(&door, ANA, GRID).await, subscribed(&door, BO, GRID).await);
    let (mut wall, mut phone) = (subscribed(&door, VIEWER, STREAMS).await, subscribed(&door, VIEWER, STREAMS).await);
    let mut rogue = subscribed(&door, BOT, GRID).await;

    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_object = format!("{{\"action\":\"lock_cell\",\"cell_id\":{deep}}}");
    for data in [
        json!(deep),
        json!(deep_object),
        json!(""),
        json!("null"),
        json!("[]"),
        json!("\"lock_cell\""),
        json!(7),
        json!(null),
        json!({"action": 7}),
        json!({"action": ["lock_cell"]}),
        json!({"action": "lock_cell"}),
        json!({"action": "lock_cell", "cell_id": null}),
        json!({"action": "lock_cell", "cell_id": {"a": 1}}),
        json!({"action": "lock_cell", "cell_id": ""}),
        json!({"action": "lock_cell", "cell_id": "x".repeat(50_000)}),
        json!({"action": "lock_cell", "cell_id": "stream_\u{0}_title"}),
        json!({"action": "lock_cell", "cell_id": "stream_-1_title"}),
        json!({"action": "lock_cell", "cell_id": "stream_9007199254740993_title"}),
        json!({"action": "lock_cell", "cell_id": "stream_99999999999999999999999999_title"}),
        json!({"action": "lock_cell", "cell_id": format!("stream_{id}_user_id")}),
        json!({"action": "lock_cell", "cell_id": format!("stream_{id}_")}),
        json!({"action": "unlock_cell", "cell_id": cell}),
        json!({"action": "update_cell", "cell_id": cell, "stream_id": "9007199254740993", "field": "title", "value": "x"}),
        json!({"action": "update_cell", "cell_id": cell, "stream_id": id, "field": "__proto__", "value": "x"}),
        json!({"action": "update_cell", "cell_id": cell, "stream_id": id, "field": "title", "value": {"x": 1}}),
        json!({"action": "update_cell", "cell_id": cell, "stream_id": -1, "field": "title", "value": "x"}),
        json!({"action": "update_cell", "cell_id": cell, "stream_id": id, "field": "title", "value": "never locked"}),
        json!({"action": "presence_ping", "x": "y"}),
        json!({"action": "subscribed"}),
        json!({"action": "unsubscribed"}),
        json!({"action": "drop_tables"}),
    ] {
        rogue.send(json!({"command": "message", "identifier": GRID, "data": data}).to_string()).await;
    }
    // An identifier is its bytes: deep, of NULs, of emoji.
    for identifier in [
        deep.as_str(),
        "{\"channel\":\"Nope\",\"\u{0}\":\"😀\"}",
        "\u{0}",
        "😀",
        "{\"channel\":{}}",
        "{\"channel\":\"StreamsChannel\",\"status\":{}}",
    ] {
        let short = identifier.len() < 4_096;
        rogue.command("subscribe", identifier).await;
        loop {
            let heard = rogue.hear().await;
            if heard["type"] == "reject_subscription" || heard["type"] == "confirm_subscription" {
                assert!(heard["identifier"] == identifier || !short, "{heard}");
                break;
            }
        }
    }
    let odd = r#"{ "channel":"StreamsChannel","x":"\u0000😀é" }"#;
    rogue.command("subscribe", odd).await;
    rogue.command("subscribe", odd).await;
    let confirmed = loop {
        let heard = rogue.hear().await;
        if heard["identifier"] == odd {
            break heard;
        }
    };
    assert_eq!(confirmed["type"], "confirm_subscription");

    // Meanwhile, for everybody else: nothing was said, nothing is locked, nothing changed.
    ana.perform(GRID, json!({"action": "lock_cell", "cell_id": cell})).await;
    for tab in [&mut ana, &mut bo] {
        let heard = next(tab, "cell_locked").await;
        assert_eq!((&heard["cell_id"], &heard["user_name"]), (&json!(cell), &json!("ana")));
    }
    for number in 0..500 {
        rogue.perform(GRID, json!({"action": "lock_cell", "cell_id": format!("{cell}{number}")})).await;
        rogue
            .perform(GRID, json!({"action": "update_cell", "cell_id": cell, "stream_id": id, "field": "title", "value": "x"}))
            .await;
    }
    ana.perform(GRID, json!({"action": "update_cell", "cell_id": cell, "stream_id": id, "field": "title", "value": "Ana's 😀"}))
        .await;
    for tab in [&mut ana, &mut bo] {
        let heard = next(tab, "cell_updated").await;
        assert_eq!((&heard["cell_id"], heard["user_id"].is_u64()), (&json!(cell), true));
        assert_eq!(next(tab, "cell_unlocked").await["reason"], "updated");
    }
    for dashboard in [&mut wall, &mut phone] {
        let heard = dashboard.message().await;
        assert_eq!((&heard["action"], &heard["changes"][0]), (&json!("updated"), &json!("title")), "{heard}");
    }
    // And the rogue itself is still served, once it is heard again.
    assert_eq!(door.post("https://example.org/two").await.expect("an answer").0, 201);
    let created = async { while rogue.hear().await["message"]["action"] != "created" {} };
    timeout(4 * PATIENCE, created).await.expect("heard");
    for dashboard in [&mut wall, &mut phone] {
        assert_eq!(dashboard.message().await["action"], "created");
        dashboard.silent(50).await;
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn serves_a_second_dashboard_whatever_the_first_ones_socket_does() {
    let (house, door) = open(|config| config.edge.head_timeout = Duration::from_secs(1)).await;
    let mut wall = subscribed(&door, VIEWER, STREAMS).await;
    let handshake = format!(
        "GET /cable?token={VIEWER} HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    // Half a handshake, then silence: it is closed.
    let mut half = Raw { stream: TcpStream::connect(door.address).await.expect("connected") };
    half.send(&handshake[..100]).await;
    // The subscription in the same packet as the handshake.
    let mut eager = Raw { stream: TcpStream::connect(door.address).await.expect("connected") };
    let subscribe = json!({"command": "subscribe", "identifier": STREAMS}).to_string();
    eager.send([handshake.as_bytes(), &frame(0x81, subscribe.as_bytes())].concat()).await;
    assert!(eager.answer().await.starts_with("HTTP/1.1 101"));
    assert_eq!(eager.text().await, r#"{"type":"welcome"}"#);
    assert!(eager.text().await.contains("confirm_subscription"));
    // Each breaks its own socket in its own way, subscribed and in the middle of things.
    for (bytes, code) in [
        (vec![0x81, 0x02, b'{', b'}'], 1002),
        (frame(0xc1, b"{}"), 1002),
        (frame(0x81, b"\xff"), 1007),
        (frame(0x81, &vec![b' '; 70_000]), 1009),
    ] {
        let mut broken = Raw { stream: TcpStream::connect(door.address).await.expect("connected") };
        broken.send([handshake.as_bytes(), &frame(0x81, subscribe.as_bytes()), &bytes].concat()).await;
        assert!(broken.answer().await.starts_with("HTTP/1.1 101"));
        assert_eq!(broken.closed().await, Some(code));
    }
    // And one goes without a word.
    let mut gone = Raw { stream: TcpStream::connect(door.address).await.expect("connected") };
    gone.send([handshake.as_bytes(), &frame(0x81, subscribe.as_bytes())].concat()).await;
    drop(gone);
    let row = door.post("https://example.org/seen").await.expect("an answer").1;
    assert_eq!(wall.message().await["stream"]["id"], row["id"]);
    let heard: Value = serde_json::from_str(&eager.text().await).expect("JSON");
    assert_eq!(heard["message"]["stream"]["id"], row["id"]);
    wall.silent(50).await;
    let mut rest = Vec::new();
    drop(timeout(PATIENCE, half.stream.read_to_end(&mut rest)).await.expect("closed"));
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"));
    house.close().await;
}
