//! GET and POST /events: what a cable says, as server-sent events, for clients without a socket (`cable.md` 2.10).
//!
//! A reader of events is a client of its core like any other: the same seat, the same subscriptions, the same bounded outbox. Only its frames are
//! text for a browser's `EventSource`, and they are fetched by the response's body instead of being written to a socket. Until every subscription
//! stands nothing is sent, so that a failure is still a 4xx.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    web::{self, Payload, ServiceConfig},
};
use bytes::Bytes;
use futures::Stream;
use serde_json::json;
use tokio::{sync::oneshot, time::timeout};
use trunkline_protocol::{
    ConnectionId, Principal,
    cable::{
        ClientFrame, Events, ServerFrame, Subprotocol,
        events::last_event_id,
        extended::{HistoryRequest, StreamPosition},
    },
};

use super::{
    Problem, body,
    connection::{self, Client, Dialect, Farewell},
    gateway::Core,
    identify::{Handshake, Unidentified},
    openapi::{Table, operation, shapes::publishing::Listening},
    query::parse_flag,
    socket::{Link, Wire},
    upgrade::IDENTIFY_DEADLINE,
};

/// Where it is.
pub const PATH: &str = "/events";
const EVENTS: &str = "text/event-stream";
/// A body of commands.
const BODY_BYTES_MAX: usize = 64 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(20);
/// What is handed to the response at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// The address, with its methods.
pub fn routes(root: &mut ServiceConfig) {
    root.service(
        web::resource(PATH).route(web::get().to(get)).route(web::post().to(post)).route(web::method(Method::OPTIONS).to(options)),
    );
}

/// What they say of themselves.
pub fn describe(root: &mut Table) {
    let listen =
        |summary| operation(summary).text(200, "Server-sent events, until one of both has enough.", EVENTS).refuses(&[400, 503]);
    let many = "The body is a cable's `subscribe` command on each line.";
    root.about("publishing").describe(
        PATH,
        vec![
            (Method::GET, listen("Listen to one channel or stream").query::<Listening>()),
            (Method::POST, listen("Listen to several").about(many)),
        ],
    );
}

/// One subscription that is wanted.
struct Wanted {
    identifier: String,
    history: Option<HistoryRequest>,
}

/// One subscription, named by the query.
async fn get(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let query = request.query_string();
    let identifier = named(query).ok_or_else(|| {
        Problem::malformed("Say what to hear: identifier, channel, stream, signed_stream or turbo_signed_stream_name")
    })?;
    let history = missed(&request)?;
    let raw = parameter(query, "raw").is_some_and(|raw| raw == "y" || parse_flag(&raw) == Some(true));
    let shape = if raw { Events::Raw } else { Events::Message };
    respond(request, shape, vec![Wanted { identifier, history }]).await
}

/// As many as there are commands in the body, one on each line.
async fn post(request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let body = body::arrive(payload, BODY_BYTES_MAX, BODY_TIMEOUT).await?;
    let text = String::from_utf8(body).map_err(|_| Problem::malformed("The body is not UTF-8"))?;
    let since = missed(&request)?;
    let mut wanted = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let Ok(ClientFrame::Subscribe { identifier, history, .. }) = ClientFrame::read(line) else {
            return Err(Problem::malformed("Each line must be a subscribe command"));
        };
        wanted.push(Wanted { identifier: identifier.into_owned(), history: history.or_else(|| since.clone()) });
    }
    if wanted.is_empty() {
        return Err(Problem::malformed("Say what to hear: a subscribe command on each line"));
    }
    respond(request, Events::Frame, wanted).await
}

async fn options(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut response = HttpResponse::Ok().finish();
    let headers = response.headers_mut();
    let core = core_of(&request)?;
    share(&core, request.headers(), headers);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let allowed = asked.unwrap_or(HeaderValue::from_static("authorization, cache-control, content-type, last-event-id"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    Ok(response)
}

/// The first parameter of that name, decoded, as it is.
fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.into_owned())
}

/// What the query wants to hear, by the first of its names.
fn named(query: &str) -> Option<String> {
    let given = |name| parameter(query, name);
    let signed = |channel, name: String| json!({"channel": channel, "signed_stream_name": name}).to_string();
    given("identifier")
        .or_else(|| given("channel").map(|channel| json!({"channel": channel}).to_string()))
        .or_else(|| given("stream").map(|stream| json!({"channel": "$pubsub", "stream_name": stream}).to_string()))
        .or_else(|| given("signed_stream").map(|name| signed("$pubsub", name)))
        .or_else(|| given("turbo_signed_stream_name").map(|name| signed("Turbo::StreamsChannel", name)))
}

/// Since when, and where the reader left off.
fn missed(request: &HttpRequest) -> Result<Option<HistoryRequest>, Problem> {
    let mut history = HistoryRequest::default();
    if let Some(since) = parameter(request.query_string(), "history_since") {
        history.since = since.trim().parse().map_err(|_| Problem::malformed("history_since must be unix seconds"))?;
    }
    let last = request.headers().get("last-event-id").and_then(|id| std::str::from_utf8(id.as_bytes()).ok());
    if let Some((offset, epoch, stream)) = last.and_then(last_event_id) {
        history.streams.insert(stream.to_owned(), StreamPosition { epoch: epoch.to_owned(), offset });
    }
    Ok((history.since > 0 || !history.streams.is_empty()).then_some(history))
}

fn core_of(request: &HttpRequest) -> Result<Rc<Core>, Problem> {
    let core = request.extensions().get::<Rc<Core>>().cloned();
    core.ok_or_else(|| Problem::unavailable("NO_CORE", "Events are not served here", 60))
}

