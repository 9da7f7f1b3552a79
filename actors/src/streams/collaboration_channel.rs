//! `CollaborationChannel`: who locks, frees and edits which cell, in the short words of `streams.md` 8.6. Read only.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::json;
use trunkline_protocol::{Commit, Notice, Topic};

use super::{
    board::Board,
    grid::{self, Happening},
};
use crate::{Admission, AskError, Broadcasts, Channel, Hub, Retelling, Subscribing, accounts::policy::permission};

/// The topic of everyone who listens; the contract's own name for it.
const TOPIC: &str = "collaboration";

/// Who locks, frees and edits which cell.
#[derive(Debug)]
pub struct CollaborationChannel {
    board: Arc<Board>,
    topic: Topic,
}

impl CollaborationChannel {
    /// The channel over this board.
    #[must_use]
    pub fn new(board: Arc<Board>) -> Self {
        Self { board, topic: Topic::channel(TOPIC) }
    }
    fn say(&self, happening: &Happening, out: &mut Broadcasts) {
        let (action, cell, user, value) = match happening {
            Happening::CellLocked { cell, user, .. } => ("cell_locked", cell, user, None),
            Happening::CellUnlocked { cell, user, .. } => ("cell_unlocked", cell, user, None),
            Happening::CellUpdated { cell, user, value, .. } => ("cell_updated", cell, user, Some(value)),
            Happening::Checked { .. } | Happening::StreamerChanged { .. } => return,
        };
        let mut message = json!({
            "action": action, "user": user, "resource": cell.resource, "resource_id": cell.id, "field": cell.field,
        });
        if let Some(value) = value {
            message["value"] = value.clone();
        }
        out.say(&self.topic, &message);
    }
}

impl Channel for CollaborationChannel {
    fn name(&self) -> &'static str {
        "CollaborationChannel"
    }
    fn admit<'a>(&'a self, subscribing: Subscribing<'a>, _hub: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async move {
            super::signed_in(subscribing.who)?;
            subscribing.who.require(permission::STREAMS_READ)?;
            Ok(Admission::to([self.topic.clone()]))
        })
    }
    fn retelling(&self, topic: &Topic) -> Option<Retelling> {
        (*topic == self.topic).then(|| self.board.retelling(Self::new))
    }
    fn render(&self, commit: &Commit, out: &mut Broadcasts) {
        for happening in grid::of_commit(commit, &self.board) {
            self.say(&happening, out);
        }
    }
    fn render_notice(&self, notice: &Notice, out: &mut Broadcasts) {
        if let Some(happening) = grid::of_notice(notice) {
            self.say(&happening, out);
        }
    }
}
