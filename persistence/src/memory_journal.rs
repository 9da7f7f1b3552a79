//! The journal in memory: for tests, examples and a hub that may forget. Tests make it fail, crash and come back.
//!
//! Who talks to it: `open.rs` for `memory:`, and every test above this floor. It never touches a disk, and keeps no promise over a
//! real restart; [`restarted`](MemoryJournal::restarted) plays one.

mod pages;

use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture, stream::BoxStream};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use trunkline_protocol::{
    Commit, EntityId, NewCommit, Position, Version, codec,
    limits::{FOLLOW_PAGE_MAX, RECORD_BYTES_MAX},
};

use self::pages::Pages;
use crate::{AppendError, Appended, FollowError, Journal, JournalError, JournalStats, Loaded, Snapshot, journal::new_epoch};

/// What shall go wrong with an append that is yet to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It is written, but its answer is lost: `Ambiguous`.
    AnswerLost,
    /// It is lost on its way, and the answer is `Ambiguous` all the same.
    RequestLost,
    /// It is answered `Conflict` though nobody wrote; the entity finds nothing new and decides again.
    Conflict,
    /// It is answered `Overloaded`.
    Overloaded,
    /// It is answered `Full`.
    Full,
    /// It is written, this much later (by tokio's clock, so a paused clock skips it).
    Slow(Duration),
}

/// A journal that lives as long as it is held. Cheap to make.
pub struct MemoryJournal {
    book: Arc<Book>,
    epoch: String,
}

struct Book {
    pages: Mutex<Pages>,
    head: watch::Sender<Head>,
}

#[derive(Clone, Copy, Default)]
struct Head {
    position: Position,
    closed: bool,
}

impl MemoryJournal {
    /// An empty one.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::holding(Pages::default(), new_epoch())
    }

    /// What a new process would find: everything that was acknowledged, nothing that was not. This one is closed, as if its process
    /// had died: those who wait for it are answered `Ambiguous`.
    #[must_use]
    pub fn restarted(&self) -> Arc<Self> {
        self.forget_unsynced();
        let mut pages = self.book.pages.lock();
        pages.closed = true;
        let kept = Pages {
            commits: pages.commits.clone(),
            histories: pages.histories.clone(),
            snapshots: pages.snapshots.clone(),
            ..Pages::default()
        };
        drop(pages);
        self.book.head.send_modify(|head| head.closed = true);
        Self::holding(kept, self.epoch.clone())
    }

    /// The next appends fail like this, one fault each, in order.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.book.pages.lock().faults.extend(faults);
    }

    /// The next `count` reads and loads are answered `Unavailable`.
    pub fn fail_reads(&self, count: usize) {
        self.book.pages.lock().failing_reads = count;
    }

    /// The next `count` saves are answered `Unavailable`, and save nothing.
    pub fn fail_saves(&self, count: usize) {
        self.book.pages.lock().failing_saves = count;
    }

    /// Closing it will not end, as on a disk that does not answer.
    pub fn hang_at_close(&self) {
        self.book.pages.lock().never_closes = true;
    }

    /// From now on appends wait, as for a disk that does not answer, until [`sync`](Self::sync) or
    /// [`forget_unsynced`](Self::forget_unsynced).
    pub fn pause(&self) {
        self.book.pages.lock().unsynced.get_or_insert_default();
    }

    /// Writes and answers what waits since [`pause`](Self::pause), in order.
    pub fn sync(&self) {
        let Some(waiting) = self.book.pages.lock().unsynced.take() else { return };
        for (commit, done) in waiting {
            // Whoever stopped waiting has written all the same, as on a disk.
            let _ = done.send(self.book.write(commit));
        }
    }

    /// Forgets what waits since [`pause`](Self::pause), as a power cut would; those who wait are answered `Ambiguous`.
    pub fn forget_unsynced(&self) {
        self.book.pages.lock().unsynced.take();
    }

    /// How many appends wait since [`pause`](Self::pause).
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.book.pages.lock().unsynced.as_ref().map_or(0, Vec::len)
    }

    /// Everything written so far, in order.
    #[must_use]
    pub fn commits(&self) -> Vec<Commit> {
        self.book.pages.lock().commits.clone()
    }

    fn holding(pages: Pages, epoch: String) -> Arc<Self> {
        let head = Head { position: pages.commits.len() as Position, closed: false };
        Arc::new(Self { book: Arc::new(Book { pages: Mutex::new(pages), head: watch::Sender::new(head) }), epoch })
    }
}

