//! The accounts and keys that a deployment names: created at start where they are missing, so that it can be rebuilt from its files.

use trunkline_protocol::Role;

use super::{Section, Settings};

/// Whom and what to create.
#[derive(Clone, Debug, Default)]
pub struct Bootstrap {
    /// `[[bootstrap.user]]`
    pub users: Vec<BootstrapUser>,
    /// `[[bootstrap.api_key]]`
    pub api_keys: Vec<BootstrapApiKey>,
}

/// An account.
#[derive(Clone)]
pub struct BootstrapUser {
    /// Its e-mail address.
    pub email: String,
    /// Its password, in clear: it is hashed before it is written anywhere.
    pub password: String,
    /// Its role.
    pub role: Role,
    /// A bot rather than a person.
    pub service: bool,
}

/// A key.
#[derive(Clone)]
pub struct BootstrapApiKey {
    /// What it is called.
    pub name: String,
    /// The secret itself; only its hash is written.
    pub key: String,
    /// Its role.
    pub role: Role,
}

// Secrets are not for logs.
impl std::fmt::Debug for BootstrapUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.email, self.role)
    }
}
impl std::fmt::Debug for BootstrapApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.role)
    }
}

impl Bootstrap {
    pub(super) fn read(settings: &mut Settings) -> Self {
        Self { users: settings.rows("bootstrap", "user", read_user), api_keys: settings.rows("bootstrap", "api_key", read_api_key) }
    }
}

fn read_user(user: &mut Section<'_>) -> BootstrapUser {
    let email = user.required("email").trim().to_lowercase();
    let well_formed = email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !email.contains(char::is_whitespace)
    });
    if !email.is_empty() && !well_formed {
        user.mistake("email", "is no e-mail address");
    }
    let password = secret(user, "password", "password_env");
    if !password.is_empty() && !(8..=128).contains(&password.chars().count()) {
        user.mistake("password", "must be 8 to 128 characters long");
    }
    BootstrapUser { email, password, role: role(user, Role::Default), service: user.flag("service", false) }
}

fn read_api_key(api_key: &mut Section<'_>) -> BootstrapApiKey {
    let name = api_key.required("name");
    let key = secret(api_key, "key", "key_env");
    if !key.is_empty() && key.len() < 16 {
        api_key.mistake("key", "must be at least 16 bytes long");
    }
    BootstrapApiKey { name, key, role: role(api_key, Role::Editor) }
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
