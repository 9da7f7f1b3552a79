//! How the edge says no: one problem document (RFC 9457) with the extra members of `streams.md` 1.1. Every resource answers errors
//! through it; nothing else makes a status code of a refusal.

use std::{borrow::Cow, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use serde_json::{Map, Value, json};
use trunkline_actors::AskError;
use trunkline_protocol::{Refusal, RefusalKind};

/// An error as the client reads it. The middleware adds `request_id` and `instance` on the way out.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: Cow<'static, str>,
    sentence: Cow<'static, str>,
    errors: Vec<String>,
    details: Map<String, Value>,
    members: Map<String, Value>,
    retry_after_s: Option<u64>,
}

impl Problem {
    /// A problem of this status, with a stable code for programs and a sentence for people.
    pub fn new(status: StatusCode, code: &'static str, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code: code.into(),
            sentence: sentence.into(),
            errors: Vec::new(),
            details: Map::new(),
            members: Map::new(),
            retry_after_s: None,
        }
    }
    /// 400: it cannot be read.
    pub fn malformed(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MALFORMED", sentence)
    }
    /// 401 with the contract's sentence.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Refusal::unauthenticated().into()
    }
    /// 403 with the contract's sentence.
    #[must_use]
    pub fn forbidden() -> Self {
        Refusal::forbidden().into()
    }
    /// 404 with the contract's sentence.
    #[must_use]
    pub fn not_found() -> Self {
        Refusal::not_found().into()
    }
    /// 413.
    #[must_use]
    pub fn too_large(bytes_max: usize) -> Self {
        let sentence = format!("The body is larger than {bytes_max} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", sentence)
    }
    /// 429 with the contract's sentence.
    #[must_use]
    pub fn too_many(retry_after_s: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", "Too many requests. Please try again later.")
            .retry_after(retry_after_s)
    }
    /// 503: the hub cannot do it just now.
    pub fn unavailable(code: &'static str, sentence: impl Into<Cow<'static, str>>, retry_after_s: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, sentence).retry_after(retry_after_s)
    }
    /// The same, with one more member in the body. It wins over the member of that name that every problem has.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }
    /// The same, asking to wait this long before trying again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }
    /// Each field's whole sentence, or the one sentence; what a batch reports of an item.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        if self.errors.is_empty() { vec![self.sentence.to_string()] } else { self.errors.clone() }
    }
    /// The whole document.
    #[must_use]
    pub fn document(&self, request_id: Option<&str>, instance: Option<&str>) -> Map<String, Value> {
        let mut document = Map::new();
        let mut put = |key: &str, value: Value| document.insert(key.to_owned(), value);
        put("type", json!("about:blank"));
        put("title", json!(self.status.canonical_reason().unwrap_or("Error")));
        put("status", json!(self.status.as_u16()));
        put("detail", json!(self.sentence));
        put("code", json!(self.code));
        put("error", json!(self.sentence));
        if !self.errors.is_empty() {
            put("errors", json!(self.errors));
        }
        if !self.details.is_empty() {
            put("details", Value::Object(self.details.clone()));
        }
        if let Some(path) = instance {
            put("instance", json!(path));
        }
        if let Some(id) = request_id {
            put("request_id", json!(id));
        }
        for (key, value) in &self.members {
            put(key, value.clone());
        }
        document
    }
    /// The response, whole; `document` is its body.
    #[must_use]
    pub fn respond(&self, document: impl serde::Serialize) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json; charset=utf-8")));
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            // The rest of the body may still come, and must not be taken for the next request; nor is it waited for.
            response.force_close();
        }
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        response.body(serde_json::to_vec(&document).unwrap_or_default())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }
    fn error_response(&self) -> HttpResponse {
        self.respond(self.document(None, None))
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::Malformed => StatusCode::BAD_REQUEST,
            RefusalKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            RefusalKind::Forbidden => StatusCode::FORBIDDEN,
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::Stale => StatusCode::PRECONDITION_FAILED,
            RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            RefusalKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        };
        let errors = if refusal.kind == RefusalKind::Invalid { refusal.messages() } else { Vec::new() };
        let mut details = Map::new();
        for (field, message) in &refusal.fields {
            let messages = details.entry(field.to_string()).or_insert_with(|| json!([]));
            if let Value::Array(messages) = messages {
                messages.push(json!(message));
            }
        }
        let members = refusal.subject.map(|subject| ("subject".to_owned(), Value::String(subject))).into_iter().collect();
        let retry_after_s = (refusal.kind == RefusalKind::TooMany).then_some(60);
        Self { status, code: refusal.code, sentence: refusal.sentence, errors, details, members, retry_after_s }
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Refused(refusal) => refusal.into(),
            AskError::Overloaded => Self::unavailable("OVERLOADED", "The hub is overloaded; try again in a moment", 1),
            AskError::Deadline => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "DEADLINE", "It did not answer in time; whether it was done is not known")
            }
            AskError::Quarantined => {
                Self::unavailable("QUARANTINED", "It crashed too often and rests for a minute; try again later", 60)
            }
            AskError::Full => Self::unavailable("DISK_FULL", "The disk that holds the journal is full; nothing was written", 30),
            AskError::Unavailable(_) => Self::unavailable("UNAVAILABLE", "Not available just now; try again in a moment", 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_every_reader_of_an_invalid_field() {
        let problem = Problem::from(Refusal::fields(vec![
            ("source".into(), "can't be blank".into()),
            ("link".into(), "must be a valid HTTP or HTTPS URL".into()),
        ]));
        let document = Value::Object(problem.document(Some("r-1"), Some("/api/v1/streams")));
        assert_eq!(problem.status_code(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(document["error"], "Source can't be blank, Link must be a valid HTTP or HTTPS URL");
        assert_eq!(document["errors"], json!(["Source can't be blank", "Link must be a valid HTTP or HTTPS URL"]));
        assert_eq!(document["details"]["source"], json!(["can't be blank"]));
        assert_eq!((&document["request_id"], &document["instance"]), (&json!("r-1"), &json!("/api/v1/streams")));
    }

    #[test]
    fn asks_to_come_back_when_it_cannot_and_to_sign_in_when_it_may_not() {
        let full = Problem::from(AskError::Full).error_response();
        assert_eq!((full.status().as_u16(), full.headers().contains_key(header::RETRY_AFTER)), (503, true));
        let unknown = Problem::unauthenticated().error_response();
        assert_eq!(unknown.headers().get(header::WWW_AUTHENTICATE).map(HeaderValue::as_bytes), Some(&b"Bearer"[..]));
    }
}
