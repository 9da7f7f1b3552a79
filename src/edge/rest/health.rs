//! Is it well? `/health*`: without signing in, without rate limit, also in maintenance (`streams.md` 7.3).

use actix_web::{HttpResponse, http::StatusCode, web};
use serde_json::json;
use trunkline_actors::system::JournalSeen;

use crate::edge::{
    Api,
    openapi::{
        Table, operation, resource,
        shapes::system::{Alive, DetailedHealth, Health, Ready},
    },
};

pub fn routes(root: &mut Table) {
    let open = |summary| operation(summary).open();
    let whole = open("Is the hub well?").answers::<Health>(200, "It is.").answers::<Health>(503, "It is not.");
    let ready_ = open("May it be sent work?").answers::<Ready>(200, "It may.").answers::<Ready>(503, "It may not.");
    let more = open("Is it well, and what does it count?").answers::<DetailedHealth>(200, "It is.");
    root.about("system")
        .service(resource("/health").get(health, whole))
        .service(resource("/health/live").get(live, open("Does the process answer?").answers::<Alive>(200, "It does.")))
        .service(resource("/health/ready").get(ready, ready_))
        .service(resource("/health/detailed").get(detailed, more.answers::<DetailedHealth>(503, "It is not.")));
}

async fn health(api: web::Data<Api>) -> HttpResponse {
    answer(&api, false)
}

async fn detailed(api: web::Data<Api>) -> HttpResponse {
    answer(&api, true)
}

/// The process answers: that is all it says.
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

async fn ready(api: web::Data<Api>) -> HttpResponse {
    match api.unready() {
        None => HttpResponse::Ok().json(json!({"status": "ready", "database": "connected"})),
        Some(reason) => HttpResponse::ServiceUnavailable().json(json!({"status": "not ready", "error": reason})),
    }
}

fn answer(api: &Api, detailed: bool) -> HttpResponse {
    let well = api.unready().is_none();
    // `redis` and `external_api` are names that existing monitors look for; nothing of the sort is needed here, so nothing can fail.
    let mut body = json!({
        "status": if well { "ok" } else { "degraded" },
        "timestamp": api.hub.clock().now(),
        "version": env!("CARGO_PKG_VERSION"),
        "dependencies": {"database": if well { "ok" } else { "error" }, "redis": "ok", "external_api": "ok"},
    });
    if detailed {
        body["journal"] = json!(JournalSeen::of(&api.hub));
        let health = api.hub.health();
        body["house"] = json!({"awake": health.awake, "restarts": health.restarts, "failed": health.failed});
        let cables = api.cables.get().map(|stats| stats.total()).unwrap_or_default();
        body["cables"] = json!({
            "connections": cables.connections, "accepted": cables.accepted, "refused": cables.refused, "deliveries": cables.deliveries,
            "slow": cables.slow,
        });
        let key_sets = api.auth.tokens.key_sets().iter().map(|set| set.seen());
        body["key_sets"] = json!(key_sets.collect::<Vec<_>>());
    }
    HttpResponse::build(if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }).json(body)
}

impl Api {
    /// Why the hub should not be sent work just now; `None` where it may.
    #[must_use]
    pub fn unready(&self) -> Option<String> {
        let health = self.hub.health();
        if let Some(failed) = &health.failed {
            return Some(failed.clone());
        }
        if !health.is_well() {
            return Some("the relay does not follow the journal".to_owned());
        }
        let full = health.journal.queued >= trunkline_protocol::limits::JOURNAL_QUEUE_MAX;
        full.then(|| "the journal's queue is full".to_owned())
    }
}
