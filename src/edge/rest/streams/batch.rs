//! `PATCH /api/v1/streams/batch`: many changes in one request, each with its own outcome (`streams.md` 4.6).

use actix_web::{HttpResponse, http::StatusCode, web};
use serde::Serialize;
use serde_json::{Map, Value};
use trunkline_actors::{
    AskError, Hub,
    streams::{
        board::{Board, StreamRow},
        link::Link,
        stream::Changes,
        writing,
    },
};
use trunkline_protocol::{Position, Refusal, RefusalKind};

use super::answer;
use crate::edge::{Api, Caller, Problem, body::Document};

/// Items of one request.
const ITEMS_MAX: usize = 1000;

#[derive(Serialize)]
struct Answer<'a> {
    updated: usize,
    unchanged: usize,
    not_found: usize,
    failed: usize,
    total: usize,
    results: Vec<ItemAnswer<'a>>,
    streams: Vec<&'a StreamRow>,
    errors: Vec<ItemErrors<'a>>,
}

#[derive(Serialize)]
struct ItemAnswer<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<&'a StreamRow>,
}

#[derive(Serialize)]
struct ItemErrors<'a> {
    index: usize,
    errors: &'a [String],
}

/// What became of one item.
struct Item {
    id: Option<u64>,
    url: Option<String>,
    status: &'static str,
    errors: Vec<String>,
    position: Position,
    row: Option<StreamRow>,
}

pub(super) async fn update(api: web::Data<Api>, caller: Caller, body: Document) -> Result<HttpResponse, Problem> {
    let Some(wanted) = items(body.0) else {
        return Err(Problem::malformed("The body must be an array of streams, or hold one under \"updates\" or \"streams\""));
    };
    if wanted.len() > ITEMS_MAX {
        let sentence = format!("At most {ITEMS_MAX} streams may be changed at once");
        return Err(Refusal::new(RefusalKind::Invalid, "TOO_MANY_ITEMS", sentence).into());
    }
    // One after the other: subscribers are told in the order of the items.
    let mut done = Vec::with_capacity(wanted.len());
    for item in wanted {
        done.push(change(&api.hub, &caller, item).await);
    }
    if !done.is_empty() && done.iter().all(|item| item.status == "forbidden") {
        return Err(Problem::forbidden());
    }
    if let Some(position) = done.iter().map(|item| item.position).max().filter(|position| *position > 0) {
        api.hub.seen(position).await?;
    }
    let board = api.hub.projection::<Board>();
    for item in &mut done {
        if matches!(item.status, "updated" | "unchanged") {
            item.row = item.id.and_then(|id| board.row(id));
        }
    }
    Ok(answer::json(StatusCode::OK, &tally(&done)))
}

fn items(body: Value) -> Option<Vec<Value>> {
    match body {
        Value::Array(items) => Some(items),
        Value::Object(mut members) => ["updates", "streams"].iter().find_map(|name| match members.remove(*name) {
            Some(Value::Array(items)) => Some(items),
            _ => None,
        }),
        _ => None,
    }
}

async fn change(hub: &Hub, caller: &Caller, sent: Value) -> Item {
    let Value::Object(mut sent) = sent else {
        return Item::failed(None, None, "invalid", vec!["Each item must be an object".to_owned()]);
    };
    let url = sent.get("link").or_else(|| sent.get("url")).and_then(Value::as_str).map(str::to_owned);
    let Some(id) = find(hub, &mut sent, url.as_deref()) else {
        return Item::failed(None, url, "not_found", vec![Refusal::not_found().to_string()]);
    };
    let changes = match Changes::try_from(&sent) {
        Ok(changes) => changes,
        Err(refusal) => return Item::failed(Some(id), url, "invalid", refusal.messages()),
    };
    match writing::change(hub, id, changes, None, hub.asking(caller)).await {
        Ok(outcome) => {
            let status = if outcome.facts.is_empty() { "unchanged" } else { "updated" };
            Item { id: Some(id), url, status, errors: Vec::new(), position: outcome.position, row: None }
        }
        Err(AskError::Refused(refusal)) => {
            let status = match refusal.kind {
                RefusalKind::Forbidden => "forbidden",
                RefusalKind::NotFound => "not_found",
                _ => "invalid",
            };
            Item::failed(Some(id), url, status, refusal.messages())
        }
        Err(failure) => Item::failed(Some(id), url, "failed", vec![failure.to_string()]),
    }
}

/// The stream that an item names: by id, else by its link, which then is no change.
fn find(hub: &Hub, sent: &mut Map<String, Value>, url: Option<&str>) -> Option<u64> {
    let board = hub.projection::<Board>();
    if let Some(id) = sent.remove("id").filter(|id| !id.is_null()) {
        let id = id.as_u64().or_else(|| id.as_str()?.trim().parse().ok())?;
        return board.kept(id).map(|kept| kept.stream.id);
    }
    sent.remove("link");
    sent.remove("url");
    let link = Link::read(url?).ok()?;
    board.with_link(link.canonical()).first().map(|kept| kept.stream.id)
}

fn tally(done: &[Item]) -> Answer<'_> {
    let count = |status: &str| done.iter().filter(|item| item.status == status).count();
    let (updated, unchanged, not_found) = (count("updated"), count("unchanged"), count("not_found"));
    Answer {
        updated,
        unchanged,
        not_found,
        failed: done.len() - updated - unchanged - not_found,
        total: done.len(),
        results: done.iter().enumerate().map(|(index, item)| item.answer(index)).collect(),
        streams: done.iter().filter_map(|item| item.row.as_ref()).collect(),
        errors: done
            .iter()
            .enumerate()
            .filter(|(_, item)| !item.errors.is_empty())
            .map(|(index, item)| ItemErrors { index, errors: &item.errors })
            .collect(),
    }
}

impl Item {
    fn failed(id: Option<u64>, url: Option<String>, status: &'static str, errors: Vec<String>) -> Self {
        Self { id, url, status, errors, position: 0, row: None }
    }
    fn answer(&self, index: usize) -> ItemAnswer<'_> {
        let link = self.row.as_ref().map(|row| &*row.stream().link);
        ItemAnswer {
            index,
            id: self.id,
            url: self.url.as_deref().or(link),
            status: self.status,
            error: (!self.errors.is_empty()).then(|| self.errors.join(", ")),
            stream: self.row.as_ref(),
        }
    }
}
