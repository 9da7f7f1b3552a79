//! The accounts and keys that a deployment's configuration names: created at start where they are missing, never changed where they are not
//! (`platform.md` section 2). What a person changed since must survive a restart.

use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use trunkline_protocol::{Principal, Refusal, Role};

use super::{
    api_key::{ApiKey, ApiKeyCommand, NewApiKey, Secret},
    directory::Accounts,
    passwords::Passwords,
    signing_secret::{MakeSecret, SigningSecret},
    user::{self, NewAccount, User, UserCommand},
};
use crate::{AskError, Hub};

/// Whose password is made up and shown once where nobody is an admin.
pub const FIRST_ADMIN: &str = "admin@trunkline.local";

/// `[[bootstrap.user]]`, read.
#[derive(Clone)]
pub struct BootstrapUser {
    /// The address.
    pub email: String,
    /// The password.
    pub password: String,
    /// The role.
    pub role: Role,
    /// A bot's account.
    pub service: bool,
}

/// `[[bootstrap.api_key]]`, read.
#[derive(Clone)]
pub struct BootstrapKey {
    /// The name.
    pub name: String,
    /// The secret itself; any text of 16 characters or more.
    pub key: String,
    /// The role.
    pub role: Role,
    /// The scopes; empty: all that a service account of the role may.
    pub scopes: Vec<String>,
}

/// Creates what is missing.
///
/// # Errors
/// [`AskError::Refused`] where an address is none; every failure of [`Hub::ask`].
pub async fn bootstrap(hub: &Hub, users: &[BootstrapUser], keys: &[BootstrapKey]) -> Result<(), AskError> {
    for user in users {
        create_user(hub, user).await?;
    }
    for key in keys {
        create_key(hub, key).await?;
    }
    Ok(())
}

/// Creates [`FIRST_ADMIN`] where nobody is an admin yet; its password, told this once.
///
/// # Errors
/// Every failure of [`Hub::ask`].
pub async fn first_admin(hub: &Hub) -> Result<Option<String>, AskError> {
    if hub.projection::<Accounts>().has_admin() {
        return Ok(None);
    }
    let password = made_up_password();
    let admin = BootstrapUser { email: FIRST_ADMIN.into(), password: password.clone(), role: Role::Admin, service: false };
    Ok(create_user(hub, &admin).await?.then_some(password))
}

/// The secret with which tokens are signed where the configuration names none; made where there is none yet.
///
/// # Errors
/// Every failure of [`Hub::ask`].
pub async fn signing_secret(hub: &Hub) -> Result<[u8; 32], AskError> {
    let accounts = hub.projection::<Accounts>();
    if let Some(secret) = accounts.signing_secret() {
        return Ok(secret);
    }
    let make = MakeSecret { candidate: rand::random() };
    let outcome = hub.ask::<SigningSecret>("tokens", make, hub.asking(&Principal::house())).await?;
    if let Some(made) = outcome.facts.first() {
        return Ok(made.secret);
    }
    // Another node was quicker: its commit is on the way to the projection.
    accounts.signing_secret().ok_or_else(|| AskError::Unavailable("the signing secret has not arrived yet".into()))
}

/// Creates an account of any role; `false` where the address was taken already.
///
/// # Errors
/// As [`bootstrap`].
pub async fn create_user(hub: &Hub, user: &BootstrapUser) -> Result<bool, AskError> {
    let email = user::normalised_email(&user.email).ok_or_else(|| Refusal::field("email", "is invalid"))?;
    if hub.projection::<Accounts>().account_of(&email).is_some() {
        return Ok(false);
    }
    let password = hub.provided::<Passwords>().hash(user.password.clone()).await?;
    let id = hub.next_id("users").await?;
    let account = NewAccount { id, email: email.clone(), password, role: user.role, service: user.service };
    match hub.ask::<User>(&email, UserCommand::SignUp(account), hub.asking(&Principal::house())).await {
        Ok(outcome) => hub.seen(outcome.position).await.map(|()| true),
        // Only `taken` is refused here: another node was quicker.
        Err(AskError::Refused(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn create_key(hub: &Hub, key: &BootstrapKey) -> Result<(), AskError> {
    let hash = hash_of(&key.key);
    if hub.projection::<Accounts>().key_of(&hash).is_some() {
        return Ok(());
    }
    let id = hub.next_id("users").await?;
    let secret = Secret { hash, prefix: prefix_of(&key.key), expires: None };
    let new = NewApiKey { id, name: key.name.clone(), role: key.role, scopes: key.scopes.clone(), secret };
    let outcome = hub.ask::<ApiKey>(id, ApiKeyCommand::Create(new), hub.asking(&Principal::house())).await?;
    hub.seen(outcome.position).await
}

/// By which a secret is remembered and found.
#[must_use]
pub fn hash_of(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// What people may see of a secret: its first characters, at most a third of it.
#[must_use]
pub fn prefix_of(secret: &str) -> String {
    secret.chars().take(9.min(secret.chars().count() / 3)).collect()
}

/// A secret of 256 random bits, with the prefix by which scanners of leaked secrets know it.
#[must_use]
pub fn new_secret(prefix: &str) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    // 43 letters of 62: 256 bits.
    let mut random = rand::rng();
    let letters = (0..43).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())]));
    prefix.chars().chain(letters).collect()
}

/// A password that can be copied by hand and satisfies every rule: no letter that looks like another.
#[must_use]
pub fn made_up_password() -> String {
    const LOWER: &[u8] = b"abcdefghjkmnpqrstuvwxyz";
    const UPPER: &[u8] = b"ABCDEFGHJKMNPQRSTUVWXYZ";
    const DIGITS: &[u8] = b"23456789";
    let mut random = rand::rng();
    let mut pick = |letters: &[u8]| char::from(letters[random.random_range(0..letters.len())]);
    let groups: Vec<String> =
        (0..4).map(|_| [pick(LOWER), pick(UPPER), pick(LOWER), pick(DIGITS), pick(LOWER)].iter().collect()).collect();
    groups.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_up_passwords_and_secrets_that_its_own_rules_accept() {
        assert_eq!(user::password_fault(&made_up_password()), None);
        assert_ne!(made_up_password(), made_up_password());
        let secret = new_secret("tl_");
        assert!(secret.starts_with("tl_") && secret.len() == 46);
        assert_eq!(prefix_of(&secret).len(), 9);
        assert_eq!(prefix_of("abcdef").len(), 2);
    }
}
