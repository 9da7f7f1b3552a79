//! Less than is needed: file descriptors, and room on the disk. The hub refuses politely, lives, and serves again.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

use crate::{
    cable::harness::{HANDSHAKE, Raw},
    child::{ANA, BOT, Child, Door},
};

/// What the hub may open. `TRUNKLINE_TEST_OPEN_FILES` makes it more.
fn open_files() -> u32 {
    std::env::var("TRUNKLINE_TEST_OPEN_FILES").ok().and_then(|text| text.parse().ok()).unwrap_or(320)
}

async fn upgrade(door: &Door) -> Result<Raw, String> {
    let mut raw = Raw { stream: TcpStream::connect(door.address).await.map_err(|error| error.to_string())? };
    raw.send(HANDSHAKE.replace("/cable", &format!("/cable?token={ANA}"))).await;
    let answer = raw.answer().await;
    if answer.starts_with("HTTP/1.1 101") { Ok(raw) } else { Err(answer) }
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_more_sockets_than_it_may_open_and_lives() {
    // Both ends of every socket are ours here: this process needs room for them, too.
    let ours = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: ours.maximum, maximum: ours.maximum });
    let files = open_files();
    let mut hub = Child::with("memory:", Some(files), "head_timeout_s = 2");
    let door = hub.door();
    let mut inside = Vec::new();
    let mut refused = 0;
    for _ in 0..files * 2 {
        match upgrade(&door).await {
            Ok(raw) => inside.push(raw),
            Err(answer) => {
                assert!(answer.starts_with("HTTP/1.1 503") && answer.to_ascii_lowercase().contains("retry-after: "), "{answer}");
                refused += 1;
            }
        }
    }
    assert!(inside.len() > files as usize / 2, "only {} of {files} got in", inside.len());
    assert!(refused >= files, "{refused} were refused");
    assert_eq!(door.get("/health").await.0, 200, "who only asks is still answered");
    assert_eq!(door.post("https://example.org/full").await.expect("an answer").0, 201);

    // Sockets that say nothing take whatever is left; they are closed when their time is up, and whoever waited is served.
    let mut silent = Vec::new();
    for _ in 0..files {
        silent.push(TcpStream::connect(door.address).await.expect("the backlog takes it"));
    }
    let fresh = door.clone();
    let patient = timeout(Duration::from_secs(60), async move { Door::to(fresh.address).get("/health/live").await.0 });
    assert_eq!(patient.await.expect("served after the silent ones"), 200);
    let pinged = inside.first_mut().expect("one").frame().await;
    assert_eq!(pinged.0, 0x81, "who was inside noticed nothing");
    drop(silent);

    drop(inside);
    let began = Instant::now();
    let again = loop {
        match upgrade(&door).await {
            Ok(raw) => break raw,
            Err(answer) => assert!(began.elapsed() < Duration::from_secs(20), "{answer}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    drop(again);
    assert!(hub.lives());
    let (status, _) = tokio::task::spawn_blocking(move || hub.stop()).await.expect("stopped");
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_room_for_others_whatever_those_do_whom_it_refuses() {
    let ours = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: ours.maximum, maximum: ours.maximum });
    let files = open_files();
    let hub = Child::with("memory:", Some(files), "");
    let mut refused = Vec::new();
    for _ in 0..files + 80 {
        let mut raw = Raw { stream: TcpStream::connect(hub.address).await.expect("the backlog takes it") };
        raw.send(HANDSHAKE.replace("/cable", "/nowhere")).await;
        refused.push(tokio::spawn(async move {
            let mut status = [0; 12];
            raw.stream.read_exact(&mut status).await.expect("answered");
            // It has heard enough, and does not go at once.
            tokio::time::sleep(Duration::from_millis(300)).await;
            status
        }));
    }
    for refused in refused {
        let status = timeout(Duration::from_secs(60), refused).await.expect("in time").expect("answered");
        assert_eq!(&status, b"HTTP/1.1 404");
    }
    assert_eq!(hub.door().get("/health").await.0, 200);
    assert!(!hub.said().contains("nobody can be accepted"), "{}", hub.said());
}

/// A small disk of memory; `None` where this machine does not let us mount one.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "trunkline-test"]).arg(folder.path()).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

/// Asks until there is room.
async fn takes_again(door: &Door, link: &str) -> (u16, Value) {
    let began = Instant::now();
    loop {
        let answer = door.post(link).await.expect("an answer");
        if answer.0 == 201 {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn says_that_the_disk_is_full_loses_nothing_and_goes_on_when_there_is_room() {
    // The journal never touches its last 128 MiB.
    let Some(disk) = Disk::mount("192m") else {
        eprintln!("SKIPPED: this machine does not let us mount a small disk");
        return;
    };
    let journal = format!("sled:{}", disk.path().join("data").display());
    let hub = Child::start(&journal);
    let door = hub.door();
    let mut acknowledged = vec![door.post("https://example.org/first").await.expect("an answer")];
    let filler = disk.path().join("filler");
    let free = rustix::fs::statvfs(disk.path()).map(|disk| disk.f_bavail * disk.f_frsize).expect("its size");
    let room = free.saturating_sub(128 << 20).saturating_sub(2 << 20);
    std::fs::write(&filler, vec![1; usize::try_from(room).expect("small")]).expect("filled");
    let mut refusal = None;
    for number in 0..3_000 {
        let notes = "n".repeat(3_900);
        let body = json!({"link": format!("https://example.org/{number}"), "source": "test", "notes": notes});
        let (status, answer) = door.ask(BOT, reqwest::Method::POST, "/api/v1/streams", Some(body)).await;
        match status {
            201 => acknowledged.push((status, answer)),
            _ => {
                refusal = Some((status, answer));
                break;
            }
        }
    }
    let (status, problem) = refusal.expect("a disk that is full at last");
    assert_eq!((status, &problem["code"]), (503, &json!("DISK_FULL")), "{problem}");
    assert!(problem["error"].is_string());
    assert!(hub.said().contains("the disk is full"), "the night shift is told: {}", hub.said());
    for (_, row) in &acknowledged {
        assert_eq!(door.get(&format!("/api/v1/streams/{}", row["id"])).await.0, 200, "reading goes on");
    }
    // A little room is used, but neither it nor its end is news: at the edge the night shift would be told the one, then the other, for ever.
    let told = |what: &str| hub.said().matches(what).count();
    let file = std::fs::OpenOptions::new().write(true).open(&filler).expect("the filler");
    for number in 0..3 {
        file.set_len(room - (4 << 20)).expect("smaller");
        acknowledged.push(takes_again(&door, &format!("https://example.org/edge{number}")).await);
        let rest = std::fs::File::create(disk.path().join("rest")).expect("a file");
        let left = rustix::fs::statvfs(disk.path()).map(|disk| disk.f_bavail * disk.f_frsize).expect("its size");
        std::io::Write::write_all(&mut &rest, &vec![1; usize::try_from(left.saturating_sub(128 << 20)).expect("small")])
            .expect("full");
        assert_eq!(door.post("https://example.org/refused").await.expect("an answer").0, 503);
        std::fs::remove_file(disk.path().join("rest")).expect("removed");
    }
    assert_eq!((told("the disk is full"), told("the disk has room again")), (1, 0), "{}", hub.said());
    drop(file);
    std::fs::remove_file(&filler).expect("removed");
    acknowledged.push(takes_again(&door, "https://example.org/after").await);
    assert_eq!((told("the disk is full"), told("the disk has room again")), (1, 1), "{}", hub.said());
    tokio::task::spawn_blocking(move || hub.kill()).await.expect("killed");
    let hub = Child::start(&journal);
    let there = hub.door().streams().await;
    for (_, row) in &acknowledged {
        assert!(there.iter().any(|(_, id)| Some(*id) == row["id"].as_u64()), "{} was acknowledged", row["link"]);
    }
    assert_eq!(there.len(), acknowledged.len(), "and nothing that was refused is there");
    drop(hub);
}

#[tokio::test(flavor = "multi_thread")]
async fn serves_others_while_slow_clients_dribble() {
    let hub = Child::with("memory:", None, "head_timeout_s = 2\nbody_timeout_s = 2");
    let door = hub.door();
    let head =
        format!("POST /api/v1/streams HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {BOT}\r\nContent-Type: application/json\r\n");
    let mut dribblers = Vec::new();
    for number in 0..40 {
        let mut raw = Raw { stream: TcpStream::connect(hub.address).await.expect("connected") };
        let says = if number % 2 == 0 { head.clone() } else { format!("{head}Content-Length: 1000\r\n\r\n{{") };
        dribblers.push(tokio::spawn(async move {
            raw.send(says).await;
            // One byte at a time, for ever: a timer that begins anew with each byte never ends.
            let (mut read, mut write) = raw.stream.into_split();
            let dribble = tokio::spawn(async move {
                while tokio::io::AsyncWriteExt::write_all(&mut write, b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
            let mut answer = Vec::new();
            let ended = timeout(Duration::from_secs(20), read.read_to_end(&mut answer)).await;
            dribble.abort();
            (ended.is_ok(), String::from_utf8_lossy(&answer).into_owned())
        }));
    }
    for number in 0..30 {
        let (status, row) = door.post(&format!("https://example.org/quick{number}")).await.expect("an answer");
        assert_eq!(status, 201, "{row}");
    }
    for dribbler in dribblers {
        let (ended, answer) = dribbler.await.expect("ended");
        assert!(ended, "a connection that never ends its request is closed: {answer}");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    assert_eq!(door.streams().await.len(), 30);
}
