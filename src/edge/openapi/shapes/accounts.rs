//! Accounts, keys and the audit (`platform.md` section 2).

use utoipa::{IntoParams, ToSchema};

use super::words::{Moment, Role};

/// Who wants to sign in.
#[derive(ToSchema)]
pub struct Credentials {
    email: String,
    password: String,
}

/// Who wants to sign up.
#[derive(ToSchema)]
pub struct NewAccount {
    /// Not yet taken, in any casing.
    email: String,
    /// With a lower-case letter, an upper-case one and a digit.
    #[schema(min_length = 8, max_length = 128)]
    password: String,
    /// The same once more, where it is given.
    password_confirmation: Option<String>,
}

/// An account, as its owner sees it.
#[derive(ToSchema)]
pub struct Account {
    id: u64,
    email: String,
    role: Role,
    created_at: Moment,
    updated_at: Moment,
}

/// Signed in.
#[derive(ToSchema)]
pub struct SignedIn {
    status: SignedInStatus,
    user: Account,
    /// Also in the header `Authorization`.
    token: String,
    /// For `POST /api/v1/auth/refresh`, once.
    refresh_token: String,
    /// Of the token, in seconds.
    expires_in: u64,
}

/// Signed up, and in.
#[derive(ToSchema)]
pub struct SignedUp {
    #[serde(flatten)]
    signed_in: SignedIn,
    /// The same as `user`.
    data: Account,
}

/// In the words that old clients look for.
#[derive(ToSchema)]
pub struct SignedInStatus {
    code: u16,
    message: String,
}

/// Signed out.
#[derive(ToSchema)]
pub struct SignedOut {
    status: u16,
    message: String,
}

/// What keeps one signed in.
#[derive(ToSchema)]
pub struct RefreshToken {
    refresh_token: String,
}

/// Signed in for longer; the old refresh token is used up.
#[derive(ToSchema)]
pub struct Refreshed {
    user: Account,
    token: String,
    refresh_token: String,
    /// Of the token, in seconds.
    expires_in: u64,
}

/// Who asks.
#[derive(ToSchema)]
pub struct Me {
    #[serde(flatten)]
    bare: MeBare,
    user: MeBare,
}

/// Who asks, bare.
#[derive(ToSchema)]
pub struct MeBare {
    #[serde(flatten)]
    account: Account,
    service: bool,
    display_name: String,
    color: String,
    permissions: Vec<String>,
}

/// A new password.
#[derive(ToSchema)]
pub struct PasswordChange {
    current_password: String,
    /// With a lower-case letter, an upper-case one and a digit.
    #[schema(min_length = 8, max_length = 128)]
    password: String,
    password_confirmation: Option<String>,
}

/// The keys by which tokens may be verified (RFC 7517); none where they are signed with a secret.
#[derive(ToSchema)]
pub struct PublicKeys {
    keys: Vec<serde_json::Value>,
}

/// An account, as administrators see it: bare, and once more under `user`.
#[derive(ToSchema)]
pub struct OneUser {
    #[serde(flatten)]
    bare: UserBare,
    user: UserBare,
}

/// An account, as administrators see it.
#[derive(ToSchema)]
pub struct UserBare {
    #[serde(flatten)]
    account: Account,
    service: bool,
    disabled: bool,
    /// After too many wrong passwords.
    locked_until: Option<Moment>,
}

/// A part of the accounts.
#[derive(ToSchema)]
pub struct UserList {
    data: Vec<OneUser>,
    has_more: bool,
    next_cursor: Option<String>,
}

/// An account that an administrator opens.
#[derive(ToSchema)]
pub struct NewUser {
    #[serde(flatten)]
    account: NewAccount,
    /// `default` where it is absent.
    role: Option<Role>,
    service: Option<bool>,
}

/// What an administrator changes; what is absent stays as it is.
#[derive(ToSchema)]
pub struct UserFields {
    role: Option<Role>,
    service: Option<bool>,
    disabled: Option<bool>,
    #[schema(min_length = 8, max_length = 128)]
    password: Option<String>,
}

/// Which accounts.
#[derive(IntoParams)]
pub struct UserFilter {
    #[param(value_type = Option<Role>, inline)]
    role: Option<String>,
    /// Within the e-mail address.
    search: Option<String>,
    disabled: Option<bool>,
}

/// An API key, without its secret.
#[derive(ToSchema)]
pub struct ApiKey {
    id: u64,
    name: String,
    /// How the secret begins.
    prefix: String,
    role: Role,
    scopes: Vec<String>,
    /// What role and scopes come to.
    permissions: Vec<String>,
    expires_at: Option<Moment>,
    expired: bool,
    /// Of the secret before, while it is still valid.
    old_prefix: Option<String>,
    old_valid_until: Option<Moment>,
    created_by: u64,
    created_at: Moment,
    updated_at: Moment,
}

/// A part of the keys.
#[derive(ToSchema)]
pub struct ApiKeyList {
    data: Vec<ApiKey>,
    /// The same as `data`.
    api_keys: Vec<ApiKey>,
    has_more: bool,
    next_cursor: Option<String>,
}

/// A key with its secret: bare, and once more under `api_key`.
#[derive(ToSchema)]
pub struct NewSecret {
    #[serde(flatten)]
    bare: SecretBare,
    api_key: SecretBare,
}

/// A key with its secret.
#[derive(ToSchema)]
pub struct SecretBare {
    #[serde(flatten)]
    described: ApiKey,
    /// The secret: shown here, and never again.
    key: String,
}

/// A key that an administrator makes.
#[derive(ToSchema)]
pub struct ApiKeyFields {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// `editor` where it is absent.
    role: Option<Role>,
    /// Permissions, `read` or `write`; none: all that the role may.
    scopes: Option<Vec<String>>,
    /// Null: never; 90 days from now where nothing is said.
    expires_at: Option<Moment>,
    #[schema(minimum = 1, maximum = 36500)]
    expires_in_days: Option<u64>,
}

/// How a secret is changed.
#[derive(ToSchema)]
pub struct Rotation {
    /// For how long the old secret is still valid: a day where it is absent, thirty days at most.
    #[schema(maximum = 2592000)]
    overlap_s: Option<u64>,
    /// As of a new key.
    expires_at: Option<Moment>,
    #[schema(minimum = 1, maximum = 36500)]
    expires_in_days: Option<u64>,
}

/// A part of the audit, newest first.
#[derive(ToSchema)]
pub struct AuditPage {
    data: Vec<AuditEntry>,
    has_more: bool,
    next_cursor: Option<String>,
}

/// Who did what.
#[derive(ToSchema)]
pub struct AuditEntry {
    id: u64,
    at: Moment,
    actor: Actor,
    /// `login.failed`, `user.role_changed`.
    action: String,
    subject: String,
    detail: String,
    address: Option<String>,
    /// Over this entry and the hash before it.
    hash: String,
}

/// Who did it.
#[derive(ToSchema)]
pub struct Actor {
    id: u64,
    name: String,
}

/// Whether the chain is whole.
#[derive(ToSchema)]
pub struct AuditHead {
    valid: bool,
    entries: u64,
    /// The newest hash.
    head: String,
    /// The first entry that does not fit.
    broken_at: Option<u64>,
}

/// Which entries.
#[derive(IntoParams)]
pub struct AuditFilter {
    /// An id or an e-mail address.
    actor: Option<String>,
    /// `login.failed`, or a family of them: `login.`
    action: Option<String>,
    #[param(value_type = Option<Moment>, inline)]
    since: Option<String>,
}
