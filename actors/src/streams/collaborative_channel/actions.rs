//! Lock, unlock, update: from a client's frame to the stream's mailbox, and from its refusal to the words of `streams.md` 8.4.
//!
//! A cell is named `stream_<id>_<field>`. The contract calls the name opaque, but a lease must be on the very thing that is written, so
//! a name that is none of a stream's is refused (`Invalid field`) rather than held in the air.

use std::sync::Arc;

use serde_json::{Map, Value};
use trunkline_protocol::{Cell, Refusal, RefusalKind, UserId};

use super::{CollaborativeStreamsChannel, words};
use crate::{
    Action, AskError, Entity as _, Hub,
    accounts::presence::Presence,
    streams::{
        stream::{CELL_LOCKED, INVALID_FIELD, Stream, StreamCommand},
        writing,
    },
};

/// What the one who performed an action is told where it failed: frames, in order.
type Told = Vec<Value>;

impl CollaborativeStreamsChannel {
    /// Performs an action; an unknown one is nothing.
    pub(super) async fn act(&self, action: Action<'_>, hub: &Hub) -> Result<(), Told> {
        let editing = match action.name {
            "lock_cell" | "unlock_cell" | "update_cell" => true,
            "presence_ping" => false,
            _ => return Ok(()),
        };
        let failed = |text: &str, code: &str| vec![words::error(text, code, action.data.get("cell_id"))];
        if !self.tabs.spend(action.connection, hub.clock().now()) {
            return Err(failed("Too many actions. Please slow down.", "TOO_MANY_ACTIONS"));
        }
        let presence = hub.provided::<Presence>();
        let place = (action.connection, action.identifier.into());
        if !editing {
            presence.ping(hub, &self.topic, place, action.who);
            return Ok(());
        }
        presence.active(hub, &self.topic, place, action.who);
        let cell = action.data.get("cell_id").and_then(Value::as_str).and_then(|text| text.parse::<Cell>().ok());
        let Some(cell) = cell.filter(|cell| cell.resource == Stream::KIND) else {
            return Err(failed("Invalid field", INVALID_FIELD));
        };
        match action.name {
            "lock_cell" => self.lock(&action, &cell, hub).await,
            "unlock_cell" => self.unlock(&action, &cell, hub).await,
            _ => self.update(&action, &cell, hub).await,
        }
    }

    async fn lock(&self, action: &Action<'_>, cell: &Cell, hub: &Hub) -> Result<(), Told> {
        let Some(key) = self.home(cell) else { return Err(told(action, &missing(cell))) };
        self.tabs.locking(action.connection, &key, hub.clock().now());
        let command = StreamCommand::LockCell { id: cell.id, field: cell.field.clone() };
        let Err(error) = self.ask(action, &key, command, hub).await else { return Ok(()) };
        let AskError::Refused(refusal) = &error else { return Err(told(action, &unanswered(&error))) };
        if refusal.kind == RefusalKind::NotFound {
            return Err(told(action, &missing(cell)));
        }
        let mut frames = Vec::with_capacity(2);
        if refusal.code == CELL_LOCKED
            && let Some(holder) = refusal.subject.as_deref().and_then(|id| id.parse().ok()).map(UserId)
        {
            frames.push(words::cell_locked(cell, holder, &self.name_of(holder, hub), None));
        }
        frames.extend(told(action, refusal));
        Err(frames)
    }

    async fn unlock(&self, action: &Action<'_>, cell: &Cell, hub: &Hub) -> Result<(), Told> {
        let Some(key) = self.home(cell) else { return Ok(()) };
        let command = StreamCommand::UnlockCell { id: cell.id, field: cell.field.clone() };
        match self.ask(action, &key, command, hub).await {
            Ok(()) | Err(AskError::Refused(_)) => Ok(()),
            Err(error) => Err(told(action, &unanswered(&error))),
        }
    }

