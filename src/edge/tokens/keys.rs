//! With what tokens are signed, and whose tokens are accepted beside ours.

use jsonwebtoken::{Algorithm, DecodingKey, Header};

/// A public key of somebody whose tokens are accepted. Such a token names an account of this hub by its `email` claim; its `sub` counts
/// in another house and means nothing here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// Which signature: `RS256`, `ES256` or `EdDSA`.
    pub algorithm: String,
    /// The public key, PEM.
    pub public_key: String,
    /// The `kid` that the token's head must name, where it names one.
    pub kid: Option<String>,
    /// The `iss` that the token must carry.
    pub issuer: Option<String>,
    /// The `aud` that the token must name.
    pub audience: Option<String>,
}

/// With what tokens are signed.
#[derive(Clone)]
pub enum Signing {
    /// HS256.
    Secret(Vec<u8>),
    /// EdDSA: an Ed25519 private key, PKCS #8 PEM.
    KeyPair(String),
}

/// A key cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// Our own.
    #[error("the signing key is no Ed25519 private key (PKCS #8, PEM): {0}")]
    Signing(String),
    /// Somebody else's.
    #[error("trusted key {number} cannot be read: {reason}")]
    Trusted {
        /// Which one, from 1.
        number: usize,
        /// Why.
        reason: String,
    },
    /// Nothing can be fetched at all.
    #[error("keys cannot be fetched: {0}")]
    Client(String),
}

/// One of them, read.
pub(super) struct Trusted {
    pub algorithm: Algorithm,
    pub key: DecodingKey,
    pub kid: Option<String>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
}

impl Trusted {
    pub(super) fn new(trusted: &TrustedKey, number: usize) -> Result<Self, KeyError> {
        let fault = |reason: String| KeyError::Trusted { number, reason };
        let pem = trusted.public_key.as_bytes();
        let (algorithm, key) = match trusted.algorithm.as_str() {
            "RS256" => (Algorithm::RS256, DecodingKey::from_rsa_pem(pem)),
            "ES256" => (Algorithm::ES256, DecodingKey::from_ec_pem(pem)),
            "EdDSA" => (Algorithm::EdDSA, DecodingKey::from_ed_pem(pem)),
            other => return Err(fault(format!("`{other}` is none of RS256, ES256, EdDSA"))),
        };
        let key = key.map_err(|error| fault(error.to_string()))?;
        Ok(Self { algorithm, key, kid: trusted.kid.clone(), issuer: trusted.issuer.clone(), audience: trusted.audience.clone() })
    }
    /// May a token with this head be tried with it? The key decides the algorithm, and a name that both have must be the same.
    pub(super) fn suits(&self, head: &Header) -> bool {
        self.algorithm == head.alg && (self.kid.is_none() || head.kid.is_none() || self.kid == head.kid)
    }
}
