//! What the binary says when it cannot start: which folder, which port, which setting, and what to do. Its exit code is never 0.

use std::{fs, process::Command};

use crate::child::{Child, HUB, journal_in};

fn refused(arguments: &[&str]) -> String {
    let output = Command::new(HUB).args(arguments).output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    assert!(said.starts_with("trunkline: ") && !said.contains("panicked"), "{arguments:?}: {said}");
    said
}

fn refused_journal(url: &str) -> String {
    refused(&["serve", "--listen", "127.0.0.1:0", "--journal", url])
}

#[test]
fn names_the_folder_that_it_cannot_use_and_leaves_it_alone() {
    let home = tempfile::tempdir().expect("a folder");
    let (journal, data) = journal_in(&home);
    let first = Child::start(&journal);
    let said = refused_journal(&journal);
    assert!(said.contains("in use by another process") && said.contains(&*data.to_string_lossy()), "{said}");
    first.kill();

    let marker = fs::read_to_string(data.join("format")).expect("a marker");
    let format = marker.lines().find(|line| line.starts_with("format ")).expect("it names its format");
    fs::write(data.join("format"), marker.replace(format, "format 999")).expect("written");
    let said = refused_journal(&journal);
    assert!(said.contains(&format!("has format 999, and this version reads {format}")), "{said}");
    fs::write(data.join("format"), "").expect("written");
    assert!(refused_journal(&journal).contains("format unknown"));
    fs::write(data.join("format"), &marker).expect("written");
    drop(Child::start(&journal));

    fs::write(data.join("db"), vec![0xa5; 100_000]).expect("spoiled");
    let said = refused_journal(&journal);
    assert!(said.contains(&*data.to_string_lossy()), "{said}");

    let stranger = home.path().join("stranger");
    fs::create_dir(&stranger).expect("a folder");
    fs::write(stranger.join("db"), "theirs").expect("written");
    let said = refused_journal(&format!("sled:{}", stranger.display()));
    assert!(said.contains("not a journal of this hub"), "{said}");
    assert_eq!(fs::read(stranger.join("db")).expect("still there"), b"theirs");

    let file = home.path().join("file");
    fs::write(&file, "").expect("written");
    let said = refused_journal(&format!("sled:{}/data", file.display()));
    assert!(said.contains("cannot be used"), "{said}");
}

#[test]
fn names_an_address_that_it_cannot_have_and_a_journal_that_there_is_not() {
    for (journal, sentence) in [
        ("redis://x", "expected `memory:` or `sled:FOLDER`"),
        ("sled:", "needs a folder"),
        ("", "is no journal"),
        ("memory:x", "is no journal"),
    ] {
        let said = refused_journal(journal);
        assert!(said.contains(sentence), "{journal}: {said}");
    }
    let said = refused(&["serve", "--listen", "203.0.113.7:1", "--journal", "memory:"]);
    assert!(said.contains("cannot listen on 203.0.113.7:1"), "{said}");
}

#[test]
fn names_every_mistake_of_a_configuration_at_once() {
    let home = tempfile::tempdir().expect("a folder");
    let config = home.path().join("wrong.toml");
    let path = config.to_string_lossy().into_owned();
    let text = r#"
sever = 1
[server]
listen = "nowhere"
workers = -1
connections_max = "many"
head_timeout_s = 0
[journal]
url = "redis://x"
[auth]
secret = "short"
[streams]
analytics = "sometimes"
[[bootstrap.user]]
email = "no address"
password = "x"
role = "emperor"
"#;
    fs::write(&config, text).expect("written");
    for command in ["serve", "check-config"] {
        let said = refused(&[command, "--config", &path]);
        for mistake in [
            "sever",
            "server.listen",
            "server.workers",
            "server.connections_max",
            "server.head_timeout_s",
            "journal.url",
            "auth.secret",
            "streams.analytics",
            "emperor",
        ] {
            assert!(said.contains(mistake), "{command} does not name {mistake}: {said}");
        }
    }
    fs::write(&config, "[server\nlisten = ").expect("written");
    assert!(
        refused(&["serve", "--config", &path]).contains("wrong.toml") || refused(&["serve", "--config", &path]).contains("TOML")
    );
    fs::write(&config, [0xff, 0xfe, 0x00]).expect("written");
    assert!(refused(&["serve", "--config", &path]).contains("wrong.toml"));
    assert!(refused(&["serve", "--config", &format!("{path}.not")]).contains("cannot be read"));
}
