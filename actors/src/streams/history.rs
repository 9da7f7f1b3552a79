//! What happened to one stream: who changed which field, when, from what, to what. A fold of its entity's own commits, made when
//! somebody asks; nothing of it is stored.
//!
//! Asked by the REST resource. Leases are no changes and are passed over; a deleted stream has no history that anybody may read.

use serde::Serialize;
use serde_json::Value;
use trunkline_protocol::{CodecError, Commit, EntityId, Refusal, Timestamp, UserId, Version};

use super::{
    board::Board,
    stream::{FieldValue, Stream, StreamFact, StreamField},
};
use crate::{AskError, Entity as _, Hub};

/// What was done when a field changed; its spelling is the wire's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The stream was added with this value.
    Created,
    /// It was posted again, and the field was empty.
    Filled,
    /// It was edited.
    Updated,
    /// It was pinned.
    Pinned,
    /// It was unpinned.
    Unpinned,
    /// It was archived; other fields may have changed with it.
    Archived,
    /// It was taken out of the archive.
    Unarchived,
}

/// Who did it, as others are shown them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Author {
    /// The account; 0 is the hub itself.
    pub id: UserId,
    /// What others are shown; `None` where the account is gone.
    pub name: Option<String>,
}

/// One field of one write.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Entry {
    /// Where it stands in the history; also the cursor that continues after it.
    pub id: String,
    /// The version of the entity's commit: changes of one write have the same. Not the stream's `lock_version`.
    pub commit: Version,
    /// When it was decided.
    pub at: Timestamp,
    /// Who.
    pub by: Author,
    /// What was done.
    pub event: Event,
    /// By the hub of itself, because nothing was heard of the stream.
    pub automatic: bool,
    /// Which field, by its name on the wire.
    pub field: &'static str,
    /// What it was; null: empty.
    pub from: Value,
    /// What it became; null: empty.
    pub to: Value,
}

/// A place in a history: entries before it come next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cursor {
    commit: Version,
    place: u32,
}

impl Cursor {
    /// Reads an [`Entry::id`] back; `None` where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (commit, place) = text.split_once('.')?;
        Some(Self { commit: commit.parse().ok()?, place: place.parse().ok()? })
    }
}

/// Which part of a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Only these fields; empty: every one.
    pub fields: Vec<StreamField>,
    /// Only what stands before this.
    pub before: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

/// One page, newest first.
#[derive(Clone, PartialEq, Debug)]
pub struct Page {
    /// The entries; may be fewer than asked for although there are more, where they are far apart.
    pub entries: Vec<Entry>,
    /// Where the next page begins; `None`: this is the end.
    pub next: Option<String>,
}

/// Commits read at once.
const COMMITS_AT_ONCE: usize = 256;
/// Commits that one page may cost. A monitor that looks every minute writes half a million a year; whoever asks for the rare change among
/// them goes on from the cursor.
const COMMITS_A_PAGE: usize = 8 * 1024;

/// One page of the history of stream `id`, newest first.
///
/// # Errors
/// Refused 404 where the board has no such stream (never added, or deleted); the others of [`Hub::commits`].
pub async fn read(hub: &Hub, id: u64, wanted: &Wanted) -> Result<Page, AskError> {
    let board = hub.projection::<Board>();
    let kept = board.kept(id).ok_or_else(Refusal::not_found)?;
    let entity = EntityId::new(Stream::KIND, &kept.home);
    let mut before = wanted.before.map_or(Version::MAX, |cursor| cursor.commit.saturating_add(1));
    let (mut entries, mut cost) = (Vec::new(), 0);
    let next = loop {
        let commits = hub.commits(&entity, before, COMMITS_AT_ONCE).await?;
        fold(&commits, id, wanted, &mut entries).map_err(|error| AskError::Unavailable(error.to_string()))?;
        cost += commits.len();
        if entries.len() > wanted.limit {
            entries.truncate(wanted.limit);
            break entries.last().map(|entry| entry.id.clone());
        }
        match commits.last() {
            Some(oldest) if commits.len() == COMMITS_AT_ONCE => before = oldest.version,
            _ => break None,
        }
        if cost >= COMMITS_A_PAGE {
            break Some(format!("{before}.0"));
        }
    };
    for entry in &mut entries {
        entry.by.name = board.name_of(entry.by.id);
    }
    Ok(Page { entries, next })
}

