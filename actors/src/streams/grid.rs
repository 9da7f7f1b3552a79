//! What happened on the shared grid, read from commits once and spoken by two channels: [`super::collaborative_channel`] in the words of
//! `streams.md` 8.4, [`super::collaboration_channel`] in those of 8.6.

use std::sync::Arc;

use serde_json::Value;
use trunkline_protocol::{Cell, CommandId, Commit, Notice, Timestamp, UserId};

use super::{
    board::Board,
    stream::{
        Stream,
        fact::{StreamFact, StreamNotice, UnlockReason},
        field::StreamField,
    },
    streamer::StreamerRow,
};
use crate::Entity as _;

/// Something that editors see.
#[derive(Clone, PartialEq, Debug)]
pub enum Happening {
    /// A cell is being edited, by somebody new or still.
    CellLocked {
        /// Which.
        cell: Cell,
        /// By whom.
        user: UserId,
        /// The name shown.
        user_name: Box<str>,
        /// For how many more seconds, unless renewed.
        expires_in_s: u64,
    },
    /// A cell is free.
    CellUnlocked {
        /// Which.
        cell: Cell,
        /// Who had it.
        user: UserId,
        /// Why.
        reason: UnlockReason,
    },
    /// A cell has a value, as it was stored.
    CellUpdated {
        /// Which.
        cell: Cell,
        /// By whom.
        user: UserId,
        /// The value, as the stream's JSON says it.
        value: Value,
        /// The command it came of.
        command: CommandId,
    },
    /// Somebody looked whether the stream is live.
    Checked {
        /// Which stream.
        stream: u64,
        /// When they last did.
        last_checked_at: Option<Timestamp>,
        /// When it was last seen live.
        last_live_at: Option<Timestamp>,
    },
    /// The stream has another streamer, or none.
    StreamerChanged {
        /// Which stream.
        stream: u64,
        /// Whose it is now.
        streamer: Option<Arc<StreamerRow>>,
    },
}

/// The cell of a stream's field.
#[must_use]
pub fn cell(stream: u64, field: StreamField) -> Cell {
    Cell { resource: Stream::KIND.to_owned(), id: stream, field: field.name().to_owned() }
}

/// What a commit means to editors, in order. An edit of a cell comes before the end of its lease.
#[must_use]
pub fn of_commit(commit: &Commit, board: &Board) -> Vec<Happening> {
    if commit.entity.kind() != Stream::KIND {
        return Vec::new();
    }
    let mut happened = Vec::new();
    for turn in &commit.turns {
        let mut written: Vec<(u64, StreamField)> = Vec::new();
        // A record that cannot be read has stopped the relay before it comes here.
        for fact in turn.facts_of::<StreamFact>().filter_map(Result::ok) {
            let id = fact.stream();
            for change in fact.changes().iter().filter(|change| StreamField::CELLS.contains(&change.field)) {
                written.push((id, change.field));
                let value = change.to.to_json();
                happened.push(Happening::CellUpdated { cell: cell(id, change.field), user: turn.by, value, command: turn.command });
            }
            happened.extend(beside(&fact, board));
            match fact {
                StreamFact::CellLocked { id, field, user, user_name, until, .. } => {
                    let expires_in_s = seconds_left(until, commit.at);
                    happened.push(Happening::CellLocked { cell: cell(id, field), user, user_name, expires_in_s });
                }
                StreamFact::CellUnlocked { id, field, user, reason, .. } => {
                    // Written, but to the value it had: no field changed, and yet the editor waits to hear that it was taken.
                    if reason == UnlockReason::Updated && !written.contains(&(id, field)) {
                        let value = board.kept(id).map_or(Value::Null, |kept| kept.stream.get(field).to_json());
                        happened.push(Happening::CellUpdated { cell: cell(id, field), user, value, command: turn.command });
                    }
                    happened.push(Happening::CellUnlocked { cell: cell(id, field), user, reason });
                }
                _ => {}
            }
        }
    }
    happened
}

/// What a notice means to editors: a lease renewed is told as a lock is.
#[must_use]
pub fn of_notice(notice: &Notice) -> Option<Happening> {
    let StreamNotice::LeaseRenewed { id, field, user, user_name, until, .. } = notice.open::<StreamNotice>().ok().flatten()?;
    Some(Happening::CellLocked { cell: cell(id, field), user, user_name, expires_in_s: seconds_left(until, notice.at) })
}

/// What an editor is shown: a fresh lease has its whole term, though a few milliseconds went by between the decision and the commit.
pub(super) fn seconds_left(until: Timestamp, now: Timestamp) -> u64 {
    until.since(now).as_millis().div_ceil(1000) as u64
}

/// What is told beside the cells: the moments of the checker, and the streamer.
fn beside(fact: &StreamFact, board: &Board) -> Vec<Happening> {
    let changed = |fields: &[StreamField]| fact.changes().iter().any(|change| fields.contains(&change.field));
    let checked = changed(&[StreamField::LastCheckedAt, StreamField::LastLiveAt]);
    let streamer = changed(&[StreamField::Streamer]);
    if !checked && !streamer {
        return Vec::new();
    }
    let Some(row) = board.row(fact.stream()) else { return Vec::new() };
    let state = row.stream();
    let mut happened = Vec::new();
    if checked {
        let (last_checked_at, last_live_at) = (state.last_checked_at, state.last_live_at);
        happened.push(Happening::Checked { stream: state.id, last_checked_at, last_live_at });
    }
    if streamer {
        happened.push(Happening::StreamerChanged { stream: state.id, streamer: row.streamer.clone() });
    }
    happened
}
