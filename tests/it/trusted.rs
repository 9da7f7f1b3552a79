//! Tokens of another house, whose keys are read at an address (`platform.md` section 2): of every kind, rotated, unreachable, unreadable.

mod elsewhere;

use std::time::{Duration, Instant};

use futures::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use trunkline::{client::CableClient, config::Config, edge::tokens::TrustedKeySet, house::House};

use elsewhere::{ISSUER, Key, Published};

/// How long anything may take that needs no more than a moment.
const PATIENCE: Duration = Duration::from_secs(60);

struct Street {
    house: House,
    http: Client,
}

impl Street {
    async fn trusting(url: &str, audience: Option<&str>) -> Self {
        let mut config = Config::in_memory().with_account("ana@example.org", "editor", false);
        let set = TrustedKeySet::at(url, Some(ISSUER.to_owned()), audience.map(str::to_owned)).expect("an address");
        config.auth.trusted_key_sets = vec![set];
        Self { house: House::open(config).await.expect("a house opens"), http: Client::new() }
    }
    /// The same, and it has read the keys there.
    async fn knowing(published: &Published, path: &str) -> (Self, elsewhere::Elsewhere) {
        let elsewhere = published.open("127.0.0.1:0").await;
        let street = Self::trusting(&format!("http://{}{path}", elsewhere.address), None).await;
        street.until(|set| set["fetched_at"].is_string()).await;
        (street, elsewhere)
    }
    async fn me(&self, token: &str) -> StatusCode {
        let request = self.http.get(format!("{}/api/v1/users/me", self.house.url())).bearer_auth(token);
        request.send().await.expect("an answer").status()
    }
    async fn seen(&self) -> Value {
        let health = self.http.get(format!("{}/health/detailed", self.house.url())).send().await.expect("an answer");
        assert_eq!(health.status(), StatusCode::OK, "another house is not ours to be ill of");
        health.json::<Value>().await.expect("JSON")["key_sets"][0].take()
    }
    async fn until(&self, so: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let seen = self.seen().await;
            if so(&seen) {
                return seen;
            }
            assert!(began.elapsed() < PATIENCE, "{seen}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn believes_each_kind_of_published_key_and_nothing_that_only_looks_like_it() {
    let published = Published::default();
    let elsewhere = published.open("127.0.0.1:0").await;
    let kinds = [(Algorithm::RS256, "r"), (Algorithm::ES256, "e"), (Algorithm::EdDSA, "o")];
    let [rsa, ec, ed] = kinds.map(|(algorithm, kid)| Key::new(algorithm, kid));
    let mut sealing = Key::new(Algorithm::ES256, "enc");
    sealing.public["use"] = json!("enc");
    let mut shared = Key::new(Algorithm::EdDSA, "oct");
    shared.public = json!({"kty": "oct", "kid": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"});
    let keys = json!({"keys": [rsa.public, ec.public, ed.public, sealing.public, shared.public]});
    published.page("/keys?x=y", "200 OK", keys.to_string());
    let street = Street::trusting(&format!("http://{}/keys?x=y", elsewhere.address), Some("trunkline")).await;
    let seen = street.until(|set| set["keys"] == 3).await;
    assert_eq!((&seen["url"], &seen["failing"]), (&json!(format!("http://{}/keys", elsewhere.address)), &json!(false)));

    let for_us = json!({"aud": ["somebody", "trunkline"]});
    for (key, (_, kid)) in [&rsa, &ec, &ed].into_iter().zip(kinds) {
        assert_eq!(street.me(&key.token(Some(kid), for_us.clone())).await, StatusCode::OK, "{kid}");
        assert_eq!(street.me(&key.token(None, json!({"aud": "trunkline"}))).await, StatusCode::OK, "{kid}, not naming its key");
    }
    for (why, claims) in [
        ("another issuer", json!({"aud": "trunkline", "iss": "https://id.example.com"})),
        ("no issuer", json!({"aud": "trunkline", "iss": null})),
        ("another audience", json!({"aud": "somebody"})),
        ("no audience", json!({})),
        ("an address that nobody has verified", json!({"aud": "trunkline", "email_verified": false})),
        ("nobody's address", json!({"aud": "trunkline", "email": "nobody@example.org"})),
        ("no address, but an id of ours", json!({"aud": "trunkline", "email": null, "sub": "1"})),
        ("it has ended", json!({"aud": "trunkline", "exp": 1})),
    ] {
        assert_eq!(street.me(&ec.token(Some("e"), claims)).await, StatusCode::UNAUTHORIZED, "{why}");
    }
    for (why, token) in [
        ("a key for sealing", sealing.token(Some("enc"), for_us.clone())),
        ("another key's name", ec.token(Some("o"), for_us.clone())),
        ("another key of that name", Key::new(Algorithm::EdDSA, "o").token(Some("o"), for_us.clone())),
    ] {
        assert_eq!(street.me(&token).await, StatusCode::UNAUTHORIZED, "{why}");
    }
    // What is public is no secret, whatever the token says of its algorithm.
    for (kid, secret) in [("oct", b"secret-secret-secret-secret-secret".to_vec()), ("o", ed.public["x"].to_string().into_bytes())] {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::HS256) };
        let claims = json!({"email": "ana@example.org", "iss": ISSUER, "aud": "trunkline", "exp": 99_999_999_999_u64});
        let forged = encode(&header, &claims, &EncodingKey::from_secret(&secret)).expect("signed");
        assert_eq!(street.me(&forged).await, StatusCode::UNAUTHORIZED, "{kid}");
    }
    street.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn knows_a_new_key_with_the_first_request_that_shows_it_and_the_old_one_no_longer() {
    let published = Published::default();
    let [old, new, newest] = ["old", "new", "newest"].map(|kid| Key::new(Algorithm::ES256, kid));
    published.keys(&[&old]);
    let (street, _elsewhere) = Street::knowing(&published, "/keys").await;
    assert_eq!(street.me(&old.named()).await, StatusCode::OK);
    assert_eq!(published.asked(), 1);

    published.keys(&[&new]);
    let (kept, token) = (old.named(), new.named());
    assert_eq!(street.me(&kept).await, StatusCode::OK, "nobody has told us yet");
    let at_once = join_all((0..10).map(|_| street.me(&token))).await;
    assert!(at_once.iter().all(|status| *status == StatusCode::OK), "{at_once:?}");
    assert_eq!(published.asked(), 2, "whoever comes meanwhile waits for the same answer");
    assert_eq!(street.me(&kept).await, StatusCode::UNAUTHORIZED, "also what was verified before");

    published.keys(&[&newest]);
    for stranger in ["newest", "made up", "another"] {
        assert_eq!(street.me(&newest.token(Some(stranger), json!({}))).await, StatusCode::UNAUTHORIZED, "{stranger}");
    }
    assert_eq!(published.asked(), 2, "names can be made up: they have the keys fetched every thirty seconds at most");
    assert_eq!(street.me(&token).await, StatusCode::OK);
    street.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lets_a_cable_in_with_a_key_that_it_is_the_first_to_show() {
    let published = Published::default();
    let [old, new] = ["old", "new"].map(|kid| Key::new(Algorithm::EdDSA, kid));
    published.keys(&[&old]);
    let (street, _elsewhere) = Street::knowing(&published, "/keys").await;
    // Of a house that is not trusted: nobody is asked.
    let foreign = new.token(Some("new"), json!({"iss": "https://id.example.com"}));
    assert!(CableClient::connect(&street.house.url(), Some(&foreign)).await.is_err());
    assert_eq!(published.asked(), 1);
    published.keys(&[&old, &new]);
    for key in [&new, &old] {
        let cable = CableClient::connect(&street.house.url(), Some(&key.named())).await.expect("welcomed");
        cable.close().await;
    }
    assert_eq!(published.asked(), 2);
    street.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opens_while_the_other_house_is_down_and_believes_it_once_it_is_up() {
    let published = Published::default();
    let key = Key::new(Algorithm::RS256, "r");
    published.keys(&[&key]);
    let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|nobody| nobody.local_addr()).expect("a port");
    let street = Street::trusting(&format!("http://{address}/keys"), None).await;
    street.until(|set| set["failing"] == true).await;
    // It names no key, so that nothing but the hub's own patience brings it in.
    let nameless = key.token(None, json!({}));
    assert_eq!(street.me(&nameless).await, StatusCode::UNAUTHORIZED);
    let metrics = street.http.get(format!("{}/metrics", street.house.url())).send().await.expect("an answer");
    assert!(metrics.text().await.expect("text").contains("\ntrunkline_key_sets_failing 1\n"));
    let _elsewhere = published.open(&address.to_string()).await;
    street.until(|set| set["failing"] == false && set["keys"] == 1).await;
    assert_eq!(street.me(&nameless).await, StatusCode::OK);
    street.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_keys_it_has_whatever_nonsense_it_is_told_instead() {
    let crowd = json!({"keys": vec![json!({}); 101]}).to_string();
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(64 * 1024));
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000)).repeat(8);
    let endless = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}");
    let whole = |head: &str, body: &str| format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let evil = json!({"keys": [Key::new(Algorithm::ES256, "unknown").public]}).to_string();
    let nonsense = [
        ("garbage", whole("200 OK", "<html>")),
        ("a list", whole("200 OK", "[]")),
        ("a crowd", whole("200 OK", &crowd)),
        ("too much", whole("200 OK", &large)),
        ("far too much", endless),
        ("half of it", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"keys\":[]}".to_owned()),
        ("an error with keys in it", whole("500 Oh", &evil)),
        ("keys elsewhere", whole("302 Found\r\nlocation: http://localhost:PORT/keys", "")),
        ("a circle", whole("302 Found\r\nlocation: /start", "")),
        ("nothing at all", String::new()),
        ("silence", elsewhere::SILENCE.to_owned()),
    ];
    join_all(nonsense.map(|(why, answer)| async move {
        let published = Published::default();
        let key = Key::new(Algorithm::ES256, "known");
        published.keys(&[&key]);
        published.page("/start", "307 Over There\r\nlocation: /keys", "");
        let (street, elsewhere) = Street::knowing(&published, "/start").await;
        assert_eq!(street.me(&key.named()).await, StatusCode::OK, "{why}: led to its own door it was believed");
        let port = elsewhere.address.port().to_string();
        published.raw("/start", answer.replace("PORT", &port).as_bytes());
        let asked = published.asked();
        assert_eq!(street.me(&key.token(Some("unknown"), json!({}))).await, StatusCode::UNAUTHORIZED, "{why}");
        assert!(published.asked() > asked, "{why}: it was asked for");
        let seen = street.until(|set| set["failing"] == true).await;
        assert_eq!(seen["keys"], 1, "{why}");
        assert_eq!(street.me(&key.token(None, json!({}))).await, StatusCode::OK, "{why}");
        street.house.close().await;
    }))
    .await;
}
