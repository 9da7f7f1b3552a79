//! One API key: a bot's credential with a name, a role, scopes and an end. Only hashes come here; the secret is shown once, at the edge.
//!
//! A rotation leaves the old secret valid for an overlap, so that a fleet of bots can change over without a gap (`streams.md` section 2).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use trunkline_protocol::{Record, Refusal, Role, Timestamp, codec::kinds};

use crate::{Asking, Decision, Entity, NoNotice, Written};

/// A rotated key's old secret stays valid this long unless the rotation says otherwise.
pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// A key ends after this long unless its creation says otherwise.
pub const LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// The SHA-256 of a secret. A secret is 256 random bits, so a slow hash would add nothing.
pub type SecretHash = [u8; 32];

/// A secret as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// By which it is found.
    pub hash: SecretHash,
    /// Its first characters, by which people tell keys apart.
    pub prefix: String,
    /// When it ends; `None`: never.
    pub expires: Option<Timestamp>,
}

impl Secret {
    /// By which a credential says which secret it was shown: the hash's first bytes.
    #[must_use]
    pub fn mark(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.hash[..8]);
        u64::from_be_bytes(first)
    }
}

/// A key; without history it does not exist.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ApiKey {
    key: Option<(Secret, bool)>,
}

/// What a key begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewApiKey {
    /// From the sequence `users`: a key is an account of its own, so that what it creates has an owner.
    pub id: u64,
    /// By which people know it.
    pub name: String,
    /// What it may do at most.
    pub role: Role,
    /// What it may do of that; empty: all that a service account of the role may.
    pub scopes: Vec<String>,
    /// Its secret.
    pub secret: Secret,
}

/// A wish addressed to one key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ApiKeyCommand {
    /// Makes the key.
    Create(NewApiKey),
    /// Gives a new secret; the old one is valid until then.
    Rotate {
        /// The new secret.
        secret: Secret,
        /// Until when the old one is accepted.
        old_until: Timestamp,
    },
    /// Ends the key, both secrets at once.
    Delete,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each mirrors its command")]
pub enum ApiKeyFact {
    Created(NewApiKey),
    Rotated { secret: Secret, old_until: Timestamp },
    Deleted,
}

impl Record for ApiKeyFact {
    const KIND: u16 = kinds::API_KEY;
    const SCHEMA: u8 = 1;
}

impl Entity for ApiKey {
    const KIND: &'static str = "api_key";
    type Command = ApiKeyCommand;
    type Fact = ApiKeyFact;
    type Notice = NoNotice;

    fn decide(&self, command: &ApiKeyCommand, asking: &Asking) -> Result<Decision<Self>, Refusal> {
        match (command, &self.key) {
            (ApiKeyCommand::Create(new), None) => Ok(Decision::fact(ApiKeyFact::Created(new.clone()))),
            (ApiKeyCommand::Create(_), Some(_)) => Err(Refusal::conflict("API_KEY_EXISTS", "This key exists already")),
            (_, None | Some((_, true))) => Err(Refusal::not_found()),
            (ApiKeyCommand::Rotate { secret, old_until }, Some((old, false))) => {
                // An overlap must not give a key longer than it had.
                let old_until = old.expires.map_or(*old_until, |expires| expires.min(*old_until)).max(asking.at);
                Ok(Decision::fact(ApiKeyFact::Rotated { secret: secret.clone(), old_until }))
            }
            (ApiKeyCommand::Delete, Some((_, false))) => Ok(Decision::fact(ApiKeyFact::Deleted)),
        }
    }

    fn apply(&mut self, fact: &ApiKeyFact, _: &Written) {
        match (fact, &mut self.key) {
            (ApiKeyFact::Created(new), key) => *key = Some((new.secret.clone(), false)),
            (ApiKeyFact::Rotated { secret, .. }, Some((current, _))) => *current = secret.clone(),
            (ApiKeyFact::Deleted, Some((_, deleted))) => *deleted = true,
            (ApiKeyFact::Rotated { .. } | ApiKeyFact::Deleted, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use trunkline_protocol::{CommandId, Principal};

    use super::*;

    fn secret(byte: u8, expires: Option<i64>) -> Secret {
        Secret { hash: [byte; 32], prefix: "tl_abcdef".into(), expires: expires.map(Timestamp::from_millis) }
    }
    fn ask(key: &mut ApiKey, command: ApiKeyCommand, at: i64) -> Result<Vec<ApiKeyFact>, Refusal> {
        let at = Timestamp::from_millis(at);
        let asking = Asking { command: CommandId::new(), by: Principal::house(), at, connection: None };
        let facts = key.decide(&command, &asking)?.facts;
        facts.iter().for_each(|fact| key.apply(fact, &Written { version: 1, at, command: asking.command }));
        Ok(facts)
    }

    #[test]
    fn lets_an_old_secret_live_through_the_overlap_but_never_longer_than_it_had() {
        let mut key = ApiKey::default();
        let new = NewApiKey { id: 1, name: "bot".into(), role: Role::Editor, scopes: vec![], secret: secret(1, Some(5000)) };
        ask(&mut key, ApiKeyCommand::Create(new.clone()), 0).expect("created");
        assert!(ask(&mut key, ApiKeyCommand::Create(new), 0).is_err());
        let rotate =
            |byte, old_until| ApiKeyCommand::Rotate { secret: secret(byte, None), old_until: Timestamp::from_millis(old_until) };
        let facts = ask(&mut key, rotate(2, 9000), 1000).expect("rotated");
        assert_eq!(facts, [ApiKeyFact::Rotated { secret: secret(2, None), old_until: Timestamp::from_millis(5000) }]);
        let facts = ask(&mut key, rotate(3, 9000), 1000).expect("rotated");
        assert_eq!(facts, [ApiKeyFact::Rotated { secret: secret(3, None), old_until: Timestamp::from_millis(9000) }]);
    }

    #[test]
    fn ends_a_key_once_and_for_all() {
        let mut key = ApiKey::default();
        assert!(ask(&mut key, ApiKeyCommand::Delete, 0).is_err());
        let new = NewApiKey { id: 1, name: "bot".into(), role: Role::Editor, scopes: vec![], secret: secret(1, None) };
        ask(&mut key, ApiKeyCommand::Create(new.clone()), 0).expect("created");
        ask(&mut key, ApiKeyCommand::Delete, 1).expect("deleted");
        assert!(ask(&mut key, ApiKeyCommand::Delete, 2).is_err());
        assert!(ask(&mut key, ApiKeyCommand::Create(new), 3).is_err());
    }
}
