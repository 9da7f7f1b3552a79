//! The audit log: who did what to whom, when and from where; append-only and hash-chained (`platform.md` section 2).
//!
//! One entity writes it, so that every entry can name the hash of the one before. What the accounts' own facts tell is taken over from
//! the journal by [`carry_over`], in order and exactly once, also after a crash; everything else (a denial, a login of nobody, a ruling of
//! another wing) is said through [`record`].

mod denials;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use trunkline_protocol::{Position, Principal, Record, Refusal, Timestamp, codec::kinds};

use super::audit_log::AuditLog;
use crate::{AskError, Asking, Decision, Entity, Hub, NoNotice, Written};

pub use denials::Denials;

/// Bytes of any text of an entry; longer ones are cut, so that a stranger cannot fill the log with one request.
const TEXT_BYTES_MAX: usize = 512;
/// Acts carried over at once: at five texts each they stay well below what a record may hold.
pub const ACTS_MAX: usize = 16;
/// The key of the one log.
pub(super) const LOG: &str = "log";

/// What is to be written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Act {
    /// Who; 0 is the hub or somebody unknown.
    pub actor: u64,
    /// Their e-mail address or name; for a failed login the one that was tried.
    pub actor_name: String,
    /// What: `login.succeeded`, `login.failed`, `role.changed`, `access.denied` ….
    pub action: String,
    /// To whom or what: `user/7`, `api_key/9`, `POST /api/v1/streams`.
    pub subject: String,
    /// More of it, for people.
    pub detail: String,
    /// From which network address, where it is known.
    pub address: String,
}

/// An act as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from 1, without a gap.
    pub number: u64,
    /// When it was done.
    pub at: Timestamp,
    /// What was done.
    pub act: Act,
    /// SHA-256 over the entry before and this one.
    pub hash: [u8; 32],
}

/// A part of a commit: a commit tells more acts than one record may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// The commit's position.
    pub position: Position,
    /// Which part of it, from 0.
    pub part: u32,
}

/// Acts that the accounts' facts tell and the log does not yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncarried {
    /// Where they come from.
    pub mark: Mark,
    /// When they were done.
    pub at: Timestamp,
    /// What was done, in order; at most [`ACTS_MAX`].
    pub acts: Vec<Act>,
}

/// The end of the log: what the next entry hangs on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Audit {
    number: u64,
    hash: [u8; 32],
    carried: Mark,
}

