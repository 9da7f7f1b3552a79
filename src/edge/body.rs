//! A request's body: JSON or a form with Rails brackets, bounded in size, depth and time. Handlers take [`Body`] (an object) or
//! [`Document`] (any JSON). What cannot be read never reaches them.

use std::{future::Future, ops::Deref, pin::Pin, time::Duration};

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    dev::{Decompress, Payload},
    error::PayloadError,
    http::{StatusCode, header},
    web::{self, Bytes},
};
use futures::{Stream, StreamExt as _};
use serde_json::{Map, Value};

use super::{Api, EdgeConfig, Problem};

/// Brackets of a form's key that are followed; a deeper key is malformed. (serde_json itself stops at 128 levels.)
const FORM_DEPTH_MAX: usize = 32;
/// Fields of a form.
const FORM_FIELDS_MAX: usize = 10_000;

/// Lets a route take a body as large as an import's: `resource(..).app_data(LargeBody)`.
#[derive(Clone, Copy, Debug)]
pub struct LargeBody;

/// A body that is an object; an absent body is an empty one.
#[derive(Clone, Debug, Default)]
pub struct Body(pub Map<String, Value>);

impl Body {
    /// The members, whether they stand flat or under `wrapper` (`{"stream": {..}}`).
    #[must_use]
    pub fn unwrapped(mut self, wrapper: &str) -> Map<String, Value> {
        match self.0.remove(wrapper) {
            Some(Value::Object(inner)) => inner,
            Some(other) => {
                self.0.insert(wrapper.to_owned(), other);
                self.0
            }
            None => self.0,
        }
    }
}
impl Deref for Body {
    type Target = Map<String, Value>;
    fn deref(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// A body of any shape: a batch may be a bare array. An absent body is `null`.
#[derive(Clone, Debug)]
pub struct Document(pub Value);

impl FromRequest for Document {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move { read(&request, payload).await.map(Document) })
    }
}

impl FromRequest for Body {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            match read(&request, payload).await? {
                Value::Object(members) => Ok(Body(members)),
                Value::Null => Ok(Body::default()),
                _ => Err(Problem::malformed("The body must be a JSON object")),
            }
        })
    }
}

async fn read(request: &HttpRequest, payload: Payload) -> Result<Value, Problem> {
    let config = request.app_data::<web::Data<Api>>().map(|api| &api.config);
    let is_large = request.app_data::<LargeBody>().is_some();
    let limit = |config: &EdgeConfig| if is_large { config.import_bytes_max } else { config.body_bytes_max };
    let bytes_max = config.map_or(trunkline_protocol::limits::BODY_BYTES_MAX, limit);
    let timeout = config.map_or(Duration::from_secs(20), |config| config.body_timeout);
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|bytes| bytes > bytes_max) {
        return Err(Problem::too_large(bytes_max));
    }
    let bytes = arrive(Decompress::from_headers(payload, request.headers()), bytes_max, timeout).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    match request.content_type() {
        "application/x-www-form-urlencoded" => parse_form(&bytes).map(Value::Object),
        // Absent: many small clients forget it, and what they send is JSON.
        kind if kind.is_empty() || kind.ends_with("/json") || kind.ends_with("+json") => parse_json(&bytes),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            "The body must be application/json or application/x-www-form-urlencoded",
        )),
    }
}

/// A body to its end: 413 where it is longer than `bytes_max`, 408 where it is not there within `timeout`.
pub(super) async fn arrive<S>(mut chunks: S, bytes_max: usize, timeout: Duration) -> Result<Vec<u8>, Problem>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let collected = actix_rt::time::timeout(timeout, collect(&mut chunks, bytes_max)).await;
    collected.unwrap_or_else(|_| Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "BODY_TIMEOUT", "The body did not arrive in time")))
}

async fn collect<S>(chunks: &mut S, bytes_max: usize) -> Result<Vec<u8>, Problem>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| match error {
            PayloadError::Overflow => Problem::too_large(bytes_max),
            _ => Problem::malformed("The body could not be read to its end"),
        })?;
        // Counted after decompression: a small bomb is a large body.
        if bytes.len() + chunk.len() > bytes_max {
            return Err(Problem::too_large(bytes_max));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn parse_json(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::malformed(format!("The body is not valid JSON: {error}")))
}

