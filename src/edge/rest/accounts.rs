//! Signing in, up and out (`streams.md` section 2): both paths, both shapes of body. Also refreshing, who one is, and the public keys.

mod opening;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web,
};
use serde_json::{Map, Value, json};
use trunkline_actors::{
    AskError, Outcome,
    accounts::{
        Account, Passwords,
        audit::{self, Act},
        bootstrap::{hash_of, new_secret},
        refresh::{AccessToken, Refresh, RefreshCommand, RefreshFact},
        user::{User, UserCommand, normalised_email},
    },
};
use trunkline_protocol::{Credential, Principal, Refusal, RefusalKind, Timestamp, UserId};
use uuid::Uuid;

pub(super) use self::opening::{Wanted, open_account};
use self::opening::{judge_password, signup};
use crate::edge::{
    Api, Body, Caller, Problem,
    auth::{self, REFRESH_LIFETIME},
    openapi::{
        Table, operation, resource,
        shapes::accounts::{
            Credentials, Me, NewAccount, NotSignedUp, PasswordChange, PublicKeys, RefreshToken, Refreshed, SignedIn, SignedOut,
            SignedUp,
        },
    },
};

/// Both spellings of each path, under `/api/v1`.
pub fn routes(api: &mut Table) {
    let open = |summary| operation(summary).open();
    for prefix in ["", "/users"] {
        let signed_in = open("Sign in").body_under::<Credentials>("user").answers::<SignedIn>(200, "A token, also as a header.");
        let signed_up = open("Sign up").body_under::<NewAccount>("user").answers::<SignedUp>(201, "An account, and a token.");
        let signed_up = signed_up.problem::<NotSignedUp>(422, "There is no account.").refuses(&[403]);
        let signed_out = open("Sign out").about("Also without a token: whoever wants to be out is out.");
        api.about("accounts")
            .service(resource(&format!("{prefix}/login")).post(login, signed_in.refuses(&[401])))
            .service(resource(&format!("{prefix}/signup")).post(signup, signed_up))
            .service(resource(&format!("{prefix}/logout")).delete(logout, signed_out.answers::<SignedOut>(200, "Signed out.")));
    }
    let refreshed = open("Stay signed in").about("The old refresh token is used up; used again, it ends the chain.");
    let refreshed = refreshed.body::<RefreshToken>().answers::<Refreshed>(200, "The next tokens.").refuses(&[401]);
    let changed = operation("Change one's password").about("Every token issued before ends.").body_under::<PasswordChange>("user");
    api.service(resource("/auth/refresh").post(refresh, refreshed))
        .service(resource("/users/me").get(me, operation("Who am I?").answers::<Me>(200, "Who asks, and what they may.")))
        .service(resource("/users/password").on(
            [Method::PUT],
            change_password,
            changed.nothing(204, "It is changed.").refuses(&[403]),
        ));
}

/// What stands at the root rather than under `/api/v1`.
pub fn root_routes(root: &mut Table) {
    let keys = operation("The keys of tokens").open().answers::<PublicKeys>(200, "Public keys (RFC 7517).");
    root.about("accounts").service(resource("/.well-known/jwks.json").get(public_keys, keys));
}

/// An account as it is shown: to itself, and beside what it made.
#[must_use]
pub fn shown(account: &Account) -> Value {
    json!({
        "id": account.id, "email": account.email, "role": account.role,
        "created_at": account.created_at, "updated_at": account.updated_at,
    })
}

async fn login(api: web::Data<Api>, request: HttpRequest, body: Body) -> Result<HttpResponse, Problem> {
    let members = body.unwrapped("user");
    let (tried, password) = (text(&members, "email"), text(&members, "password"));
    let email = normalised_email(&tried);
    let address = auth::address(&request, api.config.trust_forwarded);
    let now = api.hub.clock().now();
    throttle(&api, &address, email.as_deref().unwrap_or(&tried), now)?;
    let account = email.as_deref().and_then(|email| api.auth.accounts.account_of(email));
    let locked_until = account.as_ref().and_then(|account| account.locked_until).filter(|until| now < *until);
    if let Some(until) = locked_until {
        return Err(too_many(until.since(now)));
    }
    let hash = account.as_ref().map(|account| account.password.clone());
    let right = api.hub.provided::<Passwords>().check(password, hash).await?;
    let Some(account) = account else {
        let _ = api.auth.strangers.count(email.as_deref().unwrap_or(&tried), now);
        let act = Act { actor_name: tried, action: "login.failed".into(), subject: "user/unknown".into(), ..Act::default() };
        audit::record(&api.hub, act.from(&address)).await?;
        return Err(wrong());
    };
    if !right {
        let command = UserCommand::RecordFailure { address };
        let outcome = api.hub.ask::<User>(&account.email, command, api.hub.asking(&Principal::anonymous())).await?;
        // The lock must hold for the very next try.
        api.hub.seen(outcome.position).await?;
        return Err(wrong());
    }
    let (token, refresh) = sign_in(&api, &account, address).await?;
    let mut answer = json!({
        "status": {"code": 200, "message": "Logged in successfully."},
        "user": shown(&account),
    });
    add_tokens(&mut answer, &token, refresh, api.auth.lifetime(&account).as_secs());
    Ok(with_token(HttpResponse::Ok(), &token, &answer))
}

