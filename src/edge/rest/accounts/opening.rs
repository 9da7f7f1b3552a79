//! Opening an account: by signing up, or by an administrator (`users.rs`).

use std::borrow::Cow;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::{Map, Value, json};
use trunkline_actors::{
    AskError,
    accounts::{
        Account, Passwords,
        user::{NewAccount, User, UserCommand, normalised_email, password_fault},
    },
};
use trunkline_protocol::{Principal, Refusal, Role};

use super::{add_tokens, shown, sign_in, text, too_many, with_token};
use crate::edge::{Api, Body, Problem, auth};

pub(super) async fn signup(api: web::Data<Api>, request: HttpRequest, body: Body) -> Result<HttpResponse, Problem> {
    if !api.auth.config.signup {
        return Err(Problem::new(StatusCode::FORBIDDEN, "SIGNUP_CLOSED", "Signing up is not possible here"));
    }
    let address = auth::address(&request, api.config.trust_forwarded);
    api.auth.signups.count(&address, api.hub.clock().now()).map_err(too_many)?;
    let members = body.unwrapped("user");
    // Whatever role the body asks for: it is `default` (C32).
    let new = Wanted::read(&members).map_err(not_created)?;
    let account = open_account(&api, new, Role::Default, false, &Principal::anonymous()).await.map_err(not_created_by)?;
    let (token, refresh) = sign_in(&api, &account, address).await?;
    let user = shown(&account);
    let mut answer = json!({"status": {"code": 200, "message": "Signed up successfully."}, "data": user, "user": user});
    add_tokens(&mut answer, &token, refresh, api.auth.lifetime(&account).as_secs());
    Ok(with_token(HttpResponse::Created(), &token, &answer))
}

/// An account that somebody wants to open.
pub(in crate::edge::rest) struct Wanted {
    email: String,
    password: String,
}

impl Wanted {
    /// # Errors
    /// 422: every field that is wrong, at once.
    pub(in crate::edge::rest) fn read(members: &Map<String, Value>) -> Result<Self, Refusal> {
        let (tried, password) = (text(members, "email"), text(members, "password"));
        let mut faults = Vec::new();
        let email = normalised_email(&tried);
        if email.is_none() {
            faults.push(("email".into(), if tried.trim().is_empty() { "can't be blank" } else { "is invalid" }.into()));
        }
        judge_password(members, &password, &mut faults);
        match email {
            Some(email) if faults.is_empty() => Ok(Self { email, password }),
            _ => Err(Refusal::fields(faults)),
        }
    }
}

type Faults = Vec<(Cow<'static, str>, Cow<'static, str>)>;

/// Adds what is wrong with a new password.
pub(super) fn judge_password(members: &Map<String, Value>, password: &str, faults: &mut Faults) {
    if let Some(fault) = password_fault(password) {
        faults.push(("password".into(), fault.into()));
    }
    if members.get("password_confirmation").is_some_and(|given| !given.is_null() && given.as_str() != Some(password)) {
        faults.push(("password_confirmation".into(), "doesn't match Password".into()));
    }
}

/// Opens an account, and waits until everybody here knows it.
pub(in crate::edge::rest) async fn open_account(
    api: &Api,
    new: Wanted,
    role: Role,
    service: bool,
    by: &Principal,
) -> Result<Account, AskError> {
    let Wanted { email, password } = new;
    if api.auth.accounts.account_of(&email).is_some() {
        return Err(Refusal::field("email", "has already been taken").into());
    }
    let password = api.hub.provided::<Passwords>().hash(password).await?;
    let id = api.hub.next_id("users").await?;
    let account = NewAccount { id, email: email.clone(), password, role, service };
    let outcome = api.hub.ask::<User>(&email, UserCommand::SignUp(account), api.hub.asking(by)).await?;
    api.hub.seen(outcome.position).await?;
    api.auth.accounts.account_of(&email).ok_or_else(|| AskError::Unavailable("the account has not arrived yet".into()))
}

fn not_created(refusal: Refusal) -> Problem {
    let sentence = format!("User couldn't be created successfully. {refusal}");
    Problem::from(refusal).with("status", json!({"message": sentence}))
}

fn not_created_by(error: AskError) -> Problem {
    match error {
        AskError::Refused(refusal) => not_created(refusal),
        other => other.into(),
    }
}
