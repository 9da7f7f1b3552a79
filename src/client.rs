//! Our own outbound voice on the cable: what `tail`, examples, benches and tests speak with. An ordinary client; it knows nothing that
//! a client could not.

pub mod load;

use std::{collections::VecDeque, time::Duration};

use futures::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{self, Message, client::IntoClientRequest as _, http::HeaderValue, protocol::WebSocketConfig},
};

/// How long the hub may take to answer a connect or a subscribe.
const ANSWER: Duration = Duration::from_secs(10);
/// A hub pings every three seconds; two missed pings and one to spare is silence.
const SILENCE: Duration = Duration::from_secs(10);
/// Messages kept while a confirmation is awaited; more than that is a hub gone mad.
const KEPT_MAX: usize = 10_000;

/// Why the cable does not answer as hoped.
#[derive(Debug, thiserror::Error)]
pub enum CableError {
    /// The address is no address, or nobody answers there.
    #[error("the cable cannot be reached: {0}")]
    Unreachable(Box<tungstenite::Error>),
    /// The hub said goodbye.
    #[error("the hub disconnected: {reason} ({})", if *reconnect { "come back" } else { "do not come back" })]
    Disconnected {
        /// Why: `unauthorized`, `server_restart`, `too_slow` …
        reason: String,
        /// May one come back?
        reconnect: bool,
    },
    /// The channel did not let us in.
    #[error("the subscription was rejected: {0}")]
    Rejected(String),
    /// The connection ended without a goodbye.
    #[error("the connection was lost")]
    Lost,
    /// Nothing came for longer than a hub may be silent.
    #[error("the hub is silent")]
    Silent,
}

impl From<tungstenite::Error> for CableError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Unreachable(Box::new(error))
    }
}

/// A message of a subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Of which subscription, verbatim.
    pub identifier: String,
    /// What was said.
    pub message: Value,
}

/// One connection.
pub struct CableClient {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    kept: VecDeque<Told>,
}

impl std::fmt::Debug for CableClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CableClient").field("kept", &self.kept.len()).finish_non_exhaustive()
    }
}

/// A frame of the hub, as far as a client needs it.
#[derive(Deserialize)]
struct Heard<'a> {
    #[serde(rename = "type", default)]
    kind: Option<&'a str>,
    #[serde(default)]
    identifier: Option<String>,
    #[serde(default, borrow)]
    message: Option<&'a RawValue>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    reconnect: bool,
}

enum Frame {
    Welcome,
    Confirmed(String),
    Rejected(String),
    Told(Told),
    Ping,
    Other,
}

impl CableClient {
    /// Connects to `ws://…/cable` and waits to be welcomed. `http://` addresses are taken as well.
    ///
    /// # Errors
    /// [`CableError`]; a refused token is `Disconnected { reason: "unauthorized", .. }`.
    pub async fn connect(url: &str, token: Option<&str>) -> Result<Self, CableError> {
        let mut request = cable_url(url).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("actioncable-v1-json"));
        if let Some(token) = token {
            let bearer = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|error| tungstenite::Error::from(tungstenite::http::Error::from(error)))?;
            request.headers_mut().insert("authorization", bearer);
        }
        // Thousands of these may live in one load test: no buffer of 128 KiB each.
        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
        let connecting = connect_async_with_config(request, Some(config), true);
        let (socket, _) = timeout(ANSWER, connecting).await.map_err(|_| CableError::Silent)??;
        let mut client = Self { socket, kept: VecDeque::new() };
        let welcomed = async {
            loop {
                if let Frame::Welcome = client.frame().await? {
                    return Ok::<(), CableError>(());
                }
            }
        };
        timeout(ANSWER, welcomed).await.map_err(|_| CableError::Silent)??;
        Ok(client)
    }
    /// Subscribes and waits for the confirmation; messages that come before it are kept for [`next`](Self::next).
    ///
    /// # Errors
    /// [`CableError::Rejected`], or the connection's end.
    pub async fn subscribe(&mut self, identifier: &str) -> Result<(), CableError> {
        self.send(&json!({"command": "subscribe", "identifier": identifier})).await?;
        let answered = async {
            loop {
                match self.frame().await? {
                    Frame::Confirmed(ours) if ours == identifier => return Ok(()),
                    Frame::Rejected(ours) if ours == identifier => return Err(CableError::Rejected(ours)),
                    Frame::Told(told) if self.kept.len() < KEPT_MAX => self.kept.push_back(told),
                    _ => {}
                }
            }
        };
        timeout(ANSWER, answered).await.map_err(|_| CableError::Silent)?
    }
    /// Ends a subscription; the hub does not answer.
    ///
    /// # Errors
    /// The connection's end.
    pub async fn unsubscribe(&mut self, identifier: &str) -> Result<(), CableError> {
        self.send(&json!({"command": "unsubscribe", "identifier": identifier})).await
    }
    /// Performs an action: `data` with its `action`, as the protocol wants it, a text within the text.
    ///
    /// # Errors
    /// The connection's end.
    pub async fn perform(&mut self, identifier: &str, action: &str, mut data: Value) -> Result<(), CableError> {
        if let Some(members) = data.as_object_mut() {
            members.insert("action".to_owned(), action.into());
        }
        self.send(&json!({"command": "message", "identifier": identifier, "data": data.to_string()})).await
    }
    /// Sends any text, as a test of bad manners would.
    ///
    /// # Errors
    /// The connection's end.
    pub async fn send_text(&mut self, text: impl Into<String>) -> Result<(), CableError> {
        Ok(self.socket.send(Message::text(text.into())).await?)
    }
    /// The next message of any subscription. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`CableError::Silent`] where not even a ping came; the connection's end.
    pub async fn next(&mut self) -> Result<Told, CableError> {
        if let Some(told) = self.kept.pop_front() {
            return Ok(told);
        }
        loop {
            let frame = timeout(SILENCE, self.frame()).await.map_err(|_| CableError::Silent)??;
            if let Frame::Told(told) = frame {
                return Ok(told);
            }
        }
    }
    /// The next message for which `wanted` says yes; the others are let go.
    ///
    /// # Errors
    /// [`CableError::Silent`] where none came `within`.
    pub async fn until(&mut self, within: Duration, wanted: impl Fn(&Told) -> bool) -> Result<Told, CableError> {
        let search = async {
            loop {
                let told = self.next().await?;
                if wanted(&told) {
                    return Ok(told);
                }
            }
        };
        timeout(within, search).await.map_err(|_| CableError::Silent)?
    }
    /// Says goodbye.
    pub async fn close(mut self) {
        // Whoever is gone already needs no goodbye.
        drop(timeout(Duration::from_secs(1), self.socket.close(None)).await);
    }

    async fn send(&mut self, frame: &Value) -> Result<(), CableError> {
        self.send_text(frame.to_string()).await
    }
    async fn frame(&mut self) -> Result<Frame, CableError> {
        loop {
            match self.socket.next().await {
                None | Some(Ok(Message::Close(_)) | Err(_)) => return Err(CableError::Lost),
                Some(Ok(Message::Text(text))) => return read(text.as_str()),
                Some(Ok(_)) => {}
            }
        }
    }
}

