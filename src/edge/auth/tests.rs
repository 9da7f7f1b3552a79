//! Stories over a real port: a whole hub in memory, asked as its clients ask it.

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use trunkline_actors::accounts::{BootstrapKey, BootstrapUser, PasswordConfig};
use trunkline_protocol::Role;

use crate::{config::Config, house::House};

struct World {
    house: House,
    client: Client,
}

const PASSWORD: &str = "Passw0rd";

impl World {
    async fn open() -> Self {
        Self::open_with(|_| {}).await
    }
    async fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::in_memory();
        config.auth.passwords = PasswordConfig { memory_kib: 64, passes: 1, ..PasswordConfig::default() };
        let user = |email: &str, role, service| BootstrapUser { email: email.into(), password: PASSWORD.into(), role, service };
        config.bootstrap.users = vec![user("admin@x.org", Role::Admin, false), user("ana@x.org", Role::Editor, false)];
        let key = "a-bootstrapped-key-of-a-bot";
        config.bootstrap.api_keys = vec![BootstrapKey { name: "bot".into(), key: key.into(), role: Role::Editor, scopes: vec![] }];
        // Clients keep their connections: nobody should wait for them here.
        config.edge.stop_timeout = std::time::Duration::from_secs(1);
        change(&mut config);
        Self { house: House::open(config).await.expect("a house"), client: Client::new() }
    }
    async fn ask(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Response {
        let mut request = self.client.request(method, format!("{}{path}", self.house.url()));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.expect("an answer")
    }
    async fn get(&self, path: &str, token: &str) -> StatusCode {
        self.ask(Method::GET, path, token, None).await.status()
    }
    async fn post(&self, path: &str, token: &str, body: Value) -> (StatusCode, Value) {
        read(self.ask(Method::POST, path, token, Some(body)).await).await
    }
    async fn login(&self, email: &str) -> Value {
        let (status, answer) = self.post("/api/v1/login", "", json!({"email": email, "password": PASSWORD})).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }
    async fn token(&self, email: &str) -> String {
        self.login(email).await["token"].as_str().expect("a token").to_owned()
    }
}

async fn read(response: Response) -> (StatusCode, Value) {
    (response.status(), response.json().await.unwrap_or(Value::Null))
}

const ME: &str = "/api/v1/users/me";

