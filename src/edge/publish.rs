//! POST /_broadcast and POST /api/publish: an application publishes from outside (`cable.md` 2.9). The key is the permission; what is published
//! is answered 201 when it has been told, and what the journal keeps is durable.

mod presence;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{AUTHORIZATION, CONTENT_LENGTH},
    },
    web::{self, Payload, ServiceConfig},
};
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use trunkline_actors::{AskError, Hub, pubsub::Pubsub};
use trunkline_protocol::{
    Principal,
    cable::publication::{Publication as Published, Unpublishable},
    limits::BODY_BYTES_MAX,
};

use super::{
    Gate, Problem, body,
    openapi::{
        Table, operation,
        shapes::publishing::{Presence, Publication},
    },
};
use crate::config::PublishKeys;

/// Where the older of the two is; it stands outside `/api`.
pub const BROADCAST: &str = "/_broadcast";
/// Where the other one is.
pub const PUBLISH: &str = "/api/publish";
/// Behind it stands a stream's name, and `/users`: who has joined it.
pub const PRESENCE: &str = "/api/presence/";
/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(20);

/// What both addresses need.
pub struct PublishDesk {
    hub: Hub,
    pubsub: Arc<Pubsub>,
    keys: PublishKeys,
    /// Who is there; set when the edge listens.
    pub gate: OnceLock<Gate>,
}

impl PublishDesk {
    /// The desk of a hub whose plan has the pubsub wing.
    #[must_use]
    pub fn new(hub: &Hub, keys: PublishKeys) -> Self {
        Self { pubsub: hub.provided(), hub: hub.clone(), keys, gate: OnceLock::new() }
    }
}

/// Both addresses, and who has joined what.
pub fn routes(desk: web::Data<PublishDesk>) -> impl FnOnce(&mut ServiceConfig) + Clone {
    move |root| {
        root.app_data(desk);
        root.route(BROADCAST, web::route().to(broadcast)).route(PUBLISH, web::route().to(publish));
        root.route(&format!("{PRESENCE}{{stream:.*}}"), web::route().to(presence::users));
    }
}

/// What they say of themselves; they take any method, and say so of all but one.
pub fn describe(root: &mut Table) {
    let told = |key| operation("Publish").with_key(key).json::<Publication>().nothing(201, "It was told; what is kept is durable.");
    let present = operation("Who has joined a stream").with_key("publish_key").answers::<Presence>(200, "Who is there.");
    let off = "404 where the deployment has no key for it. One message, an array of them, or a command.";
    root.about("publishing")
        .describe(BROADCAST, vec![(Method::POST, told("broadcast_key").about(off).refuses(&[404]))])
        .describe(PUBLISH, vec![(Method::POST, told("publish_key").about(off).refuses(&[404]))])
        .describe(&format!("{PRESENCE}{{stream}}/users"), vec![(Method::GET, present.refuses(&[404]))]);
}

async fn broadcast(desk: web::Data<PublishDesk>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    answer(&desk, desk.keys.broadcast.as_deref(), &request, payload).await
}

async fn publish(desk: web::Data<PublishDesk>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    answer(&desk, desk.keys.api.as_deref(), &request, payload).await
}

async fn answer(desk: &PublishDesk, key: Option<&str>, request: &HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let key = key.ok_or_else(closed)?;
    if request.method() != Method::POST {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "NOT_A_POST", "One publishes with POST"));
    }
    if !holds(key, request) {
        return Err(Problem::unauthenticated());
    }
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|bytes| bytes > BODY_BYTES_MAX) {
        return Err(Problem::too_large(BODY_BYTES_MAX));
    }
    let body = body::arrive(payload, BODY_BYTES_MAX, BODY_TIMEOUT).await?;
    match Published::read(&body)? {
        Published::Messages(messages) => desk.pubsub.publish(&desk.hub, messages).await.map_err(untold)?,
        Published::Disconnect { identifier, reconnect } => {
            let gate = desk.gate.get().ok_or_else(|| Problem::unavailable("STARTING", "The hub is starting", 1))?;
            gate.disconnect(named_by(identifier), reconnect);
        }
    }
    Ok(HttpResponse::Created().finish())
}

fn closed() -> Problem {
    let sentence = "Nobody may publish here: the hub was given neither a secret nor a key for it";
    Problem::new(StatusCode::NOT_FOUND, "PUBLISHING_IS_OFF", sentence)
}

/// Takes as long for every wrong key of the right length.
fn holds(key: &str, request: &HttpRequest) -> bool {
    let shown = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.trim().split_once(' '));
    shown.is_some_and(|(scheme, shown)| {
        scheme.eq_ignore_ascii_case("bearer") && shown.trim().as_bytes().ct_eq(key.as_bytes()).into()
    })
}

/// Connections of these identifiers: the same text, or the same JSON spelled otherwise.
fn named_by(identifier: String) -> impl Fn(&Principal) -> bool + Send + Sync + 'static {
    let meant: Option<Value> = serde_json::from_str(&identifier).ok();
    move |who| {
        let own = who.identifiers();
        *own == *identifier || (meant.is_some() && serde_json::from_str(&own).ok() == meant)
    }
}

impl From<Unpublishable> for Problem {
    fn from(error: Unpublishable) -> Self {
        let (status, code) = match error {
            Unpublishable::Malformed(_) => (StatusCode::BAD_REQUEST, "MALFORMED"),
            Unpublishable::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "NOT_A_PUBLICATION"),
            Unpublishable::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, "MESSAGE_TOO_LARGE"),
        };
        Self::new(status, code, error.to_string())
    }
}

fn untold(error: AskError) -> Problem {
    match error {
        AskError::Refused(refusal) if refusal.code == "MESSAGE_TOO_LARGE" => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "MESSAGE_TOO_LARGE", refusal.sentence)
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_everybody_of_the_same_identifiers_however_they_are_spelled() {
        let own = Principal::house();
        let application = |text: &str| Principal::of_application(text.to_owned(), None);
        let named = named_by(r#"{"user_id": 0}"#.into());
        assert!(named(&own) && named(&application(r#"{"user_id": 0}"#)) && named(&application(r#"{"user_id":0}"#)));
        assert!(!named(&application(r#"{"user_id":"0"}"#)) && !named(&Principal::anonymous()));
        let word = named_by("ana".into());
        assert!(word(&application("ana")) && !word(&application("ben")) && !word(&own) && !word(&Principal::anonymous()));
    }
}
