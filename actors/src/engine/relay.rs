//! Hears the journal and the hub's own voice; tells projections, then channels, then every core of the edge. The only caller of the fan-out.
//!
//! One loop, one order: a commit is folded by every projection before a channel renders it, and what channels say is kept in the backlog
//! before it is handed out. A commit that a projection cannot read stops the relay: it says so and never skips.
//!
//! # Layout
//! - here: what the relay knows, and how it is built again from a snapshot and the journal
//! - `following`: the loop, and when a snapshot is taken; `telling`: what becomes of one page; `snapshots`: what a snapshot is made of

mod following;
pub(crate) mod snapshots;
mod telling;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::BoxStream};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::Instant,
};
use trunkline_persistence::{FollowError, Journal, JournalError};
use trunkline_protocol::{CodecError, Commit, Notice, Position, Timestamp, limits::BACKLOG_TTL};

use self::snapshots::Snapshots;
use super::{backlog::Backlog, fanout::Fanout, recent::Recent, supervisor::history::History, trace::Traces};
use crate::{Broadcast, Channel, Clock, OpenError, Projection, Retentions};

/// What the relay is told beside the journal.
pub(crate) enum Tell {
    /// Something that is not kept; told once everything up to that position has been.
    Notice(Notice, Position),
    /// Said on topics directly, and not written; whoever waits for it is told when every core has been handed it.
    Say {
        broadcasts: Vec<Broadcast>,
        /// Remembered first, where the topic's history is kept in memory.
        keep: bool,
        told: Option<oneshot::Sender<()>>,
    },
}

/// How the relay is; for `/health`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum RelayHealth {
    /// It follows the journal.
    Following {
        /// Everything up to here has been folded and told.
        position: Position,
        /// The newest commit.
        head: Position,
    },
    /// It stands: a record cannot be read. What is written is safe, but nobody is told.
    Stopped {
        /// Where.
        position: Position,
        /// Why.
        reason: String,
    },
}

/// The relay of one hub. Its actor is only the loop: what it knows outlives a crash of the loop.
pub(crate) struct Relay {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) epoch: Arc<str>,
    pub(crate) clock: Clock,
    pub(crate) projections: Vec<Arc<dyn Projection>>,
    pub(crate) channels: Vec<Arc<dyn Channel>>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) recent: Recent,
    pub(crate) traces: Traces,
    pub(crate) retentions: Retentions,
    /// Histories that are being read from the journal.
    pub(crate) recalls: Semaphore,
    pub(crate) fanout: Arc<Fanout>,
    pub(crate) history: Arc<History>,
    /// Everything up to here is in the projections.
    pub(crate) seen: watch::Sender<Position>,
    pub(crate) stopped: Mutex<Option<(Position, String)>>,
    /// Locked by the loop that runs.
    pub(crate) desk: tokio::sync::Mutex<Desk>,
}

/// What the running loop holds.
pub(crate) struct Desk {
    pub(crate) tells: mpsc::Receiver<Tell>,
    /// Tells that wait for their position; in order.
    pub(crate) waiting: VecDeque<Tell>,
    pub(crate) snapshots: Snapshots,
    /// The position of the last snapshot, and when it was taken.
    pub(crate) saved: Position,
    pub(crate) saved_when: Instant,
    /// A fold was begun and did not end: projections may hold half a commit.
    pub(crate) torn: bool,
}

impl Relay {
    /// Restores projections and backlog and replays what was written since; tells nobody.
    pub(crate) async fn open(&self) -> Result<(), OpenError> {
        let mut desk = self.desk.lock().await;
        self.recover(&mut desk, self.journal.head()).await
    }

    /// Brings every projection to exactly `upto`, from the snapshot or from nothing.
    async fn recover(&self, desk: &mut Desk, upto: Position) -> Result<(), OpenError> {
        let began = Instant::now();
        let mut position = desk.snapshots.restore(&*self.journal).await?;
        if position > upto {
            // Taken by the loop just before it died: nothing after it was told.
            tracing::warn!(position, upto, "the snapshot is newer than what was told");
        }
        desk.saved = position;
        self.backlog.open(position, self.clock.now());
        // As old as it was when the last commit was written, however long the hub was down since.
        let recent = self.moment_of(upto).await?.minus(BACKLOG_TTL);
        let (from, mut said_so) = (position, began);
        let mut pages = self.journal.follow(position);
        while position < upto {
            let page = next_page(&mut pages).await?;
            for commit in page.iter().filter(|commit| commit.position <= upto) {
                self.fold(commit).map_err(|error| unreadable(commit, &error))?;
                if commit.at < recent {
                    self.backlog.skip_to(commit.position);
                } else {
                    let said = self.render(commit).map_err(|error| unreadable(commit, &error))?;
                    self.backlog.keep(&said, commit.at);
                }
                position = commit.position;
            }
            if said_so.elapsed() > Duration::from_secs(2) {
                said_so = Instant::now();
                tracing::info!(position, upto, "replaying the journal");
            }
            tokio::task::yield_now().await;
        }
        self.backlog.turn_to(position);
        self.backlog.open(position, self.clock.now());
        tracing::info!(from, position, took = ?began.elapsed(), "projections are up to date");
        desk.torn = false;
        self.seen.send_replace(position);
        Ok(())
    }

    /// When the commit at `position` was written.
    async fn moment_of(&self, position: Position) -> Result<Timestamp, OpenError> {
        let Some(before) = position.checked_sub(1) else { return Ok(self.clock.now()) };
        let page = next_page(&mut self.journal.follow(before)).await?;
        Ok(page.first().map_or_else(|| self.clock.now(), |commit| commit.at))
    }

    fn stop(&self, position: Position, reason: &str) {
        tracing::error!(
            position,
            reason,
            "THE RELAY STANDS: a record cannot be read; projections and dashboards are no longer told"
        );
        *self.stopped.lock() = Some((position, reason.to_owned()));
    }

    /// How it is.
    pub(crate) fn health(&self) -> RelayHealth {
        match &*self.stopped.lock() {
            Some((position, reason)) => RelayHealth::Stopped { position: *position, reason: reason.clone() },
            None => RelayHealth::Following { position: *self.seen.borrow(), head: self.journal.head() },
        }
    }
}

type Pages = BoxStream<'static, Result<Vec<Commit>, FollowError>>;

async fn next_page(pages: &mut Pages) -> Result<Vec<Commit>, OpenError> {
    match pages.next().await {
        Some(Ok(page)) => Ok(page),
        Some(Err(error)) => Err(JournalError::Unavailable(error.to_string()).into()),
        None => Err(JournalError::Unavailable("the journal closed while it was read".into()).into()),
    }
}

fn unreadable(commit: &Commit, error: &CodecError) -> OpenError {
    OpenError::Unreadable { position: commit.position, reason: error.to_string() }
}
