//! How streams are written: the one road from a draft or a change to the entity that decides it.
//!
//! Asked by REST, by the import, by moderation's release and by the cable channels. It looks things up and asks in the right order;
//! every rule is the entity's own.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};
use trunkline_protocol::{
    CommandId, Position, Record, Refusal, RefusalKind, UserId, codec::kinds, limits::READ_YOUR_WRITES_DEADLINE,
};

use super::{
    StreamsConfig,
    board::{Board, Kept, StreamRow},
    location,
    stream::{
        Changes, DUPLICATE, Draft, ELSEWHERE, Expected, FieldValue, LENT, Place, Room, Stream, StreamCommand, StreamFact,
        StreamField, StreamState, rules,
    },
    streamer::{self, Mention, Streamers},
};
use crate::{
    AskError, Asking, Hub, Outcome,
    moderation::{self, Callable, Submission, Submitted},
};

/// What a post came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Added {
    /// The stream: the new one, or the one that was there.
    pub id: u64,
    /// It is new.
    pub created: bool,
    /// From where it is seen; 0 where nothing was written.
    pub position: Position,
}

/// The wish to add a stream, as moderation makes it or keeps it for later.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AddStream(pub Draft);

impl Record for AddStream {
    const KIND: u16 = kinds::STREAM_CALL;
    const SCHEMA: u8 = 1;
}

impl Callable for AddStream {
    const NAME: &'static str = "streams.add";
    type Answer = Added;
    async fn make(self, hub: &Hub, asking: Asking) -> Result<Added, AskError> {
        add(hub, self.0, asking).await
    }
}

/// Submits a draft: judged by moderation, then added, or answered with the stream that is there already.
///
/// # Errors
/// 403; 422 `MODERATION_BLOCKED` and by 4.4; what [`Hub::ask`] may answer.
pub async fn submit(hub: &Hub, draft: Draft, asking: Asking) -> Result<Submitted<Added>, AskError> {
    rules::may_add(&asking.by)?;
    let submission = submission(&draft);
    moderation::submit(hub, &submission, AddStream(draft), asking).await
}

/// The draft as moderation judges it.
pub(super) fn submission(draft: &Draft) -> Submission {
    let text = |field| draft.changes.text(field).map(str::to_owned);
    let words = [text(StreamField::Title), text(StreamField::Notes)];
    Submission {
        kind: Stream::SUBMISSION.to_owned(),
        url: Some(draft.link.as_str().to_owned()),
        canonical: Some(draft.link.canonical().to_owned()),
        text: words.into_iter().flatten().reduce(|title, notes| format!("{title}\n{notes}")),
        sha256: None,
        source: text(StreamField::Source),
        author: text(StreamField::PostedBy),
    }
}

/// Adds a stream, or answers with the active one of this link, or of this submitter's own id for it (`streams.md` 4.3).
///
/// # Errors
/// 403, 422 by 4.4; what [`Hub::ask`] may answer.
pub async fn add(hub: &Hub, mut draft: Draft, asking: Asking) -> Result<Added, AskError> {
    rules::may_add(&asking.by)?;
    let board = hub.projection::<Board>();
    let turnstiles = hub.provided::<Turnstiles>();
    let external_id = draft.changes.text(StreamField::ExternalId).map(Box::<str>::from);
    let _turn = match &external_id {
        Some(external_id) => Some(turnstiles.pass(asking.by.user, external_id).await?),
        None => None,
    };
    let twin = board.active_with_link(draft.link.canonical());
    let namesake = || board.active_with_external_id(asking.by.user, external_id.as_deref()?);
    let (known, elsewhere) = match twin {
        Some(twin) => (Some(twin), false),
        None => (namesake(), true),
    };
    if let Some(known) = known {
        if !rules::would_fill(&known.stream, &draft, &asking) {
            return Ok(Added { id: known.stream.id, created: false, position: 0 });
        }
        if elsewhere || known.home != known.canonical {
            resolve(hub, &mut draft.changes, draft.link.as_str(), &asking).await?;
            let command = StreamCommand::FillBlanks { id: known.stream.id, draft: Arc::new(draft) };
            let outcome = hub.ask::<Stream>(&known.home, command, asking).await?;
            return Ok(Added { id: known.stream.id, created: false, position: outcome.position });
        }
    }
    resolve(hub, &mut draft.changes, draft.link.as_str(), &asking).await?;
    let added = ask_to_add(hub, &board, Arc::new(draft), asking).await?;
    if external_id.is_some() && added.position > 0 {
        // The next one through the turnstile must find it on the board.
        hub.seen(added.position).await?;
    }
    Ok(added)
}

