//! Many streams at once: changed, brought in, exported (`streams.md` 4.6 and 4.7).

use utoipa::{IntoParams, ToSchema};

use super::{
    super::words::{ExportFormat, ImportOutcome, ItemOutcome, Moment, Orientation, Status, StreamKind},
    Stream, StreamFields,
};

/// Changes of many streams, at most a thousand.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum Batch {
    Updates(BatchUpdates),
    Streams(BatchStreams),
    Bare(Vec<BatchItem>),
}

/// The changes, under one name.
#[derive(ToSchema)]
pub struct BatchUpdates {
    #[schema(max_items = 1000)]
    updates: Vec<BatchItem>,
}

/// The changes, under another.
#[derive(ToSchema)]
pub struct BatchStreams {
    #[schema(max_items = 1000)]
    streams: Vec<BatchItem>,
}

/// One of them: named by `id`, else by its link.
#[derive(ToSchema)]
pub struct BatchItem {
    id: Option<u64>,
    #[serde(flatten)]
    fields: StreamFields,
}

/// What became of them.
#[derive(ToSchema)]
pub struct BatchAnswer {
    updated: u64,
    unchanged: u64,
    not_found: u64,
    failed: u64,
    total: u64,
    results: Vec<BatchResult>,
    streams: Vec<Stream>,
    errors: Vec<ItemErrors>,
}

/// What became of one.
#[derive(ToSchema)]
pub struct BatchResult {
    /// Its place in the request, from 0.
    index: u64,
    #[schema(required = false)]
    id: u64,
    #[schema(required = false)]
    url: String,
    status: ItemOutcome,
    #[schema(required = false)]
    error: String,
    #[schema(required = false)]
    stream: Stream,
}

/// What is wrong with one item.
#[derive(ToSchema)]
pub struct ItemErrors {
    /// Its place in the request, from 0.
    index: u64,
    errors: Vec<String>,
}

/// Streams to bring in, at most ten thousand.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum Import {
    Streams(ImportStreams),
    Bare(Vec<StreamFields>),
}

/// The streams, under their name.
#[derive(ToSchema)]
pub struct ImportStreams {
    #[schema(max_items = 10000)]
    streams: Vec<StreamFields>,
}

/// What became of them.
#[derive(ToSchema)]
pub struct ImportAnswer {
    imported: u64,
    failed: u64,
    duplicates: u64,
    held: u64,
    total: u64,
    errors: Vec<ItemErrors>,
    /// One word for each item, in order.
    results: Vec<ImportOutcome>,
}

/// Streams, exported.
#[derive(ToSchema)]
pub struct Export {
    exported_at: Moment,
    count: u64,
    streams: Vec<ExportedStream>,
}

/// A stream as it is exported; the columns of the CSV, in order.
#[derive(ToSchema)]
pub struct ExportedStream {
    id: u64,
    source: String,
    link: String,
    status: Status,
    platform: Option<String>,
    orientation: Option<Orientation>,
    kind: StreamKind,
    city: Option<String>,
    state: Option<String>,
    notes: Option<String>,
    title: Option<String>,
    posted_by: Option<String>,
    is_pinned: bool,
    is_archived: bool,
    created_at: Moment,
    last_checked_at: Option<Moment>,
    last_live_at: Option<Moment>,
    owner_email: Option<String>,
    streamer_name: Option<String>,
}

/// How the export is written.
#[derive(IntoParams)]
pub struct ExportAs {
    #[param(value_type = Option<ExportFormat>, inline)]
    format: Option<String>,
}
