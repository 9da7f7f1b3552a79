use futures::future::join_all;
use trunkline_actors::{AskError, testing};
use trunkline_persistence::{Fault, MemoryJournal};
use trunkline_protocol::limits::{COMMIT_TURNS_MAX, MAILBOX_COMMANDS_MAX};

use crate::world::*;

#[tokio::test(start_paused = true)]
async fn answers_when_what_came_of_it_is_written() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    let outcome = ask(&hub, "a", Command::Add(2)).await.expect("added");
    assert_eq!((outcome.version, outcome.position, outcome.facts, outcome.replayed), (1, 1, vec![Fact::Added(2)], false));
    assert_eq!(journal.commits().len(), 1);
    hub.seen(outcome.position).await.expect("folded");
    assert_eq!(hub.projection::<Tally>().total("a"), 2);
    hub.close().await;
    assert!(matches!(ask(&hub, "a", Command::Add(1)).await, Err(AskError::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn writes_what_waits_as_one_commit_and_answers_refusals_after_it() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    journal.pause();
    let asks: Vec<_> = (0..50)
        .map(|n| {
            let hub = hub.clone();
            let command = if n % 10 == 9 { Command::Add(2_000_000) } else { Command::Add(1) };
            tokio::spawn(async move { ask(&hub, "a", command).await })
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    assert_eq!(journal.waiting(), 1);
    assert!(asks.iter().all(|ask| !ask.is_finished()), "nobody is answered before it is durable, not even with a no");
    journal.sync();
    let answers = join_all(asks).await.into_iter().map(|answer| answer.expect("no panic")).collect::<Vec<_>>();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 45);
    assert!(answers.iter().filter_map(|answer| answer.as_ref().err()).all(|error| matches!(error, AskError::Refused(_))));
    assert!(journal.commits().len() <= 2, "{} commits", journal.commits().len());
    assert_eq!(total(&hub, "a").await, 45);
}

#[tokio::test(start_paused = true)]
async fn never_writes_more_turns_than_a_commit_may_hold() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    let answers = join_all((0..200).map(|_| ask(&hub, "a", Command::Add(1)))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert!(journal.commits().iter().all(|commit| commit.turns.len() <= COMMIT_TURNS_MAX));
    assert_eq!(total(&hub, "a").await, 200);
    // And no more bytes: ten of these do not fit into one record.
    let answers = join_all((0..10).map(|_| ask(&hub, "b", Command::Large(20_000)))).await;
    assert!(answers.iter().all(Result::is_ok));
    let too_large = ask(&hub, "b", Command::Large(70_000)).await;
    assert!(matches!(too_large, Err(AskError::Refused(refusal)) if refusal.code == "TOO_LARGE"));
}

#[tokio::test(start_paused = true)]
async fn turns_the_257th_away_and_gets_every_permit_back() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    ask(&hub, "a", Command::Add(1)).await.expect("awake");
    journal.pause();
    let asks: Vec<_> = (0..400)
        .map(|_| {
            tokio::spawn({
                let hub = hub.clone();
                async move { ask(&hub, "a", Command::Add(1)).await }
            })
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    journal.sync();
    let answers = join_all(asks).await.into_iter().map(|answer| answer.expect("no panic")).collect::<Vec<_>>();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), MAILBOX_COMMANDS_MAX);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(AskError::Overloaded))).count(), 400 - MAILBOX_COMMANDS_MAX);
    // All of them are back: as many may wait again.
    let answers = join_all((0..MAILBOX_COMMANDS_MAX).map(|_| ask(&hub, "a", Command::Add(1)))).await;
    assert!(answers.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn answers_a_repeated_command_as_before_also_after_retiring_and_after_a_restart() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    let asking = house(&hub);
    let first = hub.ask::<Counter>("a", Command::Add(5), asking.clone()).await.expect("added");
    for n in 0..40 {
        ask(&hub, "a", Command::Add(n)).await.expect("added");
    }
    let again = hub.ask::<Counter>("a", Command::Add(5), asking.clone()).await.expect("answered");
    assert_eq!(
        (again.version, again.position, again.facts, again.replayed),
        (first.version, first.position, first.facts.clone(), true)
    );
    tokio::time::sleep(std::time::Duration::from_secs(200)).await;
    assert_eq!(hub.health().awake, 0, "it has retired");
    let again = hub.ask::<Counter>("a", Command::Add(5), asking.clone()).await.expect("answered");
    assert_eq!((again.position, again.facts, again.replayed), (first.position, first.facts.clone(), true));
    hub.close().await;
    let hub = testing::hub_on(plan(), journal.restarted()).await;
    let again = hub.ask::<Counter>("a", Command::Add(5), asking.clone()).await.expect("answered");
    assert!(again.replayed);
    // Two of the same in one batch: one is written.
    let asking = house(&hub);
    let both = join_all((0..2).map(|_| hub.ask::<Counter>("b", Command::Add(3), asking.clone()))).await;
    let both: Vec<_> = both.into_iter().map(|answer| answer.expect("answered")).collect();
    assert_eq!(both.iter().map(|answer| answer.replayed).collect::<Vec<_>>(), [false, true]);
    assert_eq!(both[0].facts, both[1].facts);
    assert_eq!(total(&hub, "b").await, 3);
}

