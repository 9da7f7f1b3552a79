//! Access tokens: signed JSON Web Tokens with the claims of `streams.md` section 2. Issues ours (HS256 with a secret, or EdDSA with a key pair),
//! reads ours and those of trusted others (RS256, ES256, EdDSA), whose keys are configured or published ([`KeySet`]). It knows signatures and claims; whether the account still stands is
//! asked elsewhere ([`auth`](super::auth)).

mod claims;
mod jwk;
mod key_set;
mod keys;

use std::{iter::once, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::DecodePrivateKey as _};
use futures::future::join_all;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use trunkline_actors::accounts::Account;
use trunkline_protocol::{Timestamp, UserId};

use claims::{Issued, claimed_issuer, claims, id_of};
pub use key_set::{KeySet, KeySetSeen};
use keys::Trusted;
pub use keys::{KeyError, Signing, TrustedKey, TrustedKeySet};

/// A token longer than this is nobody's.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Signs and reads tokens.
pub struct Tokens {
    algorithm: Algorithm,
    kid: Option<String>,
    signer: EncodingKey,
    own: DecodingKey,
    public: Option<Value>,
    trusted: Arc<[Trusted]>,
    key_sets: Vec<Arc<KeySet>>,
}

/// What a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Whom it names.
    pub who: Named,
    /// Its id; made of its own bytes where it carries none.
    pub jti: Arc<str>,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// The chain of refresh tokens that it belongs to.
    pub family: Option<Arc<str>>,
}

/// Whom a token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// One of ours, by id.
    Id(UserId),
    /// By address: the token was issued elsewhere.
    Email(String),
}

/// Why a token proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// No token, a wrong signature, or claims that name nobody.
    #[error("the token is not valid")]
    Invalid,
    /// It was good once.
    #[error("the token has expired")]
    Expired,
}

impl Tokens {
    /// Ready to sign with one key and to read with several.
    ///
    /// # Errors
    /// [`KeyError`] where a key cannot be read.
    pub fn new(signing: &Signing, trusted: &[TrustedKey]) -> Result<Self, KeyError> {
        let trusted = trusted.iter().zip(1..).map(|(key, number)| Trusted::new(key, number)).collect::<Result<_, _>>()?;
        Ok(match signing {
            Signing::Secret(secret) => Self {
                algorithm: Algorithm::HS256,
                kid: None,
                signer: EncodingKey::from_secret(secret),
                own: DecodingKey::from_secret(secret),
                public: None,
                trusted,
                key_sets: Vec::new(),
            },
            Signing::KeyPair(pem) => {
                let pair = SigningKey::from_pkcs8_pem(pem).map_err(|error| KeyError::Signing(error.to_string()))?;
                let x = URL_SAFE_NO_PAD.encode(pair.verifying_key().as_bytes());
                let fault = |error: jsonwebtoken::errors::Error| KeyError::Signing(error.to_string());
                // RFC 7638: the members that make the key, sorted, without a blank.
                let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
                let kid = URL_SAFE_NO_PAD.encode(thumbprint);
                Self {
                    algorithm: Algorithm::EdDSA,
                    signer: EncodingKey::from_ed_pem(pem.as_bytes()).map_err(fault)?,
                    own: DecodingKey::from_ed_components(&x).map_err(fault)?,
                    public: Some(json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig"})),
                    kid: Some(kid),
                    trusted,
                    key_sets: Vec::new(),
                }
            }
        })
    }
    /// The same, reading also what these houses issue. Their sets must be followed ([`KeySet::follow`]) to hold any key.
    #[must_use]
    pub fn with_key_sets(self, key_sets: Vec<Arc<KeySet>>) -> Self {
        Self { key_sets, ..self }
    }
    /// The sets of others' keys.
    #[must_use]
    pub fn key_sets(&self) -> &[Arc<KeySet>] {
        &self.key_sets
    }
    /// Grows when a published set has changed: what its keys have proved must be proved again.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.key_sets.iter().map(|set| set.generation()).sum()
    }

    /// A token for an account, from `now` for `lifetime`.
    #[must_use]
    pub fn issue(&self, account: &Account, jti: &str, family: Option<&str>, now: Timestamp, lifetime: Duration) -> String {
        let header = Header { kid: self.kid.clone(), ..Header::new(self.algorithm) };
        let claims = Issued {
            sub: account.id.to_string(),
            scp: "user",
            aud: None,
            iat: now.as_seconds(),
            exp: now.plus(lifetime).as_seconds(),
            jti,
            service_account: account.service,
            sid: family,
        };
        jsonwebtoken::encode(&header, &claims, &self.signer).expect("the key was checked when it was read, the claims are plain")
    }

    /// What a token says, once its signature and its times are checked.
    ///
    /// # Errors
    /// [`BadToken`].
    pub fn read(&self, token: &str, now: Timestamp) -> Result<Proven, BadToken> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(BadToken::Invalid);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| BadToken::Invalid)?;
        // The key decides which algorithm is accepted, never the token's own word.
        if header.alg == self.algorithm
            && let Some(claims) = claims(token, &self.own, self.algorithm)
        {
            let id = claims.sub.as_ref().or(claims.user_id.as_ref()).and_then(id_of).ok_or(BadToken::Invalid)?;
            return claims.proven(Named::Id(id), token, now);
        }
        for keys in once(self.trusted.clone()).chain(self.key_sets.iter().map(|set| set.keys())) {
            for key in keys.iter().filter(|key| key.suits(&header)) {
                let Some(claims) = claims(token, &key.key, key.algorithm) else { continue };
                if let Some(email) = claims.stranger(key) {
                    return claims.proven(Named::Email(email), token, now);
                }
            }
        }
        Err(BadToken::Invalid)
    }

    /// A token could not be read. Where it names a key that is not known here, the houses that may have published it lately are asked;
    /// says whether to read it again.
    pub async fn meet(&self, token: &str) -> bool {
        if self.key_sets.is_empty() || token.len() > TOKEN_BYTES_MAX {
            return false;
        }
        let Ok(Header { alg: Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA, kid: Some(kid), .. }) =
            jsonwebtoken::decode_header(token)
        else {
            return false;
        };
        let issuer = claimed_issuer(token);
        let asked = self.key_sets.iter().filter(|set| set.may_issue(issuer.as_deref()) && !set.knows(&kid));
        join_all(asked.map(|set| set.meet(&kid))).await.contains(&true)
    }

    /// `/.well-known/jwks.json`: the public keys by which others verify our tokens; none where we sign with a secret.
    #[must_use]
    pub fn public_keys(&self) -> Value {
        json!({"keys": self.public.iter().collect::<Vec<_>>()})
    }
}

#[cfg(test)]
mod tests;
