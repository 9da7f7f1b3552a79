//! The audit log as it is read: the newest entries in memory, each checked against the one before as it comes in. The older ones stay in the
//! journal, where [`read`] finds them. Also what the accounts' facts tell and the log does not yet ([`carry_over`](super::audit::carry_over)).

mod page;

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use trunkline_persistence::Piece;
use trunkline_protocol::{CodecError, Commit, Record, Timestamp, Turn, UserId, codec, codec::kinds};

use super::{
    api_key::{ApiKey, ApiKeyFact},
    audit::{ACTS_MAX, Act, Audit, AuditFact, Entry, Mark, Uncarried},
    directory::Accounts,
    refresh::{Refresh, RefreshFact},
    user::{User, UserFact},
};
use crate::{Entity, Projection};

pub use page::{Page, read};

/// Entries kept in memory, about 300 bytes each; the chain is checked over all that were ever folded.
const ENTRIES_MAX: usize = 20_000;

/// The projection of the audit log.
#[derive(Debug)]
pub struct AuditLog {
    accounts: Arc<Accounts>,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    head: Head,
    entries: VecDeque<Entry>,
    uncarried: VecDeque<Uncarried>,
    dirty: HashSet<Vec<u8>>,
}

/// What is known of the whole chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The newest entry's number.
    pub number: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// The hash on which the oldest entry in memory hangs.
    pub base: [u8; 32],
    /// The first entry that did not hang on the one before, if there ever was one.
    pub broken_at: Option<u64>,
}

/// What a reader asks for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only of this actor: an id, or an address or name in lower case.
    pub actor: Option<String>,
    /// Only this action, or every action that begins so (`login.`).
    pub action: Option<String>,
    /// Only from then on.
    pub since: Option<Timestamp>,
    /// Only entries before this number.
    pub before: Option<u64>,
}

impl AuditLog {
    /// An empty log; names of actors come from `accounts`.
    #[must_use]
    pub fn new(accounts: Arc<Accounts>) -> Self {
        Self { accounts, inner: RwLock::default() }
    }
    /// Of those in memory the newest first, at most `limit`; and the number of the oldest there.
    fn newest(&self, wanted: &Wanted, limit: usize) -> (Vec<Entry>, u64) {
        let inner = self.inner.read();
        let oldest = inner.entries.front().map_or(0, |entry| entry.number);
        (inner.entries.iter().rev().filter(|entry| wanted.holds(entry)).take(limit).cloned().collect(), oldest)
    }
    /// Checks every entry in memory once more; what is known of those before was checked when they came in.
    #[must_use]
    pub fn verify(&self) -> Head {
        let inner = self.inner.read();
        let mut head = inner.head.clone();
        let mut previous = head.base;
        for entry in &inner.entries {
            if entry.hash != entry.hash_after(&previous) {
                head.broken_at = Some(head.broken_at.map_or(entry.number, |at| at.min(entry.number)));
                break;
            }
            previous = entry.hash;
        }
        head
    }
    /// The next acts that are to be written down.
    #[must_use]
    pub fn next_uncarried(&self) -> Option<Uncarried> {
        self.inner.read().uncarried.front().cloned()
    }

    fn take(&self, fact: AuditFact) {
        let mut inner = self.inner.write();
        match fact {
            AuditFact::Recorded(entry) => inner.push(entry),
            AuditFact::CarriedOver { upto } => {
                while inner.uncarried.front().is_some_and(|next| next.mark <= upto) {
                    let Some(carried) = inner.uncarried.pop_front() else { break };
                    inner.dirty.insert(uncarried_piece(carried.mark));
                }
            }
        }
    }
    fn tell(&self, commit: &Commit, acts: &[Act]) {
        let mut inner = self.inner.write();
        for (part, acts) in (0..).zip(acts.chunks(ACTS_MAX)) {
            let mark = Mark { position: commit.position, part };
            inner.dirty.insert(uncarried_piece(mark));
            inner.uncarried.push_back(Uncarried { mark, at: commit.at, acts: acts.to_vec() });
        }
    }
    fn acts<F: Record>(&self, commit: &Commit, act: impl Fn(F) -> Option<Act>) -> Result<(), CodecError> {
        let mut acts = Vec::new();
        for turn in &commit.turns {
            for fact in turn.facts_of::<F>() {
                acts.extend(act(fact?).map(|act| self.named(act, turn, commit).cut()));
            }
        }
        self.tell(commit, &acts);
        Ok(())
    }
    /// Fills in who did it, and to whom, where the act does not say so itself.
    fn named(&self, mut act: Act, turn: &Turn, commit: &Commit) -> Act {
        if act.actor_name.is_empty() {
            let by = if act.actor == 0 { turn.by } else { UserId(act.actor) };
            act.actor = by.0;
            act.actor_name = match self.accounts.account(by) {
                Some(account) => account.email.to_string(),
                None if by == UserId::HOUSE => "house".to_owned(),
                None => String::new(),
            };
        }
        if act.subject.is_empty() {
            act.subject = commit.entity.to_string();
        }
        act
    }
}

