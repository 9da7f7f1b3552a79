//! Access tokens: signed JSON Web Tokens with the claims of `streams.md` section 2. Issues ours (HS256 with a secret, or EdDSA with a key pair),
//! reads ours and those of trusted others (RS256, ES256, EdDSA). It knows signatures and claims; whether the account still stands is
//! asked elsewhere ([`auth`](super::auth)).

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::DecodePrivateKey as _};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use trunkline_actors::accounts::{Account, user::normalised_email};
use trunkline_protocol::{Timestamp, UserId, id::MAX_SAFE_INTEGER};

/// A token longer than this is nobody's.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Other people's clocks may be this far ahead of ours.
const SKEW_S: i64 = 5;

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
}

/// Signs and reads tokens.
pub struct Tokens {
    algorithm: Algorithm,
    kid: Option<String>,
    signer: EncodingKey,
    own: DecodingKey,
    public: Option<Value>,
    trusted: Vec<Trusted>,
}

struct Trusted {
    algorithm: Algorithm,
    key: DecodingKey,
    kid: Option<String>,
    issuer: Option<String>,
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

/// What we write into a token.
#[derive(Serialize)]
struct Issued<'a> {
    sub: String,
    scp: &'static str,
    aud: Option<()>,
    iat: i64,
    exp: i64,
    jti: &'a str,
    service_account: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
}

/// What we look for in one. Numbers may be fractions (RFC 7519), ids may be texts.
#[derive(Deserialize)]
struct Claims {
    sub: Option<Value>,
    user_id: Option<Value>,
    email: Option<String>,
    iss: Option<String>,
    iat: Option<f64>,
    nbf: Option<f64>,
    exp: Option<f64>,
    jti: Option<String>,
    sid: Option<String>,
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
                }
            }
        })
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
        let candidates = self
            .trusted
            .iter()
            .filter(|key| key.algorithm == header.alg && (key.kid.is_none() || header.kid.is_none() || key.kid == header.kid));
        for key in candidates {
            let Some(claims) = claims(token, &key.key, key.algorithm) else { continue };
            if key.issuer.is_some() && key.issuer != claims.iss {
                continue;
            }
            let email = claims.email.as_deref().and_then(normalised_email).ok_or(BadToken::Invalid)?;
            return claims.proven(Named::Email(email), token, now);
        }
        Err(BadToken::Invalid)
    }

    /// `/.well-known/jwks.json`: the public keys by which others verify our tokens; none where we sign with a secret.
    #[must_use]
    pub fn public_keys(&self) -> Value {
        json!({"keys": self.public.iter().collect::<Vec<_>>()})
    }
}

impl Trusted {
    fn new(trusted: &TrustedKey, number: usize) -> Result<Self, KeyError> {
        let fault = |reason: String| KeyError::Trusted { number, reason };
        let pem = trusted.public_key.as_bytes();
        let (algorithm, key) = match trusted.algorithm.as_str() {
            "RS256" => (Algorithm::RS256, DecodingKey::from_rsa_pem(pem)),
            "ES256" => (Algorithm::ES256, DecodingKey::from_ec_pem(pem)),
            "EdDSA" => (Algorithm::EdDSA, DecodingKey::from_ed_pem(pem)),
            other => return Err(fault(format!("`{other}` is none of RS256, ES256, EdDSA"))),
        };
        let key = key.map_err(|error| fault(error.to_string()))?;
        Ok(Self { algorithm, key, kid: trusted.kid.clone(), issuer: trusted.issuer.clone() })
    }
}

impl Claims {
    fn proven(self, who: Named, token: &str, now: Timestamp) -> Result<Proven, BadToken> {
        let seconds = |number: f64| {
            // Beyond any calendar is as good as never; what is no number at all names no moment.
            (number.is_finite() && number.abs() < 1e13).then(|| Timestamp::from_millis((number * 1000.0) as i64))
        };
        let expires = self.exp.and_then(seconds).ok_or(BadToken::Invalid)?;
        let soon = now.plus(Duration::from_secs(SKEW_S.unsigned_abs()));
        if self.nbf.and_then(seconds).is_some_and(|from| from > soon) {
            return Err(BadToken::Invalid);
        }
        if now >= expires {
            return Err(BadToken::Expired);
        }
        // Without an id of its own it is known by its bytes, so that it can be signed out like any other.
        let jti = self.jti.filter(|jti| !jti.is_empty() && jti.len() <= 128);
        let jti = jti.unwrap_or_else(|| URL_SAFE_NO_PAD.encode(Sha256::digest(token)));
        let issued = self.iat.and_then(seconds).unwrap_or(now).min(now);
        Ok(Proven { who, jti: jti.into(), issued, expires, family: self.sid.map(Into::into) })
    }
}

