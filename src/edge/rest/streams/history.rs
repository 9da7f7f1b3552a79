//! `GET /api/v1/streams/:id/history?field=&cursor=&limit=`: who changed what, when, from what, to what; newest first, archived streams
//! included. Folded from the journal when it is asked for; rights as for reading the stream.

use actix_web::{HttpResponse, http::StatusCode, web};
use serde_json::json;
use trunkline_actors::{
    accounts::policy::permission::STREAMS_READ,
    streams::{
        history::{self, Cursor, Wanted},
        stream::StreamField,
    },
};
use trunkline_protocol::Refusal;

use super::answer;
use crate::edge::{Api, Caller, Id, Problem, Query};

pub(super) async fn show(api: web::Data<Api>, caller: Caller, id: Id, query: Query) -> Result<HttpResponse, Problem> {
    caller.require(STREAMS_READ)?;
    let wanted = wanted(&query)?;
    let page = history::read(&api.hub, id.0, &wanted).await?;
    let body = json!({"data": page.entries, "has_more": page.next.is_some(), "next_cursor": page.next});
    Ok(answer::json(StatusCode::OK, &body))
}

/// A field or a cursor that is none is said so: an answer to another question would look like this one's.
fn wanted(query: &Query) -> Result<Wanted, Refusal> {
    let named = |name: &str| StreamField::ALL.iter().find(|(_, known)| *known == name).map(|(field, _)| *field);
    let fields: Option<Vec<_>> = query.list("field").into_iter().map(named).collect();
    let fields = fields.ok_or_else(|| Refusal::field("field", "is not a field of a stream"))?;
    let before = match query.get("cursor") {
        None => None,
        Some(text) => Some(Cursor::parse(text).ok_or_else(|| Refusal::field("cursor", "is not one that was given"))?),
    };
    Ok(Wanted { fields, before, limit: query.number("limit", 20, 1..=100) as usize })
}
