//! An entry as written: its list, its value in the one spelling that is compared, and how a body says it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trunkline_protocol::Refusal;

use crate::streams::given::{self, Given};

const VALUE_CHARS_MAX: usize = 2048;
const NOTES_CHARS_MAX: usize = 2000;

/// Which list (`streams.md` section 6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum ListType {
    /// Users of Twitch.
    TwitchUser,
    /// Users of Discord.
    DiscordUser,
    /// Single addresses.
    Url,
    /// Domains with all that lies below them.
    Domain,
}

impl ListType {
    /// Every list, with its spelling and the key under which `by_type` gathers it.
    pub const ALL: [(ListType, &'static str, &'static str); 4] = [
        (ListType::TwitchUser, "twitch_user", "twitch_users"),
        (ListType::DiscordUser, "discord_user", "discord_users"),
        (ListType::Url, "url", "urls"),
        (ListType::Domain, "domain", "domains"),
    ];
    /// The spelling on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TwitchUser => "twitch_user",
            Self::DiscordUser => "discord_user",
            Self::Url => "url",
            Self::Domain => "domain",
        }
    }
    /// The list of that spelling.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name, _)| *name == text).map(|(list, ..)| *list)
    }
    /// The one spelling of a value of this list: what uniqueness is decided by.
    #[must_use]
    pub fn normalized(self, value: &str) -> String {
        let value = value.trim();
        match self {
            Self::TwitchUser | Self::DiscordUser => value.to_lowercase(),
            Self::Url => {
                let value = value.trim_end_matches('/');
                let schemed = value.split_once("://").is_some_and(|(scheme, _)| scheme.chars().all(|c| c.is_ascii_alphanumeric()));
                if schemed || value.is_empty() { value.to_owned() } else { format!("https://{value}") }
            }
            Self::Domain => {
                let domain = value.to_lowercase();
                domain.strip_prefix("www.").unwrap_or(&domain).to_owned()
            }
        }
    }
}

/// An entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Which list.
    pub list_type: ListType,
    /// The value, normalised.
    pub value: String,
    /// What the admin noted.
    pub notes: Option<String>,
}

/// What a body wants of an entry: each field absent, cleared, or set. The value is as it was written.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EntryWish {
    /// The list's spelling.
    pub list_type: Given<String>,
    /// The value.
    pub value: Given<String>,
    /// What the admin noted.
    pub notes: Given<String>,
}

impl From<&Map<String, Value>> for EntryWish {
    fn from(body: &Map<String, Value>) -> Self {
        Self {
            list_type: given::text(body, &["list_type"]),
            value: given::text(body, &["value"]),
            notes: given::text(body, &["notes"]),
        }
    }
}

impl EntryWish {
    /// The entry that is wished for, in place of `before`.
    ///
    /// # Errors
    /// 422 with a message for each field.
    pub fn entry(&self, before: Option<&Entry>) -> Result<Entry, Refusal> {
        let mut complaints: Vec<(Cow<'static, str>, Cow<'static, str>)> = Vec::new();
        let list_type = match &self.list_type {
            Some(text) => text.as_deref().and_then(ListType::read),
            None => before.map(|entry| entry.list_type),
        };
        if list_type.is_none() {
            complaints.push(("list_type".into(), "is not included in the list".into()));
        }
        let value = match &self.value {
            Some(text) => text.clone().unwrap_or_default(),
            None => before.map(|entry| entry.value.clone()).unwrap_or_default(),
        };
        let value = list_type.map_or_else(|| value.trim().to_owned(), |list| list.normalized(&value));
        if value.is_empty() {
            complaints.push(("value".into(), "can't be blank".into()));
        }
        let notes = self.notes.clone().unwrap_or_else(|| before.and_then(|entry| entry.notes.clone()));
        for (field, text, most) in [("value", Some(&value), VALUE_CHARS_MAX), ("notes", notes.as_ref(), NOTES_CHARS_MAX)] {
            if text.is_some_and(|text| text.chars().count() > most) {
                complaints.push((field.into(), format!("is too long (maximum is {most} characters)").into()));
            }
        }
        match list_type {
            Some(list_type) if complaints.is_empty() => Ok(Entry { list_type, value, notes }),
            _ => Err(Refusal::fields(complaints)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_a_value_one_way() {
        for (list, written, kept) in [
            (ListType::TwitchUser, "  BadUser1 ", "baduser1"),
            (ListType::DiscordUser, "Scam#1234", "scam#1234"),
            (ListType::Url, " example.com/x/ ", "https://example.com/x"),
            (ListType::Url, "http://Example.com/X//", "http://Example.com/X"),
            (ListType::Url, "https://example.com/?next=http://x", "https://example.com/?next=http://x"),
            (ListType::Url, "example.com/?next=http://x", "https://example.com/?next=http://x"),
            (ListType::Domain, " WWW.Spam.Example ", "spam.example"),
            (ListType::Domain, "wwww.example", "wwww.example"),
        ] {
            assert_eq!(list.normalized(written), kept, "{written}");
            assert_eq!(list.normalized(kept), kept, "a kept value stays as it is: {kept}");
        }
    }

    #[test]
    fn refuses_in_the_words_of_the_contract() {
        let wish = |list: &str, value: &str| EntryWish {
            list_type: Some(Some(list.into())),
            value: Some((!value.is_empty()).then(|| value.into())),
            notes: None,
        };
        let said = |wish: EntryWish| wish.entry(None).expect_err("refused").to_string();
        assert_eq!(said(wish("nope", "x")), "List type is not included in the list");
        assert_eq!(said(wish("url", "")), "Value can't be blank");
        assert_eq!(said(wish("url", " / ")), "Value can't be blank");
        assert_eq!(said(EntryWish::default()), "List type is not included in the list, Value can't be blank");
    }
}
