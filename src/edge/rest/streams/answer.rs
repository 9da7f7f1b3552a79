//! What a stream looks like as a whole answer: bare, and once more under `stream` (`streams.md` C1), with its `ETag`.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use trunkline_actors::streams::board::StreamRow;

use crate::edge::Query;

/// One stream as an answer.
pub(super) struct Single<'a> {
    row: &'a StreamRow,
    /// Said of a post only: the stream was there already.
    duplicate: Option<bool>,
    /// `?wrap=data`: once more under `data`, for old clients.
    under_data: bool,
}

impl Serialize for Single<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.row.members(&mut map)?;
        map.serialize_entry("stream", self.row)?;
        if self.under_data {
            map.serialize_entry("data", self.row)?;
        }
        if let Some(duplicate) = self.duplicate {
            map.serialize_entry("duplicate", &duplicate)?;
        }
        map.end()
    }
}

/// The stream, 200.
pub(super) fn stream(row: &StreamRow, query: &Query) -> HttpResponse {
    single(StatusCode::OK, row, None, query)
}

/// The stream that a post came to: 201, or 200 where it was there already.
pub(super) fn posted(row: &StreamRow, created: bool, query: &Query) -> HttpResponse {
    let mut response = single(if created { StatusCode::CREATED } else { StatusCode::OK }, row, Some(!created), query);
    if created && let Ok(place) = header::HeaderValue::from_str(&format!("/api/v1/streams/{}", row.id())) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    if !created {
        response.headers_mut().insert(header::HeaderName::from_static("x-duplicate"), header::HeaderValue::from_static("true"));
    }
    response
}

fn single(status: StatusCode, row: &StreamRow, duplicate: Option<bool>, query: &Query) -> HttpResponse {
    let mut response = json(status, &Single { row, duplicate, under_data: wraps(query) });
    if let Ok(tag) = header::HeaderValue::from_str(&tag(row)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// `?wrap=data`.
pub(super) fn wraps(query: &Query) -> bool {
    query.get("wrap") == Some("data")
}

/// The entity tag: the version.
pub(super) fn tag(row: &StreamRow) -> String {
    format!("\"{}\"", row.version())
}

/// Any JSON.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            HttpResponse::build(status).insert_header((header::CONTENT_TYPE, "application/json; charset=utf-8")).body(bytes)
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            HttpResponse::InternalServerError().finish()
        }
    }
}
