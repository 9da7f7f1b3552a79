//! The life of a stream: added once per link, changed, archived, deleted; by whom (`streams.md` 2.1, 4.3 to 4.8). Pure.

use std::time::Duration;

use trunkline_protocol::{Principal, Refusal, RefusalKind, Timestamp};

use super::{
    Stream, cells,
    command::{DUPLICATE, ELSEWHERE, Expected, LENT, Room},
    draft::{Changes, Draft},
    fact::StreamFact,
    field::{Change, FieldValue, StreamField},
    state::StreamState,
    words::Status,
};
use crate::{
    Asking, Decision,
    accounts::policy::permission::{STREAMS_DELETE_ANY, STREAMS_UPDATE_ANY, STREAMS_WRITE},
    streams::link::Link,
};

/// A check may be this old for a stream to count as watched (`streams.md` 4.8.6).
const CHECK_FORGOTTEN_AFTER: Duration = Duration::from_secs(30 * 60);

/// Who may add streams.
///
/// # Errors
/// 403.
pub fn may_add(by: &Principal) -> Result<(), Refusal> {
    by.require(STREAMS_WRITE)
}

/// Who may change, pin and archive a stream of `owner`'s.
///
/// # Errors
/// 403.
pub fn may_update(by: &Principal, stream: &StreamState) -> Result<(), Refusal> {
    let own = by.user == stream.user && by.may(STREAMS_WRITE);
    if own || by.may(STREAMS_UPDATE_ANY) { Ok(()) } else { Err(Refusal::forbidden()) }
}

fn may_delete(by: &Principal, stream: &StreamState) -> Result<(), Refusal> {
    let own = by.user == stream.user && by.may(STREAMS_WRITE);
    if own || by.may(STREAMS_DELETE_ANY) { Ok(()) } else { Err(Refusal::forbidden()) }
}

pub(super) fn add(
    stream: &Stream,
    id: u64,
    draft: &Draft,
    reclaim: Option<u64>,
    asking: &Asking,
) -> Result<Decision<Stream>, Refusal> {
    may_add(&asking.by)?;
    if let Some(twin) = stream.active() {
        let changes = fill_blanks(twin, draft, asking);
        if changes.is_empty() {
            return Err(Refusal::conflict(DUPLICATE, "A stream with this link exists already").about(twin.id));
        }
        return Ok(Decision::fact(StreamFact::BlanksFilled { id: twin.id, changes }));
    }
    if let Some(lent) = stream.lent.filter(|lent| reclaim != Some(*lent)) {
        return Err(Refusal::conflict(LENT, "Another stream was given this link").about(lent));
    }
    let fields = fields_of(draft, asking);
    let key = if stream.key.is_empty() { draft.link.canonical().into() } else { stream.key.clone() };
    Ok(Decision::fact(StreamFact::StreamAdded { id, user: asking.by.user, key, fields }))
}

/// Everything that is known of a new stream, and what follows from it (4.3, 4.8).
fn fields_of(draft: &Draft, asking: &Asking) -> Vec<(StreamField, FieldValue)> {
    let mut known = Changes::default();
    known.fields.reserve(draft.changes.fields.len() + 4);
    known.fields.push((StreamField::Link, FieldValue::from(draft.link.as_str())));
    known.fields.extend(draft.changes.fields.iter().cloned());
    let set_blank = |known: &mut Changes, field: StreamField, value: FieldValue| {
        if known.get(field).is_none_or(FieldValue::is_blank) {
            known.set(field, value);
        }
    };
    set_blank(&mut known, StreamField::PostedBy, FieldValue::from(&*asking.by.email));
    let live = known.text(StreamField::Status) == Some(Status::Live.key());
    if live {
        // The post of a live stream is a check of it; any other post is not (4.8.1).
        set_blank(&mut known, StreamField::LastCheckedAt, FieldValue::At(asking.at));
        let checked = moment(known.get(StreamField::LastCheckedAt)).unwrap_or(asking.at);
        set_blank(&mut known, StreamField::LastLiveAt, FieldValue::At(checked));
        set_blank(&mut known, StreamField::StartedAt, FieldValue::At(checked));
    }
    if known.get(StreamField::IsArchived) == Some(&FieldValue::Flag(true)) {
        let ended = moment(known.get(StreamField::LastCheckedAt)).unwrap_or(asking.at);
        set_blank(&mut known, StreamField::EndedAt, FieldValue::At(ended));
    }
    known.fields.retain(|(_, value)| !value.is_blank() && *value != FieldValue::Flag(false));
    known.fields
}

