//! `/system`: the hub seen from outside, for `system:read` (`platform.md` section 6); and, only where the deployment says so, faults, to
//! see what follows them.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use serde::Serialize;
use serde_json::{Value, json};
use trunkline_actors::{
    Supervision,
    accounts::{
        audit::{self, Act},
        policy::permission::{SYSTEM_FAULTS, SYSTEM_READ},
    },
    streams::board::Board,
    system::{JournalSeen, System, samples::AppendLatency},
};
use trunkline_protocol::{EntityId, Refusal, Timestamp};

use crate::edge::{
    Api, Body, Caller, EdgeCounts, EdgeStats, Gate, Problem, Query, auth,
    openapi::{
        Table, operation, resource,
        shapes::system::{Connections, Fault, Faulted, JournalNow, TopicFilter, Topics, Tree},
    },
};

type Answer = Result<HttpResponse, Problem>;
type Counter = fn(&EdgeCounts) -> u64;

pub fn routes(api: &mut Table, demo_faults: bool) {
    let reads = |summary| operation(summary).needs(SYSTEM_READ);
    let topics_ = reads("Who hears what").query::<TopicFilter>().answers::<Topics>(200, "Topics, most heard first.");
    api.about("system")
        .service(resource("/system/tree").get(tree, reads("The supervision tree").answers::<Tree>(200, "The tree.")))
        .service(
            resource("/system/connections").get(connections, reads("The sockets").answers::<Connections>(200, "What is counted.")),
        )
        .service(resource("/system/topics").get(topics, topics_))
        .service(resource("/system/journal").get(journal, reads("The journal").answers::<JournalNow>(200, "How it is.")));
    if demo_faults {
        let panics = operation("Make something panic, to see what follows").needs(SYSTEM_FAULTS);
        let panics = panics.body::<Fault>().answers::<Faulted>(200, "The crash has been counted.").refuses(&[404]);
        api.service(resource("/system/faults").post(fault, panics));
    }
}

