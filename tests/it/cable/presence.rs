//! Presence as AnyCable knows it (`cable.md` 2.6): who has joined a topic, told to everybody on it.

use std::time::Duration;

use serde_json::{Value, json};
use trunkline::actors::{HubConfig, Plan};

use super::harness::{Cable, House, stream};

fn join(identifier: &str, id: &str, info: Value) -> String {
    json!({"command":"join","identifier":identifier,"presence":{"id":id,"info":info}}).to_string()
}
fn told(identifier: &str, message: Value) -> Value {
    json!({"type":"presence","identifier":identifier,"message":message})
}
async fn who_is_there(client: &mut Cable, identifier: &str) -> Value {
    client.command("presence", identifier).await;
    client.hear().await["message"].take()
}
async fn subscribed(house: &House, identifier: &str) -> (Cable, String) {
    let (mut client, welcome) = house.extended("/cable").await;
    client.subscribe(identifier).await;
    (client, welcome["sid"].as_str().expect("a sid").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_everybody_of_the_first_and_the_last_of_a_name_and_whoever_asks_who_is_there() {
    let house = House::open().await;
    let chat = stream("chat");
    let (mut ann, _) = subscribed(&house, &chat).await;
    let (mut tab, _) = subscribed(&house, &chat).await;
    // A base client hears it, too.
    let mut ben = house.client().await;
    ben.subscribe(&chat).await;
    assert_eq!(who_is_there(&mut ben, &chat).await, json!({"type":"info","total":0}));
    ann.send(join(&chat, "u1", json!({"name":"Ann"}))).await;
    for client in [&mut ann, &mut tab, &mut ben] {
        assert_eq!(client.hear().await, told(&chat, json!({"type":"join","info":{"name":"Ann"},"id":"u1"})));
    }
    tab.send(join(&chat, "u1", json!("Ann again"))).await;
    // A second name of the same connection is refused, silently.
    tab.send(join(&chat, "u2", json!(null))).await;
    let there = json!({"type":"info","total":1,"records":[{"info":"Ann again","id":"u1"}]});
    assert_eq!(who_is_there(&mut tab, &chat).await, there);
    tab.send(json!({"command":"presence","identifier":chat,"data":{"return_records":false}}).to_string()).await;
    assert_eq!(tab.hear().await, told(&chat, json!({"type":"info","total":1})));
    ann.command("leave", &chat).await;
    ann.command("leave", &chat).await;
    assert_eq!(who_is_there(&mut ann, &chat).await, there);
    tab.command("unsubscribe", &chat).await;
    for client in [&mut ann, &mut ben] {
        assert_eq!(client.hear().await, told(&chat, json!({"type":"leave","id":"u1"})));
    }
    tab.is_alive().await;
    ben.silent(100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_with_the_subscription_and_answers_where_there_is_nothing_to_join() {
    let house = House::open().await;
    let (chat, echo) = (stream("chat"), r#"{"channel":"EchoChannel"}"#);
    let (mut client, _) = house.extended("/cable").await;
    let presence = json!({"id":"u1","info":{"name":"Ann"}});
    client.send(json!({"command":"subscribe","identifier":chat,"presence":presence}).to_string()).await;
    assert_eq!(client.hear().await, json!({"identifier":chat,"type":"confirm_subscription"}));
    assert_eq!(client.hear().await["message"]["type"], "join");
    client.subscribe(echo).await;
    client.send(join(echo, "u1", json!(1))).await;
    client.command("leave", echo).await;
    for nothing in [echo, "unknown", &stream("elsewhere")] {
        assert_eq!(who_is_there(&mut client, nothing).await, json!({"type":"error","total":0}));
    }
    client.send(json!({"command":"join","identifier":chat,"presence":{"id":""}}).to_string()).await;
    client.send(json!({"command":"join","identifier":chat}).to_string()).await;
    client.is_alive().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_nobody_of_a_quick_reconnect_and_everybody_of_who_stays_away() {
    let hub = HubConfig { presence_ttl: Duration::from_secs(2), ..HubConfig::default() };
    let house = House::with_hub(Plan::new(), hub, |_| {}).await;
    let chat = stream("chat");
    let (mut watching, _) = subscribed(&house, &chat).await;
    let (mut ann, mut sid) = subscribed(&house, &chat).await;
    ann.send(join(&chat, "u1", json!(1))).await;
    assert_eq!(watching.hear().await["message"]["type"], "join");
    // Taken over from a connection that is still there: no moment without her, however slow the machine.
    for _ in 0..3 {
        let (mut again, welcome) = house.extended(&format!("/cable?sid={sid}")).await;
        assert_eq!(welcome["restored"], true);
        sid = welcome["sid"].as_str().expect("a sid").to_owned();
        again.send(join(&chat, "u1", json!(2))).await;
        let there = who_is_there(&mut again, &chat).await;
        assert_eq!(there["total"], 1, "{there}");
        ann = again;
    }
    // For as long as she is connected she is there.
    watching.silent(2_600).await;
    drop(ann);
    let lost = tokio::time::Instant::now();
    assert_eq!(watching.hear().await, told(&chat, json!({"type":"leave","id":"u1"})));
    assert!(lost.elapsed() >= Duration::from_millis(1_900), "{:?}", lost.elapsed());
    assert_eq!(who_is_there(&mut watching, &chat).await, json!({"type":"info","total":0}));
}
