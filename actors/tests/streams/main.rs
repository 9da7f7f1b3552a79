//! Streams on a whole hub over the memory journal: what only several entities together can show.

mod links;

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use serde_json::{Value, json};
use trunkline_actors::{
    AskError, Hub, Plan,
    accounts::policy,
    moderation::{
        self, Pipeline, Submitted,
        stages::{Duplicate, IgnoreList, Trusted},
    },
    streams::{
        self, StreamsConfig,
        board::{Board, NoOwners, StreamRow},
        stream::{Changes, Draft, Room, StreamCommand},
        writing::{self, Added},
    },
    testing,
};
use trunkline_persistence::MemoryJournal;
use trunkline_protocol::{Principal, Role, UserId};

async fn hub(config: StreamsConfig) -> Hub {
    hub_on(MemoryJournal::new(), config).await
}

async fn hub_on(journal: Arc<MemoryJournal>, config: StreamsConfig) -> Hub {
    let mut plan = Plan::new();
    let known = streams::plan(&mut plan, config, Arc::new(NoOwners));
    let stages = Pipeline::new().stage(Trusted).stage(IgnoreList(known.ignore_lists)).stage(Duplicate(known.board));
    moderation::plan(&mut plan, stages);
    testing::hub_on(plan, journal).await
}

fn bot(user: u64) -> Principal {
    let permissions = policy::permissions(Role::Service, true);
    Principal { user: UserId(user), email: "bot@example.com".into(), role: Role::Service, permissions, ..Principal::house() }
}

async fn post(hub: &Hub, by: &Principal, body: Value) -> Result<Added, AskError> {
    let draft = Draft::try_from(body.as_object().expect("an object"))?;
    match writing::submit(hub, draft, hub.asking(by)).await? {
        Submitted::Made(added) => Ok(added),
        Submitted::Held { case } => panic!("held as {case}"),
    }
}

async fn posted(hub: &Hub, by: &Principal, body: Value) -> StreamRow {
    let added = post(hub, by, body).await.expect("allowed");
    writing::row_after(hub, added.id, added.position).await.expect("a row")
}

async fn change(hub: &Hub, id: u64, body: Value) -> Result<StreamRow, AskError> {
    let changes = Changes::try_from(body.as_object().expect("an object"))?;
    let outcome = writing::change(hub, id, changes, None, hub.asking(&bot(7))).await?;
    writing::row_after(hub, id, outcome.position).await
}

#[tokio::test]
async fn makes_one_stream_of_many_simultaneous_posts_of_one_link() {
    let hub = hub(StreamsConfig::default()).await;
    for round in 0..20 {
        let spellings = ["https://twitch.tv/ana", "http://www.twitch.tv/ana/", "  HTTPS://WWW.Twitch.tv/ana"];
        let bots: Vec<Principal> = (1..=30).map(bot).collect();
        let posts = bots.iter().enumerate().map(|(n, by)| {
            post(&hub, by, json!({"link": format!("{}{round}", spellings[n % 3].trim_end_matches('/')), "source": "Discord"}))
        });
        let came: Vec<Added> = join_all(posts).await.into_iter().map(|came| came.expect("allowed")).collect();
        assert_eq!(came.iter().filter(|added| added.created).count(), 1, "round {round}");
        assert!(came.iter().all(|added| added.id == came[0].id), "{came:?}");
        assert!(hub.projection::<Board>().row(came[0].id).is_some(), "whoever was answered finds it");
    }
    assert_eq!(hub.projection::<Board>().len(), 20);
    hub.close().await;
}

#[tokio::test]
async fn makes_one_stream_of_a_submitters_own_id_whatever_the_links() {
    let hub = hub(StreamsConfig::default()).await;
    let me = bot(7);
    let posts = (0..20).map(|n| post(&hub, &me, json!({"link": format!("https://a.example/{n}"), "external_id": "monitor_1"})));
    let came: Vec<Added> = join_all(posts).await.into_iter().map(|came| came.expect("allowed")).collect();
    assert_eq!(came.iter().filter(|added| added.created).count(), 1);
    assert!(came.iter().all(|added| added.id == came[0].id));
    let other = post(&hub, &bot(8), json!({"link": "https://a.example/99", "external_id": "monitor_1"})).await.expect("allowed");
    assert!(other.created, "another submitter's ids are its own");
    let later = posted(&hub, &me, json!({"link": "https://b.example/1", "external_id": "monitor_1", "title": "Found again"})).await;
    assert_eq!((later.id(), later.stream().title.as_deref()), (came[0].id, Some("Found again")));
    hub.close().await;
}

