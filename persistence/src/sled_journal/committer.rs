//! The committer: one OS thread that judges, writes and makes durable, in this order, many appends at a time.
//!
//! Nobody is answered before the barrier, not even with a conflict: it may speak of a commit in the same batch. After an error of
//! the store nobody can say what is on the disk (a second fsync may lie), so the process ends, and opening finds out.

use std::{
    collections::VecDeque,
    fs::File,
    iter::{self, Peekable},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::Instant,
    vec,
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use trunkline_protocol::{CommandId, EntityId, Position, Version, limits::JOURNAL_BATCH_MAX};

use super::{
    Shared,
    folder::Folder,
    heads::{Head, Heads},
    keys,
    saving::{STEP_BYTES_MAX, STEP_KEYS_MAX, Saving, Step},
    stored::{self, SnapshotHead, Staged},
};
use crate::{AppendError, Appended, JournalError, Snapshot};

/// Bytes that share one batch; more makes another one. Also what the reserve of disk space must hold several times.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How many bytes the store may write for one of ours: two keys, rewritten pages, cleaned segments.
const WRITE_AMPLIFICATION: u64 = 4;
/// The disk is said to have room again only with so much more of it than the reserve.
const ROOM_AGAIN_BYTES: u64 = 16 * 1024 * 1024;

/// What the thread is asked for.
pub(super) enum Request {
    Append(Append),
    Save { snapshot: Snapshot, done: SaveDone },
    Close,
}

type SaveDone = oneshot::Sender<Result<(), JournalError>>;

pub(super) struct Append {
    pub(super) entity: EntityId,
    pub(super) expected: Version,
    pub(super) id: CommandId,
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
    written: Vec<(EntityId, Head)>,
    saved: Vec<String>,
    /// A large save went one step on.
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
    /// Large saves under way; the first one is worked on.
    pub(super) saving: VecDeque<Saving>,
    pub(super) full: bool,
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
            if self.saving.is_empty() {
                if requests.blocking_recv_many(&mut queue, JOURNAL_BATCH_MAX) == 0 {
                    break;
                }
            } else {
                // A large save goes on between batches, and alone where nobody asks for anything.
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
            match drawn.next_if(|request| batch.takes(request)) {
                Some(Request::Append(append)) => {
                    let (done, answer) = self.append(append, &mut batch);
                    answers.push(Answer::Append(done, answer));
                }
                Some(Request::Save { snapshot, done }) => {
                    if let Some((done, answer)) = self.save(snapshot, done, &mut batch) {
                        answers.push(Answer::Save(done, answer));
                    }
                }
                // What was asked before is still drawn and answered; what is asked after finds the queue closed.
                Some(Request::Close) => requests.close(),
                None => break,
            }
        }
        answers.extend(self.save_on(&mut batch));
        self.tell_of_room(batch.refused || batch.free_bytes == 0);
        self.shared.appended.fetch_add(batch.written.len() as u64, Ordering::Relaxed);
        if !batch.is_empty() {
            self.make_durable(batch.writes);
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
        let Append { entity, expected, id, sealed, done } = append;
        let head = self.head_of(&entity);
        if head.version != expected {
            return (done, self.judge_late(&entity, expected, id, head, batch));
        }
        if !batch.reserve(sealed.len()) {
            return (done, Err(AppendError::Full));
        }
        self.position += 1;
        let head = Head { version: expected + 1, id: Some(id), position: self.position };
        batch.writes.insert(&keys::commit(head.position), &*sealed);
        batch.writes.insert(keys::version(&entity, head.version), &head.position.to_be_bytes());
        batch.written.push((entity.clone(), head));
        self.heads.put(entity, head);
        (done, Ok(Appended { version: head.version, position: head.position, replayed: false }))
    }

    /// The entity has moved on: a repeat is answered as before, everybody else has lost.
    fn judge_late(
        &self,
        entity: &EntityId,
        expected: Version,
        id: CommandId,
        newest: Head,
        batch: &Batch,
    ) -> Result<Appended, AppendError> {
        let named = |head: &Head| head.version == expected.saturating_add(1);
        let occupant = if newest.version < expected {
            None
        } else if named(&newest) {
            Some(newest)
        } else if let Some((_, head)) = batch.written.iter().find(|(of, head)| of == entity && named(head)) {
            Some(*head)
        } else {
            self.stored_head(&keys::version(entity, expected + 1))
        };
        match occupant {
            Some(head) if head.id == Some(id) => Ok(Appended { version: head.version, position: head.position, replayed: true }),
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
        Some(Head { version: commit.version, id: Some(commit.id()), position })
    }

    /// A small save joins the batch and is answered with it; a large one is begun, and answered later.
    fn save(&mut self, snapshot: Snapshot, done: SaveDone, batch: &mut Batch) -> Option<(SaveDone, Result<(), JournalError>)> {
        let bytes = snapshot.pieces.iter().map(|piece| piece.key.len() + piece.value.as_ref().map_or(0, Bytes::len)).sum::<usize>();
        if !batch.reserve(bytes) {
            return Some((done, Err(JournalError::Unavailable(AppendError::Full.to_string()))));
        }
        let small = bytes <= STEP_BYTES_MAX && snapshot.pieces.len() <= STEP_KEYS_MAX;
        // Saves of one name are saved in the order in which they came.
        if !small || self.saving.iter().any(|saving| saving.name == snapshot.name) {
            self.saving.push_back(Saving::new(snapshot, done));
            return None;
        }
        match self.save_at_once(&snapshot, batch) {
            Ok(true) => Some((done, Ok(()))),
            Ok(false) => {
                self.saving.push_back(Saving::new(snapshot, done));
                None
            }
            Err(error) => Some((done, Err(error))),
        }
    }

    /// False where it cannot be done in one batch: an earlier one is not finished, or there is too much to replace.
    fn save_at_once(&self, snapshot: &Snapshot, batch: &mut Batch) -> Result<bool, JournalError> {
        let head_key = keys::snapshot_head(&snapshot.name);
        let head = stored::snapshot_head(&self.db, &head_key)?;
        if head.is_some_and(|head| head.staged != Staged::No) {
            return Ok(false);
        }
        if snapshot.replace {
            let doomed = self.db.scan_prefix(keys::pieces(&snapshot.name)).keys().take(STEP_KEYS_MAX + 1);
            let doomed = doomed.collect::<Result<Vec<_>, _>>().map_err(stored::unavailable)?;
            if doomed.len() > STEP_KEYS_MAX {
                return Ok(false);
            }
            doomed.into_iter().for_each(|key| batch.writes.remove(key));
        }
        for piece in &snapshot.pieces {
            let key = keys::piece(&snapshot.name, &piece.key);
            match &piece.value {
                Some(value) => batch.writes.insert(key, &**value),
                None => batch.writes.remove(key),
            }
        }
        let head = SnapshotHead { at: snapshot.at, saves: head.map_or(0, |head| head.saves) + 1, staged: Staged::No };
        batch.writes.insert(head_key, head.bytes());
        batch.saved.push(snapshot.name.clone());
        Ok(true)
    }

    /// One step of the large save that is under way; its answer, where this step decides it.
    fn save_on(&mut self, batch: &mut Batch) -> Option<Answer> {
        let saving = self.saving.front_mut()?;
        if batch.saved.contains(&saving.name) {
            return None;
        }
        // Given up when the disk fills before it is decided; once decided it is finished, the reserve is there for that.
        let step = if batch.free_bytes == 0 && !saving.is_decided() {
            Err(JournalError::Unavailable(AppendError::Full.to_string()))
        } else {
            saving.step(&self.db, &mut batch.writes)
        };
        batch.stepped = true;
        let answer = match step {
            Ok(Step::Going) => return None,
            Ok(Step::Decided) => Ok(()),
            Ok(Step::Over) => {
                self.saving.pop_front();
                return None;
            }
            Err(error) => {
                let answer = saving.done.take().map(|done| Answer::Save(done, Err(error)));
                self.saving.pop_front();
                return answer;
            }
        };
        saving.done.take().map(|done| Answer::Save(done, answer))
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
    /// A snapshot that is saved twice is saved in two batches: the second save must see what the first one left.
    fn takes(&self, request: &Request) -> bool {
        !matches!(request, Request::Save { snapshot, .. } if self.saved.contains(&snapshot.name))
    }

    /// Room for this many bytes, if the disk has it.
    fn reserve(&mut self, bytes: usize) -> bool {
        let fits = self.free_bytes > WRITE_AMPLIFICATION * (self.bytes + bytes) as u64;
        self.bytes += if fits { bytes } else { 0 };
        self.refused |= !fits;
        fits
    }

    fn is_empty(&self) -> bool {
        self.written.is_empty() && self.saved.is_empty() && !self.stepped
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
