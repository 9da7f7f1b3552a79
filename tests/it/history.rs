//! What happened to a stream, as whoever may read it is told (`streams.md` section 8, the grid's side panel).

use reqwest::{Client, Method};
use serde_json::{Value, json};
use trunkline::{config::Config, house::House};
use trunkline_actors::accounts::BootstrapKey;
use trunkline_protocol::Role;

const EDITOR: &str = "tl_editor_0123456789abcdef";
const VIEWER: &str = "tl_viewer_0123456789abcdef";
const ADMIN: &str = "tl_admin_0123456789abcdef";

struct Street {
    house: House,
    client: Client,
}

impl Street {
    async fn open() -> Self {
        let mut config = Config::in_memory();
        let key = |name: &str, key: &str, role| BootstrapKey { name: name.into(), key: key.into(), role, scopes: Vec::new() };
        config.bootstrap.api_keys =
            vec![key("editor", EDITOR, Role::Editor), key("viewer", VIEWER, Role::Viewer), key("admin", ADMIN, Role::Admin)];
        Self { house: House::open(config).await.expect("a house"), client: Client::new() }
    }
    async fn say(&self, key: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.request(method, format!("{}/api/v1{path}", self.house.url())).bearer_auth(key);
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
    async fn history(&self, id: u64, query: &str) -> (u16, Value) {
        self.say(VIEWER, Method::GET, &format!("/streams/{id}/history{query}"), Value::Null).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tells_who_changed_what_of_a_stream_newest_first() {
    let street = Street::open().await;
    let post = json!({"link": "https://twitch.tv/a", "source": "Discord", "title": "one"});
    let (status, made) = street.say(EDITOR, Method::POST, "/streams", post).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_u64().expect("an id");
    let path = format!("/streams/{id}");
    for title in ["two", "three"] {
        assert_eq!(street.say(EDITOR, Method::PATCH, &path, json!({"title": title})).await.0, 200);
    }
    assert_eq!(street.say(EDITOR, Method::PATCH, &path, json!({"link": "https://twitch.tv/b"})).await.0, 200);
    for (method, act) in [(Method::PUT, "pin"), (Method::DELETE, "pin"), (Method::POST, "archive")] {
        assert_eq!(street.say(ADMIN, method, &format!("{path}/{act}"), Value::Null).await.0, 200, "{act}");
    }

    let (status, titles) = street.history(id, "?field=title").await;
    assert_eq!(status, 200, "{titles}");
    let told = |entries: &Value| -> Vec<(String, Value, Value, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let each = |entry: &Value| (text(&entry["event"]), entry["from"].clone(), entry["to"].clone(), text(&entry["by"]["name"]));
        entries["data"].as_array().into_iter().flatten().map(each).collect()
    };
    let entry = |event: &str, from: Value, to: Value, by: &str| (event.to_owned(), from, to, by.to_owned());
    assert_eq!(
        told(&titles),
        [
            entry("updated", json!("two"), json!("three"), "editor"),
            entry("updated", json!("one"), json!("two"), "editor"),
            entry("created", json!(null), json!("one"), "editor"),
        ]
    );
    assert_eq!((&titles["has_more"], &titles["next_cursor"]), (&json!(false), &json!(null)));
    let (_, whole) = street.history(id, "?field=link,is_pinned,is_archived").await;
    assert_eq!(
        told(&whole),
        [
            entry("archived", json!(false), json!(true), "admin"),
            entry("unpinned", json!(true), json!(false), "admin"),
            entry("pinned", json!(false), json!(true), "admin"),
            entry("updated", json!("https://twitch.tv/a"), json!("https://twitch.tv/b"), "editor"),
            entry("created", json!(null), json!("https://twitch.tv/a"), "editor"),
        ]
    );

    let (mut paged, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let (_, page) = street.history(id, &query).await;
        paged.extend(page["data"].as_array().cloned().unwrap_or_default());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=2&cursor={cursor}");
    }
    assert_eq!(json!(paged), street.history(id, "?limit=100").await.1["data"], "no gap, nothing twice");

    let (status, wrong) = street.history(id, "?field=colour").await;
    assert_eq!((status, &wrong["details"]["field"]), (422, &json!(["is not a field of a stream"])), "{wrong}");
    assert_eq!(street.history(id, "?cursor=yesterday").await.0, 422);
    assert_eq!(street.history(id + 1, "").await.0, 404);
    assert_eq!(street.say("nonsense", Method::GET, &format!("{path}/history"), Value::Null).await.0, 401);
    assert_eq!(street.say(ADMIN, Method::DELETE, &path, Value::Null).await.0, 204);
    assert_eq!(street.history(id, "").await.0, 404, "a deleted stream has no history that anybody may read");
    let Street { house, client } = street;
    drop(client);
    house.close().await;
}
