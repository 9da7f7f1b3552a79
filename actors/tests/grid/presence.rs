//! Who is there (`streams.md` 8.4, `platform.md` 5).

use std::time::Duration;

use serde_json::{Value, json};

use super::hall::{GRID, Hall, count, editor};

fn names(message: &Value) -> Vec<&str> {
    message["users"].as_array().expect("users").iter().map(|user| user["user_name"].as_str().expect("a name")).collect()
}
fn last_list(heard: &[Value]) -> Option<&Value> {
    heard.iter().rev().find(|message| message["action"] == "active_users_list")
}

#[tokio::test(start_paused = true)]
async fn tells_the_newcomer_and_everyone_else_who_is_there() {
    let hall = Hall::open().await;
    let bo = hall.tab(&editor(3, "bo"), GRID, json!({})).await;
    let heard = hall.until(bo.topic(), |heard| count(heard, "active_users_list") == 1).await;
    assert_eq!(
        last_list(&heard),
        Some(&json!({"action": "active_users_list", "users": [
            {"user_id": 3, "user_name": "bo", "user_color": "#FFA07A", "inactive": false}
        ]}))
    );
    let ana = hall.tab(&editor(2, "ana"), GRID, json!({})).await;
    let _second = hall.tab(&editor(2, "ana"), GRID, json!({})).await;
    let heard = hall.until(bo.topic(), |heard| last_list(heard).is_some_and(|list| names(list).len() == 2)).await;
    assert_eq!(last_list(&heard).map(names), Some(vec!["ana", "bo"]), "one entry for two tabs, by id");
    ana.leave().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(last_list(&hall.heard_on(bo.topic())).map(names), Some(vec!["ana", "bo"]), "her other tab is open");
}

#[tokio::test(start_paused = true)]
async fn makes_few_lists_of_many_arrivals_and_leaves_no_ghosts() {
    let hall = Hall::open().await;
    let mut tabs = Vec::new();
    for n in 0..60 {
        tabs.push(hall.tab(&editor(2 + n, &format!("e{n}")), GRID, json!({})).await);
    }
    let heard = hall.until(tabs[0].topic(), |heard| last_list(heard).is_some_and(|list| names(list).len() == 60)).await;
    assert!(count(&heard, "active_users_list") <= 6, "{} lists", count(&heard, "active_users_list"));
    for tab in &tabs[1..] {
        tab.leave().await;
    }
    let heard = hall.until(tabs[0].topic(), |heard| last_list(heard).is_some_and(|list| names(list).len() == 1)).await;
    assert_eq!(last_list(&heard).map(names), Some(vec!["e0"]));
}

#[tokio::test(start_paused = true)]
async fn shows_the_idle_and_drops_the_silent() {
    let hall = Hall::open().await;
    let (bo, ana) = (hall.tab(&editor(3, "bo"), GRID, json!({})).await, hall.tab(&editor(2, "ana"), GRID, json!({})).await);
    for _ in 0..11 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(bo.act(json!({"action": "presence_ping"})).await.is_empty());
    }
    let heard = hall.heard_on(bo.topic());
    let inactive = |list: &Value| list["users"].as_array().expect("users").iter().filter(|user| user["inactive"] == true).count();
    assert_eq!(last_list(&heard).map(inactive), Some(2), "a ping is no activity");
    tokio::time::sleep(Duration::from_secs(62)).await;
    assert_eq!(last_list(&hall.heard_on(bo.topic())).map(names), Some(vec!["bo"]), "twelve minutes without a sign");
    ana.act(json!({"action": "presence_ping"})).await;
    hall.until(bo.topic(), |heard| last_list(heard).is_some_and(|list| names(list).len() == 2)).await;
}
