//! Publishing and subscribing by name, as an application and its clients see it: `cable.md` 2.5, 2.7, 2.9, 2.10.

mod events;
mod histories;
mod publishing;
mod streams;

use std::collections::BTreeMap;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{client_async, tungstenite::client::IntoClientRequest as _};
use trunkline::{
    config::{Config, PubsubSettings},
    house::House,
};
use trunkline_actors::{Kept, Pattern, Retention, pubsub::Rule};

use super::cable::harness::Cable;

pub const SECRET: &str = "s3Krit";
/// As the contract derives them.
pub const BROADCAST_KEY: &str = "a239a7ca182c90fc32bdedf73703d271388cf433843affffd3a5e757041fc716";
pub const API_KEY: &str = "1db397202b5bd68b12665b638515c3aeac9100f721fd7c4fcb6f29c69f32c886";

/// A house whose streams are public and signed with [`SECRET`], and whoever asks it something.
pub struct Street {
    pub house: House,
    pub http: Client,
}

pub fn rule(pattern: &str, kept: Kept, broadcasts_max: usize) -> Rule {
    let retention = Retention { kept, broadcasts_max, ttl: std::time::Duration::from_secs(3600) };
    Rule { pattern: Pattern::new(pattern), retention, latest_wins: false }
}

pub fn config() -> Config {
    let mut config = Config::in_memory();
    config.edge.workers = 2;
    config.edge.public_streams = true;
    config.pubsub = PubsubSettings::with_secret(SECRET);
    config.pubsub.wing.public = true;
    config
}

impl Street {
    pub async fn open() -> Self {
        Self::with(|_| {}).await
    }
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        Self { house: House::open(config).await.expect("a house opens"), http: Client::new() }
    }
    pub async fn close(self) {
        self.house.close().await;
    }
    /// A welcomed client, and its sid.
    pub async fn extended(&self) -> (Cable, String) {
        self.cable("/cable", "actioncable-v1-ext-json").await
    }
    pub async fn cable(&self, path: &str, protocol: &str) -> (Cable, String) {
        let mut request = format!("ws://{}{path}", self.house.address).into_client_request().expect("an address");
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().expect("a header"));
        // Not a session's name, whatever a client may think.
        request.headers_mut().insert("x-request-id", "chosen-by-the-client".parse().expect("a header"));
        let stream = TcpStream::connect(self.house.address).await.expect("connected");
        let (socket, _) = client_async(request, stream).await.expect("a cable");
        let mut cable = Cable { socket };
        let welcome = cable.hear().await;
        assert_eq!(welcome["type"], "welcome");
        (cable, welcome["sid"].as_str().unwrap_or_default().to_owned())
    }
    /// One that hears this public stream.
    pub async fn hearing(&self, stream: &str) -> Cable {
        let mut cable = self.extended().await.0;
        cable.subscribe(&public(stream)).await;
        cable
    }
    pub async fn post(&self, path: &str, key: &str, body: impl Into<reqwest::Body>) -> Response {
        let request = self.http.post(format!("{}{path}", self.house.url())).bearer_auth(key);
        request.body(body).send().await.expect("an answer")
    }
    pub async fn publish(&self, body: &Value) {
        let answer = self.post("/_broadcast", BROADCAST_KEY, body.to_string()).await;
        assert_eq!(answer.status(), 201, "{body}");
    }
    /// Publishes one JSON value.
    pub async fn say(&self, stream: &str, message: Value) {
        self.publish(&json!({"stream": stream, "data": message.to_string()})).await;
    }
}

pub fn public(stream: &str) -> String {
    json!({"channel": "$pubsub", "stream_name": stream}).to_string()
}

/// One server-sent event: its fields, `data` joined as `EventSource` does.
pub type Event = BTreeMap<String, String>;

/// What a browser's `EventSource` would read, told event by event.
pub struct EventReader {
    response: Response,
    unread: String,
}

impl EventReader {
    pub fn new(response: Response) -> Self {
        Self { response, unread: String::new() }
    }
    /// The next event, pings left out; `None` at the end.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let event = self.any().await?;
            if event.get("event").is_none_or(|kind| kind != "ping") {
                return Some(event);
            }
        }
    }
    pub async fn any(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.unread.split_once("\n\n") {
                let mut read = Event::new();
                for (field, value) in event.lines().map(|line| line.split_once(": ").unwrap_or((line, ""))) {
                    let known = read.entry(field.to_owned()).or_default();
                    if !known.is_empty() {
                        known.push('\n');
                    }
                    known.push_str(value);
                }
                self.unread = rest.to_owned();
                return Some(read);
            }
            let chunk = tokio::time::timeout(super::cable::harness::PATIENCE, self.response.chunk());
            let chunk = chunk.await.expect("in time").expect("it goes on")?;
            self.unread.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }
    /// The data of the next event, which must be of this kind.
    pub async fn expect(&mut self, kind: &str) -> Event {
        let event = self.next().await.expect("an event");
        assert_eq!(event.get("event").map_or("", String::as_str), kind, "{event:?}");
        event
    }
}
