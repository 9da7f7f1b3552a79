//! What a house publishes of its keys (RFC 7517): read into those that its tokens can be verified with. The key decides the algorithm:
//! RSA is RS256, P-256 is ES256, Ed25519 is EdDSA. Whatever else stands in a set is for others, and is passed over.

use std::ops::RangeInclusive;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use super::keys::Trusted;

/// Keys in one set; a house has a handful.
pub(super) const KEYS_MAX: usize = 100;
/// RFC 7518 (3.3) asks for 2048 bits or more; beyond 4096 the library verifies nothing.
const MODULUS_BYTES: RangeInclusive<usize> = 256..=512;
/// A coordinate of P-256, and a whole Ed25519 key.
const POINT_BYTES: usize = 32;

/// A set, read.
pub(super) struct Published {
    /// Those that verify tokens.
    pub keys: Vec<Trusted>,
    /// How many were passed over.
    pub passed_over: usize,
}

/// Why a set cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// It is none.
    #[error("it is no JWK Set: {0}")]
    Garbage(#[from] serde_json::Error),
    /// It has too many keys.
    #[error("it has {0} keys, at most {KEYS_MAX} are read")]
    Crowded(usize),
}

/// Reads a set whose tokens must say this issuer and this audience.
pub(super) fn read(text: &[u8], issuer: Option<&str>, audience: Option<&str>) -> Result<Published, Unreadable> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let Set { keys } = serde_json::from_slice(text)?;
    if keys.len() > KEYS_MAX {
        return Err(Unreadable::Crowded(keys.len()));
    }
    let all = keys.len();
    // One by one: a key of a kind that the library does not know must not cost us the others.
    let known = keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    let trusted = |jwk: Jwk| {
        let (algorithm, key) = verifying(&jwk)?;
        let (issuer, audience) = (issuer.map(str::to_owned), audience.map(str::to_owned));
        Some(Trusted { algorithm, key, kid: jwk.common.key_id, issuer, audience })
    };
    let keys: Vec<Trusted> = known.filter_map(trusted).collect();
    Ok(Published { passed_over: all - keys.len(), keys })
}

fn verifying(jwk: &Jwk) -> Option<(Algorithm, DecodingKey)> {
    let is = |text: &str, bytes: RangeInclusive<usize>| {
        URL_SAFE_NO_PAD.decode(text).is_ok_and(|number| bytes.contains(&number.iter().skip_while(|byte| **byte == 0).count()))
    };
    // Of fixed length: a zero in front counts.
    let is_point = |text: &str| URL_SAFE_NO_PAD.decode(text).is_ok_and(|number| number.len() == POINT_BYTES);
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(key) if is(&key.n, MODULUS_BYTES) && is(&key.e, 1..=4) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 && is_point(&key.x) && is_point(&key.y) => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 && is_point(&key.x) => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let common = &jwk.common;
    let is_ours = common.key_algorithm.is_none_or(|wanted| wanted == named)
        && common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if is_ours { Some((algorithm, DecodingKey::from_jwk(jwk).ok()?)) } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(bytes: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xC1; bytes])
    }
    fn algorithms(keys: &Value) -> Vec<Algorithm> {
        let set = read(json!({"keys": keys}).to_string().as_bytes(), None, None).expect("a set");
        assert_eq!(set.keys.len() + set.passed_over, keys.as_array().map_or(0, Vec::len));
        set.keys.into_iter().map(|key| key.algorithm).collect()
    }

    #[test]
    fn lets_the_key_decide_the_algorithm() {
        let keys = json!([
            {"kty": "RSA", "n": text(256), "e": "AQAB", "kid": "r", "use": "sig", "x5c": ["x"], "other": {"a": [1]}},
            {"kty": "EC", "crv": "P-256", "x": text(32), "y": text(32), "alg": "ES256", "key_ops": ["verify"]},
            {"kty": "OKP", "crv": "Ed25519", "x": text(32), "alg": "EdDSA"},
        ]);
        assert_eq!(algorithms(&keys), [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]);
        assert_eq!(algorithms(&json!([])), []);
    }

    #[test]
    fn passes_over_what_verifies_no_token_of_ours() {
        let others = json!([
            {"kty": "oct", "k": text(32), "alg": "HS256"},
            {"kty": "RSA", "n": text(256), "e": "AQAB", "use": "enc"},
            {"kty": "RSA", "n": text(256), "e": "AQAB", "alg": "RS512"},
            {"kty": "RSA", "n": text(256), "e": "AQAB", "alg": "RSA-OAEP"},
            {"kty": "RSA", "n": text(256), "e": "AQAB", "alg": "of tomorrow"},
            {"kty": "RSA", "n": text(256), "e": "AQAB", "key_ops": ["encrypt"]},
            {"kty": "RSA", "n": text(128), "e": "AQAB"},
            {"kty": "RSA", "n": text(1024), "e": "AQAB"},
            {"kty": "RSA", "n": "no base64!", "e": "AQAB"},
            {"kty": "EC", "crv": "P-384", "x": text(48), "y": text(48)},
            {"kty": "EC", "crv": "secp256k1", "x": text(32), "y": text(32)},
            {"kty": "EC", "crv": "P-256", "x": text(31), "y": text(32)},
            {"kty": "OKP", "crv": "X25519", "x": text(32)},
            {"kty": "OKP", "crv": "Ed25519", "x": text(33)},
            {"kty": "of tomorrow"}, {}, 7, null,
        ]);
        assert_eq!(algorithms(&others), []);
    }

    #[test]
    fn reads_no_set_that_is_none_or_too_large() {
        for garbage in ["", "<html>", "[]", "{}", r#"{"keys":{}}"#, &"[".repeat(10_000)] {
            assert!(matches!(read(garbage.as_bytes(), None, None), Err(Unreadable::Garbage(_))), "{garbage}");
        }
        let crowd = json!({"keys": vec![json!({}); KEYS_MAX + 1]}).to_string();
        assert!(matches!(read(crowd.as_bytes(), None, None), Err(Unreadable::Crowded(101))));
    }

    proptest::proptest! {
        #[test]
        fn survives_any_bytes(bytes: Vec<u8>, kty in "RSA|EC|OKP|oct", text in ".{0,40}") {
            drop(read(&bytes, None, None));
            let key = json!({"kty": kty, "crv": text, "n": text, "e": text, "x": text, "y": text, "k": text, "use": text});
            drop(read(json!({"keys": [key]}).to_string().as_bytes(), None, None));
        }
    }
}