/// Lets a page of another origin read the answer, where it may open a cable.
fn share(core: &Core, asked: &HeaderMap, answer: &mut HeaderMap) {
    if let Some(origin) = asked.get(header::ORIGIN).filter(|_| core.config().origins.admit(asked, core.config().tls.is_some())) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    answer.append(header::VARY, HeaderValue::from_static("Origin"));
}

async fn respond(request: HttpRequest, shape: Events, wanted: Vec<Wanted>) -> Result<HttpResponse, Problem> {
    let core = core_of(&request)?;
    let handshake = Handshake {
        uri: request.uri().clone(),
        headers: request.headers().clone(),
        peer: request.peer_addr(),
        secure: core.config().tls.is_some(),
    };
    let (ready, reading) = oneshot::channel();
    let at = core.clone();
    // To its end, though the client may have gone: what a channel was asked must be said goodbye to.
    core.outlive(async move {
        let reader = establish(at, handshake, shape, wanted).await;
        drop(ready.send(reader));
    });
    let reader = reading.await.map_err(|_| Problem::unavailable("STOPPING", "The hub is stopping", 5))??;
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "private, no-cache, no-store, must-revalidate, max-age=0"))
        .insert_header(("x-accel-buffering", "no"));
    let mut response = response.streaming(reader);
    share(&core, request.headers(), response.headers_mut());
    Ok(response)
}

async fn establish(core: Rc<Core>, handshake: Handshake, shape: Events, wanted: Vec<Wanted>) -> Result<Reader, Problem> {
    let who = match timeout(IDENTIFY_DEADLINE, core.shared().identify.identify(core.hub(), &handshake)).await {
        Ok(Ok(who)) => who,
        Ok(Err(Unidentified::Unavailable)) | Err(_) => return Err(full()),
        Ok(Err(_)) => return Err(Problem::unauthenticated()),
    };
    drop(handshake);
    if core.is_draining() || !core.shared().reserve_reading() {
        core.shared().stats.refused();
        return Err(full());
    }
    let reader = Reader::seated(core, who, shape);
    for Wanted { identifier, history } in wanted {
        // One history may be as long as it is; of several, no more than a reader may leave waiting.
        if reader.client.link.waiting() > reader.core.config().outbox_bytes_max {
            return Err(too_much_missed());
        }
        if !connection::subscribe(&reader.core, &reader.client, &identifier, history).await {
            let refused = Problem::new(StatusCode::BAD_REQUEST, "SUBSCRIPTION_REJECTED", "The subscription was rejected");
            return Err(refused.with("identifier", identifier));
        }
    }
    // Whoever is told no places cannot come back for the rest.
    if shape == Events::Raw && reader.client.dismissed() == Some(Farewell::TOO_SLOW) {
        return Err(too_much_missed());
    }
    Ok(reader)
}

fn too_much_missed() -> Problem {
    let sentence = "What was missed is more than can be told at once; ask for fewer subscriptions, or for less of their history";
    Problem::new(StatusCode::BAD_REQUEST, "TOO_MUCH_MISSED", sentence)
}

fn full() -> Problem {
    Problem::unavailable("FULL", "The hub is full; try again in a moment", 5)
}

/// A seated client whose frames are the body of a response. Dropping it gives the seat back and leaves every subscription.
struct Reader {
    core: Rc<Core>,
    client: Rc<Client>,
    shape: Events,
    ended: bool,
}

impl Reader {
    /// Takes the room that was reserved.
    fn seated(core: Rc<Core>, who: Principal, shape: Events) -> Self {
        let link = Link::new(Wire::Fetched, core.config().outbox_bytes_max);
        let client = Rc::new(Client::new(
            link,
            ConnectionId::random(),
            who,
            Dialect { speaks: Subprotocol::Events(shape), deflates: false },
        ));
        client.send(&ServerFrame::Welcome { sid: Some(&client.id.to_string()), restored: None });
        core.join(&client);
        Self { core, client, shape, ended: false }
    }
}

impl Stream for Reader {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(bytes) = this.client.link.fetch(CHUNK_BYTES) {
            return Poll::Ready(Some(Ok(bytes)));
        }
        if this.ended {
            return Poll::Ready(None);
        }
        let Some((reason, reconnect)) = this.client.dismissed().and_then(|farewell| farewell.disconnect) else {
            this.client.link.attend(cx.waker());
            return Poll::Pending;
        };
        this.ended = true;
        let mut last = Vec::new();
        this.shape.write(&mut last, &ServerFrame::Disconnect { reason, reconnect });
        Poll::Ready((!last.is_empty()).then(|| Ok(last.into())))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        connection::depart(&self.core, &self.client, None, false);
        self.core.shared().release_reading();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hears_what_the_first_of_its_names_says() {
        for (query, identifier) in [
            ("stream=a&channel=Chat", Some(r#"{"channel":"Chat"}"#)),
            ("channel=Chat&identifier=%7B%20%22channel%22%3A%22X%22%7D", Some(r#"{ "channel":"X"}"#)),
            ("stream=chat%2F1", Some(r#"{"channel":"$pubsub","stream_name":"chat/1"}"#)),
            ("signed_stream=a--b", Some(r#"{"channel":"$pubsub","signed_stream_name":"a--b"}"#)),
            ("turbo_signed_stream_name=a--b", Some(r#"{"channel":"Turbo::StreamsChannel","signed_stream_name":"a--b"}"#)),
            ("raw=1&stream=", None),
            ("", None),
        ] {
            assert_eq!(named(query).as_deref(), identifier, "{query}");
        }
    }
}