async fn ask_to_add(hub: &Hub, board: &Board, draft: Arc<Draft>, asking: Asking) -> Result<Added, AskError> {
    let id = hub.next_id("streams").await?;
    let mut reclaim = false;
    let mut command = asking.command;
    loop {
        let add = StreamCommand::Add { id, draft: Arc::clone(&draft), reclaim };
        let refusal = match hub.ask::<Stream>(draft.link.canonical(), add, Asking { command, ..asking.clone() }).await {
            Ok(outcome) => return Ok(added(&outcome, id)),
            Err(AskError::Refused(refusal)) => refusal,
            Err(failure) => return Err(failure),
        };
        let subject = refusal.subject.as_deref().and_then(|id| id.parse::<u64>().ok());
        match (&*refusal.code, subject) {
            (DUPLICATE, Some(twin)) => {
                until_shown(board, twin).await?;
                return Ok(Added { id: twin, created: false, position: 0 });
            }
            (LENT, Some(borrower)) if !reclaim => {
                if has_link(board, borrower, draft.link.canonical()) {
                    return Ok(Added { id: borrower, created: false, position: 0 });
                }
                reclaim = true;
                command = CommandId::step(asking.command, 1);
            }
            _ => return Err(refusal.into()),
        }
    }
}

fn added(outcome: &Outcome<Stream>, id: u64) -> Added {
    let position = outcome.position;
    let told = outcome.facts.iter().find_map(|fact| match fact {
        StreamFact::StreamAdded { id, .. } => Some((*id, true)),
        StreamFact::BlanksFilled { id, .. } => Some((*id, false)),
        _ => None,
    });
    let (id, created) = told.unwrap_or((id, false));
    Added { id, created, position }
}

