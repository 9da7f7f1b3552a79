//! API keys, for administrators (`platform.md` section 2).

use utoipa::ToSchema;

use super::words::{Moment, Role};

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
