//! Hears the journal and the hub's own voice; tells projections, then channels, then every core of the edge. The only caller of the fan-out.
//!
//! One loop, one order: a commit is folded by every projection before a channel renders it, and what channels say is kept in the backlog
//! before it is handed out. A commit that a projection cannot read stops the relay: it says so and never skips.

pub(crate) mod snapshots;

use std::{
    collections::{HashMap, VecDeque},
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt as _, future::BoxFuture};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use trunkline_persistence::{FollowError, Journal, JournalError, Snapshot};
use trunkline_protocol::{
    CodecError, Commit, Notice, Position, Topic,
    limits::{BACKLOG_TTL, TELLS_MAX},
};

use self::snapshots::Snapshots;
use super::{
    backlog::{Backlog, last_of},
    entity::actor::said,
    fanout::Fanout,
    house::closed,
    published,
    supervisor::history::History,
};
use crate::{Broadcast, Broadcasts, Channel, Clock, Offset, OpenError, Projection};

/// What the relay is told beside the journal.
pub(crate) enum Tell {
    /// Something that is not kept; told once everything up to that position has been.
    Notice(Notice, Position),
    /// Said on a topic directly, and not kept.
    Say(Broadcast),
}

/// A snapshot is taken after so many commits, or so long after the last one if anything was folded since.
const SNAPSHOT_COMMITS: u64 = 10_000;
const SNAPSHOT_EVERY: Duration = Duration::from_secs(30);
/// How long the last snapshot may take when the hub closes.
const CLOSING_DEADLINE: Duration = Duration::from_secs(20);
/// Tells that are taken at once.
const TELLS_AT_ONCE: usize = 256;

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

