//! Whoever is shown the door is shown it at once: each way of losing one's credential, seen by a socket that was open before.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};
use trunkline::{config::Config, house::House};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What the contract gives a revocation to reach every open socket (`platform.md` section 2).
const AT_ONCE: Duration = Duration::from_secs(1);

struct Town {
    house: House,
    http: Client,
}

impl Town {
    async fn open() -> Self {
        let mut config = Config::in_memory().with_account("root@example.org", "admin", false);
        config = config.with_account("ana@example.org", "editor", false);
        Self { house: House::open(config).await.expect("a house opens"), http: Client::new() }
    }
    async fn sign_in(&self, email: &str) -> String {
        let (status, said) =
            self.ask("", Method::POST, "/login", json!({"email": email, "password": Config::EXAMPLE_PASSWORD})).await;
        assert_eq!(status, StatusCode::OK, "{said}");
        said["token"].as_str().expect("a token").to_owned()
    }
    async fn ask(&self, token: &str, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let request = self.http.request(method, format!("{}/api/v1{path}", self.house.url())).json(&body);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        (status, serde_json::from_str(&answer.text().await.expect("a body")).unwrap_or(Value::Null))
    }
    /// An open, welcomed socket of whoever shows this token or key.
    async fn cable(&self, token: &str) -> Socket {
        let (mut socket, _) = connect_async(format!("ws://{}/cable?token={token}", self.house.address)).await.expect("a socket");
        assert_eq!(heard(&mut socket, Duration::from_secs(10)).await, Some(json!({"type": "welcome"})));
        socket
    }
}

/// The next frame that is no ping; `None`: none came within that time.
async fn heard(socket: &mut Socket, within: Duration) -> Option<Value> {
    let frame = async {
        loop {
            let Some(Ok(message)) = socket.next().await else { return None };
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).expect("JSON");
            if frame["type"] != "ping" {
                return Some(frame);
            }
        }
    };
    timeout(within, frame).await.unwrap_or(None)
}

async fn is_shown_the_door(socket: &mut Socket, why: &str) {
    let (began, door) = (Instant::now(), json!({"type": "disconnect", "reason": "unauthorized", "reconnect": false}));
    assert_eq!(heard(socket, AT_ONCE).await, Some(door), "{why}: within {AT_ONCE:?}, waited {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_another_role_another_password_and_a_closed_account_reach_open_sockets_within_a_second() {
    let town = Town::open().await;
    let root = town.sign_in("root@example.org").await;
    let (one, other) = (town.sign_in("ana@example.org").await, town.sign_in("ana@example.org").await);
    let (mut first, mut second) = (town.cable(&one).await, town.cable(&other).await);
    let (status, _) = town.ask(&one, Method::DELETE, "/logout", Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    is_shown_the_door(&mut first, "signed out").await;
    assert_eq!(heard(&mut second, Duration::from_millis(300)).await, None, "another token of hers stands");

    let (_, me) = town.ask(&other, Method::GET, "/users/me", Value::Null).await;
    let account = format!("/users/{}", me["id"]);
    for (why, change) in [("another role", json!({"role": "viewer"})), ("another password", json!({"password": "Another-pass-1"}))]
    {
        let (status, said) = town.ask(&root, Method::PATCH, &account, change).await;
        assert_eq!(status, StatusCode::OK, "{why}: {said}");
        is_shown_the_door(&mut second, why).await;
        let (_, back) =
            town.ask(&root, Method::PATCH, &account, json!({"password": Config::EXAMPLE_PASSWORD, "role": "editor"})).await;
        assert_eq!(back["role"], "editor");
        second = town.cable(&town.sign_in("ana@example.org").await).await;
    }
    let (status, _) = town.ask(&root, Method::DELETE, &account, Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    is_shown_the_door(&mut second, "closed").await;
    town.house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_ends_the_sockets_of_its_old_secret_and_no_others() {
    let town = Town::open().await;
    let root = town.sign_in("root@example.org").await;
    let (_, made) = town.ask(&root, Method::POST, "/api_keys", json!({"name": "monitor"})).await;
    let (path, old) = (format!("/api_keys/{}", made["id"]), made["key"].as_str().expect("a key").to_owned());
    let mut with_old = town.cable(&old).await;

    let (_, rotated) = town.ask(&root, Method::POST, &format!("{path}/rotate"), json!({})).await;
    let newer = rotated["key"].as_str().expect("a key").to_owned();
    let mut with_newer = town.cable(&newer).await;
    let mut late = town.cable(&old).await;
    assert_eq!(heard(&mut with_old, Duration::from_millis(300)).await, None, "both secrets are valid for the overlap");

    // A second rotation without an overlap: the oldest secret has no place any more, the newer one ends at once.
    let (_, again) = town.ask(&root, Method::POST, &format!("{path}/rotate"), json!({"overlap_s": 0})).await;
    let mut with_newest = town.cable(again["key"].as_str().expect("a key")).await;
    for (socket, why) in
        [(&mut with_old, "the oldest secret"), (&mut late, "the oldest again"), (&mut with_newer, "the one before")]
    {
        is_shown_the_door(socket, why).await;
    }
    assert_eq!(heard(&mut with_newest, Duration::from_millis(300)).await, None);
    let (status, _) = town.ask(&root, Method::DELETE, &path, Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    is_shown_the_door(&mut with_newest, "the key is gone").await;
    town.house.close().await;
}
