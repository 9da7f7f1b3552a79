//! Accounts, one's own and others' (`platform.md` section 2).

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

/// Why there is no account: a problem like any other, but for its `status`.
#[derive(ToSchema)]
pub struct NotSignedUp {
    r#type: String,
    title: String,
    /// In the words that old clients look for.
    status: NotSignedUpStatus,
    /// A sentence for people.
    detail: String,
    code: String,
    /// The same sentence as `detail`.
    error: String,
    /// One sentence for each field.
    errors: Vec<String>,
    /// What is wrong, by field.
    #[schema(value_type = std::collections::HashMap<String, Vec<String>>)]
    details: (),
    instance: String,
    request_id: String,
}

/// What old clients show.
#[derive(ToSchema)]
pub struct NotSignedUpStatus {
    message: String,
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
