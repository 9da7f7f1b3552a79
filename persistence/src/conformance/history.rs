//! Stories of commits: who wins, what is told, what is kept.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, future::join_all};
use trunkline_protocol::{
    CommandId, Commit, EntityId, NewCommit, Position, Turn, UserId,
    limits::{FOLLOW_PAGE_MAX, RECORD_BYTES_MAX},
};

use super::{Backend, commit};
use crate::{AppendError, Appended, Journal};

/// Longer than any test should wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A repeated commit is answered with the place it has, however late the repeat comes and however many come at once.
pub async fn answers_a_repeat_as_before(backend: &dyn Backend) {
    let journal = backend.open();
    let (note, other) = (EntityId::new("note", 1), EntityId::new("note", 2));
    let first = commit(&note, 0, "first");
    let written = journal.append(first.clone()).await.expect("nobody was here before");
    assert_eq!((written.version, written.replayed), (1, false));
    let again = Appended { replayed: true, ..written };
    assert_eq!(journal.append(first.clone()).await, Ok(again));
    journal.append(commit(&note, 1, "second")).await.expect("second");
    journal.append(commit(&note, 2, "third")).await.expect("third");
    assert_eq!(journal.append(first.clone()).await, Ok(again), "a repeat that comes after others");

    let twins = commit(&other, 0, "twins");
    let next = commit(&other, 1, "next");
    let sent = [&twins, &twins, &next, &twins, &next].map(|commit| journal.append(commit.clone()));
    let answers: Vec<_> = join_all(sent).await.into_iter().map(|answer| answer.expect("each is known or new")).collect();
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 2);
    assert_eq!(answers.iter().map(|answer| answer.version).collect::<Vec<_>>(), [1, 1, 2, 1, 2]);
    assert_eq!(answers[0].position, answers[3].position);
    assert_eq!(journal.read(&other, 0).await.expect("readable").len(), 2);

    let reopened = reopen(backend, &*journal).await;
    assert_eq!(reopened.append(first).await, Ok(again), "a repeat that comes after a restart");
}

/// Whoever names a version that is not the newest writes nothing and hears which one it is.
pub async fn refuses_who_comes_late(backend: &dyn Backend) {
    let journal = backend.open();
    let note = EntityId::new("note", "of/two words");
    for expected in 0..3 {
        journal.append(commit(&note, expected, "fact")).await.expect("in turn");
    }
    let head = journal.head();
    for expected in [0, 1, 2, 4, 99, u64::MAX - 1] {
        let late = journal.append(commit(&note, expected, "late")).await;
        assert_eq!(late, Err(AppendError::Conflict { actual: 3 }), "expected {expected}");
    }
    let stranger = EntityId::new("note", "of/two");
    assert_eq!(journal.append(commit(&stranger, 1, "early")).await, Err(AppendError::Conflict { actual: 0 }));
    assert_eq!(journal.head(), head);
    assert_eq!(journal.read(&note, 0).await.expect("readable").len(), 3);
    assert_eq!(journal.read(&stranger, 0).await, Ok(Vec::new()));
    let _ = journal.close().await;
}

/// Six writers, eight entities, everyone wants every version: each version has exactly one winner, and its commit is what is read.
pub async fn lets_one_writer_win_each_version(backend: &dyn Backend) {
    const WRITERS: u64 = 6;
    const ENTITIES: u64 = 8;
    const VERSIONS: u64 = 20;
    let journal = backend.open();
    let writers = (0..WRITERS).flat_map(|writer| (0..ENTITIES).map(move |entity| (writer, EntityId::new("race", entity))));
    let races = writers.map(|(writer, entity)| {
        let journal = journal.clone();
        tokio::spawn(async move {
            let (mut won, mut version) = (Vec::new(), 0);
            while version < VERSIONS {
                let wish = commit(&entity, version, Bytes::from(format!("by {writer}")));
                match journal.append(wish.clone()).await {
                    Ok(Appended { replayed: false, version: written, position }) => {
                        assert_eq!(written, version + 1);
                        won.push((entity.clone(), written, wish.id(), position));
                        version = written;
                    }
                    Err(AppendError::Conflict { actual }) => {
                        assert!(actual > version, "{entity} conflicts at {actual} with one who expects {version}");
                        version = actual;
                    }
                    other => panic!("{other:?}"),
                }
            }
            won
        })
    });
    let won: Vec<_> = join_all(races).await.into_iter().flat_map(|race| race.expect("no writer panics")).collect();
    // The last conflict may carry a writer past the end, and the last win too; so count what was won, not what was wished.
    let mut winners = HashMap::new();
    for (entity, version, id, position) in won {
        assert_eq!(winners.insert((entity.clone(), version), (id, position)), None, "two winners at {entity} {version}");
    }
    for entity in (0..ENTITIES).map(|entity| EntityId::new("race", entity)) {
        let history = journal.read(&entity, 0).await.expect("readable");
        assert_eq!(history.len() as u64, VERSIONS);
        for (expected, commit) in (1..).zip(&history) {
            assert_eq!(commit.version, expected);
            assert_eq!(winners.get(&(entity.clone(), expected)), Some(&(commit.id(), commit.position)));
        }
    }
    let _ = journal.close().await;
}