/// A wish addressed to the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum AuditCommand {
    /// Writes one act down.
    Record(Act),
    /// Writes down what a commit of the accounts tells, unless it was written down before.
    CarryOver {
        /// Which commit, and which part of it.
        mark: Mark,
        /// When that was.
        at: Timestamp,
        /// What it tells, in order.
        acts: Vec<Act>,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuditFact {
    /// An entry was added.
    Recorded(Entry),
    /// Everything up to this mark is written down.
    CarriedOver {
        /// Which commit, and which part of it.
        upto: Mark,
    },
}

impl Record for AuditFact {
    const KIND: u16 = kinds::AUDIT;
    const SCHEMA: u8 = 1;
}

impl Entity for Audit {
    const KIND: &'static str = "audit";
    type Command = AuditCommand;
    type Fact = AuditFact;
    type Notice = NoNotice;

    fn decide(&self, command: &AuditCommand, asking: &Asking) -> Result<Decision<Self>, Refusal> {
        match command {
            AuditCommand::Record(act) => Ok(Decision::fact(AuditFact::Recorded(chain(self.number, &self.hash, asking.at, act)))),
            AuditCommand::CarryOver { mark, .. } if *mark <= self.carried => Ok(Decision::nothing()),
            AuditCommand::CarryOver { mark, at, acts } => {
                let (mut number, mut hash) = (self.number, self.hash);
                let mut facts = Vec::with_capacity(acts.len() + 1);
                for act in acts {
                    let entry = chain(number, &hash, *at, act);
                    (number, hash) = (entry.number, entry.hash);
                    facts.push(AuditFact::Recorded(entry));
                }
                facts.push(AuditFact::CarriedOver { upto: *mark });
                Ok(Decision::facts(facts))
            }
        }
    }

    fn apply(&mut self, fact: &AuditFact, _: &Written) {
        match fact {
            AuditFact::Recorded(entry) => (self.number, self.hash) = (entry.number, entry.hash),
            AuditFact::CarriedOver { upto } => self.carried = *upto,
        }
    }
}

fn chain(number: u64, previous: &[u8; 32], at: Timestamp, act: &Act) -> Entry {
    let mut entry = Entry { number: number + 1, at, act: act.clone(), hash: [0; 32] };
    entry.hash = entry.hash_after(previous);
    entry
}

impl Entry {
    /// The hash it must have after an entry with that hash: each part with its length in front, so that no two entries read alike.
    #[must_use]
    pub fn hash_after(&self, previous: &[u8; 32]) -> [u8; 32] {
        let Act { actor, actor_name, action, subject, detail, address } = &self.act;
        let mut hash = Sha256::new();
        hash.update(previous);
        hash.update(self.number.to_be_bytes());
        hash.update(self.at.as_millis().to_be_bytes());
        hash.update(actor.to_be_bytes());
        for text in [actor_name, action, subject, detail, address] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.finalize().into()
    }
}

impl Act {
    /// `action` was done; by whom and to whom is told by what tells of it.
    pub(super) fn called(action: &str) -> Self {
        Self { action: action.to_owned(), ..Self::default() }
    }
    /// `who` did `action`.
    #[must_use]
    pub fn of(who: &Principal, action: &str, subject: impl ToString) -> Self {
        let (actor, actor_name) = (who.user.0, who.email.to_string());
        Self { actor, actor_name, action: action.to_owned(), subject: subject.to_string(), ..Self::default() }
    }
    /// The same, with more to it.
    #[must_use]
    pub fn detail(mut self, detail: impl ToString) -> Self {
        self.detail = detail.to_string();
        self
    }
    /// The same, from that network address.
    #[must_use]
    pub fn from(mut self, address: impl ToString) -> Self {
        self.address = address.to_string();
        self
    }
    pub(crate) fn cut(mut self) -> Self {
        let Self { actor: _, actor_name, action, subject, detail, address } = &mut self;
        for text in [actor_name, action, subject, detail, address] {
            text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        }
        self
    }
}

/// Writes an act down; answered when it is durable.
///
/// # Errors
/// Every failure of [`Hub::ask`].
pub async fn record(hub: &Hub, act: Act) -> Result<(), AskError> {
    hub.ask::<Audit>(LOG, AuditCommand::Record(act.cut()), hub.asking(&Principal::house())).await.map(|_| ())
}

/// Writes down what the accounts' own facts tell and the log does not yet, and the denials that wait. Called every moment by the wing's
/// worker, and by whoever is about to read the log.
///
/// # Errors
/// Every failure of [`Hub::ask`]; what is left is carried over next time.
pub async fn carry_over(hub: &Hub) -> Result<(), AskError> {
    hub.provided::<Denials>().write_down(hub).await?;
    let log = hub.projection::<AuditLog>();
    while let Some(Uncarried { mark, at, acts }) = log.next_uncarried() {
        let outcome = hub.ask::<Audit>(LOG, AuditCommand::CarryOver { mark, at, acts }, hub.asking(&Principal::house())).await?;
        if outcome.position == 0 {
            // Somebody else was quicker; the log folds that in a moment.
            return Ok(());
        }
        hub.seen(outcome.position).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use trunkline_protocol::CommandId;

    use super::*;

    fn act(action: &str) -> Act {
        Act { actor: 7, actor_name: "ana@example.org".into(), action: action.into(), ..Act::default() }
    }
    fn ask(audit: &mut Audit, command: AuditCommand) -> Vec<AuditFact> {
        let at = Timestamp::from_millis(5);
        let asking = Asking { command: CommandId::new(), by: Principal::house(), at, connection: None };
        let facts = audit.decide(&command, &asking).expect("never refused").facts;
        facts.iter().for_each(|fact| audit.apply(fact, &Written { version: 1, at, command: asking.command }));
        facts
    }

    #[test]
    fn hangs_every_entry_on_the_one_before() {
        let mut audit = Audit::default();
        let mut facts = ask(&mut audit, AuditCommand::Record(act("login.succeeded")));
        let acts = vec![act("role.changed"), act("user.disabled")];
        facts.extend(ask(
            &mut audit,
            AuditCommand::CarryOver { mark: Mark { position: 9, part: 0 }, at: Timestamp::from_millis(3), acts },
        ));
        let entries: Vec<_> =
            facts.into_iter().filter_map(|fact| if let AuditFact::Recorded(e) = fact { Some(e) } else { None }).collect();
        assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 2, 3]);
        let mut previous = [0; 32];
        for entry in &entries {
            assert_eq!(entry.hash, entry.hash_after(&previous));
            previous = entry.hash;
        }
        let mut forged = entries[1].clone();
        forged.act.actor = 8;
        assert_ne!(forged.hash, forged.hash_after(&entries[0].hash));
    }

    #[test]
    fn carries_a_commit_over_once() {
        let mut audit = Audit::default();
        let command = AuditCommand::CarryOver {
            mark: Mark { position: 9, part: 0 },
            at: Timestamp::from_millis(3),
            acts: vec![act("role.changed")],
        };
        assert_eq!(ask(&mut audit, command.clone()).len(), 2);
        assert_eq!(ask(&mut audit, command).len(), 0);
    }
}
