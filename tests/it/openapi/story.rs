//! One administrator asks for everything there is; every answer is held against the document.

use std::collections::BTreeSet;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use trunkline::{config::Config, house::House};

use super::{document, house, shape::faults};

struct Reader {
    house: House,
    document: Value,
    http: Client,
    token: String,
    /// `GET /path/{id} 200`.
    seen: BTreeSet<String>,
}

impl Reader {
    /// Asks, and holds the answer against the document.
    async fn ask(&mut self, method: &str, path: &str, body: Value) -> Value {
        let bare = path.split('?').next().unwrap_or(path);
        let template = self.template(bare);
        let mut request = self.http.request(method.parse::<Method>().expect("a method"), format!("{}{path}", self.house.url()));
        let key = if bare.starts_with("/api/presence") { "publish-key-0123456789" } else { &self.token };
        request = request.bearer_auth(key);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("text");
        let responses = &self.document["paths"][&template][method.to_lowercase()]["responses"];
        let said = match responses[status.to_string()]["$ref"].as_str() {
            Some(address) => self.document.pointer(address.trim_start_matches('#')).expect("a response"),
            None => &responses[status.to_string()],
        };
        assert!(said.is_object(), "{method} {path} answers {status}, which is not documented: {text}");
        let schema = said["content"].as_object().and_then(|content| {
            content.get("application/json").or_else(|| content.get("application/problem+json")).map(|content| &content["schema"])
        });
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if let Some(schema) = schema {
            let faults = faults(&self.document, schema, &value);
            assert!(faults.is_empty(), "{method} {path} {status}: {faults:#?}\n{text}");
        }
        self.seen.insert(format!("{method} {template} {status}"));
        value
    }
    async fn get(&mut self, path: &str) -> Value {
        self.ask("GET", path, Value::Null).await
    }
    /// The documented path that this one is: the one with the fewest parts that stand for something.
    fn template(&self, path: &str) -> String {
        let fits = |template: &&String| {
            let parts = || path.split('/').zip(template.split('/'));
            path.split('/').count() == template.split('/').count()
                && parts().all(|(part, known)| part == known || known.starts_with('{'))
        };
        let paths = self.document["paths"].as_object().expect("paths");
        let found = paths.keys().filter(fits).min_by_key(|template| template.matches('{').count());
        found.unwrap_or_else(|| panic!("{path} is not documented")).clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_everything_in_the_shape_that_it_documents() {
    let house = house().await;
    let document = document(&house).await;
    let mut reader = Reader { house, document, http: Client::new(), token: String::new(), seen: BTreeSet::new() };
    Box::pin(comes_in(&mut reader)).await;
    Box::pin(works_with_streams(&mut reader)).await;
    Box::pin(works_with_surroundings(&mut reader)).await;
    Box::pin(ignores(&mut reader)).await;
    Box::pin(administers(&mut reader)).await;
    Box::pin(looks_at_the_hub(&mut reader)).await;
    Box::pin(is_refused(&mut reader)).await;
    let unseen: Vec<String> = promised(&reader.document).difference(&reader.seen).cloned().collect();
    assert!(unseen.is_empty(), "documented, and not seen: {unseen:#?}");
    reader.house.close().await;
}

/// Every success with a JSON body that an administrator can come to.
fn promised(document: &Value) -> BTreeSet<String> {
    let mut promised = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            for (status, response) in operation["responses"].as_object().expect("responses") {
                // 202 needs a moderator to wait for.
                if status.starts_with('2') && status != "202" && response["content"].get("application/json").is_some() {
                    promised.insert(format!("{} {path} {status}", method.to_uppercase()));
                }
            }
        }
    }
    promised
}