/// Reads a form as Rails does: `user[email]=a`, `ids[]=1`, `entries[][value]=x` (a repeated key begins the next entry).
///
/// # Errors
/// 400 where it is not UTF-8, too deep, or a key is at once a value and an object.
pub fn parse_form(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(Problem::malformed("The form is not valid UTF-8"));
    }
    let mut form = Value::Object(Map::new());
    for (count, (key, value)) in url::form_urlencoded::parse(bytes).enumerate() {
        if count >= FORM_FIELDS_MAX {
            return Err(Problem::malformed("The form has too many fields"));
        }
        if key.is_empty() {
            continue;
        }
        let steps = steps_of(&key)?;
        place(&mut form, &steps, Value::String(value.into_owned()))?;
    }
    match form {
        Value::Object(members) => Ok(members),
        _ => Err(Problem::malformed("The form cannot be read")),
    }
}

/// `a[b][][c]` → `a`, `b`, ``, `c`; a key whose brackets do not match is one plain key.
fn steps_of(key: &str) -> Result<Vec<&str>, Problem> {
    let Some((head, mut rest)) = key.split_once('[').map(|(head, _)| (head, &key[head.len()..])) else { return Ok(vec![key]) };
    if head.is_empty() {
        return Ok(vec![key]);
    }
    let mut steps = vec![head];
    while let Some(inner) = rest.strip_prefix('[') {
        let Some((step, after)) = inner.split_once(']') else { return Ok(vec![key]) };
        steps.push(step);
        rest = after;
        if steps.len() > FORM_DEPTH_MAX {
            return Err(Problem::malformed("The form is nested too deeply"));
        }
    }
    Ok(steps)
}

fn place(at: &mut Value, steps: &[&str], value: Value) -> Result<(), Problem> {
    let mixed = || Problem::malformed("A form field is given both as a value and as a group");
    let Some((step, rest)) = steps.split_first() else {
        *at = value;
        return Ok(());
    };
    if step.is_empty() {
        if at.is_null() {
            *at = Value::Array(Vec::new());
        }
        let Value::Array(items) = at else { return Err(mixed()) };
        // `entries[][value]=` again begins the next entry; another key belongs to the entry at hand.
        let begins = match (rest.first(), items.last()) {
            (Some(next), Some(Value::Object(entry))) => entry.contains_key(*next),
            _ => true,
        };
        if begins {
            items.push(Value::Null);
        }
        return items.last_mut().map_or(Ok(()), |item| place(item, rest, value));
    }
    if at.is_null() {
        *at = Value::Object(Map::new());
    }
    let Value::Object(members) = at else { return Err(mixed()) };
    let member = members.entry(*step).or_insert(Value::Null);
    if rest.is_empty() && (member.is_object() || member.is_array()) {
        return Err(mixed());
    }
    place(member, rest, value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};
    use serde_json::json;

    use super::*;

    fn form(text: &str) -> Value {
        Value::Object(parse_form(text.as_bytes()).expect("a form"))
    }

    #[test]
    fn reads_forms_as_rails_does() {
        assert_eq!(form("user[email]=a%40b&user%5Bpassword%5D=x+y"), json!({"user": {"email": "a@b", "password": "x y"}}));
        assert_eq!(form("ids[]=1&ids[]=2"), json!({"ids": ["1", "2"]}));
        assert_eq!(
            form("entries[][list_type]=url&entries[][value]=a&entries[][list_type]=domain&entries[][value]=b"),
            json!({"entries": [{"list_type": "url", "value": "a"}, {"list_type": "domain", "value": "b"}]})
        );
        assert_eq!(form("a=1&a=2&=3&odd[=4"), json!({"a": "2", "odd[": "4"}));
    }

    #[test]
    fn refuses_a_form_that_contradicts_itself_or_is_a_bomb() {
        assert!(parse_form(b"a=1&a[b]=2").is_err());
        assert!(parse_form(b"a[b]=2&a=1").is_err());
        assert!(parse_form(format!("a{}=1", "[x]".repeat(10_000)).as_bytes()).is_err());
        assert!(parse_form(b"a=\xff").is_err());
    }

    #[test]
    fn refuses_json_nested_ten_thousand_deep() {
        let problem = parse_json("[".repeat(10_000).as_bytes()).expect_err("too deep");
        assert_eq!(actix_web::ResponseError::status_code(&problem).as_u16(), 400);
    }

    #[test]
    fn finds_the_members_flat_or_wrapped() {
        let flat = Body(form("link=x").as_object().cloned().unwrap_or_default());
        let wrapped = Body(form("stream[link]=x").as_object().cloned().unwrap_or_default());
        assert_eq!(flat.unwrapped("stream"), wrapped.unwrapped("stream"));
    }

    proptest! {
        #[test]
        fn never_panics_on_any_form(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_form(&bytes);
        }
    }
}
