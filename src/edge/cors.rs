//! Which pages of other origins may call the API (`streams.md` section 1).

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD");
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Authorization, ETag, Location, Retry-After, Idempotent-Replayed, X-Duplicate, X-Correlation-Id, X-Request-Id, X-Total-Count, X-Trace-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, traceparent",
);
/// How long a browser may remember a preflight's answer; browsers cap it themselves.
const REMEMBER_S: HeaderValue = HeaderValue::from_static("7200");

/// Adds what a browser of another origin needs to see; nothing where the origin may not call.
pub fn answer(allowed: &[String], asked: &HeaderMap, answer: &mut HeaderMap) {
    if let Some(origin) = admit(allowed, asked.get(header::ORIGIN)) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    if !is_anybody(allowed) {
        // The answer differs by origin: a shared cache must know.
        answer.append(header::VARY, HeaderValue::from_static("Origin"));
    }
}

/// The rest of a preflight's answer: any method of ours, any header that was asked for.
pub fn preflight(asked: &HeaderMap, answer: &mut HeaderMap) {
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    answer.insert(header::ALLOW, METHODS);
    // Not `*`: that does not cover `Authorization`.
    if let Some(headers) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
    }
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBER_S);
    answer.insert(HeaderName::from_static("cache-control"), HeaderValue::from_static("max-age=7200"));
}

fn admit(allowed: &[String], origin: Option<&HeaderValue>) -> Option<HeaderValue> {
    if is_anybody(allowed) {
        return Some(HeaderValue::from_static("*"));
    }
    let origin = origin?;
    let text = origin.to_str().ok()?;
    allowed.iter().any(|one| one.trim_end_matches('/').eq_ignore_ascii_case(text)).then(|| origin.clone())
}

fn is_anybody(allowed: &[String]) -> bool {
    allowed.iter().any(|one| one == "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_in_everybody_or_only_those_it_was_told() {
        let from = |origin: &'static str| HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
        let told = |allowed: &[String], asked: &HeaderMap| {
            let mut headers = HeaderMap::new();
            answer(allowed, asked, &mut headers);
            headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap_or_default().to_owned())
        };
        assert_eq!(told(&["*".to_owned()], &HeaderMap::new()).as_deref(), Some("*"));
        let ours = ["https://grid.example".to_owned()];
        assert_eq!(told(&ours, &from("https://grid.example")).as_deref(), Some("https://grid.example"));
        assert_eq!(told(&ours, &from("https://grid.example.evil")), None);
    }
}
