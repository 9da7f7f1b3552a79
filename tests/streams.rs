//! `/api/v1/streams` over a real port: what a bot, an updater and a wall send, and what they are answered (`streams.md` section 4).

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use trunkline::{actors::accounts::BootstrapKey, config::Config, house::House, protocol::Role};

const BOT: &str = "bot-key-0123456789abcdef";
const VIEWER: &str = "viewer-key-0123456789abcdef";
const ADMIN: &str = "admin-key-0123456789abcdef";

struct Street {
    house: House,
    client: reqwest::Client,
}

impl Street {
    async fn open() -> Self {
        let mut config = Config::in_memory();
        let key = |name: &str, key: &str, role| BootstrapKey { name: name.into(), key: key.into(), role, scopes: Vec::new() };
        config.bootstrap.api_keys =
            vec![key("bot", BOT, Role::Editor), key("viewer", VIEWER, Role::Viewer), key("admin", ADMIN, Role::Admin)];
        let house = House::open(config).await.expect("a house opens");
        Self { house, client: reqwest::Client::new() }
    }
    async fn send(&self, key: &str, method: Method, path: &str, body: Option<Value>) -> Response {
        let url = format!("http://{}{path}", self.house.address);
        let request = self.client.request(method, url).bearer_auth(key);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        request.send().await.expect("an answer")
    }
    async fn ask(&self, key: &str, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let response = self.send(key, method, path, body).await;
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(BOT, Method::GET, path, None).await
    }
    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask(BOT, Method::POST, path, Some(body)).await
    }
    async fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask(BOT, Method::PATCH, path, Some(body)).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hub_serves_streams_as_the_contract_says() {
    let street = Street::open().await;
    posts_and_repeats(&street).await;
    lists_and_feeds(&street).await;
    changes_with_care(&street).await;
    batches_and_imports(&street).await;
    exports_and_measures(&street).await;
    pins_archives_and_deletes(&street).await;
    street.house.close().await;
}

async fn posts_and_repeats(street: &Street) {
    let document = json!({"url": "https://twitch.tv/example", "source": "discord", "posted_by": "discord_user#1234", "platform": "twitch",
        "status": "checking", "city": "Seattle", "state": "WA", "external_id": "monitor_abc123"});
    let response = street.send(BOT, Method::POST, "/api/v1/streams", Some(document.clone())).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.headers()["etag"], "\"1\"");
    let body: Value = response.json().await.expect("JSON");
    assert_eq!(
        (&body["url"], &body["status"], &body["platform"]),
        (&json!("https://twitch.tv/example"), &json!("checking"), &json!("twitch"))
    );
    assert_eq!((&body["stream"]["id"], &body["duplicate"]), (&body["id"], &json!(false)));
    assert_eq!(body["location"]["display_name"], "Seattle, WA");
    assert_eq!(body["streamer"]["name"], "example");
    assert_eq!(body["user"]["email"], "bot");

    let again = json!({"stream": {"link": " http://www.Twitch.tv/example/ ", "source": "Twitch", "title": "Found"}});
    let response = street.send(BOT, Method::POST, "/api/v1/streams", Some(again)).await;
    assert_eq!((response.status(), &response.headers()["x-duplicate"]), (StatusCode::OK, &"true".parse().expect("a header")));
    let repeat: Value = response.json().await.expect("JSON");
    assert_eq!((&repeat["id"], &repeat["title"], &repeat["source"]), (&body["id"], &json!("Found"), &json!("discord")));

    let (status, wrong) = street.post("/api/v1/streams", json!({"source": "", "link": "ftp://x"})).await;
    assert_eq!((status, &wrong["error"]), (422, &json!("Source can't be blank, Link must be a valid HTTP or HTTPS URL")));
    assert_eq!(wrong["details"]["link"], json!(["must be a valid HTTP or HTTPS URL"]));
    let (status, _) = street.ask(VIEWER, Method::POST, "/api/v1/streams", Some(json!({}))).await;
    assert_eq!(status, 403, "who may not post hears so before what is wrong with the post");
    assert_eq!(street.ask("nonsense", Method::GET, "/api/v1/streams", None).await.0, 401);
    for n in 0..5 {
        let status = ["live", "Offline"][n % 2];
        let post = json!({"link": format!("https://kick.com/user{n}"), "source": "Discord", "platform": "Kick", "status": status});
        assert_eq!(street.post("/api/v1/streams", post).await.0, 201);
    }
}