/// From any position: everything after it, once, in order, then what comes, to as many followers as there are.
pub async fn tells_everything_once_and_in_order(backend: &dyn Backend) {
    const BEFORE: u64 = 2 * FOLLOW_PAGE_MAX as u64 + 50;
    const AFTER: u64 = 300;
    let journal = backend.open();
    let entities: Vec<_> = (0..10).map(|n| EntityId::new("note", n)).collect();
    let write = async |numbers: std::ops::Range<u64>| {
        for number in numbers {
            let (entity, expected) = (&entities[(number % 10) as usize], number / 10);
            journal.append(commit(entity, expected, Bytes::from(number.to_string()))).await.expect("in turn");
        }
    };
    join_all((0..10_u64).map(|n| {
        let (journal, entity) = (&journal, &entities[n as usize]);
        async move {
            for expected in 0..BEFORE / 10 {
                let number = expected * 10 + n;
                journal.append(commit(entity, expected, Bytes::from(number.to_string()))).await.expect("in turn");
            }
        }
    }))
    .await;
    let written = BEFORE / 10 * 10;
    let all = collect(&*journal, 0, written).await;
    assert_eq!(journal.head(), all.last().expect("something").position);
    let starts = [0, 1, FOLLOW_PAGE_MAX, FOLLOW_PAGE_MAX + 1, all.len() - 1, all.len()];
    let followers = starts.map(|start| {
        let (journal, after) = (journal.clone(), if start == 0 { 0 } else { all[start - 1].position });
        tokio::spawn(async move { collect(&*journal, after, written + AFTER - start as u64).await })
    });
    write(written..written + AFTER).await;
    let mut told = Vec::new();
    for follower in followers {
        told.push(follower.await.expect("no follower panics"));
    }
    let everything = &told[0];
    for (start, commits) in starts.into_iter().zip(&told) {
        assert_eq!(commits[..], everything[start..], "from {start}");
    }
    for entity in &entities {
        let of_one: Vec<_> = everything.iter().filter(|commit| commit.entity == *entity).cloned().collect();
        assert_eq!(of_one, journal.read(entity, 0).await.expect("readable"));
    }
    // Whoever follows from beyond the head waits, and hears nothing old.
    let mut ahead = journal.follow(journal.head());
    assert!(tokio::time::timeout(Duration::from_millis(20), ahead.next()).await.is_err());
    let _ = journal.close().await;
}

/// `count` commits after a position; order and page size are checked on the way.
async fn collect(journal: &dyn Journal, after: Position, count: u64) -> Vec<Commit> {
    let (mut commits, mut last) = (Vec::<Commit>::new(), after);
    let mut following = journal.follow(after);
    while (commits.len() as u64) < count {
        let page = tokio::time::timeout(PATIENCE, following.next()).await.expect("in time").expect("goes on").expect("readable");
        assert!(!page.is_empty() && page.len() <= FOLLOW_PAGE_MAX, "a page of {}", page.len());
        for commit in page {
            assert!(commit.position > last, "{} after {last}", commit.position);
            last = commit.position;
            commits.push(commit);
        }
    }
    assert_eq!(commits.len() as u64, count);
    commits
}

/// A history is read from any version on, whole and as it was written.
pub async fn reads_after_a_version(backend: &dyn Backend) {
    let journal = backend.open();
    let (note, neighbour) = (EntityId::new("note", "a"), EntityId::new("note", "ab"));
    let mut sent = Vec::new();
    for expected in 0..5 {
        let mut wish = commit(&note, expected, Bytes::from(vec![expected as u8; 100]));
        wish.turns.push(Turn { command: CommandId::new(), by: UserId(8), connection: None, facts: vec![Bytes::new(), "b".into()] });
        let written = journal.append(wish.clone()).await.expect("in turn");
        assert!(journal.head() >= written.position, "whoever was answered finds it");
        assert_eq!(journal.read(&note, expected).await.expect("readable").len(), 1);
        sent.push(wish.written(written.position));
        journal.append(commit(&neighbour, expected, "neighbour")).await.expect("in turn");
    }
    for after in 0..7_u64 {
        assert_eq!(journal.read(&note, after).await.expect("readable"), sent[after.min(5) as usize..], "after {after}");
    }
    assert_eq!(journal.read(&note, u64::MAX).await, Ok(Vec::new()));
    let newest_first: Vec<Commit> = sent.iter().rev().cloned().collect();
    for before in [0, 1, 2, 5, 6, 7, u64::MAX] {
        for at_most in [0, 1, 3, 5, 100] {
            let older: Vec<_> = newest_first.iter().filter(|commit| commit.version < before).take(at_most).cloned().collect();
            assert_eq!(journal.read_back(&note, before, at_most).await, Ok(older), "{at_most} before {before}");
        }
    }
    let _ = journal.close().await;
}

