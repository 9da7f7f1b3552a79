//! What the embedded journal does on this disk: `cargo bench -p trunkline-persistence -- [appends] [memory] [million]`.
//!
//! A plain program, since what counts is a disk and a process, not a loop: it prints one line per figure, beside the disk's own rate
//! of fdatasync, measured in the same run in the same folder. `JOURNAL_BENCH_DIR` says where (default: the target folder),
//! `JOURNAL_BENCH_SECONDS` how long the appends take.

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream::FuturesUnordered};
use trunkline_persistence::{Journal, Piece, SledJournal, Snapshot};
use trunkline_protocol::{CommandId, EntityId, NewCommit, Timestamp, Turn, UserId};

const CALLERS: usize = 256;
/// About what a stream's facts take.
const FACT_BYTES: usize = 136;
const MILLION: u64 = 1_000_000;
/// Commits written after the newest snapshot.
const TAIL: u64 = 1_000;

fn main() {
    let asked: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if let [verb, folder] = &asked[..]
        && verb == "reopen"
    {
        return runtime.block_on(reopen(Path::new(folder)));
    }
    let home = env::var_os("JOURNAL_BENCH_DIR").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let home = tempfile::Builder::new().prefix("journal-bench").tempdir_in(home).expect("a folder to measure in");
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|one| one == name);
    disk(home.path());
    if wanted("appends") {
        runtime.block_on(appends(home.path(), "256 callers, an entity each", |caller, n| (EntityId::new("stream", caller), n)));
        runtime.block_on(appends(home.path(), "256 callers, every append a new entity", |caller, n| {
            (EntityId::new("stream", format!("twitch.tv/{caller}_{n}")), 0)
        }));
    }
    if wanted("memory") {
        runtime.block_on(known_streams(home.path()));
    }
    if wanted("million") {
        runtime.block_on(million(home.path()));
    }
    disk(home.path());
}

/// The disk's own rate: 4 KiB and an fdatasync, one after the other.
fn disk(home: &Path) {
    let mut file = File::create(home.join("fdatasync")).expect("a file");
    let (started, mut syncs) = (Instant::now(), 0_u32);
    while started.elapsed() < Duration::from_secs(2) {
        file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).expect("written");
        syncs += 1;
    }
    println!("disk: {:.0} fdatasync/s (4 KiB appended before each)", f64::from(syncs) / started.elapsed().as_secs_f64());
}

fn commit(entity: EntityId, expected: u64) -> NewCommit {
    let turn =
        Turn { command: CommandId::new(), by: UserId(7), connection: None, facts: vec![Bytes::from(vec![b'f'; FACT_BYTES])] };
    NewCommit { entity, expected, at: Timestamp::from_millis(1_700_000_000_000), turns: vec![turn] }
}

/// Durable appends by `CALLERS` at once, each waiting for its answer.
async fn appends(home: &Path, what: &str, next: impl Fn(usize, u64) -> (EntityId, u64) + Copy + Send + 'static) {
    let seconds = env::var("JOURNAL_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let folder = tempfile::tempdir_in(home).expect("a folder");
    let journal = SledJournal::open(folder.path()).expect("opens");
    let (started, until) = (Instant::now(), Instant::now() + Duration::from_secs(seconds));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let (mut n, mut waits) = (0, Vec::with_capacity(4096));
                while Instant::now() < until {
                    let (entity, expected) = next(caller, n);
                    let asked = Instant::now();
                    journal.append(commit(entity, expected)).await.expect("durable");
                    waits.push(asked.elapsed().as_micros() as u32);
                    n += 1;
                }
                waits
            })
        })
        .collect();
    let mut waits = Vec::new();
    for caller in callers {
        waits.extend(caller.await.expect("no caller panics"));
    }
    let rate = waits.len() as f64 / started.elapsed().as_secs_f64();
    waits.sort_unstable();
    let at = |part: f64| f64::from(waits[((waits.len() - 1) as f64 * part) as usize]) / 1000.0;
    let stats = journal.stats();
    println!(
        "appends ({what}): {rate:.0} durable/s, p50 {:.2} ms, p99 {:.2} ms, {:.0} barriers/s, {:.1} appends per barrier, {} bytes on disk each",
        at(0.50),
        at(0.99),
        stats.barriers as f64 / started.elapsed().as_secs_f64(),
        stats.appended as f64 / stats.barriers.max(1) as f64,
        stats.disk_bytes / stats.appended.max(1),
    );
    journal.close().await.expect("closes");
}

