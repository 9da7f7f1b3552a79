//! Editors and their cells (`streams.md` 8.3 to 8.6).

use std::time::Duration;

use serde_json::{Value, json};
use trunkline_actors::streams::board::Board;
use trunkline_protocol::{Principal, Role, limits::LEASE};

use super::hall::{GRID, Hall, Tab, brief, count, editor, person};

const CELLS: &[&str] = &["cell_locked", "cell_updated", "cell_unlocked"];

#[tokio::test(start_paused = true)]
async fn tells_everyone_of_a_lock_and_the_loser_alone_who_holds_it() {
    let hall = Hall::open().await;
    let id = hall.add("https://twitch.tv/a").await;
    let (ana, bo) = (editor(2, "ana"), editor(3, "bo"));
    let (anas, bos) = (hall.tab(&ana, GRID, json!({})).await, hall.tab(&bo, GRID, json!({})).await);
    let cell = format!("stream_{id}_title");
    assert!(anas.lock(&cell).await.is_empty());
    let heard = hall.until(anas.topic(), |heard| count(heard, "cell_locked") == 1).await;
    let locked = heard.iter().find(|message| message["action"] == "cell_locked").expect("locked");
    assert_eq!(
        *locked,
        json!({
            "action": "cell_locked", "cell_id": cell, "user_id": 2, "user_name": "ana", "user_color": "#45B7D1",
            "expires_in": 30, "user": 2, "resource": "stream", "resource_id": id, "field": "title",
        })
    );
    let told = bos.lock(&cell).await;
    assert_eq!(brief(&told, &["cell_locked"], &["user_id", "user_name", "cell_id"]).len(), 1);
    assert_eq!(told[0]["user_name"], "ana");
    assert_eq!((&told[1]["error"], &told[1]["cell_id"]), (&json!("Cell is locked by another user"), &json!(cell)));
    let told = bos.update(id, "title", "mine").await;
    assert_eq!(told[0]["error"], "Cell is locked by another user");
    assert!(anas.update(id, "title", "New").await.is_empty(), "the subscription lives, and so does hers");
    assert!(bos.lock(&cell).await.is_empty(), "and his: the cell is free");
}

#[tokio::test(start_paused = true)]
async fn says_updated_before_unlocked_and_echoes_the_stream_id_as_it_came() {
    let hall = Hall::open().await;
    let id = hall.add("https://twitch.tv/a").await;
    let ana = editor(2, "ana");
    let tab = hall.tab(&ana, GRID, json!({})).await;
    let cell = format!("stream_{id}_status");
    let update = |stream_id: Value| json!({"action": "update_cell", "cell_id": cell, "stream_id": stream_id, "field": "status", "value": "Live"});
    tab.lock(&cell).await;
    tab.act(update(json!(id.to_string()))).await;
    let heard = hall.until(tab.topic(), |heard| count(heard, "cell_unlocked") == 1).await;
    let members = ["action", "value", "stream_id", "user_id", "reason"];
    let said = brief(&heard, CELLS, &members);
    let status = |said: &[Value]| said.iter().position(|message| message["action"] == "cell_updated" && message["value"] == "live");
    assert!(status(&said).is_some(), "the stored value, not the one sent: {said:?}");
    assert_eq!(
        said.last(),
        Some(&json!({"action": "cell_unlocked", "value": null, "stream_id": null, "user_id": 2, "reason": "updated"}))
    );
    assert_eq!(
        heard.iter().find(|message| message["field"] == "status" && message["action"] == "cell_updated").expect("told")["stream_id"],
        json!(id.to_string())
    );
    assert_eq!(count(&heard, "stream_updated"), 1, "a status is a check");
    let updated = heard.iter().find(|message| message["action"] == "cell_updated").expect("told");
    assert_eq!(updated["stream"]["id"], json!(id));

    // The same value again: nothing is written of the field, but the editor hears that it was taken.
    hall.clear();
    tab.lock(&cell).await;
    tab.act(update(json!(id))).await;
    let heard = hall.until(tab.topic(), |heard| count(heard, "cell_unlocked") == 1).await;
    let updated = heard.iter().find(|message| message["action"] == "cell_updated").expect("told");
    assert_eq!((&updated["stream_id"], &updated["value"]), (&json!(id), &json!("live")));
}

