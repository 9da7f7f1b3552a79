//! How a hub ends, politely and not; what was acknowledged is there afterwards, once.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use reqwest::Method;
use serde_json::json;
use tokio::{io::AsyncReadExt as _, net::TcpStream, task::JoinHandle, time::timeout};

use crate::{
    cable::harness::{Cable, PATIENCE, Raw},
    child::{ANA, BO, Child, Door, journal_in},
};

const GRID: &str = r#"{"channel":"CollaborativeStreamsChannel"}"#;

/// Bots that post until the hub is gone, and what it acknowledged.
struct Bots {
    acknowledged: Arc<Mutex<HashMap<String, u64>>>,
    tasks: Vec<JoinHandle<()>>,
}

static NUMBER: AtomicUsize = AtomicUsize::new(0);

impl Bots {
    fn at(door: &Door, count: usize) -> Self {
        let acknowledged = Arc::new(Mutex::new(HashMap::new()));
        let post = |_| {
            let (door, acknowledged) = (door.clone(), acknowledged.clone());
            tokio::spawn(async move {
                loop {
                    let link = format!("https://example.org/{}", NUMBER.fetch_add(1, Ordering::Relaxed));
                    match door.post(&link).await {
                        Ok((201, row)) => drop(acknowledged.lock().insert(link, row["id"].as_u64().expect("an id"))),
                        Ok((status, problem)) => assert_eq!(status, 503, "{problem}"),
                        Err(_) => return,
                    }
                }
            })
        };
        let tasks = (0..count).map(post).collect();
        Self { acknowledged, tasks }
    }
    async fn have(&self, count: usize) {
        let enough = async {
            while self.acknowledged.lock().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(60), enough).await.expect("the bots are answered");
    }
    async fn end(self) -> HashMap<String, u64> {
        for task in self.tasks {
            timeout(Duration::from_secs(30), task).await.expect("nobody is left waiting").expect("answered well to the end");
        }
        Arc::try_unwrap(self.acknowledged).map(Mutex::into_inner).expect("all bots are gone")
    }
}

/// Everything acknowledged is there under its id, and no id or link is there twice.
async fn holds(door: &Door, acknowledged: &HashMap<String, u64>) {
    let there = door.streams().await;
    let links: HashMap<_, _> = there.iter().cloned().collect();
    let ids: HashSet<_> = there.iter().map(|(_, id)| id).collect();
    assert_eq!((links.len(), ids.len()), (there.len(), there.len()), "nothing is there twice");
    for (link, id) in acknowledged {
        assert_eq!(links.get(link), Some(id), "{link} was acknowledged");
    }
}

async fn hear_of(cable: &mut Cable, action: &str) -> serde_json::Value {
    let heard = async {
        loop {
            let message = cable.message().await;
            if message["action"] == action || (action == "error" && message["error"].is_string()) {
                return message;
            }
        }
    };
    timeout(4 * PATIENCE, heard).await.unwrap_or_else(|_| panic!("never heard {action}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn finishes_what_it_was_asked_and_waits_for_nobody_who_asks_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (journal, _) = journal_in(&folder);
    let hub = Child::start(&journal);
    let door = hub.door();
    let mut idle = Vec::new();
    for _ in 0..5 {
        let mut raw = Raw { stream: TcpStream::connect(hub.address).await.expect("connected") };
        raw.send("GET /health/live HTTP/1.1\r\nHost: hub\r\n\r\n").await;
        assert!(raw.answer().await.starts_with("HTTP/1.1 200"));
        idle.push(raw);
    }
    let mut tab = door.cable(ANA).await;
    let bots = Bots::at(&door, 16);
    bots.have(100).await;
    let stopping = tokio::task::spawn_blocking(move || hub.stop());
    assert_eq!(tab.hear().await, json!({"type":"disconnect","reason":"server_restart","reconnect":true}));
    let (status, took) = stopping.await.expect("stopped");
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(6), "it took {took:?}");
    for mut raw in idle {
        assert!(matches!(timeout(PATIENCE, raw.stream.read(&mut [0; 16])).await.expect("closed"), Ok(0) | Err(_)));
    }
    let acknowledged = bots.end().await;
    let hub = Child::start(&journal);
    holds(&hub.door(), &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loses_nothing_acknowledged_and_no_lock_to_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let (journal, _) = journal_in(&folder);
    let mut acknowledged: HashMap<String, u64> = HashMap::new();
    let mut held = None;
    for round in 0..3 {
        let hub = Child::start(&journal);
        let door = hub.door();
        holds(&door, &acknowledged).await;
        let (mut ana, mut bo) = (door.cable(ANA).await, door.cable(BO).await);
        for tab in [&mut ana, &mut bo] {
            tab.command("subscribe", GRID).await;
            while tab.hear().await["type"] != "confirm_subscription" {}
        }
        if let Some(cell) = held.take() {
            // Whoever held it when the hub died has a whole term to come back in.
            bo.perform(GRID, json!({"action": "lock_cell", "cell_id": cell})).await;
            assert_eq!(hear_of(&mut bo, "cell_locked").await["user_name"], "ana", "round {round}");
            assert_eq!(hear_of(&mut bo, "error").await["error"], "Cell is locked by another user");
            // She does, on another connection.
            ana.perform(GRID, json!({"action": "lock_cell", "cell_id": cell})).await;
            assert_eq!(hear_of(&mut ana, "cell_locked").await["user_name"], "ana");
            ana.perform(GRID, json!({"action": "unlock_cell", "cell_id": cell})).await;
            assert_eq!(hear_of(&mut bo, "cell_unlocked").await["cell_id"], json!(cell));
        }
        let bots = Bots::at(&door, 12);
        bots.have(60).await;
        let first = bots.acknowledged.lock().values().copied().min().expect("one");
        let cell = format!("stream_{first}_title");
        ana.perform(GRID, json!({"action": "lock_cell", "cell_id": cell})).await;
        assert_eq!(hear_of(&mut bo, "cell_locked").await["cell_id"], json!(cell));
        held = Some(cell);
        tokio::task::spawn_blocking(move || hub.kill()).await.expect("killed");
        let new = bots.end().await;
        assert!(new.values().all(|id| acknowledged.values().all(|known| known != id)), "no id is given twice");
        assert!(new.values().min() > acknowledged.values().max(), "ids grow over a crash");
        acknowledged.extend(new);
    }
    let hub = Child::start(&journal);
    holds(&hub.door(), &acknowledged).await;
    let (link, id) = acknowledged.iter().next().expect("one");
    let again = json!({"link": link, "source": "test"});
    let (status, row) = hub.door().ask(BO, Method::POST, "/api/v1/streams", Some(again)).await;
    assert_eq!((status, row["id"].as_u64()), (200, Some(*id)), "a repeat after the crash is a repeat");
}
