//! The hub seen from outside, by whoever operates it (`platform.md` section 6): over REST, over the cable, and after a crash.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use trunkline::{client::CableClient, config::Config, house::House};
use trunkline_actors::accounts::BootstrapKey;
use trunkline_protocol::Role;

const ADMIN: &str = "tl_admin_0123456789abcdef";
const DEVELOPER: &str = "tl_developer_0123456789abcdef";
const VIEWER: &str = "tl_viewer_0123456789abcdef";
const PATIENCE: Duration = Duration::from_secs(10);

/// Whoever asks, of whichever hub.
struct Caller {
    client: Client,
    url: String,
}

impl Caller {
    async fn say(&self, key: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(key);
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
    async fn get(&self, key: &str, path: &str) -> (u16, Value) {
        self.say(key, Method::GET, &format!("/api/v1/system/{path}"), Value::Null).await
    }
    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.say(ADMIN, Method::POST, path, body).await
    }
    async fn add(&self, link: &str) -> u64 {
        let (status, made) = self.post("/api/v1/streams", json!({"link": link, "source": "Discord"})).await;
        assert_eq!(status, 201, "{made}");
        made["id"].as_u64().expect("an id")
    }
    /// The child of the tree, and of it the crashes that are remembered.
    async fn child(&self, kind: &str, id: &str) -> Value {
        let (status, tree) = self.get(DEVELOPER, "tree").await;
        assert_eq!(status, 200, "{tree}");
        let supervisors = tree["supervisors"].as_array().cloned().unwrap_or_default();
        let kind = supervisors.into_iter().find(|one| one["kind"] == kind).unwrap_or_default();
        let child = kind["children"].as_array().into_iter().flatten().find(|child| child["id"].as_str() == Some(id));
        child.cloned().unwrap_or_default()
    }
}