/// Adds what these commits (newest first) tell, without names, until there is more than was wanted.
fn fold(commits: &[Commit], id: u64, wanted: &Wanted, entries: &mut Vec<Entry>) -> Result<(), CodecError> {
    for commit in commits {
        let mut of_commit = Vec::new();
        let mut place = 0;
        for turn in &commit.turns {
            for fact in turn.facts_of::<StreamFact>() {
                let fact = fact?;
                if fact.stream() != id {
                    continue;
                }
                for (event, automatic, field, from, to) in changes(&fact) {
                    let at = Cursor { commit: commit.version, place };
                    place += 1;
                    let passes = wanted.fields.is_empty() || wanted.fields.contains(&field);
                    if !passes || wanted.before.is_some_and(|before| at >= before) {
                        continue;
                    }
                    of_commit.push(Entry {
                        id: format!("{}.{}", at.commit, at.place),
                        commit: commit.version,
                        at: commit.at,
                        by: Author { id: turn.by, name: None },
                        event,
                        automatic,
                        field: field.name(),
                        from: from.to_json(),
                        to: to.to_json(),
                    });
                }
            }
        }
        of_commit.reverse();
        entries.append(&mut of_commit);
        if entries.len() > wanted.limit {
            return Ok(());
        }
    }
    Ok(())
}

type Changed = (Event, bool, StreamField, FieldValue, FieldValue);

/// Each field that a fact gave a value.
fn changes(fact: &StreamFact) -> Vec<Changed> {
    let event = match fact {
        StreamFact::StreamAdded { fields, .. } => {
            let given = |(field, value): &(StreamField, FieldValue)| {
                (Event::Created, false, *field, FieldValue::Nothing, value.clone())
            };
            return fields.iter().map(given).collect();
        }
        StreamFact::BlanksFilled { .. } => Event::Filled,
        StreamFact::FieldsChanged { .. } => Event::Updated,
        StreamFact::StreamPinned { .. } => Event::Pinned,
        StreamFact::StreamUnpinned { .. } => Event::Unpinned,
        StreamFact::StreamArchived { .. } => Event::Archived,
        StreamFact::StreamUnarchived { .. } => Event::Unarchived,
        StreamFact::StreamDeleted { .. }
        | StreamFact::CellLocked { .. }
        | StreamFact::CellUnlocked { .. }
        | StreamFact::LinkLent { .. }
        // The edit of the link itself stands beside it, as a change.
        | StreamFact::LinkMoved { .. } => return Vec::new(),
    };
    let automatic = matches!(fact, StreamFact::StreamArchived { automatic: true, .. });
    let changed = fact.changes().iter();
    changed.map(|change| (event, automatic, change.field, change.from.clone(), change.to.clone())).collect()
}

#[cfg(test)]
mod tests {
    use trunkline_protocol::{CommandId, Turn, codec};

    use super::*;
    use crate::{streams::stream::field::Change, testing::MOMENT};

    fn commit(version: Version, by: u64, facts: &[StreamFact]) -> Commit {
        let turn = Turn {
            command: CommandId(u128::from(version)),
            by: UserId(by),
            connection: None,
            facts: facts.iter().map(codec::seal).collect(),
        };
        Commit { entity: EntityId::new("stream", "x"), version, position: version, at: MOMENT, turns: vec![turn] }
    }
    fn edit(id: u64, from: &str, to: &str) -> StreamFact {
        let change = |field, from: &str, to: &str| Change { field, from: from.into(), to: to.into() };
        StreamFact::FieldsChanged { id, changes: vec![change(StreamField::Title, from, to), change(StreamField::City, "", to)] }
    }
    fn history() -> Vec<Commit> {
        let added = |id| StreamFact::StreamAdded {
            id,
            user: UserId(1),
            key: "x".into(),
            fields: vec![(StreamField::Link, "https://x".into()), (StreamField::Title, "a".into())],
        };
        vec![
            commit(4, 3, &[edit(8, "a", "z"), edit(7, "b", "c")]),
            commit(3, 2, &[added(8)]),
            commit(2, 2, &[edit(7, "a", "b")]),
            commit(1, 1, &[added(7)]),
        ]
    }
    fn told(fields: &[StreamField], before: Option<Cursor>, limit: usize) -> Vec<Entry> {
        let (wanted, mut entries) = (Wanted { fields: fields.to_vec(), before, limit }, Vec::new());
        fold(&history(), 7, &wanted, &mut entries).expect("facts");
        entries
    }

    #[test]
    fn tells_what_happened_to_one_stream_of_a_link_newest_first() {
        let entries = told(&[StreamField::Title], None, 10);
        let told: Vec<_> = entries.iter().map(|entry| (entry.by.id.0, entry.event, &entry.from, &entry.to)).collect();
        let text = |text: &str| Value::from(text);
        assert_eq!(
            told,
            [
                (3, Event::Updated, &text("b"), &text("c")),
                (2, Event::Updated, &text("a"), &text("b")),
                (1, Event::Created, &Value::Null, &text("a")),
            ]
        );
    }

    #[test]
    fn goes_on_within_a_commit_where_a_page_ended() {
        let whole = told(&[], None, 100);
        assert_eq!(whole.len(), 6);
        for (place, entry) in whole.iter().enumerate() {
            let before = Cursor::parse(&entry.id);
            assert!(before.is_some());
            assert_eq!(told(&[], before, 100), whole[place + 1..], "after {}", entry.id);
        }
        assert_eq!([Cursor::parse("nonsense"), Cursor::parse("1.-1"), Cursor::parse("")], [None, None, None]);
    }
}
