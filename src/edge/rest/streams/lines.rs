//! `GET /api/v1/streams?format=ndjson`: every stream that passes the filters, whole, one to a line, as all of them were at one moment. For
//! clients that keep a list of their own: one request instead of a hundred pages that move under their hands.

use actix_web::{HttpResponse, http::header};
use bytes::Bytes;
use futures::stream;
use trunkline_actors::streams::board::{Filter, Sort};

use super::export::Rows;
use crate::edge::Api;

/// Says how many lines there will be, for a progress bar.
const TOTAL: &str = "x-total-count";

/// Written while it is read: a slow reader costs one handful of rows.
pub(super) fn lines(api: &Api, filter: &Filter, sort: Sort) -> HttpResponse {
    let rows = Rows::of(api, filter, sort);
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, "application/x-ndjson; charset=utf-8"));
    response.insert_header((TOTAL, rows.count().to_string()));
    response.streaming(stream::iter(Lines(rows)))
}

struct Lines(Rows);

impl Iterator for Lines {
    type Item = Result<Bytes, std::io::Error>;
    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.0.next();
        let mut text = Vec::new();
        for row in &rows {
            if let Err(error) = serde_json::to_writer(&mut text, row) {
                return Some(Err(error.into()));
            }
            text.push(b'\n');
        }
        (!rows.is_empty()).then(|| Ok(text.into()))
    }
}