/// What a fact of an account is called in the log.
fn of_user(fact: UserFact, email: &str) -> Option<Act> {
    Some(match fact {
        UserFact::SignedUp(new) => Act::called("user.created").detail(format_args!("{} {}", new.id, new.role)),
        UserFact::SignedIn { address, .. } => Act::called("login.succeeded").from(address),
        UserFact::SignInFailed { address } => Act { actor_name: email.to_owned(), ..Act::called("login.failed") }.from(address),
        UserFact::PasswordLocked { until } => {
            Act { actor_name: email.to_owned(), ..Act::called("login.locked") }.detail(format_args!("until {until}"))
        }
        UserFact::SignedOut { jti, .. } => Act::called("logout").detail(jti),
        UserFact::RoleChanged { from, to, service } => {
            Act::called("role.changed").detail(format_args!("{from} to {to}{}", if service { ", service" } else { "" }))
        }
        UserFact::PasswordChanged { .. } => Act::called("password.changed"),
        UserFact::Disabled => Act::called("user.disabled"),
        UserFact::Enabled => Act::called("user.enabled"),
    })
}
fn of_key(fact: ApiKeyFact) -> Option<Act> {
    Some(match fact {
        ApiKeyFact::Created(new) => Act::called("api_key.created").detail(format_args!("{} {}", new.name, new.role)),
        ApiKeyFact::Rotated { old_until, .. } => {
            Act::called("api_key.rotated").detail(format_args!("old secret until {old_until}"))
        }
        ApiKeyFact::Deleted => Act::called("api_key.deleted"),
    })
}
fn of_refresh(fact: RefreshFact) -> Option<Act> {
    match fact {
        RefreshFact::Issued { .. } | RefreshFact::Ended => None,
        // The token is all they show: whose it is, only the fact knows.
        RefreshFact::Rotated { user, .. } => Some(Act { actor: user, ..Act::called("token.refreshed") }),
        RefreshFact::ReuseDetected { user, .. } => Some(Act { actor: user, ..Act::called("token.reuse_detected") }),
    }
}

impl Projection for AuditLog {
    fn name(&self) -> &'static str {
        "audit"
    }
    fn schema(&self) -> u8 {
        1
    }
    fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
        match commit.entity.kind() {
            Audit::KIND => {
                for fact in commit.facts_of::<AuditFact>() {
                    self.take(fact?);
                }
                Ok(())
            }
            User::KIND => self.acts(commit, |fact| of_user(fact, commit.entity.key())),
            ApiKey::KIND => self.acts(commit, of_key),
            Refresh::KIND => self.acts(commit, of_refresh),
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
    fn restore(&self, mut pieces: Vec<(Vec<u8>, Bytes)>) -> Result<(), CodecError> {
        // Keys are big-endian numbers after their sort: in their order, entries and acts are in theirs.
        pieces.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut restored = Inner::default();
        for (_, bytes) in pieces {
            match codec::open::<Kept>(&bytes)? {
                Kept::Head(head) => restored.head = head,
                Kept::Entry(entry) => restored.entries.push_back(entry),
                Kept::Uncarried(acts) => restored.uncarried.push_back(acts),
            }
        }
        *self.inner.write() = restored;
        Ok(())
    }
}

impl Inner {
    fn push(&mut self, entry: Entry) {
        let hangs = entry.number == self.head.number + 1 && entry.hash == entry.hash_after(&self.head.hash);
        if !hangs && self.head.broken_at.is_none() {
            self.head.broken_at = Some(entry.number);
        }
        (self.head.number, self.head.hash) = (entry.number, entry.hash);
        self.dirty.insert(HEAD.to_vec());
        self.dirty.insert(entry_piece(entry.number));
        self.entries.push_back(entry);
        if self.entries.len() > ENTRIES_MAX
            && let Some(oldest) = self.entries.pop_front()
        {
            self.head.base = oldest.hash;
            self.dirty.insert(entry_piece(oldest.number));
        }
    }
    fn kept(&self, key: &[u8]) -> Option<Kept> {
        match key.split_first()? {
            (b'e', number) => {
                let number = u64::from_be_bytes(number.try_into().ok()?);
                let at = self.entries.binary_search_by_key(&number, |entry| entry.number).ok()?;
                self.entries.get(at).cloned().map(Kept::Entry)
            }
            (b'u', _) => {
                // In the order of their marks, and so of their keys.
                let at = self.uncarried.binary_search_by(|acts| uncarried_piece(acts.mark).as_slice().cmp(key)).ok()?;
                self.uncarried.get(at).cloned().map(Kept::Uncarried)
            }
            _ => Some(Kept::Head(self.head.clone())),
        }
    }
}

impl Wanted {
    fn holds(&self, entry: &Entry) -> bool {
        let named = |wanted: &str| entry.act.actor_name.chars().flat_map(char::to_lowercase).eq(wanted.chars());
        let actor = |wanted: &String| named(wanted) || wanted.parse() == Ok(entry.act.actor);
        let action = |wanted: &String| match wanted.strip_suffix('.') {
            Some(family) => entry.act.action.split('.').next() == Some(family),
            None => entry.act.action == *wanted,
        };
        self.actor.as_ref().is_none_or(actor)
            && self.action.as_ref().is_none_or(action)
            && self.since.is_none_or(|since| entry.at >= since)
            && self.before.is_none_or(|before| entry.number < before)
    }
}

/// A piece of the snapshot.
#[derive(Serialize, Deserialize)]
enum Kept {
    Head(Head),
    Entry(Entry),
    Uncarried(Uncarried),
}
impl Record for Kept {
    const KIND: u16 = kinds::AUDIT_PIECE;
    const SCHEMA: u8 = 1;
}

const HEAD: &[u8] = b"h";
fn entry_piece(number: u64) -> Vec<u8> {
    [b"e".as_slice(), &number.to_be_bytes()].concat()
}
fn uncarried_piece(mark: Mark) -> Vec<u8> {
    [b"u".as_slice(), &mark.position.to_be_bytes(), &mark.part.to_be_bytes()].concat()
}