#[tokio::test(start_paused = true)]
async fn gives_exactly_one_winner_to_each_of_a_hundred_races_of_twenty() {
    let hall = Hall::open().await;
    let id = hall.add("https://twitch.tv/a").await;
    let cell = format!("stream_{id}_title");
    let mut tabs = Vec::new();
    for n in 0..20 {
        tabs.push(hall.tab(&editor(2 + n, &format!("e{n}")), GRID, json!({})).await);
    }
    for round in 1..=100 {
        hall.clear();
        let told = futures::future::join_all(tabs.iter().map(|tab| tab.lock(&cell))).await;
        let winners: Vec<usize> = told.iter().enumerate().filter(|(_, told)| told.is_empty()).map(|(n, _)| n).collect();
        assert_eq!(winners.len(), 1, "round {round}");
        let winner = &tabs[winners[0]];
        for loser in told.iter().filter(|told| !told.is_empty()) {
            assert_eq!(loser.len(), 2);
            assert_eq!(loser[0]["user_id"], json!(winner.who.user), "round {round}: the loser is told who won");
        }
        assert!(winner.act(json!({"action": "unlock_cell", "cell_id": cell})).await.is_empty());
        let heard = hall.until(winner.topic(), |heard| count(heard, "cell_unlocked") == 1).await;
        assert_eq!(count(&heard, "cell_locked"), 1, "round {round}: everyone hears of one lock");
    }
}

#[tokio::test(start_paused = true)]
async fn announces_a_lock_that_nobody_renewed() {
    let hall = Hall::open().await;
    let id = hall.add("https://twitch.tv/a").await;
    let (ana, bo) = (editor(2, "ana"), editor(3, "bo"));
    let (anas, bos) = (hall.tab(&ana, GRID, json!({})).await, hall.tab(&bo, GRID, json!({})).await);
    let cell = format!("stream_{id}_title");
    anas.lock(&cell).await;
    tokio::time::sleep(LEASE - Duration::from_secs(5)).await;
    anas.lock(&cell).await;
    hall.until(anas.topic(), |heard| count(heard, "cell_locked") == 2).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(count(&hall.heard_on(anas.topic()), "cell_unlocked"), 0, "renewed in time");
    assert!(!bos.lock(&cell).await.is_empty());
    tokio::time::sleep(Duration::from_secs(21)).await;
    let heard = hall.until(anas.topic(), |heard| count(heard, "cell_unlocked") == 1).await;
    assert_eq!(brief(&heard, &["cell_unlocked"], &["reason", "user_id"]), [json!({"reason": "expired", "user_id": 2})]);
    assert!(bos.lock(&cell).await.is_empty());
    assert_eq!(anas.update(id, "title", "late").await[0]["error"], "Cell is locked by another user");
}

/// The locks that a newcomer is told.
async fn told_to(hall: &Hall, tab: &Tab<'_>, count: usize) -> Vec<Value> {
    let own = &tab.admission.topics[1];
    brief(&hall.until(own, |heard| heard.len() >= count).await, CELLS, &["action", "cell_id", "user_name", "expires_in", "already"])
}