/// Also without a token, and with one that no longer holds: whoever wants to be out is out.
async fn logout(api: web::Data<Api>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let parts = auth::parts(&request);
    if let Ok(who) = api.auth.identify(&parts)
        && let Credential::Token { jti, expires: Some(expires), .. } = &who.credential
    {
        let command = UserCommand::SignOut { jti: jti.clone(), expires: *expires };
        let outcome = api.hub.ask::<User>(&who.email, command, api.hub.asking(&who)).await?;
        if let Some(family) = api.auth.token_of(&parts).and_then(|token| token.family) {
            api.hub.ask::<Refresh>(family, RefreshCommand::End, api.hub.asking(&who)).await?;
        }
        api.hub.seen(outcome.position).await?;
    }
    Ok(HttpResponse::Ok().json(json!({"status": 200, "message": "Logged out successfully."})))
}

/// `{"refresh_token": ..}` → a new token and the next refresh token. The old one is used up; used again, it ends the chain.
async fn refresh(api: web::Data<Api>, request: HttpRequest, body: Body) -> Result<HttpResponse, Problem> {
    let address = auth::address(&request, api.config.trust_forwarded);
    let now = api.hub.clock().now();
    api.auth.long_logins.count(&address, now).map_err(too_many)?;
    let presented = text(&body, "refresh_token");
    let (family, secret) = family_of(&presented).ok_or_else(Problem::unauthenticated)?;
    let (jti, next) = (Uuid::new_v4().to_string(), new_secret(""));
    let longest = api.auth.config.token_lifetime.max(api.auth.config.service_token_lifetime);
    let access = AccessToken { jti: jti.clone(), expires: now.plus(longest) };
    let rotate = RefreshCommand::Rotate { presented: hash_of(&secret), next: hash_of(&next), access };
    let outcome: Outcome<Refresh> = api.hub.ask(&family, rotate, api.hub.asking(&Principal::anonymous())).await?;
    let (user, begun) = match outcome.facts.first() {
        Some(RefreshFact::Rotated { user, begun, .. }) => (*user, *begun),
        Some(RefreshFact::ReuseDetected { .. }) => {
            api.hub.seen(outcome.position).await?;
            let sentence = "This refresh token was used before; sign in again";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "REFRESH_TOKEN_REUSED", sentence));
        }
        _ => return Err(Problem::unauthenticated()),
    };
    let account = api.auth.accounts.account(UserId(user)).filter(|account| !account.disabled && begun >= account.tokens_from);
    let Some(account) = account else {
        api.hub.ask::<Refresh>(&family, RefreshCommand::End, api.hub.asking(&Principal::house())).await?;
        return Err(Problem::unauthenticated());
    };
    let lifetime = api.auth.lifetime(&account);
    let token = api.auth.tokens.issue(&account, &jti, Some(&family), now, lifetime);
    let mut answer = json!({"user": shown(&account)});
    add_tokens(&mut answer, &token, refresh_token(&family, &next), lifetime.as_secs());
    Ok(with_token(HttpResponse::Ok(), &token, &answer))
}

async fn me(api: web::Data<Api>, caller: Caller) -> Result<HttpResponse, Problem> {
    let account = api.auth.accounts.account(caller.user).ok_or_else(Problem::unauthenticated)?;
    let mut user = shown(&account);
    user["service"] = json!(account.service);
    user["display_name"] = json!(caller.display_name());
    user["color"] = json!(caller.color());
    user["permissions"] = json!(caller.permissions.iter().collect::<Vec<_>>());
    user["user"] = user.clone();
    Ok(HttpResponse::Ok().json(user))
}

