//! The committer: one OS thread that judges, writes and makes durable, in this order, many appends at a time.
//!
//! Nobody is answered before the barrier, not even with a conflict: it may speak of a commit in the same batch. After an error of
//! the store nobody can say what is on the disk (a second fsync may lie), so the process ends, and opening finds out.

mod saves;

use std::{
    collections::VecDeque,
    fs::File,
    iter::{self, Peekable},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
    vec,
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use trunkline_protocol::{Commit, EntityId, Position, Version, limits::JOURNAL_BATCH_MAX};

use super::{
    Shared,
    folder::Folder,
    heads::{Head, Heads},
    keys,
    saving::{Save, Saving},
    stored,
};
use crate::{AppendError, Appended, JournalError};

/// Bytes that share one batch; more makes another one. Also what the reserve of disk space must hold several times.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// After a batch of so many appends the next barrier waits until so long after the last one: where many ask, they share it, and what
/// a barrier costs (threads woken, the disk's own time) is paid seldom. Where few ask nobody waits.
const CROWD: usize = 8;
const GATHERING: Duration = Duration::from_millis(1);
/// How many bytes the store may write for one of ours: two keys, rewritten pages, cleaned segments.
const WRITE_AMPLIFICATION: u64 = 4;
/// The disk is said to have room again only with so much more of it than the reserve.
const ROOM_AGAIN_BYTES: u64 = 16 * 1024 * 1024;

/// What the thread is asked for.
pub(super) enum Request {
    Append(Append),
    Save(Save),
    Close,
}

type SaveDone = oneshot::Sender<Result<(), JournalError>>;

pub(super) struct Append {
    /// As it was sealed: its position is not known yet.
    pub(super) commit: Commit,
    pub(super) sealed: Bytes,
    pub(super) done: oneshot::Sender<Result<Appended, AppendError>>,
}

/// An answer that waits for the barrier.
enum Answer {
    Append(oneshot::Sender<Result<Appended, AppendError>>, Result<Appended, AppendError>),
    Save(SaveDone, Result<(), JournalError>),
}

/// What is written together.
#[derive(Default)]
struct Batch {
    writes: sled::Batch,
    bytes: usize,
    /// The bytes that may be written before the reserve is touched.
    free_bytes: u64,
    /// Something did not fit.
    refused: bool,
    /// The commits, each with its sealed size.
    written: Vec<(Commit, usize)>,
    /// The names of the snapshots that were decided: nothing more of theirs goes into this batch.
    saved: Vec<String>,
    /// A save went a step on.
    stepped: bool,
}

pub(super) struct Committer {
    pub(super) db: sled::Db,
    /// A second descriptor of the store's file: sled's own flush leaves size, extents and the disk's cache behind, and fdatasync
    /// works per inode.
    pub(super) barrier: File,
    pub(super) folder: Folder,
    pub(super) reserve_bytes: u64,
    pub(super) shared: Arc<Shared>,
    pub(super) position: Position,
    pub(super) heads: Heads,
    /// Saves under way, in the order in which they came; as many as there are places for.
    pub(super) saving: VecDeque<Saving>,
    pub(super) full: bool,
    /// Many asked lately, and when the last barrier was over.
    pub(super) crowded: bool,
    pub(super) barred: Instant,
}

impl Committer {
    /// Works until it is told to close or nobody can ask any more.
    pub(super) fn run(mut self, requests: mpsc::Receiver<Request>) {
        // A panic inside the store is an error of the store.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.serve(requests))) {
            let reason = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            die("the committer panicked", reason.unwrap_or("without a word"));
        }
    }

    fn serve(&mut self, mut requests: mpsc::Receiver<Request>) {
        let mut queue = Vec::with_capacity(JOURNAL_BATCH_MAX);
        loop {
            if self.crowded {
                thread::sleep(GATHERING.saturating_sub(self.barred.elapsed()));
            }
            if self.saving.is_empty() {
                if requests.blocking_recv_many(&mut queue, JOURNAL_BATCH_MAX) == 0 {
                    break;
                }
            } else if requests.is_closed() && requests.is_empty() {
                // Merging can wait for the next opening.
                self.saving.retain(|saving| !saving.is_decided());
            } else {
                // A save goes on with each batch, and alone where nobody asks for anything.
                queue.extend(iter::from_fn(|| requests.try_recv().ok()).take(JOURNAL_BATCH_MAX));
            }
            let mut drawn = queue.drain(..).peekable();
            self.commit(&mut drawn, &mut requests);
            while drawn.peek().is_some() {
                self.commit(&mut drawn, &mut requests);
            }
        }
        self.shared.head.send_modify(|head| head.closed = true);
    }

    /// One batch, one barrier.
    fn commit(&mut self, drawn: &mut Peekable<vec::Drain<'_, Request>>, requests: &mut mpsc::Receiver<Request>) {
        let started = Instant::now();
        let mut batch = Batch { free_bytes: self.free_bytes(), ..Batch::default() };
        let mut answers = Vec::with_capacity(JOURNAL_BATCH_MAX);
        while batch.bytes < BATCH_BYTES_MAX {
            match drawn.next() {
                Some(Request::Append(append)) => {
                    let (done, answer) = self.append(append, &mut batch);
                    answers.push(Answer::Append(done, answer));
                }
                Some(Request::Save(save)) => answers.extend(self.save(save, &mut batch)),
                // What was asked before is still drawn and answered; what is asked after finds the queue closed.
                Some(Request::Close) => requests.close(),
                None => break,
            }
        }
        self.save_on(&mut batch, &mut answers);
        self.tell_of_room(batch.refused || batch.free_bytes == 0);
        self.shared.appended.fetch_add(batch.written.len() as u64, Ordering::Relaxed);
        self.crowded = batch.written.len() >= CROWD;
        if !batch.is_empty() {
            self.make_durable(batch.writes);
            self.barred = Instant::now();
            self.shared.recent.extend(batch.written.into_iter());
        }
        self.shared.last_batch_us.store(started.elapsed().as_micros() as u64, Ordering::Relaxed);
        // Published before anybody is answered, so that whoever was answered finds his commit.
        let position = self.position;
        self.shared.head.send_if_modified(|head| std::mem::replace(&mut head.position, position) != position);
        for answer in answers {
            answer.give();
        }
    }

    fn append(
        &mut self,
        append: Append,
        batch: &mut Batch,
    ) -> (oneshot::Sender<Result<Appended, AppendError>>, Result<Appended, AppendError>) {
        let Append { mut commit, sealed, done } = append;
        let head = self.head_of(&commit.entity);
        if head.version + 1 != commit.version {
            return (done, self.judge_late(&commit, head, batch));
        }
        if !batch.reserve(sealed.len()) {
            return (done, Err(AppendError::Full));
        }
        self.position += 1;
        commit.position = self.position;
        let head = Head::of(&commit);
        batch.writes.insert(&keys::commit(head.position), &*sealed);
        batch.writes.insert(keys::version(&commit.entity, head.version), &head.position.to_be_bytes());
        self.heads.put(commit.entity.clone(), head);
        batch.written.push((commit, sealed.len()));
        (done, Ok(Appended { version: head.version, position: head.position, replayed: false }))
    }

    /// The entity has moved on: a repeat is answered as before, everybody else has lost.
    fn judge_late(&self, late: &Commit, newest: Head, batch: &Batch) -> Result<Appended, AppendError> {
        let named = |version: Version| version == late.version;
        let occupant = if newest.version < late.version {
            None
        } else if named(newest.version) {
            Some(newest)
        } else if let Some((commit, _)) =
            batch.written.iter().find(|(commit, _)| commit.entity == late.entity && named(commit.version))
        {
            Some(Head::of(commit))
        } else {
            self.stored_head(&keys::version(&late.entity, late.version))
        };
        match occupant {
            Some(head) if head.id == Some(late.id()) => {
                Ok(Appended { version: head.version, position: head.position, replayed: true })
            }
            _ => Err(AppendError::Conflict { actual: newest.version }),
        }
    }

    fn head_of(&mut self, entity: &EntityId) -> Head {
        if let Some(head) = self.heads.get(entity) {
            return head;
        }
        let newest = self.db.range(keys::versions_after(entity, 0)).next_back();
        let head = match newest {
            None => Head::default(),
            Some(Ok((key, _))) => {
                self.stored_head(&key).unwrap_or_else(|| die("an entity's newest version has no commit", entity.as_str()))
            }
            Some(Err(error)) => die("the store cannot be read", &error.to_string()),
        };
        self.heads.put(entity.clone(), head);
        head
    }

    /// The commit that a version key speaks of; `None` where there is no such key.
    fn stored_head(&self, version_key: &[u8]) -> Option<Head> {
        let unreadable = |error: sled::Error| -> Option<sled::IVec> { die("the store cannot be read", &error.to_string()) };
        let position = keys::number(&self.db.get(version_key).unwrap_or_else(unreadable)?)?;
        let sealed = self.db.get(keys::commit(position)).unwrap_or_else(unreadable);
        let commit =
            stored::commit(position, &sealed).unwrap_or_else(|error| die("a stored commit cannot be read", &error.to_string()));
        Some(Head::of(&commit))
    }

    fn make_durable(&self, batch: sled::Batch) {
        let written = self.db.apply_batch(batch).and_then(|()| self.db.flush());
        if let Err(error) = written {
            die("the store cannot be written", &error.to_string());
        }
        if let Err(error) = self.barrier.sync_data() {
            die("the disk cannot be made to keep what was written", &error.to_string());
        }
        self.shared.barriers.fetch_add(1, Ordering::Relaxed);
    }

    /// The bytes that may be written before the reserve is touched.
    fn free_bytes(&self) -> u64 {
        match self.folder.free_bytes() {
            Ok(free) => free.saturating_sub(self.reserve_bytes),
            Err(error) => {
                tracing::warn!(%error, "cannot tell how much room the disk has left; taking it for full");
                0
            }
        }
    }

    fn tell_of_room(&mut self, full: bool) {
        if full && !self.full {
            tracing::error!(
                folder = %self.folder.path().display(),
                reserve_bytes = self.reserve_bytes,
                "the disk is full: nothing is acknowledged any more until there is room; reading goes on"
            );
        }
        // Only with some room to spare: at the edge of the reserve every batch would say the one, then the other.
        if !full && self.full && self.free_bytes() < ROOM_AGAIN_BYTES {
            return;
        }
        if !full && self.full {
            tracing::warn!(folder = %self.folder.path().display(), "the disk has room again: acknowledging as before");
        }
        self.full = full;
    }
}

impl Batch {
    /// Room for this many bytes, if the disk has it.
    fn reserve(&mut self, bytes: usize) -> bool {
        let fits = self.free_bytes > WRITE_AMPLIFICATION * (self.bytes + bytes) as u64;
        self.bytes += if fits { bytes } else { 0 };
        self.refused |= !fits;
        fits
    }

    fn is_empty(&self) -> bool {
        self.written.is_empty() && !self.stepped
    }
}

impl Answer {
    fn give(self) {
        // Whoever stopped waiting has written all the same.
        match self {
            Self::Append(done, answer) => drop(done.send(answer)),
            Self::Save(done, answer) => drop(done.send(answer)),
        }
    }
}

/// Ends the process: what is on the disk is unknown, and a guess would be a lie to somebody. Opening it again finds out.
fn die(what: &str, reason: &str) -> ! {
    tracing::error!(reason, "{what}; ending the process, nothing that was acknowledged is lost");
    // Also where no subscriber listens.
    eprintln!("journal: {what}: {reason}; ending the process, nothing that was acknowledged is lost");
    std::process::abort();
}
