//! Who edits which cell: lock, unlock, update, expire (`streams.md` 8.3 to 8.5). Pure.
//!
//! The stream's one mailbox decides, so check and set cannot be parted; the lease is on the very cell that an update writes.

use trunkline_protocol::{ConnectionId, Refusal, RefusalKind, Timestamp, limits::LEASE};

use super::{
    Stream,
    command::{CELL_LOCKED, CELL_NOT_LOCKED, INVALID_FIELD, Room},
    draft::Changes,
    fact::{StreamFact, StreamNotice, UnlockReason},
    field::StreamField,
    rules,
};
use crate::{
    Asking, Decision,
    accounts::policy::permission::STREAMS_LOCK,
    engine::lease::{Claim, Holder, Lease},
};

/// Leases a cell to the asking tab, renews its lease, or refuses and names the holder.
pub(super) fn lock(stream: &Stream, id: u64, field: &str, asking: &Asking) -> Result<Decision<Stream>, Refusal> {
    let Some(field) = StreamField::cell(field) else { return Err(invalid_field()) };
    stream.known(id)?;
    may_lock(asking)?;
    let holder = tab(asking)?;
    match stream.leases.claim(&(id, field), holder, asking.at) {
        Claim::Free | Claim::TakeOver(_) => Ok(Decision::fact(locked(id, field, holder, asking))),
        Claim::Lapsed(lease) => {
            let facts = vec![unlocked(id, field, lease.holder, UnlockReason::Expired), locked(id, field, holder, asking)];
            Ok(Decision::facts(facts))
        }
        Claim::Renewal(_) => Ok(Decision::notice(StreamNotice::LeaseRenewed {
            id,
            field,
            user: holder.user,
            user_name: asking.by.display_name().into(),
            connection: holder.connection,
            until: asking.at.plus(LEASE),
        })),
        Claim::Held(lease) => Err(held(&lease)),
    }
}

/// Lets a cell go; nothing where the asking tab does not hold it.
pub(super) fn unlock(stream: &Stream, id: u64, field: &str, asking: &Asking) -> Decision<Stream> {
    let (Some(field), Ok(holder)) = (StreamField::cell(field), tab(asking)) else { return Decision::nothing() };
    if !stream.leases.held(&(id, field), holder) {
        return Decision::nothing();
    }
    Decision::fact(unlocked(id, field, holder, UnlockReason::Released))
}

/// Writes a cell and lets it go. Checks in the contract's order: lock, field, existence, role, validation; after a refusal the lease stays.
pub(super) fn update(
    stream: &Stream,
    (id, cell): (u64, &str),
    field: &str,
    value: Option<&str>,
    room: &Room,
    asking: &Asking,
) -> Result<Decision<Stream>, Refusal> {
    let holder = tab(asking)?;
    let leased = StreamField::cell(cell);
    let mut facts = Vec::with_capacity(3);
    match leased.and_then(|leased| stream.leases.get(&(id, leased))) {
        Some(lease) if lease.holder == holder => {}
        Some(lease) => return Err(held(lease)),
        // Its own update freed the cell a moment ago and nobody took it since: locked again unasked (8.4).
        None => match leased.filter(|leased| stream.leases.graced(&(id, *leased), holder, asking.at)) {
            Some(leased) => facts.push(locked(id, leased, holder, asking)),
            None => return Err(Refusal::conflict(CELL_NOT_LOCKED, "Cell is not locked by you")),
        },
    }
    let Some(target) = StreamField::cell(field) else { return Err(invalid_field()) };
    if leased != Some(target) {
        return Err(Refusal::new(RefusalKind::Invalid, INVALID_FIELD, "Invalid field for update"));
    }
    let known = stream.known(id).map_err(|_| {
        Refusal::new(RefusalKind::NotFound, "NOT_FOUND", format!("Update failed: Couldn't find Stream with 'id'={id}"))
    })?;
    may_lock(asking)?;
    let changes = Changes::of_cell(target, value)?;
    facts.extend(rules::changed(stream, known, &changes, room, asking.at)?);
    facts.push(unlocked(id, target, holder, UnlockReason::Updated));
    Ok(Decision::facts(facts))
}

/// Ends what has run out.
pub(super) fn expire(stream: &Stream, now: Timestamp) -> Decision<Stream> {
    let over = stream.leases.expired(now);
    Decision::facts(over.map(|((id, field), lease)| unlocked(*id, *field, lease.holder, UnlockReason::Expired)).collect())
}

/// Ends what a connection that is gone held.
pub(super) fn release(stream: &Stream, connection: ConnectionId) -> Decision<Stream> {
    let held = stream.leases.of_connection(connection);
    Decision::facts(held.map(|((id, field), lease)| unlocked(*id, *field, lease.holder, UnlockReason::Disconnected)).collect())
}

/// Every lease on a stream that is about to be deleted ends.
pub(super) fn end_all(stream: &Stream, id: u64) -> Vec<StreamFact> {
    let held = stream.leases.iter().filter(|((of, _), _)| *of == id);
    held.map(|((id, field), lease)| unlocked(*id, *field, lease.holder, UnlockReason::Released)).collect()
}

fn may_lock(asking: &Asking) -> Result<(), Refusal> {
    if asking.by.may(STREAMS_LOCK) {
        return Ok(());
    }
    Err(Refusal::new(RefusalKind::Forbidden, "FORBIDDEN", "You are not authorized to edit streams"))
}

fn tab(asking: &Asking) -> Result<Holder, Refusal> {
    let connection = asking
        .connection
        .ok_or_else(|| Refusal::new(RefusalKind::Malformed, "NO_CONNECTION", "Cells are edited over a cable connection"))?;
    Ok(Holder { user: asking.by.user, connection })
}

fn invalid_field() -> Refusal {
    Refusal::new(RefusalKind::Invalid, INVALID_FIELD, "Invalid field")
}

fn held(lease: &Lease) -> Refusal {
    Refusal::conflict(CELL_LOCKED, "Cell is locked by another user").about(lease.holder.user)
}

fn locked(id: u64, field: StreamField, holder: Holder, asking: &Asking) -> StreamFact {
    StreamFact::CellLocked {
        id,
        field,
        user: holder.user,
        user_name: asking.by.display_name().into(),
        connection: holder.connection,
        until: asking.at.plus(LEASE),
    }
}

fn unlocked(id: u64, field: StreamField, holder: Holder, reason: UnlockReason) -> StreamFact {
    StreamFact::CellUnlocked { id, field, user: holder.user, connection: holder.connection, reason }
}
