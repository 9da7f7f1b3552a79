//! How streams are written: the one road from a draft or a change to the entity that decides it.
//!
//! Asked by REST, by the import, by moderation's release and by the cable channels. It looks things up and asks in the right order;
//! every rule is the entity's own.

mod adding;
mod surroundings;

use trunkline_protocol::{CommandId, Position, Refusal, RefusalKind};

#[cfg(test)]
pub(super) use adding::submission;
pub use adding::{AddStream, Added, Turnstiles, add, submit};

use super::{
    board::{Board, Kept, StreamRow},
    stream::{Changes, ELSEWHERE, Expected, LENT, Room, Stream, StreamCommand, rules},
};
use crate::{AskError, Asking, Hub, Outcome};

/// How many links one command makes sure of, where they are edited under its hands.
const LINKS_MAX: u32 = 3;

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
    surroundings::resolve_change(hub, &mut changes, &kept.stream, &asking).await?;
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
    let mut error = match ask_freeing(hub, kept, command.clone(), asking.clone()).await {
        Ok(outcome) => return Ok(outcome),
        Err(error) => error,
    };
    let turnstiles = hub.provided::<Turnstiles>();
    for attempt in 0..LINKS_MAX {
        let link = subject_of(ELSEWHERE, &error).map(str::to_owned).ok_or(error)?;
        // Held until the board shows what came of it: whoever finds the link lent asks the board whether it still is.
        let _turn = turnstiles.of_link(&link).await?;
        let room = match claim(hub, &link, kept.stream.id, &asking, 10 + 2 * attempt).await {
            Ok(()) => Room::Lent(link.into()),
            Err(AskError::Refused(refusal)) if refusal.kind == RefusalKind::Invalid => Room::Taken(link.into()),
            Err(error) => return Err(error),
        };
        error = match hub.ask::<Stream>(&kept.home, command.clone().knowing(room), asking.clone()).await {
            Ok(outcome) => return hub.seen(outcome.position).await.map(|()| outcome),
            // Somebody has edited the stream's link meanwhile: that one, then.
            Err(error) => error,
        };
    }
    Err(error)
}

/// Makes sure of a link for a stream that lives elsewhere: 422 where an active stream has it. Asks as `step` of the caller's command, and as
/// the one after it.
async fn claim(hub: &Hub, canonical: &str, id: u64, asking: &Asking, step: u32) -> Result<(), AskError> {
    let lend = |reclaim, step| {
        let asking = Asking { command: CommandId::step(asking.command, step), ..asking.clone() };
        hub.ask::<Stream>(canonical, StreamCommand::Lend { to: id, reclaim }, asking)
    };
    let Err(error) = lend(None, step).await else { return Ok(()) };
    let borrower = borrower(&error).ok_or(error)?;
    if has_link(&hub.projection::<Board>(), borrower, canonical) {
        return Err(rules::taken().into());
    }
    lend(Some(borrower), step + 1).await.map(|_| ())
}

/// Asks, and where a link that was lent once is in the way, looks whether it still is.
async fn ask_freeing(hub: &Hub, kept: &Kept, command: StreamCommand, asking: Asking) -> Result<Outcome<Stream>, AskError> {
    let error = match hub.ask::<Stream>(&kept.home, command.clone(), asking.clone()).await {
        Ok(outcome) => return Ok(outcome),
        Err(error) => error,
    };
    borrower(&error).ok_or(error)?;
    let turnstiles = hub.provided::<Turnstiles>();
    let _turn = turnstiles.of_link(&kept.home).await?;
    claim(hub, &kept.home, kept.stream.id, &asking, 4).await?;
    hub.ask::<Stream>(&kept.home, command, Asking { command: CommandId::step(asking.command, 6), ..asking }).await
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

fn has_link(board: &Board, id: u64, canonical: &str) -> bool {
    board.kept(id).is_some_and(|kept| !kept.stream.is_archived && *kept.canonical == *canonical)
}