async fn lists_and_feeds(street: &Street) {
    let (status, list) = street.get("/api/v1/streams?platform=KICK&per_page=2&page=2&sort=created").await;
    assert_eq!((status, list["streams"].as_array().map(Vec::len)), (200, Some(2)));
    let meta = json!({"current_page": 2, "total_pages": 3, "total_count": 5, "per_page": 2, "next_page": 3, "prev_page": 1});
    assert_eq!(list["meta"], meta);
    assert_eq!(list["streams"][0]["link"], "https://kick.com/user2");
    let (_, found) = street.get("/api/v1/streams?link=http%3A%2F%2Fwww.kick.com%2Fuser3%2F").await;
    assert_eq!((&found["meta"]["total_count"], &found["streams"][0]["platform"]), (&json!(1), &json!("Kick")));
    for hostile in ["page=-1&per_page=0", "page=99999999999999999999", "per_page=x&sort=';--&direction=%00", "user_id=1e99"] {
        assert_eq!(street.get(&format!("/api/v1/streams?{hostile}")).await.0, 200, "{hostile}");
    }
    for path in ["/api/v1/streams?format=array&status=live", "/api/v1/streams.json?status=live", "/api/streams.json?status=live"] {
        let (status, feed) = street.get(path).await;
        assert_eq!((status, feed.as_array().map(Vec::len), &feed[0]["status"]), (200, Some(3), &json!("Live")), "{path}");
    }
    assert_eq!(street.ask("nonsense", Method::GET, "/api/v1/streams.json", None).await, (401, json!([])));
    assert_eq!(street.ask("nonsense", Method::GET, "/api/v1/streams?format=array", None).await, (401, json!([])));
    let token = street.client.get(format!("http://{}/api/v1/streams.json?api_key={BOT}", street.house.address)).send().await;
    assert_eq!(token.expect("an answer").status(), 200);
}

async fn changes_with_care(street: &Street) {
    let (_, list) = street.get("/api/v1/streams?link=https%3A%2F%2Fkick.com%2Fuser1").await;
    let path = format!("/api/v1/streams/{}", list["streams"][0]["id"]);
    let (status, same) = street.patch(&path, json!({})).await;
    assert_eq!((status, &same["lock_version"]), (200, &json!(1)));
    let (status, live) = street.patch(&path, json!({"status": "LIVE", "last_checked": "2024-01-01T00:00:00Z"})).await;
    assert_eq!((status, &live["status"], &live["last_checked_at"]), (200, &json!("live"), &json!("2024-01-01T00:00:00.000Z")));
    assert_eq!((&live["checked_at"], &live["last_live_at"]), (&live["last_checked_at"], &live["last_checked_at"]));
    assert_eq!(street.patch(&path, json!({"title": "x", "lock_version": 1})).await.0, 409);
    assert_eq!(street.patch(&path, json!({"title": "x", "lock_version": 2})).await.0, 200);
    let url = format!("http://{}{path}", street.house.address);
    let stale = street.client.patch(&url).bearer_auth(BOT).header("If-Match", "\"1\"").json(&json!({"title": "y"})).send().await;
    assert_eq!(stale.expect("an answer").status(), 412);
    let known = street.client.get(&url).bearer_auth(BOT).header("If-None-Match", "\"3\"").send().await;
    assert_eq!(known.expect("an answer").status(), 304);
    let (status, taken) = street.patch(&path, json!({"link": "https://www.kick.com/user2"})).await;
    assert_eq!((status, &taken["error"]), (422, &json!("Link has already been taken")));
    assert_eq!(street.ask(VIEWER, Method::PATCH, &path, Some(json!({"title": "x"}))).await.0, 403);
    assert_eq!(street.patch("/api/v1/streams/999", json!({"title": "x"})).await.0, 404);
    assert_eq!(street.get("/api/v1/streams/abc").await.0, 404);
}

