//! The accounts and keys that a deployment names: created at start where they are missing, so that it can be rebuilt from its files.

use std::fmt;

use trunkline_actors::accounts::{BootstrapKey, BootstrapUser, policy, user};
use trunkline_protocol::Role;

use super::{Section, Settings};

/// Whom and what to create.
#[derive(Clone, Default)]
pub struct Bootstrap {
    /// `[[bootstrap.user]]`
    pub users: Vec<BootstrapUser>,
    /// `[[bootstrap.api_key]]`
    pub api_keys: Vec<BootstrapKey>,
}

// Secrets are not for logs.
impl fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users = self.users.iter().map(|user| &user.email);
        f.debug_list().entries(users).entries(self.api_keys.iter().map(|key| &key.name)).finish()
    }
}

impl Bootstrap {
    pub(super) fn read(settings: &mut Settings) -> Self {
        Self { users: settings.rows("bootstrap", "user", read_user), api_keys: settings.rows("bootstrap", "api_key", read_api_key) }
    }
}

fn read_user(user: &mut Section<'_>) -> BootstrapUser {
    let email = user.required("email");
    if !email.is_empty() && user::normalised_email(&email).is_none() {
        user.mistake("email", "is no e-mail address");
    }
    let password = secret(user, "password", "password_env");
    if let Some(fault) = (!password.is_empty()).then(|| user::password_fault(&password)).flatten() {
        user.mistake("password", fault);
    }
    BootstrapUser { email, password, role: role(user, Role::Default), service: user.flag("service", false) }
}

fn read_api_key(api_key: &mut Section<'_>) -> BootstrapKey {
    let name = api_key.required("name");
    let key = secret(api_key, "key", "key_env");
    if !key.is_empty() && key.len() < 16 {
        api_key.mistake("key", "must be at least 16 bytes long");
    }
    let scopes = api_key.list("scopes", &[]);
    for scope in scopes.iter().filter(|scope| !policy::is_scope(scope)) {
        api_key.mistake("scopes", &format!("holds `{scope}`, which is no permission"));
    }
    BootstrapKey { name, key, role: role(api_key, Role::Editor), scopes }
}

fn secret(section: &mut Section<'_>, key: &'static str, key_env: &'static str) -> String {
    let had_mistakes = section.mistakes();
    let given = section.secret(key, key_env);
    if given.is_none() && section.mistakes() == had_mistakes {
        section.mistake(key, &format!("is missing (give it, or name an environment variable in `{key_env}`)"));
    }
    given.unwrap_or_default()
}

fn role(section: &mut Section<'_>, default: Role) -> Role {
    let words = Role::ALL.map(|(role, word)| (word, role));
    section.choice("role", default, &words)
}
