//! The secret with which a deployment signs its tokens where its configuration names none: made once, kept in the journal, so that tokens
//! outlive a restart and hold on every node.

use serde::{Deserialize, Serialize};
use trunkline_protocol::{Record, Refusal, codec::kinds};

use crate::{Asking, Decision, Entity, NoNotice, Written};

/// Whether it has been made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SigningSecret {
    made: bool,
}

/// Keep this one, unless there is one already.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MakeSecret {
    /// 256 random bits.
    pub candidate: [u8; 32],
}

/// It was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretMade {
    /// 256 random bits.
    pub secret: [u8; 32],
}

impl Record for SecretMade {
    const KIND: u16 = kinds::SECRET;
    const SCHEMA: u8 = 1;
}

impl Entity for SigningSecret {
    const KIND: &'static str = "signing_secret";
    type Command = MakeSecret;
    type Fact = SecretMade;
    type Notice = NoNotice;

    fn decide(&self, command: &MakeSecret, _: &Asking) -> Result<Decision<Self>, Refusal> {
        if self.made {
            return Ok(Decision::nothing());
        }
        Ok(Decision::fact(SecretMade { secret: command.candidate }))
    }

    fn apply(&mut self, _: &SecretMade, _: &Written) {
        self.made = true;
    }
}