type Saving = BoxFuture<'static, Result<(), Snapshot>>;

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
        self.backlog.reach(position, self.clock.now());
        let (from, mut said_so) = (position, began);
        let mut pages = self.journal.follow(position);
        while position < upto {
            let page = match pages.next().await {
                Some(Ok(page)) => page,
                Some(Err(error)) => return Err(JournalError::Unavailable(error.to_string()).into()),
                None => return Err(JournalError::Unavailable("the journal closed while it was read".into()).into()),
            };
            let recent = self.clock.now().minus(BACKLOG_TTL);
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
        self.backlog.reach(position, self.clock.now());
        tracing::info!(from, position, took = ?began.elapsed(), "projections are up to date");
        desk.torn = false;
        self.seen.send_replace(position);
        Ok(())
    }

    /// Follows the journal until the hub closes; then takes a last snapshot.
    pub(crate) async fn run(self: Arc<Self>, mut closing: watch::Receiver<bool>) {
        let mut desk = self.desk.lock().await;
        let desk = &mut *desk;
        if desk.torn {
            let told = *self.seen.borrow();
            tracing::warn!(told, "the relay died within a commit; projections are built again");
            if let Err(error) = self.recover(desk, told).await {
                self.stop(told, &error.to_string());
            }
        }
        let mut saving: Option<Saving> = None;
        let mut pause = Duration::from_millis(50);
        'follow: loop {
            let mut pages = self.journal.follow(*self.seen.borrow());
            loop {
                let (stopped, idle) = (self.stopped.lock().is_some(), saving.is_none());
                let saved = async {
                    match &mut saving {
                        Some(saving) => saving.await,
                        None => pending().await,
                    }
                };
                tokio::select! {
                    page = pages.next(), if !stopped => match page {
                        Some(Ok(page)) => {
                            pause = Duration::from_millis(50);
                            self.tell_page(desk, &page).await;
                        }
                        Some(Err(FollowError::Compacted { oldest })) => {
                            tracing::warn!(oldest, "the journal was compacted beyond the relay; starting from its snapshot");
                            if let Err(error) = self.recover(desk, self.journal.head()).await {
                                self.stop(*self.seen.borrow(), &error.to_string());
                            }
                            continue 'follow;
                        }
                        Some(Err(FollowError::Lost(reason))) => {
                            tracing::error!(reason, "the journal cannot be followed; trying again");
                            tokio::time::sleep(pause).await;
                            pause = (pause * 2).min(Duration::from_secs(5));
                            continue 'follow;
                        }
                        // The journal closed.
                        None => break 'follow,
                    },
                    tell = desk.tells.recv(), if desk.waiting.len() < TELLS_MAX => {
                        let Some(tell) = tell else { break 'follow };
                        desk.waiting.push_back(tell);
                        while desk.waiting.len() < TELLS_AT_ONCE && let Ok(tell) = desk.tells.try_recv() {
                            desk.waiting.push_back(tell);
                        }
                        let mut batch = Vec::new();
                        self.tell_waiting(desk, *self.seen.borrow(), stopped, &mut batch);
                        self.fanout.deliver(batch).await;
                    }
                    result = saved => {
                        saving = None;
                        match result {
                            Ok(()) => desk.snapshots.saved(),
                            Err(snapshot) => desk.snapshots.not_saved(snapshot),
                        }
                    }
                    () = tokio::time::sleep_until(desk.saved_when + SNAPSHOT_EVERY), if idle && *self.seen.borrow() > desk.saved => {
                        saving = Some(self.save(desk));
                    }
                    () = closed(&mut closing) => break 'follow,
                }
                if saving.is_none() && self.seen.borrow().saturating_sub(desk.saved) >= SNAPSHOT_COMMITS {
                    saving = Some(self.save(desk));
                }
            }
        }
        self.finish(desk, saving).await;
    }

    /// The last snapshot, so that the next opening replays nothing.
    async fn finish(&self, desk: &mut Desk, saving: Option<Saving>) {
        let last = async {
            if let Some(saving) = saving {
                match saving.await {
                    Ok(()) => desk.snapshots.saved(),
                    Err(snapshot) => desk.snapshots.not_saved(snapshot),
                }
            }
            if *self.seen.borrow() > desk.saved && !desk.torn {
                let _ = self.save(desk).await;
            }
        };
        if tokio::time::timeout(CLOSING_DEADLINE, last).await.is_err() {
            tracing::warn!("the last snapshot was not saved in time; the next opening replays what it lacks");
        }
    }

    fn save(&self, desk: &mut Desk) -> Saving {
        let at = *self.seen.borrow();
        let snapshot = desk.snapshots.take(at);
        desk.saved = at;
        desk.saved_when = Instant::now();
        let journal = Arc::clone(&self.journal);
        Box::pin(async move {
            let pieces = snapshot.pieces.len();
            match journal.save(snapshot.clone()).await {
                Ok(()) => {
                    tracing::debug!(at, pieces, "a snapshot is saved");
                    Ok(())
                }
                Err(error) => {
                    tracing::warn!(at, pieces, %error, "a snapshot was not saved; its pieces go with the next");
                    Err(snapshot)
                }
            }
        })
    }

    /// Folds, renders and hands out one page. Where one commit cannot be folded, those before it are told all the same.
    async fn tell_page(&self, desk: &mut Desk, page: &[Commit]) {
        let mut batch = Vec::new();
        let mut came = Ok(Ok(()));
        let before = *self.seen.borrow();
        let mut position = before;
        for commit in page.iter().filter(|commit| commit.position > before) {
            desk.torn = true;
            came = catch_unwind(AssertUnwindSafe(|| self.fold(commit)));
            if !matches!(came, Ok(Ok(()))) {
                break;
            }
            desk.torn = false;
            position = commit.position;
            match self.render(commit) {
                Ok(said) => {
                    self.backlog.keep(&said, commit.at);
                    batch.extend(said);
                }
                Err(error) => self.stop(position, &error.to_string()),
            }
            self.tell_waiting(desk, position, false, &mut batch);
        }
        if position > before {
            self.backlog.reach(position, self.clock.now());
            self.seen.send_replace(position);
        }
        self.fanout.deliver(batch).await;
        match came {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                // Half a commit may be folded, but nothing more will be: the loop stands.
                let at = page.iter().map(|commit| commit.position).find(|at| *at > position).unwrap_or(position);
                self.stop(at, &error.to_string());
            }
            // A bug in a projection: this loop dies; its supervisor starts another, which builds the projections again.
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Says what waits for no later position than this one, in order.
    fn tell_waiting(&self, desk: &mut Desk, position: Position, stopped: bool, batch: &mut Vec<Broadcast>) {
        while let Some(tell) = desk.waiting.front() {
            if matches!(tell, Tell::Notice(_, after) if *after > position) && !stopped {
                return;
            }
            match desk.waiting.pop_front() {
                Some(Tell::Say(broadcast)) => batch.push(broadcast),
                // A notice of something that is not in the projections makes no sense to anybody.
                Some(Tell::Notice(_, after)) if after > position => {}
                Some(Tell::Notice(notice, _)) => batch.extend(self.render_notice(&notice)),
                None => return,
            }
        }
    }

    fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
        self.projections.iter().try_for_each(|projection| projection.fold(commit))
    }

    /// What every channel says of a commit, each with its place in its topic's history.
    fn render(&self, commit: &Commit) -> Result<Vec<Broadcast>, CodecError> {
        let mut out = Broadcasts::default();
        for channel in &self.channels {
            self.guarded(channel.name(), &mut out, |out| channel.render(commit, out));
        }
        published::render(commit, &mut out)?;
        number(&mut out.out, &self.epoch, commit.position);
        Ok(out.out)
    }

    fn render_notice(&self, notice: &Notice) -> Vec<Broadcast> {
        let mut out = Broadcasts::default();
        for projection in &self.projections {
            self.guarded(projection.name(), &mut out, |_| projection.hear(notice));
        }
        for channel in &self.channels {
            self.guarded(channel.name(), &mut out, |out| channel.render_notice(notice, out));
        }
        out.out
    }

    /// A channel that panics loses what it was about to say; the others are told. Its panic is counted like a crash.
    fn guarded(&self, name: &'static str, out: &mut Broadcasts, render: impl FnOnce(&mut Broadcasts)) {
        let before = out.out.len();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| render(out))) {
            out.out.truncate(before);
            let cause = said(panic.as_ref());
            tracing::error!(channel = name, cause, "a channel panicked while it rendered; what it was to say is lost");
            self.history.note("channel", name, &cause, self.clock.now());
        }
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

fn unreadable(commit: &Commit, error: &CodecError) -> OpenError {
    OpenError::Unreadable { position: commit.position, reason: error.to_string() }
}

/// Gives each broadcast of a commit its offset: the position, and its place among those of its topic.
fn number(broadcasts: &mut [Broadcast], epoch: &Arc<str>, position: Position) {
    let mut places: HashMap<Topic, u64> = HashMap::new();
    let alone = broadcasts.len() == 1;
    for broadcast in broadcasts {
        let place = if alone { 0 } else { *places.entry(broadcast.topic.clone()).and_modify(|place| *place += 1).or_default() };
        let offset = position << 10 | place;
        if place > 1023 {
            tracing::error!(position, topic = broadcast.topic.as_str(), "one commit said more on a topic than can be resumed");
            continue;
        }
        debug_assert!(offset <= last_of(position));
        broadcast.offset = Some(Offset { epoch: Arc::clone(epoch), offset });
    }
}
