//! The embedded journal, on sled: the default. The only room that says `sled`.
//!
//! Who talks to it: `open.rs` for `sled:FOLDER`. Appends and saves go through one thread (`committer.rs`) that makes many of them
//! durable at once; reading goes past it. sled's own flush is not durable on Linux, so every batch ends with an fdatasync of ours;
//! and what does not fit into a quarter of a segment goes to files that sled never syncs, so segments are larger than any leaf can need.
//!
//! # Layout
//! - `folder`: whose the data folder is, its format, the room on its disk
//! - `keys`, `stored`: where what is kept, and how it is read back
//! - `committer`, `heads`: how commits are judged and written; `saving`, `layers`: how snapshots are
//! - `recent`: the newest commits, for who follows closely

mod committer;
mod folder;
mod heads;
mod keys;
mod layers;
mod recent;
mod saving;
mod stored;

use std::{
    collections::VecDeque,
    fs::{File, TryLockError},
    io::ErrorKind,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use futures::{FutureExt as _, future::BoxFuture, stream::BoxStream};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use trunkline_protocol::{
    Commit, EntityId, NewCommit, Position, Version, codec,
    limits::{FOLLOW_PAGE_MAX, JOURNAL_QUEUE_MAX, RECORD_BYTES_MAX},
};

use self::{
    committer::{Append, Committer, Request},
    folder::Folder,
    heads::Heads,
    recent::Recent,
    saving::Save,
};
use crate::{
    AppendError, Appended, FollowError, Journal, JournalError, JournalStats, Loaded, OpenJournalError, Snapshot,
    journal::new_epoch, snapshots,
};

/// What a deployment may change.
#[derive(Clone, Copy, Debug)]
pub struct SledOptions {
    /// Room on the disk that is never written into: below it appends are answered `Full`, so that the store always has room to
    /// finish what it began, and an operator has room to look.
    pub reserve_bytes: u64,
    /// sled's page cache, by sled's own count; the memory it takes is about three times as much.
    pub cache_bytes: u64,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self { reserve_bytes: 128 * 1024 * 1024, cache_bytes: 16 * 1024 * 1024 }
    }
}

/// sled writes whole leaves of up to 16 values and a few more; one above a quarter of this would go to a file that is never synced.
const SEGMENT_BYTES: usize = 8 * 1024 * 1024;
const _: () = assert!(SEGMENT_BYTES / 4 > 26 * (RECORD_BYTES_MAX + 4096), "a leaf of the largest commits stays in the log");

/// Saves that may be under way at once; one more waits with its asker, who holds the snapshot anyway. Few would do: they are worked on
/// one after the other.
const SAVES_MAX: usize = 256;

/// How long sled's threads may take to let go of a store that was closed.
const STORE_PATIENCE: Duration = Duration::from_secs(5);

/// A journal in a folder of this machine.
pub struct SledJournal {
    requests: mpsc::Sender<Request>,
    saves: Arc<Semaphore>,
    shared: Arc<Shared>,
    store: Arc<Store>,
    committer: Mutex<Option<thread::JoinHandle<()>>>,
    epoch: String,
}

/// What the committer tells.
struct Shared {
    head: watch::Sender<Head>,
    recent: Recent,
    appended: AtomicU64,
    barriers: AtomicU64,
    last_batch_us: AtomicU64,
}

#[derive(Clone, Copy)]
struct Head {
    position: Position,
    closed: bool,
}

/// The store, for readers. A lock, so that closing waits for who reads and leaves nothing open.
struct Store(RwLock<Option<sled::Db>>);

impl Store {
    /// Reads on a thread that may wait for the disk.
    async fn read<T: Send + 'static>(
        self: Arc<Self>,
        reading: impl FnOnce(&sled::Db) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let read = tokio::task::spawn_blocking(move || match &*self.0.read() {
            Some(db) => reading(db),
            None => Err(closed()),
        });
        read.await.unwrap_or_else(|error| Err(JournalError::Unavailable(error.to_string())))
    }
}

fn closed() -> JournalError {
    JournalError::Unavailable("the journal is closed".into())
}

impl SledJournal {
    /// Opens the journal in `folder`, and makes it where it is missing. Blocks while it recovers.
    ///
    /// # Errors
    /// Every [`OpenJournalError`] that speaks of a folder.
    pub fn open(folder: &Path) -> Result<Arc<Self>, OpenJournalError> {
        Self::open_with(folder, SledOptions::default())
    }

