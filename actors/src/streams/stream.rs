//! The streams of one link: every session ever added under it, who edits which of their cells, and the rules of both.
//!
//! Asked by [`super::writing`] and by the cable channels, through the hub; it never asks anybody. The entity is found by the canonical
//! link, so two posts of one link meet in one mailbox and only one of them adds.
//!
//! # Layout
//! - [`command`], [`fact`]: what may be wished, what comes of it
//! - [`draft`]: what a client sent, read
//! - [`state`], [`field`], [`words`]: what is known of a stream
//! - [`rules`]: the life of a stream (`streams.md` 4.3 to 4.8); [`cells`]: the leases on its cells (8.4, 8.5)

pub mod cells;
pub mod command;
pub mod draft;
pub mod fact;
pub mod field;
pub mod rules;
pub mod state;
pub mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use trunkline_protocol::{Refusal, Timestamp, limits::LEASE};

pub use command::{CELL_LOCKED, CELL_NOT_LOCKED, DUPLICATE, ELSEWHERE, Expected, INVALID_FIELD, LENT, Room, StreamCommand};
pub use draft::{Changes, Draft, Place};
pub use fact::{StreamFact, StreamNotice, UnlockReason};
pub use field::{Change, FieldValue, StreamField};
pub use state::StreamState;
pub use words::{Orientation, Platform, PlatformKey, Status, StreamKind};

use crate::{
    Asking, Decision, Entity, Written,
    engine::lease::{Holder, Leases},
};

/// Every stream of one link. At most one of those that still have this link is not archived.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Stream {
    /// The canonical link; empty until the first stream is added.
    key: Box<str>,
    /// Boxed: nearly every link has one, and a node of the map has room for eleven.
    sessions: BTreeMap<u64, Box<StreamState>>,
    /// Streams added here whose link was edited into another one.
    moved: BTreeSet<u64>,
    /// The stream of another link whose link was edited into this one. Whoever finds it in the way asks the board whether it still is.
    lent: Option<u64>,
    leases: Leases<(u64, StreamField)>,
}

impl Stream {
    /// What a submission of a stream is called in moderation.
    pub const SUBMISSION: &'static str = "stream";

    /// The stream of this id, archived or not.
    #[must_use]
    pub fn session(&self, id: u64) -> Option<&StreamState> {
        self.sessions.get(&id).map(Box::as_ref)
    }
    /// The one stream that has this link and is not archived.
    #[must_use]
    pub fn active(&self) -> Option<&StreamState> {
        self.sessions.values().rev().map(Box::as_ref).find(|stream| !stream.is_archived && !self.moved.contains(&stream.id))
    }
    /// Who holds a cell, and until when.
    #[must_use]
    pub fn holder(&self, id: u64, field: StreamField) -> Option<(Holder, Timestamp)> {
        self.leases.get(&(id, field)).map(|lease| (lease.holder, lease.until))
    }
    fn known(&self, id: u64) -> Result<&StreamState, Refusal> {
        self.session(id).ok_or_else(Refusal::not_found)
    }
}

impl Entity for Stream {
    const KIND: &'static str = "stream";
    type Command = StreamCommand;
    type Fact = StreamFact;
    type Notice = StreamNotice;

    fn decide(&self, command: &StreamCommand, asking: &Asking) -> Result<Decision<Self>, Refusal> {
        match command {
            StreamCommand::Add { id, draft, reclaim } => rules::add(self, *id, draft, *reclaim, asking),
            StreamCommand::FillBlanks { id, draft } => rules::fill(self, *id, draft, asking),
            StreamCommand::Edit { id, changes, expected, room } => rules::edit(self, *id, changes, *expected, room, asking),
            StreamCommand::Pin { id } => rules::pin(self, *id, true, asking),
            StreamCommand::Unpin { id } => rules::pin(self, *id, false, asking),
            StreamCommand::Archive { id } => rules::archive(self, *id, asking),
            StreamCommand::Unarchive { id, room } => rules::unarchive(self, *id, room, asking),
            StreamCommand::Delete { id } => rules::delete(self, *id, asking),
            StreamCommand::ArchiveForgotten { id, after } => rules::archive_forgotten(self, *id, *after, asking),
            StreamCommand::Lend { to, reclaim } => rules::lend(self, *to, *reclaim, asking),
            StreamCommand::LockCell { id, field } => cells::lock(self, *id, field, asking),
            StreamCommand::UnlockCell { id, field } => Ok(cells::unlock(self, *id, field, asking)),
            StreamCommand::UpdateCell { id, cell, field, value, room } => {
                cells::update(self, (*id, cell), field, value.as_deref(), room, asking)
            }
            StreamCommand::Expire => Ok(cells::expire(self, asking.at)),
            StreamCommand::ReleaseConnection { connection } => Ok(cells::release(self, *connection)),
        }
    }

    fn begins(command: &StreamCommand) -> bool {
        matches!(command, StreamCommand::Add { .. })
    }

    fn apply(&mut self, fact: &StreamFact, written: &Written) {
        match fact {
            StreamFact::StreamAdded { id, user, key, fields } => {
                self.key = key.clone();
                self.lent = None;
                self.sessions.insert(*id, Box::new(StreamState::added(*id, *user, fields, written.at)));
            }
            StreamFact::BlanksFilled { id, changes }
            | StreamFact::FieldsChanged { id, changes }
            | StreamFact::StreamPinned { id, changes }
            | StreamFact::StreamUnpinned { id, changes }
            | StreamFact::StreamArchived { id, changes, .. }
            | StreamFact::StreamUnarchived { id, changes } => {
                if let Some(stream) = self.sessions.get_mut(id) {
                    stream.change(changes, written.at);
                }
            }
            StreamFact::StreamDeleted { id } => {
                self.sessions.remove(id);
                self.moved.remove(id);
                self.leases.retain(|(stream, _)| stream != id);
            }
            StreamFact::CellLocked { id, field, user, connection, until, .. } => {
                let holder = Holder { user: *user, connection: *connection };
                self.leases.grant((*id, *field), holder, *until, written.version);
            }
            StreamFact::CellUnlocked { id, field, reason: UnlockReason::Updated, .. } => {
                self.leases.end_with_grace(&(*id, *field), written.at, written.at.plus(LEASE));
            }
            StreamFact::CellUnlocked { id, field, connection, reason, .. } => {
                self.leases.end(&(*id, *field));
                if *reason == UnlockReason::Disconnected {
                    self.leases.forget(*connection);
                }
            }
            StreamFact::LinkLent { to } => self.lent = Some(*to),
            StreamFact::LinkMoved { id, to } => {
                if *to == self.key {
                    self.moved.remove(id);
                    self.lent = self.lent.filter(|lent| lent != id);
                } else {
                    self.moved.insert(*id);
                }
            }
        }
    }

    fn hear(&mut self, notice: &StreamNotice, _at: Timestamp) {
        let StreamNotice::LeaseRenewed { id, field, user, connection, until, .. } = notice;
        self.leases.renew(&(*id, *field), Holder { user: *user, connection: *connection }, *until);
    }

    fn waken(&mut self, now: Timestamp) {
        self.leases.refresh(now, LEASE);
    }

    fn alarm(&self) -> Option<(Timestamp, StreamCommand)> {
        self.leases.earliest().map(|at| (at, StreamCommand::Expire))
    }
}

#[cfg(test)]
mod tests;