    async fn update(&self, action: &Action<'_>, cell: &Cell, hub: &Hub) -> Result<(), Told> {
        let (named, numbered) = named_stream(action.data).map_err(|refusal| told(action, &refusal))?;
        if named.is_some_and(|id| id != cell.id) {
            return Err(told(action, &mismatch()));
        }
        let field = match action.data.get("field") {
            None => cell.field.clone(),
            Some(Value::String(field)) => field.clone(),
            Some(_) => return Err(told(action, &mismatch())),
        };
        let value = text_of(action.data.get("value")).map_err(|refusal| told(action, &refusal))?;
        let is_date = matches!(field.as_str(), "started_at" | "ended_at");
        let mut asking = hub.asking(action.who);
        asking.connection = Some(action.connection);
        if numbered {
            self.tabs.numbered(asking.command);
        }
        let updated = writing::update_cell(hub, cell.id, cell.field.clone(), field, value, asking).await;
        let Err(error) = updated else { return Ok(()) };
        let refusal = match error {
            AskError::Refused(refusal) if is_date && refusal.kind == RefusalKind::Invalid && !refusal.fields.is_empty() => {
                failed(&refusal)
            }
            AskError::Refused(refusal) => refusal,
            error => failed(&unanswered(&error)),
        };
        Err(told(action, &refusal))
    }

    async fn ask(&self, action: &Action<'_>, key: &str, command: StreamCommand, hub: &Hub) -> Result<(), AskError> {
        let mut asking = hub.asking(action.who);
        asking.connection = Some(action.connection);
        hub.ask::<Stream>(key, command, asking).await.map(|_| ())
    }

    /// The key of the entity that a cell's stream lives in; `None`: there is no such stream.
    fn home(&self, cell: &Cell) -> Option<Arc<str>> {
        self.board.kept(cell.id).map(|kept| kept.home.clone())
    }
    /// What others are shown of the holder of a cell.
    fn name_of(&self, holder: UserId, hub: &Hub) -> String {
        let present = hub.provided::<Presence>().name(&self.topic, holder);
        present.unwrap_or_else(|| format!("user {holder}"))
    }
}

/// The stream that an update names beside its cell, and whether it named it by a number. `None`: it named none.
fn named_stream(data: &Map<String, Value>) -> Result<(Option<u64>, bool), Refusal> {
    match data.get("stream_id") {
        None => Ok((None, false)),
        Some(Value::String(text)) => text.parse().map(|id| (Some(id), false)).map_err(|_| mismatch()),
        Some(Value::Number(number)) => number.as_u64().map(|id| (Some(id), true)).ok_or_else(mismatch),
        Some(_) => Err(mismatch()),
    }
}

/// The value of an update as text: numbers and flags spelled out, null and absence empty.
fn text_of(value: Option<&Value>) -> Result<Option<String>, Refusal> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
        Some(Value::Array(_) | Value::Object(_)) => {
            Err(Refusal::new(RefusalKind::Invalid, "INVALID_VALUE", "Update failed: the value must be text"))
        }
    }
}

fn mismatch() -> Refusal {
    Refusal::new(RefusalKind::Invalid, INVALID_FIELD, "Invalid field for update")
}

fn missing(cell: &Cell) -> Refusal {
    Refusal::new(RefusalKind::NotFound, "NOT_FOUND", format!("Couldn't find Stream with 'id'={}", cell.id))
}

fn failed(refusal: &Refusal) -> Refusal {
    Refusal { sentence: format!("Update failed: {}", refusal.sentence).into(), ..refusal.clone() }
}

/// A failure of the world, told without its insides.
fn unanswered(error: &AskError) -> Refusal {
    tracing::warn!(%error, "a cable action was not answered");
    Refusal::new(RefusalKind::TooMany, "UNAVAILABLE", "Not available just now; please try again")
}

fn told(action: &Action<'_>, refusal: &Refusal) -> Told {
    vec![words::error(&refusal.sentence, &refusal.code, action.data.get("cell_id"))]
}
