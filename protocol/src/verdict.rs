//! What a stage of the moderation says of a submission, and why.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

/// Why: a stable code for programs, a sentence for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reason {
    /// `SCREAMING_SNAKE`, stable for ever (`IGNORED_DOMAIN`).
    pub code: Cow<'static, str>,
    /// One sentence to a person.
    pub sentence: Cow<'static, str>,
}

impl Reason {
    /// A reason with its code and sentence.
    pub fn new(code: &'static str, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), sentence: sentence.into() }
    }
}
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// What one stage answers to its one question.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Opinion {
    /// Nothing to say: the next stage is asked. After the last stage the submission is allowed.
    Pass,
    /// Settled: nothing more is asked.
    Settled(Verdict),
}

/// What becomes of a submission.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Verdict {
    /// It comes in.
    Allow,
    /// It is here already, under this id: whoever holds it answers with the one there is.
    Known(String),
    /// A person decides.
    Hold(Reason),
    /// It stays out.
    Block(Reason),
}
