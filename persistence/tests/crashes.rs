//! What the embedded journal keeps when a process is killed, when the power fails, and when the disk is full.
//!
//! The one who dies is this test binary, started again (`crashes/child.rs`); it tells on its standard output what was acknowledged.
//! `JOURNAL_CRASH_ROUNDS` says how many deaths each story takes (default 10 and 4).

#[path = "crashes/child.rs"]
mod child;
#[path = "crashes/disk.rs"]
mod disk;
#[path = "crashes/verdict.rs"]
mod verdict;

use std::{env, fs, path::Path, time::Duration};

use rand::Rng as _;
use trunkline_persistence::{AppendError, Journal, Piece, SledJournal, SledOptions, Snapshot, conformance::commit};
use trunkline_protocol::{EntityId, limits::RECORD_BYTES_MAX};

use crate::{
    child::{Child, FULL, Work},
    disk::{Image, Tmpfs},
    verdict::Told,
};

fn rounds(default: usize) -> usize {
    env::var("JOURNAL_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn a_moment() -> Duration {
    Duration::from_millis(rand::rng().random_range(5..250))
}

/// Not a story: the process that dies. Without a word from its parent it does nothing.
#[test]
fn the_one_who_dies() {
    child::run();
}

#[test]
fn loses_nothing_acknowledged_and_keeps_nothing_twice_when_killed() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("data");
    let mut told = Told::default();
    for round in 0..rounds(10) {
        let child = Child::start(&folder, Work::Mixed);
        std::thread::sleep(a_moment());
        told.extend(child.kill());
        told.hold_against(&folder, &format!("killed, round {round}"));
    }
    println!("killed {} times: {told}", rounds(10));
}

