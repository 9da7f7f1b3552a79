//! Where a client may put its token or key, and which counts where it puts several.

use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap};

use super::Unauthenticated;

/// What a request brings along by which somebody might be named.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its query string, without `?`.
    pub query: &'a str,
    /// Whether the cookie counts: only where a foreign page could do no harm by sending it along (`GET`, and the cable, which checks origins).
    pub cookie: bool,
}

/// The credential that a request brings along.
pub(super) fn credential(parts: &Parts<'_>) -> Result<String, Unauthenticated> {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(value) = parts.headers.get(AUTHORIZATION) {
        let text = value.to_str().map_err(|_| Unauthenticated::Invalid)?;
        let (scheme, token) = text.trim().split_once(' ').unwrap_or((text, ""));
        let token = token.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return Err(Unauthenticated::Invalid);
        }
        return Ok(token.to_owned());
    }
    if let Some(key) = header("x-api-key").filter(|key| !key.is_empty()) {
        return Ok(key.to_owned());
    }
    if let Some(token) = in_query(parts.query) {
        return Ok(token);
    }
    if !parts.cookie {
        return Err(Unauthenticated::Missing);
    }
    let cookies = parts.headers.get_all(COOKIE).filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let mut tokens = cookies.filter_map(|cookie| cookie.trim().strip_prefix("jwt_token=")).map(|value| value.trim_matches('"'));
    tokens.find(|value| !value.is_empty()).map(str::to_owned).ok_or(Unauthenticated::Missing)
}

/// The first token or key in a query.
pub(super) fn in_query(query: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let named = pairs.find(|(name, value)| matches!(name.as_ref(), "token" | "jwt" | "api_key") && !value.is_empty());
    named.map(|(_, value)| value.into_owned())
}