/// What a repeated post adds to what is known: only where nothing was known (4.3).
fn fill_blanks(twin: &StreamState, draft: &Draft, asking: &Asking) -> Vec<Change> {
    let blank = |field: StreamField| twin.get(field).is_blank();
    // City, state and location are one thing: a second poster's state must not be joined to the first one's city.
    let same_city = || match (twin.get(StreamField::City).text(), draft.changes.text(StreamField::City)) {
        (Some(known), Some(said)) => known.eq_ignore_ascii_case(said),
        (None, _) => true,
        (Some(_), None) => false,
    };
    let fillable = |field: StreamField| match field {
        StreamField::Title | StreamField::Notes | StreamField::PostedBy | StreamField::Platform | StreamField::Orientation => true,
        StreamField::Streamer => true,
        StreamField::City | StreamField::State | StreamField::Location => same_city(),
        // It is the owner's own name for it.
        StreamField::ExternalId => twin.user == asking.by.user,
        StreamField::Link
        | StreamField::Source
        | StreamField::Status
        | StreamField::Kind
        | StreamField::IsPinned
        | StreamField::IsArchived
        | StreamField::LastCheckedAt
        | StreamField::LastLiveAt
        | StreamField::StartedAt
        | StreamField::EndedAt => false,
    };
    let filled = draft.changes.fields.iter().filter(|(field, value)| !value.is_blank() && blank(*field) && fillable(*field));
    filled.map(|(field, value)| Change { field: *field, from: FieldValue::Nothing, to: value.clone() }).collect()
}

pub(super) fn fill(stream: &Stream, id: u64, draft: &Draft, asking: &Asking) -> Result<Decision<Stream>, Refusal> {
    may_add(&asking.by)?;
    let changes = fill_blanks(stream.known(id)?, draft, asking);
    if changes.is_empty() {
        return Ok(Decision::nothing());
    }
    Ok(Decision::fact(StreamFact::BlanksFilled { id, changes }))
}

/// Whether a repeat of an active stream would fill a blank; where not, nobody needs to be asked.
#[must_use]
pub fn would_fill(twin: &StreamState, draft: &Draft, asking: &Asking) -> bool {
    !fill_blanks(twin, draft, asking).is_empty()
}

pub(super) fn edit(
    stream: &Stream,
    id: u64,
    changes: &Changes,
    expected: Option<Expected>,
    room: &Room,
    asking: &Asking,
) -> Result<Decision<Stream>, Refusal> {
    let known = stream.known(id)?;
    may_update(&asking.by, known)?;
    if let Some(expected) = expected {
        check(known, expected)?;
    }
    Ok(Decision::facts(changed(stream, known, changes, room, asking.at)?))
}

fn check(known: &StreamState, expected: Expected) -> Result<(), Refusal> {
    match expected {
        Expected::Version(version) if version != known.version => {
            Err(Refusal::new(RefusalKind::Stale, "STALE", "The stream was changed since you looked"))
        }
        Expected::LockVersion(version) if version != known.version => {
            Err(Refusal::conflict("STALE", "The stream was changed since you looked"))
        }
        // The header has whole seconds.
        Expected::UnmodifiedSince(at) if known.updated_at.as_seconds() > at.as_seconds() => {
            Err(Refusal::conflict("STALE", "The stream was changed since you looked"))
        }
        Expected::Version(_) | Expected::LockVersion(_) | Expected::UnmodifiedSince(_) => Ok(()),
    }
}

