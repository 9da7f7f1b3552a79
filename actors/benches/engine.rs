//! What the engine itself costs, over a journal in memory: an ask, a wake, an awake entity, a broadcast's way to the edge.
//!
//! `cargo bench -p trunkline-actors --bench engine`. Plain loops rather than criterion: memory is measured beside time.

use std::{sync::Arc, time::Instant};

use futures::future::{BoxFuture, join_all};
use serde::{Deserialize, Serialize};
use trunkline_actors::{
    Admission, AskError, Asking, Broadcast, Broadcasts, Channel, Decision, Entity, Hub, HubConfig, NoNotice, Outlet, Plan,
    Subscribing, Written,
};
use trunkline_persistence::MemoryJournal;
use trunkline_protocol::{Commit, Principal, Record, Refusal, Topic, codec::kinds};

#[derive(Default, Serialize, Deserialize)]
struct Counter {
    total: u64,
}
#[derive(Clone, Serialize, Deserialize)]
struct Add(u64);
#[derive(Clone, Serialize, Deserialize)]
struct Added(u64);
impl Record for Added {
    const KIND: u16 = kinds::CUSTOM;
    const SCHEMA: u8 = 1;
}
impl Entity for Counter {
    const KIND: &'static str = "counter";
    type Command = Add;
    type Fact = Added;
    type Notice = NoNotice;
    fn decide(&self, Add(add): &Add, _: &Asking) -> Result<Decision<Self>, Refusal> {
        if *add == 0 { Ok(Decision::nothing()) } else { Ok(Decision::fact(Added(*add))) }
    }
    fn apply(&mut self, Added(add): &Added, _: &Written) {
        self.total += add;
    }
}
struct Shown;
impl Channel for Shown {
    fn name(&self) -> &'static str {
        "Shown"
    }
    fn admit<'a>(&'a self, _: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async { Ok(Admission::default()) })
    }
    fn render(&self, commit: &Commit, out: &mut Broadcasts) {
        if commit.entity.kind() == Counter::KIND {
            out.say(&Topic::channel("counters"), &commit.version);
        }
    }
}
struct Drain;
impl Outlet for Drain {
    fn deliver(&self, _: Arc<[Broadcast]>) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let mut plan = Plan::new();
    plan.entity::<Counter>().channel(Shown);
    let hub = Hub::open(plan, MemoryJournal::new(), HubConfig::default()).await.expect("opens");
    hub.attach(Arc::new(Drain));
    let who = Principal::house();
    let ask = |key: String, add: u64| {
        let (hub, asking) = (hub.clone(), hub.asking(&who));
        async move { hub.ask::<Counter>(key, Add(add), asking).await.expect("answered") }
    };

    for (what, add) in [("that writes nothing", 0), ("that writes", 1)] {
        ask("warm".into(), add).await;
        let (count, began) = (50_000, Instant::now());
        for _ in 0..count {
            ask("warm".into(), add).await;
        }
        println!("a warm ask {what}, one after another: {:.2} us", began.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    }
    let (callers, each, began) = (256_u32, 400_u32, Instant::now());
    let tasks = (0..callers).map(|caller| {
        let hub = hub.clone();
        let who = who.clone();
        tokio::spawn(async move {
            for _ in 0..each {
                hub.ask::<Counter>(caller % 64, Add(1), hub.asking(&who)).await.expect("answered");
            }
        })
    });
    join_all(tasks).await;
    println!("256 callers of 64 entities: {:.0} writes/s", f64::from(callers * each) / began.elapsed().as_secs_f64());

    let (before, count, began) = (resident_bytes(), 20_000_u32, Instant::now());
    let keys: Vec<String> = (0..count).map(|n| format!("an/awake/entity/{n}")).collect();
    for chunk in keys.chunks(200) {
        join_all(chunk.iter().map(|key| ask(key.clone(), 0))).await;
    }
    println!("waking an entity without history: {:.1} us", began.elapsed().as_secs_f64() * 1e6 / f64::from(count));
    println!("an awake entity: {:.1} KiB resident", (resident_bytes() - before) as f64 / 1024.0 / f64::from(count));
    let began = Instant::now();
    hub.close().await;
    println!("closing with {count} awake: {:.0} ms", began.elapsed().as_secs_f64() * 1e3);
}