async fn batches_and_imports(street: &Street) {
    let batch = json!([{"url": "https://kick.com/user0", "status": "offline"}, {"url": "https://nowhere.example/1", "status": "live"},
        {"link": "https://kick.com/user2", "status": "dead"}, 7]);
    let (status, done) = street.patch("/api/v1/streams/batch", batch).await;
    let counts = ["updated", "unchanged", "not_found", "failed", "total"].map(|key| done[key].as_u64());
    assert_eq!((status, counts), (200, [1, 0, 1, 2, 4].map(Some)), "{done}");
    assert_eq!((&done["results"][0]["status"], &done["results"][0]["stream"]["status"]), (&json!("updated"), &json!("offline")));
    assert_eq!((&done["results"][1]["error"], &done["errors"][0]["index"]), (&json!("Record not found"), &json!(1)));
    assert_eq!(street.patch("/api/v1/streams/batch", json!({"a": 1})).await.0, 400);
    let viewer = street
        .ask(VIEWER, Method::PATCH, "/api/v1/streams/batch", Some(json!([{"url": "https://kick.com/user0", "title": "x"}])))
        .await;
    assert_eq!(viewer.0, 403);

    let import = json!({"streams": [{"link": "https://a.example/1", "source": "s"}, {"link": "https://a.example/1", "source": "s"},
        {"link": "https://a.example/2", "source": ""}]});
    let (status, done) = street.post("/api/v1/streams/bulk_import", import).await;
    assert_eq!(
        (status, &done["imported"], &done["duplicates"], &done["failed"], &done["total"]),
        (200, &json!(1), &json!(1), &json!(1), &json!(3))
    );
    assert_eq!(done["errors"], json!([{"index": 2, "errors": ["Source can't be blank"]}]));
    assert_eq!(done["results"], json!(["created", "duplicate", "failed"]), "one word for each, in order");
    assert_eq!(street.post("/api/v1/streams/bulk_import", json!({})).await.1["total"], 0);
}

async fn exports_and_measures(street: &Street) {
    let (status, export) = street.get("/api/v1/streams/export?platform=kick").await;
    assert_eq!((status, &export["count"], export["streams"].as_array().map(Vec::len)), (200, &json!(5), Some(5)));
    assert_eq!(export["streams"][0]["owner_email"], "bot");
    let csv = street.send(BOT, Method::GET, "/api/v1/streams/export?platform=kick&format=csv", None).await;
    assert!(csv.headers()["content-type"].to_str().is_ok_and(|kind| kind.starts_with("text/csv")));
    let csv = csv.text().await.expect("a body");
    assert!(csv.starts_with("id,source,link,status,") && csv.lines().count() == 6, "{csv}");
    let lines = street.send(BOT, Method::GET, "/api/v1/streams?format=ndjson&platform=kick", None).await;
    assert_eq!((lines.status().as_u16(), lines.headers()["x-total-count"].to_str().ok()), (200, Some("5")));
    let rows: Vec<Value> =
        lines.text().await.expect("text").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (_, listed) = street.get("/api/v1/streams?platform=kick&per_page=100").await;
    assert_eq!(json!(rows), listed["streams"], "the same rows, whole, in the same order");
    let (status, empty) = street.get("/api/v1/streams/export?search=nothing-holds-this").await;
    assert_eq!((status, &empty["streams"]), (200, &json!([])));
    let measured = street.get("/api/v1/streams/1/analytics").await;
    assert_eq!((measured.0, &measured.1["stream_id"], &measured.1["views_count"]), (200, &json!(1), &json!(0)));
    assert_eq!(street.get("/api/v1/streams/1/analytics").await.1, measured.1);
}

async fn pins_archives_and_deletes(street: &Street) {
    for (method, path, key, value) in [
        (Method::PUT, "/api/v1/streams/1/pin", "pinned", true),
        (Method::PUT, "/api/v1/streams/1/pin", "is_pinned", true),
        (Method::DELETE, "/api/v1/streams/1/pin", "is_pinned", false),
        (Method::POST, "/api/v1/streams/1/archive", "archived", true),
        (Method::POST, "/api/v1/streams/1/archive", "is_archived", true),
        (Method::POST, "/api/v1/streams/1/unarchive", "is_archived", false),
    ] {
        let (status, body) = street.ask(ADMIN, method, path, None).await;
        assert_eq!((status, &body["stream"][key]), (200, &json!(value)), "{path} {key}");
    }
    let gone = street.send(ADMIN, Method::DELETE, "/api/v1/streams/1", None).await;
    assert_eq!((gone.status(), gone.text().await.expect("a body").as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(street.get("/api/v1/streams/1").await.0, 404);
    assert_eq!(street.ask(ADMIN, Method::DELETE, "/api/v1/streams/1", None).await.0, 404);
}
