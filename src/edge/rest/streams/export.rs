//! `GET /api/v1/streams/export`: everything that passes the filters, as JSON or CSV, written while it is read (`streams.md` 4.7).

use std::{sync::Arc, vec::IntoIter};

use actix_web::{HttpResponse, http::header, web};
use bytes::Bytes;
use futures::stream;
use serde::Serialize;
use trunkline_actors::{
    accounts::policy::permission::STREAMS_EXPORT,
    streams::board::{Board, Filter, Kept, Sort, StreamRow},
};
use trunkline_protocol::Timestamp;

use super::{has, list};
use crate::edge::{Api, Caller, Problem, Query};

/// Rows written at a time.
const ROWS: usize = 256;

/// A stream as it is exported; the columns of the CSV, in order.
#[derive(Serialize)]
struct Exported<'a> {
    id: u64,
    source: &'a str,
    link: &'a str,
    status: &'static str,
    platform: Option<&'static str>,
    orientation: Option<&'static str>,
    kind: &'static str,
    city: Option<&'a str>,
    state: Option<&'a str>,
    notes: Option<&'a str>,
    title: Option<&'a str>,
    posted_by: Option<&'a str>,
    is_pinned: bool,
    is_archived: bool,
    created_at: Timestamp,
    last_checked_at: Option<Timestamp>,
    last_live_at: Option<Timestamp>,
    owner_email: Option<&'a str>,
    streamer_name: Option<&'a str>,
}

impl<'a> From<&'a StreamRow> for Exported<'a> {
    fn from(row: &'a StreamRow) -> Self {
        let stream = row.stream();
        Self {
            id: stream.id,
            source: &stream.source,
            link: &stream.link,
            status: stream.status.key(),
            platform: stream.platform.map(|platform| platform.as_str()),
            orientation: stream.orientation.map(|orientation| orientation.key()),
            kind: stream.kind.key(),
            city: stream.city.as_deref(),
            state: stream.state.as_deref(),
            notes: stream.notes.as_deref(),
            title: stream.title.as_deref(),
            posted_by: stream.posted_by.as_deref(),
            is_pinned: stream.is_pinned,
            is_archived: stream.is_archived,
            created_at: stream.created_at,
            last_checked_at: stream.last_checked_at,
            last_live_at: stream.last_live_at,
            owner_email: row.owner.as_ref().map(|owner| &*owner.email),
            streamer_name: row.streamer.as_ref().map(|streamer| streamer.profile.name.as_str()),
        }
    }
}

pub(super) async fn export(api: web::Data<Api>, caller: Caller, query: Query) -> Result<HttpResponse, Problem> {
    if !has(api.streams.export, &caller) || !caller.may(STREAMS_EXPORT) {
        return Err(Problem::forbidden().with("error", "Export feature is not currently available"));
    }
    let rows = Rows::of(&api, &list::filter(&query), list::sort(&query));
    let count = rows.count();
    let mut response = HttpResponse::Ok();
    if query.get("format").is_some_and(|format| format.eq_ignore_ascii_case("csv")) {
        response
            .insert_header((header::CONTENT_TYPE, "text/csv; charset=utf-8"))
            .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"streams.csv\""));
        return Ok(response.streaming(stream::iter(Csv { rows, begun: false })));
    }
    let head = format!("{{\"exported_at\":\"{}\",\"count\":{count},\"streams\":[", api.hub.clock().now());
    response.insert_header((header::CONTENT_TYPE, "application/json; charset=utf-8"));
    Ok(response.streaming(stream::iter(Json { rows, head: Some(head), first: true, over: false })))
}

/// The rows, a few at a time: what is not yet written is not yet dressed.
pub(super) struct Rows {
    board: Arc<Board>,
    kept: IntoIter<Arc<Kept>>,
}

impl Rows {
    /// What passes at this moment, in order.
    pub(super) fn of(api: &Api, filter: &Filter, sort: Sort) -> Self {
        let board = api.hub.projection::<Board>();
        let kept = board.all(filter, sort).into_iter();
        Self { board, kept }
    }
    /// How many are left.
    pub(super) fn count(&self) -> usize {
        self.kept.len()
    }
    pub(super) fn next(&mut self) -> Vec<StreamRow> {
        self.kept.by_ref().take(ROWS).map(|kept| self.board.dress(kept)).collect()
    }
}

struct Json {
    rows: Rows,
    head: Option<String>,
    first: bool,
    over: bool,
}

impl Iterator for Json {
    type Item = Result<Bytes, std::io::Error>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let mut text = self.head.take().unwrap_or_default().into_bytes();
        let rows = self.rows.next();
        self.over = rows.len() < ROWS;
        for row in &rows {
            if !std::mem::take(&mut self.first) {
                text.push(b',');
            }
            if let Err(error) = serde_json::to_writer(&mut text, &Exported::from(row)) {
                return Some(Err(error.into()));
            }
        }
        if self.over {
            text.extend(b"]}");
        }
        Some(Ok(text.into()))
    }
}

struct Csv {
    rows: Rows,
    begun: bool,
}

impl Iterator for Csv {
    type Item = Result<Bytes, std::io::Error>;
    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.next();
        let begins = !std::mem::replace(&mut self.begun, true);
        if rows.is_empty() && !begins {
            return None;
        }
        // An export of nothing still names its columns.
        let mut writer = csv::WriterBuilder::new().has_headers(begins && !rows.is_empty()).from_writer(Vec::new());
        if rows.is_empty()
            && let Err(error) = writer.write_record(COLUMNS)
        {
            return Some(Err(std::io::Error::other(error)));
        }
        for row in &rows {
            if let Err(error) = writer.serialize(Exported::from(row)) {
                return Some(Err(std::io::Error::other(error)));
            }
        }
        Some(writer.into_inner().map(Bytes::from).map_err(|error| std::io::Error::other(error.to_string())))
    }
}

const COLUMNS: [&str; 19] = [
    "id",
    "source",
    "link",
    "status",
    "platform",
    "orientation",
    "kind",
    "city",
    "state",
    "notes",
    "title",
    "posted_by",
    "is_pinned",
    "is_archived",
    "created_at",
    "last_checked_at",
    "last_live_at",
    "owner_email",
    "streamer_name",
];
