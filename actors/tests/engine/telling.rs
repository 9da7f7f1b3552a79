//! What is written is told once, in order, and can be had again.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use serde_json::json;
use trunkline_actors::{
    Broadcast, Clock, History, Hub, HubConfig, Since,
    testing::{self, Recorder},
};
use trunkline_persistence::MemoryJournal;
use trunkline_protocol::{
    Topic,
    limits::{BACKLOG_BROADCASTS_MAX, BACKLOG_TTL},
};

use crate::world::*;

fn offsets(broadcasts: &[Broadcast]) -> Vec<u64> {
    broadcasts.iter().filter_map(|broadcast| broadcast.offset.as_ref().map(|offset| offset.offset)).collect()
}
fn recovered(hub: &Hub, topic: &Topic, since: Since<'_>) -> Vec<Broadcast> {
    match hub.history(topic, since) {
        History::Recovered { broadcasts, .. } => broadcasts,
        History::Gone => panic!("gone"),
    }
}

#[tokio::test]
async fn tells_every_commit_once_in_order_and_after_the_projections() {
    let hub = testing::hub(plan()).await;
    let recorder = Recorder::attached_to(&hub);
    let asks = (0..2000).map(|n| {
        let hub = hub.clone();
        tokio::spawn(async move {
            let key = format!("k{}", n % 20);
            let outcome = loop {
                match ask(&hub, &key, Command::Add(1)).await {
                    Ok(outcome) => break outcome,
                    Err(_) => tokio::task::yield_now().await,
                }
            };
            hub.seen(outcome.position).await.expect("folded");
            assert!(hub.projection::<Tally>().total(&key) >= 1, "it reads its own write");
        })
    });
    for done in join_all(asks).await {
        done.expect("no panic");
    }
    let told = recorder.has(4000).await;
    assert_eq!(told.len(), 4000);
    let own: Vec<_> = told.iter().filter(|broadcast| broadcast.topic == all()).cloned().collect();
    assert!(offsets(&own).is_sorted_by(|one, other| one < other));
    assert_eq!(hub.projection::<Tally>().totals().values().sum::<u64>(), 2000);
}

#[tokio::test(start_paused = true)]
async fn tells_a_notice_after_the_commits_it_was_made_on_and_keeps_neither_whispers_nor_publishes() {
    let hub = testing::hub(plan()).await;
    let recorder = Recorder::attached_to(&hub);
    ask(&hub, "a", Command::Add(5)).await.expect("added");
    let outcome = ask(&hub, "a", Command::Whisper(7)).await.expect("whispered");
    assert_eq!((outcome.position, outcome.facts.len()), (0, 0));
    let told = recorder.has(3).await;
    assert_eq!(recorder.on(&all())[1], json!({"whispered": 7, "total": 5}));
    assert_eq!(told[2].offset, None);
    let topic = Topic::pubsub("chat");
    let say = |text: &str| Broadcast {
        topic: topic.clone(),
        message: json!(text).to_string().into(),
        offset: None,
        conflate: None,
        except: None,
        kind: None,
    };
    hub.publish(say("gone"), false).await.expect("told");
    hub.publish(say("kept"), true).await.expect("told");
    recorder.has(5).await;
    assert_eq!(recorder.on(&topic), [json!("gone"), json!("kept")]);
    let kept = recovered(&hub, &topic, Since::Seconds(0));
    assert_eq!(kept.iter().map(|broadcast| broadcast.message.clone()).collect::<Vec<_>>(), ["\"kept\""]);
}

