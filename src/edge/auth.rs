//! Who asks. A token or key becomes a [`Principal`]: of a REST request at the threshold, of a cable in its own task.
//!
//! # Layout
//! - here: whom a credential names; `credential`: where clients put it; `remembered`: what was verified lately
//! - `caller`: REST requests; `cable`: cables, and who is sent away from them

mod cable;
mod caller;
mod credential;
mod remembered;

use std::{sync::Arc, time::Duration};

use parking_lot::RwLock;
use trunkline_actors::{
    AskError, Clock, Hub,
    accounts::{
        Account, Accounts,
        bootstrap::{self, hash_of},
        directory::Claimed,
    },
};
use trunkline_protocol::{Principal, Timestamp};

use super::{
    throttle::Throttle,
    tokens::{BadToken, KeyError, KeySet, Named, Proven, Signing, Tokens},
};
use crate::config::AuthConfig;

pub use cable::{CableDoor, watch};
pub use caller::{Caller, address, identify, ip, note_denial, parts};
pub use credential::Parts;
use credential::credential;
use remembered::{Known, Proof, Remembered};

/// How long a chain of refresh tokens lives.
pub const REFRESH_LIFETIME: Duration = Duration::from_secs(60 * 24 * 3600);
/// An address may also try only so often within twenty minutes (`streams.md` section 3).
const LOGINS_PER_LONG_WINDOW: usize = 500;
const LONG_WINDOW: Duration = Duration::from_secs(20 * 60);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Everything by which principals are named: keys, the directory, what was verified lately, who tries how often.
pub struct Auth {
    /// What the deployment said.
    pub config: AuthConfig,
    /// Signs and reads tokens.
    pub tokens: Tokens,
    /// Everybody known.
    pub accounts: Arc<Accounts>,
    /// Logins of an address within a minute, and of an account.
    pub logins: Throttle,
    /// Logins of an address within twenty minutes.
    pub long_logins: Throttle,
    /// Wrong passwords for addresses that have no account: they are locked like those that have one, so that nobody can tell.
    pub strangers: Throttle,
    /// Signups of an address within an hour.
    pub signups: Throttle,
    clock: Clock,
    remembered: RwLock<Remembered>,
}

/// Why nobody can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// There is neither token nor key.
    #[error("no token and no key")]
    Missing,
    /// There is one, and it proves nothing (any more).
    #[error("the token or key is not valid")]
    Invalid,
    /// There is one whose time is over.
    #[error("the token has expired")]
    Expired,
}

/// Where the edge's authentication could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// A key cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The signing secret could not be kept.
    #[error("the signing secret could not be kept: {0}")]
    Secret(#[from] AskError),
}

