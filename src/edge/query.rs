//! What the address says: tolerant query parameters and ids. Nothing here ever fails a request but an id that names nothing, and what
//! would be answered with another list than the one asked for ([`Query::cursor`], [`Query::since`]).

use std::{convert::Infallible, future::Ready, ops::RangeInclusive};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use trunkline_protocol::{Refusal, Timestamp, id::MAX_SAFE_INTEGER};

use super::Problem;

/// Parameters read at most: a longer query is cut, not refused.
const PARAMETERS_MAX: usize = 500;

/// The query parameters of a request, in order. A repeated one: the last wins, except where a list is asked for. Blank is absent.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string; what is not UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(
            url::form_urlencoded::parse(text.as_bytes())
                .take(PARAMETERS_MAX)
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect(),
        )
    }
    /// The trimmed value; `None` where it is absent or blank.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().rev().find(|(key, _)| key == name)?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }
    /// The first of these spellings that is given.
    #[must_use]
    pub fn any(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }
    /// Every value given as `name=`, repeated, as `name[]=` or comma-separated; without blanks.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<&str> {
        let named = |key: &str| key == name || key.strip_suffix("[]") == Some(name);
        let values = self.0.iter().filter(|(key, _)| named(key)).flat_map(|(_, value)| value.split(','));
        values.map(str::trim).filter(|value| !value.is_empty()).collect()
    }
    /// A whole number held to `range`; `default` where it is absent, no number, or (as Rails clients expect) below the range.
    #[must_use]
    pub fn number(&self, name: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let Some(text) = self.get(name) else { return default };
        match text.parse::<i128>() {
            Ok(number) if number < i128::from(*range.start()) => default,
            Ok(number) => u64::try_from(number).unwrap_or(u64::MAX).min(*range.end()),
            // Digits beyond even 128 bits: as large as it may be.
            Err(_) if text.len() > 30 && text.bytes().all(|byte| byte.is_ascii_digit()) => *range.end(),
            Err(_) => default,
        }
    }
    /// An id; `None` where it is absent, `Some(None)` where what is given names nothing.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<Option<u64>> {
        self.get(name).map(parse_id)
    }
    /// Where a list goes on: `next_cursor` of the answer before, an id. Whoever were told the beginning again would never come to the end.
    ///
    /// # Errors
    /// 422 where it is not one that was given.
    pub fn cursor(&self) -> Result<Option<u64>, Refusal> {
        self.id("cursor").map(|id| id.ok_or_else(|| Refusal::field("cursor", "is not one that was given"))).transpose()
    }
    /// From which moment on.
    ///
    /// # Errors
    /// 422 where it cannot be read.
    pub fn since(&self) -> Result<Option<Timestamp>, Refusal> {
        let read = |text| Timestamp::parse(text).ok_or_else(|| Refusal::field("since", "is not a time (RFC 3339)"));
        self.get("since").map(read).transpose()
    }
    /// `true/1/yes/on`, `false/0/no/off` in any casing; `None` for anything else.
    #[must_use]
    pub fn flag(&self, names: &[&str]) -> Option<bool> {
        parse_flag(self.any(names)?)
    }
    /// A moment; `None` where it is absent or cannot be read.
    #[must_use]
    pub fn moment(&self, name: &str) -> Option<Timestamp> {
        Timestamp::parse(self.get(name)?)
    }
}

/// A boolean as people write it.
#[must_use]
pub fn parse_flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" => Some(true),
        "false" | "0" | "no" | "off" | "f" => Some(false),
        _ => None,
    }
}

fn parse_id(text: &str) -> Option<u64> {
    // Digits only: `+1` and ` 1` are not how an id is spelled in an address.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|id| (1..=MAX_SAFE_INTEGER).contains(id))
}

impl FromRequest for Query {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self::parse(request.query_string())))
    }
}

/// The `{id}` of the route. What is no integer, or one that JavaScript could not hold, names nothing: 404.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(pub u64);

impl FromRequest for Id {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(parse_id);
        std::future::ready(id.map(Id).ok_or_else(Problem::not_found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hostile_numbers_as_something_sensible() {
        let number = |text: &str| Query::parse(&format!("page={text}")).number("page", 1, 1..=1000);
        for (text, expected) in
            [("3", 3), ("0", 1), ("-5", 1), ("x", 1), ("", 1), ("1e9", 1), ("99999999999999999999999999999999999999999", 1000)]
        {
            assert_eq!(number(text), expected, "{text}");
        }
        assert_eq!(Query::parse("per_page=200").number("per_page", 25, 1..=100), 100);
    }

    #[test]
    fn reads_lists_however_they_are_written() {
        let query = Query::parse("ids[]=1&ids%5B%5D=2&ids=3,4&ids=&x=%ff");
        assert_eq!(query.list("ids"), ["1", "2", "3", "4"]);
        assert_eq!(query.get("x"), Some("\u{fffd}"));
        assert_eq!(query.get("ids"), None, "the last one is blank");
    }

    #[test]
    fn knows_which_ids_name_nothing() {
        for text in ["0", "-1", "abc", "1.5", "9007199254740992", "99999999999999999999", "+1"] {
            assert_eq!(parse_id(text), None, "{text}");
        }
        assert_eq!(parse_id("9007199254740991"), Some(MAX_SAFE_INTEGER));
    }
}
