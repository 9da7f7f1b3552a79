//! Stories of snapshots: keyed pieces, all or none.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use trunkline_protocol::limits::RECORD_BYTES_MAX;

use super::Backend;
use crate::{Journal, Loaded, Piece, Snapshot};

fn snapshot(name: &str, at: u64, replace: bool, pieces: &[(&str, Option<&str>)]) -> Snapshot {
    let pieces = pieces.iter().map(|(key, value)| Piece {
        key: key.as_bytes().to_vec(),
        value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
    });
    Snapshot { name: name.into(), at, replace, pieces: pieces.collect() }
}

fn loaded(at: u64, pieces: &[(&str, &str)]) -> Loaded {
    let pieces = pieces.iter().map(|(key, value)| (key.as_bytes().to_vec(), Bytes::copy_from_slice(value.as_bytes())));
    Loaded { at, pieces: pieces.collect() }
}

async fn load(journal: &dyn Journal, name: &str) -> Option<Loaded> {
    journal.load(name).await.expect("readable")
}

/// Pieces are put, changed, removed and replaced by key; a name that begins like another is another; all outlive a restart.
pub async fn keeps_snapshots_by_piece(backend: &dyn Backend) {
    let journal = backend.open();
    let save = async |snapshot| journal.save(snapshot).await.expect("saved");
    assert_eq!(load(&*journal, "relay").await, None);
    save(snapshot("relay", 3, false, &[("b", Some("1")), ("a", Some("1")), ("c", Some("")), ("", Some("nameless"))])).await;
    assert_eq!(load(&*journal, "relay").await, Some(loaded(3, &[("", "nameless"), ("a", "1"), ("b", "1"), ("c", "")])));
    save(snapshot("relay", 5, false, &[("b", Some("2")), ("a", None), ("", None), ("never there", None)])).await;
    save(snapshot("relay/2", 1, false, &[("x", Some("x"))])).await;
    save(snapshot("rel", 2, false, &[])).await;
    assert_eq!(load(&*journal, "relay").await, Some(loaded(5, &[("b", "2"), ("c", "")])));
    assert_eq!(load(&*journal, "rel").await, Some(loaded(2, &[])));
    // Two saves at once, the second of which replaces: it replaces the first one, too.
    let (first, second) = futures::join!(
        journal.save(snapshot("twice", 1, true, &[("a", Some("1"))])),
        journal.save(snapshot("twice", 2, true, &[("b", Some("2"))])),
    );
    assert_eq!((first, second), (Ok(()), Ok(())));
    assert_eq!(load(&*journal, "twice").await, Some(loaded(2, &[("b", "2")])));

    journal.close().await.expect("closes");
    let journal = backend.open();
    assert_eq!(load(&*journal, "relay").await, Some(loaded(5, &[("b", "2"), ("c", "")])));
    journal.save(snapshot("relay", 4, true, &[("d", Some("3"))])).await.expect("saved");
    assert_eq!(load(&*journal, "relay").await, Some(loaded(4, &[("d", "3")])));
    assert_eq!(load(&*journal, "relay/2").await, Some(loaded(1, &[("x", "x")])));
    journal.close().await.expect("closes");
}

/// Whoever loads while another saves sees one save or the other, never a mixture.
pub async fn saves_all_or_none(backend: &dyn Backend) {
    const PIECES: u64 = 200;
    let journal = backend.open();
    let generation = |at: u64| {
        // Every second one is shorter and replaces, so that removal is seen whole, too.
        let pieces = (0..PIECES >> (at % 2)).map(|n| Piece { key: n.to_be_bytes().into(), value: Some(at.to_string().into()) });
        Snapshot { name: "relay".into(), at, replace: at % 2 == 1, pieces: pieces.collect() }
    };
    journal.save(generation(0)).await.expect("saved");
    let over = AtomicBool::new(false);
    let writing = async {
        for at in 1..60 {
            journal.save(generation(at)).await.expect("saved");
        }
        over.store(true, Ordering::Relaxed);
    };
    let reading = async {
        while !over.load(Ordering::Relaxed) {
            let Loaded { at, pieces } = load(&*journal, "relay").await.expect("saved before");
            assert_eq!(pieces.len() as u64, PIECES >> (at % 2), "at {at}");
            assert!(pieces.iter().all(|(_, value)| *value == at.to_string().as_bytes()), "a mixture at {at}");
        }
    };
    futures::join!(writing, reading);
    journal.close().await.expect("closes");
}

/// One piece that is too large refuses the whole save.
pub async fn refuses_a_piece_that_does_not_fit(backend: &dyn Backend) {
    let journal = backend.open();
    let piece = |key: &str, bytes: usize| Piece { key: key.into(), value: Some(vec![7; bytes].into()) };
    let save = async |pieces| journal.save(Snapshot { name: "relay".into(), at: 1, replace: false, pieces }).await;
    assert!(save(vec![piece("a", 1), piece("b", RECORD_BYTES_MAX + 1)]).await.is_err());
    assert!(save(vec![piece("a", 1), piece(&"k".repeat(100_000), 1)]).await.is_err());
    assert_eq!(load(&*journal, "relay").await, None);
    assert_eq!(save(vec![piece("a", RECORD_BYTES_MAX)]).await, Ok(()));
    assert_eq!(load(&*journal, "relay").await.map(|loaded| loaded.pieces[0].1.len()), Some(RECORD_BYTES_MAX));
    journal.close().await.expect("closes");
}
