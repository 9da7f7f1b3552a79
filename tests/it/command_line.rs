//! The command line as an operator uses it: accounts, tokens, and a channel followed in the terminal.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use crate::child::{ADMIN, Child, HUB};

/// Runs the tool against the hub at `url`, to its end.
async fn run(url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(HUB);
    command.args([&arguments[..1], &["--url", url], &arguments[1..]].concat());
    tokio::task::spawn_blocking(move || command.output()).await.expect("a thread").expect("the binary runs")
}

/// What it printed; it must have succeeded.
async fn told(url: &str, arguments: &[&str]) -> String {
    let output = run(url, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// Why it refused, in words.
async fn refused(url: &str, arguments: &[&str]) -> String {
    let output = run(url, arguments).await;
    assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// `trunkline user`, as the administrator.
fn user<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["user", "--api-key", ADMIN], more].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn makes_changes_and_closes_accounts_and_prints_tokens_for_them() {
    let hub = Child::start("memory:");
    let url = &format!("http://{}", hub.address);
    let added = told(url, &user(&["add", "ben@example.org", "--role", "editor"])).await;
    let (account, password) = added.trim().split_once("\npassword: ").expect("a password was made up");
    assert!(account.contains("editor") && account.ends_with("ben@example.org"), "{added}");
    let id = account.split_whitespace().next().expect("an id");
    assert!(told(url, &user(&["list"])).await.lines().any(|line| line == account), "{account}");
    let sign_in = ["token", "--email", "ben@example.org", "--password", password];
    let token = told(url, &sign_in).await;
    let token = token.trim();
    assert_eq!(token.split('.').count(), 3, "a JSON Web Token: {token}");

    assert!(refused(url, &user(&["add", "ben@example.org"])).await.contains("already"), "an address has one account");
    assert!(!refused(url, &["user", "--token", token, "list"]).await.is_empty(), "editors see no accounts");
    assert!(!refused(url, &["tail", "--token", token, "SystemChannel"]).await.is_empty(), "nor the system");
    assert!(told(url, &user(&["set", id, "--disabled"])).await.contains("(disabled)"));
    assert!(!refused(url, &sign_in).await.is_empty());
    assert!(!refused(url, &["tail", "--token", token]).await.is_empty(), "what was signed before is worth nothing now");
    assert!(!refused("http://127.0.0.1:1", &sign_in).await.is_empty(), "nobody is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn follows_a_channel_and_ends_after_as_many_messages_as_it_was_told() {
    let hub = Child::start("memory:");
    let url = format!("http://{}", hub.address);
    let tail = |more: &'static [&'static str]| {
        let mut command = Command::new(HUB);
        command.args(["tail", "--url", &url, "--api-key", ADMIN]).args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut following = command.spawn().expect("the binary runs");
        let mut heard = BufReader::new(following.stderr.take().expect("piped")).lines();
        let first = heard.next().expect("a line").expect("text");
        assert!(first.starts_with("following "), "{first}");
        following
    };
    let tails = tokio::task::block_in_place(|| [tail(&["--json", "-n", "2"]), tail(&["-n", "1", "-p", "status=live"])]);
    let door = hub.door();
    let links = ["https://example.org/one", "https://example.org/two"];
    for link in links {
        assert_eq!(door.post(link).await.expect("an answer").0, 201);
    }
    let live = json!({"link": "https://example.org/three", "source": "test", "status": "live"});
    assert_eq!(door.ask(ADMIN, reqwest::Method::POST, "/api/v1/streams", Some(live)).await.0, 201);
    let [all, filtered] = tails.map(|tail| tokio::task::block_in_place(|| tail.wait_with_output().expect("it ends")));
    assert!(all.status.success() && filtered.status.success());
    let heard: Vec<Value> = all.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let told: Vec<_> = heard.iter().map(|message| (&message["action"], &message["stream"]["link"])).collect();
    let [one, two] = links.map(Value::from);
    assert_eq!(told, [(&json!("created"), &one), (&json!("created"), &two)]);
    let line = String::from_utf8(filtered.stdout).expect("text");
    assert!(line.lines().count() == 1 && line.contains("example.org/three"), "{line}");
}