impl Auth {
    /// Ready to name everybody. Without a secret or key pair in the configuration, the deployment's own secret is made and kept in the journal.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn open(hub: &Hub, config: AuthConfig) -> Result<Self, AuthError> {
        let signing = match (&config.key_pair, &config.secret) {
            (Some(pem), _) => Signing::KeyPair(pem.clone()),
            (None, Some(secret)) => Signing::Secret(secret.clone().into_bytes()),
            (None, None) => Signing::Secret(bootstrap::signing_secret(hub).await?.to_vec()),
        };
        let key_sets = config.trusted_key_sets.iter().cloned().map(KeySet::new).collect::<Result<_, _>>()?;
        let tokens = Tokens::new(&signing, &config.trusted_keys)?.with_key_sets(key_sets);
        Ok(Self::new(hub.projection(), hub.clock(), tokens, config))
    }

    fn new(accounts: Arc<Accounts>, clock: Clock, tokens: Tokens, config: AuthConfig) -> Self {
        let times = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            logins: Throttle::new(times(config.login_per_minute), MINUTE),
            long_logins: Throttle::new(LOGINS_PER_LONG_WINDOW.max(times(config.login_per_minute)), LONG_WINDOW),
            strangers: Throttle::new(trunkline_actors::accounts::user::FAILURES_MAX, MINUTE),
            signups: Throttle::new(times(config.signup_per_hour), HOUR),
            remembered: RwLock::default(),
            config,
            tokens,
            accounts,
            clock,
        }
    }

    /// Whom a request names. The first credential found counts, and no other: header, `X-API-Key`, query (`token`, `jwt`, `api_key`), cookie.
    ///
    /// # Errors
    /// [`Unauthenticated`].
    pub fn identify(&self, parts: &Parts<'_>) -> Result<Principal, Unauthenticated> {
        self.of_credential(&credential(parts)?)
    }

    /// Whom a token or key names, for whoever can wait: a token of another house may be signed with a key that was published only just
    /// now, and is fetched first. Where everything is known already, nothing is waited for.
    ///
    /// # Errors
    /// [`Unauthenticated`].
    pub async fn meet(&self, credential: &str) -> Result<Principal, Unauthenticated> {
        match self.of_credential(credential) {
            Err(Unauthenticated::Invalid) if self.tokens.meet(credential).await => self.of_credential(credential),
            named => named,
        }
    }

    /// Whom a token or key names.
    ///
    /// # Errors
    /// [`Unauthenticated`].
    pub fn of_credential(&self, credential: &str) -> Result<Principal, Unauthenticated> {
        let (now, generation) = (self.clock.now(), self.accounts.generation());
        let keys = self.tokens.generation();
        let known =
            self.remembered.read().find(credential).filter(|known| known.keys == keys || !known.proof.is_of_another_house());
        let proof = match known {
            Some(known) if known.ends.is_some_and(|ends| now >= ends) => return Err(Unauthenticated::Expired),
            Some(known) if known.generation == generation => return Ok(known.principal.clone()),
            // Somebody's standing has changed since, perhaps this one's: the signature still holds, the rest is asked again.
            Some(known) => known.proof.clone(),
            None => self.prove(credential, now)?,
        };
        let (principal, ends) = match &proof {
            Proof::Token(token) => {
                let who = match &token.who {
                    Named::Id(id) => Claimed::Id(*id),
                    Named::Email(email) => Claimed::Email(email),
                };
                let principal = self.accounts.principal_of_token(&who, &token.jti, token.issued, token.expires);
                (principal, Some(token.expires))
            }
            Proof::Key(hash) => match self.accounts.principal_of_key(hash, now) {
                Some((principal, ends)) => (Some(principal), ends),
                None => (None, None),
            },
        };
        let principal = principal.ok_or(Unauthenticated::Invalid)?;
        let known = Known { proof, principal: principal.clone(), ends, generation, keys };
        self.remembered.write().keep(credential, Arc::new(known));
        Ok(principal)
    }

    /// The verified token that a request carries, where it carries one: for logout.
    #[must_use]
    pub fn token_of(&self, parts: &Parts<'_>) -> Option<Proven> {
        self.tokens.read(&credential(parts).ok()?, self.clock.now()).ok()
    }

    /// How long an account's tokens live.
    #[must_use]
    pub fn lifetime(&self, account: &Account) -> Duration {
        if account.service { self.config.service_token_lifetime } else { self.config.token_lifetime }
    }

    fn prove(&self, credential: &str, now: Timestamp) -> Result<Proof, Unauthenticated> {
        // Every JWT begins with `{"` in base64. A key may be any text, so what is no good token may still be a good key.
        let looks_like_token = credential.starts_with("ey") && credential.bytes().filter(|byte| *byte == b'.').count() == 2;
        if looks_like_token {
            match self.tokens.read(credential, now) {
                Ok(token) => return Ok(Proof::Token(token)),
                Err(BadToken::Expired) => return Err(Unauthenticated::Expired),
                Err(BadToken::Invalid) => {}
            }
        }
        Ok(Proof::Key(hash_of(credential)))
    }
}

#[cfg(test)]
mod tests;
