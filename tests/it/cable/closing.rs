//! A client that closes is answered, and nothing follows; nor is anybody told later that it has arrived.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use serde_json::json;
use tokio::time::sleep;
use trunkline::{
    actors::{Admission, AskError, Channel, Hub, Leaving, Plan, Subscribing},
    protocol::ConnectionId,
};

use super::harness::{House, frame, id, stream, until};

/// Takes its time to let anybody in.
struct Slow;

impl Channel for Slow {
    fn name(&self) -> &'static str {
        "Slow"
    }
    fn admit<'a>(&'a self, _: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async {
            sleep(Duration::from_millis(500)).await;
            Ok(Admission::default())
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn says_nothing_behind_its_answer_to_a_close_though_a_command_is_still_being_obeyed() {
    let mut plan = Plan::new();
    plan.channel(Slow);
    let house = House::with(plan, |config| config.ping_every = Duration::from_millis(300)).await;
    let mut raw = house.raw().await;
    raw.open().await;
    for identifier in [&*stream("chat"), r#"{"channel":"Slow"}"#] {
        raw.send(frame(0x81, json!({"command":"subscribe","identifier":identifier}).to_string().as_bytes())).await;
    }
    assert!(raw.text().await.contains("confirm_subscription"));
    raw.send(frame(0x88, &1000_u16.to_be_bytes())).await;
    for number in 0..20 {
        house.say("chat", json!(number)).await;
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(raw.closed().await, Some(1000));
}

/// Notes who has arrived and not left; `slow` tells of arrivals half a second later.
#[derive(Clone, Default)]
struct Guests(Arc<Mutex<HashSet<ConnectionId>>>);

impl Channel for Guests {
    fn name(&self) -> &'static str {
        "Guests"
    }
    fn admit<'a>(&'a self, _: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async { Ok(Admission::default()) })
    }
    fn joined<'a>(&'a self, subscribing: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            match subscribing.params.contains_key("slow") {
                true => sleep(Duration::from_millis(500)).await,
                false => drop(self.0.lock().expect("whole").insert(subscribing.connection)),
            }
        })
    }
    fn left<'a>(&'a self, leaving: Leaving<'a>, _: &'a Hub) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.0.lock().expect("whole").remove(&leaving.connection);
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_no_channel_that_one_has_come_back_who_is_gone_again() {
    let guests = Guests::default();
    let mut plan = Plan::new();
    plan.channel(guests.clone());
    let house = House::with(plan, |_| {}).await;
    let (mut client, welcome) = house.extended("/cable").await;
    for params in [json!({"channel":"Guests","slow":true}), json!({"channel":"Guests"})] {
        client.subscribe(&id(&params)).await;
    }
    client.is_alive().await;
    drop(client);
    let here = || guests.0.lock().expect("whole").len();
    until(|| here() == 0).await;
    let (again, welcome) = house.extended(&format!("/cable?sid={}", welcome["sid"].as_str().expect("a sid"))).await;
    assert_eq!(welcome["restored"], true);
    drop(again);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(here(), 0);
}