fn read(text: &str) -> Result<Frame, CableError> {
    let Ok(heard) = serde_json::from_str::<Heard<'_>>(text) else { return Ok(Frame::Other) };
    let identifier = heard.identifier.unwrap_or_default();
    Ok(match (heard.kind, heard.message) {
        (Some("welcome"), _) => Frame::Welcome,
        (Some("ping"), _) => Frame::Ping,
        (Some("confirm_subscription"), _) => Frame::Confirmed(identifier),
        (Some("reject_subscription"), _) => Frame::Rejected(identifier),
        (Some("disconnect"), _) => {
            let reason = heard.reason.unwrap_or_else(|| "without a reason".to_owned());
            return Err(CableError::Disconnected { reason, reconnect: heard.reconnect });
        }
        (None, Some(message)) => match serde_json::from_str(message.get()) {
            Ok(message) => Frame::Told(Told { identifier, message }),
            Err(_) => Frame::Other,
        },
        _ => Frame::Other,
    })
}

/// `http://host` and `ws://host/cable` name the same cable.
fn cable_url(url: &str) -> String {
    let url = match url.split_once("://") {
        Some(("http", rest)) => format!("ws://{rest}"),
        Some(("https", rest)) => format!("wss://{rest}"),
        _ => url.to_owned(),
    };
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    if path.is_empty() { format!("{}/cable", url.trim_end_matches('/')) } else { url }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_cable_of_an_address() {
        assert_eq!(cable_url("http://127.0.0.1:7070"), "ws://127.0.0.1:7070/cable");
        assert_eq!(cable_url("https://hub.example/"), "wss://hub.example/cable");
        assert_eq!(cable_url("ws://127.0.0.1:1/other?token=x"), "ws://127.0.0.1:1/other?token=x");
    }

    #[test]
    fn reads_what_the_hub_says_and_passes_over_the_rest() {
        assert!(matches!(read(r#"{"type":"ping","message":1795214129}"#), Ok(Frame::Ping)));
        assert!(matches!(read("nonsense"), Ok(Frame::Other)));
        assert!(matches!(read(r#"{"identifier":"x","message":null}"#), Ok(Frame::Other)), "a null message says nothing");
        let Ok(Frame::Told(told)) = read(r#"{"identifier":"{\"channel\":\"X\"}","message":{"a":1}}"#) else { panic!("told") };
        assert_eq!((told.identifier.as_str(), &told.message), (r#"{"channel":"X"}"#, &json!({"a": 1})));
        let farewell = read(r#"{"type":"disconnect","reason":"server_restart","reconnect":true}"#);
        assert!(matches!(farewell, Err(CableError::Disconnected { reconnect: true, .. })));
    }
}
