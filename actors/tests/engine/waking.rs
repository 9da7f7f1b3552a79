//! Entities wake on the first ask, retire when nobody asks, and wake for their alarms.

use std::time::Duration;

use futures::future::join_all;
use trunkline_actors::{AskError, Asking, testing};
use trunkline_persistence::{Journal as _, MemoryJournal, Piece, Snapshot};
use trunkline_protocol::limits::ENTITY_IDLE;

use crate::world::*;

#[tokio::test(start_paused = true)]
async fn rings_an_alarm_when_nobody_asks() {
    let hub = testing::hub(plan()).await;
    ask(&hub, "a", Command::RingAfter(Duration::from_secs(30))).await.expect("asked");
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(hub.projection::<Tally>().inner.lock().rang, 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(hub.projection::<Tally>().inner.lock().rang, 1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(hub.projection::<Tally>().inner.lock().rang, 1, "once");
}

#[tokio::test(start_paused = true)]
async fn lets_a_crowd_leave_a_few_at_a_time() {
    let hub = testing::hub(plan()).await;
    let keys: Vec<String> = (0..400).map(|n| n.to_string()).collect();
    join_all(keys.iter().map(|key| ask(&hub, key, Command::Read))).await;
    tokio::time::sleep(ENTITY_IDLE - Duration::from_secs(1)).await;
    let mut awake = vec![hub.health().awake];
    assert_eq!(awake, [400]);
    while hub.health().awake > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        awake.push(hub.health().awake);
    }
    let left_at_once = awake.windows(2).map(|pair| pair[0] - pair[1]).max();
    assert!(left_at_once.is_some_and(|most| most <= 100), "{left_at_once:?} of 400");
}

#[tokio::test(start_paused = true)]
async fn wakes_a_retired_entity_for_its_alarm_also_after_a_restart() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    ask(&hub, "a", Command::RingAfter(Duration::from_secs(3600))).await.expect("asked");
    ask(&hub, "b", Command::RingAfter(Duration::from_secs(7200))).await.expect("asked");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(hub.health().awake, 0, "a far alarm keeps nobody awake");
    tokio::time::sleep(Duration::from_secs(3010)).await;
    assert_eq!(hub.projection::<Tally>().inner.lock().rang, 1);
    // Killed, and a new process comes after the second alarm's time (its clock starts anew).
    let journal = journal.restarted();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    tokio::time::sleep(Duration::from_secs(7201)).await;
    hub.close().await;
    let rang = |key: &str| {
        let own = journal.commits().into_iter().filter(|commit| commit.entity.key() == key).flat_map(|commit| commit.turns);
        own.flat_map(|turn| turn.facts_of::<Fact>().collect::<Vec<_>>()).filter(|fact| *fact == Ok(Fact::Rang)).count()
    };
    assert_eq!((rang("a"), rang("b")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn believes_no_snapshot_that_is_ahead_of_the_journal() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    for _ in 0..300 {
        ask(&hub, "a", Command::Add(1)).await.expect("added");
    }
    // A backup of the journal that is older than that of its snapshots.
    let name = "entity/counter/a";
    let (saved, older) = (journal.load(name).await.expect("read").expect("saved"), MemoryJournal::new());
    let pieces = saved.pieces.into_iter().map(|(key, value)| Piece { key, value: Some(value) }).collect();
    older.save(Snapshot { name: name.into(), at: saved.at, replace: true, pieces }).await.expect("saved");
    let hub = testing::hub_on(plan(), older).await;
    assert_eq!(total(&hub, "a").await, 0, "what the journal does not know never happened");
    assert_eq!(ask(&hub, "a", Command::Add(1)).await.map(|outcome| outcome.version), Ok(1));
}

#[tokio::test]
async fn decides_what_begins_an_entity_unread_and_answers_from_nothing_but_its_history() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    journal.fail_reads(1);
    assert_eq!(ask(&hub, "new", Command::AddAt { total: 0, add: 1 }).await.expect("nothing was read").version, 1);
    assert!(ask(&hub, "other", Command::Read).await.is_err(), "the first that was read");
    // A refusal, a repeat and a bound come of the history, not of what was presumed.
    let again = house(&hub);
    let third = |asking: Asking| hub.ask::<Counter>("new", Command::Add(2), asking);
    for round in 0..2 {
        hub.retire_everybody();
        while hub.health().awake > 0 {
            tokio::task::yield_now().await;
        }
        let outcome = third(again.clone()).await.expect("added");
        assert_eq!((outcome.version, outcome.replayed), (2, round == 1));
    }
    hub.retire_everybody();
    while hub.health().awake > 0 {
        tokio::task::yield_now().await;
    }
    let refused = ask(&hub, "new", Command::AddAt { total: 0, add: 1 }).await;
    assert!(matches!(&refused, Err(AskError::Refused(refusal)) if refusal.subject.as_deref() == Some("3")), "{refused:?}");
    let refused = ask(&hub, "never", Command::Add(2_000_000)).await;
    assert!(matches!(&refused, Err(AskError::Refused(refusal)) if refusal.code == "FULL"), "{refused:?}");
    assert_eq!(journal.commits().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn keeps_what_was_only_heard_while_an_alarm_is_near() {
    let hub = testing::hub(plan()).await;
    ask(&hub, "a", Command::RingAfter(ENTITY_IDLE + Duration::from_secs(40))).await.expect("asked");
    ask(&hub, "b", Command::Add(1)).await.expect("asked");
    tokio::time::sleep(ENTITY_IDLE + Duration::from_secs(30)).await;
    assert_eq!(hub.health().awake, 1, "only the one without an alarm has retired");
}

#[tokio::test]
async fn loses_no_ask_that_races_with_retirement() {
    // Real threads would not make it worse: the hub is asked to retire everybody all the time.
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    let asks = (0..40).map(|n| {
        let hub = hub.clone();
        tokio::spawn(async move {
            for _ in 0..50 {
                ask(&hub, &format!("k{}", n % 4), Command::Add(1)).await.expect("added");
                if n % 3 == 0 {
                    hub.retire_everybody();
                }
            }
        })
    });
    for done in join_all(asks).await {
        done.expect("no panic");
    }
    let mut sum = 0;
    for n in 0..4 {
        sum += total(&hub, &format!("k{n}")).await;
    }
    assert_eq!(sum, 2000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn wakes_one_actor_however_many_ask_first_and_keeps_thousands_apart() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    let asks = (0..9000).map(|n| {
        let hub = hub.clone();
        tokio::spawn(async move { ask(&hub, &format!("k{}", n % 3000), Command::Add(1)).await.expect("added").version })
    });
    for done in join_all(asks).await {
        assert!(done.expect("no panic") <= 3);
    }
    assert_eq!(hub.health().awake, 3000);
    hub.close().await;
    let hub = testing::hub_on(plan(), journal.restarted()).await;
    let totals = hub.projection::<Tally>().totals();
    assert_eq!((totals.len(), totals.values().sum::<u64>()), (3000, 9000));
    assert_eq!(total(&hub, "k77").await, 3);
}

#[tokio::test(start_paused = true)]
async fn wakes_a_long_history_from_its_snapshot() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    for _ in 0..600 {
        ask(&hub, "a", Command::Add(1)).await.expect("added");
    }
    tokio::time::sleep(3 * ENTITY_IDLE).await;
    assert_eq!(hub.health().awake, 0);
    let loaded = trunkline_persistence::Journal::load(&*journal, "entity/counter/a").await.expect("loaded").expect("a snapshot");
    assert_eq!(loaded.at, 600);
    ask(&hub, "a", Command::Add(1)).await.expect("added");
    assert_eq!(total(&hub, "a").await, 601);
}
