//! The rules that one file can break: who may name what, which way imports go, what the documents mention.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// Every file under `folder` that ends so, with its text; paths relative to the root.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                let skipped =
                    path.file_name().is_some_and(|name| ["target", "node_modules", ".git"].iter().any(|skip| name == *skip));
                if !skipped {
                    folders.push(path);
                }
            } else if path.to_string_lossy().ends_with(ending) {
                let name = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).unwrap_or_default()));
            }
        }
    }
    found
}

/// Lines that are code, not comment.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

fn names(text: &str, word: &str) -> bool {
    code(text).any(|line| line.contains(&format!("{word}::")) || line.contains(&format!("use {word};")))
}

#[test]
fn keeps_each_package_in_its_room() {
    let rooms: [(&str, &[&str]); 5] = [
        ("bincode", &["protocol/src/codec.rs", "protocol/src/codec/"]),
        ("sled", &["persistence/src/sled_journal"]),
        ("ractor", &["actors/src/"]),
        ("tokio_tungstenite", &["src/edge/", "src/links.rs", "src/client.rs", "src/client/"]),
        ("tracing_subscriber", &["src/telemetry.rs"]),
    ];
    for folder in ["protocol/src", "persistence/src", "actors/src", "src"] {
        for (name, text) in files(folder, ".rs") {
            for (package, allowed) in rooms {
                let at_home = allowed.iter().any(|room| name.starts_with(room));
                assert!(at_home || !names(&text, package), "{name} names {package}, whose room is {allowed:?}");
            }
        }
    }
}

#[test]
fn imports_downwards_only() {
    let never: [(&str, &[&str]); 4] = [
        ("protocol/src", &["tokio", "trunkline_persistence", "trunkline_actors"]),
        ("persistence/src", &["trunkline_actors", "actix", "actix_web"]),
        ("actors/src", &["actix", "actix_web", "actix_http", "reqwest", "std::fs", "std::env"]),
        ("src", &["ractor"]),
    ];
    for (floor, foreign) in never {
        for (name, text) in files(floor, ".rs") {
            for package in foreign {
                assert!(!names(&text, package), "{name} names {package}");
            }
        }
    }
    for (name, text) in files("actors/src/engine", ".rs") {
        for wing in ["accounts", "streams", "moderation", "pubsub", "system", "wings"] {
            assert!(
                !code(&text).any(|line| line.contains(&format!("crate::{wing}"))),
                "{name} of the engine imports the wing {wing}"
            );
        }
    }
}

#[test]
fn has_a_name_for_everything() {
    for folder in ["protocol/src", "persistence/src", "actors/src", "src"] {
        for (name, text) in files(folder, ".rs") {
            let file = name.rsplit('/').next().unwrap_or(&name);
            let nameless = ["common.rs", "utils.rs", "util.rs", "types.rs", "messages.rs", "helpers.rs", "mod.rs"];
            assert!(!nameless.contains(&file), "{name} is a thing without a name");
            let is_tests = name.ends_with("tests.rs") || name.contains("/tests/");
            assert!(is_tests || text.starts_with("//!"), "{name} does not open with what it is");
        }
    }
}

#[test]
fn says_nothing_of_one_machine() {
    for ending in [".rs", ".md", ".toml", ".mjs", ".js", "Makefile", ".yml"] {
        for (name, text) in files(".", ending) {
            for place in ["/home/", "/root/", "/work/", "/farm/"] {
                let said = text.lines().any(|line| line.contains(place) && !line.contains(&format!("\"{place}\"")));
                assert!(!said, "{name} names a path of one machine ({place})");
            }
        }
    }
}

#[test]
fn mentions_everything_it_is_made_of_in_the_documents() {
    let documents: String = files("docs", ".md").into_iter().map(|(_, text)| text).collect();
    let plan = trunkline::house::plan(&trunkline::config::Config::standard()).expect("the standard plan");
    assert!(plan.lines().len() > 20, "a plan lists what a hub is made of");
    for line in plan.lines() {
        // `projection  board (schema 1)`, `worker      presence, every 50ms`.
        let name = line.split_once(' ').map_or("", |(_, rest)| rest).split([',', '(']).next().unwrap_or_default().trim();
        assert!(documents.contains(&format!("`{name}`")), "no document mentions `{name}` ({line})");
    }
}

#[test]
fn numbers_its_decisions_without_a_gap() {
    let mut decisions = files("docs/decisions", ".md");
    decisions.sort();
    for (number, (name, text)) in (1..).zip(&decisions) {
        let file = name.rsplit('/').next().unwrap_or(name);
        assert!(file.starts_with(&format!("{number:04}-")), "{name} is the decision {number:04}");
        assert!(text.starts_with(&format!("# {number:04}: ")), "{name} is headed by its number");
    }
}

#[test]
fn proves_every_row_of_the_cables_contract_with_a_test_that_is_there() {
    let proofs = fs::read_to_string(root().join("docs/cable-proofs.md")).expect("the document");
    let (mut file, mut found) = (String::new(), 0);
    for quoted in proofs.lines().filter(|line| line.starts_with("| ")).flat_map(|line| line.split('`').skip(1).step_by(2)) {
        if quoted.contains('/') {
            file = fs::read_to_string(root().join(quoted)).unwrap_or_else(|error| panic!("{quoted}: {error}"));
            continue;
        }
        let named = [format!("fn {quoted}("), format!("test(\"{quoted}"), format!("test(`{quoted}")];
        assert!(named.iter().any(|name| file.contains(name)), "there is no test `{quoted}`");
        found += 1;
    }
    assert!(found > 50, "the table is there: {found}");
}
