//! Everybody known, in memory: what the edge asks on every request. Who has this e-mail address, whose key is this, is this token denied?
//!
//! **For the gateway:** [`Accounts::revocations`] tells what has just been revoked, within a relay's hop of its commit being durable, on every
//! node. Close each socket whose principal [`Revoked::concerns`] with `disconnect/unauthorized`, `reconnect:false`. A receiver that
//! lagged (`RecvError::Lagged`) has missed some: ask [`Accounts::still_stands`] of every open socket's principal.
//! A token's own end ([`Credential::Token::expires`]) and a key's are the gateway's to watch: `still_stands(principal, now)` once a minute does.
//!
//! # Layout
//! - here: the questions, and what they are answered from
//! - `account`: accounts and keys as they are shown; `revoked`: what was taken away, and from whom; `folding`: how the journal is followed

mod account;
mod folding;
mod revoked;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;
use tokio::sync::broadcast;
use trunkline_protocol::{Credential, EntityId, Principal, Timestamp, UserId};

use super::{
    api_key::{ApiKey, SecretHash},
    user::User,
};
use crate::Entity as _;

pub use account::{Account, KeyRow};
pub use revoked::Revoked;

/// Revocations that may wait for one gateway; one that falls further behind is told so and checks everybody.
const REVOCATIONS_MAX: usize = 1024;

/// The projection of users, keys and denied tokens.
#[derive(Debug)]
pub struct Accounts {
    inner: RwLock<Inner>,
    generation: AtomicU64,
    revocations: broadcast::Sender<Revoked>,
}

#[derive(Debug, Default)]
struct Inner {
    accounts: BTreeMap<UserId, Account>,
    by_email: HashMap<Arc<str>, UserId>,
    keys: BTreeMap<u64, KeyRow>,
    by_secret: HashMap<SecretHash, u64>,
    denied: HashMap<Arc<str>, Timestamp>,
    signing: Option<[u8; 32]>,
    dirty: HashSet<Vec<u8>>,
}

impl Default for Accounts {
    fn default() -> Self {
        let (revocations, _) = broadcast::channel(REVOCATIONS_MAX);
        Self { inner: RwLock::default(), generation: AtomicU64::new(1), revocations }
    }
}

impl Accounts {
    /// What is revoked from now on. Bounded: see the head of this file.
    #[must_use]
    pub fn revocations(&self) -> broadcast::Receiver<Revoked> {
        self.revocations.subscribe()
    }
    /// Changes whenever somebody's standing does; whoever remembers a principal remembers this with it.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
    /// The account of that id.
    #[must_use]
    pub fn account(&self, id: UserId) -> Option<Account> {
        self.inner.read().accounts.get(&id).cloned()
    }
    /// Whose commits tell of that account.
    #[must_use]
    pub fn entity_of(&self, id: UserId) -> Option<EntityId> {
        let inner = self.inner.read();
        match inner.keys.contains_key(&id.0) {
            true => Some(EntityId::new(ApiKey::KIND, id.0)),
            false => Some(EntityId::new(User::KIND, &inner.accounts.get(&id)?.email)),
        }
    }
    /// The account of that normalised address; never an API key's.
    #[must_use]
    pub fn account_of(&self, email: &str) -> Option<Account> {
        let inner = self.inner.read();
        inner.accounts.get(inner.by_email.get(email)?).cloned()
    }
    /// People and service accounts after `after`, by id; at most `limit`.
    #[must_use]
    pub fn accounts(&self, after: u64, limit: usize, wanted: impl Fn(&Account) -> bool) -> Vec<Account> {
        let inner = self.inner.read();
        let later = inner.accounts.range(UserId(after.saturating_add(1))..).map(|(_, account)| account);
        later.filter(|account| account.has_password() && wanted(account)).take(limit).cloned().collect()
    }
    /// Is anybody an admin who can sign in?
    #[must_use]
    pub fn has_admin(&self) -> bool {
        self.inner.read().accounts.values().any(Account::administers)
    }
    /// The key of that id, unless it was deleted.
    #[must_use]
    pub fn key(&self, id: u64) -> Option<KeyRow> {
        self.inner.read().keys.get(&id).filter(|key| !key.deleted).cloned()
    }
    /// The key to which that secret belongs or belonged, deleted or not.
    #[must_use]
    pub fn key_of(&self, secret: &SecretHash) -> Option<KeyRow> {
        let inner = self.inner.read();
        inner.keys.get(inner.by_secret.get(secret)?).cloned()
    }
    /// Keys after `after` that were not deleted, by id; at most `limit`.
    #[must_use]
    pub fn keys(&self, after: u64, limit: usize) -> Vec<KeyRow> {
        let inner = self.inner.read();
        let later = inner.keys.range(after.saturating_add(1)..).map(|(_, key)| key);
        later.filter(|key| !key.deleted).take(limit).cloned().collect()
    }
    /// The secret with which this deployment signs where its configuration names none.
    #[must_use]
    pub fn signing_secret(&self) -> Option<[u8; 32]> {
        self.inner.read().signing
    }
    /// Who stands behind a verified token; `None` where the account is gone or closed, or the token is denied.
    #[must_use]
    pub fn principal_of_token(&self, who: &Claimed<'_>, jti: &str, issued: Timestamp, expires: Timestamp) -> Option<Principal> {
        let inner = self.inner.read();
        let id = match who {
            Claimed::Id(id) => *id,
            Claimed::Email(email) => *inner.by_email.get(*email)?,
        };
        let account = inner.accounts.get(&id).filter(|account| !account.disabled && account.has_password())?;
        if inner.denied.contains_key(jti) || !account.believes(issued) {
            return None;
        }
        Some(account.principal(Credential::Token { jti: jti.to_owned(), issued, expires: Some(expires) }))
    }
    /// Whose key that is, and when that secret ends; `None` where it is nobody's, deleted, or past its end.
    #[must_use]
    pub fn principal_of_key(&self, secret: &SecretHash, now: Timestamp) -> Option<(Principal, Option<Timestamp>)> {
        let inner = self.inner.read();
        let key = inner.keys.get(inner.by_secret.get(secret)?).filter(|key| !key.deleted)?;
        let valid = [Some(&key.secret), key.old_secret.as_ref()].into_iter().flatten().find(|known| known.hash == *secret)?;
        valid.expires.is_none_or(|expires| now < expires).then(|| (key.principal(valid), valid.expires))
    }
    /// Would this principal be let in now, with the credential it came with?
    #[must_use]
    pub fn still_stands(&self, principal: &Principal, now: Timestamp) -> bool {
        let inner = self.inner.read();
        match &principal.credential {
            Credential::House | Credential::Anonymous => true,
            Credential::Application { expires, .. } => expires.is_none_or(|expires| now < expires),
            Credential::Token { jti, issued, expires } => {
                let believed = |account: &Account| account.is_still(principal) && account.believes(*issued);
                inner.accounts.get(&principal.user).is_some_and(believed)
                    && !inner.denied.contains_key(jti.as_str())
                    && expires.is_none_or(|expires| now < expires)
            }
            Credential::ApiKey { id, secret, .. } => {
                inner.keys.get(id).is_some_and(|key| !key.deleted && key.valid_secrets(now).contains(secret))
            }
        }
    }

    fn revoke(&self, revoked: Revoked) {
        // Nobody listening is no failure: a hub without an edge has no sockets.
        let _ = self.revocations.send(revoked);
    }
}

/// Whom a token claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed<'a> {
    /// By id (`sub` or `user_id`).
    Id(UserId),
    /// By normalised address: a token issued elsewhere.
    Email(&'a str),
}
