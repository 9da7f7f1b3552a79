//! The claims of a token: those that we write, those that we look for, and what they prove at a moment.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use trunkline_protocol::{Timestamp, UserId, id::MAX_SAFE_INTEGER};

use super::{BadToken, Named, Proven};

/// Other people's clocks may be this far ahead of ours.
const SKEW: Duration = Duration::from_secs(5);

/// What we write into a token.
#[derive(Serialize)]
pub(super) struct Issued<'a> {
    pub sub: String,
    pub scp: &'static str,
    pub aud: Option<()>,
    pub iat: i64,
    pub exp: i64,
    pub jti: &'a str,
    pub service_account: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<&'a str>,
}

/// What we look for in one. Numbers may be fractions (RFC 7519), ids may be texts.
#[derive(Deserialize)]
pub(super) struct Claims {
    pub sub: Option<Value>,
    pub user_id: Option<Value>,
    pub email: Option<String>,
    pub iss: Option<String>,
    pub iat: Option<f64>,
    pub nbf: Option<f64>,
    pub exp: Option<f64>,
    pub jti: Option<String>,
    pub sid: Option<String>,
}

impl Claims {
    /// What it proves, once its times are checked.
    pub(super) fn proven(self, who: Named, token: &str, now: Timestamp) -> Result<Proven, BadToken> {
        let seconds = |number: f64| {
            // Beyond any calendar is as good as never; what is no number at all names no moment.
            (number.is_finite() && number.abs() < 1e13).then(|| Timestamp::from_millis((number * 1000.0) as i64))
        };
        let expires = self.exp.and_then(seconds).ok_or(BadToken::Invalid)?;
        let soon = now.plus(SKEW);
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

/// The claims of a token that this key has signed.
pub(super) fn claims(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<Claims> {
    let mut validation = Validation::new(algorithm);
    // Times are checked by the hub's own clock; an audience is not ours to judge (`aud` is null in our own).
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Claims>(token, key, &validation).ok().map(|token| token.claims)
}

/// An id of ours, as a number or as text.
pub(super) fn id_of(claim: &Value) -> Option<UserId> {
    let id = match claim {
        Value::String(text) => text.parse().ok()?,
        number => number.as_u64()?,
    };
    (1..=MAX_SAFE_INTEGER).contains(&id).then_some(UserId(id))
}