fn claims(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<Claims> {
    let mut validation = Validation::new(algorithm);
    // Times are checked by the hub's own clock; an audience is not ours to judge (`aud` is null in our own).
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Claims>(token, key, &validation).ok().map(|token| token.claims)
}

fn id_of(claim: &Value) -> Option<UserId> {
    let id = match claim {
        Value::String(text) => text.parse().ok()?,
        number => number.as_u64()?,
    };
    (1..=MAX_SAFE_INTEGER).contains(&id).then_some(UserId(id))
}

#[cfg(test)]
mod tests {
    use trunkline_protocol::Role;

    use super::*;

    const PAIR: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn account() -> Account {
        Account {
            id: UserId(7),
            email: "ana@example.org".into(),
            role: Role::Editor,
            service: false,
            disabled: false,
            password: "x".into(),
            locked_until: None,
            tokens_from: NOON,
            created_at: NOON,
            updated_at: NOON,
        }
    }
    fn secret() -> Tokens {
        Tokens::new(&Signing::Secret(b"0123456789abcdef0123456789abcdef".to_vec()), &[]).expect("a secret")
    }
    fn signed(claims: &Value) -> String {
        let key = EncodingKey::from_secret(b"0123456789abcdef0123456789abcdef");
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).expect("signed")
    }

    #[test]
    fn issues_what_it_reads_with_a_secret_and_with_a_key_pair() {
        for tokens in [secret(), Tokens::new(&Signing::KeyPair(PAIR.into()), &[]).expect("a pair")] {
            let token = tokens.issue(&account(), "j1", Some("f1"), NOON, DAY);
            let proven = tokens.read(&token, NOON).expect("good");
            assert_eq!((proven.who, &*proven.jti, proven.family.as_deref()), (Named::Id(UserId(7)), "j1", Some("f1")));
            assert_eq!(proven.expires, NOON.plus(DAY));
            assert_eq!(tokens.read(&token, NOON.plus(DAY)), Err(BadToken::Expired));
            let (head, tail) = token.split_at(token.len() - 6);
            assert_eq!(tokens.read(&format!("{head}AAAA{}", &tail[4..]), NOON), Err(BadToken::Invalid));
        }
    }

    #[test]
    fn carries_the_claims_of_the_contract() {
        let token = secret().issue(&account(), "j1", None, NOON, DAY);
        let payload = token.split('.').nth(1).expect("a payload");
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64")).expect("json");
        assert_eq!(
            claims,
            json!({"sub": "7", "scp": "user", "aud": null, "iat": 1_700_000_000, "exp": 1_700_086_400, "jti": "j1", "service_account": false})
        );
    }

    #[test]
    fn reads_the_legacy_claim_and_refuses_what_names_nobody_or_never_ends() {
        let exp = NOON.as_seconds() + 60;
        let read = |claims: Value| secret().read(&signed(&claims), NOON).map(|proven| proven.who);
        assert_eq!(read(json!({"user_id": 7, "exp": exp})), Ok(Named::Id(UserId(7))));
        assert_eq!(read(json!({"sub": "7", "user_id": 8, "exp": exp})), Ok(Named::Id(UserId(7))));
        for bad in [
            json!({"exp": exp}),
            json!({"sub": "7"}),
            json!({"sub": "0", "exp": exp}),
            json!({"sub": "x", "exp": exp}),
            json!({"sub": [7], "exp": exp}),
            json!({"sub": "7", "exp": "never"}),
            json!({"sub": "7", "exp": exp, "nbf": exp}),
        ] {
            assert_eq!(read(bad.clone()), Err(BadToken::Invalid), "{bad}");
        }
    }

    #[test]
    fn believes_no_token_that_chooses_its_own_algorithm() {
        let pair = Tokens::new(&Signing::KeyPair(PAIR.into()), &[]).expect("a pair");
        let x = pair.public_keys()["keys"][0]["x"].as_str().expect("x").to_owned();
        // The public key used as an HMAC secret, and no signature at all.
        let forged = jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            &json!({"sub": "7", "exp": NOON.as_seconds() + 60}),
            &EncodingKey::from_secret(x.as_bytes()),
        )
        .expect("signed");
        assert_eq!(pair.read(&forged, NOON), Err(BadToken::Invalid));
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let body = URL_SAFE_NO_PAD.encode(r#"{"sub":"7","exp":9999999999}"#);
        for token in [format!("{none}.{body}."), String::new(), "a.b.c".into(), "....".into(), "x".repeat(TOKEN_BYTES_MAX + 1)] {
            assert_eq!(secret().read(&token, NOON), Err(BadToken::Invalid));
        }
    }

    #[test]
    fn takes_a_trusted_strangers_word_for_the_address_only() {
        let stranger = Tokens::new(&Signing::KeyPair(PAIR.into()), &[]).expect("a pair");
        let der_head = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let x = URL_SAFE_NO_PAD.decode(stranger.public_keys()["keys"][0]["x"].as_str().expect("x")).expect("base64");
        let der = base64::engine::general_purpose::STANDARD.encode([&der_head[..], &x].concat());
        let key = TrustedKey {
            algorithm: "EdDSA".into(),
            public_key: format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n"),
            kid: None,
            issuer: Some("https://id.example.org".into()),
        };
        let tokens = Tokens::new(&Signing::Secret(vec![1; 32]), std::slice::from_ref(&key)).expect("keys");
        let sign = |claims: Value| {
            let pair = EncodingKey::from_ed_pem(PAIR.as_bytes()).expect("a pair");
            jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &pair).expect("signed")
        };
        let exp = NOON.as_seconds() + 60;
        let good = sign(json!({"sub": "1", "email": "Ana@Example.org", "iss": "https://id.example.org", "exp": exp}));
        assert_eq!(tokens.read(&good, NOON).map(|proven| proven.who), Ok(Named::Email("ana@example.org".into())));
        for claims in
            [json!({"sub": "1", "iss": "https://id.example.org", "exp": exp}), json!({"email": "a@b", "iss": "x", "exp": exp})]
        {
            assert_eq!(tokens.read(&sign(claims), NOON), Err(BadToken::Invalid));
        }
        assert!(Tokens::new(&Signing::Secret(vec![]), &[TrustedKey { algorithm: "HS256".into(), ..key }]).is_err());
    }
}
