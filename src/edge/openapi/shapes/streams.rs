//! Livestreams (`streams.md` section 4).

pub mod bulk;

use utoipa::{IntoParams, ToSchema};

use super::{
    Owner, PageMeta,
    words::{
        Direction, ListFormat, Moment, Orientation, PlatformKey, Status, StreamEvent, StreamField, StreamKind, WallOrientation,
        WallStatus,
    },
};

/// A livestream, with every spelling by which a client may read it.
#[derive(ToSchema)]
pub struct Stream {
    id: u64,
    /// Where it was found, or who streams.
    source: String,
    link: String,
    /// The same as `link`.
    url: String,
    status: Status,
    /// As it was written: `twitch` or `Twitch`.
    platform: Option<String>,
    platform_key: Option<PlatformKey>,
    title: Option<String>,
    notes: Option<String>,
    city: Option<String>,
    state: Option<String>,
    posted_by: Option<String>,
    /// What its submitter calls it.
    external_id: Option<String>,
    orientation: Option<Orientation>,
    kind: StreamKind,
    is_pinned: bool,
    /// The same as `is_pinned`.
    pinned: bool,
    is_archived: bool,
    /// The same as `is_archived`.
    archived: bool,
    last_checked_at: Option<Moment>,
    /// The same as `last_checked_at`.
    last_checked: Option<Moment>,
    /// The same as `last_checked_at`.
    checked_at: Option<Moment>,
    last_live_at: Option<Moment>,
    started_at: Option<Moment>,
    ended_at: Option<Moment>,
    location_id: Option<u64>,
    location: Option<LocationBrief>,
    streamer_id: Option<u64>,
    streamer: Option<StreamerBrief>,
    user: Owner,
    user_id: u64,
    /// Where its figures are; null where the feature is off.
    analytics_url: Option<String>,
    /// Always empty.
    tags: Vec<String>,
    /// Counts its changes: the `ETag`.
    lock_version: u64,
    created_at: Moment,
    updated_at: Moment,
}

/// A location, beside a stream.
#[derive(ToSchema)]
pub struct LocationBrief {
    id: u64,
    city: String,
    state_province: Option<String>,
    display_name: String,
}

/// A streamer, beside a stream.
#[derive(ToSchema)]
pub struct StreamerBrief {
    id: u64,
    name: String,
}

/// A stream bare, and once more under its name.
#[derive(ToSchema)]
pub struct OneStream {
    #[serde(flatten)]
    bare: Stream,
    stream: Stream,
    /// With `wrap=data`.
    #[schema(required = false)]
    data: Stream,
}

/// The stream that a post came to.
#[derive(ToSchema)]
pub struct PostedStream {
    #[serde(flatten)]
    bare: Stream,
    stream: Stream,
    /// It was there already.
    duplicate: bool,
    /// With `wrap=data`.
    #[schema(required = false)]
    data: Stream,
}

/// A submission that waits for a moderator.
#[derive(ToSchema)]
pub struct HeldStream {
    case_id: String,
}

/// A page of streams.
#[derive(ToSchema)]
pub struct StreamPage {
    streams: Vec<Stream>,
    meta: PageMeta,
    /// With `wrap=data`.
    #[schema(required = false)]
    data: Vec<Stream>,
}

/// One tile of a wall.
#[derive(ToSchema)]
pub struct WallTile {
    id: u64,
    kind: StreamKind,
    link: String,
    /// Its title, else its streamer, else its source.
    label: String,
    source: String,
    notes: String,
    status: WallStatus,
    city: String,
    state: String,
    #[schema(required = false)]
    orientation: WallOrientation,
    #[schema(rename = "addedDate")]
    added_date: Moment,
    platform: Option<String>,
    is_pinned: bool,
}