#[tokio::test]
async fn finds_or_adds_the_place_and_the_streamer_of_a_post() {
    let hub = hub(StreamsConfig::default()).await;
    let row = |n: u32| json!({"link": format!("https://www.tiktok.com/@ana/live{n}"), "source": "Discord", "city": "Seattle", "state": "WA"});
    let (first, second) = (posted(&hub, &bot(7), row(1)).await, posted(&hub, &bot(8), row(2)).await);
    let shown = serde_json::to_value(&first).expect("JSON");
    assert_eq!(shown["location"]["display_name"], "Seattle, WA");
    assert_eq!(shown["streamer"]["name"], "ana");
    assert_eq!(first.stream().location, second.stream().location);
    assert_eq!(first.stream().streamer, second.stream().streamer);
    let moved = change(&hub, first.id(), json!({"city": "Portland"})).await.expect("changed");
    assert_eq!(moved.location.as_ref().map(|row| row.place.display_name()).as_deref(), Some("Portland, WA"));
    let cleared = change(&hub, first.id(), json!({"location": null})).await.expect("changed");
    assert_eq!((cleared.stream().location, cleared.stream().city.as_deref()), (None, None));
    for (body, sentence) in
        [(json!({"location_id": 999}), "Location must exist"), (json!({"streamer_id": 999}), "Streamer must exist")]
    {
        assert_eq!(change(&hub, first.id(), body).await.expect_err("refused").to_string(), sentence);
    }
    hub.close().await;
}

#[tokio::test]
async fn refuses_a_city_that_nobody_vouches_for_where_the_deployment_says_so() {
    let hub = hub(StreamsConfig { location_validation: true, ..StreamsConfig::default() }).await;
    let came = post(&hub, &bot(7), json!({"link": "https://a.example/1", "city": "Atlantis"})).await;
    let expected = "Location validation failed: City is not a recognized city. Please contact an admin to add it.";
    assert_eq!(came.expect_err("refused").to_string(), expected);
    assert!(hub.projection::<Board>().is_empty());
    hub.close().await;
}

#[tokio::test]
async fn keeps_a_link_to_one_active_stream_also_when_links_are_edited() {
    let hub = hub(StreamsConfig::default()).await;
    let me = bot(7);
    let taken = "Link has already been taken";
    let one = posted(&hub, &me, json!({"link": "https://a.example/1"})).await.id();
    let two = posted(&hub, &me, json!({"link": "https://a.example/2"})).await.id();
    let came = change(&hub, one, json!({"link": "https://www.a.example/2/"})).await;
    assert_eq!(came.expect_err("refused").to_string(), taken);
    // It moves to a free link: the link finds it, and its old one is free.
    change(&hub, one, json!({"link": "https://a.example/3"})).await.expect("moved");
    let found = post(&hub, &me, json!({"link": "http://a.example/3"})).await.expect("allowed");
    assert_eq!((found.id, found.created), (one, false));
    let four = post(&hub, &me, json!({"link": "https://a.example/1"})).await.expect("allowed");
    assert!(four.created);
    let home = change(&hub, one, json!({"link": "https://a.example/1"})).await;
    assert_eq!(home.expect_err("refused").to_string(), taken);
    let other = change(&hub, two, json!({"link": "https://a.example/3"})).await;
    assert_eq!(other.expect_err("refused").to_string(), taken);
    // Archived, it gives the borrowed link up, and cannot come back while a new session has it.
    let ask = |command| writing::ask(&hub, one, command, hub.asking(&me));
    let archived = ask(StreamCommand::Archive { id: one }).await.expect("archived");
    hub.seen(archived.position).await.expect("seen");
    let five = posted(&hub, &me, json!({"link": "https://a.example/3"})).await.id();
    assert!(five != one);
    assert_eq!(ask(StreamCommand::Unarchive { id: one, room: Room::Unknown }).await.expect_err("refused").to_string(), taken);
    // Nor because somebody found it live: what was found is kept, the archive keeps it.
    let found = change(&hub, one, json!({"status": "live"})).await.expect("noted");
    assert_eq!((found.stream().status.key(), found.stream().is_archived), ("live", true));
    let gone =
        writing::ask(&hub, five, StreamCommand::Delete { id: five }, hub.asking(&Principal::house())).await.expect("deleted");
    hub.seen(gone.position).await.expect("seen");
    assert!(!ask(StreamCommand::Unarchive { id: one, room: Room::Unknown }).await.expect("unarchived").facts.is_empty());
    let archived = ask(StreamCommand::Archive { id: one }).await.expect("archived again");
    hub.seen(archived.position).await.expect("seen");
    let found = change(&hub, one, json!({"status": "live"})).await.expect("live");
    assert!(!found.stream().is_archived, "its link is free: live again, it comes back");
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn archives_by_itself_what_nothing_was_heard_of() {
    let hub = hub(StreamsConfig { auto_archive: Some(Duration::from_secs(600)), ..StreamsConfig::default() }).await;
    let forgotten = posted(&hub, &bot(7), json!({"link": "https://a.example/1"})).await.id();
    let live = posted(&hub, &bot(7), json!({"link": "https://a.example/2", "status": "live"})).await.id();
    let board = hub.projection::<Board>();
    let is_archived = |id: u64| board.kept(id).map(|kept| kept.stream.is_archived);
    tokio::time::sleep(Duration::from_secs(590)).await;
    assert_eq!(is_archived(forgotten), Some(false));
    tokio::time::sleep(Duration::from_secs(130)).await;
    assert_eq!((is_archived(forgotten), is_archived(live)), (Some(true), Some(false)));
    hub.close().await;
}
