//! The document of the API: everything that is there is in it, everything in it is there, and every answer has the shape that it says.

mod story;
mod shape;

use std::{collections::BTreeSet, fs, path::Path};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use trunkline::{config::Config, house::House};

/// A house with everything that may be there, and nobody who is counted.
async fn house() -> House {
    let mut config = Config::in_memory().with_account("admin@example.org", "admin", false);
    config.edge.demo_faults = true;
    config.streams.public_feed = true;
    config.edge.rates.anonymous = 100_000;
    config.edge.rates.user = 100_000;
    config.pubsub.keys.broadcast = Some("broadcast-key-0123456789".into());
    config.pubsub.keys.api = Some("publish-key-0123456789".into());
    House::open(config).await.expect("a house opens")
}

async fn document(house: &House) -> Value {
    let answer = Client::new().get(format!("{}/openapi.json", house.url())).send().await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"application/json; charset=utf-8".parse().expect("text"))
    );
    answer.json().await.expect("JSON")
}

/// `GET /api/v1/streams/{id}`, sorted.
fn operations(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().expect("paths");
    let told = |(path, item): (&String, &Value)| {
        let methods: Vec<String> = item.as_object().expect("an item").keys().map(|method| method.to_uppercase()).collect();
        methods.into_iter().map(|method| format!("{method} {path}")).collect::<Vec<_>>()
    };
    paths.iter().flat_map(told).collect()
}

/// What the contracts name, however it is mounted.
const CONTRACT: &str = "
    POST /login DELETE /logout POST /signup POST /users/login POST /users/signup DELETE /users/logout POST /auth/refresh
    GET /users/me PUT /users/password GET /users POST /users GET /users/{id} PATCH /users/{id} PUT /users/{id} DELETE /users/{id}
    GET /api_keys POST /api_keys GET /api_keys/{id} DELETE /api_keys/{id} POST /api_keys/{id}/rotate GET /audit GET /audit/verify
    GET /streams POST /streams GET /streams.json GET /streams/{id} PATCH /streams/{id} PUT /streams/{id} DELETE /streams/{id}
    PATCH /streams/batch PUT /streams/batch POST /streams/batch POST /streams/bulk_import GET /streams/export
    PUT /streams/{id}/pin POST /streams/{id}/pin DELETE /streams/{id}/pin POST /streams/{id}/archive PUT /streams/{id}/archive
    POST /streams/{id}/unarchive PUT /streams/{id}/unarchive GET /streams/{id}/history GET /streams/{id}/analytics
    GET /locations POST /locations GET /locations/all GET /locations/known_cities GET /locations/{id} PATCH /locations/{id}
    PUT /locations/{id} DELETE /locations/{id} GET /streamers POST /streamers GET /streamers/{id} PATCH /streamers/{id}
    PUT /streamers/{id} DELETE /streamers/{id} GET /timestamps POST /timestamps GET /timestamps/{id} PATCH /timestamps/{id}
    PUT /timestamps/{id} DELETE /timestamps/{id} POST /timestamps/{id}/add_stream GET /annotations POST /annotations
    GET /annotations/{id} PATCH /annotations/{id} PUT /annotations/{id} DELETE /annotations/{id} POST /annotations/{id}/add_stream
    GET /ignore_lists POST /ignore_lists GET /ignore_lists/by_type POST /ignore_lists/bulk_create DELETE /ignore_lists/bulk_delete
    POST /ignore_lists/bulk_delete GET /ignore_lists/{id} PATCH /ignore_lists/{id} PUT /ignore_lists/{id} DELETE /ignore_lists/{id}
    GET /system/tree GET /system/connections GET /system/topics GET /system/journal POST /system/faults";
const OUTSIDE: &str = "
    GET /health GET /health/live GET /health/ready GET /health/detailed GET /metrics GET /.well-known/jwks.json
    GET /streams.json GET /api/streams.json POST /_broadcast POST /api/publish GET /api/presence/{stream}/users GET /events POST /events";

