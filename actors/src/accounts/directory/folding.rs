//! How the directory follows the journal: what each fact of an account changes, whom it revokes, and what a snapshot keeps.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use trunkline_persistence::Piece;
use trunkline_protocol::{CodecError, Commit, EntityId, Record, Timestamp, Turn, UserId, codec, codec::kinds};

use super::{Account, Accounts, Inner, KeyRow, Revoked};
use crate::{
    Entity, Projection,
    accounts::{
        api_key::{ApiKey, ApiKeyFact, Secret},
        refresh::{Refresh, RefreshFact},
        signing_secret::{SecretMade, SigningSecret},
        user::{User, UserFact},
    },
};

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
            SigningSecret::KIND => self.fold_facts::<SecretMade>(commit, |inner, _, made| {
                inner.signing = Some(made.secret);
                inner.dirty.insert(b"s".to_vec());
            }),
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
