//! The feed that a bot really sends (`examples/data`, or the larger one beside the workspace), through the rules alone: link, draft,
//! ignore lists, one entity per link. Each line says what should become of it.

use std::{collections::HashMap, fs, path::PathBuf};

use serde_json::{Map, Value};
use trunkline_protocol::{CommandId, Commit, EntityId, Principal, Turn, UserId, codec};

use super::{
    ignore_list::{Entry, EntryWish, IgnoreFact, IgnoreLists, IgnoreRegistry},
    stream::{DUPLICATE, Draft, Stream, StreamCommand, StreamFact},
    writing,
};
use crate::{
    Entity, Projection, Written,
    accounts::policy,
    moderation::stages::Ignored,
    testing::{MOMENT, asking},
};

fn folder() -> Option<PathBuf> {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["../shared/data", "../../shared/data", "examples/data"].map(|folder| workspace.join(folder));
    folders.into_iter().find(|folder| folder.join("livestreams.jsonl").exists())
}

fn ignore_lists(expected: &Value) -> IgnoreLists {
    let lists = IgnoreLists::default();
    let entries = expected["ignore_list"].as_array().expect("a list of entries");
    for (id, entry) in (1_u64..).zip(entries) {
        let wish = EntryWish::from(entry.as_object().expect("an entry"));
        let entry: Entry = wish.entry(None).expect("a valid entry");
        let facts = vec![codec::seal(&IgnoreFact::Added { id, entry })];
        let turn = Turn { command: CommandId::new(), by: UserId::HOUSE, connection: None, facts };
        let entity = EntityId::new(IgnoreRegistry::KIND, "all");
        lists.fold(&Commit { entity, version: id, position: id, at: MOMENT, turns: vec![turn] }).expect("a known fact");
    }
    lists
}

fn outcome(body: &Map<String, Value>, lists: &IgnoreLists, streams: &mut HashMap<String, Stream>, id: u64) -> &'static str {
    let Ok(draft) = Draft::try_from(body) else { return "invalid" };
    if Ignored::listed(lists, &writing::submission(&draft)).is_some() {
        return "blocked";
    }
    let service = Principal {
        user: UserId(7),
        permissions: policy::key_permissions(trunkline_protocol::Role::Editor, &[]),
        ..Principal::house()
    };
    let asking = asking(&service);
    let stream = streams.entry(draft.link.canonical().to_owned()).or_default();
    match stream.decide(&StreamCommand::Add { id, draft: draft.into(), reclaim: None }, &asking) {
        Err(refusal) if refusal.code == DUPLICATE => "duplicate",
        Err(refusal) => panic!("{refusal:?}"),
        Ok(decision) => {
            let written = Written { version: 1, at: asking.at, command: asking.command };
            decision.facts.iter().for_each(|fact| stream.apply(fact, &written));
            if matches!(decision.facts[0], StreamFact::StreamAdded { .. }) { "created" } else { "duplicate" }
        }
    }
}

#[test]
fn makes_of_every_line_of_the_feed_what_the_line_expects() {
    // A checkout without either feed has nothing to tell here.
    let Some(folder) = folder() else { return };
    let expected = fs::read_to_string(folder.join("livestreams.expected.json")).expect("the expected totals");
    let expected: Value = serde_json::from_str(&expected).expect("JSON");
    let lists = ignore_lists(&expected);
    let feed = fs::read_to_string(folder.join("livestreams.jsonl")).expect("the feed");
    let (mut streams, mut totals) = (HashMap::new(), HashMap::<&str, u64>::new());
    for (id, line) in (1_u64..).zip(feed.lines().filter(|line| !line.trim().is_empty())) {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let came = outcome(line["body"].as_object().expect("a body"), &lists, &mut streams, id);
        assert_eq!(Some(came), line["expect"].as_str(), "{line}");
        *totals.entry(came).or_default() += 1;
    }
    for (outcome, count) in expected["totals"].as_object().expect("totals") {
        assert_eq!(totals.get(outcome.as_str()).copied(), count.as_u64(), "{outcome}");
    }
}
