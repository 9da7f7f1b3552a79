//! Which streams are wanted (`streams.md` 4.2): all of what is said, nothing of what is left out.

use trunkline_protocol::{Timestamp, id::MAX_SAFE_INTEGER};

use super::Kept;
use crate::streams::{
    link::Link,
    stream::{Orientation, Platform, PlatformKey, Status, StreamKind, StreamState},
};

/// Whether archived streams are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Archive {
    /// Only those that are not.
    #[default]
    Active,
    /// Only those that are.
    Archived,
    /// Both.
    All,
}

/// Which streams are wanted. `None`: whatever it is. A word that nothing can match leaves nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    archive: Archive,
    // `status=live,archived` wants the live ones and, whatever their status, the archived ones.
    or_archived: bool,
    status: Option<Vec<Status>>,
    not_status: Vec<Status>,
    platform: Option<Vec<PlatformKey>>,
    not_platform: Vec<PlatformKey>,
    kind: Option<Vec<StreamKind>>,
    orientation: Option<Vec<Orientation>>,
    user: Option<Option<u64>>,
    streamer: Option<Option<u64>>,
    location: Option<Option<u64>>,
    pinned: Option<bool>,
    // The canonical link; the inner `None` is no link at all.
    link: Option<Option<Box<str>>>,
    external_id: Option<Box<str>>,
    posted_by: Option<Box<str>>,
    city: Option<Box<str>>,
    state: Option<Box<str>>,
    search: Option<Box<str>>,
    updated_since: Option<Timestamp>,
}

