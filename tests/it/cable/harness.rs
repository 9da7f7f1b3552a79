//! A hub with the conformance channels on a free port, and a client that says and hears JSON.

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_web::{App, HttpResponse, web};
use futures::{FutureExt as _, SinkExt as _, StreamExt as _, future::BoxFuture};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _, handshake::client::Response, protocol::CloseFrame},
};
use trunkline::{
    actors::{Hub, HubConfig, Plan},
    edge::{Handshake, Identify, JidConfig, JidDoor, Running, ServeConfig, Unidentified, serve, upgrade},
    persistence::MemoryJournal,
    protocol::{Principal, Topic},
};

use super::channels;

pub const PATIENCE: Duration = Duration::from_secs(5);
pub const SECRET: &str = "s3Krit";

pub struct House {
    pub hub: Hub,
    pub running: Running,
}

/// Lets everybody in but those who say `?token=bad`; `slow` takes three seconds to be known; `?user=7` is user 7, who resumes no other's connection; applications sign with [`SECRET`].
struct ByQuery;

impl Identify for ByQuery {
    fn identify<'a>(&'a self, _: &'a Hub, handshake: &'a Handshake) -> BoxFuture<'a, Result<Principal, Unidentified>> {
        let mut who = Principal::house();
        if let Some(user) = handshake.query("user").and_then(|user| user.parse().ok()) {
            who.user = trunkline::protocol::UserId(user);
        }
        let named = match handshake.query("token").as_deref() {
            Some("bad") => Err(Unidentified::Unauthorized),
            Some("old") => Err(Unidentified::TokenExpired),
            _ => Ok(who),
        };
        let is_slow = handshake.query("token").as_deref() == Some("slow");
        async move {
            if is_slow {
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
            named
        }
        .boxed()
    }
    fn may_resume(&self, _: &Hub, who: &Principal, handshake: &Handshake) -> bool {
        handshake.query("user").is_none_or(|user| user == who.user.0.to_string())
    }
}

impl House {
    pub async fn open() -> Self {
        Self::with(Plan::new(), |_| {}).await
    }
    pub async fn with(plan: Plan, change: impl FnOnce(&mut ServeConfig)) -> Self {
        Self::with_hub(plan, HubConfig::default(), change).await
    }
    pub async fn with_hub(mut plan: Plan, hub_config: HubConfig, change: impl FnOnce(&mut ServeConfig)) -> Self {
        channels::plan(&mut plan);
        let hub = Hub::open(plan, MemoryJournal::new(), hub_config).await.expect("an empty hub opens");
        let mut config = ServeConfig { cores: 2, ..ServeConfig::default() };
        change(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let cables = upgrade::plain(&config.paths);
        let app =
            move || App::new().configure(cables.clone()).route("/hello", web::get().to(async || HttpResponse::Ok().body("hello")));
        let jid = JidConfig { secret: SECRET.into(), param: "jid".into(), enforce: false };
        let door = Arc::new(JidDoor::new(&jid, ByQuery));
        let running = serve(config, listener, hub.clone(), door, app).await.expect("it serves");
        Self { hub, running }
    }
    pub async fn say(&self, stream: &str, message: Value) {
        let broadcast = channels::broadcast(Topic::pubsub(stream), &message);
        self.hub.publish(broadcast, true).await.expect("published");
    }
    pub async fn client(&self) -> Cable {
        let mut cable =
            self.connect("/cable", &[("sec-websocket-protocol", "actioncable-v1-json, actioncable-unsupported")]).await.0;
        assert_eq!(cable.hear().await["type"], "welcome");
        cable
    }
    /// An extended client, welcomed; and its welcome.
    pub async fn extended(&self, path: &str) -> (Cable, Value) {
        let mut cable = self.connect(path, &[("sec-websocket-protocol", "actioncable-v1-ext-json")]).await.0;
        let welcome = cable.hear().await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        (cable, welcome)
    }
    /// The first message on the stream `chat`, as an extended client heard it that is lost since.
    pub async fn seen(&self, first: Value) -> Value {
        let mut client = self.extended("/cable").await.0;
        client.subscribe(&stream("chat")).await;
        self.say("chat", first).await;
        client.hear().await
    }
    pub async fn connect(&self, path: &str, headers: &[(&'static str, &str)]) -> (Cable, Response) {
        self.try_connect(path, headers).await.expect("a cable")
    }
    pub async fn try_connect(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(Cable, Response), tokio_tungstenite::tungstenite::Error> {
        let mut request = format!("ws://{}{path}", self.running.addr).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        let stream = TcpStream::connect(self.running.addr).await?;
        // tungstenite's client refuses an answer that selects none of its offers; the protocol allows it.
        let offers = request.headers_mut().remove("sec-websocket-protocol");
        let (socket, response) = match offers {
            Some(offers) if offers.to_str().is_ok_and(|offers| offers.contains("actioncable")) => {
                request.headers_mut().insert("sec-websocket-protocol", offers);
                client_async(request, stream).await?
            }
            _ => client_async(request, stream).await?,
        };
        Ok((Cable { socket }, response))
    }
    pub async fn raw(&self) -> Raw {
        Raw { stream: TcpStream::connect(self.running.addr).await.expect("connected") }
    }
}

pub struct Cable {
    pub socket: WebSocketStream<TcpStream>,
}

/// A question for what came on the stream `chat` after this frame.
pub fn after(seen: &Value) -> Value {
    json!({"streams": {"chat": {"epoch": seen["epoch"], "offset": seen["offset"]}}})
}
pub fn id(params: &Value) -> String {
    params.to_string()
}
pub fn stream(name: &str) -> String {
    format!(r#"{{"channel":"StreamChannel","stream":"{name}"}}"#)
}

impl Cable {
    pub async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.expect("sent");
    }
    pub async fn command(&mut self, command: &str, identifier: &str) {
        self.send(json!({"command": command, "identifier": identifier}).to_string()).await;
    }
    pub async fn perform(&mut self, identifier: &str, data: Value) {
        self.send(json!({"command": "message", "identifier": identifier, "data": data.to_string()}).to_string()).await;
    }
    /// Subscribes and waits for the confirmation.
    pub async fn subscribe(&mut self, identifier: &str) {
        self.command("subscribe", identifier).await;
        assert_eq!(self.hear().await, json!({"identifier": identifier, "type": "confirm_subscription"}));
    }
    /// The next frame that is no ping.
    pub async fn hear(&mut self) -> Value {
        self.hear_or_close().await.unwrap_or_else(|close| panic!("closed: {close:?}"))
    }
    pub async fn hear_or_close(&mut self) -> Result<Value, Option<CloseFrame>> {
        // Pings do not prolong the wait: a hub that says nothing else is not listened to for ever.
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let frame: Value = serde_json::from_str(&text).expect("JSON");
                        if frame["type"] != "ping" {
                            return Ok(frame);
                        }
                    }
                    Some(Ok(Message::Close(close))) => return Err(close),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(None),
                }
            }
        };
        timeout(PATIENCE, next).await.expect("in time")
    }
    /// The message of the next data frame.
    pub async fn message(&mut self) -> Value {
        self.hear().await["message"].take()
    }
    pub async fn silent(&mut self, millis: u64) {
        if let Ok(frame) = timeout(Duration::from_millis(millis), self.hear()).await {
            panic!("heard {frame}");
        }
    }
    /// Nothing was said to it but a welcome, not even a ping.
    pub async fn is_alive_after_its_welcome(&mut self) {
        for expected in ["welcome", "pong"] {
            if expected == "pong" {
                self.send(r#"{"command":"ping"}"#).await;
            }
            let heard = timeout(PATIENCE, self.socket.next()).await.expect("in time").expect("open").expect("a frame");
            assert!(heard.to_text().is_ok_and(|text| text.contains(expected)), "{heard}");
        }
    }
    /// It still works: an echo comes back.
    pub async fn is_alive(&mut self) {
        let echo = id(&json!({"channel":"EchoChannel","probe":rand()}));
        self.subscribe(&echo).await;
        self.perform(&echo, json!({"action":"tick"})).await;
        assert_eq!(self.hear().await, json!({"identifier": echo, "message": "tock"}));
    }
}

fn rand() -> String {
    trunkline::protocol::ConnectionId::random().to_string()
}

/// A bare socket, for what no library would send.
pub struct Raw {
    pub stream: TcpStream,
}

pub const HANDSHAKE: &str = "GET /cable HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: actioncable-v1-json\r\n\r\n";

/// A masked client frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..126 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = [1, 2, 3, 4];
    out.extend_from_slice(&mask);
    out.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    out
}

