//! Locations, ignore lists, streamers and timestamps as their clients see them (`streams.md` sections 5, 6 and 7).

use reqwest::{Client, Method, Response, StatusCode, header};
use serde_json::{Value, json};
use trunkline::{config::Config, house::House};
use trunkline_actors::accounts::BootstrapKey;
use trunkline_protocol::Role;

/// A house with three callers: an admin, a bot (a service account's key) and a viewer.
struct Street {
    house: House,
    client: Client,
}

const ADMIN: &str = "tl_admin_0123456789abcdef";
const BOT: &str = "tl_bot_0123456789abcdef";
const VIEWER: &str = "tl_viewer_0123456789abcdef";

impl Street {
    async fn open() -> Self {
        let mut config = Config::in_memory();
        let key = |name: &str, key: &str, role| BootstrapKey { name: name.into(), key: key.into(), role, scopes: Vec::new() };
        config.bootstrap.api_keys =
            vec![key("admin", ADMIN, Role::Admin), key("bot", BOT, Role::Editor), key("viewer", VIEWER, Role::Viewer)];
        Self { house: House::open(config).await.expect("a house"), client: Client::new() }
    }
    async fn close(self) {
        self.house.close().await;
    }
    async fn send(&self, key: &str, method: Method, path: &str, body: Value) -> Response {
        let request = self.client.request(method, format!("{}/api/v1{path}", self.house.url())).bearer_auth(key);
        let request = if body.is_null() { request } else { request.json(&body) };
        request.send().await.expect("an answer")
    }
    async fn say(&self, key: &str, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let response = self.send(key, method, path, body).await;
        let status = response.status();
        let text = response.text().await.expect("a body");
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") })
    }
    async fn get(&self, key: &str, path: &str) -> (StatusCode, Value) {
        self.say(key, Method::GET, path, Value::Null).await
    }
    async fn post(&self, key: &str, path: &str, body: Value) -> (StatusCode, Value) {
        self.say(key, Method::POST, path, body).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_locations_as_the_contract_says() {
    let street = Street::open().await;
    let seattle = json!({"location": {"city": " Seattle ", "state_province": "WA", "latitude": "47.6062", "longitude": -122.3321, "is_known_city": true}});
    let (status, made) = street.post(BOT, "/locations", seattle.clone()).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!((&made["latitude"], &made["longitude"]), (&json!("47.606200"), &json!("-122.332100")));
    assert_eq!(made["coordinates"], json!(["47.606200", "-122.332100"]));
    assert_eq!((&made["normalized_name"], &made["location"]["display_name"]), (&json!("seattle, wa"), &json!("Seattle, WA")));
    let id = made["id"].as_u64().expect("an id");

    let (status, refused) = street.post(BOT, "/locations", json!({"city": "SEATTLE", "state_province": "wa"})).await;
    assert_eq!((status.as_u16(), &refused["error"]), (422, &json!("Validation failed")), "{refused}");
    assert_eq!(refused["details"]["normalized_name"], json!(["has already been taken"]));
    let (status, refused) = street.post(BOT, "/locations", json!({"city": " "})).await;
    assert_eq!((status.as_u16(), &refused["details"]), (422, &json!({"city": ["can't be blank"]})), "{refused}");
    assert_eq!(street.post(VIEWER, "/locations", seattle).await.0, 403);

    let kept = street.send(VIEWER, Method::GET, "/locations/known_cities", Value::Null).await;
    assert_eq!(kept.headers()[header::CACHE_CONTROL], "private, max-age=900");
    let tag = kept.headers()[header::ETAG].clone();
    let known: Value = kept.json().await.expect("JSON");
    assert_eq!((&known["locations"][0]["city"], &known["locations"][0]["state_province"]), (&json!("Seattle"), &json!("WA")));
    let again = street.client.get(format!("{}/api/v1/locations/known_cities", street.house.url())).bearer_auth(VIEWER);
    assert_eq!(again.header(header::IF_NONE_MATCH, tag).send().await.expect("an answer").status(), 304);

    let stream = json!({"link": "https://twitch.tv/example", "source": "Discord", "city": "seattle", "state": "WA"});
    let (status, stream) = street.post(BOT, "/streams", stream).await;
    assert_eq!((status.as_u16(), &stream["location_id"]), (201, &json!(id)), "{stream}");
    let (status, refused) = street.say(BOT, Method::DELETE, &format!("/locations/{id}"), Value::Null).await;
    assert_eq!((status.as_u16(), &refused["error"]), (422, &json!("Cannot delete location")), "{refused}");
    assert_eq!(refused["details"]["base"], json!(["Location is being used by 1 stream(s)"]));
    let (_, listed) = street.get(VIEWER, "/locations?search=SEA&state=wa&per_page=1").await;
    assert_eq!((&listed["locations"][0]["streams_count"], &listed["meta"]["total_count"]), (&json!(1), &json!(1)), "{listed}");

    let path = format!("/locations/{id}");
    let (status, changed) = street.say(BOT, Method::PATCH, &path, json!({"location": {"country": "USA"}})).await;
    assert_eq!((status.as_u16(), &changed["full_display_name"]), (200, &json!("Seattle, WA, USA")), "{changed}");
    for unknown in ["/locations/99", "/locations/abc", "/locations/9007199254740992"] {
        let (status, body) = street.get(VIEWER, unknown).await;
        assert_eq!((status.as_u16(), &body["error"]), (404, &json!("Location not found")), "{unknown}");
    }
    let stream = format!("/streams/{}", stream["id"]);
    assert_eq!(street.say(ADMIN, Method::DELETE, &stream, Value::Null).await.0, 204);
    assert_eq!(street.say(BOT, Method::DELETE, &path, Value::Null).await.0, 204);
    assert_eq!(street.get(VIEWER, &path).await.0, 404);
    assert_eq!(
        street.client.get(format!("{}/api/v1/locations", street.house.url())).send().await.expect("an answer").status(),
        401
    );
    street.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_ignore_lists_and_blocks_what_is_on_them() {
    let street = Street::open().await;
    let (status, made) =
        street.post(ADMIN, "/ignore_lists", json!({"ignore_list": {"list_type": "domain", "value": " WWW.Spam.Example "}})).await;
    assert_eq!((status.as_u16(), &made["value"]), (201, &json!("spam.example")), "{made}");
    let entries = json!({"entries": [
        {"list_type": "twitch_user", "value": "BadUser1", "notes": "n"}, {"list_type": "domain", "value": "spam.example"},
        {"list_type": "nope", "value": "x"}, {"list_type": "discord_user", "value": "scam"}, 7,
    ]});
    let (status, bulk) = street.post(ADMIN, "/ignore_lists/bulk_create", entries).await;
    assert_eq!((status.as_u16(), bulk["created"].as_array().map(Vec::len)), (201, Some(2)), "{bulk}");
    assert_eq!(bulk["errors"][0], json!({"value": "spam.example", "errors": ["Value has already been taken"]}));
    assert_eq!(bulk["errors"][1]["errors"], json!(["List type is not included in the list"]));
    assert_eq!(street.post(ADMIN, "/ignore_lists/bulk_create", json!({})).await.0, 400);
    let by_type = json!({"twitch_users": ["baduser1"], "discord_users": ["scam"], "urls": [], "domains": ["spam.example"]});
    assert_eq!(street.get(BOT, "/ignore_lists/by_type").await, (StatusCode::OK, by_type));
    assert_eq!(street.get(VIEWER, "/ignore_lists/by_type").await.0, 403);
    assert_eq!(street.post(BOT, "/ignore_lists", json!({"list_type": "url", "value": "x"})).await.0, 403);
    let (_, found) = street.get(BOT, "/ignore_lists?list_type=domain&search=SPAM").await;
    assert_eq!(found["meta"]["total_count"], 1, "{found}");

    for (link, posted_by, code) in [
        ("https://live.spam.example/x", "bot#1", "IGNORED_DOMAIN"),
        ("https://www.twitch.tv/BadUser1", "bot#1", "IGNORED_TWITCH_USER"),
        ("https://kick.com/x", "Scam#1234", "IGNORED_DISCORD_USER"),
    ] {
        let post = json!({"link": link, "source": "Discord", "posted_by": posted_by});
        let (status, blocked) = street.post(BOT, "/streams", post).await;
        assert_eq!(
            (status.as_u16(), &blocked["code"], &blocked["subject"]),
            (422, &json!("MODERATION_BLOCKED"), &json!(code)),
            "{blocked}"
        );
    }
    let (_, streams) = street.get(BOT, "/streams").await;
    assert_eq!(streams["meta"]["total_count"], 0, "nothing blocked is stored");
    let (_, audit) = street.get(ADMIN, "/audit?action=submission.blocked").await;
    assert!(audit.to_string().contains("IGNORED_DOMAIN"), "{audit}");

    let ids: Vec<&Value> = bulk["created"].as_array().expect("a list").iter().map(|entry| &entry["id"]).collect();
    let (status, deleted) = street.say(ADMIN, Method::DELETE, "/ignore_lists/bulk_delete", json!({"ids": ids})).await;
    assert_eq!((status.as_u16(), &deleted["deleted_count"]), (200, &json!(2)));
    let query = format!("/ignore_lists/bulk_delete?ids[]={}&ids[]=99", made["id"]);
    assert_eq!(street.say(ADMIN, Method::DELETE, &query, Value::Null).await.1, json!({"deleted_count": 1}));
    let (status, post) = street.post(BOT, "/streams", json!({"link": "https://live.spam.example/x", "source": "Discord"})).await;
    assert_eq!(status, 201, "{post}");
    street.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_streamers_and_ties_annotations_to_streams() {
    let street = Street::open().await;
    let (status, made) = street
        .post(
            BOT,
            "/streamers",
            json!({"streamer": {"name": "Jane", "accounts_attributes": [{"platform": "TikTok", "username": "@Jane"}]}}),
        )
        .await;
    assert_eq!((status.as_u16(), &made["accounts"][0]["profile_url"]), (201, &json!("https://www.tiktok.com/@jane")), "{made}");
    let (status, taken) = street.post(BOT, "/streamers", json!({"name": "JANE"})).await;
    assert_eq!((status.as_u16(), &taken["error"]), (422, &json!("Name has already been taken")), "{taken}");
    let (status, stream) =
        street.post(BOT, "/streams", json!({"link": "https://www.tiktok.com/@jane/live", "source": "Discord"})).await;
    assert_eq!((status.as_u16(), &stream["streamer"]["name"]), (201, &json!("Jane")), "{stream}");
    let (_, listed) = street.get(VIEWER, "/streamers?search=jan&platform=tiktok").await;
    assert_eq!(
        (&listed["streamers"][0]["streams_count"], &listed["data"][0]["active_streams_count"]),
        (&json!(1), &json!(1)),
        "{listed}"
    );
    let path = format!("/streamers/{}", made["id"]);
    assert_eq!(street.say(BOT, Method::DELETE, &path, Value::Null).await.0, 403);
    assert_eq!(street.say(ADMIN, Method::DELETE, &path, Value::Null).await.0, 204);

    let note =
        json!({"timestamp": "00:15:30", "description": "Fire on Main Street", "priority": "high", "stream_ids": [stream["id"]]});
    let (status, note) = street.post(BOT, "/annotations", note).await;
    assert_eq!(
        (status.as_u16(), &note["title"], &note["timestamp"]),
        (201, &json!("Fire on Main Street"), &json!("00:15:30")),
        "{note}"
    );
    assert_eq!(note["streams"][0]["stream_timestamp_display"], "15:30");
    let path = format!("/timestamps/{}", note["id"]);
    let tie = json!({"stream_id": stream["id"], "timestamp_seconds": 5});
    let (status, twice) = street.post(BOT, &format!("{path}/add_stream"), tie).await;
    assert_eq!((status.as_u16(), &twice["error"]), (422, &json!("Stream has already been taken")), "{twice}");
    assert_eq!(street.post(BOT, &format!("{path}/add_stream"), json!({"stream_id": 999})).await.0, 422);
    let (_, found) =
        street.get(VIEWER, &format!("/timestamps?stream_id={}&search=FIRE&priority=high&status=pending", stream["id"])).await;
    assert_eq!(found["timestamps"][0]["id"], note["id"], "{found}");
    assert_eq!(street.get(VIEWER, "/timestamps?end_date=2020-01-01").await.1["meta"]["total_count"], 0);
    let (status, resolved) = street.say(BOT, Method::PATCH, &path, json!({"status": "resolved"})).await;
    assert_eq!((status.as_u16(), &resolved["status"]), (200, &json!("resolved")), "{resolved}");
    assert_eq!(street.say(VIEWER, Method::DELETE, &path, Value::Null).await.0, 403);
    assert_eq!(street.say(BOT, Method::DELETE, &path, Value::Null).await.0, 204);
    assert_eq!(street.get(VIEWER, &path).await.0, 404);
    street.close().await;
}
