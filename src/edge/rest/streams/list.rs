//! `GET /api/v1/streams`: filtered, sorted, paged (`streams.md` 4.2); or all of it, a line each.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde::Serialize;
use trunkline_actors::{
    accounts::policy::permission::STREAMS_READ,
    streams::board::{Board, Filter, Sort, StreamRow},
};

use super::{answer, lines, wall};
use crate::edge::{Api, Caller, Problem, Query};

/// Rows of a page unless asked otherwise, and at most.
const PER_PAGE: u64 = 25;
const PER_PAGE_MAX: u64 = 100;

#[derive(Serialize)]
struct List<'a> {
    streams: &'a [StreamRow],
    meta: Meta,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a [StreamRow]>,
}

#[derive(Serialize)]
struct Meta {
    current_page: usize,
    total_pages: usize,
    total_count: usize,
    per_page: usize,
    next_page: Option<usize>,
    prev_page: Option<usize>,
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
    let (page, per_page) = (number(&query, "page", 1, u64::MAX), number(&query, "per_page", PER_PAGE, PER_PAGE_MAX));
    let found = api.hub.projection::<Board>().page(&filter(&query), sort(&query), page, per_page);
    let total_pages = found.total.div_ceil(per_page);
    let meta = Meta {
        current_page: page,
        total_pages,
        total_count: found.total,
        per_page,
        next_page: (page < total_pages).then(|| page + 1),
        prev_page: (page > 1).then(|| page - 1),
    };
    let data = answer::wraps(&query).then_some(&*found.rows);
    Ok(answer::json(StatusCode::OK, &List { streams: &found.rows, meta, data }))
}

pub(super) fn number(query: &Query, name: &str, default: u64, most: u64) -> usize {
    usize::try_from(query.number(name, default, 1..=most)).unwrap_or(usize::MAX)
}

pub(super) fn filter(query: &Query) -> Filter {
    Filter::read(|names| query.any(names))
}

pub(super) fn sort(query: &Query) -> Sort {
    // The second pair is the old server's (C30).
    Sort::read(query.any(&["sort", "orderFields"]), query.any(&["direction", "orderDirections"]))
}