/// Appends to each of `entities` at these versions, many at once.
async fn fill(journal: &Arc<SledJournal>, entities: u64, versions: Range<u64>) {
    for version in versions {
        let mut going = FuturesUnordered::new();
        for n in 0..entities {
            if going.len() >= 2048 {
                going.next().await;
            }
            let (journal, commit) = (journal.clone(), commit(EntityId::new("stream", format!("twitch.tv/streamer_{n}")), version));
            going.push(tokio::spawn(async move { journal.append(commit).await.expect("durable") }));
        }
        while going.next().await.is_some() {}
    }
}

fn snapshot(name: &str, at: u64, pieces: u64, bytes: usize) -> Snapshot {
    let piece = |n: u64| Piece { key: n.to_be_bytes().into(), value: Some(vec![b'p'; bytes].into()) };
    Snapshot { name: name.into(), at, replace: true, pieces: (0..pieces).map(piece).collect() }
}

/// What 100,000 known streams cost a process that does nothing else.
async fn known_streams(home: &Path) {
    let folder = tempfile::tempdir_in(home).expect("a folder");
    let before = resident_mib();
    let journal = SledJournal::open(folder.path()).expect("opens");
    println!("memory: empty journal, {:.0} MiB more than before it was opened", resident_mib() - before);
    fill(&journal, 100_000, 0..1).await;
    println!("memory: 100,000 entities of 1 commit, just written: {:.0} MiB more", resident_mib() - before);
    fill(&journal, 100_000, 1..3).await;
    println!("memory: 100,000 entities of 3 commits, just written: {:.0} MiB more", resident_mib() - before);
    let started = Instant::now();
    journal.save(snapshot("relay", journal.head(), 100_000, 500)).await.expect("saved");
    println!(
        "memory: a snapshot of 100,000 pieces of 500 bytes saved in {:.0} ms: {:.0} MiB more, {:.0} MiB on disk",
        started.elapsed().as_secs_f64() * 1000.0,
        resident_mib() - before,
        mib(journal.stats().disk_bytes)
    );
    journal.close().await.expect("closes");
    run_reopen(folder.path());
}

/// A journal of a million commits with a snapshot, opened by a new process.
async fn million(home: &Path) {
    let folder = tempfile::tempdir_in(home).expect("a folder");
    let started = Instant::now();
    let journal = SledJournal::open(folder.path()).expect("opens");
    fill(&journal, MILLION / 5, 0..5).await;
    println!("million: written in {:.1} s, {:.0} MiB resident", started.elapsed().as_secs_f64(), resident_mib());
    journal.save(snapshot("relay", journal.head(), 100_000, 500)).await.expect("saved");
    fill_tail(&journal).await;
    println!("million: {:.0} MiB on disk", mib(journal.stats().disk_bytes));
    journal.close().await.expect("closes");
    run_reopen(folder.path());
    println!("million: once more, as after kill -9 (the store's own snapshot of its page table is gone)");
    for entry in fs::read_dir(folder.path()).expect("readable").flatten() {
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            fs::remove_file(entry.path()).expect("removed");
        }
    }
    run_reopen(folder.path());
}

async fn fill_tail(journal: &Arc<SledJournal>) {
    for n in 0..TAIL {
        journal.append(commit(EntityId::new("tail", n), 0)).await.expect("durable");
    }
}

fn run_reopen(folder: &Path) {
    let me = env::current_exe().expect("this program");
    let status = Command::new(me).arg("reopen").arg(folder).status().expect("starts");
    assert!(status.success(), "reopening failed");
}

/// Opens a journal, loads its snapshot and follows its tail, in a process of its own.
async fn reopen(folder: &Path) {
    let before = resident_mib();
    let started = Instant::now();
    let journal = SledJournal::open(folder).expect("opens");
    let opened = started.elapsed();
    let snapshot = journal.load("relay").await.expect("readable").expect("saved");
    let loaded = started.elapsed();
    let head = journal.head();
    let mut following = journal.follow(snapshot.at);
    let (mut last, mut tail) = (snapshot.at, 0);
    while last < head {
        let page = following.next().await.expect("goes on").expect("readable");
        last = page.last().expect("never empty").position;
        tail += page.len();
    }
    let followed = started.elapsed();
    println!(
        "reopen: {head} commits: opened in {:.2} s, {} pieces loaded at {:.2} s, a tail of {tail} followed at {:.2} s; {:.0} MiB more while the pieces are held",
        opened.as_secs_f64(),
        snapshot.pieces.len(),
        loaded.as_secs_f64(),
        followed.as_secs_f64(),
        resident_mib() - before
    );
    drop((snapshot, following));
    println!("reopen: {:.0} MiB more once the pieces are dropped", resident_mib() - before);
    journal.close().await.expect("closes");
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

fn resident_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
