//! What is judged: a summary of what somebody wants to bring in. It holds no rule and no link to what it summarises.

use serde::{Deserialize, Serialize};

/// A submission, as the stages see it; kept with its case where it is held.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Submission {
    /// What sort of thing: `stream`, `image`, `comment` …
    pub kind: String,
    /// Its address.
    pub url: Option<String>,
    /// The one spelling that all spellings of its address share: what a duplicate is known by.
    pub canonical: Option<String>,
    /// Its words: title and notes.
    pub text: Option<String>,
    /// The hash of its content.
    pub sha256: Option<String>,
    /// Where it was found, or who streams.
    pub source: Option<String>,
    /// Who posted it.
    pub author: Option<String>,
}
