//! What an annotation says, and how bodies of two dialects say it: Rails' own, and that of the API documents
//! (`{timestamp: "00:15:30", description, priority, status, stream_ids}`).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trunkline_protocol::{Refusal, Timestamp, UserId, id::MAX_SAFE_INTEGER};

use crate::{
    Asking,
    streams::given::{self, Given},
};

const TITLE_CHARS_MIN: usize = 3;
const TITLE_CHARS_MAX: usize = 200;
const DESCRIPTION_CHARS_MAX: usize = 2000;
/// Streams of one annotation: it stays one record of the journal.
const TIES_MAX: usize = 200;
/// The latest second of a stream: a hundred days.
const SECONDS_MAX: u32 = 100 * 24 * 3600;

type Complaints = Vec<(Cow<'static, str>, Cow<'static, str>)>;

/// How much it matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's own")]
pub enum Priority {
    Low,
    #[default]
    Medium,
    High,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's own")]
pub enum Resolution {
    #[default]
    Pending,
    Resolved,
    Dismissed,
}

impl Priority {
    /// Every priority, with its spelling.
    pub const ALL: [(Self, &'static str); 3] = [(Self::Low, "low"), (Self::Medium, "medium"), (Self::High, "high")];
    /// The spelling on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
    /// The priority of that spelling, in any casing.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(priority, _)| *priority)
    }
}
impl Resolution {
    /// Every status, with its spelling.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Pending, "pending"), (Self::Resolved, "resolved"), (Self::Dismissed, "dismissed")];
    /// The spelling on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
    /// The status of that spelling, in any casing.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(status, _)| *status)
    }
}

/// Where in a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tie {
    /// Which stream.
    pub stream: u64,
    /// How many seconds into it.
    pub seconds: Option<u32>,
    /// Who tied it.
    pub added_by: UserId,
}

/// A tie as it is wished for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TieWish {
    /// Which stream.
    pub stream: u64,
    /// How many seconds into it.
    pub seconds: Option<u32>,
}

/// What an annotation says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Note {
    /// What happened, in a line.
    pub title: String,
    /// What happened, at length.
    pub description: Option<String>,
    /// When.
    pub event: Timestamp,
    /// How much it matters.
    pub priority: Priority,
    /// What became of it.
    pub status: Resolution,
    /// Where in which streams, each stream once.
    pub ties: Vec<Tie>,
}

/// What a body wants of it: each field absent, cleared, or set.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct NoteChange {
    /// The title.
    pub title: Given<String>,
    /// The description.
    pub description: Given<String>,
    /// When it happened.
    pub event: Given<Timestamp>,
    /// Where in the streams that have no second of their own.
    pub offset_seconds: Option<u32>,
    /// The priority.
    pub priority: Option<Priority>,
    /// The status.
    pub status: Option<Resolution>,
    /// The streams, in place of those there are.
    pub ties: Option<Vec<TieWish>>,
}

impl TieWish {
    pub(super) fn by(self, user: UserId) -> Tie {
        Tie { stream: self.stream, seconds: self.seconds, added_by: user }
    }
}

/// `POST /:id/add_stream`, and an entry of `streams`.
impl TryFrom<&Map<String, Value>> for TieWish {
    type Error = Refusal;
    fn try_from(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let stream = given::id(body, &["stream_id", "id"]).ok().flatten().flatten();
        let stream = stream.ok_or_else(|| Refusal::field("stream", "must exist"))?;
        let names = ["timestamp_seconds", "stream_timestamp_seconds", "seconds", "timestamp", "stream_timestamp"];
        let seconds = match given::text(body, &names).flatten() {
            None => None,
            Some(text) => Some(seconds_of(&text).ok_or_else(|| {
                Refusal::field("stream_timestamp_seconds", "must be a number of seconds greater than or equal to 0, or H:MM:SS")
            })?),
        };
        Ok(Self { stream, seconds })
    }
}

impl TryFrom<&Map<String, Value>> for NoteChange {
    type Error = Refusal;
    fn try_from(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut complaints = Complaints::new();
        let mut change = Self {
            title: given::text(body, &["title"]),
            description: given::text(body, &["description"]),
            ties: ties(body)?,
            ..Self::default()
        };
        for name in ["event_timestamp", "timestamp"] {
            match given::text(body, &[name]) {
                Some(Some(text)) => match (Timestamp::parse(&text), seconds_of(&text)) {
                    (Some(moment), _) if change.event.is_none() => change.event = Some(Some(moment)),
                    (None, Some(seconds)) => change.offset_seconds = Some(seconds),
                    (Some(_), _) => {}
                    (None, None) => complaints.push((name.into(), "is not a date and time".into())),
                },
                Some(None) if change.event.is_none() => change.event = Some(None),
                Some(None) | None => {}
            }
        }
        if let Some(text) = given::text(body, &["priority"]).flatten() {
            change.priority = Priority::read(&text);
            if change.priority.is_none() {
                complaints.push(("priority".into(), "is not included in the list".into()));
            }
        }
        if let Some(text) = given::text(body, &["status"]).flatten() {
            change.status = Resolution::read(&text);
            if change.status.is_none() {
                complaints.push(("status".into(), "is not included in the list".into()));
            }
        }
        if complaints.is_empty() { Ok(change) } else { Err(Refusal::fields(complaints)) }
    }
}

