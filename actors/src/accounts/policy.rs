//! The only place where roles become permissions (`platform.md` section 2, `streams.md` 2.1). Rules and channels ask
//! `principal.may(permission::…)`; nobody compares roles.
//!
//! | permission | default, viewer | editor | moderator | manager | service account, API key | admin |
//! |---|---|---|---|---|---|---|
//! | `streams:read` `streams:export` `locations:read` `streamers:read` `timestamps:read` | yes | yes | yes | yes | yes | yes |
//! | `streams:write` (create; change, pin, archive, delete one's own) `streams:import` | | yes | yes | yes | yes | yes |
//! | `streams:lock` (edit cells of any stream over the cable) | | yes | yes | yes | yes | yes |
//! | `locations:write` `streamers:write` `timestamps:write` | | yes | yes | yes | yes | yes |
//! | `streams:update_any` `timestamps:update_any` | | | | yes | yes | yes |
//! | `streams:delete_any` | | | | yes | | yes |
//! | `ignore_lists:read` | | | yes | yes | yes | yes |
//! | `moderation:skip` | | yes | yes | yes | only where a key's scopes name it | yes (people) |
//! | `moderation:read` `moderation:rule` | | | yes | read | | yes |
//! | `moderation:rule_escalated` | | | `senior_moderator` | | | yes |
//! | `system:read` | | | | yes, and `developer` | | yes |
//! | `ignore_lists:write` `streamers:delete` `streams:tags` `audit:read` `users:write` `api_keys:write` `flags:write` `system:faults` | | | | | | yes |
//! | `events:write` `events:publish` `tickets:read` | | | | yes, and `organizer` | | yes |
//! | `tickets:scan` | | | | `organizer`, `scanner` | | yes |
//!
//! An admin who is a person holds `*`: also what an embedder's own wings invent. A bot with the role admin holds every permission listed
//! here but `moderation:skip`: what a machine pushes is judged, unless its key's scopes say otherwise.

use std::collections::BTreeSet;

use trunkline_protocol::{Permissions, Role};

/// Every permission of the hub's own wings, spelled once.
pub mod permission {
    #![expect(missing_docs, reason = "the table above says what each grants")]
    pub const STREAMS_READ: &str = "streams:read";
    pub const STREAMS_EXPORT: &str = "streams:export";
    pub const STREAMS_WRITE: &str = "streams:write";
    pub const STREAMS_IMPORT: &str = "streams:import";
    pub const STREAMS_LOCK: &str = "streams:lock";
    pub const STREAMS_UPDATE_ANY: &str = "streams:update_any";
    pub const STREAMS_DELETE_ANY: &str = "streams:delete_any";
    pub const STREAMS_TAGS: &str = "streams:tags";
    pub const LOCATIONS_READ: &str = "locations:read";
    pub const LOCATIONS_WRITE: &str = "locations:write";
    pub const IGNORE_LISTS_READ: &str = "ignore_lists:read";
    pub const IGNORE_LISTS_WRITE: &str = "ignore_lists:write";
    pub const STREAMERS_READ: &str = "streamers:read";
    pub const STREAMERS_WRITE: &str = "streamers:write";
    pub const STREAMERS_DELETE: &str = "streamers:delete";
    pub const TIMESTAMPS_READ: &str = "timestamps:read";
    pub const TIMESTAMPS_WRITE: &str = "timestamps:write";
    pub const TIMESTAMPS_UPDATE_ANY: &str = "timestamps:update_any";
    pub const MODERATION_SKIP: &str = "moderation:skip";
    pub const MODERATION_READ: &str = "moderation:read";
    pub const MODERATION_RULE: &str = "moderation:rule";
    pub const MODERATION_RULE_ESCALATED: &str = "moderation:rule_escalated";
    pub const EVENTS_WRITE: &str = "events:write";
    pub const EVENTS_PUBLISH: &str = "events:publish";
    pub const TICKETS_READ: &str = "tickets:read";
    pub const TICKETS_SCAN: &str = "tickets:scan";
    pub const AUDIT_READ: &str = "audit:read";
    pub const USERS_WRITE: &str = "users:write";
    pub const API_KEYS_WRITE: &str = "api_keys:write";
    pub const FLAGS_WRITE: &str = "flags:write";
    pub const SYSTEM_READ: &str = "system:read";
    pub const SYSTEM_FAULTS: &str = "system:faults";
}
#[allow(clippy::wildcard_imports, reason = "this file is the table of all of them")]
use permission::*;

