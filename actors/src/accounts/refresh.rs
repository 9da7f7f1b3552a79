//! One family of refresh tokens: the chain that begins at a login. Each is used once and replaced; a used one that comes back was stolen
//! (or its thief is quicker), so the whole family ends and its access token is denied.

use serde::{Deserialize, Serialize};
use trunkline_protocol::{Record, Refusal, Timestamp, codec::kinds};

use super::api_key::SecretHash;
use crate::{Asking, Decision, Entity, NoNotice, Written};

/// A family; without history it does not exist.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Refresh {
    family: Option<Family>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Family {
    user: u64,
    begun: Timestamp,
    current: SecretHash,
    expires: Timestamp,
    access: AccessToken,
    ended: bool,
}

/// The access token that goes with the newest refresh token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// Its id.
    pub jti: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// A wish addressed to one family.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RefreshCommand {
    /// Begins the family, at a login.
    Issue {
        /// Whose.
        user: u64,
        /// The hash of the first refresh token.
        hash: SecretHash,
        /// When the family ends; a rotation does not prolong it.
        expires: Timestamp,
        /// The access token issued with it.
        access: AccessToken,
    },
    /// Replaces the token that was presented.
    Rotate {
        /// The hash of what was presented.
        presented: SecretHash,
        /// The hash of what replaces it.
        next: SecretHash,
        /// The access token issued with it.
        access: AccessToken,
    },
    /// Ends the family, at a logout.
    End,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each mirrors its command")]
pub enum RefreshFact {
    Issued {
        user: u64,
        hash: SecretHash,
        expires: Timestamp,
        access: AccessToken,
    },
    /// `begun` is when the family was: a password changed since ends it.
    Rotated {
        user: u64,
        begun: Timestamp,
        hash: SecretHash,
        access: AccessToken,
    },
    /// A used token came back: the family is ended, and this access token is denied.
    ReuseDetected {
        user: u64,
        access: AccessToken,
    },
    Ended,
}

impl Record for RefreshFact {
    const KIND: u16 = kinds::REFRESH;
    const SCHEMA: u8 = 1;
}

impl Entity for Refresh {
    const KIND: &'static str = "refresh";
    type Command = RefreshCommand;
    type Fact = RefreshFact;
    type Notice = NoNotice;

    fn decide(&self, command: &RefreshCommand, asking: &Asking) -> Result<Decision<Self>, Refusal> {
        let fact = match (command, &self.family) {
            (RefreshCommand::Issue { user, hash, expires, access }, None) => {
                RefreshFact::Issued { user: *user, hash: *hash, expires: *expires, access: access.clone() }
            }
            (RefreshCommand::End, Some(family)) if !family.ended => RefreshFact::Ended,
            (RefreshCommand::End, _) => return Ok(Decision::nothing()),
            (RefreshCommand::Rotate { presented, next, access }, Some(family)) if !family.ended && asking.at < family.expires => {
                if family.current == *presented {
                    RefreshFact::Rotated { user: family.user, begun: family.begun, hash: *next, access: access.clone() }
                } else {
                    RefreshFact::ReuseDetected { user: family.user, access: family.access.clone() }
                }
            }
            (RefreshCommand::Issue { .. } | RefreshCommand::Rotate { .. }, _) => return Err(Refusal::unauthenticated()),
        };
        Ok(Decision::fact(fact))
    }

    fn apply(&mut self, fact: &RefreshFact, written: &Written) {
        match (fact, &mut self.family) {
            (RefreshFact::Issued { user, hash, expires, access }, family) => {
                *family = Some(Family {
                    user: *user,
                    begun: written.at,
                    current: *hash,
                    expires: *expires,
                    access: access.clone(),
                    ended: false,
                });
            }
            (RefreshFact::Rotated { hash, access, .. }, Some(family)) => {
                family.current = *hash;
                family.access = access.clone();
            }
            (RefreshFact::ReuseDetected { .. } | RefreshFact::Ended, Some(family)) => family.ended = true,
            (_, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use trunkline_protocol::{CommandId, Principal};

    use super::*;

    fn access(jti: &str) -> AccessToken {
        AccessToken { jti: jti.into(), expires: Timestamp::from_millis(50) }
    }
    fn rotate(presented: u8, next: u8) -> RefreshCommand {
        RefreshCommand::Rotate { presented: [presented; 32], next: [next; 32], access: access(&next.to_string()) }
    }
    fn ask(refresh: &mut Refresh, command: RefreshCommand, at: i64) -> Result<Vec<RefreshFact>, Refusal> {
        let at = Timestamp::from_millis(at);
        let asking = Asking { command: CommandId::new(), by: Principal::house(), at, connection: None };
        let facts = refresh.decide(&command, &asking)?.facts;
        facts.iter().for_each(|fact| refresh.apply(fact, &Written { version: 1, at, command: asking.command }));
        Ok(facts)
    }
    fn issued() -> Refresh {
        let mut refresh = Refresh::default();
        let issue = RefreshCommand::Issue { user: 7, hash: [1; 32], expires: Timestamp::from_millis(1000), access: access("1") };
        ask(&mut refresh, issue, 0).expect("issued");
        refresh
    }

    #[test]
    fn ends_the_family_when_a_used_refresh_token_comes_back() {
        let mut refresh = issued();
        assert!(matches!(ask(&mut refresh, rotate(1, 2), 1).as_deref(), Ok([RefreshFact::Rotated { user: 7, .. }])));
        let facts = ask(&mut refresh, rotate(1, 3), 2);
        assert_eq!(facts, Ok(vec![RefreshFact::ReuseDetected { user: 7, access: access("2") }]), "the thief's token is denied too");
        assert!(ask(&mut refresh, rotate(2, 4), 3).is_err(), "the rightful one must sign in again");
    }

    #[test]
    fn refreshes_nothing_after_the_family_has_ended() {
        assert!(ask(&mut Refresh::default(), rotate(1, 2), 0).is_err());
        assert!(ask(&mut issued(), rotate(1, 2), 1000).is_err());
        let mut refresh = issued();
        ask(&mut refresh, RefreshCommand::End, 1).expect("ended");
        assert!(ask(&mut refresh, rotate(1, 2), 2).is_err());
    }
}
