//! The feed that a wall polls: a bare array (`streams.md` 4.9). A wall sends no headers and chokes on anything but an array, so an error is
//! an empty one with its status.

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, ResponseError as _, http::StatusCode, web};
use trunkline_actors::{
    accounts::policy::permission::STREAMS_READ,
    streams::{
        board::{Board, StreamRow},
        wall::WallRow,
    },
};
use trunkline_protocol::Principal;

use super::{answer, list};
use crate::edge::{Api, Problem, Query, rest::listing::Paging};

/// Tiles of one answer where no page is asked for: a bound against accidents, far above any wall.
const TILES_MAX: usize = 100_000;

pub(super) async fn feed(api: web::Data<Api>, request: HttpRequest, query: Query) -> HttpResponse {
    if let Err(problem) = may_read(&api, &request) {
        let mut response = problem.respond(serde_json::json!([]));
        *response.status_mut() = problem.status_code();
        return response;
    }
    let paged = query.get("page").is_some() || query.get("per_page").is_some();
    let Paging { page, per_page } = if paged { Paging::of(&query) } else { Paging { page: 1, per_page: TILES_MAX } };
    let found = api.hub.projection::<Board>().page(&list::filter(&query), list::sort(&query), page, per_page);
    let tiles: Vec<WallRow<'_>> = found.rows.iter().map(|row: &StreamRow| WallRow(row)).collect();
    answer::json(StatusCode::OK, &tiles)
}

fn may_read(api: &Api, request: &HttpRequest) -> Result<(), Problem> {
    let who = request.extensions().get::<Principal>().filter(|who| !who.is_anonymous()).cloned();
    match who {
        Some(who) => Ok(who.require(STREAMS_READ)?),
        None if api.streams.public_feed => Ok(()),
        None => Err(Problem::unauthenticated()),
    }
}
