//! `/audit`: who did what, newest first, and whether the chain is whole (`platform.md` section 2).

use actix_web::{HttpResponse, web::Data};
use serde_json::{Value, json};
use trunkline_actors::accounts::{
    audit::{self, Entry},
    audit_log::{self, AuditLog, Wanted},
    policy::permission::AUDIT_READ,
};

use crate::edge::{
    Api, Caller, Problem, Query,
    openapi::{
        Table, operation, resource,
        shapes::{
            After,
            audit::{AuditFilter, AuditHead, AuditPage},
        },
    },
};

type Answer = Result<HttpResponse, Problem>;

pub fn routes(api: &mut Table) {
    let list = operation("List who did what")
        .about("A part may hold fewer entries than `limit`, even none, although `has_more` is true.")
        .needs(AUDIT_READ)
        .query::<AuditFilter>()
        .query::<After>();
    let whole = operation("Verify the chain").needs(AUDIT_READ).answers::<AuditHead>(200, "Whether it is whole.");
    api.about("audit")
        .service(resource("/audit").get(index, list.answers::<AuditPage>(200, "A part of the audit, newest first.")))
        .service(resource("/audit/verify").get(verify, whole));
}

/// `?actor=` (an id or an address) `&action=` (`login.failed`, or a family: `login.`) `&since=&limit=&cursor=`.
async fn index(api: Data<Api>, caller: Caller, query: Query) -> Answer {
    caller.require(AUDIT_READ)?;
    audit::carry_over(&api.hub).await?;
    let limit = query.number("limit", 20, 1..=100) as usize;
    let wanted = Wanted {
        actor: query.get("actor").map(str::to_lowercase),
        action: query.get("action").map(str::to_owned),
        since: query.since()?,
        before: query.cursor()?,
    };
    let page = audit_log::read(&api.hub, &wanted, limit).await?;
    let data: Vec<_> = page.entries.iter().map(shown).collect();
    let next = page.next.map(|number| number.to_string());
    Ok(HttpResponse::Ok().json(json!({"data": data, "has_more": next.is_some(), "next_cursor": next})))
}

async fn verify(api: Data<Api>, caller: Caller) -> Answer {
    caller.require(AUDIT_READ)?;
    audit::carry_over(&api.hub).await?;
    let head = api.hub.projection::<AuditLog>().verify();
    Ok(HttpResponse::Ok().json(json!({
        "valid": head.broken_at.is_none(), "entries": head.number, "head": hex(&head.hash), "broken_at": head.broken_at,
    })))
}

fn shown(entry: &Entry) -> Value {
    let act = &entry.act;
    let address = Some(&act.address).filter(|address| !address.is_empty());
    json!({
        "id": entry.number, "at": entry.at, "actor": {"id": act.actor, "name": act.actor_name}, "action": act.action,
        "subject": act.subject, "detail": act.detail, "address": address, "hash": hex(&entry.hash),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
