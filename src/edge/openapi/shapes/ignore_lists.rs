//! Ignore lists (`streams.md` section 6).

use utoipa::{IntoParams, ToSchema};

use super::{
    PageMeta,
    words::{ListType, Moment},
};

/// Who or what is not wanted.
#[derive(ToSchema)]
pub struct IgnoreEntry {
    id: u64,
    list_type: ListType,
    /// In its one spelling.
    value: String,
    notes: Option<String>,
    created_at: Moment,
    updated_at: Moment,
}

/// A page of entries.
#[derive(ToSchema)]
pub struct IgnorePage {
    ignore_lists: Vec<IgnoreEntry>,
    meta: PageMeta,
}

/// Every value, by list.
#[derive(ToSchema)]
pub struct IgnoredByType {
    twitch_users: Vec<String>,
    discord_users: Vec<String>,
    urls: Vec<String>,
    domains: Vec<String>,
}

/// What a client says of an entry.
#[derive(ToSchema)]
pub struct IgnoreFields {
    list_type: Option<ListType>,
    value: Option<String>,
    notes: Option<String>,
}

/// Entries to be listed.
#[derive(ToSchema)]
pub struct BulkCreate {
    #[schema(max_items = 10000)]
    entries: Vec<IgnoreFields>,
}

/// What was listed, and what was not.
#[derive(ToSchema)]
pub struct BulkCreated {
    created: Vec<IgnoreEntry>,
    errors: Vec<EntryErrors>,
}

/// Why one was not.
#[derive(ToSchema)]
pub struct EntryErrors {
    value: Option<serde_json::Value>,
    errors: Vec<String>,
}

/// Entries to be taken off.
#[derive(ToSchema)]
pub struct BulkDelete {
    #[schema(max_items = 10000)]
    ids: Vec<u64>,
}

/// How many were taken off.
#[derive(ToSchema)]
pub struct BulkDeleted {
    deleted_count: u64,
}

/// Which entries.
#[derive(IntoParams)]
pub struct IgnoreFilter {
    #[param(value_type = Option<ListType>, inline)]
    list_type: Option<String>,
    /// Within value and notes.
    search: Option<String>,
}
