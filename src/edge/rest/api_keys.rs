//! `/api_keys`: the keys of bots, for administrators (`streams.md` section 2). A secret is shown once, in the answer that made it.

use std::time::Duration;

use actix_web::{HttpResponse, http::header, web::Data};
use serde_json::{Map, Value, json};
use trunkline_actors::accounts::{
    api_key::{ApiKey, ApiKeyCommand, LIFETIME, NewApiKey, OVERLAP, Secret},
    bootstrap::{hash_of, new_secret, prefix_of},
    directory::KeyRow,
    policy::{self, permission::API_KEYS_WRITE},
};
use trunkline_protocol::{Refusal, Role, Timestamp};

use super::users::role_of;
use crate::edge::{
    Api, Body, Caller, Id, Problem, Query,
    openapi::{
        Table, operation, resource,
        shapes::{
            After,
            api_keys::{ApiKey as Shown, ApiKeyFields, ApiKeyList, NewSecret, Rotation},
        },
    },
};

type Answer = Result<HttpResponse, Problem>;
/// An overlap is for changing over, not for keeping two keys.
const OVERLAP_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
const NAME_CHARS_MAX: usize = 100;
const DAY_S: u64 = 24 * 3600;

pub fn routes(api: &mut Table) {
    let admin = |summary| operation(summary).needs(API_KEYS_WRITE);
    let list = admin("List keys").query::<After>().answers::<ApiKeyList>(200, "A part of the keys.");
    let made = admin("Make a key").body_under::<ApiKeyFields>("api_key").answers::<NewSecret>(201, "The key, with its secret.");
    let rotated =
        admin("Change a key's secret").body_under::<Rotation>("api_key").answers::<NewSecret>(200, "The key, with its secret.");
    api.about("API keys")
        .service(resource("/api_keys").get(index, list).post(create, made))
        .service(
            resource("/api_keys/{id}")
                .get(show, admin("Show a key").answers::<Shown>(200, "The key."))
                .delete(remove, admin("Delete a key").nothing(204, "It is gone, and so are its sockets.")),
        )
        .service(resource("/api_keys/{id}/rotate").post(rotate, rotated));
}

async fn index(api: Data<Api>, caller: Caller, query: Query) -> Answer {
    caller.require(API_KEYS_WRITE)?;
    let limit = query.number("limit", 20, 1..=100) as usize;
    let mut keys = api.auth.accounts.keys(query.cursor()?.unwrap_or(0), limit + 1);
    let has_more = keys.len() > limit;
    keys.truncate(limit);
    let next = keys.last().filter(|_| has_more).map(|key| key.id.to_string());
    let now = api.hub.clock().now();
    let data: Vec<_> = keys.iter().map(|key| shown(key, now)).collect();
    Ok(HttpResponse::Ok().json(json!({"data": data, "api_keys": data, "has_more": has_more, "next_cursor": next})))
}

async fn show(api: Data<Api>, caller: Caller, id: Id) -> Answer {
    caller.require(API_KEYS_WRITE)?;
    let key = api.auth.accounts.key(id.0).ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(shown(&key, api.hub.clock().now())))
}

/// `{name, role?, scopes?, expires_at?, expires_in_days?}`; without an end it ends in 90 days, `"expires_at": null` never.
async fn create(api: Data<Api>, caller: Caller, body: Body) -> Answer {
    caller.require(API_KEYS_WRITE)?;
    let members = body.unwrapped("api_key");
    let now = api.hub.clock().now();
    let (name, scopes) = (name_of(&members)?, scopes_of(&members)?);
    let role = role_of(&members)?.unwrap_or(Role::Editor);
    let (key, secret) = made(end_of(&members, now)?);
    let id = api.hub.next_id("users").await?;
    let new = NewApiKey { id, name, role, scopes, secret };
    let outcome = api.hub.ask::<ApiKey>(id, ApiKeyCommand::Create(new), api.hub.asking(&caller)).await?;
    api.hub.seen(outcome.position).await?;
    with_secret(&api, HttpResponse::Created(), id, key)
}

/// `{overlap_s?, expires_at?, expires_in_days?}`; the old secret is valid for a day more unless told otherwise.
async fn rotate(api: Data<Api>, caller: Caller, id: Id, body: Body) -> Answer {
    caller.require(API_KEYS_WRITE)?;
    let members = body.unwrapped("api_key");
    let now = api.hub.clock().now();
    let overlap = match members.get("overlap_s").or_else(|| members.get("overlap_seconds")) {
        None | Some(Value::Null) => OVERLAP,
        Some(seconds) => {
            let seconds = seconds.as_u64().or_else(|| seconds.as_str()?.parse().ok()).map(Duration::from_secs);
            let fault = || Refusal::field("overlap_s", "must be a whole number of seconds up to thirty days");
            seconds.filter(|overlap| *overlap <= OVERLAP_MAX).ok_or_else(fault)?
        }
    };
    let (key, secret) = made(end_of(&members, now)?);
    let command = ApiKeyCommand::Rotate { secret, old_until: now.plus(overlap) };
    let outcome = api.hub.ask::<ApiKey>(id.0, command, api.hub.asking(&caller)).await?;
    api.hub.seen(outcome.position).await?;
    with_secret(&api, HttpResponse::Ok(), id.0, key)
}

