use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Header;
use trunkline_protocol::{Role, UserId};

use super::*;

const PAIR: &str =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
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
        audience: None,
    };
    let tokens = Tokens::new(&Signing::Secret(vec![1; 32]), std::slice::from_ref(&key)).expect("keys");
    let sign = |claims: Value| {
        let pair = EncodingKey::from_ed_pem(PAIR.as_bytes()).expect("a pair");
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &pair).expect("signed")
    };
    let exp = NOON.as_seconds() + 60;
    let good = sign(json!({"sub": "1", "email": "Ana@Example.org", "iss": "https://id.example.org", "exp": exp}));
    assert_eq!(tokens.read(&good, NOON).map(|proven| proven.who), Ok(Named::Email("ana@example.org".into())));
    let id = |email: &str, jti: &str| {
        let claims = json!({"email": email, "iss": "https://id.example.org", "exp": exp, "jti": jti, "sid": "s"});
        tokens.read(&sign(claims), NOON).map(|proven| (proven.jti, proven.family)).expect("good")
    };
    assert_eq!(id("ana@b", "1"), id("Ana@B", "1"));
    assert!(
        id("ana@b", "1") != id("bo@b", "1") && id("ana@b", "1") != id("ana@b", "2"),
        "an id counts for one account of one house"
    );
    assert!(*id("ana@b", "1").0 != *"1" && id("ana@b", "1").1.is_none(), "and neither id nor session is taken for one of ours");
    for claims in
        [json!({"sub": "1", "iss": "https://id.example.org", "exp": exp}), json!({"email": "a@b", "iss": "x", "exp": exp})]
    {
        assert_eq!(tokens.read(&sign(claims), NOON), Err(BadToken::Invalid));
    }
    assert!(Tokens::new(&Signing::Secret(vec![]), &[TrustedKey { algorithm: "HS256".into(), ..key }]).is_err());
}
