//! The domain says no: expected, explained, with a stable code. Never a failure, never a bug.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

/// Which sort of no; the edge makes its status code from this, once (`src/edge/answer.rs`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RefusalKind {
    /// The wish cannot be read at all (400).
    Malformed,
    /// Who asks is not known (401).
    Unauthenticated,
    /// Who asks may not (403).
    Forbidden,
    /// There is no such thing (404).
    NotFound,
    /// Somebody else has it, or it is in another state (409).
    Conflict,
    /// It was changed since the asker looked (412).
    Stale,
    /// It was read, and breaks a rule (422).
    Invalid,
    /// Too much at once (429).
    TooMany,
}

/// A no with its reason: a stable code for programs, a sentence for people, and where it concerns fields, a message for each.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// Which sort of no.
    pub kind: RefusalKind,
    /// `SCREAMING_SNAKE`, stable for ever.
    pub code: Cow<'static, str>,
    /// One sentence to a person.
    pub sentence: Cow<'static, str>,
    /// Per field (its wire name): what is wrong with it, without the field's name in front (`can't be blank`).
    pub fields: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// The id of the thing that stands in the way, where there is one (the stream that has this link, the holder of a lock).
    pub subject: Option<String>,
}

impl Refusal {
    /// A no of `kind`, with its code and sentence.
    pub fn new(kind: RefusalKind, code: &'static str, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, code: code.into(), sentence: sentence.into(), fields: Vec::new(), subject: None }
    }
    /// 403 with the contract's sentence (`streams.md` 1.1).
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(RefusalKind::Forbidden, "FORBIDDEN", "You are not authorized to perform this action")
    }
    /// 401 with the contract's sentence.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(RefusalKind::Unauthenticated, "UNAUTHORIZED", "Unauthorized")
    }
    /// 404 with the contract's sentence.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(RefusalKind::NotFound, "NOT_FOUND", "Record not found")
    }
    /// 409.
    pub fn conflict(code: &'static str, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self::new(RefusalKind::Conflict, code, sentence)
    }
    /// 422 for one field: the sentence is `Field message` (`Source can't be blank`).
    pub fn field(field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::fields(vec![(field.into(), message.into())])
    }
    /// 422 for several fields at once; the sentence joins them with commas, as Rails does.
    #[must_use]
    pub fn fields(fields: Vec<(Cow<'static, str>, Cow<'static, str>)>) -> Self {
        let sentence = fields.iter().map(|(field, message)| full_message(field, message)).collect::<Vec<_>>().join(", ");
        Self { kind: RefusalKind::Invalid, code: "VALIDATION_FAILED".into(), sentence: sentence.into(), fields, subject: None }
    }
    /// The same, naming what stands in the way.
    #[must_use]
    pub fn about(mut self, subject: impl ToString) -> Self {
        self.subject = Some(subject.to_string());
        self
    }
    /// Each field's whole sentence (`Link can't be blank`); the one sentence where no field is concerned.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        if self.fields.is_empty() {
            return vec![self.sentence.to_string()];
        }
        self.fields.iter().map(|(field, message)| full_message(field, message)).collect()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}
impl std::error::Error for Refusal {}

/// `list_type` and `is not included in the list` make `List type is not included in the list`; the field `base` adds nothing.
fn full_message(field: &str, message: &str) -> String {
    if field == "base" {
        return message.to_owned();
    }
    let words = field.replace('_', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{} {message}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_the_fields_as_rails_does() {
        let refusal = Refusal::fields(vec![
            ("source".into(), "can't be blank".into()),
            ("list_type".into(), "is not included in the list".into()),
        ]);
        assert_eq!(refusal.to_string(), "Source can't be blank, List type is not included in the list");
    }
}