impl Book {
    fn write(&self, commit: NewCommit) -> Result<Appended, AppendError> {
        let mut pages = self.pages.lock();
        if pages.closed {
            return Err(AppendError::Ambiguous("the journal is closed".into()));
        }
        let actual = pages.version_of(&commit.entity);
        if actual != commit.expected {
            return match pages.replay_of(&commit) {
                Some(position) => Ok(Appended { version: commit.expected + 1, position, replayed: true }),
                None => Err(AppendError::Conflict { actual }),
            };
        }
        let position = pages.commits.len() as Position + 1;
        let commit = commit.written(position);
        let version = commit.version;
        pages.histories.entry(commit.entity.clone()).or_default().push(position);
        pages.commits.push(commit);
        pages.appended += 1;
        // Told under the lock, so that the head never goes back.
        self.head.send_modify(|head| head.position = position);
        Ok(Appended { version, position, replayed: false })
    }

    fn page(&self, after: Position) -> Vec<Commit> {
        let pages = self.pages.lock();
        let from = usize::try_from(after).unwrap_or(usize::MAX).min(pages.commits.len());
        pages.commits[from..].iter().take(FOLLOW_PAGE_MAX).cloned().collect()
    }
}

impl Journal for MemoryJournal {
    fn append(&self, commit: NewCommit) -> BoxFuture<'_, Result<Appended, AppendError>> {
        async move {
            // Sealed only to be measured: what does not fit a disk must not fit here, or a test would pass that production fails.
            let bytes = codec::seal(&commit.clone().written(0)).len();
            if bytes > RECORD_BYTES_MAX {
                return Err(AppendError::TooLarge { bytes });
            }
            let fault = self.book.pages.lock().faults.pop_front();
            match fault {
                None => {}
                Some(Fault::Slow(delay)) => tokio::time::sleep(delay).await,
                Some(Fault::AnswerLost) => {
                    let _ = self.book.write(commit);
                    return Err(AppendError::Ambiguous("the answer was lost".into()));
                }
                Some(Fault::RequestLost) => return Err(AppendError::Ambiguous("the request was lost".into())),
                Some(Fault::Conflict) => {
                    return Err(AppendError::Conflict { actual: self.book.pages.lock().version_of(&commit.entity) });
                }
                Some(Fault::Overloaded) => return Err(AppendError::Overloaded),
                Some(Fault::Full) => return Err(AppendError::Full),
            }
            let answer = {
                let mut pages = self.book.pages.lock();
                let Some(unsynced) = &mut pages.unsynced else {
                    drop(pages);
                    return self.book.write(commit);
                };
                let (done, answer) = oneshot::channel();
                unsynced.push((commit, done));
                answer
            };
            answer.await.unwrap_or_else(|_| Err(AppendError::Ambiguous("the journal crashed".into())))
        }
        .boxed()
    }

    fn read(&self, entity: &EntityId, after: Version) -> BoxFuture<'_, Result<Vec<Commit>, JournalError>> {
        let mut pages = self.book.pages.lock();
        let answer = pages.readable().map(|()| {
            let history = pages.histories.get(entity).map(Vec::as_slice).unwrap_or_default();
            let from = usize::try_from(after).unwrap_or(usize::MAX).min(history.len());
            history[from..].iter().map(|position| pages.commit_at(*position).clone()).collect()
        });
        futures::future::ready(answer).boxed()
    }

    fn follow(&self, mut after: Position) -> BoxStream<'static, Result<Vec<Commit>, FollowError>> {
        let (book, mut head) = (self.book.clone(), self.book.head.subscribe());
        Box::pin(async_stream::stream! {
            loop {
                let seen = *head.borrow_and_update();
                while after < seen.position {
                    let page = book.page(after);
                    after = page.last().map_or(seen.position, |commit| commit.position);
                    yield Ok(page);
                }
                if seen.closed || head.changed().await.is_err() {
                    return;
                }
            }
        })
    }

    fn head(&self) -> Position {
        self.book.head.borrow().position
    }

    fn epoch(&self) -> &str {
        &self.epoch
    }

    fn save(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), JournalError>> {
        let answer = self.book.pages.lock().save(snapshot);
        futures::future::ready(answer).boxed()
    }

    fn load(&self, name: &str) -> BoxFuture<'_, Result<Option<Loaded>, JournalError>> {
        let mut pages = self.book.pages.lock();
        let answer = pages.readable().map(|()| {
            pages.snapshots.get(name).map(|stored| Loaded { at: stored.at, pieces: stored.pieces.clone().into_iter().collect() })
        });
        futures::future::ready(answer).boxed()
    }

    fn stats(&self) -> JournalStats {
        let pages = self.book.pages.lock();
        JournalStats { appended: pages.appended, queued: pages.unsynced.as_ref().map_or(0, Vec::len), ..JournalStats::default() }
    }

    fn close(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        if self.book.pages.lock().never_closes {
            return futures::future::pending().boxed();
        }
        self.sync();
        self.book.pages.lock().closed = true;
        self.book.head.send_modify(|head| head.closed = true);
        futures::future::ready(Ok(())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use trunkline_protocol::{CommandId, Timestamp, Turn, UserId};

    use super::*;

    fn commit(expected: Version) -> NewCommit {
        let turn = Turn { command: CommandId::new(), by: UserId(1), connection: None, facts: vec![Bytes::from_static(b"fact")] };
        NewCommit { entity: EntityId::new("note", 1), expected, at: Timestamp::from_millis(0), turns: vec![turn] }
    }

    #[tokio::test]
    async fn a_lost_answer_is_found_written_and_a_lost_request_is_not() {
        let journal = MemoryJournal::new();
        journal.fail_next([Fault::AnswerLost, Fault::RequestLost]);
        let (first, second) = (commit(0), commit(1));
        assert!(matches!(journal.append(first.clone()).await, Err(AppendError::Ambiguous(_))));
        assert!(matches!(journal.append(second.clone()).await, Err(AppendError::Ambiguous(_))));
        assert!(journal.append(first).await.expect("it is there").replayed);
        assert!(!journal.append(second).await.expect("it was not there").replayed);
    }

    #[tokio::test]
    async fn a_crash_forgets_what_was_not_acknowledged_and_keeps_the_rest() {
        let journal = MemoryJournal::new();
        journal.append(commit(0)).await.expect("written");
        journal.pause();
        let waiting = journal.append(commit(1));
        let (answer, reopened) = futures::join!(waiting, async {
            assert_eq!(journal.waiting(), 1);
            journal.restarted()
        });
        assert!(matches!(answer, Err(AppendError::Ambiguous(_))));
        assert_eq!((reopened.head(), reopened.epoch()), (1, journal.epoch()));
        assert!(matches!(journal.append(commit(1)).await, Err(AppendError::Ambiguous(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_append_is_acknowledged_late() {
        let journal = MemoryJournal::new();
        journal.fail_next([Fault::Slow(Duration::from_secs(3))]);
        let before = tokio::time::Instant::now();
        journal.append(commit(0)).await.expect("written");
        assert_eq!(before.elapsed(), Duration::from_secs(3));
    }
}
