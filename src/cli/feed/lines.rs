//! The lines of a feed: what to post, and what the file says will come of it.

use std::{
    fs::File,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{BufRead as _, BufReader},
    path::Path,
};

use serde_json::Value;

use super::super::Failure;

/// One submission.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its place in the file, from 1.
    pub number: usize,
    /// What should come of it, where the file says so.
    pub expect: Option<String>,
    /// The body to post.
    pub body: Value,
}

impl Line {
    /// Reads one line; blank ones and comments are nothing.
    pub fn read(number: usize, text: &str) -> Result<Option<Self>, Failure> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return Ok(None);
        }
        let mut value: Value = serde_json::from_str(text).map_err(|error| format!("line {number} is not JSON: {error}"))?;
        let expect = value.get("expect").and_then(Value::as_str).map(str::to_owned);
        let body = match value.get_mut("body") {
            Some(body) => body.take(),
            None => value,
        };
        Ok(Some(Self { number, expect, body }))
    }
    /// In which of so many lanes it goes: the same for every spelling of one link. Not the hub's rule of what is a duplicate
    /// but a coarser one, so that whatever the hub takes for the same goes the same way.
    pub fn lane(&self, lanes: usize) -> usize {
        let link = self.body["link"].as_str().or_else(|| self.body["url"].as_str()).unwrap_or_default();
        let link = link.trim().to_lowercase();
        let link = link.split_once("://").map_or(link.as_str(), |(_, rest)| rest);
        let link = link.strip_prefix("www.").unwrap_or(link);
        let link = link.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        let mut hasher = DefaultHasher::new();
        link.hash(&mut hasher);
        usize::try_from(hasher.finish() % lanes as u64).unwrap_or(0)
    }
}

/// Reads the whole file; a feed is a few megabytes.
pub fn read(path: &Path) -> Result<Vec<Line>, Failure> {
    let file = File::open(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let mut lines = Vec::new();
    for (index, text) in BufReader::new(file).lines().enumerate() {
        lines.extend(Line::read(index + 1, &text?)?);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_expectations_and_bare_bodies() {
        let line = Line::read(3, r#"{"expect": "created", "body": {"link": "https://a.b"}}"#).expect("a line").expect("something");
        assert_eq!((line.number, line.expect.as_deref(), line.body["link"].as_str()), (3, Some("created"), Some("https://a.b")));
        let bare = Line::read(1, r#"{"link": "https://a.b"}"#).expect("a line").expect("something");
        assert_eq!((bare.expect, bare.body["link"].as_str()), (None, Some("https://a.b")));
        assert_eq!(Line::read(1, "  ").expect("nothing"), None);
        assert!(Line::read(1, "{").is_err());
    }

    #[test]
    fn keeps_every_spelling_of_a_link_in_one_lane() {
        let lane = |link: &str| Line { number: 1, expect: None, body: serde_json::json!({"link": link}) }.lane(97);
        for spelling in ["http://Twitch.tv/x/", " https://www.twitch.tv/x  ", "https://TWITCH.TV/x?a=b"] {
            assert_eq!(lane(spelling), lane("https://twitch.tv/x"), "{spelling}");
        }
    }
}