impl Filter {
    /// Reads the parameters of 4.2; `any` answers the first of several spellings that is given and not blank.
    #[must_use]
    pub fn read<'a>(any: impl Fn(&[&str]) -> Option<&'a str>) -> Self {
        let mut filter = Self {
            archive: any(&["is_archived", "archived", "isExpired", "is_expired"]).map_or(Archive::Active, read_archive),
            platform: any(&["platform"]).map(|text| words(text, |word| Platform::read(word).map(|platform| platform.key))),
            kind: any(&["kind"]).map(|text| words(text, StreamKind::read)),
            orientation: any(&["orientation"]).map(|text| words(text, Orientation::read)),
            user: any(&["user_id", "userId"]).map(id),
            streamer: any(&["streamer_id"]).map(id),
            location: any(&["location_id"]).map(id),
            pinned: any(&["is_pinned", "pinned", "isPinned"]).and_then(flag),
            link: any(&["link", "url"]).map(|text| Link::read(text).ok().map(|link| link.canonical().into())),
            external_id: any(&["external_id"]).map(Box::from),
            posted_by: any(&["posted_by", "postedBy"]).map(Box::from),
            city: any(&["city"]).map(Box::from),
            state: any(&["state", "region"]).map(Box::from),
            search: any(&["search"]).map(|text| text.to_lowercase().into()),
            updated_since: any(&["updated_since"]).and_then(Timestamp::parse),
            ..Self::default()
        };
        let archived_given = any(&["is_archived", "archived", "isExpired", "is_expired"]).is_some();
        if let Some(text) = any(&["status"]) {
            let statuses = words(text, Status::read);
            let names_archived = text.split(',').any(|word| word.trim().eq_ignore_ascii_case("archived"));
            if !names_archived {
                filter.status = Some(statuses);
            } else if statuses.is_empty() {
                filter.archive = Archive::Archived;
            } else {
                filter.status = Some(statuses);
                filter.or_archived = true;
                filter.archive = Archive::All;
            }
        }
        if let Some(text) = any(&["notStatus", "not_status"]) {
            filter.not_status = words(text, Status::read);
            if !archived_given && text.split(',').any(|word| word.trim().eq_ignore_ascii_case("archived")) {
                filter.archive = Archive::Active;
            }
        }
        if let Some(text) = any(&["notPlatform", "not_platform"]) {
            filter.not_platform = words(text, |word| Platform::read(word).map(|platform| platform.key));
        }
        filter
    }
    /// The same, whether or not it is archived.
    #[must_use]
    pub fn with_archived(mut self, archive: Archive) -> Self {
        self.archive = archive;
        self
    }
    /// Whether archived streams are wanted.
    #[must_use]
    pub fn archive(&self) -> Archive {
        self.archive
    }
    /// The canonical link that is wanted; the inner `None` where what was given is no link.
    #[must_use]
    pub fn link(&self) -> Option<Option<&str>> {
        self.link.as_ref().map(Option::as_deref)
    }
    /// Nothing is wanted but what [`Filter::archive`] says.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self { archive: self.archive, ..Self::default() }
    }
    /// Whether a stream is wanted.
    #[must_use]
    pub fn passes(&self, kept: &Kept) -> bool {
        let stream = &kept.stream;
        self.wants_archive(stream)
            && self.wants_words(stream)
            && self.user.is_none_or(|user| user == Some(stream.user.0))
            && self.streamer.is_none_or(|id| id.is_some() && id == stream.streamer)
            && self.location.is_none_or(|id| id.is_some() && id == stream.location)
            && self.pinned.is_none_or(|pinned| pinned == stream.is_pinned)
            && self.link.as_ref().is_none_or(|link| link.as_deref() == Some(&*kept.canonical))
            && self.external_id.as_deref().is_none_or(|text| stream.external_id.as_deref() == Some(text))
            && same(self.posted_by.as_deref(), stream.posted_by.as_deref())
            && same(self.city.as_deref(), stream.city.as_deref())
            && same(self.state.as_deref(), stream.state.as_deref())
            && self.updated_since.is_none_or(|since| stream.updated_at >= since)
            && self.search.as_deref().is_none_or(|text| finds(stream, text))
    }
    fn wants_archive(&self, stream: &StreamState) -> bool {
        match self.archive {
            Archive::Active => !stream.is_archived,
            Archive::Archived => stream.is_archived,
            Archive::All => true,
        }
    }
    fn wants_words(&self, stream: &StreamState) -> bool {
        let platform = stream.platform.map(|platform| platform.key);
        let status = self.status.as_ref().is_none_or(|wanted| wanted.contains(&stream.status));
        (status || (self.or_archived && stream.is_archived))
            && !self.not_status.contains(&stream.status)
            && self.platform.as_ref().is_none_or(|wanted| platform.is_some_and(|platform| wanted.contains(&platform)))
            && !platform.is_some_and(|platform| self.not_platform.contains(&platform))
            && self.kind.as_ref().is_none_or(|wanted| wanted.contains(&stream.kind))
            && self.orientation.as_ref().is_none_or(|wanted| stream.orientation.is_some_and(|way| wanted.contains(&way)))
    }
}

fn words<W>(text: &str, read: impl Fn(&str) -> Option<W>) -> Vec<W> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).filter_map(read).collect()
}

fn read_archive(text: &str) -> Archive {
    if text.eq_ignore_ascii_case("all") {
        return Archive::All;
    }
    if flag(text) == Some(true) { Archive::Archived } else { Archive::Active }
}

fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn id(text: &str) -> Option<u64> {
    text.parse().ok().filter(|id| (1..=MAX_SAFE_INTEGER).contains(id))
}

fn same(wanted: Option<&str>, known: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| {
        known.is_some_and(|known| known.eq_ignore_ascii_case(wanted) || known.to_lowercase() == wanted.to_lowercase())
    })
}

fn finds(stream: &StreamState, lower: &str) -> bool {
    let optional = [&stream.title, &stream.city, &stream.state, &stream.notes, &stream.posted_by];
    holds(&stream.source, lower) || holds(&stream.link, lower) || optional.into_iter().flatten().any(|text| holds(text, lower))
}

/// Whether `text` holds `lower`, ignoring case, without a copy where it is plain ASCII.
fn holds(text: &str, lower: &str) -> bool {
    if !text.is_ascii() {
        return text.to_lowercase().contains(lower);
    }
    let (text, lower) = (text.as_bytes(), lower.as_bytes());
    lower.is_empty() || text.windows(lower.len()).any(|window| window.eq_ignore_ascii_case(lower))
}