#[tokio::test(flavor = "multi_thread")]
async fn signs_in_on_both_paths_with_both_bodies_and_as_a_form() {
    let world = World::open().await;
    let flat = json!({"email": " Ana@X.org ", "password": PASSWORD});
    for (path, body) in [("/api/v1/login", json!({"user": flat})), ("/api/v1/users/login", flat.clone()), ("/api/v1/login", flat)] {
        let response = world.ask(Method::POST, path, "", Some(body)).await;
        let header = response.headers()["authorization"].to_str().expect("text").to_owned();
        let (status, answer) = read(response).await;
        assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!({"code": 200, "message": "Logged in successfully."})));
        assert_eq!((&answer["user"]["email"], &answer["user"]["role"]), (&json!("ana@x.org"), &json!("editor")));
        let token = answer["token"].as_str().expect("a token");
        assert_eq!(header, format!("Bearer {token}"));
        assert_eq!(world.get(ME, token).await, StatusCode::OK);
    }
    let form = [("user[email]", "ana@x.org"), ("user[password]", PASSWORD)];
    let response = world.client.post(format!("{}/api/v1/login", world.house.url())).form(&form).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    world.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn says_the_same_of_an_unknown_address_a_wrong_password_and_nothing_at_all() {
    let world = World::open().await;
    let mut said = Vec::new();
    for body in [
        json!({"email": "ana@x.org", "password": "Wrong0000"}),
        json!({"email": "nobody@x.org", "password": PASSWORD}),
        json!({}),
        json!({"email": 7, "password": [1]}),
    ] {
        let (status, mut answer) = world.post("/api/v1/login", "", body).await;
        assert_eq!((status, answer["error"].take()), (StatusCode::UNAUTHORIZED, json!("Invalid email or password")));
        answer["request_id"].take();
        said.push(answer);
    }
    assert!(said.iter().all(|answer| *answer == said[0]), "{said:?}");
    world.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_a_credential_wherever_clients_put_it_and_the_wrong_scheme_nowhere() {
    let world = World::open().await;
    let (url, key) = (world.house.url(), "a-bootstrapped-key-of-a-bot");
    let token = world.token("ana@x.org").await;
    let status = async |request: reqwest::RequestBuilder| request.send().await.expect("an answer").status();
    let get = |path: &str| world.client.get(format!("{url}{path}"));
    assert_eq!(status(get(ME).header("authorization", format!("bEARER {token}"))).await, StatusCode::OK);
    assert_eq!(status(get(ME).bearer_auth(key)).await, StatusCode::OK);
    assert_eq!(status(get(ME).header("x-api-key", key)).await, StatusCode::OK);
    assert_eq!(status(get(&format!("{ME}?token={token}"))).await, StatusCode::OK);
    assert_eq!(status(get(&format!("{ME}?api_key={key}"))).await, StatusCode::OK);
    assert_eq!(status(get(ME).header("cookie", format!("a=b; jwt_token={token}"))).await, StatusCode::OK);
    assert_eq!(status(get(ME).header("authorization", format!("NotBearer {token}"))).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(get(ME).header("authorization", token.clone())).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(get(&format!("{ME}?token={token}")).bearer_auth("nonsense")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(get(ME)).await, StatusCode::UNAUTHORIZED);
    // A foreign page can make a browser send a cookie along, but not a header.
    let forged = world.client.post(format!("{url}/api/v1/api_keys")).header("cookie", format!("jwt_token={token}"));
    assert_eq!(status(forged.json(&json!({"name": "x"}))).await, StatusCode::UNAUTHORIZED);
    world.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_up_with_the_role_default_whatever_was_asked_for() {
    let world = World::open().await;
    let body = json!({"user": {"email": "new@x.org", "password": PASSWORD, "password_confirmation": PASSWORD, "role": "admin"}});
    let (status, answer) = world.post("/api/v1/signup", "", body.clone()).await;
    assert_eq!((status, &answer["user"]["role"]), (StatusCode::CREATED, &json!("default")));
    assert_eq!((&answer["data"], &answer["status"]["code"]), (&answer["user"], &json!(200)));
    let token = answer["token"].as_str().expect("a token");
    assert_eq!(world.get(ME, token).await, StatusCode::OK);
    assert_eq!(world.get("/api/v1/audit", token).await, StatusCode::FORBIDDEN);
    let (status, answer) = world.post("/api/v1/users/signup", "", body).await;
    assert_eq!((status, &answer["error"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("Email has already been taken")));
    assert_eq!(answer["status"]["message"], "User couldn't be created successfully. Email has already been taken");
    let weak = json!({"email": "x@x.org", "password": "password1"});
    let (_, answer) = world.post("/api/v1/signup", "", weak).await;
    assert_eq!(answer["error"], "Password must include lowercase, uppercase, and number");
    world.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn denies_a_token_that_was_signed_out_and_no_other() {
    let world = World::open().await;
    let (one, other) = (world.token("ana@x.org").await, world.token("ana@x.org").await);
    let mut revocations = world.house.hub.projection::<super::Accounts>().revocations();
    assert_eq!(world.get(ME, &one).await, StatusCode::OK);
    let response = world.ask(Method::DELETE, "/api/v1/users/logout", &one, None).await;
    assert_eq!(read(response).await, (StatusCode::OK, json!({"status": 200, "message": "Logged out successfully."})));
    assert_eq!((world.get(ME, &one).await, world.get(ME, &other).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    assert!(matches!(revocations.try_recv(), Ok(trunkline_actors::accounts::Revoked::Token(_))));
    assert_eq!(world.ask(Method::DELETE, "/api/v1/logout", "", None).await.status(), StatusCode::OK, "also without a token");
    world.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_the_chain_when_a_used_refresh_token_comes_back() {
    let world = World::open().await;
    let first = world.login("ana@x.org").await;
    let refresh =
        async |from: &Value| world.post("/api/v1/auth/refresh", "", json!({"refresh_token": from["refresh_token"]})).await;
    let (status, second) = refresh(&first).await;
    assert_eq!(status, StatusCode::OK, "{second}");
    let token = second["token"].as_str().expect("a token").to_owned();
    assert_eq!(world.get(ME, &token).await, StatusCode::OK);
    let (status, answer) = refresh(&first).await;
    assert_eq!((status, &answer["code"]), (StatusCode::UNAUTHORIZED, &json!("REFRESH_TOKEN_REUSED")));
    assert_eq!(world.get(ME, &token).await, StatusCode::UNAUTHORIZED, "the newest token is denied too");
    assert_eq!(refresh(&second).await.0, StatusCode::UNAUTHORIZED);
    let admin = world.token("admin@x.org").await;
    let (_, log) = read(world.ask(Method::GET, "/api/v1/audit?action=token.&actor=ANA@x.org", &admin, None).await).await;
    let told: Vec<_> = log["data"].as_array().expect("a list").iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(told, ["token.reuse_detected", "token.refreshed"], "{log}");
    world.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_an_account_after_five_wrong_passwords_like_one_that_does_not_exist() {
    let world = World::open().await;
    for email in ["ana@x.org", "nobody@x.org"] {
        for _ in 0..5 {
            let (status, _) = world.post("/api/v1/login", "", json!({"email": email, "password": "Wrong0000"})).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED);
        }
        let response = world.ask(Method::POST, "/api/v1/login", "", Some(json!({"email": email, "password": PASSWORD}))).await;
        assert!(response.headers().contains_key("retry-after"));
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS, "{email}");
    }
    let admin = world.token("admin@x.org").await;
    let (_, log) = read(world.ask(Method::GET, "/api/v1/audit?action=login.locked", &admin, None).await).await;
    assert_eq!(log["data"][0]["actor"]["name"], "ana@x.org", "{log}");
    world.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lets_so_many_logins_of_an_address_through_a_minute() {
    let world = World::open_with(|config| config.auth.login_per_minute = 3).await;
    for number in 0..3 {
        world.post("/api/v1/login", "", json!({"email": format!("{number}@x.org"), "password": "x"})).await;
    }
    let (status, answer) = world.post("/api/v1/login", "", json!({"email": "ana@x.org", "password": PASSWORD})).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer["error"], "Too many requests. Please try again later.");
    world.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_a_keys_secret_once_and_honours_two_through_the_overlap() {
    let world = World::open().await;
    let admin = world.token("admin@x.org").await;
    let (status, made) = world.post("/api/v1/api_keys", &admin, json!({"name": "monitor", "scopes": ["read"]})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let (id, old) = (made["id"].clone(), made["key"].as_str().expect("a key").to_owned());
    assert!(old.starts_with("tl_"));
    let (_, list) = read(world.ask(Method::GET, "/api/v1/api_keys", &admin, None).await).await;
    assert!(!list.to_string().contains(&old));
    let (_, rotated) = world.post(&format!("/api/v1/api_keys/{id}/rotate"), &admin, json!({})).await;
    let new = rotated["key"].as_str().expect("a key").to_owned();
    assert_eq!((world.get(ME, &old).await, world.get(ME, &new).await), (StatusCode::OK, StatusCode::OK));
    let (_, again) = world.post(&format!("/api/v1/api_keys/{id}/rotate"), &admin, json!({"overlap_s": 0})).await;
    let newest = again["key"].as_str().expect("a key").to_owned();
    assert_eq!(world.get(ME, &old).await, StatusCode::UNAUTHORIZED, "two at most");
    assert_eq!(world.get(ME, &new).await, StatusCode::UNAUTHORIZED, "no overlap was wanted");
    let deleted = world.ask(Method::DELETE, &format!("/api/v1/api_keys/{id}"), &admin, None).await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(world.get(ME, &newest).await, StatusCode::UNAUTHORIZED);
    let editor = world.token("ana@x.org").await;
    assert_eq!(world.post("/api/v1/api_keys", &editor, json!({"name": "x"})).await.0, StatusCode::FORBIDDEN);
    world.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_roles_and_closes_accounts_at_once_but_keeps_an_admin() {
    let world = World::open().await;
    let (admin, ana) = (world.token("admin@x.org").await, world.token("ana@x.org").await);
    let (_, users) = read(world.ask(Method::GET, "/api/v1/users?search=ana", &admin, None).await).await;
    let path = format!("/api/v1/users/{}", users["data"][0]["id"]);
    assert_eq!(world.get("/api/v1/audit", &ana).await, StatusCode::FORBIDDEN);
    let changed = world.ask(Method::PATCH, &path, &admin, Some(json!({"role": "admin"}))).await;
    assert_eq!(read(changed).await.1["role"], "admin");
    assert_eq!(world.get("/api/v1/audit", &ana).await, StatusCode::OK, "the same token, the new role");
    assert_eq!(world.ask(Method::DELETE, &path, &admin, None).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(world.get(ME, &ana).await, StatusCode::UNAUTHORIZED);
    let (_, me) = read(world.ask(Method::GET, ME, &admin, None).await).await;
    let (status, answer) = read(world.ask(Method::DELETE, &format!("/api/v1/users/{}", me["id"]), &admin, None).await).await;
    assert_eq!((status, &answer["code"]), (StatusCode::CONFLICT, &json!("LAST_ADMIN")));
    let (_, log) = read(world.ask(Method::GET, "/api/v1/audit?actor=admin@x.org&action=role.changed", &admin, None).await).await;
    assert_eq!(log["data"][0]["detail"], "editor to admin", "{log}");
    let (_, log) = read(world.ask(Method::GET, "/api/v1/audit?actor=ana@x.org&action=access.denied", &admin, None).await).await;
    assert_eq!(log["data"][0]["subject"], "GET /api/v1/audit", "{log}");
    let (_, verdict) = read(world.ask(Method::GET, "/api/v1/audit/verify", &admin, None).await).await;
    assert_eq!(verdict["valid"], true, "{verdict}");
    assert!(verdict["entries"].as_u64().is_some_and(|entries| entries >= 6), "{verdict}");
    world.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_a_repeated_post_again_and_does_it_once() {
    let world = World::open().await;
    let admin = world.token("admin@x.org").await;
    let post = async |key: &str, city: &str| {
        let request = world.client.post(format!("{}/api/v1/locations", world.house.url())).bearer_auth(&admin);
        let response = request.header("idempotency-key", key).json(&json!({"city": city})).send().await.expect("an answer");
        let replayed = response.headers().contains_key("idempotent-replayed");
        let (status, answer) = read(response).await;
        (status, answer, replayed)
    };
    let (status, first, replayed) = post("k1", "Seattle").await;
    assert_eq!((status, replayed), (StatusCode::CREATED, false), "{first}");
    assert_eq!(post("k1", "Seattle").await, (StatusCode::CREATED, first, true));
    let (status, answer, _) = post("k1", "Portland").await;
    assert_eq!((status, &answer["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("IDEMPOTENCY_KEY_REUSED")));
    let (status, answer, replayed) = post("k2", "Seattle").await;
    assert_eq!((status, replayed), (StatusCode::UNPROCESSABLE_ENTITY, false), "{answer}");
    let (status, _, replayed) = post("k2", "Seattle").await;
    assert_eq!((status, replayed), (StatusCode::UNPROCESSABLE_ENTITY, true), "a refusal is an answer too");
    let secret = async || {
        let request = world.client.post(format!("{}/api/v1/api_keys", world.house.url())).bearer_auth(&admin);
        read(request.header("idempotency-key", "k3").json(&json!({"name": "bot"})).send().await.expect("an answer")).await
    };
    assert_eq!(secret().await.0, StatusCode::CREATED);
    let (status, answer) = secret().await;
    assert_eq!((status, &answer["code"]), (StatusCode::CONFLICT, &json!("IDEMPOTENT_ANSWER_NOT_KEPT")), "a secret is not kept");
    world.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn publishes_no_key_where_it_signs_with_a_secret() {
    let world = World::open().await;
    let (status, keys) = read(world.ask(Method::GET, "/.well-known/jwks.json", "", None).await).await;
    assert_eq!((status, keys), (StatusCode::OK, json!({"keys": []})));
    world.house.close().await;
}

/// What naming a known caller costs; printed, and held far below what would be felt.
#[tokio::test(flavor = "multi_thread")]
async fn names_a_known_caller_in_microseconds() {
    let world = World::open().await;
    let auth = super::Auth::open(&world.house.hub, Config::in_memory().auth).await.expect("auth");
    let token = world.token("ana@x.org").await;
    for credential in [token.as_str(), "a-bootstrapped-key-of-a-bot"] {
        let began = std::time::Instant::now();
        for _ in 0..10_000 {
            assert!(auth.of_credential(credential).is_ok());
        }
        let each = began.elapsed() / 10_000;
        println!("naming a caller by {} bytes: {each:?}", credential.len());
        assert!(each < std::time::Duration::from_micros(100));
    }
    world.house.close().await;
}