impl Raw {
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("written");
    }
    /// The head of an HTTP answer, and its body where it says how long that is.
    pub async fn answer(&mut self) -> String {
        let mut out = Vec::new();
        let head = loop {
            let byte = timeout(PATIENCE, self.stream.read_u8()).await.expect("in time").expect("a head");
            out.push(byte);
            if out.ends_with(b"\r\n\r\n") {
                break String::from_utf8(out).expect("text");
            }
        };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut body).await.expect("a body");
        head + &String::from_utf8_lossy(&body)
    }
    pub async fn open(&mut self) {
        self.send(HANDSHAKE).await;
        assert!(self.answer().await.starts_with("HTTP/1.1 101"));
        assert_eq!(self.text().await, r#"{"type":"welcome"}"#);
    }
    /// The next frame: its first byte and its payload.
    pub async fn frame(&mut self) -> (u8, Vec<u8>) {
        let read = async {
            let first = self.stream.read_u8().await?;
            let length = match self.stream.read_u8().await? {
                126 => usize::from(self.stream.read_u16().await?),
                127 => self.stream.read_u64().await? as usize,
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await?;
            Ok::<_, std::io::Error>((first, payload))
        };
        timeout(PATIENCE, read).await.expect("in time").expect("a frame")
    }
    /// The next text frame that is no ping.
    pub async fn text(&mut self) -> String {
        let next = async {
            loop {
                let (first, payload) = self.frame().await;
                assert_eq!(first, 0x81, "{payload:?}");
                let text = String::from_utf8(payload).expect("UTF-8");
                if !text.starts_with(r#"{"type":"ping""#) {
                    return text;
                }
            }
        };
        timeout(2 * PATIENCE, next).await.expect("in time")
    }
    /// The close code, after which the stream ends.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            let (first, payload) = self.frame().await;
            if first == 0x88 {
                let mut rest = Vec::new();
                let _ = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("the stream ends");
                assert!(rest.is_empty(), "{rest:?}");
                return payload.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]]));
            }
        }
    }
}

/// Waits until it is so.
pub async fn until(mut it_is_so: impl FnMut() -> bool) {
    let so = async {
        while !it_is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, so).await.expect("in time");
}
