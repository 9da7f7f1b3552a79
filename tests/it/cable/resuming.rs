//! A lost connection is taken up again (`cable.md` 2.1): by its own client, once, with what its channels still grant, and without a gap.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use serde_json::{Value, json};
use trunkline::{
    actors::{Admission, AskError, Channel, Hub, Leaving, Plan, Subscribing},
    protocol::{Refusal, Topic},
};

use super::harness::{Cable, House, after, stream};

fn sid(welcome: &Value) -> String {
    welcome["sid"].as_str().expect("a sid").to_owned()
}

async fn resumed(house: &House, sid: &str) -> (Cable, Value) {
    house.extended(&format!("/cable?sid={sid}")).await
}

fn since(chat: &str, seen: &Value) -> String {
    json!({"command":"history","identifier":chat,"history":after(seen)}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_a_lost_connection_up_without_a_gap_or_a_repetition_whatever_is_said_meanwhile() {
    let house = House::open().await;
    let chat = stream("chat");
    let (mut first, welcome) = house.extended("/cable").await;
    first.subscribe(&chat).await;
    house.say("chat", json!(0)).await;
    let mut seen = first.hear().await;
    let mut sid = sid(&welcome);
    let hub = house.hub.clone();
    let talking = tokio::spawn(async move {
        for number in 1..=400 {
            let broadcast = super::channels::broadcast(Topic::pubsub("chat"), &json!(number));
            hub.publish(broadcast, true).await.expect("published");
        }
    });
    drop(first);
    for round in 1..=20 {
        let (mut again, welcome) = resumed(&house, &sid).await;
        assert_eq!((&welcome["restored"], &welcome["restored_ids"]), (&json!(true), &json!([chat])), "round {round}");
        assert_ne!(welcome["sid"], json!(sid));
        sid = self::sid(&welcome);
        // Slow to ask: nothing live may overtake what was missed.
        tokio::time::sleep(Duration::from_millis(round % 4 * 5)).await;
        again.send(since(&chat, &seen)).await;
        let (mut confirmed, upto) = (false, (round * 20).min(400));
        while !confirmed || seen["message"].as_u64() < Some(upto) {
            let frame = again.hear().await;
            if frame["type"] == "confirm_history" {
                confirmed = true;
                continue;
            }
            assert_eq!(frame["message"].as_u64(), seen["message"].as_u64().map(|number| number + 1), "{frame}");
            seen = frame;
        }
        drop(again);
    }
    talking.await.expect("said");
    assert_eq!(house.running.stats().total().resumed, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_one_who_does_not_ask_what_is_live_since_its_welcome() {
    let house = House::with(Plan::new(), |config| config.ping_every = Duration::from_millis(300)).await;
    let chat = stream("chat");
    let (mut first, welcome) = house.extended("/cable").await;
    first.subscribe(&chat).await;
    drop(first);
    house.say("chat", json!("missed")).await;
    // Told to a core before the client is back: what was missed is for those who ask.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let (mut again, _) = resumed(&house, &sid(&welcome)).await;
    for number in 0..10 {
        house.say("chat", json!(number)).await;
    }
    for number in 0..10 {
        assert_eq!(again.message().await, number);
    }
    house.say("chat", json!("live")).await;
    assert_eq!(again.message().await, "live");
}

#[tokio::test(flavor = "multi_thread")]
async fn resumes_by_header_before_query_once_and_only_its_own() {
    let house = House::open().await;
    let chat = stream("chat");
    let (mut first, welcome) = house.extended("/cable?user=7").await;
    first.subscribe(&chat).await;
    drop(first);
    let sid = sid(&welcome);
    let forged = "0".repeat(32);
    for (path, why) in [
        (format!("/cable?sid={forged}"), "forged"),
        ("/cable?sid=".to_owned(), "empty"),
        (format!("/cable?sid={}", "%C3%A9".repeat(16)), "nonsense"),
        (format!("/cable?sid={sid}&user=8"), "another's"),
    ] {
        let (mut other, welcome) = house.extended(&path).await;
        assert!(welcome.get("restored").is_none() && welcome.get("restored_ids").is_none(), "{why}: {welcome}");
        other.is_alive().await;
    }
    // Base clients know nothing of it.
    let mut base = house.connect(&format!("/cable?sid={sid}"), &[("sec-websocket-protocol", "actioncable-v1-json")]).await.0;
    assert_eq!(base.hear().await, json!({"type":"welcome"}));
    let headers = [("sec-websocket-protocol", "actioncable-v1-ext-json"), ("x-anycable-restore-sid", &*sid)];
    let mut own = house.connect(&format!("/cable?sid={forged}"), &headers).await.0;
    assert_eq!(own.hear().await["restored_ids"], json!([chat]));
    own.is_alive().await;
    let (_, again) = resumed(&house, &sid).await;
    assert!(again.get("restored").is_none(), "a ticket holds for one use: {again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_over_a_connection_that_only_its_client_knows_to_be_lost() {
    let house = House::open().await;
    let chat = stream("chat");
    for _ in 0..4 {
        let (mut stale, welcome) = house.extended("/cable").await;
        stale.subscribe(&chat).await;
        let (mut again, restored) = resumed(&house, &sid(&welcome)).await;
        assert_eq!(restored["restored_ids"], json!([chat]));
        let close = stale.hear_or_close().await.expect_err("closed, without a disconnect");
        assert_eq!(close.map(|close| u16::from(close.code)), Some(1001));
        again.is_alive().await;
        // The old connection's end leaves nothing behind that could be resumed.
        let (_, once_more) = resumed(&house, &sid(&welcome)).await;
        assert!(once_more.get("restored").is_none(), "{once_more}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forgets_those_who_are_sent_away_and_those_who_stay_away_too_long() {
    let house = House::open().await;
    let chat = stream("chat");
    let (mut lost, of_lost) = house.extended("/cable?user=7").await;
    let (mut there, of_there) = house.extended("/cable?user=7").await;
    let (mut other, of_other) = house.extended("/cable?user=8").await;
    for client in [&mut lost, &mut there, &mut other] {
        client.subscribe(&chat).await;
    }
    drop(lost);
    drop(other);
    house.running.gate().revoke(|who| who.user.0 == 7);
    assert_eq!(there.hear().await["reason"], "unauthorized");
    assert!(there.hear_or_close().await.is_err());
    for welcome in [&of_lost, &of_there] {
        assert!(resumed(&house, &sid(welcome)).await.1.get("restored").is_none());
    }
    assert_eq!(resumed(&house, &sid(&of_other)).await.1["restored"], true);

    let brief = House::with(Plan::new(), |config| config.session_ttl = Duration::from_millis(50)).await;
    let (mut late, welcome) = brief.extended("/cable").await;
    late.subscribe(&chat).await;
    late.socket.close(None).await.expect("closed");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(resumed(&brief, &sid(&welcome)).await.1.get("restored").is_none());
}

/// Lets people in while it is open, slowly where that is asked, and counts who asked and who is there.
#[derive(Clone, Default)]
struct Club {
    closed: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    there: Arc<AtomicUsize>,
}

impl Channel for Club {
    fn name(&self) -> &'static str {
        "Club"
    }
    fn admit<'a>(&'a self, subscribing: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async move {
            self.asked.fetch_add(1, SeqCst);
            if subscribing.params.contains_key("slow") {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            if self.closed.load(SeqCst) {
                return Err(Refusal::forbidden().into());
            }
            self.there.fetch_add(1, SeqCst);
            Ok(Admission { greetings: vec![json!("hello")], ..Admission::to([Topic::pubsub("club")]) })
        })
    }
    fn left<'a>(&'a self, _: Leaving<'a>, _: &'a Hub) -> BoxFuture<'a, ()> {
        Box::pin(async {
            self.there.fetch_sub(1, SeqCst);
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asks_the_channels_again_keeps_what_was_followed_and_greets_nobody_twice() {
    let house_rules = Club::default();
    let Club { closed, there, .. } = house_rules.clone();
    let mut plan = Plan::new();
    plan.channel(house_rules);
    let house = House::with(plan, |_| {}).await;
    let (club, chat) = (r#"{"channel":"Club"}"#, stream("chat"));
    let (mut client, welcome) = house.extended("/cable").await;
    client.command("subscribe", club).await;
    assert_eq!(client.message().await, "hello");
    assert_eq!(client.hear().await["type"], "confirm_subscription");
    client.subscribe(&chat).await;
    client.perform(&chat, json!({"action":"follow","stream":"more"})).await;
    client.perform(&chat, json!({"action":"unfollow","stream":"chat"})).await;
    client.is_alive().await;
    drop(client);
    let (mut again, welcome) = resumed(&house, &sid(&welcome)).await;
    let restored = welcome["restored_ids"].as_array().expect("ids");
    assert!(restored.contains(&json!(club)) && restored.contains(&json!(chat)), "{welcome}");
    for identifier in [club, &chat] {
        again.send(json!({"command":"history","identifier":identifier,"history":{"since":9_000_000_000_u64}}).to_string()).await;
        assert_eq!(again.hear().await, json!({"identifier":identifier,"type":"confirm_history"}));
    }
    house.say("chat", json!("unfollowed")).await;
    house.say("more", json!("followed")).await;
    assert_eq!(again.hear().await["message"], "followed");
    house.say("club", json!("heard")).await;
    assert_eq!(again.hear().await["message"], "heard");
    super::harness::until(|| there.load(SeqCst) == 1).await;
    closed.store(true, SeqCst);
    drop(again);
    let (mut refused, welcome) = resumed(&house, &sid(&welcome)).await;
    let restored = welcome["restored_ids"].as_array().expect("ids");
    assert!(!restored.contains(&json!(club)), "its channel lets nobody in any more: {welcome}");
    refused.command("subscribe", club).await;
    assert_eq!(refused.hear().await["type"], "reject_subscription");
    super::harness::until(|| there.load(SeqCst) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_away_whom_it_revokes_while_their_channels_are_still_asked() {
    let club = Club::default();
    let mut plan = Plan::new();
    plan.channel(club.clone());
    let house = House::with(plan, |_| {}).await;
    let slow = r#"{"channel":"Club","slow":true}"#;
    let (mut client, welcome) = house.extended("/cable?user=7").await;
    client.command("subscribe", slow).await;
    assert_eq!(client.message().await, "hello");
    assert_eq!(client.hear().await["type"], "confirm_subscription");
    drop(client);
    let headers = [("sec-websocket-protocol", "actioncable-v1-ext-json")];
    let mut again = house.connect(&format!("/cable?sid={}", sid(&welcome)), &headers).await.0;
    super::harness::until(|| club.asked.load(SeqCst) == 2).await;
    house.running.gate().revoke(|who| who.user.0 == 7);
    assert_eq!(again.hear().await["restored"], true);
    assert_eq!(again.hear().await, json!({"type":"disconnect","reason":"unauthorized","reconnect":false}));
    super::harness::until(|| club.there.load(SeqCst) == 0).await;
}
