//! AnyCable's tokens (`cable.md` 2.8): an application signs who its user is, and the hub takes its word for it. Asked at the cable's door, before
//! the hub's own tokens; it knows nobody's account and grants no permission.

use std::borrow::Cow;

use futures::future::BoxFuture;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;
use trunkline_actors::Hub;
use trunkline_protocol::{Credential, Principal, Timestamp};

use super::{
    identify::{Handshake, Identify, Unidentified},
    tokens::TOKEN_BYTES_MAX,
};

/// The subprotocol that carries a token rather than naming one.
const SUBPROTOCOL: &str = "anycable-token.";

/// What a deployment says of its applications' tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct JidConfig {
    /// With what applications sign (HS256, HS384 or HS512).
    pub secret: String,
    /// The query parameter; the header is `X-` and this.
    pub param: String,
    /// Whoever shows none is refused.
    pub enforce: bool,
}

impl std::fmt::Debug for JidConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JidConfig").field("param", &self.param).field("enforce", &self.enforce).finish_non_exhaustive()
    }
}

/// The cable's door for clients whom an application vouches for. Whoever shows no such token is named by `others`.
pub struct JidDoor<I> {
    key: DecodingKey,
    param: String,
    header: String,
    enforce: bool,
    others: I,
}

#[derive(Deserialize)]
struct Claims {
    ext: Option<Value>,
    exp: Option<f64>,
    nbf: Option<f64>,
}

impl<I> JidDoor<I> {
    /// The same door as `others`, with one more way in.
    pub fn new(config: &JidConfig, others: I) -> Self {
        let key = DecodingKey::from_secret(config.secret.as_bytes());
        let header = format!("x-{}", config.param.to_ascii_lowercase());
        Self { key, param: config.param.clone(), header, enforce: config.enforce, others }
    }

    /// The token, where one is shown: header, subprotocol, query, in this order.
    fn shown<'a>(&self, handshake: &'a Handshake) -> Option<Cow<'a, str>> {
        let offered = || {
            let lines = handshake.headers.get_all("sec-websocket-protocol").filter_map(|line| line.to_str().ok());
            lines.flat_map(|line| line.split(',')).find_map(|offer| offer.trim().strip_prefix(SUBPROTOCOL))
        };
        let text = handshake.header(&self.header).map(str::trim).filter(|token| !token.is_empty()).or_else(offered);
        text.map(Cow::Borrowed).or_else(|| handshake.query(&self.param).filter(|token| !token.is_empty()).map(Cow::Owned))
    }

    fn read(&self, token: &str, now: Timestamp) -> Result<Principal, Unidentified> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Unidentified::Unauthorized);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.algorithms = vec![Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
        // Times are checked by the hub's own clock; an audience is not ours to judge.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &validation).map_err(|_| Unidentified::Unauthorized)?.claims;
        let expires = claims.exp.map(moment);
        if expires.is_some_and(|expires| expires <= now) {
            return Err(Unidentified::VouchExpired);
        }
        if claims.nbf.is_some_and(|from| moment(from) > now) {
            return Err(Unidentified::Unauthorized);
        }
        match claims.ext {
            Some(Value::String(identifiers)) => Ok(Principal::of_application(identifiers, expires)),
            _ => Err(Unidentified::Nameless),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a float saturates: a time that far away is as good as never")]
fn moment(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds.clamp(-1e13, 1e13) * 1000.0) as i64)
}

impl<I: Identify> Identify for JidDoor<I> {
    fn identify<'a>(&'a self, hub: &'a Hub, handshake: &'a Handshake) -> BoxFuture<'a, Result<Principal, Unidentified>> {
        let named = match self.shown(handshake) {
            Some(token) => self.read(&token, hub.clock().now()),
            None if self.enforce => Err(Unidentified::Unauthorized),
            None => return self.others.identify(hub, handshake),
        };
        Box::pin(std::future::ready(named))
    }
    fn may_resume(&self, hub: &Hub, who: &Principal, handshake: &Handshake) -> bool {
        let now = hub.clock().now();
        match (&who.credential, self.shown(handshake)) {
            (Credential::Application { .. }, shown) => {
                let is_another =
                    |token: Cow<'_, str>| self.read(&token, now).is_ok_and(|shown| shown.identifiers() != who.identifiers());
                who.expires().is_none_or(|expires| now < expires) && !shown.is_some_and(is_another)
            }
            (_, Some(_)) => false,
            (_, None) => self.others.may_resume(hub, who, handshake),
        }
    }
    fn denied(&self, hub: &Hub, who: &Principal, channel: &str) {
        self.others.denied(hub, who, channel);
    }
}