/// What a client says of a stream; what is absent stays as it is.
#[derive(ToSchema)]
pub struct StreamFields {
    /// http or https; also as `url`. Required of a post.
    link: Option<String>,
    /// Where it was found, or who streams; derived where it is absent.
    #[schema(min_length = 1, max_length = 255)]
    source: Option<String>,
    /// `archived` archives.
    status: Option<Status>,
    /// A key or a display name, in any casing; derived from the link where it is absent.
    platform: Option<String>,
    title: Option<String>,
    notes: Option<String>,
    city: Option<String>,
    /// Also as `region`.
    state: Option<String>,
    /// Instead of `city` and `state`; null clears them.
    location: Option<Place>,
    location_id: Option<u64>,
    posted_by: Option<String>,
    /// What you call it; posting it again is a repeat.
    external_id: Option<String>,
    orientation: Option<Orientation>,
    kind: Option<StreamKind>,
    /// Also as `pinned`.
    is_pinned: Option<bool>,
    /// Also as `archived`.
    is_archived: Option<bool>,
    /// Also as `last_checked`, `checked_at`.
    last_checked_at: Option<Moment>,
    last_live_at: Option<Moment>,
    started_at: Option<Moment>,
    ended_at: Option<Moment>,
    streamer_id: Option<u64>,
    streamer_name: Option<String>,
    /// Of a change: what you last saw; another one answers 409. `If-Match` does the same with 412.
    lock_version: Option<u64>,
}

/// Where a stream is, described.
#[derive(ToSchema)]
pub struct Place {
    city: Option<String>,
    state: Option<String>,
    region: Option<String>,
    country: Option<String>,
}

/// What the hub has measured; nobody reports viewers to it, so their figures are zero.
#[derive(ToSchema)]
pub struct Analytics {
    stream_id: u64,
    views_count: u64,
    unique_viewers: u64,
    average_watch_time: u64,
    peak_concurrent_viewers: u64,
    /// In seconds.
    total_duration: u64,
    average_viewers: u64,
    peak_viewers: u64,
    engagement_rate: f64,
    changes_count: u64,
    last_updated: Moment,
}

/// A part of a stream's history, newest first.
#[derive(ToSchema)]
pub struct HistoryPage {
    data: Vec<HistoryEntry>,
    has_more: bool,
    next_cursor: Option<String>,
}

/// One field of one write.
#[derive(ToSchema)]
pub struct HistoryEntry {
    /// The cursor that goes on after it.
    id: String,
    /// Changes of one write have the same.
    commit: u64,
    at: Moment,
    by: Author,
    event: StreamEvent,
    /// The hub archived by itself.
    automatic: bool,
    field: StreamField,
    /// What it was.
    from: Option<serde_json::Value>,
    /// What it became.
    to: Option<serde_json::Value>,
}

/// Who did it.
#[derive(ToSchema)]
pub struct Author {
    /// 0 is the hub itself.
    id: u64,
    /// Null where the account is gone.
    name: Option<String>,
}

/// Which streams: all of what is said, nothing of what is left out. Lists of words are separated by commas.
#[derive(IntoParams)]
pub struct StreamFilter {
    /// Statuses; `archived` means those in the archive.
    status: Option<String>,
    /// Not these; also `not_status`.
    #[param(rename = "notStatus")]
    not_status: Option<String>,
    /// Keys or display names.
    platform: Option<String>,
    /// Not these; also `not_platform`.
    #[param(rename = "notPlatform")]
    not_platform: Option<String>,
    kind: Option<String>,
    orientation: Option<String>,
    /// Whose; also `userId`.
    user_id: Option<u64>,
    streamer_id: Option<u64>,
    location_id: Option<u64>,
    /// Also `pinned`, `isPinned`.
    is_pinned: Option<bool>,
    /// `true`: only those, `false`: only others, `all`: both; also `archived`, `isExpired`.
    #[param(default = "false")]
    is_archived: Option<String>,
    /// The same link, whatever its spelling; also `url`.
    link: Option<String>,
    external_id: Option<String>,
    posted_by: Option<String>,
    city: Option<String>,
    /// Also `region`.
    state: Option<String>,
    /// Within source, link, title, city, state, notes and posted_by.
    search: Option<String>,
    #[param(value_type = Option<Moment>, inline)]
    updated_since: Option<String>,
    /// `name`, `created` (`-name`: the other way) or a column, nulls last. Pinned first, then the newest, where it is absent.
    sort: Option<String>,
    /// Of a column.
    #[param(value_type = Option<Direction>, inline)]
    direction: Option<String>,
}

/// How the list is written.
#[derive(IntoParams)]
pub struct ListAs {
    /// Pages where it is absent; `array`: the wall's feed; `ndjson`: every stream whole, a line each.
    #[param(value_type = Option<ListFormat>, inline)]
    format: Option<String>,
}

/// Of which field.
#[derive(IntoParams)]
pub struct HistoryOf {
    /// Names of fields, separated by commas; none: all of them.
    field: Option<String>,
}