/// `{"current_password": .., "password": .., "password_confirmation": ..}`; every token issued before ends.
async fn change_password(api: web::Data<Api>, caller: Caller, request: HttpRequest, body: Body) -> Result<HttpResponse, Problem> {
    let account = api.auth.accounts.account(caller.user).filter(Account::has_password);
    let account = account.ok_or_else(Problem::forbidden)?;
    let members = body.unwrapped("user");
    let address = auth::address(&request, api.config.trust_forwarded);
    throttle(&api, &address, &account.email, api.hub.clock().now())?;
    let passwords = api.hub.provided::<Passwords>();
    if !passwords.check(text(&members, "current_password"), Some(account.password.clone())).await? {
        return Err(Refusal::field("current_password", "is invalid").into());
    }
    let password = text(&members, "password");
    let mut faults = Vec::new();
    judge_password(&members, &password, &mut faults);
    if !faults.is_empty() {
        return Err(Refusal::fields(faults).into());
    }
    let command = UserCommand::ChangePassword { password: passwords.hash(password).await? };
    let outcome = api.hub.ask::<User>(&account.email, command, api.hub.asking(&caller)).await?;
    api.hub.seen(outcome.position).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn public_keys(api: web::Data<Api>) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=300")).json(api.auth.tokens.public_keys())
}

/// The password was right: a token and the first of a chain of refresh tokens, once it is written down.
async fn sign_in(api: &Api, account: &Account, address: String) -> Result<(String, String), Problem> {
    let now = api.hub.clock().now();
    let (jti, family, secret) = (Uuid::new_v4().to_string(), Uuid::new_v4().simple().to_string(), new_secret(""));
    let lifetime = api.auth.lifetime(account);
    let who = account.principal(Credential::Token { jti: jti.clone(), issued: now, expires: Some(now.plus(lifetime)) });
    let signed_in = api.hub.ask::<User>(&account.email, UserCommand::SignIn { jti: jti.clone(), address }, api.hub.asking(&who));
    match signed_in.await {
        // Disabled, or locked a moment ago: said in the words of a wrong password.
        Err(AskError::Refused(refusal)) if refusal.kind == RefusalKind::Unauthenticated => return Err(wrong()),
        other => other?,
    };
    let access = AccessToken { jti: jti.clone(), expires: now.plus(lifetime) };
    let issue = RefreshCommand::Issue { user: account.id.0, hash: hash_of(&secret), expires: now.plus(REFRESH_LIFETIME), access };
    api.hub.ask::<Refresh>(&family, issue, api.hub.asking(&who)).await?;
    let token = api.auth.tokens.issue(account, &jti, Some(&family), now, lifetime);
    Ok((token, refresh_token(&family, &secret)))
}

fn throttle(api: &Api, address: &str, account: &str, now: Timestamp) -> Result<(), Problem> {
    api.auth.strangers.check(account, now).map_err(too_many)?;
    api.auth.logins.count(&format!("address {address}"), now).map_err(too_many)?;
    api.auth.logins.count(&format!("account {account}"), now).map_err(too_many)?;
    api.auth.long_logins.count(address, now).map_err(too_many)
}

fn too_many(wait: std::time::Duration) -> Problem {
    Problem::too_many(wait.as_secs().max(1))
}

fn wrong() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "INVALID_CREDENTIALS", "Invalid email or password")
}

fn refresh_token(family: &str, secret: &str) -> String {
    format!("tr_{family}_{secret}")
}

/// The family is a UUID of our own making: what is none finds nothing and wakes nobody.
fn family_of(token: &str) -> Option<(String, String)> {
    let (family, secret) = token.strip_prefix("tr_")?.split_once('_')?;
    let family = Uuid::try_parse(family).ok().filter(|_| secret.len() == 43)?;
    Some((family.simple().to_string(), secret.to_owned()))
}

fn add_tokens(answer: &mut Value, token: &str, refresh: String, expires_in_s: u64) {
    answer["token"] = json!(token);
    answer["refresh_token"] = json!(refresh);
    answer["expires_in"] = json!(expires_in_s);
}

fn with_token(mut response: actix_web::HttpResponseBuilder, token: &str, answer: &Value) -> HttpResponse {
    response
        .insert_header((header::AUTHORIZATION, format!("Bearer {token}")))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(answer)
}

/// A member that is text; anything else is as good as absent.
fn text(members: &Map<String, Value>, name: &str) -> String {
    members.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
