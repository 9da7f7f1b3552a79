//! A bug takes down what it is in, and nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use serde_json::{Map, json};
use trunkline_actors::{
    Action, ActorState, Admission, AskError, Broadcasts, Channel, Hub, RelayHealth, Subscribing,
    testing::{self, Recorder},
};
use trunkline_persistence::{Fault, MemoryJournal};
use trunkline_protocol::{Commit, ConnectionId, EntityId, Principal, limits::QUARANTINE_CRASHES};

use crate::world::*;

#[tokio::test(start_paused = true)]
async fn survives_a_panic_in_the_rules_and_builds_the_entity_again() {
    let hub = testing::hub(plan()).await;
    ask(&hub, "a", Command::Add(3)).await.expect("added");
    ask(&hub, "b", Command::Add(4)).await.expect("added");
    assert!(matches!(ask(&hub, "a", Command::Panic).await, Err(AskError::Unavailable(_))));
    assert_eq!(total(&hub, "a").await, 3);
    assert_eq!(total(&hub, "b").await, 4);
    assert_eq!(hub.health().restarts, 1);
}

#[tokio::test(start_paused = true)]
async fn quarantines_an_entity_that_crashes_too_often_while_its_neighbours_live() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    ask(&hub, "a", Command::Add(3)).await.expect("added");
    for _ in 0..QUARANTINE_CRASHES {
        assert!(matches!(ask(&hub, "a", Command::Panic).await, Err(AskError::Unavailable(_))));
    }
    assert!(matches!(ask(&hub, "a", Command::Add(1)).await, Err(AskError::Quarantined)));
    ask(&hub, "b", Command::Add(4)).await.expect("a neighbour lives");
    let tree = hub.supervision();
    let counters = tree.supervisors.iter().find(|supervisor| supervisor.kind == "counter").expect("its kind");
    let resting = counters.children.iter().find(|child| child.id == "a").expect("it is listed");
    assert!(matches!(resting.state, ActorState::Quarantined { for_ms } if for_ms > 50_000));
    assert_eq!(resting.restarts.len(), QUARANTINE_CRASHES);
    assert!(resting.restarts[0].cause.contains("a bug in the rules"));
    serde_json::to_string(&tree).expect("the tree is plain data");
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(total(&hub, "a").await, 3);
    // What happened is remembered by the next hub.
    hub.close().await;
    let hub = testing::hub_on(plan(), journal.restarted()).await;
    assert_eq!(hub.supervision().history.iter().filter(|restarted| restarted.kind == "counter").count(), QUARANTINE_CRASHES);
}

#[tokio::test(start_paused = true)]
async fn rebuilds_its_projections_when_one_panics_in_the_middle_of_a_commit() {
    let hub = testing::hub(plan()).await;
    let recorder = Recorder::attached_to(&hub);
    ask(&hub, "a", Command::Add(1)).await.expect("added");
    recorder.has(2).await;
    hub.projection::<Tally>().panics_once.store(true, Ordering::SeqCst);
    ask(&hub, "a", Command::Add(2)).await.expect("written all the same");
    recorder.has(4).await;
    ask(&hub, "a", Command::Add(3)).await.expect("added");
    recorder.has(6).await;
    let totals: Vec<_> = recorder.on(&all()).iter().map(|message| message["total"].as_u64().expect("a total")).collect();
    assert_eq!(totals, [1, 3, 6], "each is told once, of a whole projection");
    assert_eq!(hub.supervision().history.last().expect("it is remembered").kind, "relay");
}

#[tokio::test(start_paused = true)]
async fn stops_telling_rather_than_skip_what_it_cannot_read() {
    let hub = testing::hub(plan()).await;
    ask(&hub, "a", Command::Add(1)).await.expect("added");
    hub.projection::<Tally>().cannot_read.store(true, Ordering::SeqCst);
    let outcome = ask(&hub, "a", Command::Add(2)).await.expect("written all the same");
    assert!(hub.seen(outcome.position).await.is_err());
    let health = hub.health();
    assert!(!health.is_well());
    assert!(matches!(health.relay, RelayHealth::Stopped { position, .. } if position == outcome.position));
    assert_eq!(hub.projection::<Tally>().total("a"), 1);
}

#[tokio::test(start_paused = true)]
async fn loses_only_what_a_panicking_channel_was_to_say() {
    let hub = testing::hub(plan()).await;
    let recorder = Recorder::attached_to(&hub);
    ask(&hub, "a", Command::Add(666)).await.expect("added");
    ask(&hub, "a", Command::Add(1)).await.expect("added");
    recorder.has(2).await;
    assert_eq!(recorder.on(&all()), [json!({"key": "a", "added": 1, "total": 667})]);
    let (params, who) = (Map::new(), Principal::house());
    let action =
        |name| Action { identifier: "{}", params: &params, name, data: &params, who: &who, connection: ConnectionId::random() };
    assert!(matches!(hub.perform("CountersChannel", action("panic")).await, Err(AskError::Unavailable(_))));
    assert_eq!(hub.perform("CountersChannel", action("wave")).await.expect("performed").transmissions, [json!({"did": "wave"})]);
    assert!(matches!(hub.perform("NoChannel", action("wave")).await, Err(AskError::Refused(_))));
}