/// `streams: [{stream_id, seconds}]`, or `stream_ids: [1, 2]`, or one `stream_id`.
fn ties(body: &Map<String, Value>) -> Result<Option<Vec<TieWish>>, Refusal> {
    let unknown = || Refusal::field("stream", "must exist");
    let plain = |value: &Value| {
        let id = given::spelled(value).and_then(|text| text.parse().ok()).filter(|id| *id <= MAX_SAFE_INTEGER);
        id.map(|stream| TieWish { stream, seconds: None }).ok_or_else(unknown)
    };
    match (given::value(body, &["streams"]), given::value(body, &["stream_ids"])) {
        (Some(Value::Array(streams)), _) => {
            let tie = |value: &Value| if let Value::Object(entry) = value { TieWish::try_from(entry) } else { plain(value) };
            streams.iter().map(tie).collect::<Result<_, _>>().map(Some)
        }
        // A blank stands for "none" in Rails' forms.
        (_, Some(Value::Array(ids))) => ids.iter().filter(|id| **id != "").map(plain).collect::<Result<_, _>>().map(Some),
        _ if body.contains_key("stream_id") => TieWish::try_from(body).map(|tie| Some(vec![TieWish { seconds: None, ..tie }])),
        _ => Ok(None),
    }
}

impl Note {
    /// Nothing said yet.
    pub(super) fn blank(event: Timestamp) -> Self {
        Self {
            title: String::new(),
            description: None,
            event,
            priority: Priority::default(),
            status: Resolution::default(),
            ties: Vec::new(),
        }
    }
    /// One more stream?
    pub(super) fn check_tie(&self, tie: &TieWish) -> Result<(), Refusal> {
        if self.ties.iter().any(|there| there.stream == tie.stream) {
            return Err(Refusal::field("stream", "has already been taken"));
        }
        if self.ties.len() >= TIES_MAX {
            return Err(Refusal::field("streams", format!("are too many (maximum is {TIES_MAX})")));
        }
        Ok(())
    }
    fn check(&self) -> Result<(), Refusal> {
        let mut complaints = Complaints::new();
        let title = self.title.chars().count();
        let description = self.description.as_ref().map_or(0, |text| text.chars().count());
        match title {
            0 => complaints.push(("title".into(), "can't be blank".into())),
            _ if title < TITLE_CHARS_MIN => {
                complaints.push(("title".into(), format!("is too short (minimum is {TITLE_CHARS_MIN} characters)").into()));
            }
            _ if title > TITLE_CHARS_MAX => {
                complaints.push(("title".into(), format!("is too long (maximum is {TITLE_CHARS_MAX} characters)").into()));
            }
            _ => {}
        }
        if description > DESCRIPTION_CHARS_MAX {
            complaints.push(("description".into(), format!("is too long (maximum is {DESCRIPTION_CHARS_MAX} characters)").into()));
        }
        if complaints.is_empty() { Ok(()) } else { Err(Refusal::fields(complaints)) }
    }
}

impl NoteChange {
    /// The note that `before` becomes. A blank title becomes the description's beginning.
    pub(super) fn of(&self, before: &Note, asking: &Asking) -> Result<Note, Refusal> {
        let making = before.title.is_empty();
        let description = self.description.clone().unwrap_or_else(|| before.description.clone());
        let title = match &self.title {
            Some(title) => title.clone(),
            None => Some(before.title.clone()).filter(|title| !title.is_empty()),
        };
        let title = title.or_else(|| Some(description.as_ref()?.chars().take(TITLE_CHARS_MAX).collect())).unwrap_or_default();
        let event = match self.event {
            Some(Some(event)) => event,
            // Who says where in a stream, and not when, says it of now.
            None if !making || self.offset_seconds.is_some() => before.event,
            None | Some(None) => return Err(Refusal::field("event_timestamp", "can't be blank")),
        };
        let (priority, status) = (self.priority.unwrap_or(before.priority), self.status.unwrap_or(before.status));
        let mut note = Note { title, description, event, priority, status, ties: before.ties.clone() };
        note.check()?;
        if let Some(wishes) = &self.ties {
            note.ties.clear();
            for wish in wishes {
                note.check_tie(wish)?;
                let kept = before.ties.iter().find(|tie| tie.stream == wish.stream);
                let seconds = wish.seconds.or(self.offset_seconds).or_else(|| kept?.seconds);
                note.ties.push(Tie { seconds, ..kept.copied().unwrap_or_else(|| wish.by(asking.by.user)) });
            }
        } else if let Some(seconds) = self.offset_seconds {
            note.ties.iter_mut().for_each(|tie| tie.seconds = Some(seconds));
        }
        Ok(note)
    }
}

/// Seconds as they are written: `930`, `15:30`, `0:15:30`.
#[must_use]
pub fn seconds_of(text: &str) -> Option<u32> {
    let parts: Vec<&str> = text.trim().split(':').collect();
    let mut seconds: u32 = 0;
    for (place, part) in parts.iter().enumerate() {
        let digits = !part.is_empty() && part.len() <= 9 && part.bytes().all(|byte| byte.is_ascii_digit());
        let number: u32 = digits.then(|| part.parse().ok()).flatten()?;
        if parts.len() > 3 || (place > 0 && number > 59) {
            return None;
        }
        seconds = seconds.checked_mul(60)?.checked_add(number)?;
    }
    (seconds <= SECONDS_MAX).then_some(seconds)
}

/// Seconds as they are shown: `h:mm:ss`, or `m:ss` below an hour.
#[must_use]
pub fn clock_of(seconds: u32) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes}:{rest:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_shows_a_place_in_a_stream() {
        for (text, seconds) in [("930", Some(930)), ("15:30", Some(930)), ("00:15:30", Some(930)), ("1:00:00", Some(3600))] {
            assert_eq!(seconds_of(text), seconds, "{text}");
        }
        for text in ["", "-1", "1:60", "1:2:3:4", "a", "1:", "99999999999", "9999:00:00", "1.5"] {
            assert_eq!(seconds_of(text), None, "{text}");
        }
        assert_eq!((clock_of(930), clock_of(3600), clock_of(5)), ("15:30".into(), "1:00:00".into(), "0:05".into()));
    }
}
