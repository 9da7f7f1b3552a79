//! What the grid is told, exactly: the fields of `streams.md` 8.4 first, then what 8.6 and later clients read. Shapes only.

use serde_json::{Value, json};
use trunkline_protocol::{Cell, Timestamp, UserId, principal::color_of};

use crate::{
    accounts::presence::roster::{Present, Told},
    streams::{board::StreamRow, locks::Locked, stream::UnlockReason, streamer::StreamerRow},
};

/// Everyone who is there. `total` only where not everyone could be named.
pub(super) fn active_users_list(told: &Told) -> Value {
    let users: Vec<Value> = told.users.iter().map(user).collect();
    let mut message = json!({"action": "active_users_list", "users": users});
    if told.users.len() < told.total as usize {
        message["total"] = told.total.into();
    }
    message
}
fn user(present: &Present) -> Value {
    json!({
        "user_id": present.user, "user_name": present.name, "user_color": color_of(present.user), "inactive": present.inactive,
    })
}

/// Somebody came.
pub(super) fn user_joined(present: &Present) -> Value {
    json!({
        "action": "user_joined", "user_id": present.user, "user_name": present.name, "user_color": color_of(present.user),
    })
}

/// Somebody went.
pub(super) fn user_left(user: UserId) -> Value {
    json!({"action": "user_left", "user_id": user})
}

/// A cell is being edited. To the loser of a race it is told without the seconds: those are the holder's business.
pub(super) fn cell_locked(cell: &Cell, user: UserId, user_name: &str, expires_in_s: Option<u64>) -> Value {
    let mut message = json!({
        "action": "cell_locked", "cell_id": cell.to_string(),
        "user_id": user, "user_name": user_name, "user_color": color_of(user),
        "user": user, "resource": cell.resource, "resource_id": cell.id, "field": cell.field,
    });
    if let Some(seconds) = expires_in_s {
        message["expires_in"] = seconds.into();
    }
    message
}

/// The same, to a newcomer alone: it was locked `already`, so it is nobody's answer.
pub(super) fn already_locked(lock: &Locked) -> Value {
    let mut message = cell_locked(&lock.cell, lock.user, &lock.user_name, Some(lock.expires_in_s));
    message["already"] = true.into();
    message
}

/// A cell is free.
pub(super) fn cell_unlocked(cell: &Cell, user: UserId, reason: UnlockReason) -> Value {
    json!({
        "action": "cell_unlocked", "cell_id": cell.to_string(), "user_id": user, "reason": reason.as_str(),
        "user": user, "resource": cell.resource, "resource_id": cell.id, "field": cell.field,
    })
}

/// A cell has a value, as it was stored.
pub(super) fn cell_updated(cell: &Cell, stream_id: Value, user: UserId, value: &Value, row: Option<&StreamRow>) -> Value {
    let mut message = json!({
        "action": "cell_updated", "cell_id": cell.to_string(), "stream_id": stream_id, "field": cell.field, "value": value,
        "user_id": user, "user": user, "resource": cell.resource, "resource_id": cell.id,
    });
    if let Some(row) = row {
        message["stream"] = json!(row);
    }
    message
}

/// Somebody looked whether it is live.
pub(super) fn stream_updated(stream: u64, last_checked_at: Option<Timestamp>, last_live_at: Option<Timestamp>) -> Value {
    json!({
        "action": "stream_updated", "stream_id": stream, "last_checked_at": last_checked_at, "last_live_at": last_live_at,
    })
}

/// It has another streamer, or none.
pub(super) fn streamer_updated(stream: u64, streamer: Option<&StreamerRow>) -> Value {
    json!({
        "action": "streamer_updated", "stream_id": stream,
        "streamer_id": streamer.map(|row| row.id), "streamer_name": streamer.map(|row| &row.profile.name),
        "streamer_platform": streamer.map(|row| row.platforms().join(", ")),
    })
}

/// An error, to the one who caused it. Clients of the Rails server read `error` alone.
pub(super) fn error(text: &str, code: &str, cell_id: Option<&Value>) -> Value {
    json!({"error": text, "action": "error", "code": code, "cell_id": cell_id})
}