#[cfg(test)]
mod tests {
    use actix_http::header::{HeaderMap, HeaderName, HeaderValue};
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn door(param: &str) -> JidDoor<()> {
        JidDoor::new(&JidConfig { secret: "s3Krit".into(), param: param.into(), enforce: false }, ())
    }
    fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).expect("signed")
    }
    fn shown(door: &JidDoor<()>, uri: &str, headers: &[(&'static str, &'static str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let handshake = Handshake { uri: uri.parse().expect("a path"), headers: map, peer: None, secure: false };
        door.shown(&handshake).map(Cow::into_owned)
    }

    #[test]
    fn looks_in_the_header_then_the_subprotocols_then_the_query() {
        let door = door("jid");
        let offer = ("sec-websocket-protocol", "actioncable-v1-ext-json, anycable-token.b.b.b");
        assert_eq!(shown(&door, "/cable?jid=c", &[("x-jid", "a"), offer]).as_deref(), Some("a"));
        assert_eq!(shown(&door, "/cable?jid=c", &[offer]).as_deref(), Some("b.b.b"));
        assert_eq!(shown(&door, "/cable?jid=c%2Ec", &[]).as_deref(), Some("c.c"));
        assert_eq!(shown(&door, "/cable?jid=", &[("x-jid", "")]), None);
        assert_eq!(shown(&self::door("Ticket"), "/cable?jid=c", &[("x-ticket", "t")]).as_deref(), Some("t"));
    }

    #[test]
    fn believes_every_hmac_and_keeps_the_identifiers_as_they_were_written() {
        let ext = r#"{ "user_id":42, "name":"é" }"#;
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let token = signed(algorithm, "s3Krit", &json!({"ext": ext, "exp": NOON.as_seconds() + 60}));
            let who = door("jid").read(&token, NOON).expect("good");
            assert_eq!(who.identifiers(), ext);
            assert_eq!(who.expires().map(Timestamp::as_seconds), Some(NOON.as_seconds() + 60));
            assert!(who.is_anonymous() && !who.may("streams:read"), "no account, no permission");
        }
        let for_ever = signed(Algorithm::HS256, "s3Krit", &json!({"ext": "{}"}));
        assert_eq!(door("jid").read(&for_ever, NOON).expect("good").expires(), None);
    }

    #[test]
    fn tells_the_expired_from_the_forged_and_the_nameless() {
        let read = |token: &str| door("jid").read(token, NOON).map(|_| ());
        let mine = |claims: Value| signed(Algorithm::HS256, "s3Krit", &claims);
        assert_eq!(read(&mine(json!({"ext": "{}", "exp": NOON.as_seconds()}))), Err(Unidentified::VouchExpired));
        assert_eq!(read(&mine(json!({"exp": NOON.as_seconds() - 1}))), Err(Unidentified::VouchExpired));
        assert_eq!(read(&mine(json!({"ext": "{}", "nbf": NOON.as_seconds() + 9}))), Err(Unidentified::Unauthorized));
        for nameless in [json!({}), json!({"ext": {"user_id": 1}}), json!({"ext": null}), json!({"sub": "1"})] {
            assert_eq!(read(&mine(nameless)), Err(Unidentified::Nameless));
        }
        let none = "eyJhbGciOiJub25lIn0.eyJleHQiOiJ7fSJ9.";
        for forged in [&*signed(Algorithm::HS256, "other", &json!({"ext": "{}"})), none, "", "a.b.c", &"x".repeat(9000)] {
            assert_eq!(read(forged), Err(Unidentified::Unauthorized));
        }
    }
}
