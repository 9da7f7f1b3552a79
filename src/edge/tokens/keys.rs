//! With what tokens are signed, and whose tokens are accepted beside ours.

use jsonwebtoken::{Algorithm, DecodingKey, Header};
use url::{Host, Url};

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

/// Where another house publishes its keys. Its tokens name an account of this hub by their `email` claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKeySet {
    pub(super) url: Url,
    /// The `iss` that its tokens must carry.
    pub issuer: Option<String>,
    /// The `aud` that its tokens must name.
    pub audience: Option<String>,
}

impl TrustedKeySet {
    /// A set at an address that can be trusted to be the house's own.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn at(url: &str, issuer: Option<String>, audience: Option<String>) -> Result<Self, &'static str> {
        let url = Url::parse(url).map_err(|_| "is no URL")?;
        let near = match url.host() {
            None => return Err("names no host"),
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
        };
        match url.scheme() {
            "https" => {}
            "http" if near => {}
            _ => {
                return Err(
                    "must begin with https:// (http:// only on this machine): whoever can change the answer can sign in as anybody",
                );
            }
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not hold a name or password: public keys need none");
        }
        Ok(Self { url, issuer, audience })
    }
    /// The address as it may be shown: without its query.
    #[must_use]
    pub fn address(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.into()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_only_where_nobody_can_change_the_answer() {
        let at = |url: &str| TrustedKeySet::at(url, None, None).map(|set| set.address());
        for fine in ["https://id.example.org/keys", "http://127.0.0.1:8080/keys", "http://[::1]/keys", "http://localhost/keys"] {
            assert_eq!(at(fine).as_deref(), Ok(fine));
        }
        assert_eq!(
            at("https://id.example.org/keys?secret=x#y").as_deref(),
            Ok("https://id.example.org/keys"),
            "a query is not shown"
        );
        for bad in [
            "",
            "keys",
            "http://id.example.org/",
            "http://127.0.0.1.example.org/",
            "ftp://localhost/",
            "file:///keys",
            "https://a:b@c/",
        ] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }
}