/// What one record cannot hold is refused, nothing of it is written; what just fits is written and can be read.
pub async fn refuses_what_does_not_fit(backend: &dyn Backend) {
    let journal = backend.open();
    let note = EntityId::new("note", 1);
    // A length above 65,535 takes more bytes to write, so the overhead is measured just below.
    let overhead = match journal.append(commit(&note, 0, vec![0; RECORD_BYTES_MAX - 1])).await {
        Err(AppendError::TooLarge { bytes }) => bytes - (RECORD_BYTES_MAX - 1),
        other => panic!("{other:?}"),
    };
    assert_eq!(journal.read(&note, 0).await, Ok(Vec::new()));
    let largest = RECORD_BYTES_MAX - overhead;
    let refused = journal.append(commit(&note, 0, vec![0; largest + 1])).await;
    assert_eq!(refused, Err(AppendError::TooLarge { bytes: RECORD_BYTES_MAX + 1 }));
    journal.append(commit(&note, 0, vec![0; largest])).await.expect("just fits");
    assert_eq!(journal.read(&note, 0).await.expect("readable")[0].turns[0].facts[0].len(), largest);

    // Many small turns: what is small on disk may be large in memory, and must be readable all the same.
    let turn = || Turn { command: CommandId(1), by: UserId(1), connection: None, facts: vec![Bytes::new(); 8] };
    let mut crowd = NewCommit { turns: Vec::new(), ..commit(&note, 1, "") };
    crowd.turns = (0..RECORD_BYTES_MAX / 16).map(|_| turn()).collect();
    let written = loop {
        match journal.append(crowd.clone()).await {
            Err(AppendError::TooLarge { .. }) => crowd.turns.truncate(crowd.turns.len() - 16),
            other => break other.expect("fits at last"),
        }
    };
    let read = journal.read(&note, 1).await.expect("readable");
    assert_eq!((read.len(), &read[0].turns), (1, &crowd.turns));
    assert_eq!(collect(&*journal, written.position - 1, 1).await, read);
    let _ = journal.close().await;
}

/// A caller who stops waiting takes nobody along, and his commit is written whole or not at all.
pub async fn outlives_a_caller_who_gives_up(backend: &dyn Backend) {
    let journal = backend.open();
    let note = EntityId::new("note", 1);
    let abandoned = commit(&note, 0, "abandoned");
    let _ = tokio::time::timeout(Duration::ZERO, journal.append(abandoned.clone())).await;
    let answer = journal.append(abandoned.clone()).await.expect("written now, or found written");
    assert_eq!((answer.version, journal.read(&note, 0).await.expect("readable").len()), (1, 1));
    journal.append(commit(&note, 1, "next")).await.expect("life goes on");
    let _ = journal.close().await;
}

/// Closing answers who waits, ends who follows, and refuses who comes; opening again finds everything, under the same epoch.
pub async fn closes_and_keeps_everything(backend: &dyn Backend) {
    let journal = backend.open();
    let epoch = journal.epoch().to_string();
    assert!(
        (1..=16).contains(&epoch.len()) && epoch.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
        "{epoch}"
    );
    let entities: Vec<_> = (0..100).map(|n| EntityId::new("note", n)).collect();
    let following = journal.follow(0);
    let writing = join_all(entities.iter().map(|entity| journal.append(commit(entity, 0, "fact"))));
    let (answers, closing) = futures::join!(writing, journal.close());
    assert_eq!(closing, Ok(()));
    let kept = answers.iter().filter(|answer| answer.is_ok()).count();
    let told: Vec<_> = tokio::time::timeout(PATIENCE, following.collect::<Vec<_>>()).await.expect("ends");
    let told: usize = told.into_iter().filter_map(|page| page.ok().map(|page| page.len())).sum();
    assert!(told <= entities.len());
    assert!(matches!(journal.append(commit(&entities[0], 1, "late")).await, Err(AppendError::Ambiguous(_))));
    assert_eq!(journal.close().await, Ok(()), "closing twice is closing once");

    let reopened = backend.open();
    assert_eq!(reopened.epoch(), epoch);
    assert!(reopened.head() as usize >= kept);
    for (entity, answer) in entities.iter().zip(&answers) {
        let found = reopened.read(entity, 0).await.expect("readable");
        match answer {
            Ok(written) => assert_eq!(found.first().map(|commit| commit.position), Some(written.position)),
            Err(AppendError::Ambiguous(_)) => assert!(found.len() <= 1),
            Err(other) => panic!("{other:?}"),
        }
    }
    let after = reopened.append(commit(&EntityId::new("note", "new"), 0, "fact")).await.expect("goes on");
    assert!(after.position > kept as Position, "positions go on where they were");
    let _ = reopened.close().await;
}

async fn reopen(backend: &dyn Backend, journal: &dyn Journal) -> Arc<dyn Journal> {
    journal.close().await.expect("closes");
    backend.open()
}
