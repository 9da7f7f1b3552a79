//! One administrator asks for everything there is and says everything that may be said; every body is held against the document.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use trunkline::{config::Config, house::House};

use super::{
    document, house,
    shape::{self, faults},
};

const EARLIER: &str = "2026-01-01T00:00:00.000Z";

struct Reader {
    house: House,
    document: Value,
    http: Client,
    token: String,
    /// `GET /path/{id} 200`.
    seen: BTreeSet<String>,
    /// Members of bodies that were taken, by what the operation is about.
    said: BTreeMap<String, BTreeSet<String>>,
}

impl Reader {
    /// Asks with a body that fits the document, and holds the answer against it.
    async fn ask(&mut self, method: &str, path: &str, body: Value) -> Value {
        let template = self.template(path.split('?').next().unwrap_or(path));
        let operation = &self.document["paths"][&template][method.to_lowercase()];
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if !body.is_null() {
            let faults = faults(&self.document, schema, &body);
            assert!(faults.is_empty(), "{method} {path} asks: {faults:#?}");
        }
        let about = operation["tags"][0].as_str().expect("a tag").to_owned();
        let answer = self.send(method, path, body.clone()).await;
        // What is refused says nothing of who reads what.
        if answer["code"].is_null() {
            let unread = unread(&body, &answer);
            assert!(unread.is_empty(), "{method} {path}: {unread:#?}");
            self.said.entry(about).or_default().extend(shape::said(&body).into_iter().map(str::to_owned));
        }
        answer
    }
    /// Asks, and holds the answer against the document.
    async fn send(&mut self, method: &str, path: &str, body: Value) -> Value {
        let bare = path.split('?').next().unwrap_or(path);
        let template = self.template(bare);
        let mut request = self.http.request(method.parse::<Method>().expect("a method"), format!("{}{path}", self.house.url()));
        let key = match bare {
            "/_broadcast" => "broadcast-key-0123456789",
            "/api/publish" | "/api/presence/chat/users" => "publish-key-0123456789",
            _ => &self.token,
        };
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
    let (seen, said) = (BTreeSet::new(), BTreeMap::new());
    let mut reader = Reader { house, document, http: Client::new(), token: String::new(), seen, said };
    Box::pin(comes_in(&mut reader)).await;
    Box::pin(works_with_streams(&mut reader)).await;
    Box::pin(works_with_surroundings(&mut reader)).await;
    Box::pin(ignores(&mut reader)).await;
    Box::pin(administers(&mut reader)).await;
    Box::pin(publishes(&mut reader)).await;
    Box::pin(looks_at_the_hub(&mut reader)).await;
    Box::pin(is_refused(&mut reader)).await;
    let unseen: Vec<String> = promised(&reader.document).difference(&reader.seen).cloned().collect();
    assert!(unseen.is_empty(), "documented, and not seen: {unseen:#?}");
    let unsaid = unsaid(&reader.document, &reader.said);
    assert!(unsaid.is_empty(), "documented, and not taken: {unsaid:#?}");
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

/// Members of bodies that may be said and never were.
fn unsaid(document: &Value, said: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    /// It ends the hub.
    const NOT_SAID: &str = "system: hub";
    let items = document["paths"].as_object().expect("paths").values();
    let operations = items.flat_map(|item| item.as_object().expect("an item").values());
    let mut unsaid = BTreeSet::new();
    for operation in operations {
        let about = operation["tags"][0].as_str().expect("a tag");
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let unknown = |name: &&str| !said.get(about).is_some_and(|said| said.contains(*name));
        unsaid.extend(shape::members(document, schema).into_iter().filter(unknown).map(|name| format!("{about}: {name}")));
    }
    unsaid.remove(NOT_SAID);
    unsaid
}

/// What was said, flat or under one name, and is answered otherwise under the same name: nobody has read it.
fn unread(body: &Value, answer: &Value) -> Vec<String> {
    let Some(members) = body.as_object() else { return Vec::new() };
    let inner = members.values().next().and_then(Value::as_object).filter(|_| members.len() == 1);
    let same = |said: &Value, told: &Value| match (said.as_f64(), told.as_str()) {
        (Some(said), Some(told)) => told.parse() == Ok(said),
        _ => said == told,
    };
    let mut unread = Vec::new();
    for (name, said) in inner.unwrap_or(members) {
        // These become others.
        let passes = matches!(name.as_str(), "lock_version" | "refresh_token");
        if let Some(told) = answer.get(name).filter(|_| !said.is_object() && !said.is_array() && !passes)
            && !same(said, told)
        {
            unread.push(format!("{name}: {said} was said, {told} is told"));
        }
    }
    unread
}

async fn comes_in(reader: &mut Reader) {
    let admin = json!({"email": "admin@example.org", "password": Config::EXAMPLE_PASSWORD});
    for prefix in ["/api/v1", "/api/v1/users"] {
        let (email, password) = (format!("ana@{}.example", prefix.len()), Config::EXAMPLE_PASSWORD);
        let person = json!({"user": {"email": email, "password": password, "password_confirmation": password}});
        reader.ask("POST", &format!("{prefix}/signup"), person.clone()).await;
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
    let place = reader.ask("POST", "/api/v1/locations", json!({"city": "Bergen", "country": "Norway"})).await;
    let streamer = reader.ask("POST", "/api/v1/streamers", json!({"name": "another"})).await;
    let post = json!({"link": "https://www.twitch.tv/example", "source": "discord", "status": "live", "platform": "twitch",
        "title": "A march", "notes": "loud", "city": "Seattle", "state": "WA", "posted_by": "ana", "external_id": "e1",
        "orientation": "vertical", "kind": "video", "is_pinned": false, "is_archived": false, "last_checked_at": EARLIER,
        "last_live_at": EARLIER, "started_at": EARLIER, "ended_at": null});
    let stream = reader.ask("POST", "/api/v1/streams?wrap=data", post.clone()).await;
    reader.ask("POST", "/api/v1/streams", post).await;
    let one = format!("/api/v1/streams/{}", stream["id"]);
    reader
        .ask(
            "PATCH",
            &one,
            json!({"ended_at": EARLIER, "location": {"city": "Molde", "state": "Møre", "region": "West", "country": "Norway"}}),
        )
        .await;
    let known = reader.ask("PATCH", &one, json!({"stream": {"location_id": place["id"], "streamer_id": streamer["id"]}})).await;
    let named = json!({"streamer_name": "example", "lock_version": known["lock_version"]});
    assert_eq!(reader.ask("PATCH", &one, named).await["streamer"]["name"], "example");
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
        let items = json!([{"id": stream["id"], "title": method}, {"id": stream["id"], "title": method}, {"link": "https://a.example/none"}]);
        for body in [items.clone(), json!({"updates": items}), json!({"streams": items})] {
            assert_eq!(reader.ask(method, "/api/v1/streams/batch", body).await["total"], 3);
        }
        reader.send(method, "/api/v1/streams/batch", json!([{"id": stream["id"], "status": "no status"}, 7])).await;
    }
    assert_eq!(reader.ask("POST", "/api/v1/streams/bulk_import", json!([{"link": "https://a.example/0"}])).await["imported"], 1);
    let import = json!({"streams": [{"link": "https://a.example/1"}, {"link": "https://a.example/1"}, {"link": "no link"}]});
    reader.ask("POST", "/api/v1/streams/bulk_import", import).await;
    reader.get("/api/v1/streams/export").await;
    reader.get(&format!("{one}/history?limit=5")).await;
    reader.get(&format!("{one}/analytics")).await;
    let added = reader.ask("POST", "/api/v1/streams", json!({"link": "https://a.example/gone"})).await;
    reader.ask("DELETE", &format!("/api/v1/streams/{}", added["id"]), Value::Null).await;
}

async fn works_with_surroundings(reader: &mut Reader) {
    let place = json!({"location": {"city": "Oslo", "state_province": "Oslo", "country": "Norway", "latitude": 59.9, "longitude": 10.7, "is_known_city": true}});
    let accounts =
        json!([{"platform": "twitch", "username": "somebody", "profile_url": "https://www.twitch.tv/somebody", "is_active": true}]);
    let streamer = json!({"streamer": {"name": "somebody", "posted_by": "ana", "accounts": accounts}});
    for (list, body, change) in
        [("/api/v1/locations", place, json!({"region": "East"})), ("/api/v1/streamers", streamer, json!({"notes": "kind"}))]
    {
        let added = reader.ask("POST", &format!("{list}?wrap=data"), body).await;
        let one = format!("{list}/{}", added["id"]);
        reader.get(list).await;
        reader.get(&one).await;
        reader.ask("PATCH", &one, change.clone()).await;
        reader.ask("PUT", &one, change).await;
        if let Some(account) = added["accounts"].get(0) {
            let change = json!({"accounts": [{"id": account["id"], "_destroy": true}]});
            assert_eq!(reader.ask("PATCH", &one, change).await["accounts"], json!([]));
        }
        if list.ends_with("locations") {
            reader.get("/api/v1/locations/all").await;
            reader.get("/api/v1/locations/known_cities").await;
        }
        reader.ask("DELETE", &one, Value::Null).await;
    }
    let list = reader.get("/api/v1/streams").await;
    let (stream, other) = (&list["streams"][0]["id"], &list["streams"][1]["id"]);
    for list in ["/api/v1/timestamps", "/api/v1/annotations"] {
        let note = json!({"title": "It began", "description": "At last", "event_timestamp": EARLIER, "stream_ids": [stream]});
        let added = reader.ask("POST", list, json!({"timestamp": note})).await;
        assert_eq!(added["stream_ids"], json!([stream]));
        let one = format!("{list}/{}", added["id"]);
        let tied = reader.ask("PATCH", &one, json!({"streams": [{"stream_id": stream, "timestamp_seconds": 7}]})).await;
        assert_eq!(tied["streams"][0]["seconds"], 7);
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
    let added =
        reader.ask("POST", list, json!({"ignore_list": {"list_type": "domain", "value": "spam.example", "notes": "ads"}})).await;
    let one = format!("{list}/{}", added["id"]);
    reader.get(list).await;
    reader.get(&one).await;
    reader.get(&format!("{list}/by_type")).await;
    reader.ask("PATCH", &one, json!({"notes": "loud"})).await;
    reader.ask("PUT", &one, json!({"notes": null})).await;
    let entries = json!({"entries": [{"list_type": "url", "value": "https://b.example"}]});
    let created = reader.ask("POST", &format!("{list}/bulk_create"), entries).await;
    reader.send("POST", &format!("{list}/bulk_create"), json!({"entries": [{"list_type": "none", "value": "x"}]})).await;
    reader.ask("DELETE", &format!("{list}/bulk_delete"), json!({"ids": [created["created"][0]["id"]]})).await;
    reader.ask("POST", &format!("{list}/bulk_delete"), json!({"ids": []})).await;
    reader.ask("DELETE", &one, Value::Null).await;
}

async fn administers(reader: &mut Reader) {
    let (email, password) = ("ben@example.org", Config::EXAMPLE_PASSWORD);
    let person =
        json!({"email": email, "password": password, "password_confirmation": password, "role": "editor", "service": true});
    let added = reader.ask("POST", "/api/v1/users", json!({"user": person})).await;
    let one = format!("/api/v1/users/{}", added["id"]);
    reader.get("/api/v1/users?limit=1").await;
    reader.get(&one).await;
    reader.ask("PATCH", &one, json!({"role": "viewer"})).await;
    reader.ask("PUT", &one, json!({"disabled": false, "service": false, "password": "Another-password-1"})).await;
    let (admin, ben) = (reader.token.clone(), json!({"email": email, "password": "Another-password-1"}));
    reader.token = reader.ask("POST", "/api/v1/login", ben).await["token"].as_str().expect("a token").to_owned();
    let change = json!({"current_password": "Another-password-1", "password": password, "password_confirmation": password});
    reader.ask("PUT", "/api/v1/users/password", json!({"user": change})).await;
    reader.token = admin;
    reader.ask("DELETE", &one, Value::Null).await;
    let key = json!({"name": "bot", "role": "editor", "scopes": ["read"], "expires_in_days": 7});
    let key = reader.ask("POST", "/api/v1/api_keys", json!({"api_key": key})).await;
    assert!(key["expires_at"].is_string(), "{key}");
    let one = format!("/api/v1/api_keys/{}", key["id"]);
    reader.get("/api/v1/api_keys").await;
    reader.ask("POST", &format!("{one}/rotate"), json!({"overlap_s": 60, "expires_at": "2100-01-01T00:00:00.000Z"})).await;
    reader.get(&one).await;
    reader.ask("DELETE", &one, Value::Null).await;
    for list in ["users", "api_keys", "audit"] {
        assert_eq!(reader.get(&format!("/api/v1/{list}?cursor=none")).await["errors"], json!(["Cursor is not one that was given"]));
    }
    let refused = reader.get("/api/v1/audit?since=yesterday").await;
    assert_eq!((&refused["status"], &refused["errors"]), (&json!(422), &json!(["Since is not a time (RFC 3339)"])));
    assert_eq!(reader.get("/api/v1/audit?since=2100-01-01").await["data"], json!([]));
    reader.get("/api/v1/audit?limit=100").await;
    reader.get("/api/v1/audit/verify").await;
}

async fn publishes(reader: &mut Reader) {
    let meta = json!({"exclude_socket": "nobody", "broadcast_type": "news", "transient": true});
    let message = json!({"stream": "chat", "data": "{}", "meta": meta});
    let dismissal = json!({"command": "disconnect", "payload": {"identifier": r#"{"user_id":0}"#, "reconnect": false}});
    for path in ["/_broadcast", "/api/publish"] {
        for body in [message.clone(), json!([message, {"stream": "chat", "data": "1"}]), dismissal.clone()] {
            reader.ask("POST", path, body).await;
        }
        assert!(reader.seen.contains(&format!("POST {path} 201")));
    }
}

async fn looks_at_the_hub(reader: &mut Reader) {
    for path in ["/health", "/health/live", "/health/ready", "/health/detailed", "/metrics", "/api/presence/chat/users"] {
        reader.get(path).await;
    }
    let list = reader.get("/api/v1/streams").await;
    reader.ask("POST", "/api/v1/system/faults", json!({"stream": list["streams"][0]["id"], "cause": "a test"})).await;
    reader.ask("POST", "/api/v1/system/faults", json!({"entity": "user/admin@example.org"})).await;
    for path in ["tree", "connections", "topics", "journal"] {
        reader.get(&format!("/api/v1/system/{path}")).await;
    }
}

async fn is_refused(reader: &mut Reader) {
    reader.get("/api/v1/streams/9007199254740991").await;
    reader.get("/api/v1/streams/1/history?cursor=none").await;
    reader.ask("POST", "/api/v1/streams", json!({"link": "no link", "source": " "})).await;
    reader.ask("PATCH", "/api/v1/streams/1", json!({"lock_version": 77, "title": "late"})).await;
    reader.send("PUT", "/api/v1/users/password", json!({"current_password": "wrong"})).await;
    reader.token = "none".into();
    reader.get("/api/v1/streams").await;
    reader.get("/api/v1/users/me").await;
}
