//! Everybody known, in memory: what the edge asks on every request. Who has this e-mail address, whose key is this, is this token denied?
//!
//! **For the gateway:** [`Accounts::revocations`] tells what has just been revoked, within a relay's hop of its commit being durable, on every
//! node. Close each socket whose principal [`Revoked::concerns`] with `disconnect/unauthorized`, `reconnect:false`. A receiver that
//! lagged (`RecvError::Lagged`) has missed some: ask [`Accounts::still_stands`] of every open socket's principal.
//! A token's own end ([`Credential::Token::expires`]) and a key's are the gateway's to watch: `still_stands(principal, now)` once a minute does.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use trunkline_persistence::Piece;
use trunkline_protocol::{
    CodecError, Commit, Credential, EntityId, Principal, Record, Role, Timestamp, Turn, UserId, codec, codec::kinds,
};

use super::{
    api_key::{ApiKey, ApiKeyFact, Secret, SecretHash},
    policy,
    refresh::{Refresh, RefreshFact},
    user::{User, UserFact},
};
use crate::{Entity, Projection};

/// Revocations that may wait for one gateway; one that falls further behind is told so and checks everybody.
const REVOCATIONS_MAX: usize = 1024;

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

/// What has just been revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// Everything of this account: disabled, another role, another password.
    User(UserId),
    /// One access token, by its `jti`: signed out, or stolen.
    Token(Arc<str>),
    /// One API key.
    ApiKey(u64),
    /// Whatever was shown another secret of this key than these.
    Rotated {
        /// Which key.
        key: u64,
        /// The secrets that are still accepted, by their marks.
        valid: Vec<u64>,
    },
}