/// The twin that was in the way is durable, but the board may be a moment behind.
async fn until_shown(board: &Board, id: u64) -> Result<(), AskError> {
    let mut waited = Duration::ZERO;
    let mut pause = Duration::from_millis(1);
    while board.kept(id).is_none() {
        if waited >= READ_YOUR_WRITES_DEADLINE {
            return Err(AskError::Deadline);
        }
        tokio::time::sleep(pause).await;
        waited += pause;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Ok(())
}

fn has_link(board: &Board, id: u64, canonical: &str) -> bool {
    board.kept(id).is_some_and(|kept| !kept.stream.is_archived && *kept.canonical == *canonical)
}

/// Asks the entity of a stream; 404 where there is no such stream. For what needs nothing looked up before: pin, archive, unarchive, delete.
///
/// # Errors
/// What the command may be refused with; what [`Hub::ask`] may answer.
pub async fn ask(hub: &Hub, id: u64, command: StreamCommand, asking: Asking) -> Result<Outcome<Stream>, AskError> {
    let kept = hub.projection::<Board>().kept(id).ok_or_else(Refusal::not_found)?;
    ask_making_room(hub, &kept, command, asking).await
}

/// Changes a stream: only what is provided, and what follows from it (4.8).
///
/// # Errors
/// 403, 404, 409, 412, 422; what [`Hub::ask`] may answer.
pub async fn change(
    hub: &Hub,
    id: u64,
    mut changes: Changes,
    expected: Option<Expected>,
    asking: Asking,
) -> Result<Outcome<Stream>, AskError> {
    let kept = hub.projection::<Board>().kept(id).ok_or_else(Refusal::not_found)?;
    // Before anything is looked up, added or lent on its behalf.
    rules::may_update(&asking.by, &kept.stream)?;
    resolve_change(hub, &mut changes, &kept.stream, &asking).await?;
    ask_making_room(hub, &kept, StreamCommand::Edit { id, changes, expected, room: Room::Unknown }, asking).await
}

/// Writes a cell of the grid and lets it go. A cell of a stream that does not exist is locked by nobody.
///
/// # Errors
/// As [`StreamCommand::UpdateCell`]; what [`Hub::ask`] may answer.
pub async fn update_cell(
    hub: &Hub,
    id: u64,
    cell: String,
    field: String,
    value: Option<String>,
    asking: Asking,
) -> Result<Outcome<Stream>, AskError> {
    let Some(kept) = hub.projection::<Board>().kept(id) else {
        let sentence = format!("Update failed: Couldn't find Stream with 'id'={id}");
        return Err(Refusal::new(RefusalKind::NotFound, "NOT_FOUND", sentence).into());
    };
    let command = StreamCommand::UpdateCell { id, cell, field, value, room: Room::Unknown };
    ask_making_room(hub, &kept, command, asking).await
}

/// The row, once what was written at `position` can be seen.
///
/// # Errors
/// 404 where it is gone; what [`Hub::seen`] may answer.
pub async fn row_after(hub: &Hub, id: u64, position: Position) -> Result<StreamRow, AskError> {
    if position > 0 {
        hub.seen(position).await?;
    }
    Ok(hub.projection::<Board>().row(id).ok_or_else(Refusal::not_found)?)
}

/// Asks; where the stream is to be active under a link that another entity keeps, makes sure of that and asks again. Not before: who may
/// not, and who is too late, shall claim nothing.
async fn ask_making_room(hub: &Hub, kept: &Kept, command: StreamCommand, asking: Asking) -> Result<Outcome<Stream>, AskError> {
    let error = match ask_freeing(hub, kept, command.clone(), asking.clone()).await {
        Ok(outcome) => return Ok(outcome),
        Err(error) => error,
    };
    let link = subject_of(ELSEWHERE, &error).map(str::to_owned).ok_or(error)?;
    let room = match claim(hub, &link, kept.stream.id, &asking).await {
        Ok(()) => Room::Lent,
        Err(AskError::Refused(refusal)) if refusal.kind == RefusalKind::Invalid => Room::Taken,
        Err(error) => return Err(error),
    };
    ask_freeing(hub, kept, command.knowing(room), asking).await
}

/// Makes sure of a link for a stream that lives elsewhere: 422 where an active stream has it.
async fn claim(hub: &Hub, canonical: &str, id: u64, asking: &Asking) -> Result<(), AskError> {
    let lend = |reclaim, step| {
        let asking = Asking { command: CommandId::step(asking.command, step), ..asking.clone() };
        hub.ask::<Stream>(canonical, StreamCommand::Lend { to: id, reclaim }, asking)
    };
    let Err(error) = lend(false, 2).await else { return Ok(()) };
    let borrower = borrower(&error).ok_or(error)?;
    if has_link(&hub.projection::<Board>(), borrower, canonical) {
        return Err(rules::taken().into());
    }
    lend(true, 3).await.map(|_| ())
}

/// Asks, and where a link that was lent once is in the way, looks whether it still is.
async fn ask_freeing(hub: &Hub, kept: &Kept, command: StreamCommand, asking: Asking) -> Result<Outcome<Stream>, AskError> {
    let error = match hub.ask::<Stream>(&kept.home, command.clone(), asking.clone()).await {
        Ok(outcome) => return Ok(outcome),
        Err(error) => error,
    };
    let borrower = borrower(&error).ok_or(error)?;
    if has_link(&hub.projection::<Board>(), borrower, &kept.home) {
        return Err(rules::taken().into());
    }
    let step = |step| Asking { command: CommandId::step(asking.command, step), ..asking.clone() };
    hub.ask::<Stream>(&kept.home, StreamCommand::Lend { to: kept.stream.id, reclaim: true }, step(4)).await?;
    hub.ask::<Stream>(&kept.home, command, step(5)).await
}

fn borrower(error: &AskError) -> Option<u64> {
    subject_of(LENT, error)?.parse().ok()
}

fn subject_of<'a>(code: &str, error: &'a AskError) -> Option<&'a str> {
    match error {
        AskError::Refused(refusal) if refusal.code == code => refusal.subject.as_deref(),
        _ => None,
    }
}

/// Finds, or adds, the location and the streamer that a new stream speaks of.
async fn resolve(hub: &Hub, changes: &mut Changes, link: &str, asking: &Asking) -> Result<(), AskError> {
    resolve_place(hub, changes, None, asking).await?;
    if changes.get(StreamField::Streamer).is_some() {
        return check_streamer(hub, changes);
    }
    let named = changes.streamer_name.take();
    let source = named.as_deref().or_else(|| changes.text(StreamField::Source)).unwrap_or_default();
    let platform = changes.text(StreamField::Platform).map(str::to_lowercase);
    let mention = Mention::of(source, link, platform.as_deref(), changes.text(StreamField::PostedBy));
    if let Some(mention) = mention
        && let Some(id) = streamer::resolve(hub, asking, mention).await?
    {
        changes.set(StreamField::Streamer, FieldValue::Id(id));
    }
    Ok(())
}