/// Adds what the edge knows to what the system's watchers are told.
pub fn show(system: &System, gate: &Gate) {
    let (stats, connections_max) = (gate.stats(), gate.connections_max());
    let counters: [(&'static str, Counter); 6] = [
        ("accepted", |counts| counts.accepted),
        ("commands", |counts| counts.commands),
        ("deliveries", |counts| counts.deliveries),
        ("delivered_bytes", |counts| counts.delivered_bytes),
        ("conflated", |counts| counts.conflated),
        ("slow", |counts| counts.slow),
    ];
    for (name, counter) in counters {
        let stats = Arc::clone(&stats);
        system.count(name, move || counter(&stats.total()));
    }
    system.show("connections", move || sockets(&stats, connections_max));
}

/// What the cables count, on every core and in all.
fn sockets(stats: &EdgeStats, connections_max: usize) -> Value {
    let counts = |counts: EdgeCounts| {
        json!({
            "connections": counts.connections, "accepted": counts.accepted, "resumed": counts.resumed, "commands": counts.commands, "ignored": counts.ignored,
            "received_bytes": counts.received_bytes, "deliveries": counts.deliveries, "delivered_bytes": counts.delivered_bytes,
            "conflated": counts.conflated, "slow": counts.slow,
        })
    };
    let (sum, mut total) = (stats.total(), counts(stats.total()));
    total["refused"] = json!(sum.refused);
    let cores: Vec<Value> = stats
        .cores()
        .enumerate()
        .map(|(number, core)| {
            let mut core = counts(core);
            core["core"] = json!(number);
            core
        })
        .collect();
    json!({"connections_max": connections_max, "total": total, "cores": cores})
}

async fn tree(api: Data<Api>, caller: Caller) -> Answer {
    #[derive(Serialize)]
    struct Tree {
        at: Timestamp,
        #[serde(flatten)]
        tree: Supervision,
    }
    caller.require(SYSTEM_READ)?;
    Ok(HttpResponse::Ok().json(Tree { at: api.hub.clock().now(), tree: api.hub.supervision() }))
}

async fn connections(api: Data<Api>, caller: Caller) -> Answer {
    caller.require(SYSTEM_READ)?;
    let gate = gate(&api)?;
    let mut answer = sockets(&gate.stats(), gate.connections_max());
    answer["at"] = json!(api.hub.clock().now());
    answer["rates"] = json!(api.hub.provided::<System>().rates());
    Ok(HttpResponse::Ok().json(answer))
}

/// `?search=` (a part of the address) `&limit=` (100, at most 1000).
async fn topics(api: Data<Api>, caller: Caller, query: Query) -> Answer {
    caller.require(SYSTEM_READ)?;
    let census = gate(&api)?.census().await;
    let limit = query.number("limit", 100, 1..=1000) as usize;
    let search = query.get("search").unwrap_or_default();
    let mut found = census.topics.iter().filter(|heard| heard.topic.as_str().contains(search));
    let shown: Vec<Value> = found
        .by_ref()
        .take(limit)
        .map(|heard| json!({"topic": heard.topic.as_str(), "subscriptions": heard.subscriptions, "cores": heard.by_core}))
        .collect();
    let total = shown.len() + found.count();
    Ok(HttpResponse::Ok().json(json!({
        "at": api.hub.clock().now(), "data": shown, "total": total, "has_more": total > limit, "silent_cores": census.silent,
    })))
}

async fn journal(api: Data<Api>, caller: Caller) -> Answer {
    #[derive(Serialize)]
    struct Journal {
        at: Timestamp,
        #[serde(flatten)]
        journal: JournalSeen,
        append_latency: AppendLatency,
    }
    caller.require(SYSTEM_READ)?;
    let journal = JournalSeen::of(&api.hub);
    let append_latency = api.hub.provided::<System>().append_latency();
    Ok(HttpResponse::Ok().json(Journal { at: api.hub.clock().now(), journal, append_latency }))
}

/// `{"entity":"stream/<key>"}`, `{"stream":42}` or `{"hub":true}`, with `"cause"` if wanted: makes it panic. Written down first.
async fn fault(api: Data<Api>, caller: Caller, request: HttpRequest, body: Body) -> Answer {
    caller.require(SYSTEM_FAULTS)?;
    let cause = body.get("cause").and_then(Value::as_str).filter(|cause| !cause.trim().is_empty());
    let cause = cause.map_or_else(|| format!("a fault that {} asked for", caller.display_name()), str::to_owned);
    let whole = body.get("hub") == Some(&Value::Bool(true));
    let entity = if whole { None } else { Some(meant(&api, &body)?) };
    let subject = entity.as_ref().map_or("hub", EntityId::as_str);
    let act = Act::of(&caller, "system.fault", subject).detail(&cause).from(auth::address(&request, api.config.trust_forwarded));
    audit::record(&api.hub, act).await?;
    match &entity {
        Some(entity) => api.hub.crash(entity, &cause).await?,
        None => api.hub.fail(&cause),
    }
    Ok(HttpResponse::Ok().json(json!({"entity": entity, "hub": whole, "cause": cause, "at": api.hub.clock().now()})))
}

/// Which entity a fault is for.
fn meant(api: &Api, body: &Body) -> Result<EntityId, Refusal> {
    if let Some(id) = body.get("stream").and_then(Value::as_u64) {
        let kept = api.hub.projection::<Board>().kept(id).ok_or_else(Refusal::not_found)?;
        return Ok(EntityId::new("stream", &kept.home));
    }
    let named = body.get("entity").and_then(Value::as_str).and_then(|text| text.parse().ok());
    named.ok_or_else(|| Refusal::field("entity", "must be kind/key"))
}

fn gate(api: &Api) -> Result<&Gate, Problem> {
    api.gate.get().ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "STARTING", "The edge is starting").retry_after(1))
}
