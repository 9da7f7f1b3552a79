//! Accounts and API keys as they are shown, and the principals that they sign in as. Plain pictures: [`folding`](super::folding) makes them,
//! the directory hands them out.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use trunkline_protocol::{Credential, Principal, Role, Timestamp, UserId};

use crate::accounts::{api_key::Secret, policy};

/// An account as others see it: a person, a service account, or an API key (which is an account of its own).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: UserId,
    /// Its address; for an API key, its name.
    pub email: Arc<str>,
    /// Its role.
    pub role: Role,
    /// A bot.
    pub service: bool,
    /// Closed: nothing signs in as it.
    pub disabled: bool,
    /// The argon2id hash; empty for an API key.
    pub password: Arc<str>,
    /// Until when the password login is locked.
    pub locked_until: Option<Timestamp>,
    /// Tokens issued before are denied.
    pub tokens_from: Timestamp,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When its role, password or state last changed.
    pub updated_at: Timestamp,
}

/// An API key as its keepers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// Its id, which is also its account's.
    pub id: u64,
    /// Its name.
    pub name: Arc<str>,
    /// Its role.
    pub role: Role,
    /// Its scopes; empty: everything a service account of the role may.
    pub scopes: Vec<String>,
    /// The present secret.
    pub secret: Secret,
    /// The one before, while the overlap lasts.
    pub old_secret: Option<Secret>,
    /// It is no more; kept because what it created still names it.
    pub deleted: bool,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last rotated or deleted.
    pub updated_at: Timestamp,
}

impl Account {
    /// The principal that signs in with this credential.
    #[must_use]
    pub fn principal(&self, credential: Credential) -> Principal {
        Principal {
            user: self.id,
            email: self.email.clone(),
            role: self.role,
            service: self.service,
            permissions: policy::permissions(self.role, self.service),
            credential,
        }
    }
    /// Whether it is a person's or a service account rather than an API key's.
    #[must_use]
    pub fn has_password(&self) -> bool {
        !self.password.is_empty()
    }
    /// Whether it can sign in as an administrator.
    #[must_use]
    pub fn administers(&self) -> bool {
        self.role == Role::Admin && !self.disabled && self.has_password()
    }
    /// Whether a token issued then was issued after the password last changed. Tokens count whole seconds: one of the same second must
    /// not be denied with those before it.
    pub(super) fn believes(&self, issued: Timestamp) -> bool {
        issued.as_seconds() >= self.tokens_from.as_seconds()
    }
    /// Whether it would still sign in as this principal: open, and what it was.
    pub(super) fn is_still(&self, principal: &Principal) -> bool {
        !self.disabled && (self.role, self.service) == (principal.role, principal.service)
    }
}

impl KeyRow {
    /// Which of its secrets are accepted at that moment, by their marks.
    pub(super) fn valid_secrets(&self, now: Timestamp) -> Vec<u64> {
        let known = [Some(&self.secret), self.old_secret.as_ref()].into_iter().flatten();
        known.filter(|secret| secret.expires.is_none_or(|expires| now < expires)).map(Secret::mark).collect()
    }
    /// The principal that shows this secret of it.
    pub(super) fn principal(&self, shown: &Secret) -> Principal {
        Principal {
            user: UserId(self.id),
            email: self.name.clone(),
            role: self.role,
            service: true,
            permissions: policy::key_permissions(self.role, &self.scopes),
            credential: Credential::ApiKey { id: self.id, secret: shown.mark(), expires: shown.expires },
        }
    }
    /// The account that it is.
    pub(super) fn account(&self) -> Account {
        Account {
            id: UserId(self.id),
            email: self.name.clone(),
            role: self.role,
            service: true,
            disabled: self.deleted,
            password: "".into(),
            locked_until: None,
            tokens_from: self.created_at,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}
