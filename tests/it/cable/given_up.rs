//! A core of the edge that takes nothing for so long that the hub gives it up, or whose gateway breaks: those who were there are sent away, and
//! whoever comes later is told everything.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use serde_json::json;
use tokio::time::sleep;
use trunkline::{
    actors::{Admission, AskError, Broadcast, Channel, Hub, Plan, Subscribing},
    protocol::{Topic, limits::OUTLET_DEADLINE},
};

use super::harness::{House, PATIENCE, stream, until};

/// Keeps the core that asks to itself, as no channel should, until it is released.
#[derive(Clone, Default)]
struct Hog {
    entered: Arc<AtomicBool>,
    released: Arc<AtomicBool>,
}

impl Channel for Hog {
    fn name(&self) -> &'static str {
        "Hog"
    }
    fn admit<'a>(&'a self, _: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        self.entered.store(true, SeqCst);
        while !self.released.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Box::pin(async { Ok(Admission::default()) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_away_those_of_a_core_that_was_given_up_and_tells_those_who_come_later() {
    let hog = Hog::default();
    let mut plan = Plan::new();
    plan.channel(hog.clone());
    let house = House::with(plan, |config| config.cores = 1).await;
    let (mut witness, mut other) = (house.client().await, house.client().await);
    witness.subscribe(&stream("chat")).await;
    other.command("subscribe", r#"{"channel":"Hog"}"#).await;
    until(|| hog.entered.load(SeqCst)).await;
    // One batch each, until no more can be handed over.
    let mut said = 0;
    while let Ok(Ok(())) = tokio::time::timeout(PATIENCE, house.hub.publish_all(vec![numbered(said)])).await {
        said += 1;
    }
    sleep(OUTLET_DEADLINE).await;
    hog.released.store(true, SeqCst);
    let mut heard = 0;
    let goodbye = loop {
        let frame = witness.hear().await;
        if frame["type"] == "disconnect" {
            break frame;
        }
        assert_eq!(frame["message"], heard, "without a hole, as far as it goes");
        heard += 1;
    };
    assert_eq!(goodbye, json!({"type":"disconnect","reason":"server_restart","reconnect":true}));
    let mut again = house.client().await;
    again.subscribe(&stream("chat")).await;
    house.say("chat", json!("told again")).await;
    assert_eq!(again.message().await, "told again");
    house.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_away_those_of_a_core_whose_gateway_broke_and_opens_another() {
    let house = House::with(Plan::new(), |config| config.cores = 1).await;
    let mut witness = house.client().await;
    witness.subscribe(&stream("chat")).await;
    house.running.gate().revoke(|_| panic!("a bug in the gateway"));
    let restart = json!({"type":"disconnect","reason":"server_restart","reconnect":true});
    assert_eq!(witness.hear().await, restart);
    let mut again = house.client().await;
    again.subscribe(&stream("chat")).await;
    house.say("chat", json!("told again")).await;
    assert_eq!(again.message().await, "told again");
    house.running.gate().disconnect(|_| true, true);
    assert_eq!(again.hear().await["reason"], "remote");
    house.running.stop().await;
}

fn numbered(number: u32) -> (Broadcast, bool) {
    (Broadcast { offset: None, ..Broadcast::new(Topic::pubsub("chat"), number.to_string()) }, false)
}
