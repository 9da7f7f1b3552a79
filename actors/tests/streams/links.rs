//! A link is one active stream's, whoever adds, moves and brings back what at the same time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use trunkline_actors::{
    AskError, Hub,
    streams::{
        StreamsConfig,
        board::Board,
        stream::{Room, StreamCommand, StreamFact},
        writing,
    },
};
use trunkline_persistence::{Fault, Journal as _, MemoryJournal};

use crate::{bot, change, hub_on, post, posted};

fn link(n: u32) -> String {
    format!("https://a.example/{n}")
}

/// The streams that are active, by their link.
fn active(hub: &Hub, ids: impl IntoIterator<Item = u64>) -> BTreeMap<String, Vec<u64>> {
    let board = hub.projection::<Board>();
    let mut active = BTreeMap::<String, Vec<u64>>::new();
    for kept in ids.into_iter().filter_map(|id| board.kept(id)).filter(|kept| !kept.stream.is_archived) {
        active.entry(kept.canonical.to_string()).or_default().push(kept.stream.id);
    }
    active
}

#[tokio::test(start_paused = true)]
async fn gives_a_link_to_one_of_who_moves_there_and_who_is_added_there_meanwhile() {
    let journal = MemoryJournal::new();
    let hub = hub_on(journal.clone(), StreamsConfig::default()).await;
    let one = posted(&hub, &bot(7), json!({"link": link(1)})).await.id();
    // The link is lent at once; that the stream has it is written a while later.
    journal.fail_next([Fault::Slow(Duration::ZERO), Fault::Slow(Duration::from_millis(300))]);
    let before = journal.head();
    let moving = tokio::spawn({
        let hub = hub.clone();
        async move { change(&hub, one, json!({"link": link(2)})).await.map(|_| ()) }
    });
    while journal.head() == before {
        tokio::task::yield_now().await;
    }
    let lent = journal.commits().pop().expect("a commit");
    assert!(matches!(lent.facts_of::<StreamFact>().next(), Some(Ok(StreamFact::LinkLent { .. }))));
    let added = post(&hub, &bot(8), json!({"link": link(2)})).await.expect("allowed");
    let moved = moving.await.expect("no panic");
    hub.seen(journal.head()).await.expect("seen");
    let there = active(&hub, [one, added.id].into_iter().collect::<BTreeSet<_>>()).remove("a.example/2").unwrap_or_default();
    assert_eq!(there.len(), 1, "moved: {moved:?}, added: {added:?}");
}

#[test]
fn gives_a_link_to_one_active_stream_through_any_storm() {
    for seed in 0..40 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        runtime.block_on(storm(seed));
    }
}

async fn storm(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let journal = MemoryJournal::new();
    let hub = hub_on(journal.clone(), StreamsConfig::default()).await;
    let mut ids = Vec::new();
    for n in 0..2 {
        ids.push(posted(&hub, &bot(7), json!({"link": link(n)})).await.id());
    }
    for round in 0..30 {
        let slow = (0..8).map(|_| Fault::Slow(Duration::from_millis(random.random_range(0..30)))).collect::<Vec<_>>();
        journal.fail_next(slow);
        let done = join_all((0..random.random_range(2..6)).map(|_| act(&mut random, &hub, &ids)).collect::<Vec<_>>()).await;
        for came in done {
            match came {
                Ok(Some(id)) if !ids.contains(&id) => ids.push(id),
                Ok(_) | Err(AskError::Refused(_)) => {}
                Err(failure) => panic!("storm {seed}, round {round}: {failure}"),
            }
        }
        hub.seen(journal.head()).await.expect("seen");
        for (link, streams) in active(&hub, ids.iter().copied()) {
            assert!(streams.len() == 1, "storm {seed}, round {round}: {streams:?} are active under {link}");
        }
    }
}

/// Somebody does something, a moment from now; the stream that came of it.
fn act(random: &mut StdRng, hub: &Hub, ids: &[u64]) -> BoxFuture<'static, Result<Option<u64>, AskError>> {
    let (hub, me) = (hub.clone(), bot(7));
    let (id, to, pause) = (ids[random.random_range(0..ids.len())], link(random.random_range(0..3)), random.random_range(0..20));
    let what = random.random_range(0..10);
    async move {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let ask = |command| writing::ask(&hub, id, command, hub.asking(&me));
        match what {
            0..3 => post(&hub, &me, json!({"link": to})).await.map(|added| Some(added.id)),
            3..7 => change(&hub, id, json!({"link": to})).await.map(|_| None),
            7 => ask(StreamCommand::Archive { id }).await.map(|_| None),
            _ => ask(StreamCommand::Unarchive { id, room: Room::Unknown }).await.map(|_| None),
        }
    }
    .boxed()
}