async fn open(change: impl FnOnce(&mut Config)) -> (House, Caller) {
    let mut config = Config::in_memory();
    let key = |name: &str, key: &str, role| BootstrapKey { name: name.into(), key: key.into(), role, scopes: Vec::new() };
    config.bootstrap.api_keys =
        vec![key("admin", ADMIN, Role::Admin), key("dev", DEVELOPER, Role::Developer), key("viewer", VIEWER, Role::Viewer)];
    config.edge.workers = 2;
    change(&mut config);
    let house = House::open(config).await.expect("a house");
    let caller = Caller { client: Client::new(), url: house.url() };
    (house, caller)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shows_operators_who_is_there_who_hears_what_and_how_the_journal_is() {
    let (house, caller) = open(|_| {}).await;
    for path in ["tree", "connections", "topics", "journal"] {
        assert_eq!(caller.get("nonsense", path).await.0, 401, "{path}");
        assert_eq!(caller.get(VIEWER, path).await.0, 403, "{path}");
    }
    assert_eq!(caller.post("/api/v1/system/faults", json!({"hub": true})).await.0, 404, "absent unless configured");

    let mut walls = Vec::new();
    for _ in 0..3 {
        let mut wall = CableClient::connect(&house.url(), Some(VIEWER)).await.expect("welcomed");
        wall.subscribe(r#"{"channel":"StreamsChannel"}"#).await.expect("confirmed");
        walls.push(wall);
    }
    let (status, sockets) = caller.get(DEVELOPER, "connections").await;
    assert_eq!((status, &sockets["total"]["connections"]), (200, &json!(3)), "{sockets}");
    let cores = sockets["cores"].as_array().expect("cores");
    assert_eq!((cores.len(), &cores[1]["core"]), (2, &json!(1)));
    assert_eq!(cores.iter().filter_map(|core| core["connections"].as_u64()).sum::<u64>(), 3);
    assert!(sockets["connections_max"].as_u64().is_some_and(|most| most > 3) && sockets["rates"].is_object(), "{sockets}");

    let (status, topics) = caller.get(DEVELOPER, "topics?search=c:streams").await;
    assert_eq!(status, 200, "{topics}");
    let heard = &topics["data"][0];
    assert_eq!((&heard["subscriptions"], heard["cores"].as_array().map(Vec::len)), (&json!(3), Some(2)), "{topics}");
    assert_eq!((&topics["silent_cores"], &topics["has_more"]), (&json!([]), &json!(false)));
    assert_eq!(caller.get(DEVELOPER, "topics?search=nothing").await.1["data"], json!([]));

    caller.add("https://twitch.tv/a").await;
    let (status, journal) = caller.get(DEVELOPER, "journal").await;
    assert_eq!((status, &journal["head"]), (200, &journal["seen"]), "{journal}");
    assert!(journal["appended"].as_u64().is_some_and(|appended| appended > 0) && journal["stopped"].is_null(), "{journal}");
    assert!(journal["epoch"].is_string() && journal["append_latency"]["over_ms"].is_u64(), "{journal}");

    let watching = r#"{"channel":"SystemChannel"}"#;
    let mut guest = CableClient::connect(&house.url(), Some(VIEWER)).await.expect("welcomed");
    assert!(guest.subscribe(watching).await.is_err(), "not for everybody");
    let denied = "/api/v1/audit?action=access.denied&actor=viewer";
    let (_, log) = caller.say(ADMIN, Method::GET, denied, Value::Null).await;
    assert!(log["data"].as_array().is_some_and(|all| all.iter().any(|one| one["subject"] == "subscribe SystemChannel")), "{log}");
    let mut operator = CableClient::connect(&house.url(), Some(DEVELOPER)).await.expect("welcomed");
    operator.subscribe(watching).await.expect("confirmed");
    caller.add("https://twitch.tv/b").await;
    let told = operator.until(PATIENCE, |told| told.message["rates"]["deliveries"].as_f64().is_some_and(|rate| rate > 0.0)).await;
    let message = told.expect("deliveries were counted").message;
    assert_eq!((&message["action"], &message["figures"]["connections"]["total"]["connections"]), (&json!("system"), &json!(5)));
    for member in ["at", "tree", "journal", "append_latency"] {
        assert!(!message[member].is_null(), "{member}: {message}");
    }
    for client in walls.into_iter().chain([guest, operator]) {
        client.close().await;
    }
    drop(caller);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_down_who_was_denied_what_over_a_cable() {
    let (house, caller) = open(|_| {}).await;
    let (id, grid) = (caller.add("https://twitch.tv/a").await, r#"{"channel":"CollaborativeStreamsChannel"}"#);
    let mut guest = CableClient::connect(&house.url(), Some(VIEWER)).await.expect("welcomed");
    guest.subscribe(grid).await.expect("confirmed");
    for _ in 0..2 {
        guest.perform(grid, "lock_cell", json!({"cell_id": format!("stream_{id}_title")})).await.expect("sent");
        let refused = guest.until(PATIENCE, |told| !told.message["error"].is_null()).await.expect("an answer");
        assert_eq!(refused.message["error"], "You are not authorized to edit streams");
    }
    // Written beside the answer, which does not wait for it.
    let reading = async {
        loop {
            let (_, log) = caller.say(ADMIN, Method::GET, "/api/v1/audit?action=access.denied", Value::Null).await;
            match log["data"].as_array().expect("entries").is_empty() {
                true => tokio::time::sleep(Duration::from_millis(20)).await,
                false => return log,
            }
        }
    };
    let log = tokio::time::timeout(PATIENCE, reading).await.expect("it is written");
    let denied = log["data"].as_array().expect("entries");
    assert!(denied.iter().all(|one| one["actor"]["name"] == "viewer"), "{log}");
    assert!(denied.iter().all(|one| one["subject"].as_str().is_some_and(|subject| subject.starts_with("act on stream/"))), "{log}");
    guest.close().await;
    drop(caller);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taps_a_topic_for_operators_only_and_shows_every_frame_as_it_passes() {
    let (house, caller) = open(|_| {}).await;
    let tap = r#"{"channel":"SystemChannel","tap":"c:streams"}"#;
    let mut guest = CableClient::connect(&house.url(), Some(VIEWER)).await.expect("welcomed");
    assert!(guest.subscribe(tap).await.is_err(), "not for everybody");
    let mut operator = CableClient::connect(&house.url(), Some(DEVELOPER)).await.expect("welcomed");
    for wrong in [r#"{"channel":"SystemChannel","tap":"streams"}"#, r#"{"channel":"SystemChannel","tap":7}"#] {
        assert!(operator.subscribe(wrong).await.is_err(), "{wrong}");
    }
    operator.subscribe(tap).await.expect("confirmed");
    let ids = [caller.add("https://twitch.tv/a").await, caller.add("https://twitch.tv/b").await];
    for id in ids {
        let told = operator.until(PATIENCE, |_| true).await.expect("a frame");
        let (frame, message) = (&told.message, &told.message["message"]);
        assert_eq!((&frame["action"], &frame["topic"], told.identifier.as_str()), (&json!("frame"), &json!("c:streams"), tap));
        assert!(frame["offset"].is_u64(), "{frame}");
        assert_eq!((&message["action"], &message["stream"]["id"]), (&json!("created"), &json!(id)), "{frame}");
    }
    operator.unsubscribe(tap).await.expect("left");
    // Nobody confirms an unsubscribe; what is answered after it was read after it.
    assert!(operator.subscribe(r#"{"channel":"Nowhere"}"#).await.is_err());
    caller.add("https://twitch.tv/c").await;
    assert!(operator.until(Duration::from_millis(500), |_| true).await.is_err(), "nothing more is told");
    for client in [guest, operator] {
        client.close().await;
    }
    drop(caller);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn makes_an_entity_panic_where_the_deployment_lets_an_administrator() {
    let (house, caller) = open(|config| config.edge.demo_faults = true).await;
    let id = caller.add("https://twitch.tv/a").await;
    let faults = "/api/v1/system/faults";
    assert_eq!(caller.say(DEVELOPER, Method::POST, faults, json!({"stream": id})).await.0, 403);
    assert_eq!(caller.post(faults, json!({})).await.0, 422);
    assert_eq!(caller.post(faults, json!({"stream": id + 1})).await.0, 404);
    assert_eq!(caller.post(faults, json!({"entity": "unicorn/1"})).await.0, 404);
    let (status, done) = caller.post(faults, json!({"stream": id, "cause": "a browser test"})).await;
    assert_eq!((status, &done["cause"]), (200, &json!("a browser test")), "{done}");
    let key = done["entity"].as_str().and_then(|entity| entity.strip_prefix("stream/")).expect("its entity").to_owned();
    let child = caller.child("stream", &key).await;
    assert_eq!((&child["state"], &child["restarts"][0]["cause"]), (&json!("asleep"), &json!("a browser test")), "{child}");
    // It is there again for whoever asks.
    let path = format!("/api/v1/streams/{id}");
    assert_eq!(caller.say(ADMIN, Method::PATCH, &path, json!({"title": "alive"})).await.0, 200);
    assert_eq!(caller.child("stream", &key).await["state"], "awake");
    let (_, log) = caller.say(ADMIN, Method::GET, "/api/v1/audit?action=system.fault", Value::Null).await;
    assert_eq!((&log["data"][0]["subject"], &log["data"][0]["detail"]), (&done["entity"], &json!("a browser test")), "{log}");
    let (status, health) = caller.say(VIEWER, Method::GET, "/health/detailed", Value::Null).await;
    assert_eq!((status, &health["house"]["restarts"]), (200, &json!(1)), "{health}");
    drop(caller);
    house.close().await;
}

/// A hub of its own in a process of its own.
struct Process(Child);

impl Process {
    fn start(folder: &std::path::Path) -> (Self, Caller) {
        let mut config = String::from("[server]\nlisten = \"127.0.0.1:0\"\ndemo_faults = true\nstop_timeout_s = 1\n");
        config += &format!("[journal]\nurl = \"sled:{}\"\n", folder.join("data").display());
        for (name, key, role) in [("admin", ADMIN, "admin"), ("dev", DEVELOPER, "developer")] {
            config += &format!("[[bootstrap.api_key]]\nname = \"{name}\"\nkey = \"{key}\"\nrole = \"{role}\"\n");
        }
        let file = folder.join("trunkline.toml");
        std::fs::write(&file, config).expect("written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_trunkline"))
            .args(["serve", "--config"])
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let said = BufReader::new(child.stdout.take().expect("its output"));
        let greeting = "Trunkline is open at ";
        let mut lines = said.lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains(greeting)).expect("it says where it listens");
        let url = line.split(greeting).nth(1).expect("an address").trim().to_owned();
        // Read on, or its greeting would find a closed pipe.
        std::thread::spawn(move || lines.for_each(drop));
        (Self(child), Caller { client: Client::new(), url })
    }
    async fn exit_code(&mut self) -> Option<i32> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.0.try_wait().expect("its status") {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }
}
impl Drop for Process {
    fn drop(&mut self) {
        // An error: it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ends_its_process_when_it_failed_for_good_and_remembers_its_crashes_in_the_next_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut process, caller) = Process::start(folder.path());
    let id = caller.add("https://twitch.tv/a").await;
    let (_, done) = caller.post("/api/v1/system/faults", json!({"stream": id, "cause": "once upon a time"})).await;
    let key = done["entity"].as_str().and_then(|entity| entity.strip_prefix("stream/")).expect("its entity").to_owned();
    // Written down soon after, not at once: something else first.
    caller.add("https://twitch.tv/b").await;
    assert_eq!(caller.post("/api/v1/system/faults", json!({"hub": true, "cause": "the end"})).await.0, 200);
    assert_eq!(process.exit_code().await, Some(70), "whoever keeps the process starts it again");

    let (process, caller) = Process::start(folder.path());
    let child = caller.child("stream", &key).await;
    assert_eq!((&child["state"], &child["restarts"][0]["cause"]), (&json!("asleep"), &json!("once upon a time")), "{child}");
    let (_, tree) = caller.get(DEVELOPER, "tree").await;
    assert_eq!(
        (&tree["restarts"], &tree["failed"]),
        (&json!(0), &json!(null)),
        "counted since it opened; a new hub has not failed"
    );
    assert_eq!(tree["history"].as_array().map(Vec::len), Some(1), "{tree}");
    drop(process);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_every_account_to_its_administrator_however_many_there_are() {
    let (house, caller) = open(|config| {
        let account = |number| format!("u{number}@example.org");
        *config = (0..205).fold(config.clone(), |config, number| config.with_account(&account(number), "viewer", false));
    })
    .await;
    let mut list = Command::new(env!("CARGO_BIN_EXE_trunkline"));
    list.args(["user", "--url", &caller.url, "--api-key", ADMIN, "list"]);
    let listed = tokio::task::block_in_place(|| list.output()).expect("the binary runs");
    assert!(listed.status.success());
    let listed = String::from_utf8(listed.stdout).expect("text");
    for number in 0..205 {
        let address = format!(" u{number}@example.org");
        assert_eq!(listed.lines().filter(|line| line.ends_with(&address)).count(), 1, "{listed}");
    }
    house.close().await;
}
