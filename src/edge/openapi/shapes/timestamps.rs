//! Timestamps, also called annotations (`streams.md` 7.2).

use utoipa::{IntoParams, ToSchema};

use super::{
    PageMeta,
    words::{Moment, Priority, Resolution},
};

/// A moment worth finding again.
#[derive(ToSchema)]
pub struct Annotation {
    id: u64,
    title: String,
    description: Option<String>,
    event_timestamp: Moment,
    /// `HH:MM:SS` in the first stream, else the same as `event_timestamp`.
    timestamp: String,
    priority: Priority,
    status: Resolution,
    user_id: u64,
    stream_ids: Vec<u64>,
    streams: Vec<Tie>,
    created_at: Moment,
    updated_at: Moment,
}

/// Where in a stream.
#[derive(ToSchema)]
pub struct Tie {
    stream_id: u64,
    added_by_user_id: u64,
    seconds: Option<u64>,
    /// The same as `seconds`.
    timestamp_seconds: Option<u64>,
    /// The same as `seconds`.
    stream_timestamp_seconds: Option<u64>,
    /// `h:mm:ss` or `m:ss`.
    stream_timestamp_display: Option<String>,
}

/// A page of annotations.
#[derive(ToSchema)]
pub struct AnnotationPage {
    timestamps: Vec<Annotation>,
    /// The same as `timestamps`.
    annotations: Vec<Annotation>,
    meta: PageMeta,
}

/// What a client says of an annotation.
#[derive(ToSchema)]
pub struct AnnotationFields {
    /// The description where it is absent.
    #[schema(min_length = 3, max_length = 200)]
    title: Option<String>,
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// When it happened; also as `timestamp`, which may be `HH:MM:SS` in the streams instead.
    event_timestamp: Option<Moment>,
    priority: Option<Priority>,
    status: Option<Resolution>,
    /// In which streams.
    stream_ids: Option<Vec<u64>>,
    /// The same, with where in them.
    streams: Option<Vec<TieFields>>,
}

/// Where in a stream it happened.
#[derive(ToSchema)]
pub struct TieFields {
    stream_id: u64,
    /// Seconds or `H:MM:SS`; also as `seconds`, `timestamp`.
    timestamp_seconds: Option<u64>,
}

/// Which annotations.
#[derive(IntoParams)]
pub struct AnnotationFilter {
    stream_id: Option<u64>,
    /// Within title and description.
    search: Option<String>,
    /// A moment, or a day.
    start_date: Option<String>,
    /// A moment, or a day to its end.
    end_date: Option<String>,
    #[param(value_type = Option<Priority>, inline)]
    priority: Option<String>,
    #[param(value_type = Option<Resolution>, inline)]
    status: Option<String>,
}