    /// [`open`](Self::open), with other options than the default ones.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_with(folder: &Path, options: SledOptions) -> Result<Arc<Self>, OpenJournalError> {
        let started = Instant::now();
        let mut folder = Folder::take(folder)?;
        let path = folder.path().to_path_buf();
        let unusable = |error: std::io::Error| OpenJournalError::Unusable { folder: path.clone(), reason: error.to_string() };
        let damaged = |reason: String| OpenJournalError::Damaged { folder: path.clone(), reason };

        let db = open_store(&path, options)?;
        let barrier = File::open(path.join("db")).map_err(unusable)?;
        let epoch = epoch_of(&db).map_err(damaged)?;
        let newest = db.range(keys::commits()).next_back().transpose().map_err(|error| damaged(error.to_string()))?;
        let position = newest.and_then(|(key, _)| keys::number(&key)).unwrap_or(0);
        // What recovery and the first opening wrote is durable before anything is acknowledged on top of it.
        db.flush().map_err(|error| damaged(error.to_string()))?;
        barrier.sync_all().and_then(|()| folder.sync()).map_err(unusable)?;
        folder.holds(&epoch)?;

        let shared = Arc::new(Shared {
            head: watch::Sender::new(Head { position, closed: false }),
            recent: Recent::default(),
            appended: AtomicU64::new(0),
            barriers: AtomicU64::new(0),
            last_batch_us: AtomicU64::new(0),
        });
        let (requests, drawn) = mpsc::channel(JOURNAL_QUEUE_MAX);
        let store = Arc::new(Store(RwLock::new(Some(db.clone()))));
        let committer = Committer {
            db,
            barrier,
            folder,
            reserve_bytes: options.reserve_bytes,
            shared: shared.clone(),
            position,
            heads: Heads::default(),
            saving: VecDeque::new(),
            full: false,
            crowded: false,
            barred: started,
        };
        let committer =
            thread::Builder::new().name("house-journal".into()).spawn(move || committer.run(drawn)).map_err(unusable)?;
        tracing::info!(folder = %path.display(), position, epoch, took_ms = started.elapsed().as_millis() as u64, "the journal is open");
        Ok(Arc::new(Self {
            requests,
            saves: Arc::new(Semaphore::new(SAVES_MAX)),
            shared,
            store,
            committer: Mutex::new(Some(committer)),
            epoch,
        }))
    }
}

fn open_store(path: &Path, options: SledOptions) -> Result<sled::Db, OpenJournalError> {
    wait_for_store(path)?;
    let config =
        sled::Config::new().path(path).cache_capacity(options.cache_bytes).segment_size(SEGMENT_BYTES).flush_every_ms(None);
    // sled asserts where it finds what it did not write.
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(sled::Error::Io(error))) => Err(OpenJournalError::Unusable { folder: path.into(), reason: error.to_string() }),
        Ok(Err(sled::Error::Unsupported(reason))) => {
            Err(OpenJournalError::OtherVersion { folder: path.into(), found: reason, supported: folder::FORMAT })
        }
        Ok(Err(error)) => Err(OpenJournalError::Damaged { folder: path.into(), reason: error.to_string() }),
        Err(_) => Err(OpenJournalError::Damaged { folder: path.into(), reason: "the store cannot be recovered".into() }),
    }
}

/// sled's own threads let go of its file a moment after the last handle is gone, so one who opens at once what this process has
/// just closed waits for them. The folder is ours already: nobody else is waited for.
fn wait_for_store(path: &Path) -> Result<(), OpenJournalError> {
    let file = match File::open(path.join("db")) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OpenJournalError::Unusable { folder: path.into(), reason: error.to_string() }),
    };
    let patience = Instant::now() + STORE_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < patience => thread::sleep(Duration::from_millis(2)),
            Err(TryLockError::WouldBlock) => return Err(OpenJournalError::InUse { folder: path.into() }),
            Err(TryLockError::Error(error)) => {
                return Err(OpenJournalError::Unusable { folder: path.into(), reason: error.to_string() });
            }
        }
    }
}

/// The journal's identity; a new one where it has none yet.
fn epoch_of(db: &sled::Db) -> Result<String, String> {
    if let Some(epoch) = db.get(keys::EPOCH).map_err(|error| error.to_string())? {
        return String::from_utf8(epoch.to_vec()).map_err(|_| "its identity is not text".into());
    }
    let epoch = new_epoch();
    db.insert(keys::EPOCH, epoch.as_bytes()).map_err(|error| error.to_string())?;
    Ok(epoch)
}