/// The facts that a change of an existing stream comes to; none where everything is so already.
pub(super) fn changed(
    stream: &Stream,
    known: &StreamState,
    wanted: &Changes,
    room: &Room,
    at: Timestamp,
) -> Result<Vec<StreamFact>, Refusal> {
    let id = known.id;
    let canonical = Link::read(&known.link).map_or_else(|_| stream.key.clone(), |link| link.canonical().into());
    let moved_to = wanted.link.as_ref().map(Link::canonical).filter(|link| **link != *canonical);
    let mut effects = effects(known, wanted, at);
    let archived = effects.get(StreamField::IsArchived).map_or(known.is_archived, |flag| *flag == FieldValue::Flag(true));
    let returns = known.is_archived && !archived;
    if (returns || (moved_to.is_some() && !archived))
        && let Some(in_the_way) = in_the_way(stream, id, moved_to.unwrap_or(&canonical), room)
    {
        let found_live = returns && wanted.get(StreamField::IsArchived).is_none();
        if !found_live || in_the_way.code == ELSEWHERE {
            return Err(in_the_way);
        }
        // A check found it live, but its link has a newer session: what was found is kept, the archive keeps the stream.
        effects.set(StreamField::IsArchived, FieldValue::Flag(true));
        effects.set(StreamField::EndedAt, FieldValue::from(known.ended_at));
    }
    let mut changes: Vec<Change> = Vec::with_capacity(effects.fields.len() + 1);
    if let Some(link) = wanted.link.as_ref().filter(|link| *link.as_str() != *known.link) {
        let (from, to) = (known.get(StreamField::Link), FieldValue::from(link.as_str()));
        changes.push(Change { field: StreamField::Link, from, to });
    }
    for (field, to) in effects.fields {
        let from = known.get(field);
        if from != to {
            changes.push(Change { field, from, to });
        }
    }
    changes.sort_by_key(|change| change.field);
    let mut facts: Vec<StreamFact> = named(known, changes).into_iter().collect();
    facts.extend(moved_to.map(|to| StreamFact::LinkMoved { id, to: to.into() }));
    Ok(facts)
}

/// The fact that tells what these changes mean.
fn named(known: &StreamState, changes: Vec<Change>) -> Option<StreamFact> {
    let id = known.id;
    let to = |field: StreamField| changes.iter().find(|change| change.field == field).map(|change| &change.to);
    let flag = |field: StreamField| to(field).map(|value| *value == FieldValue::Flag(true));
    Some(match (changes.as_slice(), flag(StreamField::IsArchived), flag(StreamField::IsPinned)) {
        ([], ..) => return None,
        (_, Some(true), _) => StreamFact::StreamArchived { id, automatic: false, changes },
        (_, Some(false), _) => StreamFact::StreamUnarchived { id, changes },
        ([_], None, Some(true)) => StreamFact::StreamPinned { id, changes },
        ([_], None, Some(false)) => StreamFact::StreamUnpinned { id, changes },
        (_, None, _) => StreamFact::FieldsChanged { id, changes },
    })
}

/// What was provided and what follows from it (4.8). `at` is the server's time.
fn effects(known: &StreamState, wanted: &Changes, at: Timestamp) -> Changes {
    let mut effects = Changes { fields: wanted.fields.clone(), ..Changes::default() };
    let checked = moment(wanted.get(StreamField::LastCheckedAt)).unwrap_or(at);
    let status = wanted.text(StreamField::Status);
    // 1. A status found is a check; `checking` is only the wish for one.
    if status.is_some_and(|status| status != Status::Checking.key()) {
        effects.set(StreamField::LastCheckedAt, FieldValue::At(checked));
    }
    // 2. Live.
    if status == Some(Status::Live.key()) {
        if moment(wanted.get(StreamField::LastLiveAt)).is_none() {
            effects.set(StreamField::LastLiveAt, FieldValue::At(checked));
        }
        if wanted.get(StreamField::StartedAt).is_none() && known.started_at.is_none() {
            effects.set(StreamField::StartedAt, FieldValue::At(checked));
        }
        if wanted.get(StreamField::EndedAt).is_none() && known.ended_at.is_some() {
            effects.set(StreamField::EndedAt, FieldValue::Nothing);
        }
        if known.is_archived && wanted.get(StreamField::IsArchived).is_none() {
            effects.set(StreamField::IsArchived, FieldValue::Flag(false));
        }
    }
    // 4. Archive and unarchive.
    match wanted.get(StreamField::IsArchived) {
        Some(FieldValue::Flag(true)) if !known.is_archived => {
            let given = moment(wanted.get(StreamField::EndedAt)).or(known.ended_at);
            let last_checked = moment(effects.get(StreamField::LastCheckedAt)).or(known.last_checked_at);
            effects.set(StreamField::EndedAt, FieldValue::At(given.or(last_checked).unwrap_or(at)));
        }
        Some(FieldValue::Flag(false)) if known.is_archived && wanted.get(StreamField::EndedAt).is_none() => {
            effects.set(StreamField::EndedAt, FieldValue::Nothing);
        }
        _ => {}
    }
    effects
}

fn moment(value: Option<&FieldValue>) -> Option<Timestamp> {
    match value {
        Some(FieldValue::At(at)) => Some(*at),
        _ => None,
    }
}

