//! Signed stream names, exactly as Rails' `MessageVerifier` makes them (JSON, SHA-256), and the keys that are derived from one secret.
//! An application signs; the hub checks. Pure.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// Checks, and for tests and tools makes, signed names.
#[derive(Clone)]
pub struct Verifier(Hmac<Sha256>);

// A secret is not for logs.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    /// One with this secret.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(keyed(secret))
    }
    /// The name, signed: `base64(JSON of the name)--hex(HMAC of that)`.
    #[must_use]
    pub fn sign(&self, name: &str) -> String {
        let encoded = BASE64_STANDARD.encode(serde_json::to_vec(name).expect("a string is always JSON"));
        let digest = self.digest(&encoded).finalize().into_bytes();
        format!("{encoded}--{digest:x}")
    }
    /// The name that was signed with this secret; `None` where it was not. Takes as long for every wrong digest.
    #[must_use]
    pub fn verify(&self, signed: &str) -> Option<String> {
        let (encoded, digest) = signed.split_once("--")?;
        self.digest(encoded).verify_slice(&unhex(digest)?).ok()?;
        serde_json::from_slice(&BASE64_STANDARD.decode(encoded).ok()?).ok()
    }
    fn digest(&self, encoded: &str) -> Hmac<Sha256> {
        self.0.clone().chain_update(encoded)
    }
}

/// The key for one purpose: `broadcast-cable`, `api-cable`.
#[must_use]
pub fn derived_key(secret: &str, purpose: &str) -> String {
    format!("{:x}", keyed(secret).chain_update(purpose).finalize().into_bytes())
}

fn keyed(secret: &str) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length")
}

/// Lower case only: Rails compares texts.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED: &str = "ImNoYXQvMjAyMyI=--2b2e054b6413bf3bc7e8bbad2f68962aa2ba19821800ccbd8de6fd7314e8320c";

    #[test]
    fn signs_as_rails_does_and_derives_the_same_keys() {
        let verifier = Verifier::new("s3Krit");
        assert_eq!(verifier.sign("chat/2023"), SIGNED);
        assert_eq!(verifier.verify(SIGNED).as_deref(), Some("chat/2023"));
        for (purpose, key) in [
            ("broadcast-cable", "a239a7ca182c90fc32bdedf73703d271388cf433843affffd3a5e757041fc716"),
            ("api-cable", "1db397202b5bd68b12665b638515c3aeac9100f721fd7c4fcb6f29c69f32c886"),
            ("rpc-cable", "08ac56f1562c6377ddd5d2d55cee2e35e117a55959d6a6ea3a63548ef0a7e559"),
        ] {
            assert_eq!(derived_key("s3Krit", purpose), key);
        }
    }

    #[test]
    fn takes_nothing_that_was_signed_otherwise() {
        let verifier = Verifier::new("s3Krit");
        let (encoded, digest) = SIGNED.split_once("--").expect("two parts");
        let sealed = |payload: &str| {
            let encoded = BASE64_STANDARD.encode(payload);
            format!("{encoded}--{:x}", verifier.digest(&encoded).finalize().into_bytes())
        };
        assert_eq!(verifier.verify(&sealed("\"fine\"")).as_deref(), Some("fine"));
        for forged in [
            String::new(),
            "--".to_owned(),
            encoded.to_owned(),
            format!("{encoded}--"),
            format!("{encoded}-{digest}"),
            format!("{encoded}--{digest}--{digest}"),
            format!("{encoded}--{}", digest.to_uppercase()),
            format!("{encoded}--{}", &digest[..62]),
            format!("{encoded}--{digest}00"),
            format!("--{digest}"),
            Verifier::new("other").sign("chat/2023"),
            // Signed well, and no name.
            sealed("7"),
            sealed("{\"a\":1}"),
            sealed("chat"),
            sealed("null"),
        ] {
            assert_eq!(verifier.verify(&forged), None, "{forged}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_name_comes_back_and_any_change_is_noticed(name in "\\PC{0,40}", at in 0_usize..100, byte in 0_u8..128) {
            let verifier = Verifier::new("s3Krit");
            let signed = verifier.sign(&name);
            proptest::prop_assert_eq!(verifier.verify(&signed), Some(name));
            let mut changed = signed.clone().into_bytes();
            let at = at % changed.len();
            changed[at] = byte;
            let changed = String::from_utf8(changed).expect("ASCII");
            if changed != signed {
                proptest::prop_assert_eq!(verifier.verify(&changed), None);
            }
        }
        #[test]
        fn survives_any_text(text in "\\PC*|[\\x00-\\x7f]*|[A-Za-z0-9+/=]*--[0-9a-f]*") {
            proptest::prop_assert_eq!(Verifier::new("s3Krit").verify(&text), None);
        }
    }
}
