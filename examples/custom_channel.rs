//! A hub of one's own in one file: an entity with its rules, and a channel that lets people act on it and tells everyone what came of it.
//! Run it: `cargo run --example custom_channel`

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::json;
use trunkline_actors::{
    Action, Admission, AskError, Asking, Broadcast, Broadcasts, Channel, Decision, Entity, Hub, HubConfig, NoNotice, Outlet,
    Performed, Plan, Retelling, Subscribing, Written,
};
use trunkline_persistence::MemoryJournal;
use trunkline_protocol::{Commit, ConnectionId, Principal, Record, Refusal, Topic, UserId, codec::kinds};

/// One vote each, counted in one mailbox: its state, what may be wished, what comes of it.
#[derive(Default, Serialize, Deserialize)]
struct Poll(BTreeMap<UserId, String>);
#[derive(Clone, Serialize, Deserialize)]
struct Vote(String);
#[derive(Clone, Serialize, Deserialize)]
struct Voted {
    by: UserId,
    choice: String,
    votes: usize,
}
impl Record for Voted {
    const KIND: u16 = kinds::CUSTOM;
    const SCHEMA: u8 = 1;
}
impl Entity for Poll {
    const KIND: &'static str = "poll";
    type Command = Vote;
    type Fact = Voted;
    type Notice = NoNotice;
    fn decide(&self, Vote(choice): &Vote, asking: &Asking) -> Result<Decision<Self>, Refusal> {
        if let Some(earlier) = self.0.get(&asking.by.user) {
            return Err(Refusal::conflict("VOTED", format!("You voted for {earlier} already.")));
        }
        let votes = 1 + self.0.values().filter(|other| *other == choice).count();
        Ok(Decision::fact(Voted { by: asking.by.user, choice: choice.clone(), votes }))
    }
    fn apply(&mut self, fact: &Voted, _: &Written) {
        self.0.insert(fact.by, fact.choice.clone());
    }
}

/// `{"channel":"PollChannel"}`, with one action: `vote`.
struct PollChannel;
impl Channel for PollChannel {
    fn name(&self) -> &'static str {
        "PollChannel"
    }
    fn admit<'a>(&'a self, _: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async { Ok(Admission::to([Topic::channel("poll")])) })
    }
    fn perform<'a>(&'a self, action: Action<'a>, hub: &'a Hub) -> BoxFuture<'a, Result<Performed, AskError>> {
        Box::pin(async move {
            let choice = action.data.get("choice").and_then(|choice| choice.as_str()).unwrap_or("nothing").to_owned();
            match hub.ask::<Poll>("lunch", Vote(choice), hub.asking(action.who)).await {
                Ok(_) => Ok(Performed::default()),
                Err(refusal) => Ok(Performed::transmit(json!({"error": refusal.to_string()}))),
            }
        })
    }
    // What it says follows from the commit alone, so whoever was away for long is told it again from the journal.
    fn retelling(&self, topic: &Topic) -> Option<Retelling> {
        (topic.name() == "poll").then(|| Retelling::new([Poll::KIND], Self))
    }
    fn render(&self, commit: &Commit, out: &mut Broadcasts) {
        for voted in commit.facts_of::<Voted>().flatten() {
            out.say(&Topic::channel("poll"), &json!({"choice": voted.choice, "votes": voted.votes}));
        }
    }
}

/// Where a socket would be: everything the hub says is printed.
struct Screen;
impl Outlet for Screen {
    fn deliver(&self, batch: Arc<[Broadcast]>) -> BoxFuture<'_, ()> {
        batch.iter().for_each(|said| println!("everyone hears  {}", String::from_utf8_lossy(&said.message)));
        Box::pin(async {})
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut plan = Plan::new();
    plan.entity::<Poll>().channel(PollChannel);
    plan.lines().iter().for_each(|line| println!("{line}"));
    let hub = Hub::open(plan, MemoryJournal::new(), HubConfig::default()).await?;
    hub.attach(Arc::new(Screen));

    for (user, choice) in [(1, "soup"), (2, "soup"), (3, "salad"), (2, "salad")] {
        let who = Principal { user: UserId(user), ..Principal::house() };
        let (params, data, connection) = (serde_json::Map::new(), json!({"choice": choice}), ConnectionId::random());
        let Some(data) = data.as_object() else { continue };
        let action = Action { identifier: "poll", params: &params, name: "vote", data, who: &who, connection };
        let performed = hub.perform("PollChannel", action).await?;
        performed.transmissions.iter().for_each(|told| println!("{user} alone hears   {told}"));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    hub.close().await;
    Ok(())
}
