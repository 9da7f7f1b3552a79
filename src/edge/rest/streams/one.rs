//! One stream: posted, shown, changed, pinned, archived, deleted (`streams.md` 4.3 to 4.5).

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HttpDate},
    },
    web,
};
use serde_json::{Map, Value, json};
use trunkline_actors::{
    accounts::policy::permission::STREAMS_READ,
    moderation::Submitted,
    streams::{
        board::{Board, StreamRow},
        stream::{Changes, Draft, Expected, Room, StreamCommand, rules},
        writing,
    },
};
use trunkline_protocol::{Refusal, Timestamp};

use super::answer;
use crate::edge::{Api, Body, Caller, Id, Problem, Query, etag};

pub(super) async fn create(api: web::Data<Api>, caller: Caller, query: Query, body: Body) -> Result<HttpResponse, Problem> {
    // Who may not post is told so before what is wrong with the post.
    rules::may_add(&caller)?;
    let draft = Draft::try_from(&body.unwrapped("stream"))?;
    match writing::submit(&api.hub, draft, api.hub.asking(&caller)).await? {
        Submitted::Held { case } => Ok(answer::json(StatusCode::ACCEPTED, &json!({"case_id": case}))),
        Submitted::Made(added) => {
            let row = writing::row_after(&api.hub, added.id, added.position).await?;
            Ok(answer::posted(&row, added.created, &query))
        }
    }
}

pub(super) async fn show(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    id: Id,
    query: Query,
) -> Result<HttpResponse, Problem> {
    caller.require(STREAMS_READ)?;
    let row = find(&api, id)?;
    let tag = answer::tag(&row);
    if etag::is_known(request.headers(), &tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    Ok(answer::stream(&row, &query))
}

pub(super) async fn update(
    api: web::Data<Api>,
    caller: Caller,
    request: HttpRequest,
    id: Id,
    query: Query,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let row = find(&api, id)?;
    rules::may_update(&caller, row.stream())?;
    let sent = body.unwrapped("stream");
    let changes = Changes::try_from(&sent)?;
    let expected = expected(&request, &sent)?;
    let outcome = writing::change(&api.hub, id.0, changes, expected, api.hub.asking(&caller)).await?;
    shown(&api, id, outcome.position, &query).await
}

pub(super) async fn delete(api: web::Data<Api>, caller: Caller, id: Id) -> Result<HttpResponse, Problem> {
    let outcome = writing::ask(&api.hub, id.0, StreamCommand::Delete { id: id.0 }, api.hub.asking(&caller)).await?;
    if outcome.position > 0 {
        api.hub.seen(outcome.position).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}

pub(super) async fn pin(api: web::Data<Api>, caller: Caller, id: Id, query: Query) -> Result<HttpResponse, Problem> {
    ask(&api, &caller, id, StreamCommand::Pin { id: id.0 }, &query).await
}

pub(super) async fn unpin(api: web::Data<Api>, caller: Caller, id: Id, query: Query) -> Result<HttpResponse, Problem> {
    ask(&api, &caller, id, StreamCommand::Unpin { id: id.0 }, &query).await
}

pub(super) async fn archive(api: web::Data<Api>, caller: Caller, id: Id, query: Query) -> Result<HttpResponse, Problem> {
    ask(&api, &caller, id, StreamCommand::Archive { id: id.0 }, &query).await
}

pub(super) async fn unarchive(api: web::Data<Api>, caller: Caller, id: Id, query: Query) -> Result<HttpResponse, Problem> {
    ask(&api, &caller, id, StreamCommand::Unarchive { id: id.0, room: Room::Unknown }, &query).await
}

async fn ask(api: &Api, caller: &Caller, id: Id, command: StreamCommand, query: &Query) -> Result<HttpResponse, Problem> {
    let outcome = writing::ask(&api.hub, id.0, command, api.hub.asking(caller)).await?;
    shown(api, id, outcome.position, query).await
}

async fn shown(api: &Api, id: Id, position: u64, query: &Query) -> Result<HttpResponse, Problem> {
    let row = writing::row_after(&api.hub, id.0, position).await?;
    Ok(answer::stream(&row, query))
}

pub(super) fn find(api: &Api, id: Id) -> Result<StreamRow, Problem> {
    Ok(api.hub.projection::<Board>().row(id.0).ok_or_else(Refusal::not_found)?)
}

/// What the client last saw, where it says so: `If-Match`, `lock_version`, `If-Unmodified-Since`; the first of them counts.
fn expected(request: &HttpRequest, sent: &Map<String, Value>) -> Result<Option<Expected>, Problem> {
    let text = |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(tag) = text(header::IF_MATCH).filter(|tag| *tag != "*") {
        // A tag that is none of ours matches no version.
        let version = tag.trim_start_matches("W/").trim_matches('"').parse().unwrap_or(0);
        return Ok(Some(Expected::Version(version)));
    }
    if let Some(version) = sent.get("lock_version").filter(|version| !version.is_null()) {
        let read = version.as_u64().or_else(|| version.as_str()?.trim().parse().ok());
        let version = read.ok_or_else(|| Refusal::field("lock_version", "is not a number"))?;
        return Ok(Some(Expected::LockVersion(version)));
    }
    let Some(date) = text(header::IF_UNMODIFIED_SINCE) else { return Ok(None) };
    let at = match date.parse::<HttpDate>() {
        Ok(date) => since_epoch(date.into()),
        Err(_) => Timestamp::parse(date),
    };
    // A date that cannot be read is ignored (RFC 9110, 13.1.4).
    Ok(at.map(Expected::UnmodifiedSince))
}

fn since_epoch(time: std::time::SystemTime) -> Option<Timestamp> {
    let elapsed = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(i64::try_from(elapsed.as_millis()).ok()?))
}
