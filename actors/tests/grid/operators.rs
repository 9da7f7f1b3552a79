//! Whoever operates the hub (`platform.md` section 6).

use std::time::Duration;

use serde_json::json;
use trunkline_actors::system::System;
use trunkline_protocol::Role;

use super::hall::{Hall, count, person};

#[tokio::test(start_paused = true)]
async fn tells_operators_its_tree_and_figures_while_they_watch_and_nobody_else() {
    let hall = Hall::open().await;
    hall.add("https://twitch.tv/a").await;
    hall.hub.provided::<System>().show("connections", || json!({"core-0": 3}));
    assert!(hall.try_tab(&person(9, "guest", Role::Default), "SystemChannel", json!({})).await.is_err());
    let tab = hall.tab(&person(4, "dev", Role::Developer), "SystemChannel", json!({})).await;
    let heard = hall.until(tab.topic(), |heard| count(heard, "system") >= 2).await;
    let kinds: Vec<&str> =
        heard[1]["tree"]["supervisors"].as_array().expect("supervisors").iter().filter_map(|one| one["kind"].as_str()).collect();
    assert!(kinds.contains(&"stream"), "{kinds:?}");
    assert_eq!(heard[1]["figures"]["connections"], json!({"core-0": 3}));
    tab.leave().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    hall.clear();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(hall.heard_on(tab.topic()).is_empty(), "nobody watches");
}