const READER: &[&str] = &[STREAMS_READ, STREAMS_EXPORT, LOCATIONS_READ, STREAMERS_READ, TIMESTAMPS_READ];
const WRITER: &[&str] = &[STREAMS_WRITE, STREAMS_IMPORT, STREAMS_LOCK, LOCATIONS_WRITE, STREAMERS_WRITE, TIMESTAMPS_WRITE];
const SERVICE: &[&str] = &[STREAMS_UPDATE_ANY, TIMESTAMPS_UPDATE_ANY, IGNORE_LISTS_READ];
const MODERATOR: &[&str] = &[MODERATION_SKIP, MODERATION_READ, MODERATION_RULE, IGNORE_LISTS_READ];
const MANAGER: &[&str] = &[
    STREAMS_UPDATE_ANY,
    TIMESTAMPS_UPDATE_ANY,
    STREAMS_DELETE_ANY,
    IGNORE_LISTS_READ,
    MODERATION_SKIP,
    MODERATION_READ,
    SYSTEM_READ,
    EVENTS_WRITE,
    EVENTS_PUBLISH,
    TICKETS_READ,
];
const ORGANIZER: &[&str] = &[EVENTS_WRITE, EVENTS_PUBLISH, TICKETS_READ, TICKETS_SCAN];
const ADMIN: &[&str] = &[
    STREAMS_DELETE_ANY,
    STREAMS_TAGS,
    IGNORE_LISTS_WRITE,
    STREAMERS_DELETE,
    MODERATION_SKIP,
    MODERATION_READ,
    MODERATION_RULE,
    MODERATION_RULE_ESCALATED,
    EVENTS_WRITE,
    EVENTS_PUBLISH,
    TICKETS_READ,
    TICKETS_SCAN,
    AUDIT_READ,
    USERS_WRITE,
    API_KEYS_WRITE,
    FLAGS_WRITE,
    SYSTEM_READ,
    SYSTEM_FAULTS,
];

/// What the role grants by itself, spelled out.
fn sets(role: Role) -> &'static [&'static [&'static str]] {
    match role {
        Role::Default | Role::Viewer => &[READER],
        Role::Developer => &[READER, &[SYSTEM_READ]],
        Role::Editor => &[READER, WRITER, &[MODERATION_SKIP]],
        Role::Service => &[READER, WRITER, SERVICE],
        Role::Moderator => &[READER, WRITER, MODERATOR],
        Role::SeniorModerator => &[READER, WRITER, MODERATOR, &[MODERATION_RULE_ESCALATED]],
        Role::Organizer => &[READER, ORGANIZER],
        Role::Scanner => &[READER, &[TICKETS_SCAN]],
        Role::Manager => &[READER, WRITER, MANAGER],
        Role::Admin => &[READER, WRITER, SERVICE, ADMIN],
    }
}

/// Every permission there is, sorted; what a key's scopes may name.
#[must_use]
pub fn all() -> BTreeSet<&'static str> {
    sets(Role::Admin).iter().copied().flatten().copied().collect()
}

/// What a signed-in user may do. A service account may all that a service may, a plain one included.
#[must_use]
pub fn permissions(role: Role, service: bool) -> Permissions {
    match (role, service) {
        (Role::Admin, false) => ["*"].into_iter().collect(),
        (_, false) => sets(role).iter().copied().flatten().copied().collect(),
        (Role::Default, true) => bot(Role::Service).into_iter().collect(),
        (_, true) => bot(role).into_iter().collect(),
    }
}