impl Journal for SledJournal {
    fn append(&self, commit: NewCommit) -> BoxFuture<'_, Result<Appended, AppendError>> {
        let commit = commit.written(0);
        // Sealed by the caller, on the caller's core: the committer only moves bytes.
        let sealed = codec::seal(&commit);
        async move {
            if sealed.len() > RECORD_BYTES_MAX {
                return Err(AppendError::TooLarge { bytes: sealed.len() });
            }
            let (done, answer) = oneshot::channel();
            self.requests.try_send(Request::Append(Append { commit, sealed, done })).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => AppendError::Overloaded,
                mpsc::error::TrySendError::Closed(_) => AppendError::Ambiguous("the journal is closed".into()),
            })?;
            answer.await.unwrap_or_else(|_| Err(AppendError::Ambiguous("the journal was closed meanwhile".into())))
        }
        .boxed()
    }

    fn read(&self, entity: &EntityId, after: Version) -> BoxFuture<'_, Result<Vec<Commit>, JournalError>> {
        // Only up to the head: what is written and not yet durable has not happened.
        let (entity, head) = (entity.clone(), self.head());
        self.store.clone().read(move |db| stored::history(db, &entity, after, head)).boxed()
    }

    fn read_back<'a>(
        &'a self,
        entity: &'a EntityId,
        before: Version,
        at_most: usize,
    ) -> BoxFuture<'a, Result<Vec<Commit>, JournalError>> {
        let (entity, head) = (entity.clone(), self.head());
        self.store.clone().read(move |db| stored::history_back(db, &entity, before, at_most, head)).boxed()
    }

    fn follow(&self, mut after: Position) -> BoxStream<'static, Result<Vec<Commit>, FollowError>> {
        let (store, shared, mut head) = (self.store.clone(), self.shared.clone(), self.shared.head.subscribe());
        Box::pin(async_stream::stream! {
            loop {
                let seen = *head.borrow_and_update();
                while after < seen.position {
                    let last = seen.position.min(after + FOLLOW_PAGE_MAX as Position);
                    let page = match shared.recent.page(after, last) {
                        Some(page) => Ok(page),
                        None => store.clone().read(move |db| stored::page(db, after, last)).await,
                    };
                    match page {
                        Ok(page) => yield Ok(page),
                        Err(error) => {
                            yield Err(FollowError::Lost(error.to_string()));
                            return;
                        }
                    }
                    after = last;
                }
                if seen.closed || head.changed().await.is_err() {
                    return;
                }
            }
        })
    }

    fn head(&self) -> Position {
        self.shared.head.borrow().position
    }

    fn epoch(&self) -> &str {
        &self.epoch
    }

    fn save(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), JournalError>> {
        async move {
            snapshots::check(&snapshot)?;
            let place = self.saves.clone().acquire_owned().await.map_err(|_| closed())?;
            let (done, answer) = oneshot::channel();
            self.requests.send(Request::Save(Save { snapshot, done, place })).await.map_err(|_| closed())?;
            answer.await.unwrap_or_else(|_| Err(closed()))
        }
        .boxed()
    }

    fn load(&self, name: &str) -> BoxFuture<'_, Result<Option<Loaded>, JournalError>> {
        let name = name.to_string();
        async move {
            if name.len() > snapshots::KEY_BYTES_MAX {
                return Ok(None);
            }
            self.store.clone().read(move |db| layers::load(db, &name)).await
        }
        .boxed()
    }

    fn stats(&self) -> JournalStats {
        let disk_bytes = self.store.0.try_read().and_then(|store| store.as_ref()?.size_on_disk().ok()).unwrap_or(0);
        JournalStats {
            appended: self.shared.appended.load(Ordering::Relaxed),
            barriers: self.shared.barriers.load(Ordering::Relaxed),
            queued: self.requests.max_capacity() - self.requests.capacity(),
            last_batch_us: self.shared.last_batch_us.load(Ordering::Relaxed),
            disk_bytes,
        }
    }

    fn close(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        async move {
            // Refused where it is closed already; then there is only the rest to wait for.
            let _ = self.requests.send(Request::Close).await;
            let (store, committer) = (self.store.clone(), self.committer.lock().take());
            let gone = tokio::task::spawn_blocking(move || {
                // The committer ends the process rather than panic, so there is nothing to join but its end.
                let _ = committer.map(thread::JoinHandle::join);
                drop(store.0.write().take());
            });
            gone.await.map_err(|error| JournalError::Unavailable(error.to_string()))
        }
        .boxed()
    }
}
