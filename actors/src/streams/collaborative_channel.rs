//! `CollaborativeStreamsChannel`: the shared grid. Who is there, who edits which cell, and what they wrote (`streams.md` 8.3 to 8.5).
//!
//! An action is answered by what everybody hears of it; only its refusal is told to the one who performed it. A lost race is a refusal
//! like any other: the subscription lives on.
//!
//! # Layout
//! - [`actions`]: lock, unlock, update: from the frame to the stream's mailbox
//! - [`words`]: what is said, exactly
//! - [`tabs`]: what is remembered of an open connection: its budget, and where it may hold leases

mod actions;
mod tabs;
mod words;

use std::sync::Arc;

use futures::{StreamExt as _, future::BoxFuture, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::debug;
use trunkline_protocol::{Commit, ConnectionId, EntityId, Notice, Record, Timestamp, Topic, UserId, codec};

use self::tabs::Tabs;
use super::{
    board::Board,
    grid::{self, Happening},
    locks::Locks,
    stream::{Stream, StreamCommand},
};
use crate::{
    Action, Admission, AskError, Broadcasts, Channel, Hub, Leaving, Performed, Retelling, Subscribing,
    accounts::{
        policy::permission,
        presence::{Presence, PresenceNotice},
    },
};

/// Releases of one connection that may be under way at once.
const RELEASES_AT_ONCE: usize = 16;

/// The shared grid.
#[derive(Debug)]
pub struct CollaborativeStreamsChannel {
    board: Arc<Board>,
    locks: Arc<Locks>,
    topic: Topic,
    tabs: Arc<Tabs>,
}

/// Somebody hears the grid from now on, and should be told which cells are held. It goes the way of all that is told, so that a lock
/// which ends at that moment is either not told or told to have ended.
#[derive(Serialize, Deserialize)]
struct GridJoined(ConnectionId);
impl Record for GridJoined {
    const KIND: u16 = codec::kinds::GRID_JOINED;
    const SCHEMA: u8 = 1;
}
impl GridJoined {
    fn notice(topic: &Topic, connection: ConnectionId, at: Timestamp) -> Notice {
        let (entity, said) = (EntityId::new("grid", topic.name()), codec::seal(&Self(connection)));
        Notice { entity, at, by: UserId::HOUSE, connection: Some(connection), said }
    }
}

impl CollaborativeStreamsChannel {
    /// The channel over this board. Expects the plan to provide [`Presence`].
    #[must_use]
    pub fn new(board: Arc<Board>, locks: Arc<Locks>) -> Self {
        Self { board, locks, topic: Topic::channel("collaborative_streams"), tabs: Arc::default() }
    }
    fn say(&self, happening: &Happening, out: &mut Broadcasts) {
        let message = match happening {
            Happening::CellLocked { cell, user, user_name, expires_in_s } => {
                words::cell_locked(cell, *user, user_name, Some(*expires_in_s))
            }
            Happening::CellUnlocked { cell, user, reason } => words::cell_unlocked(cell, *user, *reason),
            Happening::CellUpdated { cell, user, value, command } => {
                let stream_id = match self.tabs.is_numbered(*command) {
                    true => Value::from(cell.id),
                    false => Value::from(cell.id.to_string()),
                };
                let row = self.board.row(cell.id);
                words::cell_updated(cell, stream_id, *user, value, row.as_ref())
            }
            Happening::Checked { stream, last_checked_at, last_live_at } => {
                words::stream_updated(*stream, *last_checked_at, *last_live_at)
            }
            Happening::StreamerChanged { stream, streamer } => words::streamer_updated(*stream, streamer.as_deref()),
        };
        match happening {
            // A checker looks every few minutes at every stream: of what it found, only the last counts.
            Happening::Checked { stream, .. } => out.say_latest(&self.topic, &format!("checked {stream}"), &message),
            _ => out.say(&self.topic, &message),
        }
    }
}

impl Channel for CollaborativeStreamsChannel {
    fn name(&self) -> &'static str {
        "CollaborativeStreamsChannel"
    }
    fn admit<'a>(&'a self, subscribing: Subscribing<'a>, _hub: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async move {
            super::signed_in(subscribing.who)?;
            subscribing.who.require(permission::STREAMS_READ)?;
            Ok(Admission::to([self.topic.clone(), Topic::personal(&self.topic, subscribing.connection)]))
        })
    }
    fn joined<'a>(&'a self, subscribing: Subscribing<'a>, hub: &'a Hub) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let place = (subscribing.connection, subscribing.identifier.into());
            hub.provided::<Presence>().arrive(hub, &self.topic, place, subscribing.who);
            hub.notice(GridJoined::notice(&self.topic, subscribing.connection, hub.clock().now()));
        })
    }
    fn perform<'a>(&'a self, action: Action<'a>, hub: &'a Hub) -> BoxFuture<'a, Result<Performed, AskError>> {
        Box::pin(async move {
            let transmissions = self.act(action, hub).await.err().unwrap_or_default();
            Ok(Performed { transmissions, ..Performed::default() })
        })
    }
    fn left<'a>(&'a self, leaving: Leaving<'a>, hub: &'a Hub) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let presence = hub.provided::<Presence>();
            let place = (leaving.connection, leaving.identifier.into());
            // A second subscription of the same tab keeps the tab's leases.
            if presence.has_another(&self.topic, &place) {
                return presence.leave(hub, &self.topic, &place);
            }
            let connection = leaving.connection;
            let releases = self.tabs.close(connection).into_iter().map(|key| async move {
                let mut asking = hub.asking(leaving.who);
                asking.connection = Some(connection);
                if let Err(error) = hub.ask::<Stream>(&key, StreamCommand::ReleaseConnection { connection }, asking).await {
                    // Harmless: the leases end by themselves within half a minute.
                    debug!(%key, %connection, %error, "a connection that is gone could not be released");
                }
            });
            // The cells first: while somebody may still be told who holds one, that person has a name.
            stream::iter(releases).buffer_unordered(RELEASES_AT_ONCE).collect::<()>().await;
            presence.leave(hub, &self.topic, &place);
        })
    }
    fn retelling(&self, topic: &Topic) -> Option<Retelling> {
        let again = |board| Self { tabs: Arc::clone(&self.tabs), ..Self::new(board, Arc::default()) };
        (*topic == self.topic).then(|| self.board.retelling(again))
    }
    fn render(&self, commit: &Commit, out: &mut Broadcasts) {
        for happening in grid::of_commit(commit, &self.board) {
            self.say(&happening, out);
        }
    }
    fn render_notice(&self, notice: &Notice, out: &mut Broadcasts) {
        if let Some(happening) = grid::of_notice(notice) {
            return self.say(&happening, out);
        }
        if let Ok(Some(GridJoined(connection))) = notice.open::<GridJoined>() {
            let own = Topic::personal(&self.topic, connection);
            return self.locks.now(notice.at).iter().for_each(|lock| out.say(&own, &words::already_locked(lock)));
        }
        let Ok(Some(said)) = notice.open::<PresenceNotice>() else { return };
        if said.topic != self.topic {
            return;
        }
        for user in &said.told.joined {
            out.say(&self.topic, &words::user_joined(user));
        }
        for user in &said.told.left {
            out.say(&self.topic, &words::user_left(*user));
        }
        out.say_latest(&self.topic, "active_users_list", &words::active_users_list(&said.told));
    }
}
