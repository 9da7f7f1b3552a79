//! The names of a request: its id, the trace that it belongs to, the correlation that its sender keeps. Read from what came, made up
//! where nothing usable came, and told back on the way out.

use std::fmt::Write as _;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use rand::Rng as _;

/// A client's own id longer than this is replaced: it would be copied into every log line.
const ID_BYTES_MAX: usize = 128;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What a request is called. Left in the request's extensions; `trace` goes with what it causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// `X-Request-Id`: the client's, or ours.
    pub request_id: String,
    /// The trace's id: 32 hex digits of `traceparent`, or `X-Trace-Id`, or ours.
    pub trace_id: String,
    /// The client named the trace: what comes of its request is told with that name.
    pub given: bool,
    /// This request's own span within the trace: 16 hex digits.
    span_id: String,
    flags: String,
    /// `X-Correlation-ID`: the client's, told back and logged, never made up.
    pub correlation_id: Option<String>,
}

impl Traced {
    /// Reads what came; makes up the rest.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers
            .get(TRACEPARENT)
            .and_then(|value| traceparent(value.to_str().ok()?))
            .or_else(|| Some((plain(headers.get(TRACE_ID))?, "01".to_owned())));
        let is_given = given.is_some();
        let (trace_id, flags) = given.unwrap_or_else(|| (hex::<16>(), "01".to_owned()));
        Self {
            request_id: plain(headers.get(REQUEST_ID)).unwrap_or_else(hex::<16>),
            trace_id,
            given: is_given,
            span_id: hex::<8>(),
            flags,
            correlation_id: plain(headers.get(CORRELATION_ID)),
        }
    }
    /// Tells the names back.
    pub fn answer(&self, headers: &mut HeaderMap) {
        put(headers, REQUEST_ID, &self.request_id);
        // A trace id that is no W3C one was the client's own `X-Trace-Id`.
        if self.trace_id.len() == 32 && self.trace_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            put(headers, TRACEPARENT, &format!("00-{}-{}-{}", self.trace_id, self.span_id, self.flags));
        } else {
            put(headers, TRACE_ID, &self.trace_id);
        }
        if let Some(correlation_id) = &self.correlation_id {
            put(headers, CORRELATION_ID, correlation_id);
        }
    }
    /// Under which everything is logged that is said while the request is answered.
    #[must_use]
    pub fn span(&self) -> tracing::Span {
        let Self { request_id, trace_id, correlation_id, .. } = self;
        tracing::info_span!("request", request_id, trace_id, correlation_id)
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A client's own id, where it is short and printable: it is echoed into headers, bodies and logs.
fn plain(value: Option<&HeaderValue>) -> Option<String> {
    let text = value?.to_str().ok()?.trim();
    let fits = !text.is_empty() && text.len() <= ID_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

/// The trace and its flags in a W3C `traceparent`.
fn traceparent(text: &str) -> Option<(String, String)> {
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let well_formed = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    let named = trace.bytes().any(|byte| byte != b'0') && span.bytes().any(|byte| byte != b'0');
    (well_formed && named).then(|| (trace.to_owned(), flags.to_owned()))
}

fn hex<const BYTES: usize>() -> String {
    let bytes: [u8; BYTES] = {
        let mut bytes = [0; BYTES];
        rand::rng().fill(&mut bytes[..]);
        bytes
    };
    bytes.iter().fold(String::with_capacity(2 * BYTES), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn keeps_the_trace_and_makes_its_own_span() {
        let came = headers(&[
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ("x-request-id", "r-1"),
            ("x-correlation-id", "c-1"),
        ]);
        let traced = Traced::of(&came);
        let mut answer = HeaderMap::new();
        traced.answer(&mut answer);
        assert_eq!(
            (traced.request_id.as_str(), answer.get("x-correlation-id").map(HeaderValue::as_bytes)),
            ("r-1", Some(&b"c-1"[..]))
        );
        let told = answer.get("traceparent").and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(told.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && !told.contains("00f067aa0ba902b7"), "{told}");
    }

    #[test]
    fn makes_up_names_where_what_came_is_of_no_use() {
        for broken in [
            "00-0-0-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "x",
        ] {
            assert_eq!(traceparent(broken), None, "{broken}");
        }
        for unfit in ["", "two words", "caf\u{e9}", &"x".repeat(ID_BYTES_MAX + 1)] {
            let headers = HeaderMap::from_iter([(CORRELATION_ID, HeaderValue::from_bytes(unfit.as_bytes()).expect("a value"))]);
            let mut answer = HeaderMap::new();
            Traced::of(&headers).answer(&mut answer);
            assert!(!answer.contains_key(CORRELATION_ID), "{unfit}");
        }
        let (one, other) = (Traced::of(&headers(&[("x-request-id", "")])), Traced::of(&HeaderMap::new()));
        assert_eq!((one.request_id.len(), one.trace_id.len()), (32, 32));
        assert_ne!(one.request_id, other.request_id);
    }
}
