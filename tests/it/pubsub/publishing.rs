//! POST /_broadcast and POST /api/publish: what is told, what is refused, who is sent away.

use reqwest::Method;
use serde_json::{Value, json};
use trunkline::config::{Config, PublishKeys};
use trunkline_actors::{Kept, accounts::BootstrapKey};
use trunkline_protocol::Role;

use super::{API_KEY, BROADCAST_KEY, Street, public, rule};

#[tokio::test(flavor = "multi_thread")]
async fn tells_what_it_has_answered_for_and_passes_json_on_as_it_came() {
    let street = Street::with(|config| config.pubsub.wing.rules = vec![rule("kept", Kept::Journal, 10)]).await;
    let mut cable = street.hearing("chat").await;
    cable.subscribe(&public("kept")).await;
    for (data, message) in [
        (r#"{"x":[1,null]}"#, json!({"x": [1, null]})),
        (r#""{\"x\":1}""#, json!("{\"x\":1}")),
        ("null", Value::Null),
        ("not json", json!("not json")),
        ("", json!("")),
    ] {
        for (path, key) in [("/_broadcast", BROADCAST_KEY), ("/api/publish", API_KEY)] {
            let answer = street.post(path, key, json!({"stream": "chat", "data": data}).to_string()).await;
            assert_eq!(answer.status(), 201);
            let frame = cable.hear().await;
            assert_eq!(frame.get("message"), Some(&message), "{data}");
        }
    }
    let several: Vec<Value> =
        (0..40).map(|n| json!({"stream": if n % 2 == 0 { "chat" } else { "kept" }, "data": n.to_string()})).collect();
    street.publish(&json!(several)).await;
    let (mut chat, mut kept) = (0, 1);
    for _ in 0..40 {
        let frame = cable.hear().await;
        let next = if frame["stream_id"] == "chat" { &mut chat } else { &mut kept };
        assert_eq!(frame["message"], *next, "in order along each stream");
        *next += 2;
    }
    street.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn respects_what_stands_beside_a_message() {
    let street = Street::open().await;
    let (mut ana, sid) = street.extended().await;
    assert_ne!(sid, "chosen-by-the-client");
    ana.subscribe(&public("chat")).await;
    let mut ben = street.hearing("chat").await;
    let meta = |data: &str, meta: Value| json!({"stream": "chat", "data": data, "meta": meta});
    street.publish(&meta("1", json!({"exclude_socket": sid}))).await;
    street.publish(&meta("2", json!({"exclude_socket": "chosen-by-the-client"}))).await;
    street.publish(&meta("3", json!({"broadcast_type": "note \"x\""}))).await;
    street.publish(&meta("4", json!({"transient": true}))).await;
    assert_eq!(ana.message().await, 2);
    let note = ana.hear().await;
    assert_eq!((&note["type"], &note["message"], &note["offset"]), (&json!("note \"x\""), &json!(3), &json!(3)));
    let passing = ana.hear().await;
    assert_eq!((&passing["message"], passing.get("offset")), (&json!(4), None));
    for number in 1..=4 {
        assert_eq!(ben.message().await, number);
    }
    ben.send(json!({"command": "history", "identifier": public("chat"), "history": {"since": 1}}).to_string()).await;
    for number in 1..=3 {
        let frame = ben.hear().await;
        assert_eq!((&frame["message"], &frame["offset"]), (&json!(number), &json!(number)));
        assert_eq!(frame["type"] == "note \"x\"", number == 3, "told again as it was told");
    }
    assert_eq!(ben.hear().await["type"], "confirm_history");
    street.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_everything_in_its_order_also_where_only_some_of_it_is_kept() {
    let street = Street::with(|config| config.pubsub.wing.rules = vec![rule("kept", Kept::Journal, 100)]).await;
    let mut ana = street.hearing("kept").await;
    for _ in 0..20 {
        let message = |number| json!({"stream": "kept", "data": format!("{number}"), "meta": {"transient": number % 3 == 1}});
        street.publish(&(0..20).map(message).collect()).await;
        for number in 0..20 {
            assert_eq!(ana.message().await, number);
        }
    }
    street.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_with_a_reason_and_tells_nothing_of_it() {
    let street = Street::with(|config| config.pubsub.wing.rules = vec![rule("kept", Kept::Journal, 10)]).await;
    let mut cable = street.hearing("chat").await;
    cable.subscribe(&public("kept")).await;
    let message = |stream: &str, length: usize| json!({"stream": stream, "data": "x".repeat(length)}).to_string();
    let good = json!({"stream": "chat", "data": "1"}).to_string();
    let half = json!([{"stream": "chat", "data": "1"}, {"stream": "", "data": "2"}]).to_string();
    for (path, key) in [("/_broadcast", BROADCAST_KEY), ("/api/publish", API_KEY)] {
        for (body, expected) in [
            ("{\"stream\":".to_owned(), 400),
            ("hello".to_owned(), 400),
            (half.clone(), 422),
            ("{}".to_owned(), 422),
            (r#"{"command":"disconnect"}"#.to_owned(), 422),
            (message("chat", 300 * 1024), 413),
            (message("kept", 100 * 1024), 413),
            (format!("[{good},{}]", message("kept", 100 * 1024)), 413),
            (message("chat", 2 << 20), 413),
        ] {
            let answer = street.post(path, key, body.clone()).await;
            assert_eq!(answer.status(), expected, "{body:.60}");
            let problem: Value = answer.json().await.expect("a problem is JSON");
            assert!(problem["error"].as_str().is_some_and(|reason| !reason.is_empty()), "{problem}");
        }
        for wrong in ["", "wrong", if key == API_KEY { BROADCAST_KEY } else { API_KEY }] {
            assert_eq!(street.post(path, wrong, good.clone()).await.status(), 401, "{wrong}");
        }
        let url = format!("{}{path}", street.house.url());
        assert_eq!(street.http.post(&url).body(good.clone()).send().await.expect("an answer").status(), 401);
        assert_eq!(street.http.request(Method::GET, &url).send().await.expect("an answer").status(), 422);
    }
    street.say("chat", json!("the only one")).await;
    assert_eq!(cable.message().await, "the only one");
    street.close().await;

    let closed = Street::with(|config| config.pubsub.keys = PublishKeys { api: Some("mine".into()), broadcast: None }).await;
    assert_eq!(closed.post("/_broadcast", BROADCAST_KEY, good.clone()).await.status(), 404);
    assert_eq!(closed.post("/api/publish", "mine", good).await.status(), 201);
    closed.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn is_not_counted_among_the_requests_of_visitors() {
    let street = Street::with(|config| config.edge.rates.anonymous = 1).await;
    for _ in 0..5 {
        let answer = street.post("/api/publish", API_KEY, r#"{"stream":"chat","data":"1"}"#).await;
        assert_eq!(answer.status(), 201);
    }
    street.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_away_every_connection_of_somebody_and_nobody_else() {
    let key = |name: &str| BootstrapKey {
        name: name.into(),
        key: format!("tl_{name}_0123456789abcdef"),
        role: Role::Editor,
        scopes: Vec::new(),
    };
    let street = Street::with(|config: &mut Config| config.bootstrap.api_keys = vec![key("ana"), key("ben")]).await;
    let cable =
        async |name: &str, protocol: &str| street.cable(&format!("/cable?api_key=tl_{name}_0123456789abcdef"), protocol).await.0;
    let mut anas = Vec::new();
    for protocol in ["actioncable-v1-json", "actioncable-v1-ext-json"].iter().cycle().take(6) {
        anas.push(cable("ana", protocol).await);
    }
    let mut ben = cable("ben", "actioncable-v1-json").await;
    ben.subscribe(&public("chat")).await;
    let mut nobody = street.hearing("chat").await;
    let users = street.house.hub.projection::<trunkline_actors::accounts::Accounts>();
    let hash = trunkline_actors::accounts::bootstrap::hash_of("tl_ana_0123456789abcdef");
    let (ana, _) = users.principal_of_key(&hash, street.house.hub.clock().now()).expect("ana's key");
    // As Python would spell it; the same JSON.
    let identifier = format!("{{\"user_id\": {}}}", ana.user);
    street.publish(&json!({"command": "disconnect", "payload": {"identifier": identifier, "reconnect": false}})).await;
    for cable in &mut anas {
        assert_eq!(cable.hear().await, json!({"type": "disconnect", "reason": "remote", "reconnect": false}));
        assert_eq!(cable.hear_or_close().await.expect_err("closed").map(|close| u16::from(close.code)), Some(1000));
    }
    let mut again = cable("ana", "actioncable-v1-json").await;
    street.publish(&json!({"command": "disconnect", "payload": {"identifier": identifier}})).await;
    assert_eq!(again.hear().await, json!({"type": "disconnect", "reason": "remote", "reconnect": true}));
    street.say("chat", json!("still here")).await;
    assert_eq!((ben.message().await, nobody.message().await), (json!("still here"), json!("still here")));
    street.close().await;
}
