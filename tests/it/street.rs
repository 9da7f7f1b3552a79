//! What every request meets on its way in, whatever it is about; and what the binary says when it cannot start.

use std::{process::Command, time::Duration};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use trunkline::{client::CableClient, config::Config, house::House};

async fn house(change: impl FnOnce(&mut Config)) -> House {
    let mut config = Config::in_memory().with_account("ana@example.org", "editor", false);
    change(&mut config);
    House::open(config).await.expect("a house opens")
}

async fn token(house: &House) -> String {
    let body = json!({"user": {"email": "ana@example.org", "password": Config::EXAMPLE_PASSWORD}});
    let answer = Client::new().post(format!("{}/api/v1/login", house.url())).json(&body).send().await.expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    answer["token"].as_str().expect("a token").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_every_bad_request_with_a_problem_that_names_it() {
    let house = house(|_| {}).await;
    let (http, token, api) = (Client::new(), token(&house).await, format!("{}/api/v1", house.url()));
    let bomb = "[".repeat(10_000);
    let large = "a".repeat(2 << 20);
    let bad: [(Method, &str, &str, &str, u16); 8] = [
        (Method::POST, "/streams", "application/json", r#"{"link":"#, 400),
        (Method::POST, "/streams", "application/json", &bomb, 400),
        (Method::POST, "/streams", "application/json", &large, 413),
        (Method::POST, "/streams", "text/plain", "x", 415),
        (Method::POST, "/streams", "application/x-www-form-urlencoded", "a=1&a[b]=2", 400),
        (Method::GET, "/streams/9007199254740993", "", "", 404),
        (Method::GET, "/nowhere", "", "", 404),
        (Method::PUT, "/locations", "", "", 405),
    ];
    for (method, path, kind, body, expected) in bad {
        let request = http.request(method, format!("{api}{path}")).bearer_auth(&token).header("x-request-id", "r-7");
        let answer = request.header("content-type", kind).body(body.to_owned()).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), expected, "{path} {kind}");
        assert_eq!(answer.headers()["x-request-id"], "r-7");
        assert!(answer.headers().contains_key("x-ratelimit-remaining"), "{path}");
        let allowed = answer.headers().get("allow").map(|allowed| allowed.to_str().expect("text").contains("POST"));
        assert_eq!(allowed, (expected == 405).then_some(true), "{path}: what may be done here");
        let problem: Value = answer.json().await.expect("a problem is JSON");
        assert_eq!((&problem["status"], &problem["request_id"]), (&json!(expected), &json!("r-7")), "{problem}");
        assert!(problem["error"].is_string() && problem["code"].is_string(), "{problem}");
    }
    for (accept, status) in [
        ("application/vnd.streamwall.v2+json", StatusCode::NOT_ACCEPTABLE),
        ("application/vnd.streamwall.v2+json, */*;q=0", StatusCode::NOT_ACCEPTABLE),
        ("application/vnd.streamwall.v2+json, application/vnd.streamwall.v1+json;q=0.1", StatusCode::OK),
    ] {
        let answer =
            http.get(format!("{api}/streams")).bearer_auth(&token).header("accept", accept).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{accept}");
        if status == StatusCode::NOT_ACCEPTABLE {
            assert_eq!(answer.headers()["content-type"], "application/problem+json; charset=utf-8");
            assert_eq!(answer.json::<Value>().await.expect("JSON")["code"], "UNSUPPORTED_VERSION");
        }
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_a_body_as_large_as_the_deployment_says_and_an_import_that_is_larger() {
    let house = house(|config| (config.edge.body_bytes_max, config.edge.import_bytes_max) = (1024, 4096)).await;
    let token = token(&house).await;
    let streams = |bytes: usize| json!({"streams": [{"link": "https://a.example/1", "notes": "x".repeat(bytes)}]});
    for (path, bytes, expected) in [
        ("/streams", 2_000, 413),
        ("/streams/bulk_import", 2_000, 200),
        ("/streams/bulk_import", 5_000, 413),
        ("/ignore_lists/bulk_create", 2_000, 403),
        ("/ignore_lists/bulk_create", 5_000, 413),
    ] {
        let request = Client::new().post(format!("{}/api/v1{path}", house.url())).bearer_auth(&token).json(&streams(bytes));
        assert_eq!(request.send().await.expect("an answer").status(), expected, "{path} {bytes}");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tolerates_trailing_slashes_and_answers_head_options_and_other_origins() {
    let house = house(|_| {}).await;
    let (http, token, list) = (Client::new(), token(&house).await, format!("{}/api/v1/streams/", house.url()));
    let request = http.get(&list).bearer_auth(&token).header("origin", "https://a.example").header("x-correlation-id", "c-7");
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.headers()["x-correlation-id"], "c-7");
    assert!(answer.headers()["access-control-expose-headers"].to_str().expect("text").contains("X-Correlation-Id"));
    assert_eq!(
        (answer.status(), &answer.headers()["access-control-allow-origin"]),
        (StatusCode::OK, &"*".parse().expect("a star"))
    );
    let answer = http.head(&list).bearer_auth(&token).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.text().await.expect("nothing"), "");
    let preflight = http.request(Method::OPTIONS, &list).header("access-control-request-method", "POST");
    let preflight = preflight.header("access-control-request-headers", "authorization,x-any").send().await.expect("an answer");
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    assert_eq!(preflight.headers()["access-control-allow-headers"], "authorization,x-any");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_dashboards_the_trace_of_whoever_named_one() {
    let house = house(|_| {}).await;
    let (http, token, list) = (Client::new(), token(&house).await, format!("{}/api/v1/streams", house.url()));
    let mut dashboard = CableClient::connect(&house.url(), Some(&token)).await.expect("welcomed");
    dashboard.subscribe(r#"{"channel":"StreamsChannel"}"#).await.expect("confirmed");
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (number, (name, value, told)) in [
        ("x-trace-id", "a \"quoted\" one", Value::Null),
        ("x-trace-id", "my-\"trace\\", json!("my-\"trace\\")),
        ("traceparent", parent, json!("4bf92f3577b34da6a3ce929d0e0e4736")),
        ("x-other", "1", Value::Null),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({"link": format!("https://example.org/{number}"), "source": "test"});
        let answer = http.post(&list).bearer_auth(&token).header(name, value).json(&body).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::CREATED);
        let message = dashboard.next().await.expect("told").message;
        assert_eq!((&message["action"], &message["stream"]["link"]), (&json!("created"), &body["link"]));
        assert_eq!(message["trace_id"], told, "{value}");
    }
    // Wishes of several requests may share a commit; each keeps its own trace.
    let all: Value = http.get(&list).bearer_auth(&token).send().await.expect("an answer").json().await.expect("JSON");
    let id = &all["streams"][0]["id"];
    let changes = (0..20).map(|number| {
        let request = http.patch(format!("{list}/{id}")).bearer_auth(&token).json(&json!({"title": format!("t{number}")}));
        async move { request.header("x-trace-id", format!("t{number}")).send().await.expect("an answer").status() }
    });
    assert!(futures::future::join_all(changes).await.iter().all(|status| *status == StatusCode::OK));
    for _ in 0..20 {
        let message = dashboard.next().await.expect("told").message;
        assert!(message["trace_id"].as_str().is_some_and(|trace| trace.starts_with('t')), "{message}");
    }
    dashboard.close().await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lets_nobody_ask_more_often_than_is_fair_and_says_when_to_come_back() {
    let house = house(|config| config.edge.rates.anonymous = 3).await;
    let (http, list) = (Client::new(), format!("{}/api/v1/streams", house.url()));
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let answer = http.get(&list).send().await.expect("an answer");
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            let wait: u64 = answer.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
            assert!((1..=60).contains(&wait));
        }
        statuses.push(answer.status().as_u16());
    }
    // Even where a minute ends in between, at least six of twelve are too many.
    assert!(statuses.iter().filter(|status| **status == 429).count() >= 6, "{statuses:?}");
    for exempt in ["/health", "/health/live", "/health/ready", "/metrics", "/"] {
        let answer = http.get(format!("{}{exempt}", house.url())).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{exempt}");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_503_in_maintenance_but_stays_healthy() {
    let house = house(|config| config.edge.maintenance = true).await;
    let http = Client::new();
    let answer = http.get(format!("{}/api/v1/streams", house.url())).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let problem: Value = answer.json().await.expect("JSON");
    assert_eq!(problem["maintenance"], json!(true));
    assert_eq!(http.get(format!("{}/health", house.url())).send().await.expect("an answer").status(), StatusCode::OK);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn does_not_wait_for_ever_for_half_a_request() {
    let house = house(|config| {
        config.edge.head_timeout = Duration::from_secs(1);
        config.edge.body_timeout = Duration::from_secs(1);
    })
    .await;
    let token = token(&house).await;
    let head = "POST /api/v1/streams HTTP/1.1\r\nHost: hub\r\n";
    let whole =
        format!("{head}Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"link\":");
    // A chunked body says nowhere how long it is; with a key, it is read before the key is taken.
    let chunked = |headers: &str| {
        format!(
            "{head}Authorization: Bearer {token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n{headers}\r\n8\r\n{{\"link\":\r\n"
        )
    };
    for half in [chunked(""), chunked("Idempotency-Key: stalled\r\n")] {
        let mut socket = TcpStream::connect(house.address).await.expect("a connection");
        socket.write_all(half.as_bytes()).await.expect("half a body");
        let mut answer = vec![0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(10), socket.read(&mut answer)).await.expect("answered").expect("read");
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("BODY_TIMEOUT"), "{answer}");
        let end = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut Vec::new())).await;
        assert!(end.is_ok(), "the connection ends: what is left of the body is not waited for");
    }
    let again =
        Client::new().post(format!("{}/api/v1/streams", house.url())).bearer_auth(&token).header("idempotency-key", "stalled");
    let again = again.json(&json!({"link": "https://twitch.tv/whole", "source": "x"})).send().await.expect("an answer");
    assert_eq!(again.status(), StatusCode::CREATED, "the key was not taken by half a request");
    for half in [head, &whole] {
        let mut socket = TcpStream::connect(house.address).await.expect("a connection");
        socket.write_all(half.as_bytes()).await.expect("half a request");
        let mut answer = vec![0; 4096];
        let read =
            tokio::time::timeout(Duration::from_secs(10), socket.read(&mut answer)).await.expect("it does not wait for ever");
        let answer = String::from_utf8_lossy(&answer[..read.unwrap_or(0)]).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    house.close().await;
}

#[test]
fn says_what_is_wrong_and_does_not_start() {
    let hub = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_trunkline")).args(arguments).output().expect("the binary runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("wrong.toml");
    std::fs::write(&config, "[server]\nlisten = \"x\"\nwat = 1\n[sever]\na = 1\n").expect("a file");
    let (code, said) = hub(&["check-config", "--config", &config.to_string_lossy()]);
    assert_eq!(code, Some(1));
    assert!(["3 mistakes", "server.listen", "server.wat", "sever"].iter().all(|mistake| said.contains(mistake)), "{said}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, said) = hub(&["serve", "--listen", &address, "--journal", "memory:"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot listen on") && said.contains("another hub"), "{said}");
}