#[test]
fn loses_nothing_acknowledged_when_the_power_fails() {
    for round in 0..rounds(4) {
        let home = tempfile::tempdir().expect("a folder");
        let forced_to_files = env::var_os("JOURNAL_POWER_CUT_ON_FILES").is_some();
        let image = if forced_to_files { None } else { Image::make(home.path(), "disk") };
        let folder = image.as_ref().map_or(home.path(), Image::mounted).join("data");
        let mut told = Told::default();
        if round % 2 == 1 {
            // An aged folder: written, closed and synced before.
            told.extend(Child::start(&folder, Work::Mixed).kill_after(a_moment()));
            told.hold_against(&folder, "before the power failed");
        }
        let child = Child::start(&folder, Work::Mixed);
        std::thread::sleep(a_moment() + Duration::from_millis(100));
        // Frozen first: what is copied is what the disk has at one moment, and everything told was told before it.
        child.freeze();
        match image {
            Some(image) => {
                let copy = image.copy(home.path(), "after");
                told.extend(child.kill());
                drop(image);
                let disk = copy.mount().expect("a copy of what could be mounted");
                told.hold_against(&disk.mounted().join("data"), &format!("power cut, round {round}"));
            }
            None => {
                println!(
                    "NO LOOP DEVICE HERE: the power cut is played on a copy of the files, with the tail cut off that was not synced"
                );
                let copy = home.path().join("after");
                disk::copy_files(&folder, &copy);
                told.extend(child.kill());
                told.cut_unsynced_tail(&copy);
                told.hold_against(&copy, &format!("power cut on files, round {round}"));
            }
        }
        println!("power cut, round {round}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn says_when_the_disk_is_full_and_goes_on_when_there_is_room() {
    let home = tempfile::tempdir().expect("a folder");
    let Some(disk) = Tmpfs::mount(&home.path().join("disk"), "48m") else {
        println!("NO MOUNT HERE: the full disk is played with a reserve larger than any disk");
        let options = SledOptions { reserve_bytes: u64::MAX, ..SledOptions::default() };
        let journal = SledJournal::open_with(&home.path().join("data"), options).expect("opens");
        assert_eq!(journal.append(commit(&EntityId::new("note", 1), 0, "fact")).await, Err(AppendError::Full));
        return;
    };
    let folder = disk.path().join("data");
    let options = SledOptions { reserve_bytes: 8 << 20, ..SledOptions::default() };
    let journal = SledJournal::open_with(&folder, options).expect("opens");
    let note = EntityId::new("note", 1);
    let first = commit(&note, 0, "first");
    let written = journal.append(first.clone()).await.expect("there is room");
    let piece = Piece { key: b"k".to_vec(), value: Some("v".into()) };
    let snapshot = Snapshot { name: "relay".into(), at: 1, replace: false, pieces: vec![piece] };
    journal.save(snapshot.clone()).await.expect("there is room");

    disk.fill_up_to(4 << 20);
    assert_eq!(journal.append(commit(&note, 1, "second")).await, Err(AppendError::Full));
    assert_eq!(journal.append(commit(&EntityId::new("note", 2), 0, "other")).await, Err(AppendError::Full));
    assert!(journal.save(snapshot).await.is_err());
    // Nothing that needs no room is refused.
    assert!(journal.append(first).await.expect("a repeat").replayed);
    assert_eq!(journal.append(commit(&note, 0, "late")).await, Err(AppendError::Conflict { actual: 1 }));
    assert_eq!(journal.read(&note, 0).await.expect("readable").len(), 1);
    assert_eq!(journal.load("relay").await.expect("readable").map(|loaded| loaded.at), Some(1));
    assert_eq!(journal.head(), written.position);

    disk.make_room();
    let second = journal.append(commit(&note, 1, "second")).await.expect("there is room again");
    assert_eq!((second.version, second.position), (2, written.position + 1));
    journal.close().await.expect("closes");
    let reopened = SledJournal::open_with(&folder, options).expect("opens");
    assert_eq!(reopened.read(&note, 0).await.expect("readable").len(), 2);
    reopened.close().await.expect("closes");
}

/// Nothing is held in reserve, and the disk is written full: the store fails, the process ends, and nothing acknowledged is lost. On some disks
/// the last page is never asked for; there it says that the disk is full, and nothing acknowledged is lost either.
#[test]
fn ends_rather_than_guess_when_the_disk_fails_and_loses_nothing_acknowledged() {
    for size in ["16m", "15m", "17m", "14m", "18m", "13m", "19m"] {
        let home = tempfile::tempdir().expect("a folder");
        let Some(disk) = Tmpfs::mount(&home.path().join("disk"), size) else {
            println!("NO MOUNT HERE: a disk that fails cannot be played");
            return;
        };
        let folder = disk.path().join("data");
        let (mut lines, status) = Child::start(&folder, Work::WithoutReserve).wait();
        let refused = lines.iter().any(|line| line == FULL);
        assert_eq!(status.success(), refused, "it ended as if nothing had happened, or was refused and did not end well: {status}");
        lines.retain(|line| line != FULL);
        let mut told = Told::default();
        told.extend(lines);
        disk.resize("128m");
        told.hold_against(&folder, "after the disk was full");
        println!("a disk of {size} was full: {told}; the process ended with {status}");
        if !refused {
            return;
        }
    }
    panic!("on no disk did the store fail");
}

#[test]
fn refuses_a_folder_in_use_by_another_process() {
    let home = tempfile::tempdir().expect("a folder");
    let child = Child::start(home.path(), Work::Mixed);
    let refused = SledJournal::open(home.path()).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("in use by another process") && refused.contains(&*home.path().to_string_lossy()), "{refused}");
    child.kill();
    assert!(open(home.path()).is_some(), "free once the other is gone");
}

#[test]
fn says_that_a_store_is_damaged_rather_than_begin_anew() {
    let home = tempfile::tempdir().expect("a folder");
    Child::start(home.path(), Work::Mixed).kill_after(Duration::from_millis(100));
    let store = home.path().join("db");
    let length = fs::metadata(&store).expect("there").len() as usize;
    fs::write(&store, vec![0xAB; length]).expect("written");
    let answer = || SledJournal::open(home.path()).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(answer().contains("damaged"), "overwritten: {}", answer());
    fs::remove_file(store).expect("ours");
    assert!(answer().contains("damaged"), "removed: {}", answer());
}

fn open(folder: &Path) -> Option<std::sync::Arc<SledJournal>> {
    SledJournal::open(folder).ok()
}

/// What sled puts into `blobs` it never syncs: there must be nothing, however large the commits and the pieces of snapshots are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_large_records_where_the_barrier_reaches_them() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("data");
    let journal = SledJournal::open(&folder).expect("opens");
    let large = vec![b'f'; RECORD_BYTES_MAX - 1024];
    let note = EntityId::new("note", 1);
    for version in 0..60 {
        journal.append(commit(&note, version, large.clone())).await.expect("durable");
        let piece = Piece { key: version.to_be_bytes().to_vec(), value: Some(large.clone().into()) };
        journal.save(Snapshot { name: "relay".into(), at: version, replace: false, pieces: vec![piece] }).await.expect("saved");
    }
    assert_eq!(fs::read_dir(folder.join("blobs")).map_or(0, Iterator::count), 0, "files that are never synced");
    journal.close().await.expect("closes");
}