impl Revoked {
    /// Is it this principal's credential?
    #[must_use]
    pub fn concerns(&self, principal: &Principal) -> bool {
        match (self, &principal.credential) {
            (Self::User(user), _) => *user == principal.user && !principal.is_anonymous(),
            (Self::Token(denied), Credential::Token { jti, .. }) => **denied == **jti,
            (Self::ApiKey(key), Credential::ApiKey { id, .. }) => key == id,
            (Self::Rotated { key, valid }, Credential::ApiKey { id, secret, .. }) => key == id && !valid.contains(secret),
            _ => false,
        }
    }
}

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
        later.filter(|account| !account.password.is_empty() && wanted(account)).take(limit).cloned().collect()
    }
    /// Is anybody an admin who can sign in?
    #[must_use]
    pub fn has_admin(&self) -> bool {
        let admin = |account: &Account| account.role == Role::Admin && !account.disabled && !account.password.is_empty();
        self.inner.read().accounts.values().any(admin)
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
        let account = inner.accounts.get(&id).filter(|account| !account.disabled && !account.password.is_empty())?;
        // `iat` counts whole seconds: a token issued in the second of the change must not be denied with those before it.
        if inner.denied.contains_key(jti) || issued.as_seconds() < account.tokens_from.as_seconds() {
            return None;
        }
        Some(account.principal(Credential::Token { jti: jti.to_owned(), expires: Some(expires) }))
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
            Credential::Token { jti, expires } => {
                let open = inner.accounts.get(&principal.user).is_some_and(|account| !account.disabled);
                open && !inner.denied.contains_key(jti.as_str()) && expires.is_none_or(|expires| now < expires)
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
}

impl KeyRow {
    /// Which of its secrets are accepted at that moment.
    fn valid_secrets(&self, now: Timestamp) -> Vec<u64> {
        let known = [Some(&self.secret), self.old_secret.as_ref()].into_iter().flatten();
        known.filter(|secret| secret.expires.is_none_or(|expires| now < expires)).map(Secret::mark).collect()
    }
    fn principal(&self, shown: &Secret) -> Principal {
        Principal {
            user: UserId(self.id),
            email: self.name.clone(),
            role: self.role,
            service: true,
            permissions: policy::key_permissions(self.role, &self.scopes),
            credential: Credential::ApiKey { id: self.id, secret: shown.mark(), expires: shown.expires },
        }
    }
    fn account(&self) -> Account {
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

impl Projection for Accounts {
    fn name(&self) -> &'static str {
        "accounts"
    }
    fn schema(&self) -> u8 {
        1
    }

    fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
        match commit.entity.kind() {
            User::KIND => self.fold_facts::<UserFact>(commit, |inner, turn, fact| self.take_user(inner, commit, turn, fact)),
            ApiKey::KIND => self.fold_facts::<ApiKeyFact>(commit, |inner, turn, fact| self.take_key(inner, commit, turn, fact)),
            Refresh::KIND => self.fold_facts::<RefreshFact>(commit, |inner, _, fact| {
                if let RefreshFact::ReuseDetected { access, .. } = fact {
                    self.deny(inner, access.jti.into(), access.expires, commit.at);
                }
            }),
            super::signing_secret::SigningSecret::KIND => {
                self.fold_facts::<super::signing_secret::SecretMade>(commit, |inner, _, made| {
                    inner.signing = Some(made.secret);
                    inner.dirty.insert(b"s".to_vec());
                })
            }
            _ => Ok(()),
        }
    }

    fn changed(&self) -> Vec<Piece> {
        let mut inner = self.inner.write();
        let dirty = std::mem::take(&mut inner.dirty);
        let piece = |key: Vec<u8>| {
            let value = inner.kept(&key).map(|kept| codec::seal(&kept));
            Piece { key, value }
        };
        dirty.into_iter().map(piece).collect()
    }

    fn restore(&self, pieces: Vec<(Vec<u8>, Bytes)>) -> Result<(), CodecError> {
        let mut inner = self.inner.write();
        *inner = Inner::default();
        for (_, bytes) in pieces {
            match codec::open::<Kept>(&bytes)? {
                Kept::Account(account) => inner.put_account(account),
                Kept::Key(key) => inner.put_key(key),
                Kept::Denied { jti, until } => {
                    inner.denied.insert(jti, until);
                }
                Kept::Signing(secret) => inner.signing = Some(secret),
            }
        }
        inner.dirty.clear();
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

impl Accounts {
    fn fold_facts<F: Record>(&self, commit: &Commit, mut take: impl FnMut(&mut Inner, &Turn, F)) -> Result<(), CodecError> {
        let mut inner = self.inner.write();
        for turn in &commit.turns {
            for fact in turn.facts_of::<F>() {
                take(&mut inner, turn, fact?);
            }
        }
        Ok(())
    }

    fn take_user(&self, inner: &mut Inner, commit: &Commit, _: &Turn, fact: UserFact) {
        if let UserFact::SignedUp(new) = fact {
            inner.put_account(Account {
                id: UserId(new.id),
                email: new.email.into(),
                role: new.role,
                service: new.service,
                disabled: false,
                password: new.password.into(),
                locked_until: None,
                tokens_from: commit.at,
                created_at: commit.at,
                updated_at: commit.at,
            });
            return;
        }
        if let UserFact::SignedOut { jti, expires } = fact {
            return self.deny(inner, jti.into(), expires, commit.at);
        }
        let Some(id) = inner.by_email.get(commit.entity.key()).copied() else { return };
        let Some(account) = inner.accounts.get_mut(&id) else { return };
        let revoked = match fact {
            UserFact::SignedUp(_) | UserFact::SignedOut { .. } | UserFact::SignInFailed { .. } => return,
            UserFact::SignedIn { .. } if account.locked_until.is_none() => return,
            UserFact::SignedIn { .. } => {
                account.locked_until = None;
                false
            }
            UserFact::PasswordLocked { until } => {
                account.locked_until = Some(until);
                false
            }
            UserFact::RoleChanged { to, service, .. } => {
                (account.role, account.service, account.updated_at) = (to, service, commit.at);
                true
            }
            UserFact::PasswordChanged { password } => {
                (account.password, account.locked_until) = (password.into(), None);
                (account.tokens_from, account.updated_at) = (commit.at, commit.at);
                true
            }
            UserFact::Disabled => {
                (account.disabled, account.updated_at) = (true, commit.at);
                true
            }
            UserFact::Enabled => {
                (account.disabled, account.updated_at) = (false, commit.at);
                false
            }
        };
        inner.dirty.insert(account_piece(id));
        self.generation.fetch_add(1, Ordering::Release);
        if revoked {
            self.revoke(Revoked::User(id));
        }
    }

    fn take_key(&self, inner: &mut Inner, commit: &Commit, turn: &Turn, fact: ApiKeyFact) {
        match fact {
            ApiKeyFact::Created(new) => inner.put_key(KeyRow {
                id: new.id,
                name: new.name.into(),
                role: new.role,
                scopes: new.scopes,
                secret: new.secret,
                old_secret: None,
                deleted: false,
                created_by: turn.by,
                created_at: commit.at,
                updated_at: commit.at,
            }),
            ApiKeyFact::Rotated { secret, old_until } => {
                let Some(mut key) = inner.key_named(&commit.entity) else { return };
                if let Some(older) = key.old_secret.take() {
                    inner.by_secret.remove(&older.hash);
                }
                let old = std::mem::replace(&mut key.secret, secret);
                key.old_secret = Some(Secret { expires: Some(old_until), ..old });
                key.updated_at = commit.at;
                let rotated = Revoked::Rotated { key: key.id, valid: key.valid_secrets(commit.at) };
                inner.put_key(key);
                self.revoke(rotated);
            }
            ApiKeyFact::Deleted => {
                let Some(mut key) = inner.key_named(&commit.entity) else { return };
                (key.deleted, key.updated_at) = (true, commit.at);
                let id = key.id;
                inner.put_key(key);
                self.revoke(Revoked::ApiKey(id));
            }
        }
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn deny(&self, inner: &mut Inner, jti: Arc<str>, until: Timestamp, now: Timestamp) {
        // Whatever has ended of itself need not be denied any longer; looked for only now and then.
        if inner.denied.len().is_power_of_two() {
            let ended: Vec<_> = inner.denied.iter().filter(|(_, until)| **until < now).map(|(jti, _)| jti.clone()).collect();
            for jti in ended {
                inner.denied.remove(&jti);
                inner.dirty.insert(denied_piece(&jti));
            }
        }
        inner.dirty.insert(denied_piece(&jti));
        inner.denied.insert(jti.clone(), until);
        self.generation.fetch_add(1, Ordering::Release);
        self.revoke(Revoked::Token(jti));
    }
}

impl Inner {
    fn put_account(&mut self, account: Account) {
        self.dirty.insert(account_piece(account.id));
        self.by_email.insert(account.email.clone(), account.id);
        self.accounts.insert(account.id, account);
    }
    fn put_key(&mut self, key: KeyRow) {
        self.dirty.insert(key_piece(key.id));
        self.by_secret.insert(key.secret.hash, key.id);
        if let Some(old) = &key.old_secret {
            self.by_secret.insert(old.hash, key.id);
        }
        self.accounts.insert(UserId(key.id), key.account());
        self.keys.insert(key.id, key);
    }
    fn key_named(&self, entity: &EntityId) -> Option<KeyRow> {
        self.keys.get(&entity.key().parse().ok()?).cloned()
    }
    fn kept(&self, key: &[u8]) -> Option<Kept> {
        let (sort, rest) = key.split_first()?;
        let id = || Some(u64::from_be_bytes(rest.try_into().ok()?));
        match sort {
            b'u' => self.accounts.get(&UserId(id()?)).cloned().map(Kept::Account),
            b'k' => self.keys.get(&id()?).cloned().map(Kept::Key),
            b's' => self.signing.map(Kept::Signing),
            _ => {
                let (jti, until) = self.denied.get_key_value(std::str::from_utf8(rest).ok()?)?;
                Some(Kept::Denied { jti: jti.clone(), until: *until })
            }
        }
    }
}

/// A piece of the snapshot.
#[derive(Serialize, Deserialize)]
enum Kept {
    Account(Account),
    Key(KeyRow),
    Denied { jti: Arc<str>, until: Timestamp },
    Signing([u8; 32]),
}
impl Record for Kept {
    const KIND: u16 = kinds::ACCOUNTS_PIECE;
    const SCHEMA: u8 = 1;
}

fn account_piece(id: UserId) -> Vec<u8> {
    [b"u".as_slice(), &id.0.to_be_bytes()].concat()
}
fn key_piece(id: u64) -> Vec<u8> {
    [b"k".as_slice(), &id.to_be_bytes()].concat()
}
fn denied_piece(jti: &str) -> Vec<u8> {
    [b"d", jti.as_bytes()].concat()
}