/// What an API key of this role may do. No scopes: all that a service account of the role may. Otherwise only what the scopes name:
/// a permission of the role, or `read` (every `…:read`), or `write` (all that a service account of the role may).
#[must_use]
pub fn key_permissions(role: Role, scopes: &[String]) -> Permissions {
    let bot = bot(role);
    if scopes.is_empty() {
        return bot.into_iter().collect();
    }
    let role: BTreeSet<&str> = bot.iter().copied().chain(sets(role).iter().copied().flatten().copied()).collect();
    let mut granted: BTreeSet<&str> = BTreeSet::new();
    for scope in scopes {
        match scope.as_str() {
            "write" => granted.extend(&bot),
            "read" => granted.extend(bot.iter().filter(|permission| permission.ends_with(":read"))),
            named => granted.extend(role.get(named)),
        }
    }
    granted.into_iter().collect()
}

/// Is it something that a key's scopes may say?
#[must_use]
pub fn is_scope(scope: &str) -> bool {
    matches!(scope, "read" | "write") || all().contains(scope)
}

/// The role's own grants without the moderation's blind eye; whoever may write at all has a service's wider rights as well.
fn bot(role: Role) -> BTreeSet<&'static str> {
    let mut granted: BTreeSet<&str> = sets(role).iter().copied().flatten().copied().collect();
    if granted.contains(STREAMS_WRITE) {
        granted.extend(SERVICE);
    }
    granted.remove(MODERATION_SKIP);
    granted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `streams.md` 2.1, row by row: default, editor, service account, key, admin.
    #[test]
    fn grants_what_the_table_of_the_contract_grants() {
        let columns = [
            permissions(Role::Default, false),
            permissions(Role::Editor, false),
            permissions(Role::Editor, true),
            key_permissions(Role::Editor, &[]),
            permissions(Role::Admin, false),
        ];
        let table = [
            (STREAMS_READ, [true, true, true, true, true]),
            (STREAMS_WRITE, [false, true, true, true, true]),
            (STREAMS_IMPORT, [false, true, true, true, true]),
            (STREAMS_UPDATE_ANY, [false, false, true, true, true]),
            (STREAMS_DELETE_ANY, [false, false, false, false, true]),
            (STREAMS_LOCK, [false, true, true, true, true]),
            (LOCATIONS_WRITE, [false, true, true, true, true]),
            (STREAMERS_WRITE, [false, true, true, true, true]),
            (STREAMERS_DELETE, [false, false, false, false, true]),
            (TIMESTAMPS_WRITE, [false, true, true, true, true]),
            (IGNORE_LISTS_READ, [false, false, true, true, true]),
            (IGNORE_LISTS_WRITE, [false, false, false, false, true]),
            (API_KEYS_WRITE, [false, false, false, false, true]),
            (USERS_WRITE, [false, false, false, false, true]),
            (FLAGS_WRITE, [false, false, false, false, true]),
            (MODERATION_SKIP, [false, true, false, false, true]),
        ];
        for (permission, expected) in table {
            let granted = columns.each_ref().map(|column| column.hold(permission));
            assert_eq!(granted, expected, "{permission}");
        }
    }

    #[test]
    fn lets_a_bot_skip_moderation_only_where_its_scopes_say_so() {
        assert!(!permissions(Role::Admin, true).hold(MODERATION_SKIP));
        assert!(permissions(Role::Admin, true).hold(AUDIT_READ));
        let scopes = ["read".to_owned(), MODERATION_SKIP.to_owned(), STREAMS_WRITE.to_owned()];
        let granted = key_permissions(Role::Editor, &scopes);
        assert!(granted.hold(MODERATION_SKIP) && granted.hold(STREAMS_READ) && granted.hold(STREAMS_WRITE));
        assert!(!granted.hold(STREAMS_UPDATE_ANY));
        assert!(!key_permissions(Role::Viewer, &[]).hold(STREAMS_WRITE), "a viewer's key only reads");
        assert!(permissions(Role::Default, true).hold(STREAMS_UPDATE_ANY), "a service account without a role is a service");
    }

    #[test]
    fn never_grants_a_key_more_than_its_role_for_what_its_scopes_name() {
        let granted = key_permissions(Role::Editor, &[USERS_WRITE.to_owned(), "*".to_owned(), "nonsense".to_owned()]);
        assert_eq!(granted.iter().count(), 0);
        assert!(!is_scope("*") && is_scope("write") && is_scope(STREAMS_READ));
    }
}
