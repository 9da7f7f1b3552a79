//! In which order streams are listed (`streams.md` 4.2). Every order is total, so that paging neither repeats nor skips.

use std::{cmp::Ordering, sync::Arc};

use super::Kept;
use crate::streams::{stream::StreamState, streamer::Streamers};

/// By what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each is named after its column")]
pub enum SortBy {
    /// Pinned first, then the newest.
    PinnedThenNewest,
    CreatedAt,
    UpdatedAt,
    LastCheckedAt,
    LastLiveAt,
    StartedAt,
    Title,
    Source,
    Link,
    Platform,
    Status,
    City,
    State,
    Kind,
    Orientation,
    Streamer,
}

/// By what and which way; what is empty comes last either way, and ties are broken by id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sort {
    /// By what.
    pub by: SortBy,
    /// The largest first.
    pub descending: bool,
}

impl Sort {
    /// Pinned first, then the newest.
    pub const DEFAULT: Self = Self { by: SortBy::PinnedThenNewest, descending: true };

    /// Reads `sort` and `direction`: `name`, `-created`, or a column; the default order for anything else.
    #[must_use]
    pub fn read(sort: Option<&str>, direction: Option<&str>) -> Self {
        let Some(text) = sort else { return Self::DEFAULT };
        let (name, minus) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        let descending = direction.is_none_or(|direction| !direction.eq_ignore_ascii_case("asc"));
        let by = match name {
            // The two dialects of rails: ascending unless there is a minus.
            "name" => return Self { by: SortBy::Source, descending: minus },
            "created" => return Self { by: SortBy::CreatedAt, descending: minus },
            "created_at" | "createdAt" => SortBy::CreatedAt,
            "updated_at" | "updatedAt" => SortBy::UpdatedAt,
            "checked_at" | "checkedAt" | "last_checked_at" | "last_checked" => SortBy::LastCheckedAt,
            "last_live_at" | "liveAt" => SortBy::LastLiveAt,
            "started_at" => SortBy::StartedAt,
            "title" => SortBy::Title,
            "source" => SortBy::Source,
            "link" | "url" => SortBy::Link,
            "platform" => SortBy::Platform,
            "status" => SortBy::Status,
            "city" => SortBy::City,
            "state" | "region" => SortBy::State,
            "kind" => SortBy::Kind,
            "orientation" => SortBy::Orientation,
            "streamer" => SortBy::Streamer,
            _ => return Self::DEFAULT,
        };
        Self { by, descending: minus || descending }
    }
}

/// What a stream is sorted by.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i64),
    Word(&'static str),
    Text(String),
}

fn key(stream: &StreamState, by: SortBy, streamers: &Streamers) -> Option<Key> {
    let text = |text: &str| Key::Text(text.to_lowercase());
    let moment = |at: trunkline_protocol::Timestamp| Key::Number(at.as_millis());
    match by {
        SortBy::PinnedThenNewest | SortBy::CreatedAt => Some(moment(stream.created_at)),
        SortBy::UpdatedAt => Some(moment(stream.updated_at)),
        SortBy::LastCheckedAt => stream.last_checked_at.map(moment),
        SortBy::LastLiveAt => stream.last_live_at.map(moment),
        SortBy::StartedAt => stream.started_at.map(moment),
        SortBy::Title => stream.title.as_deref().map(text),
        SortBy::Source => Some(text(&stream.source)),
        SortBy::Link => Some(text(&stream.link)),
        SortBy::Platform => stream.platform.map(|platform| Key::Word(platform.key.key())),
        SortBy::Status => Some(Key::Word(stream.status.key())),
        SortBy::City => stream.city.as_deref().map(text),
        SortBy::State => stream.state.as_deref().map(text),
        SortBy::Kind => Some(Key::Word(stream.kind.key())),
        SortBy::Orientation => stream.orientation.map(|orientation| Key::Word(orientation.key())),
        SortBy::Streamer => stream.streamer.and_then(|id| streamers.get(id)).map(|row| text(&row.profile.name)),
    }
}

/// The rows in order.
pub(super) fn sorted(rows: Vec<Arc<Kept>>, sort: Sort, streamers: &Streamers) -> Vec<Arc<Kept>> {
    let mut keyed: Vec<(Option<Key>, Arc<Kept>)> =
        rows.into_iter().map(|kept| (key(&kept.stream, sort.by, streamers), kept)).collect();
    let way = |order: Ordering| if sort.descending { order.reverse() } else { order };
    keyed.sort_unstable_by(|(a, left), (b, right)| {
        let pinned = match sort.by {
            SortBy::PinnedThenNewest => right.stream.is_pinned.cmp(&left.stream.is_pinned),
            _ => Ordering::Equal,
        };
        let value = match (a, b) {
            (Some(a), Some(b)) => way(a.cmp(b)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        pinned.then(value).then_with(|| way(left.stream.id.cmp(&right.stream.id)))
    });
    keyed.into_iter().map(|(_, kept)| kept).collect()
}