async fn comes_in(reader: &mut Reader) {
    let admin = json!({"email": "admin@example.org", "password": Config::EXAMPLE_PASSWORD});
    for prefix in ["/api/v1", "/api/v1/users"] {
        let person = json!({"user": {"email": format!("ana@{}.example", prefix.len()), "password": Config::EXAMPLE_PASSWORD}});
        reader.ask("POST", &format!("{prefix}/signup"), person).await;
        let signed_in = reader.ask("POST", &format!("{prefix}/login"), admin.clone()).await;
        reader.token = signed_in["token"].as_str().expect("a token").to_owned();
        reader.ask("DELETE", &format!("{prefix}/logout"), Value::Null).await;
    }
    let signed_in = reader.ask("POST", "/api/v1/login", admin).await;
    let refresh = json!({"refresh_token": signed_in["refresh_token"]});
    let refreshed = reader.ask("POST", "/api/v1/auth/refresh", refresh.clone()).await;
    reader.token = refreshed["token"].as_str().expect("a token").to_owned();
    reader.get("/api/v1/users/me").await;
    reader.get("/.well-known/jwks.json").await;
}

async fn works_with_streams(reader: &mut Reader) {
    let post = json!({"link": "https://twitch.tv/example", "source": "discord", "status": "live", "city": "Seattle", "state": "WA",
        "orientation": "vertical", "last_checked_at": "2026-01-01T00:00:00Z"});
    let stream = reader.ask("POST", "/api/v1/streams?wrap=data", post.clone()).await;
    reader.ask("POST", "/api/v1/streams", post).await;
    let one = format!("/api/v1/streams/{}", stream["id"]);
    for list in
        ["/api/v1/streams", "/api/v1/streams?wrap=data&per_page=1", "/api/v1/streams.json", "/api/streams.json", "/streams.json"]
    {
        reader.get(&format!("{list}{}sort=-created", if list.contains('?') { '&' } else { '?' })).await;
    }
    reader.get(&one).await;
    reader.ask("PATCH", &one, json!({"title": "New"})).await;
    reader.ask("PUT", &one, json!({"stream": {"title": null}})).await;
    for act in ["pin", "archive", "unarchive"] {
        for method in ["PUT", "POST"] {
            reader.ask(method, &format!("{one}/{act}"), Value::Null).await;
        }
    }
    reader.ask("DELETE", &format!("{one}/pin"), Value::Null).await;
    for method in ["PATCH", "PUT", "POST"] {
        let items = json!([{"id": stream["id"], "title": method}, {"id": stream["id"], "title": method}, {"link": "https://a.example/none"},
            {"id": stream["id"], "status": "no status"}, 7]);
        reader.ask(method, "/api/v1/streams/batch", items).await;
    }
    let import = json!({"streams": [{"link": "https://a.example/1"}, {"link": "https://a.example/1"}, {"link": "no link"}]});
    reader.ask("POST", "/api/v1/streams/bulk_import", import).await;
    reader.get("/api/v1/streams/export").await;
    reader.get(&format!("{one}/history?limit=5")).await;
    reader.get(&format!("{one}/analytics")).await;
    let added = reader.ask("POST", "/api/v1/streams", json!({"link": "https://a.example/gone"})).await;
    reader.ask("DELETE", &format!("/api/v1/streams/{}", added["id"]), Value::Null).await;
}

async fn works_with_surroundings(reader: &mut Reader) {
    let place =
        json!({"location": {"city": "Oslo", "country": "Norway", "latitude": 59.9, "longitude": 10.7, "is_known_city": true}});
    let streamer = json!({"streamer": {"name": "somebody", "accounts": [{"platform": "twitch", "username": "somebody"}]}});
    for (list, body, change) in
        [("/api/v1/locations", place, json!({"region": "East"})), ("/api/v1/streamers", streamer, json!({"notes": "kind"}))]
    {
        let added = reader.ask("POST", &format!("{list}?wrap=data"), body).await;
        let one = format!("{list}/{}", added["id"]);
        reader.get(list).await;
        reader.get(&one).await;
        reader.ask("PATCH", &one, change.clone()).await;
        reader.ask("PUT", &one, change).await;
        if list.ends_with("locations") {
            reader.get("/api/v1/locations/all").await;
            reader.get("/api/v1/locations/known_cities").await;
        }
        reader.ask("DELETE", &one, Value::Null).await;
    }
    let list = reader.get("/api/v1/streams").await;
    let (stream, other) = (&list["streams"][0]["id"], &list["streams"][1]["id"]);
    for list in ["/api/v1/timestamps", "/api/v1/annotations"] {
        let note = json!({"title": "It began", "event_timestamp": "2026-01-01T00:00:00Z", "stream_ids": [stream]});
        let added = reader.ask("POST", list, note).await;
        let one = format!("{list}/{}", added["id"]);
        reader.ask("POST", &format!("{one}/add_stream"), json!({"stream_id": other, "timestamp_seconds": 90})).await;
        reader.get(list).await;
        reader.get(&one).await;
        reader.ask("PATCH", &one, json!({"priority": "high"})).await;
        reader.ask("PUT", &one, json!({"status": "resolved"})).await;
        reader.ask("DELETE", &one, Value::Null).await;
    }
}

