//! Dashboards (`streams.md` 8.2).

use serde_json::{Value, json};
use trunkline_actors::streams::stream::{Room, StreamCommand};
use trunkline_protocol::{Principal, Role};

use super::hall::{DASHBOARD, Hall, brief, count, person};

fn watcher() -> Principal {
    person(9, "wall", Role::Default)
}

#[tokio::test(start_paused = true)]
async fn tells_a_dashboard_of_each_of_a_thousand_creations_once_and_in_commit_order() {
    let hall = Hall::open().await;
    let tab = hall.tab(&watcher(), DASHBOARD, json!({})).await;
    for batch in 0..10 {
        let links: Vec<String> = (0..100).map(|n| format!("https://twitch.tv/s{}", batch * 100 + n)).collect();
        futures::future::join_all(links.iter().map(|link| hall.add(link))).await;
    }
    let heard = hall.until(tab.topic(), |heard| heard.len() >= 1000).await;
    assert_eq!((heard.len(), count(&heard, "created")), (1000, 1000));
    let told: Vec<u64> = heard.iter().filter_map(|message| message["stream"]["id"].as_u64()).collect();
    let mut ids = told.clone();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1000, "each once");
    assert_eq!(told, hall.added_in_journal(), "in commit order");
}

#[tokio::test(start_paused = true)]
async fn names_what_changed_and_says_nothing_where_nothing_did() {
    let hall = Hall::open().await;
    let tab = hall.tab(&watcher(), DASHBOARD, json!({})).await;
    let house = Principal::house();
    let id = hall.add("https://twitch.tv/a").await;
    let key = hall.key(id);
    hall.edit(id, json!({"title": "New"}), &house).await;
    hall.edit(id, json!({"title": "New"}), &house).await;
    hall.write(&key, StreamCommand::Pin { id }, &house).await;
    hall.write(&key, StreamCommand::Archive { id }, &house).await;
    hall.write(&key, StreamCommand::Unarchive { id, room: Room::Unknown }, &house).await;
    hall.write(&key, StreamCommand::Delete { id }, &house).await;
    let heard = hall.until(tab.topic(), |heard| count(heard, "deleted") == 1).await;
    let said: Vec<(&str, &str)> =
        heard.iter().map(|message| (message["action"].as_str().unwrap_or(""), message["event"].as_str().unwrap_or(""))).collect();
    assert_eq!(
        said,
        [
            ("created", "stream.created"),
            ("updated", "stream.updated"),
            ("updated", "stream.pinned"),
            ("archived", "stream.archived"),
            ("updated", "stream.updated"),
            ("archived", "stream.deleted"),
            ("deleted", "stream.deleted"),
        ]
    );
    assert_eq!(heard[1]["changes"], json!(["title"]));
    assert_eq!(heard[5], json!({"action": "archived", "event": "stream.deleted", "deleted": true, "stream": {"id": id}}));
    assert_eq!((&heard[1]["stream"]["title"], &heard[2]["stream"]["pinned"]), (&json!("New"), &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn tells_a_filtered_dashboard_what_comes_into_its_filter_and_what_goes_out_of_it() {
    let hall = Hall::open().await;
    let house = Principal::house();
    let tab = hall.tab(&watcher(), DASHBOARD, json!({"status": "Live"})).await;
    let again = hall.tab(&watcher(), DASHBOARD, json!({"status": ["live"], "room": 1})).await;
    assert_eq!(tab.topic(), again.topic(), "one topic, the same bytes");
    let quiet = hall.add("https://twitch.tv/quiet").await;
    let live = hall.add_with(json!({"link": "https://twitch.tv/live", "status": "live"})).await;
    hall.edit(quiet, json!({"status": "live"}), &house).await;
    hall.edit(live, json!({"title": "On air"}), &house).await;
    hall.edit(live, json!({"status": "offline"}), &house).await;
    hall.edit(live, json!({"title": "Off air"}), &house).await;
    hall.write(&hall.key(quiet), StreamCommand::Archive { id: quiet }, &house).await;
    let heard = hall.until(tab.topic(), |heard| count(heard, "archived") == 1).await;
    let said: Vec<Value> =
        heard.iter().map(|message| json!([message["action"], message["stream"]["id"], message["filter"]])).collect();
    assert_eq!(
        said,
        [
            json!(["created", live, null]),
            json!(["updated", quiet, "entered"]),
            json!(["updated", live, null]),
            json!(["updated", live, "left"]),
            json!(["archived", quiet, "left"]),
        ]
    );
    assert_eq!(brief(&heard, &["archived"], &["event"]), [json!({"event": "stream.archived"})]);
    hall.clear();
    tab.leave().await;
    again.leave().await;
    hall.add_with(json!({"link": "https://twitch.tv/later", "status": "live"})).await;
    let all = hall.tab(&watcher(), DASHBOARD, json!({})).await;
    hall.until(all.topic(), |heard| heard.len() == 1).await;
    assert!(hall.heard_on(tab.topic()).is_empty(), "nobody watches through that filter any more");
}

#[tokio::test(start_paused = true)]
async fn refuses_a_filter_that_could_never_match_and_people_who_may_not_read() {
    let hall = Hall::open().await;
    assert!(hall.try_tab(&watcher(), DASHBOARD, json!({"status": "asleep"})).await.is_err());
    let unscoped = Principal { permissions: ["tickets:scan"].into_iter().collect(), ..watcher() };
    assert!(hall.try_tab(&unscoped, DASHBOARD, json!({})).await.is_err());
    assert!(
        hall.try_tab(&Principal::anonymous(), DASHBOARD, json!({})).await.is_ok(),
        "the edge lets the unnamed in only where it may"
    );
    assert!(hall.try_tab(&watcher(), "NoSuchChannel", json!({})).await.is_err());
}
