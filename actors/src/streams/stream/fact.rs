//! What came of the wishes about a stream: the facts in the journal, and the one notice that is told and not kept.
//!
//! Rendered by the channels, folded by the board. In the journal by position: variants and members are only ever appended.

use serde::{Deserialize, Serialize};
use trunkline_protocol::{CodecError, ConnectionId, Record, Timestamp, UserId, codec};

use super::field::{Change, FieldValue, StreamField};

/// Why a cell is free again (`streams.md` 8.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum UnlockReason {
    /// Its holder let it go, or the stream is gone.
    Released,
    /// Its holder wrote the value.
    Updated,
    /// Nobody renewed it in time.
    Expired,
    /// Its holder's connection ended.
    Disconnected,
}

impl UnlockReason {
    /// As it is said on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Updated => "updated",
            Self::Expired => "expired",
            Self::Disconnected => "disconnected",
        }
    }
}

/// A fact about the streams of one link. Every one but the two about lending names its stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StreamFact {
    /// A stream was added: a new session of this link.
    StreamAdded {
        /// Its id.
        id: u64,
        /// Whose it is.
        user: UserId,
        /// The canonical link: the key of the entity.
        key: Box<str>,
        /// Every field that is not empty.
        fields: Vec<(StreamField, FieldValue)>,
    },
    /// It was posted again, and empty fields were filled from the repeat.
    BlanksFilled {
        /// Which stream.
        id: u64,
        /// What was filled.
        changes: Vec<Change>,
    },
    /// Fields were changed; neither archived nor unarchived by it.
    FieldsChanged {
        /// Which stream.
        id: u64,
        /// What changed.
        changes: Vec<Change>,
    },
    /// It was pinned, and nothing else.
    StreamPinned {
        /// Which stream.
        id: u64,
        /// What changed.
        changes: Vec<Change>,
    },
    /// It was unpinned, and nothing else.
    StreamUnpinned {
        /// Which stream.
        id: u64,
        /// What changed.
        changes: Vec<Change>,
    },
    /// It was archived; the same write may have changed other fields.
    StreamArchived {
        /// Which stream.
        id: u64,
        /// By the hub itself, because nothing was heard of it (`streams.md` 4.8.6).
        automatic: bool,
        /// What changed, `is_archived` among it.
        changes: Vec<Change>,
    },
    /// It was taken out of the archive, by hand or because it went live.
    StreamUnarchived {
        /// Which stream.
        id: u64,
        /// What changed, `is_archived` among it.
        changes: Vec<Change>,
    },
    /// It was deleted.
    StreamDeleted {
        /// Which stream.
        id: u64,
    },
    /// A cell was leased to a connection. The fencing token is the commit's version.
    CellLocked {
        /// Which stream.
        id: u64,
        /// Which of its fields.
        field: StreamField,
        /// To whom.
        user: UserId,
        /// What others are shown.
        user_name: Box<str>,
        /// To which of their tabs.
        connection: ConnectionId,
        /// Until when, unless renewed.
        until: Timestamp,
    },
    /// A lease has ended.
    CellUnlocked {
        /// Which stream.
        id: u64,
        /// Which of its fields.
        field: StreamField,
        /// Whose it was.
        user: UserId,
        /// In which of their tabs.
        connection: ConnectionId,
        /// Why.
        reason: UnlockReason,
    },
    /// A stream that lives under another link has taken this one (its link was edited).
    LinkLent {
        /// To which stream.
        to: u64,
    },
    /// A stream that was added under this link has another one now, or this one again.
    LinkMoved {
        /// Which stream.
        id: u64,
        /// The canonical spelling of its link now.
        to: Box<str>,
    },
}

impl StreamFact {
    /// The stream it is about; for a lent link the one that took it.
    #[must_use]
    pub fn stream(&self) -> u64 {
        match self {
            Self::StreamAdded { id, .. }
            | Self::BlanksFilled { id, .. }
            | Self::FieldsChanged { id, .. }
            | Self::StreamPinned { id, .. }
            | Self::StreamUnpinned { id, .. }
            | Self::StreamArchived { id, .. }
            | Self::StreamUnarchived { id, .. }
            | Self::StreamDeleted { id }
            | Self::CellLocked { id, .. }
            | Self::CellUnlocked { id, .. }
            | Self::LinkMoved { id, .. } => *id,
            Self::LinkLent { to } => *to,
        }
    }
    /// What it changed of an existing stream's fields.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        match self {
            Self::BlanksFilled { changes, .. }
            | Self::FieldsChanged { changes, .. }
            | Self::StreamPinned { changes, .. }
            | Self::StreamUnpinned { changes, .. }
            | Self::StreamArchived { changes, .. }
            | Self::StreamUnarchived { changes, .. } => changes,
            Self::StreamAdded { .. }
            | Self::StreamDeleted { .. }
            | Self::CellLocked { .. }
            | Self::CellUnlocked { .. }
            | Self::LinkLent { .. }
            | Self::LinkMoved { .. } => &[],
        }
    }
}

impl Record for StreamFact {
    const KIND: u16 = codec::kinds::STREAM;
    const SCHEMA: u8 = 1;
    fn upcast(schema: u8, _payload: &[u8]) -> Result<Self, CodecError> {
        Err(CodecError::UnknownSchema { kind: Self::KIND, schema })
    }
}

/// What is told of a stream and not kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StreamNotice {
    /// The holder of a cell asked for it again: a fresh term.
    LeaseRenewed {
        /// Which stream.
        id: u64,
        /// Which of its fields.
        field: StreamField,
        /// Who holds it.
        user: UserId,
        /// What others are shown.
        user_name: Box<str>,
        /// In which of their tabs.
        connection: ConnectionId,
        /// Until when, unless renewed again.
        until: Timestamp,
    },
}

impl Record for StreamNotice {
    const KIND: u16 = codec::kinds::STREAM_NOTICE;
    const SCHEMA: u8 = 1;
}
