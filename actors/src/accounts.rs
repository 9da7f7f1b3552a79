//! Wing: who is here and what they may do.
//!
//! # Layout
//! - [`policy`]: which role grants which permission; the constants by which every wing names them
//! - [`presence`]: who is on which topic, over all their tabs
//! - [`user`], [`api_key`], [`refresh`]: the accounts of people, of bots, and the chain of tokens that a login begins
//! - [`admins`]: changes by administrators, in turn
//! - [`directory`]: everybody known, in memory; what the edge asks on every request, and what tells gateways of revocations
//! - [`audit`], [`audit_log`]: who did what, hash-chained; how it is written and how it is read
//! - [`answered`]: what a POST with an `Idempotency-Key` was answered
//! - [`passwords`]: argon2id, off every actor
//! - [`bootstrap`](mod@bootstrap): the accounts that a deployment names, its first admin, its signing secret

pub mod admins;
pub mod answered;
pub mod api_key;
pub mod audit;
pub mod audit_log;
pub mod bootstrap;
pub mod directory;
pub mod passwords;
pub mod policy;
pub mod presence;
pub mod refresh;
pub mod signing_secret;
pub mod user;

use std::{sync::Arc, time::Duration};

use crate::Plan;

pub use bootstrap::{BootstrapKey, BootstrapUser, bootstrap, first_admin};
pub use directory::{Account, Accounts, Revoked};
pub use passwords::{PasswordConfig, Passwords};

/// How soon after it happened an act of the accounts stands in the audit log, at the latest.
const CARRY_OVER_PERIOD: Duration = Duration::from_millis(500);

/// Adds the wing's lines. `passwords` is made by whoever reads the configuration; [`Accounts`], [`audit_log::AuditLog`] and [`Passwords`]
/// are then found through the hub.
pub fn plan(plan: &mut Plan, passwords: Arc<Passwords>) -> Arc<Accounts> {
    let accounts = Arc::new(Accounts::default());
    plan.entity::<user::User>();
    plan.entity::<api_key::ApiKey>();
    plan.entity::<refresh::Refresh>();
    plan.entity::<audit::Audit>();
    plan.entity::<answered::Answered>();
    plan.entity::<signing_secret::SigningSecret>();
    // The log names people by the directory, so the directory folds first.
    plan.projection(accounts.clone());
    plan.projection(Arc::new(audit_log::AuditLog::new(accounts.clone())));
    plan.provide(passwords);
    plan.provide(Arc::new(admins::Admins::default()));
    let denials = Arc::new(audit::Denials::default());
    plan.provide(denials.clone());
    plan.on_denial(move |who, entity| denials.note(audit::Act::of(who, "access.denied", format_args!("act on {entity}"))));
    plan.every("audit carry-over", CARRY_OVER_PERIOD, |hub| {
        Box::pin(async move {
            if let Err(error) = audit::carry_over(hub).await {
                tracing::warn!(%error, "the audit log could not take over what the accounts tell; trying again");
            }
        })
    });
    accounts
}

#[cfg(test)]
mod tests;