/// A channel that panics at whatever is written, that somebody has written down its panic included.
struct Broken;
impl Channel for Broken {
    fn name(&self) -> &'static str {
        "BrokenChannel"
    }
    fn admit<'a>(&'a self, _: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async { Ok(Admission::default()) })
    }
    fn render(&self, _: &Commit, _: &mut Broadcasts) {
        panic!("a bug in the channel, whatever was written");
    }
}

// In real time: were it to write without end, a paused clock would never go on.
#[tokio::test]
async fn writes_down_that_a_channel_panics_once_and_not_for_ever() {
    let (journal, mut plan) = (MemoryJournal::new(), plan());
    plan.channel(Broken);
    let hub = testing::hub_on(plan, journal.clone()).await;
    // As slow as a disk.
    journal.fail_next(vec![Fault::Slow(Duration::from_millis(3)); 1000]);
    ask(&hub, "a", Command::Add(1)).await.expect("added");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let commits = journal.commits().len();
    assert!((2..10).contains(&commits), "{commits} commits");
    assert!(hub.supervision().history.iter().any(|restarted| restarted.id == "BrokenChannel"));
    assert!(hub.health().restarts >= 2, "each is counted");
}

#[tokio::test(start_paused = true)]
async fn starts_a_panicking_worker_again() {
    let worked = Arc::new(AtomicU64::new(0));
    let mut plan = plan();
    plan.every("stumbles", Duration::from_secs(1), {
        let worked = Arc::clone(&worked);
        move |hub| {
            let worked = Arc::clone(&worked);
            Box::pin(async move {
                let before = worked.fetch_add(1, Ordering::SeqCst);
                assert!(before != 1, "a bug in the worker");
                ask(hub, "w", Command::Add(1)).await.expect("added");
            })
        }
    });
    assert!(plan.lines().iter().any(|line| line.contains("stumbles")));
    let hub = testing::hub(plan).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(worked.load(Ordering::SeqCst) > 10);
    assert!(hub.supervision().history.iter().any(|restarted| restarted.kind == "workers" && restarted.id == "stumbles"));
    assert!(hub.health().is_well());
}

#[tokio::test(start_paused = true)]
async fn fails_openly_when_a_worker_never_works() {
    let journal = MemoryJournal::new();
    let mut broken = plan();
    broken.every("never_works", Duration::from_millis(1), |_| Box::pin(async { panic!("a bug for ever") }));
    let hub = testing::hub_on(broken, journal.clone()).await;
    assert!(hub.until_failed().await.contains("workers"));
    assert!(hub.health().failed.is_some_and(|cause| cause.contains("workers")));
    assert!(matches!(ask(&hub, "a", Command::Add(1)).await, Err(AskError::Unavailable(_))));
    // Why it failed is known to the next one, down to the last crash.
    let history = hub.supervision().history;
    hub.close().await;
    let hub = testing::hub_on(plan(), journal.restarted()).await;
    assert_eq!(hub.supervision().history, history);
    assert!(history.iter().any(|restarted| restarted.kind == "root"), "{history:?}");
}

#[tokio::test(start_paused = true)]
async fn lets_an_entity_be_crashed_on_purpose_and_lists_it_until_it_is_asked_again() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    ask(&hub, "a", Command::Add(3)).await.expect("added");
    hub.crash(&EntityId::new("counter", "a"), "to see what happens").await.expect("it crashed");
    assert!(matches!(hub.crash(&EntityId::new("unicorn", "a"), "no").await, Err(AskError::Refused(_))));
    let state = |hub: &Hub| {
        let tree = hub.supervision();
        let counters = tree.supervisors.into_iter().find(|supervisor| supervisor.kind == "counter").expect("its kind");
        counters.children.into_iter().find(|child| child.id == "a").map(|child| (child.state, child.restarts[0].cause.clone()))
    };
    let cause = "to see what happens".to_owned();
    assert_eq!(state(&hub), Some((ActorState::Asleep, cause.clone())));
    assert_eq!(total(&hub, "a").await, 3);
    assert_eq!(state(&hub), Some((ActorState::Awake, cause.clone())));
    assert!(hub.append_latency().count() > 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    hub.close().await;
    let hub = testing::hub_on(plan(), journal.restarted()).await;
    assert_eq!(state(&hub), Some((ActorState::Asleep, cause)), "the next hub remembers it");
    hub.fail("the end");
    assert_eq!(hub.until_failed().await, "the end");
    assert!(matches!(ask(&hub, "a", Command::Add(1)).await, Err(AskError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tells_of_a_crash_without_a_break_while_it_is_written_down() {
    let hub = testing::hub(plan()).await;
    for number in 0..50 {
        let key = format!("e{number}");
        ask(&hub, &key, Command::Add(1)).await.expect("added");
        hub.crash(&EntityId::new("counter", &key), "to see what happens").await.expect("it crashed");
        for _ in 0..2_000 {
            let history = hub.supervision().history;
            assert!(history.iter().any(|restarted| restarted.id == key), "{key} was forgotten: {history:?}");
        }
    }
}
