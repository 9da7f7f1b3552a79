//! What has just been revoked, and whose it was. Said by [`folding`](super::folding), heard by the edge, which sends whoever it concerns away.

use std::sync::Arc;

use trunkline_protocol::{Credential, Principal, UserId};

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
