//! Stories of snapshots: keyed pieces, all or none.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

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

/// Whoever loads while another saves sees one save or the other, never a mixture; however large they are.
pub async fn saves_all_or_none(backend: &dyn Backend) {
    let journal = backend.open();
    all_or_none(&*journal, 200, 60).await;
    all_or_none(&*journal, 3_000, 10).await;
    // A small one on the heels of a large one, and a large one that changes some of another.
    let large = |at: u64, keys: std::ops::Range<u64>| {
        let pieces = keys.map(|n| Piece { key: n.to_be_bytes().into(), value: (n % 10 != 9).then(|| at.to_string().into()) });
        Snapshot { name: "relay".into(), at, replace: at == 1, pieces: pieces.collect() }
    };
    let saves = [large(1, 0..4_000), large(2, 0..1), large(3, 2_000..5_000), large(4, 4_999..5_001)].map(|save| journal.save(save));
    assert!(futures::future::join_all(saves).await.iter().all(Result::is_ok));
    for round in 0..3 {
        let Loaded { at, pieces } = load(&*journal, "relay").await.expect("saved");
        let expected = (0..5_001_u64).filter(|n| n % 10 != 9).map(|n| match n {
            0 => "2",
            1..2_000 => "1",
            5_000 => "4",
            _ => "3",
        });
        assert_eq!((at, pieces.len()), (4, 4_501), "round {round}");
        assert!(pieces.iter().map(|(_, value)| &value[..]).eq(expected.map(str::as_bytes)), "round {round}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    journal.close().await.expect("closes");
    let journal = backend.open();
    assert_eq!(load(&*journal, "relay").await.map(|loaded| loaded.pieces.len()), Some(4_501));
    journal.close().await.expect("closes");
}

/// What many saves come to is what they would have come to one by one, whatever is changed, removed and replaced; also after a restart.
pub async fn adds_up_many_saves(backend: &dyn Backend) {
    let mut journal = backend.open();
    let mut model = BTreeMap::new();
    // Cheap and repeatable: the same saves for every backend.
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for at in 0..120_u64 {
        let (replace, count) = (at % 40 == 39, 1 << random(11));
        let pieces = (0..count).map(|_| {
            let value = (random(3) > 0).then(|| Bytes::from(vec![at as u8; random(300) as usize]));
            Piece { key: random(900).to_be_bytes().into(), value }
        });
        let pieces: Vec<Piece> = pieces.collect();
        if replace {
            model.clear();
        }
        for Piece { key, value } in &pieces {
            match value {
                Some(value) => model.insert(key.clone(), value.clone()),
                None => model.remove(key),
            };
        }
        journal.save(Snapshot { name: "relay".into(), at, replace, pieces }).await.expect("saved");
        if at % 30 == 17 {
            journal.close().await.expect("closes");
            journal = backend.open();
        }
        if at % 5 == 0 {
            let expected = Loaded { at, pieces: model.clone().into_iter().collect() };
            assert_eq!(load(&*journal, "relay").await, Some(expected), "after save {at}");
        }
    }
    journal.close().await.expect("closes");
    let journal = backend.open();
    assert_eq!(load(&*journal, "relay").await.map(|loaded| loaded.pieces), Some(model.into_iter().collect()));
    journal.close().await.expect("closes");
}

async fn all_or_none(journal: &dyn Journal, count: u64, saves: u64) {
    let generation = |at: u64| {
        // Every second one is shorter and replaces, so that removal is seen whole, too.
        let pieces = (0..count >> (at % 2)).map(|n| Piece { key: n.to_be_bytes().into(), value: Some(at.to_string().into()) });
        Snapshot { name: "relay".into(), at, replace: at % 2 == 1, pieces: pieces.collect() }
    };
    journal.save(generation(0)).await.expect("saved");
    let over = AtomicBool::new(false);
    let writing = async {
        for at in 1..saves {
            journal.save(generation(at)).await.expect("saved");
        }
        over.store(true, Ordering::Relaxed);
    };
    let reading = async {
        while !over.load(Ordering::Relaxed) {
            let Loaded { at, pieces } = load(journal, "relay").await.expect("saved before");
            assert_eq!(pieces.len() as u64, count >> (at % 2), "at {at}");
            assert!(pieces.iter().all(|(_, value)| *value == at.to_string().as_bytes()), "a mixture at {at}");
        }
    };
    futures::join!(writing, reading);
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
