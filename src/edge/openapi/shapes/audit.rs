//! The audit (`platform.md` section 2).

use utoipa::{IntoParams, ToSchema};

use super::words::Moment;

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
    /// `login.failed`, `role.changed`.
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
