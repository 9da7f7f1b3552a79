//! The wishes that may be addressed to the streams of one link.
//!
//! Made by the REST resource, the import and the cable channels; decided in [`super::rules`] and [`super::cells`].

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use trunkline_protocol::{ConnectionId, Timestamp};

use super::draft::{Changes, Draft};

/// What the asker last saw; where it is no longer so, nothing is written (`streams.md` 4.5, `platform.md` 1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Expected {
    /// `If-Match`: this version; else 412.
    Version(u64),
    /// `lock_version`: this version; else 409.
    LockVersion(u64),
    /// `If-Unmodified-Since`: unchanged since this second; else 409.
    UnmodifiedSince(Timestamp),
}

/// What the asker knows of a link that another entity keeps: under it a stream is active only where that entity has lent it. It names the
/// link, for the stream's own may be another one by the time the command is decided.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Room {
    /// Nothing yet: where it matters, the command is refused with [`ELSEWHERE`] about the link.
    #[default]
    Unknown,
    /// This link was lent to this stream.
    Lent(Box<str>),
    /// An active stream has this link.
    Taken(Box<str>),
}

/// A wish about the streams of one link. All but [`StreamCommand::Add`] name their stream.
///
/// Refusals: 403 by `streams.md` 2.1, 404 `NOT_FOUND` for a stream that is not here, 422 by 4.4; others are named below.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StreamCommand {
    /// Add a stream with this link. Refused with code [`DUPLICATE`] about the active one, where it would change nothing;
    /// refused with code [`LENT`] about the stream that took this link, which the asker then looks up.
    Add {
        /// The id it is to have.
        id: u64,
        /// What is known of it.
        draft: Arc<Draft>,
        /// The stream to which the link was lent, and which has it no longer.
        reclaim: Option<u64>,
    },
    /// Fill what is empty from a repeat that came under another link; nothing where nothing is.
    FillBlanks {
        /// Which stream.
        id: u64,
        /// What the repeat knows.
        draft: Arc<Draft>,
    },
    /// Change these fields and no others.
    Edit {
        /// Which stream.
        id: u64,
        /// What to change.
        changes: Changes,
        /// What the asker last saw.
        expected: Option<Expected>,
        /// What is known of its link.
        room: Room,
    },
    /// Pin it.
    Pin {
        /// Which stream.
        id: u64,
    },
    /// Unpin it.
    Unpin {
        /// Which stream.
        id: u64,
    },
    /// Archive it.
    Archive {
        /// Which stream.
        id: u64,
    },
    /// Take it out of the archive; 422 where another active stream has its link.
    Unarchive {
        /// Which stream.
        id: u64,
        /// What is known of its link.
        room: Room,
    },
    /// Delete it.
    Delete {
        /// Which stream.
        id: u64,
    },
    /// Archive it if nothing was heard of it (`streams.md` 4.8.6); asked by the house.
    ArchiveForgotten {
        /// Which stream.
        id: u64,
        /// How long nothing must have been heard of it.
        after: Duration,
    },
    /// Lease a cell to the asking connection, or renew the lease. Refused with code [`CELL_LOCKED`] about the holder's user id;
    /// who that is by name, [`Stream::holder`](super::Stream::holder) and the board say.
    LockCell {
        /// Which stream.
        id: u64,
        /// The cell: the name of a field (`Invalid field` where it is none of the grid's).
        field: String,
    },
    /// Let a cell go; does nothing where the asking connection does not hold it.
    UnlockCell {
        /// Which stream.
        id: u64,
        /// The cell.
        field: String,
    },
    /// Write a cell and let it go: `FieldsChanged` (where the value differs), then `CellUnlocked`, in one turn.
    /// Refused with [`CELL_LOCKED`] or [`CELL_NOT_LOCKED`] where the asking connection may not; [`INVALID_FIELD`].
    UpdateCell {
        /// Which stream.
        id: u64,
        /// The cell: what the lease is on.
        cell: String,
        /// The field to write; must be the cell's.
        field: String,
        /// The value as it was sent; numbers and flags spelled out.
        value: Option<String>,
        /// What is known of its link.
        room: Room,
    },
    /// End what has expired; the entity's own alarm.
    Expire,
    /// A connection has ended: let go of whatever it holds here, and forget its grace.
    ReleaseConnection {
        /// Which connection.
        connection: ConnectionId,
    },
    /// A stream that lives elsewhere wants this link; 422 `Link has already been taken` where an active stream has it,
    /// [`LENT`] where it was lent to another.
    Lend {
        /// Which stream wants it.
        to: u64,
        /// The stream to which it was lent before, and which has it no longer.
        reclaim: Option<u64>,
    },
}

impl StreamCommand {
    /// The same, knowing more of the link.
    #[must_use]
    pub fn knowing(mut self, known: Room) -> Self {
        if let Self::Edit { room, .. } | Self::Unarchive { room, .. } | Self::UpdateCell { room, .. } = &mut self {
            *room = known;
        }
        self
    }
}

/// Code of the refusal to be active under a link that another entity keeps; the subject is the link's canonical spelling.
pub const ELSEWHERE: &str = "LINK_ELSEWHERE";
/// Code of the refusal to add a link that an active stream has; the subject is its id.
pub const DUPLICATE: &str = "DUPLICATE";
/// Code of the refusal to use a link that was lent to another stream; the subject is its id.
pub const LENT: &str = "LENT";
/// Code of the refusal of a cell that somebody else holds; the subject is the holder's user id.
pub const CELL_LOCKED: &str = "CELL_LOCKED";
/// Code of the refusal to write a cell without its lease.
pub const CELL_NOT_LOCKED: &str = "CELL_NOT_LOCKED";
/// Code of the refusal of a field that the grid does not have.
pub const INVALID_FIELD: &str = "INVALID_FIELD";
