//! The relay's loop: pages of the journal, what is told beside it, and a snapshot now and then.

use std::{future::pending, panic::resume_unwind, sync::Arc, time::Duration};

use futures::{StreamExt as _, future::BoxFuture};
use tokio::{sync::watch, task::JoinError, time::Instant};
use trunkline_persistence::{FollowError, Snapshot};
use trunkline_protocol::limits::TELLS_MAX;

use super::{Desk, Relay, telling::Batch};
use crate::engine::house::closed;

/// A snapshot is taken after so many commits, or so long after the last one if anything was folded since.
const SNAPSHOT_COMMITS: u64 = 10_000;
const SNAPSHOT_EVERY: Duration = Duration::from_secs(30);
/// How long the last snapshot may take when the hub closes.
const CLOSING_DEADLINE: Duration = Duration::from_secs(20);
/// Tells that are taken at once.
const TELLS_AT_ONCE: usize = 256;

/// What became of a snapshot.
enum Saved {
    Whole,
    Not(Snapshot),
    /// It could not even be sealed.
    Lost(JoinError),
}

type Saving = BoxFuture<'static, Saved>;

impl Relay {
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
                        let mut batch = Batch::default();
                        self.tell_waiting(desk, *self.seen.borrow(), stopped, &mut batch);
                        self.deliver(batch).await;
                    }
                    saved = saved => {
                        saving = None;
                        desk.note(saved);
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
                desk.note(saving.await);
            }
            if *self.seen.borrow() > desk.saved && !desk.torn {
                let _ = self.save(desk).await;
            }
        };
        if tokio::time::timeout(CLOSING_DEADLINE, last).await.is_err() {
            tracing::warn!("the last snapshot was not saved in time; the next opening replays what it lacks");
        }
    }

    /// Takes a snapshot now; sealing and saving it go on beside the loop.
    fn save(&self, desk: &mut Desk) -> Saving {
        let at = *self.seen.borrow();
        let taken = desk.snapshots.take(at);
        desk.saved = at;
        desk.saved_when = Instant::now();
        let journal = Arc::clone(&self.journal);
        Box::pin(async move {
            let snapshot = match tokio::task::spawn_blocking(|| taken.seal()).await {
                Ok(snapshot) => snapshot,
                Err(panicked) => return Saved::Lost(panicked),
            };
            let pieces = snapshot.pieces.len();
            match journal.save(snapshot.clone()).await {
                Ok(()) => {
                    tracing::debug!(at, pieces, "a snapshot is saved");
                    Saved::Whole
                }
                Err(error) => {
                    tracing::warn!(at, pieces, %error, "a snapshot was not saved; its pieces go with the next");
                    Saved::Not(snapshot)
                }
            }
        })
    }
}

impl Desk {
    fn note(&mut self, saved: Saved) {
        match saved {
            Saved::Whole => self.snapshots.saved(),
            Saved::Not(snapshot) => self.snapshots.not_saved(snapshot),
            Saved::Lost(panicked) => {
                // A bug in a projection: what it was to save is gone. This loop dies; the next one builds the projections again.
                self.torn = true;
                if let Ok(panic) = panicked.try_into_panic() {
                    resume_unwind(panic);
                }
            }
        }
    }
}