/// Why a stream cannot be active under this link just now. What another entity keeps, whoever asks must have made sure of.
fn in_the_way(stream: &Stream, id: u64, link: &str, room: &Room) -> Option<Refusal> {
    match room {
        _ if *link == *stream.key => in_the_way_at_home(stream, id),
        Room::Lent(of) if **of == *link => None,
        Room::Taken(of) if **of == *link => Some(taken()),
        Room::Unknown | Room::Lent(_) | Room::Taken(_) => {
            Some(Refusal::conflict(ELSEWHERE, "Another link must be made sure of first").about(link))
        }
    }
}

fn in_the_way_at_home(stream: &Stream, id: u64) -> Option<Refusal> {
    if stream.active().is_some_and(|twin| twin.id != id) {
        return Some(taken());
    }
    let lent = stream.lent.filter(|lent| *lent != id)?;
    Some(Refusal::conflict(LENT, "Another stream was given this link").about(lent))
}

/// 422 `Link has already been taken`.
#[must_use]
pub fn taken() -> Refusal {
    Refusal::field("link", "has already been taken")
}

pub(super) fn pin(stream: &Stream, id: u64, pinned: bool, asking: &Asking) -> Result<Decision<Stream>, Refusal> {
    one(stream, id, (StreamField::IsPinned, pinned), &Room::Unknown, asking)
}

pub(super) fn archive(stream: &Stream, id: u64, asking: &Asking) -> Result<Decision<Stream>, Refusal> {
    one(stream, id, (StreamField::IsArchived, true), &Room::Unknown, asking)
}

pub(super) fn unarchive(stream: &Stream, id: u64, room: &Room, asking: &Asking) -> Result<Decision<Stream>, Refusal> {
    one(stream, id, (StreamField::IsArchived, false), room, asking)
}

fn one(
    stream: &Stream,
    id: u64,
    (field, flag): (StreamField, bool),
    room: &Room,
    asking: &Asking,
) -> Result<Decision<Stream>, Refusal> {
    let known = stream.known(id)?;
    may_update(&asking.by, known)?;
    let changes = Changes { fields: vec![(field, FieldValue::Flag(flag))], ..Changes::default() };
    Ok(Decision::facts(changed(stream, known, &changes, room, asking.at)?))
}

pub(super) fn delete(stream: &Stream, id: u64, asking: &Asking) -> Result<Decision<Stream>, Refusal> {
    may_delete(&asking.by, stream.known(id)?)?;
    let mut facts = cells::end_all(stream, id);
    facts.push(StreamFact::StreamDeleted { id });
    Ok(Decision::facts(facts))
}

/// Whether nothing was heard of a stream for so long that it is over (4.8.6).
#[must_use]
pub fn is_forgotten(stream: &StreamState, after: Duration, now: Timestamp) -> bool {
    if stream.is_archived || stream.is_pinned || matches!(stream.status, Status::Live | Status::Checking) {
        return false;
    }
    let unwatched = stream.last_checked_at.is_some_and(|checked| checked < now.minus(CHECK_FORGOTTEN_AFTER));
    unwatched || stream.last_live_at.unwrap_or(stream.updated_at) < now.minus(after)
}

pub(super) fn archive_forgotten(stream: &Stream, id: u64, after: Duration, asking: &Asking) -> Result<Decision<Stream>, Refusal> {
    let known = stream.known(id)?;
    may_update(&asking.by, known)?;
    if !is_forgotten(known, after, asking.at) {
        return Ok(Decision::nothing());
    }
    let changes = Changes { fields: vec![(StreamField::IsArchived, FieldValue::Flag(true))], ..Changes::default() };
    let mut facts = changed(stream, known, &changes, &Room::Unknown, asking.at)?;
    for fact in &mut facts {
        if let StreamFact::StreamArchived { automatic, .. } = fact {
            *automatic = true;
        }
    }
    Ok(Decision::facts(facts))
}

pub(super) fn lend(stream: &Stream, to: u64, reclaim: Option<u64>, asking: &Asking) -> Result<Decision<Stream>, Refusal> {
    may_add(&asking.by)?;
    match in_the_way_at_home(stream, to) {
        Some(refusal) if refusal.code != LENT || reclaim != stream.lent => return Err(refusal),
        _ => {}
    }
    if stream.lent == Some(to) {
        return Ok(Decision::nothing());
    }
    Ok(Decision::fact(StreamFact::LinkLent { to }))
}
