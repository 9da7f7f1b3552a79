//! A hub in a process of its own: the real binary on a free port, with an admin, two bots and two editors who know their keys.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child as Process, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Client, Method};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::{client_async, tungstenite::client::IntoClientRequest as _};

use crate::cable::harness::Cable;

pub const HUB: &str = env!("CARGO_BIN_EXE_trunkline");
pub const ADMIN: &str = "tl_admin_0123456789abcdef";
pub const BOT: &str = "tl_bot_0123456789abcdef";
pub const ANA: &str = "tl_ana_0123456789abcdef";
pub const BO: &str = "tl_bo_0123456789abcdef";

const ACCOUNTS: &str = r#"
[limits]
anonymous_per_minute = 1000000
user_per_minute = 1000000
service_per_minute = 1000000
[auth]
password_memory_kib = 64
password_passes = 1
[telemetry]
log = "warn"
[[bootstrap.user]]
email = "root@example.org"
password = "Example-password-1"
role = "admin"
[[bootstrap.api_key]]
name = "admin"
key = "tl_admin_0123456789abcdef"
role = "admin"
[[bootstrap.api_key]]
name = "bot"
key = "tl_bot_0123456789abcdef"
role = "editor"
[[bootstrap.api_key]]
name = "ana"
key = "tl_ana_0123456789abcdef"
role = "editor"
[[bootstrap.api_key]]
name = "bo"
key = "tl_bo_0123456789abcdef"
role = "editor"
"#;

pub struct Child {
    process: Process,
    pub address: SocketAddr,
    folder: TempDir,
}

impl Child {
    /// Started, and listening.
    pub fn start(journal: &str) -> Self {
        Self::with(journal, None, "")
    }
    /// The same, allowed so many open files, and with more lines under `[server]`.
    pub fn with(journal: &str, open_files: Option<u32>, server: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("hub.toml");
        let text = format!("[server]\nlisten = \"127.0.0.1:0\"\nworkers = 2\n{server}\n[journal]\nurl = \"{journal}\"\n{ACCOUNTS}");
        std::fs::write(&config, text).expect("a file");
        let mut command = Command::new(if open_files.is_some() { "sh" } else { HUB });
        if let Some(open_files) = open_files {
            command.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &open_files.to_string(), HUB]);
        }
        command.args(["serve", "--config"]).arg(config).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::create(folder.path().join("said")).expect("a file"));
        let mut process = command.spawn().expect("the binary runs");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.split_once("open at http")?.1.split_once("://")?.1.trim().parse().ok());
        // Read on, so that it never waits for us.
        std::thread::spawn(move || lines.count());
        let address =
            address.unwrap_or_else(|| panic!("it did not start: {:?}", std::fs::read_to_string(folder.path().join("said"))));
        Self { process, address, folder }
    }
    /// What it wrote to standard error so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }
    /// Its number.
    pub fn pid(&self) -> i32 {
        self.process.id().cast_signed()
    }
    /// `SIGKILL`: nothing is told, nothing is flushed.
    pub fn kill(mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("gone");
    }
    /// `SIGTERM`; how it ended and how long that took.
    pub fn stop(mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("told");
        (self.process.wait().expect("gone"), began.elapsed())
    }
    pub fn lives(&mut self) -> bool {
        self.process.try_wait().expect("asked").is_none()
    }
    /// Through which it may be asked.
    pub fn door(&self) -> Door {
        Door { client: Client::builder().timeout(Duration::from_secs(30)).build().expect("a client"), address: self.address }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A story that failed leaves no hub behind.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client of some hub.
#[derive(Clone)]
pub struct Door {
    pub client: Client,
    pub address: SocketAddr,
}

impl Door {
    pub fn to(address: SocketAddr) -> Self {
        Self { client: Client::new(), address }
    }
    pub async fn try_ask(&self, key: &str, method: Method, path: &str, body: Option<&Value>) -> reqwest::Result<(u16, Value)> {
        let request = self.client.request(method, format!("http://{}{path}", self.address));
        let request = if key.is_empty() { request } else { request.bearer_auth(key) };
        let request = if let Some(body) = body { request.json(body) } else { request };
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
    pub async fn ask(&self, key: &str, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        self.try_ask(key, method, path, body.as_ref()).await.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }
    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.ask(BOT, Method::GET, path, None).await
    }
    pub async fn post(&self, link: &str) -> reqwest::Result<(u16, Value)> {
        self.try_ask(BOT, Method::POST, "/api/v1/streams", Some(&json!({"link": link, "source": "test"}))).await
    }
    /// The link and id of every stream there is.
    pub async fn streams(&self) -> Vec<(String, u64)> {
        let (mut all, mut page) = (Vec::new(), 1);
        loop {
            let (status, list) = self.get(&format!("/api/v1/streams?per_page=100&page={page}&is_archived=all&sort=created")).await;
            assert_eq!(status, 200, "{list}");
            let rows = list["streams"].as_array().expect("a list").iter();
            all.extend(rows.map(|row| (row["link"].as_str().expect("a link").to_owned(), row["id"].as_u64().expect("an id"))));
            if list["meta"]["next_page"].is_null() {
                return all;
            }
            page += 1;
        }
    }
    /// A welcomed client.
    pub async fn cable(&self, key: &str) -> Cable {
        let mut request = format!("ws://{}/cable?token={key}", self.address).into_client_request().expect("an address");
        request.headers_mut().insert("sec-websocket-protocol", "actioncable-v1-json".parse().expect("a header"));
        let stream = TcpStream::connect(self.address).await.expect("connected");
        let (socket, _) = client_async(request, stream).await.expect("upgraded");
        let mut cable = Cable { socket };
        assert_eq!(cable.hear().await["type"], "welcome");
        cable
    }
}

/// `sled:` in a folder that outlives the hubs on it.
pub fn journal_in(folder: &TempDir) -> (String, PathBuf) {
    let path = folder.path().join("data");
    (format!("sled:{}", path.display()), path)
}