#[tokio::test(start_paused = true)]
async fn gives_back_exactly_what_a_client_missed_also_after_a_restart() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    let recorder = Recorder::attached_to(&hub);
    for n in 0..20 {
        ask(&hub, "a", Command::Add(n)).await.expect("added");
    }
    let told: Vec<_> = recorder.has(40).await.into_iter().filter(|broadcast| broadcast.topic == one("a")).collect();
    let after = |n: usize| Since::After { epoch: &told[n].offset.as_ref().expect("an offset").epoch, offset: offsets(&told)[n] };
    assert_eq!(recovered(&hub, &one("a"), after(9)), told[10..]);
    assert_eq!(recovered(&hub, &one("a"), after(19)), []);
    assert_eq!(recovered(&hub, &one("a"), Since::Seconds(testing::MOMENT.as_seconds())), told);
    assert_eq!(recovered(&hub, &one("never"), Since::Seconds(0)), []);
    for gone in [
        hub.history(&one("a"), Since::After { epoch: "another", offset: offsets(&told)[9] }),
        hub.history(&one("a"), Since::After { epoch: &hub.epoch(), offset: offsets(&told)[19] + (1 << 20) }),
        hub.history(&one("never"), Since::After { epoch: &hub.epoch(), offset: 1 }),
    ] {
        assert_eq!(gone, History::Gone);
    }
    // Killed, without a snapshot: everything is replayed. Closed, with one: nothing is.
    let killed = testing::hub_on(plan(), journal.restarted()).await;
    assert_eq!(recovered(&killed, &one("a"), after(9)), told[10..]);
    killed.close().await;
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn gives_back_what_was_missed_however_long_the_hub_was_down() {
    let clock = Clock::starting_at(testing::MOMENT);
    let open = async |journal| Hub::open(plan(), journal, HubConfig { clock, ..HubConfig::default() }).await.expect("a hub");
    let (journal, minute) = (MemoryJournal::new(), Duration::from_secs(60));
    let hub = open(journal.clone()).await;
    let recorder = Recorder::attached_to(&hub);
    for n in 0..3 {
        ask(&hub, "a", Command::Add(n)).await.expect("added");
        tokio::time::sleep(4 * minute).await;
    }
    let told: Vec<_> = recorder.has(6).await.into_iter().filter(|broadcast| broadcast.topic == one("a")).collect();
    let after = |n: usize| Since::After { epoch: &told[n].offset.as_ref().expect("an offset").epoch, offset: offsets(&told)[n] };
    let killed = journal.restarted();
    hub.close().await;
    let closed = journal.restarted();
    tokio::time::sleep(24 * 60 * minute).await;
    for journal in [killed, closed] {
        let hub = open(journal).await;
        assert_eq!(recovered(&hub, &one("a"), after(0)), told[1..]);
        // From here on it grows old again: what was four minutes old when the last was said has six of its ten left.
        tokio::time::sleep(5 * minute).await;
        ask(&hub, "b", Command::Add(1)).await.expect("added");
        assert_eq!(recovered(&hub, &one("a"), after(0)), told[1..]);
        tokio::time::sleep(2 * minute).await;
        ask(&hub, "b", Command::Add(2)).await.expect("added");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(hub.history(&one("a"), after(0)), History::Gone);
        assert_eq!(recovered(&hub, &one("a"), after(1)), told[2..]);
        hub.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn finds_the_same_after_a_snapshot_and_a_tail_as_after_replaying_everything() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    for n in 0..300_u64 {
        ask(&hub, &format!("k{}", n % 7), Command::Add(n)).await.expect("added");
    }
    hub.close().await;
    let journal = journal.restarted();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    assert_eq!(hub.projection::<Tally>().inner.lock().folds, 0, "nothing is replayed");
    for n in 0..50_u64 {
        ask(&hub, &format!("k{}", n % 9), Command::Add(n)).await.expect("added");
    }
    let journal = journal.restarted();
    let tail = testing::hub_on(plan(), journal.clone()).await;
    assert_eq!(tail.projection::<Tally>().inner.lock().folds, 50, "only the tail is replayed");
    let whole = {
        let fresh = MemoryJournal::new();
        for commit in journal.commits() {
            let (entity, expected, at, turns) = (commit.entity, commit.version - 1, commit.at, commit.turns);
            let new = trunkline_protocol::NewCommit { entity, expected, at, turns };
            trunkline_persistence::Journal::append(&*fresh, new).await.expect("copied");
        }
        testing::hub_on(plan(), fresh).await
    };
    assert_eq!(whole.projection::<Tally>().inner.lock().folds, 350);
    assert_eq!(tail.projection::<Tally>().totals(), whole.projection::<Tally>().totals());
    for key in ["k0", "k6", "k8"] {
        let message = |broadcast: Broadcast| (broadcast.message, broadcast.offset.map(|offset| offset.offset));
        let of = |hub: &Hub| recovered(hub, &one(key), Since::Seconds(0)).into_iter().map(message).collect::<Vec<_>>();
        assert_eq!(of(&tail), of(&whole), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn keeps_a_bounded_backlog_and_says_when_something_is_gone() {
    let hub = testing::hub(plan()).await;
    let recorder = Recorder::attached_to(&hub);
    for _ in 0..BACKLOG_BROADCASTS_MAX + 10 {
        ask(&hub, "a", Command::Add(0)).await.expect("added");
    }
    let told = recorder.has(2 * (BACKLOG_BROADCASTS_MAX + 10)).await;
    let own: Vec<_> = told.into_iter().filter(|broadcast| broadcast.topic == all()).collect();
    let after = |n: usize| hub.history(&all(), Since::After { epoch: &hub.epoch(), offset: offsets(&own)[n] });
    assert_eq!(after(8), History::Gone, "the tenth is gone");
    assert!(matches!(after(9), History::Recovered { broadcasts, .. } if broadcasts.len() == BACKLOG_BROADCASTS_MAX));
    tokio::time::sleep(BACKLOG_TTL + Duration::from_secs(1)).await;
    ask(&hub, "b", Command::Add(1)).await.expect("added");
    recorder.has(2 * (BACKLOG_BROADCASTS_MAX + 11)).await;
    assert_eq!(recovered(&hub, &all(), Since::Seconds(0)).len(), 1);
    assert_eq!(after(BACKLOG_BROADCASTS_MAX), History::Gone);
    assert!(matches!(after(BACKLOG_BROADCASTS_MAX + 9), History::Recovered { broadcasts, .. } if broadcasts.len() == 1));
}

#[tokio::test(start_paused = true)]
async fn waits_for_a_slow_core_and_gives_up_a_dead_one() {
    struct Dead;
    impl trunkline_actors::Outlet for Dead {
        fn deliver(&self, _: Arc<[Broadcast]>) -> futures::future::BoxFuture<'_, ()> {
            Box::pin(std::future::pending())
        }
    }
    let hub = testing::hub(plan()).await;
    hub.attach(Arc::new(Dead));
    let recorder = Recorder::attached_to(&hub);
    for _ in 0..5 {
        ask(&hub, "a", Command::Add(1)).await.expect("added");
    }
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(recorder.has(10).await.len(), 10);
}
