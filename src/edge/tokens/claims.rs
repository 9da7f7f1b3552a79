//! The claims of a token: those that we write, those that we look for, and what they prove at a moment.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use trunkline_actors::accounts::user::normalised_email;
use trunkline_protocol::{Timestamp, UserId, id::MAX_SAFE_INTEGER};

use super::{BadToken, Named, Proven, keys::Trusted};

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
    pub email_verified: Option<Value>,
    pub iss: Option<String>,
    pub aud: Option<Value>,
    pub iat: Option<f64>,
    pub nbf: Option<f64>,
    pub exp: Option<f64>,
    pub jti: Option<String>,
    pub sid: Option<String>,
}

impl Claims {
    /// Whom it names, where another house issued it: for us, and of somebody whose address that house does not doubt.
    pub(super) fn stranger(&self, key: &Trusted) -> Option<String> {
        let names = |claim: &Value, audience: &str| match claim {
            Value::Array(several) => several.iter().any(|one| one == audience),
            one => one == audience,
        };
        let is_of = key.issuer.is_none() || key.issuer == self.iss;
        let is_for_us = key.audience.as_deref().is_none_or(|audience| self.aud.as_ref().is_some_and(|aud| names(aud, audience)));
        let is_doubted = self.email_verified.as_ref().is_some_and(|verified| *verified == false || verified == "false");
        let email = self.email.as_deref().filter(|_| is_of && is_for_us && !is_doubted)?;
        normalised_email(email)
    }
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
        let issued = self.iat.and_then(seconds).unwrap_or(now).min(now);
        // Another house's sessions are none of ours.
        let family = self.sid.filter(|_| matches!(who, Named::Id(_))).map(Into::into);
        let jti = jti(self.jti, self.iss.as_deref(), &who, token).into();
        Ok(Proven { who, jti, issued, expires, family })
    }
}

/// By which id a token can be signed out, and no other with it.
fn jti(given: Option<String>, issuer: Option<&str>, who: &Named, token: &str) -> String {
    let digest = |text: &str| URL_SAFE_NO_PAD.encode(Sha256::digest(text));
    match (given.filter(|jti| !jti.is_empty() && jti.len() <= 128), who) {
        (Some(jti), Named::Id(_)) => jti,
        // Two houses may give one id, and one of ours.
        (Some(jti), Named::Email(email)) => digest(&format!("{}\n{email}\n{jti}", issuer.unwrap_or_default())),
        // Known by what was signed: one can make other signatures of some, but not other tokens.
        (None, _) => digest(token.rsplit_once('.').map_or(token, |(signed, _)| signed)),
    }
}

/// The claims of a token that this key has signed.
pub(super) fn claims(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Option<Claims> {
    let mut validation = Validation::new(algorithm);
    // Times are checked by the hub's own clock; an audience only where another house issued the token (`aud` is null in our own).
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Claims>(token, key, &validation).ok().map(|token| token.claims)
}

/// The issuer that a token claims to have; nobody has checked it.
pub(super) fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claimed {
        iss: Option<String>,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claimed>(&payload).ok()?.iss
}

/// An id of ours, as a number or as text.
pub(super) fn id_of(claim: &Value) -> Option<UserId> {
    let id = match claim {
        Value::String(text) => text.parse().ok()?,
        number => number.as_u64()?,
    };
    (1..=MAX_SAFE_INTEGER).contains(&id).then_some(UserId(id))
}