async fn remove(api: Data<Api>, caller: Caller, id: Id) -> Answer {
    caller.require(API_KEYS_WRITE)?;
    let outcome = api.hub.ask::<ApiKey>(id.0, ApiKeyCommand::Delete, api.hub.asking(&caller)).await?;
    api.hub.seen(outcome.position).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn made(expires: Option<Timestamp>) -> (String, Secret) {
    let key = new_secret("tl_");
    let secret = Secret { hash: hash_of(&key), prefix: prefix_of(&key), expires };
    (key, secret)
}

fn with_secret(api: &Api, mut response: actix_web::HttpResponseBuilder, id: u64, key: String) -> Answer {
    let row = api.auth.accounts.key(id).ok_or_else(Problem::not_found)?;
    let mut answer = shown(&row, api.hub.clock().now());
    answer["key"] = json!(key);
    answer["api_key"] = answer.clone();
    Ok(response.insert_header((header::CACHE_CONTROL, "no-store")).json(answer))
}

fn shown(key: &KeyRow, now: Timestamp) -> Value {
    let old = key.old_secret.as_ref().filter(|old| old.expires.is_some_and(|expires| now < expires));
    json!({
        "id": key.id, "name": key.name, "prefix": key.secret.prefix, "role": key.role, "scopes": key.scopes,
        "permissions": policy::key_permissions(key.role, &key.scopes).iter().collect::<Vec<_>>(),
        "expires_at": key.secret.expires,
        "expired": key.secret.expires.is_some_and(|expires| now >= expires),
        "old_prefix": old.map(|old| &old.prefix), "old_valid_until": old.and_then(|old| old.expires),
        "created_by": key.created_by, "created_at": key.created_at, "updated_at": key.updated_at,
    })
}

fn name_of(members: &Map<String, Value>) -> Result<String, Refusal> {
    let name = members.get("name").and_then(Value::as_str).unwrap_or_default().trim();
    match name.chars().count() {
        0 => Err(Refusal::field("name", "can't be blank")),
        1..=NAME_CHARS_MAX => Ok(name.to_owned()),
        _ => Err(Refusal::field("name", "is too long (maximum is 100 characters)")),
    }
}

fn scopes_of(members: &Map<String, Value>) -> Result<Vec<String>, Refusal> {
    let texts: Option<Vec<String>> = match members.get("scopes") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(scopes)) => scopes.iter().map(|scope| scope.as_str().map(str::to_owned)).collect(),
        Some(Value::String(text)) => Some(text.split([',', ' ']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()),
        Some(_) => None,
    };
    let texts = texts.ok_or_else(|| Refusal::field("scopes", "must be a list of permissions"))?;
    if let Some(unknown) = texts.iter().find(|scope| !policy::is_scope(scope)) {
        let shortened: String = unknown.chars().take(50).collect();
        return Err(Refusal::field("scopes", format!("holds `{shortened}`, which is no permission")));
    }
    Ok(texts)
}

fn end_of(members: &Map<String, Value>, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
    if let Some(days) = members.get("expires_in_days") {
        let days = days.as_u64().or_else(|| days.as_str()?.parse().ok()).filter(|days| (1..=36_500).contains(days));
        let days = days.ok_or_else(|| Refusal::field("expires_in_days", "must be a whole number of days"))?;
        return Ok(Some(now.plus(Duration::from_secs(days * DAY_S))));
    }
    match members.get("expires_at") {
        None => Ok(Some(now.plus(LIFETIME))),
        Some(Value::Null) => Ok(None),
        Some(text) => {
            let end = text.as_str().and_then(Timestamp::parse).filter(|end| *end > now);
            end.map(Some).ok_or_else(|| Refusal::field("expires_at", "must be a moment to come"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_name_of_as_many_characters_as_it_says() {
        let named = |name: &str| name_of(json!({"name": name}).as_object().expect("an object")).map(|name| name.chars().count());
        assert_eq!((named(&"é".repeat(100)), named(" bot ")), (Ok(100), Ok(3)));
        assert!(named(&"x".repeat(101)).is_err() && named(" ").is_err());
    }
}
