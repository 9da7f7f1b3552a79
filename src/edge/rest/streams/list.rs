//! `GET /api/v1/streams`: filtered, sorted, paged (`streams.md` 4.2); or all of it, a line each.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde::Serialize;
use trunkline_actors::{
    accounts::policy::permission::STREAMS_READ,
    streams::board::{Board, Filter, Sort, StreamRow},
};

use super::{answer, lines, wall};
use crate::edge::{
    Api, Caller, Problem, Query,
    rest::listing::{Meta, Paging},
};

#[derive(Serialize)]
struct List<'a> {
    streams: &'a [StreamRow],
    meta: Meta,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a [StreamRow]>,
}

pub(super) async fn index(
    api: web::Data<Api>,
    request: HttpRequest,
    caller: Result<Caller, Problem>,
    query: Query,
) -> Result<HttpResponse, Problem> {
    if query.get("format") == Some("array") {
        return Ok(wall::feed(api, request, query).await);
    }
    caller?.require(STREAMS_READ)?;
    if query.get("format") == Some("ndjson") {
        return Ok(lines::lines(&api, &filter(&query), sort(&query)));
    }
    let paging = Paging::of(&query);
    let found = api.hub.projection::<Board>().page(&filter(&query), sort(&query), paging.page, paging.per_page);
    let data = answer::wraps(&query).then_some(&*found.rows);
    Ok(answer::json(StatusCode::OK, &List { streams: &found.rows, meta: paging.meta(found.total), data }))
}

pub(super) fn filter(query: &Query) -> Filter {
    Filter::read(|names| query.any(names))
}

pub(super) fn sort(query: &Query) -> Sort {
    // The second pair is the old server's (C30).
    Sort::read(query.any(&["sort", "orderFields"]), query.any(&["direction", "orderDirections"]))
}