/// The same for a change: only where the change speaks of them.
async fn resolve_change(hub: &Hub, changes: &mut Changes, known: &StreamState, asking: &Asking) -> Result<(), AskError> {
    resolve_place(hub, changes, Some(known), asking).await?;
    if changes.get(StreamField::Streamer).is_some() {
        return check_streamer(hub, changes);
    }
    let Some(name) = changes.streamer_name.take() else { return Ok(()) };
    let platform = known.platform.map(|platform| platform.key.key());
    if let Some(mention) = Mention::of(&name, &known.link, platform, None)
        && let Some(id) = streamer::resolve(hub, asking, mention).await?
    {
        changes.set(StreamField::Streamer, FieldValue::Id(id));
    }
    Ok(())
}

fn check_streamer(hub: &Hub, changes: &Changes) -> Result<(), AskError> {
    match changes.get(StreamField::Streamer) {
        Some(FieldValue::Id(id)) if hub.projection::<Streamers>().get(*id).is_none() => {
            Err(Refusal::field("streamer", "must exist").into())
        }
        _ => Ok(()),
    }
}

async fn resolve_place(hub: &Hub, changes: &mut Changes, known: Option<&StreamState>, asking: &Asking) -> Result<(), AskError> {
    let (region, country) = match std::mem::take(&mut changes.place) {
        Place::Cleared => {
            for field in [StreamField::Location, StreamField::City, StreamField::State] {
                changes.set(field, FieldValue::Nothing);
            }
            return Ok(());
        }
        Place::Known(id) => {
            let row = hub.projection::<location::Locations>().get(id).ok_or_else(|| Refusal::field("location", "must exist"))?;
            changes.set(StreamField::Location, FieldValue::Id(id));
            changes.set(StreamField::City, FieldValue::from(row.place.city.as_str()));
            changes.set(StreamField::State, FieldValue::from(row.place.state_province.as_deref()));
            return Ok(());
        }
        Place::Described { region, country } => (region, country),
        Place::AsWritten => (None, None),
    };
    let spoken_of = changes.get(StreamField::City).is_some() || changes.get(StreamField::State).is_some();
    if !spoken_of {
        return Ok(());
    }
    let said = |field: StreamField, known: Option<&str>| match changes.get(field) {
        Some(value) => value.text().map(str::to_owned),
        None => known.map(str::to_owned),
    };
    let city = said(StreamField::City, known.and_then(|known| known.city.as_deref()));
    let state = said(StreamField::State, known.and_then(|known| known.state.as_deref()));
    let found = match city {
        None => None,
        Some(city) => {
            let place = location::Place::named(&city, state.as_deref(), region.as_deref(), country.as_deref());
            let known_only = hub.provided::<StreamsConfig>().location_validation;
            location::find_or_create(hub, asking, place, known_only).await?
        }
    };
    if known.is_some() || found.is_some() {
        changes.set(StreamField::Location, FieldValue::from(found));
    }
    Ok(())
}

/// One post at a time of one submitter's own id for a stream: two links under one id would otherwise be two streams. Per node: a
/// submitter's posts come to one.
#[derive(Debug)]
pub struct Turnstiles(Box<[Mutex<()>]>);

impl Default for Turnstiles {
    fn default() -> Self {
        Self((0..Self::MANY).map(|_| Mutex::new(())).collect())
    }
}

impl Turnstiles {
    /// So many that two posts under way seldom meet in one by accident.
    const MANY: usize = 4096;
    /// Whoever waits longer is told that too much is waiting.
    const PATIENCE: Duration = Duration::from_secs(5);

    async fn pass(&self, user: UserId, external_id: &str) -> Result<MutexGuard<'_, ()>, AskError> {
        let mut hasher = DefaultHasher::new();
        (user, external_id).hash(&mut hasher);
        let turnstile = &self.0[(hasher.finish() % Self::MANY as u64) as usize];
        tokio::time::timeout(Self::PATIENCE, turnstile.lock()).await.map_err(|_| AskError::Overloaded)
    }
}
