//! `/users`: whom the hub knows, for administrators: list, open, change role, disable (`platform.md` section 2).

use actix_web::{HttpResponse, web::Data};
use serde_json::{Map, Value, json};
use trunkline_actors::accounts::{
    Account, Passwords,
    admins::Admins,
    policy::permission::USERS_WRITE,
    user::{UserCommand, password_fault},
};
use trunkline_protocol::{Refusal, Role, UserId};

use super::accounts::{Wanted, open_account, shown};
use crate::edge::{
    Api, Body, Caller, Id, Problem, Query,
    openapi::{
        Table, operation, resource,
        shapes::{
            After,
            accounts::{NewUser, OneUser, UserFields, UserFilter, UserList},
        },
    },
    query::parse_flag,
};

type Answer = Result<HttpResponse, Problem>;

pub fn routes(api: &mut Table) {
    let admin = |summary| operation(summary).needs(USERS_WRITE);
    let list = admin("List accounts").query::<UserFilter>().query::<After>().answers::<UserList>(200, "A part of the accounts.");
    let close = admin("Disable an account").about("It is never removed: what it made still names it.");
    let open = admin("Open an account").body_under::<NewUser>("user").answers::<OneUser>(201, "It was opened.");
    api.about("users").service(resource("/users").get(index, list).post(create, open)).service(
        resource("/users/{id}")
            .get(show, admin("Show an account").answers::<OneUser>(200, "The account."))
            .change(
                change,
                admin("Change an account")
                    .body_under::<UserFields>("user")
                    .answers::<OneUser>(200, "The account, changed.")
                    .refuses(&[409]),
            )
            .delete(disable, close.nothing(204, "It is disabled.").refuses(&[409])),
    );
}

async fn index(api: Data<Api>, caller: Caller, query: Query) -> Answer {
    caller.require(USERS_WRITE)?;
    let limit = query.number("limit", 20, 1..=100) as usize;
    let after = query.cursor()?.unwrap_or(0);
    let role = query.get("role").and_then(|role| role.parse::<Role>().ok());
    let search = query.get("search").map(str::to_lowercase);
    let disabled = query.flag(&["disabled"]);
    let mut found = api.auth.accounts.accounts(after, limit + 1, |account| {
        role.is_none_or(|role| account.role == role)
            && disabled.is_none_or(|disabled| account.disabled == disabled)
            && search.as_ref().is_none_or(|search| account.email.contains(search.as_str()))
    });
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|account| account.id.to_string());
    let data: Vec<_> = found.iter().map(whole).collect();
    Ok(HttpResponse::Ok().json(json!({"data": data, "has_more": has_more, "next_cursor": next})))
}

async fn show(api: Data<Api>, caller: Caller, id: Id) -> Answer {
    caller.require(USERS_WRITE)?;
    Ok(HttpResponse::Ok().json(whole(&person(&api, id)?)))
}

async fn create(api: Data<Api>, caller: Caller, body: Body) -> Answer {
    caller.require(USERS_WRITE)?;
    let members = body.unwrapped("user");
    let new = Wanted::read(&members)?;
    let (role, service) = (role_of(&members)?.unwrap_or(Role::Default), flag_of(&members, "service")?.unwrap_or(false));
    let account = open_account(&api, new, role, service, &caller).await?;
    Ok(HttpResponse::Created().json(whole(&account)))
}

/// `role`, `service`, `disabled`, `password`; what is absent stays as it is.
async fn change(api: Data<Api>, caller: Caller, id: Id, body: Body) -> Answer {
    caller.require(USERS_WRITE)?;
    let account = person(&api, id)?;
    let members = body.unwrapped("user");
    let (role, service) = (role_of(&members)?, flag_of(&members, "service")?);
    let disabled = flag_of(&members, "disabled")?;
    let password = members.get("password").and_then(Value::as_str);
    if let Some(fault) = password.and_then(password_fault) {
        return Err(Refusal::field("password", fault).into());
    }
    let mut commands = Vec::new();
    if role.is_some() || service.is_some() {
        commands.push(UserCommand::ChangeRole { role, service });
    }
    if let Some(password) = password {
        let password = api.hub.provided::<Passwords>().hash(password.to_owned()).await?;
        commands.push(UserCommand::ChangePassword { password });
    }
    commands.extend(disabled.map(|disabled| if disabled { UserCommand::Disable } else { UserCommand::Enable }));
    api.hub.provided::<Admins>().change(&api.hub, account.id, commands, &caller).await?;
    Ok(HttpResponse::Ok().json(whole(&person(&api, id)?)))
}

/// An account is never removed: what it made still names it. It is closed.
async fn disable(api: Data<Api>, caller: Caller, id: Id) -> Answer {
    caller.require(USERS_WRITE)?;
    api.hub.provided::<Admins>().change(&api.hub, UserId(id.0), vec![UserCommand::Disable], &caller).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn person(api: &Api, id: Id) -> Result<Account, Problem> {
    // A key is an account too, but not one to be changed here.
    api.auth.accounts.account(UserId(id.0)).filter(Account::has_password).ok_or_else(Problem::not_found)
}

fn whole(account: &Account) -> Value {
    let mut user = shown(account);
    user["service"] = json!(account.service);
    user["disabled"] = json!(account.disabled);
    user["locked_until"] = json!(account.locked_until);
    user["user"] = user.clone();
    user
}

pub(super) fn role_of(members: &Map<String, Value>) -> Result<Option<Role>, Refusal> {
    match members.get("role") {
        None | Some(Value::Null) => Ok(None),
        Some(role) => {
            let role = role.as_str().and_then(|role| role.trim().to_lowercase().parse().ok());
            role.map(Some).ok_or_else(|| Refusal::field("role", "is not included in the list"))
        }
    }
}

fn flag_of(members: &Map<String, Value>, name: &'static str) -> Result<Option<bool>, Refusal> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(Value::String(text)) if parse_flag(text).is_some() => Ok(parse_flag(text)),
        Some(_) => Err(Refusal::field(name, "must be true or false")),
    }
}