async fn ignores(reader: &mut Reader) {
    let list = "/api/v1/ignore_lists";
    let added = reader.ask("POST", list, json!({"list_type": "domain", "value": "spam.example"})).await;
    let one = format!("{list}/{}", added["id"]);
    reader.get(list).await;
    reader.get(&one).await;
    reader.get(&format!("{list}/by_type")).await;
    reader.ask("PATCH", &one, json!({"notes": "loud"})).await;
    reader.ask("PUT", &one, json!({"notes": null})).await;
    let entries = json!({"entries": [{"list_type": "url", "value": "https://b.example"}, {"list_type": "none", "value": "x"}]});
    let created = reader.ask("POST", &format!("{list}/bulk_create"), entries).await;
    reader.ask("DELETE", &format!("{list}/bulk_delete"), json!({"ids": [created["created"][0]["id"]]})).await;
    reader.ask("POST", &format!("{list}/bulk_delete"), json!({"ids": []})).await;
    reader.ask("DELETE", &one, Value::Null).await;
}

async fn administers(reader: &mut Reader) {
    let person = json!({"user": {"email": "ben@example.org", "password": Config::EXAMPLE_PASSWORD, "role": "editor"}});
    let added = reader.ask("POST", "/api/v1/users", person).await;
    let one = format!("/api/v1/users/{}", added["id"]);
    reader.get("/api/v1/users?limit=1").await;
    reader.get(&one).await;
    reader.ask("PATCH", &one, json!({"role": "viewer"})).await;
    reader.ask("PUT", &one, json!({"disabled": false})).await;
    reader.ask("DELETE", &one, Value::Null).await;
    let key = reader.ask("POST", "/api/v1/api_keys", json!({"name": "bot", "scopes": ["read"]})).await;
    let one = format!("/api/v1/api_keys/{}", key["id"]);
    reader.get("/api/v1/api_keys").await;
    reader.ask("POST", &format!("{one}/rotate"), json!({"overlap_s": 60})).await;
    reader.get(&one).await;
    reader.ask("DELETE", &one, Value::Null).await;
    reader.get("/api/v1/audit?limit=100").await;
    reader.get("/api/v1/audit/verify").await;
}

async fn looks_at_the_hub(reader: &mut Reader) {
    for path in ["/health", "/health/live", "/health/ready", "/health/detailed", "/metrics", "/api/presence/chat/users"] {
        reader.get(path).await;
    }
    let list = reader.get("/api/v1/streams").await;
    reader.ask("POST", "/api/v1/system/faults", json!({"stream": list["streams"][0]["id"]})).await;
    for path in ["tree", "connections", "topics", "journal"] {
        reader.get(&format!("/api/v1/system/{path}")).await;
    }
}

async fn is_refused(reader: &mut Reader) {
    reader.get("/api/v1/streams/9007199254740991").await;
    reader.get("/api/v1/streams/1/history?cursor=none").await;
    reader.ask("POST", "/api/v1/streams", json!({"link": "no link", "source": " "})).await;
    reader.ask("PATCH", "/api/v1/streams/1", json!({"lock_version": 77, "title": "late"})).await;
    reader.ask("PUT", "/api/v1/users/password", json!({"current_password": "wrong"})).await;
    reader.token = "none".into();
    reader.get("/api/v1/streams").await;
    reader.get("/api/v1/users/me").await;
}