#[tokio::test(start_paused = true)]
async fn answers_an_append_of_unknown_outcome_only_when_it_is_known() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    for (n, fault) in [Fault::AnswerLost, Fault::RequestLost].into_iter().enumerate() {
        journal.fail_next([fault]);
        let outcome = ask(&hub, "a", Command::Add(1)).await.expect("found out");
        assert_eq!((outcome.version, outcome.replayed), (n as u64 + 1, false));
    }
    journal.fail_next([Fault::AnswerLost]);
    journal.fail_reads(8);
    assert_eq!(ask(&hub, "a", Command::Add(1)).await.map(|outcome| outcome.version), Ok(3));
    assert_eq!(total(&hub, "a").await, 3);
    assert_eq!(journal.commits().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn says_full_and_overloaded_and_goes_on_afterwards() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    ask(&hub, "a", Command::Add(1)).await.expect("added");
    journal.fail_next([Fault::Full, Fault::Overloaded]);
    assert!(matches!(ask(&hub, "a", Command::Add(10)).await, Err(AskError::Full)));
    assert!(matches!(ask(&hub, "a", Command::Add(10)).await, Err(AskError::Overloaded)));
    assert_eq!(total(&hub, "a").await, 1, "what was not written never happened");
    ask(&hub, "a", Command::Add(1)).await.expect("added");
    journal.fail_next(vec![Fault::Conflict; 5]);
    ask(&hub, "a", Command::Add(1)).await.expect("decided again");
    journal.fail_next(vec![Fault::Conflict; 6]);
    assert!(matches!(ask(&hub, "a", Command::Add(1)).await, Err(AskError::Overloaded)));
    assert_eq!(total(&hub, "a").await, 3);
}

#[tokio::test]
async fn shares_a_journal_with_another_hub_and_loses_nothing() {
    let journal = MemoryJournal::new();
    let (one, other) = (testing::hub_on(plan(), journal.clone()).await, testing::hub_on(plan(), journal.clone()).await);
    let adds = |hub: &trunkline_actors::Hub| {
        let hub = hub.clone();
        tokio::spawn(async move {
            let mut added = 0;
            for _ in 0..300 {
                added += u64::from(ask(&hub, "a", Command::Add(1)).await.is_ok());
            }
            added
        })
    };
    let (first, second) = (adds(&one), adds(&other));
    let added = first.await.expect("no panic") + second.await.expect("no panic");
    // A hub that lagged behind refuses by what it knows; a write conflicts and is decided again.
    ask(&one, "a", Command::Add(0)).await.expect("caught up");
    assert_eq!(total(&one, "a").await, added);
    // The same command sent to both is done once.
    let asking = house(&one);
    let both = futures::future::join(
        one.ask::<Counter>("b", Command::Add(7), asking.clone()),
        other.ask::<Counter>("b", Command::Add(7), asking.clone()),
    );
    let (first, second) = both.await;
    assert_eq!(first.expect("answered").position, second.expect("answered").position);
    let race = |hub: &trunkline_actors::Hub| {
        let hub = hub.clone();
        async move { ask(&hub, "c", Command::AddAt { total: 0, add: 1 }).await.is_ok() }
    };
    let winners = join_all((0..20).map(|n| if n % 2 == 0 { race(&one) } else { race(&other) })).await;
    assert_eq!(winners.into_iter().filter(|won| *won).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn gives_every_integer_once_and_never_again() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    let ids = join_all((0..1000).map(|_| hub.next_id("streams"))).await;
    let ids: Vec<u64> = ids.into_iter().map(|id| id.expect("an id")).collect();
    assert_eq!(ids, (1..=1000).collect::<Vec<_>>());
    assert_eq!(hub.next_id("users").await, Ok(1));
    assert!(journal.commits().len() < 10, "blocks grow");
    let hub = testing::hub_on(plan(), journal.restarted()).await;
    assert!(hub.next_id("streams").await.expect("an id") > 1000);
}

#[tokio::test(start_paused = true)]
async fn closes_in_time_when_the_disk_does_not() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    ask(&hub, "a", Command::Add(1)).await.expect("written");
    journal.hang_at_close();
    tokio::time::timeout(std::time::Duration::from_secs(60), hub.close()).await.expect("in time");
}

#[tokio::test(start_paused = true)]
async fn says_deadline_when_the_disk_hangs_and_does_a_retried_wish_once() {
    let journal = MemoryJournal::new();
    let hub = testing::hub_on(plan(), journal.clone()).await;
    ask(&hub, "a", Command::Add(1)).await.expect("added");
    journal.pause();
    let asking = house(&hub);
    let first = hub.ask::<Counter>("a", Command::Add(5), asking.clone()).await;
    assert!(matches!(first, Err(AskError::Deadline)));
    let retries: Vec<_> = (0..3)
        .map(|_| {
            let (hub, asking) = (hub.clone(), asking.clone());
            tokio::spawn(async move { hub.ask::<Counter>("a", Command::Add(5), asking).await })
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    // Nobody waits for this one any longer when it could be decided: it is not.
    let given_up = tokio::time::timeout(std::time::Duration::from_secs(1), ask(&hub, "a", Command::Add(100))).await;
    assert!(given_up.is_err());
    journal.sync();
    for retry in join_all(retries).await {
        assert!(retry.expect("no panic").expect("answered").replayed);
    }
    assert_eq!(total(&hub, "a").await, 6);
}