#[tokio::test(start_paused = true)]
async fn tells_a_newcomer_alone_which_cells_are_held_and_for_how_long() {
    let hall = Hall::open().await;
    let id = hall.add("https://twitch.tv/a").await;
    let (ana, bo) = (editor(2, "ana"), editor(3, "bo"));
    let anas = hall.tab(&ana, GRID, json!({})).await;
    let (title, city, notes) = (format!("stream_{id}_title"), format!("stream_{id}_city"), format!("stream_{id}_notes"));
    for cell in [&title, &city, &notes] {
        anas.lock(cell).await;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    anas.lock(&city).await;
    anas.act(json!({"action": "unlock_cell", "cell_id": notes})).await;
    hall.until(anas.topic(), |heard| count(heard, "cell_unlocked") == 1).await;
    let bos = hall.tab(&bo, GRID, json!({})).await;
    let locked = |cell: &str, left: u64| json!({"action": "cell_locked", "cell_id": cell, "user_name": "ana", "expires_in": left, "already": true});
    assert_eq!(
        told_to(&hall, &bos, 2).await,
        [locked(&title, 20), locked(&city, 30)],
        "the renewal counts, what was let go is not told"
    );
    assert_eq!(count(&hall.heard_on(anas.topic()), "cell_locked"), 4, "three locks and a renewal: nobody else is told again");
    assert!(hall.heard_on(&anas.admission.topics[1]).is_empty(), "when she came, nothing was held");
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_ends_while_somebody_joins_is_not_left_standing_for_them() {
    let hall = Hall::open().await;
    let id = hall.add("https://twitch.tv/a").await;
    let (anas, bo) = (hall.tab(&editor(2, "ana"), GRID, json!({})).await, editor(3, "bo"));
    let cell = format!("stream_{id}_title");
    for _ in 0..50 {
        anas.lock(&cell).await;
        hall.clear();
        let unlock = json!({"action": "unlock_cell", "cell_id": cell});
        let (tab, _) = tokio::join!(hall.tab(&bo, GRID, json!({})), anas.act(unlock));
        hall.until(tab.topic(), |heard| count(heard, "cell_unlocked") == 1).await;
        hall.until(tab.topic(), |heard| count(heard, "active_users_list") > 0).await;
        let own = &tab.admission.topics[1];
        let told = hall.in_order(&[tab.topic(), own]);
        let last = told.iter().rfind(|message| CELLS.contains(&message["action"].as_str().unwrap_or(""))).expect("told");
        assert_eq!(last["action"], "cell_unlocked", "{told:?}");
        tab.leave().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_of_before_a_restart_is_shown_to_newcomers_and_its_end_is_announced() {
    let hall = Hall::open().await;
    let id = hall.add("https://twitch.tv/a").await;
    let (ana, bo) = (editor(2, "ana"), editor(3, "bo"));
    let cell = format!("stream_{id}_title");
    hall.tab(&ana, GRID, json!({})).await.lock(&cell).await;
    let journal = hall.journal.restarted();
    hall.hub.close().await;

    let hall = Hall::over(journal).await;
    let bos = hall.tab(&bo, GRID, json!({})).await;
    assert_eq!(told_to(&hall, &bos, 1).await[0]["cell_id"], json!(cell));
    assert_eq!(bos.lock(&cell).await[0]["user_id"], json!(2), "nobody knows yet that she is gone");
    let began = tokio::time::Instant::now();
    let heard = hall.until(bos.topic(), |heard| count(heard, "cell_unlocked") == 1).await;
    assert_eq!(brief(&heard, &["cell_unlocked"], &["reason", "user_id"]), [json!({"reason": "expired", "user_id": 2})]);
    assert!(began.elapsed() <= LEASE + Duration::from_secs(2), "one fresh term, no more: {:?}", began.elapsed());
    assert!(bos.lock(&cell).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn lets_a_second_tab_take_over_and_releases_only_what_a_vanished_tab_held() {
    let hall = Hall::open().await;
    let id = hall.add("https://twitch.tv/a").await;
    let ana = editor(2, "ana");
    let (first, second) = (hall.tab(&ana, GRID, json!({})).await, hall.tab(&ana, GRID, json!({})).await);
    let (title, city) = (format!("stream_{id}_title"), format!("stream_{id}_city"));
    first.lock(&title).await;
    first.lock(&city).await;
    assert!(second.lock(&title).await.is_empty(), "her other tab may take it over");
    first.leave().await;
    let heard = hall.until(second.topic(), |heard| count(heard, "cell_unlocked") >= 1).await;
    let freed = brief(&heard, &["cell_unlocked"], &["cell_id", "reason"]);
    assert_eq!(freed.last(), Some(&json!({"cell_id": city, "reason": "disconnected"})));
    assert!(second.update(id, "title", "still mine").await.is_empty());

    // She comes back in a new tab: the cell is free, and hers again.
    let third = hall.tab(&ana, GRID, json!({})).await;
    assert!(third.lock(&city).await.is_empty());
    assert!(third.update(id, "city", "Rome").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn takes_a_second_autosave_but_nothing_that_was_never_locked() {
    let hall = Hall::open().await;
    let id = hall.add("https://twitch.tv/a").await;
    let (ana, bo) = (editor(2, "ana"), editor(3, "bo"));
    let (anas, bos) = (hall.tab(&ana, GRID, json!({})).await, hall.tab(&bo, GRID, json!({})).await);
    assert_eq!(anas.update(id, "title", "x").await[0]["error"], "Cell is not locked by you");
    anas.lock(&format!("stream_{id}_title")).await;
    assert!(anas.update(id, "title", "H").await.is_empty());
    assert!(anas.update(id, "title", "He").await.is_empty(), "she kept typing");
    assert_eq!(bos.update(id, "title", "x").await[0]["error"], "Cell is not locked by you");
    let heard = hall.until(anas.topic(), |heard| count(heard, "cell_unlocked") == 2).await;
    assert_eq!(brief(&heard, &["cell_updated"], &["value"]), [json!({"value": "H"}), json!({"value": "He"})]);
    tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
    assert_eq!(anas.update(id, "title", "Hel").await[0]["error"], "Cell is not locked by you");
}

#[tokio::test(start_paused = true)]
async fn explains_every_refusal_to_the_sender_alone() {
    let hall = Hall::open().await;
    let id = hall.add("https://twitch.tv/a").await;
    let (ana, guest) = (editor(2, "ana"), person(9, "guest", Role::Default));
    let (tab, guests) = (hall.tab(&ana, GRID, json!({})).await, hall.tab(&guest, GRID, json!({})).await);
    let said = |told: Vec<Value>| told.last().map(|message| message["error"].as_str().unwrap_or("").to_owned()).unwrap_or_default();
    let title = format!("stream_{id}_title");
    for cell in ["", "title", "stream_x_title", "stream_1_", "user_1_name", "stream_1_user_id"] {
        assert_eq!(said(tab.lock(&cell.replace('1', &id.to_string())).await), "Invalid field", "{cell}");
    }
    assert_eq!(said(tab.act(json!({"action": "lock_cell", "cell_id": 7})).await), "Invalid field");
    assert_eq!(said(tab.lock("stream_99_title").await), "Couldn't find Stream with 'id'=99");
    assert_eq!(said(tab.update(99, "title", "x").await), "Update failed: Couldn't find Stream with 'id'=99");
    assert_eq!(said(guests.lock(&title).await), "You are not authorized to edit streams");
    tab.lock(&title).await;
    let other = |stream: Value, field: &str| json!({"action": "update_cell", "cell_id": title, "stream_id": stream, "field": field, "value": "x"});
    assert_eq!(said(tab.act(other(json!("98"), "title")).await), "Invalid field for update");
    assert_eq!(said(tab.act(other(json!(id), "city")).await), "Invalid field for update");
    assert_eq!(said(tab.act(other(json!([1]), "title")).await), "Invalid field for update");
    let link = format!("stream_{id}_link");
    tab.lock(&link).await;
    assert_eq!(said(tab.update(id, "link", "ftp://x").await), "Link must be a valid HTTP or HTTPS URL");
    assert!(tab.update(id, "link", "https://twitch.tv/b").await.is_empty(), "after a refusal the lock stays");
    tab.lock(&format!("stream_{id}_started_at")).await;
    assert!(said(tab.update(id, "started_at", "yesterday-ish").await).starts_with("Update failed: "));
    assert!(tab.act(json!({"action": "dance"})).await.is_empty() && tab.act(json!({})).await.is_empty());
    assert!(tab.act(json!({"action": "unlock_cell", "cell_id": "stream_99_title"})).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn gives_a_link_to_one_active_stream_also_when_its_cell_is_edited() {
    let hall = Hall::open().await;
    let (id, other) = (hall.add("https://twitch.tv/a").await, hall.add("https://twitch.tv/b").await);
    let ana = editor(2, "ana");
    let tab = hall.tab(&ana, GRID, json!({})).await;
    let said = |told: Vec<Value>| told.last().map(|message| message["error"].as_str().unwrap_or("").to_owned()).unwrap_or_default();
    assert_eq!(
        said(tab.update(id, "link", "https://twitch.tv/b").await),
        "Cell is not locked by you",
        "before anything is claimed"
    );
    tab.lock(&format!("stream_{id}_link")).await;
    assert_eq!(said(tab.update(id, "link", "https://twitch.tv/b").await), "Link has already been taken");
    assert!(tab.update(id, "link", "https://twitch.tv/c").await.is_empty(), "free, and the lock stayed");
    hall.until(tab.topic(), |heard| count(heard, "cell_unlocked") == 1).await;
    let board = hall.hub.projection::<Board>();
    let active = |link: &str| {
        board.with_link(link).iter().filter(|kept| !kept.stream.is_archived).map(|kept| kept.stream.id).collect::<Vec<_>>()
    };
    assert_eq!((active("twitch.tv/a"), active("twitch.tv/b"), active("twitch.tv/c")), (vec![], vec![other], vec![id]));
    tab.lock(&format!("stream_{other}_link")).await;
    assert_eq!(said(tab.update(other, "link", "https://www.twitch.tv/c/").await), "Link has already been taken");
}

#[tokio::test(start_paused = true)]
async fn tells_the_grid_of_edits_over_http_and_who_made_them() {
    let hall = Hall::open().await;
    let id = hall.add("https://twitch.tv/a").await;
    let (ana, admin) = (editor(2, "ana"), person(1, "root", Role::Admin));
    let tab = hall.tab(&ana, GRID, json!({})).await;
    hall.edit(id, json!({"title": "From HTTP", "last_checked_at": "2024-01-01T00:00:00Z"}), &admin).await;
    let heard = hall.until(tab.topic(), |heard| count(heard, "stream_updated") == 1).await;
    assert_eq!(
        brief(&heard, &["cell_updated"], &["cell_id", "value", "user_id"]),
        [json!({"cell_id": format!("stream_{id}_title"), "value": "From HTTP", "user_id": 1})]
    );
    assert_eq!(
        heard.last(),
        Some(
            &json!({"action": "stream_updated", "stream_id": id, "last_checked_at": "2024-01-01T00:00:00.000Z", "last_live_at": null})
        )
    );
}

#[tokio::test(start_paused = true)]
async fn tells_a_script_that_it_acts_too_fast() {
    let hall = Hall::open().await;
    let tab = hall.tab(&editor(2, "ana"), GRID, json!({})).await;
    let mut refused = Value::Null;
    for _ in 0..700 {
        if let Some(message) = tab.act(json!({"action": "presence_ping"})).await.into_iter().next() {
            refused = message;
        }
    }
    assert_eq!((&refused["action"], &refused["code"]), (&json!("error"), &json!("TOO_MANY_ACTIONS")));
}

#[tokio::test(start_paused = true)]
async fn says_the_same_on_the_collaboration_channel_in_its_own_words() {
    let hall = Hall::open().await;
    let id = hall.add("https://twitch.tv/a").await;
    let ana = editor(2, "ana");
    let grid = hall.tab(&ana, GRID, json!({})).await;
    let listener = hall.tab(&ana, "CollaborationChannel", json!({})).await;
    assert!(hall.try_tab(&Principal::anonymous(), "CollaborationChannel", json!({})).await.is_err());
    assert!(hall.try_tab(&Principal::anonymous(), GRID, json!({})).await.is_err());
    grid.lock(&format!("stream_{id}_title")).await;
    grid.update(id, "title", "New").await;
    let heard = hall.until(listener.topic(), |heard| count(heard, "cell_unlocked") == 1).await;
    let base = |action: &str| json!({"action": action, "user": 2, "resource": "stream", "resource_id": id, "field": "title"});
    let mut updated = base("cell_updated");
    updated["value"] = json!("New");
    assert_eq!(heard, [base("cell_locked"), updated, base("cell_unlocked")]);
}