#[tokio::test(flavor = "multi_thread")]
async fn documents_what_is_there_and_serves_what_it_documents() {
    let house = house().await;
    let document = document(&house).await;
    let documented = operations(&document);
    for (prefix, table) in [("/api/v1", CONTRACT), ("", OUTSIDE)] {
        for line in table.split_whitespace().collect::<Vec<_>>().chunks(2) {
            let wanted = format!("{} {prefix}{}", line[0], line[1]);
            assert!(documented.contains(&wanted), "{wanted} is not documented");
        }
    }
    for operation in &documented {
        let (method, path) = operation.split_once(' ').expect("a method and a path");
        let url = format!("{}{}", house.url(), path.replace("{id}", "1").replace("{stream}", "chat"));
        let answer = Client::new().request(method.parse::<Method>().expect("a method"), url).send().await.expect("an answer");
        assert!(!matches!(answer.status().as_u16(), 404 | 405), "{operation}: {}", answer.status());
    }
    let ids: BTreeSet<&str> = document["paths"]
        .as_object()
        .expect("paths")
        .values()
        .flat_map(|item| item.as_object().expect("an item").values())
        .map(|operation| operation["operationId"].as_str().expect("an id"))
        .collect();
    assert_eq!(ids.len(), documented.len(), "every operation has an id of its own");
    let per_page = json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 25});
    let list = document["paths"]["/api/v1/streams"]["get"]["parameters"].as_array().expect("parameters");
    let found = list.iter().find(|parameter| parameter["name"] == "per_page").expect("it is paged");
    for (name, bound) in per_page.as_object().expect("bounds") {
        assert_eq!(&found["schema"][name], bound, "{name}");
    }
    let text = document.to_string();
    for address in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(address).is_some(), "{address} leads nowhere");
    }
    house.close().await;
}

/// Whatever is mounted through the table is documented; so nothing may be mounted around it.
#[test]
fn mounts_every_resource_through_the_table() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/edge/rest")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the resources").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let text = fs::read_to_string(entry.path()).expect("text");
            assert!(
                !text.contains("ServiceConfig") && !text.contains("web::resource"),
                "{:?} mounts around the table",
                entry.path()
            );
            files += 1;
        }
    }
    assert!(files > 15, "the resources are there: {files}");
}

#[test]
fn tells_an_answer_that_does_not_fit() {
    let document = json!({"components": {"schemas": {"A": {"type": "object", "required": ["id"], "properties":
        {"id": {"type": "integer"}, "word": {"type": "string", "enum": ["x"]}, "next": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/A"}]}}}}}});
    let schema = json!({"allOf": [{"$ref": "#/components/schemas/A"}, {"type": "object", "required": ["list"],
        "properties": {"list": {"type": "array", "items": {"type": ["string", "null"]}}}}]});
    let count = |answer: Value| shape::faults(&document, &schema, &answer).len();
    assert_eq!(count(json!({"id": 1, "word": "x", "next": {"id": 2, "next": null}, "list": ["a", null]})), 0);
    for unfit in [
        json!({"list": []}),
        json!({"id": 1}),
        json!({"id": "1", "list": []}),
        json!({"id": 1, "list": [1]}),
        json!({"id": 1, "list": [], "more": 1}),
        json!({"id": 1, "list": [], "word": "y"}),
        json!({"id": 1, "list": [], "next": {"id": 1, "more": 1}}),
    ] {
        assert_eq!(count(unfit.clone()), 1, "{unfit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_the_document_to_people_without_script_or_strangers() {
    let house = house().await;
    let document = document(&house).await;
    let answer = Client::new().get(format!("{}/docs", house.url())).send().await.expect("an answer");
    let policy = answer.headers()["content-security-policy"].to_str().expect("text").to_owned();
    let page = answer.text().await.expect("text");
    assert!(policy.contains("default-src 'none'"), "{policy}");
    for foreign in ["<script", "style=", "src=\"http", "href=\"http", "onclick"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    for operation in
        document["paths"].as_object().expect("paths").values().flat_map(|item| item.as_object().expect("an item").values())
    {
        let id = format!("id=\"{}\"", operation["operationId"].as_str().expect("an id"));
        assert!(page.contains(&id), "{id} is not shown");
    }
    let linked: BTreeSet<&str> = page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(linked.len() > 50, "{linked:?}");
    for place in linked {
        assert!(page.contains(&format!("id=\"{place}\"")), "#{place} leads nowhere");
    }
    house.close().await;
}
