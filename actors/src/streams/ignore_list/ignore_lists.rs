//! The lists as they are shown, and the question that every submission asks of them: is any of this listed?
//!
//! The question costs a few lookups, however long the lists are.

use std::{
    collections::{HashMap, hash_map::Entry::Occupied},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use smallvec::SmallVec;
use trunkline_persistence::Piece;
use trunkline_protocol::{CodecError, Commit, Record, Timestamp, codec::kinds};

use super::{Entry, IgnoreFact, IgnoreRegistry, ListType};
use crate::{
    Entity as _, Projection,
    streams::{link::Link, shelf::Shelf, stream::PlatformKey},
};

/// An entry as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IgnoreRow {
    /// Its id.
    pub id: u64,
    /// What is listed.
    pub entry: Entry,
    /// When it was listed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Record for IgnoreRow {
    const KIND: u16 = kinds::PROJECTION_SNAPSHOT;
    const SCHEMA: u8 = 1;
}

impl IgnoreRow {
    /// The object of section 6.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "id": self.id, "list_type": self.entry.list_type.as_str(), "value": self.entry.value, "notes": self.entry.notes,
            "created_at": self.created_at, "updated_at": self.updated_at,
        })
    }
}

/// What may be listed about a submission.
#[derive(Clone, Copy, Debug, Default)]
pub struct Suspect<'a> {
    /// The link that was submitted.
    pub url: Option<&'a str>,
    /// Where it was found, or who streams.
    pub source: Option<&'a str>,
    /// Who posted it.
    pub posted_by: Option<&'a str>,
}

/// What was found on which list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The list.
    pub list_type: ListType,
    /// The entry's value.
    pub value: String,
}

/// The projection of every entry.
#[derive(Debug, Default)]
pub struct IgnoreLists {
    shown: RwLock<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    rows: Shelf<IgnoreRow>,
    /// What is looked for → the entries that say so: several where they are spelled otherwise (`http://x` and `https://x`, `@ana` and
    /// `ana`).
    index: HashMap<(ListType, String), SmallVec<[u64; 1]>>,
}

impl IgnoreLists {
    /// The entry of that id.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<Arc<IgnoreRow>> {
        self.shown.read().rows.get(id).cloned()
    }
    /// The entries of that list whose value or notes hold `search`, newest first.
    #[must_use]
    pub fn list(&self, list_type: Option<ListType>, search: Option<&str>) -> Vec<Arc<IgnoreRow>> {
        let search = search.map(str::to_lowercase);
        let holds = |row: &IgnoreRow| {
            search.as_ref().is_none_or(|text| {
                row.entry.value.to_lowercase().contains(text)
                    || row.entry.notes.as_ref().is_some_and(|notes| notes.to_lowercase().contains(text))
            })
        };
        let of_list = |row: &IgnoreRow| list_type.is_none_or(|list| row.entry.list_type == list);
        self.shown.read().rows.iter().rev().filter(|row| of_list(row) && holds(row)).cloned().collect()
    }
    /// Every value, by list, sorted (`streams.md` section 6, `by_type`).
    #[must_use]
    pub fn by_type(&self) -> Map<String, Value> {
        let shown = self.shown.read();
        let values = |list: ListType| {
            let mut values: Vec<&str> =
                shown.rows.iter().filter(|row| row.entry.list_type == list).map(|row| row.entry.value.as_str()).collect();
            values.sort_unstable();
            json!(values)
        };
        ListType::ALL.iter().map(|(list, _, key)| ((*key).to_owned(), values(*list))).collect()
    }
    /// The first thing about the submission that is on a list: the address, its domain or one above it, the Twitch user whose page it is or
    /// who posted it, the Discord user who posted it (with or without `#1234`).
    #[must_use]
    pub fn listed(&self, suspect: &Suspect<'_>) -> Option<Listed> {
        let shown = self.shown.read();
        if shown.index.is_empty() {
            return None;
        }
        let url = suspect.url.map(str::trim).filter(|url| !url.is_empty());
        if let Some(url) = url {
            let found = shown.find(ListType::Url, canonical(url)).or_else(|| {
                let host = host(url)?;
                parents(&host).find_map(|domain| shown.find(ListType::Domain, domain.to_owned()))
            });
            if found.is_some() {
                return found;
            }
        }
        let link = url.and_then(|url| Link::read(url).ok()).filter(|link| link.platform() == Some(PlatformKey::Twitch));
        let people = [link.as_ref().and_then(Link::user_name), suspect.source, suspect.posted_by];
        for person in people.into_iter().flatten().map(name).filter(|name| !name.is_empty()) {
            let found = shown.find(ListType::TwitchUser, person);
            if found.is_some() {
                return found;
            }
        }
        let posted_by = suspect.posted_by.map(name)?;
        let plain = posted_by.split_once('#').map(|(name, _)| name.to_owned());
        shown.find(ListType::DiscordUser, posted_by).or_else(|| shown.find(ListType::DiscordUser, plain?))
    }
}

/// A person as the lists spell them.
fn name(text: &str) -> String {
    text.trim().trim_start_matches('@').to_lowercase()
}

/// One spelling for all spellings of an address: without scheme, `www.` and trailing slash, the host in lower case.
fn canonical(address: &str) -> String {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].to_lowercase();
    let host = host.strip_prefix("www.").unwrap_or(&host);
    let tail = rest[end..].split('#').next().unwrap_or_default();
    format!("{host}{}", tail.trim_end_matches('/'))
}

fn host(address: &str) -> Option<String> {
    let host = url::Url::parse(address).ok()?.host_str()?.trim_end_matches('.').to_lowercase();
    (!host.is_empty()).then_some(host)
}

/// `a.b.c`, then `b.c`, then `c`.
fn parents(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |host| host.split_once('.').map(|(_, parent)| parent))
}

impl Shown {
    fn find(&self, list_type: ListType, value: String) -> Option<Listed> {
        let row = self.rows.get(*self.index.get(&(list_type, value))?.first()?)?;
        Some(Listed { list_type, value: row.entry.value.clone() })
    }
    fn key(entry: &Entry) -> (ListType, String) {
        let value = match entry.list_type {
            ListType::Url => canonical(&entry.value),
            ListType::TwitchUser | ListType::DiscordUser => name(&entry.value),
            ListType::Domain => entry.value.trim_end_matches('.').to_owned(),
        };
        (entry.list_type, value)
    }
    fn take(&mut self, fact: IgnoreFact, at: Timestamp) {
        match fact {
            IgnoreFact::Added { id, entry } => self.put(IgnoreRow { id, entry, created_at: at, updated_at: at }),
            IgnoreFact::Changed { id, entry } => {
                let created_at = self.rows.get(id).map_or(at, |row| row.created_at);
                self.put(IgnoreRow { id, entry, created_at, updated_at: at });
            }
            IgnoreFact::Removed { id } => {
                if let Some(row) = self.rows.remove(id) {
                    self.forget(id, &row.entry);
                }
            }
        }
    }
    fn put(&mut self, row: IgnoreRow) {
        if let Some(before) = self.rows.get(row.id).cloned() {
            self.forget(row.id, &before.entry);
        }
        self.index.entry(Self::key(&row.entry)).or_default().push(row.id);
        self.rows.put(row.id, row);
    }
    fn forget(&mut self, id: u64, entry: &Entry) {
        if let Occupied(mut listed) = self.index.entry(Self::key(entry)) {
            listed.get_mut().retain(|other| *other != id);
            if listed.get().is_empty() {
                listed.remove();
            }
        }
    }
}

impl Projection for IgnoreLists {
    fn name(&self) -> &'static str {
        "ignore_lists"
    }
    fn schema(&self) -> u8 {
        1
    }
    fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
        if commit.entity.kind() != IgnoreRegistry::KIND {
            return Ok(());
        }
        let mut shown = self.shown.write();
        for fact in commit.facts_of::<IgnoreFact>() {
            shown.take(fact?, commit.at);
        }
        Ok(())
    }
    fn changed(&self) -> Vec<Piece> {
        self.shown.write().rows.changed()
    }
    fn restore(&self, pieces: Vec<(Vec<u8>, Bytes)>) -> Result<(), CodecError> {
        let rows = Shelf::<IgnoreRow>::restored(&pieces)?;
        let mut index = HashMap::<_, SmallVec<_>>::new();
        for row in rows.iter() {
            index.entry(Shown::key(&row.entry)).or_default().push(row.id);
        }
        *self.shown.write() = Shown { rows, index };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(entries: &[(ListType, &str)]) -> IgnoreLists {
        let lists = IgnoreLists::default();
        for (id, (list_type, value)) in (1..).zip(entries) {
            let entry = Entry { list_type: *list_type, value: list_type.normalized(value), notes: None };
            lists.shown.write().take(IgnoreFact::Added { id, entry }, Timestamp::default());
        }
        lists
    }

    #[test]
    fn finds_an_address_in_every_spelling() {
        let lists = lists(&[(ListType::Url, "https://www.twitch.tv/rerun_bot_24h"), (ListType::Domain, "spamcast.example")]);
        let listed = |url: &str| lists.listed(&Suspect { url: Some(url), ..Suspect::default() }).map(|listed| listed.list_type);
        for url in ["http://TWITCH.tv/rerun_bot_24h/", " https://www.twitch.tv/rerun_bot_24h ", "twitch.tv/rerun_bot_24h"] {
            assert_eq!(listed(url), Some(ListType::Url), "{url}");
        }
        for url in ["https://spamcast.example", "https://live.spamcast.example/x", "http://A.B.SpamCast.Example.:8080/x?y#z"] {
            assert_eq!(listed(url), Some(ListType::Domain), "{url}");
        }
        for url in [
            "https://notspamcast.example/x",
            "https://spamcast.example.org",
            "https://x.org/?u=spamcast.example",
            "https://twitch.tv/rerun_bot_24h2",
        ] {
            assert_eq!(listed(url), None, "{url}");
        }
    }

    #[test]
    fn finds_the_people_behind_a_submission() {
        let lists =
            lists(&[(ListType::TwitchUser, "Rerun"), (ListType::DiscordUser, "scam"), (ListType::DiscordUser, "exact#1234")]);
        let listed = |url, source, posted_by| lists.listed(&Suspect { url, source, posted_by }).map(|listed| listed.value);
        assert_eq!(listed(Some("https://m.twitch.tv/RERUN/videos"), None, None).as_deref(), Some("rerun"));
        assert_eq!(listed(Some("https://kick.com/rerun"), None, None), None, "another platform's user");
        assert_eq!(listed(None, Some("Rerun"), None).as_deref(), Some("rerun"));
        assert_eq!(listed(None, Some("Twitch"), Some("rerun")).as_deref(), Some("rerun"));
        assert_eq!(listed(None, Some("Discord"), Some(" Scam#9999 ")).as_deref(), Some("scam"));
        assert_eq!(listed(None, None, Some("scam")).as_deref(), Some("scam"));
        assert_eq!(listed(None, None, Some("exact#1234")).as_deref(), Some("exact#1234"));
        assert_eq!(listed(None, None, Some("exact#4321")), None, "another person of that name");
        assert_eq!(listed(None, None, Some("scammer#1")), None);
    }

    #[test]
    fn keeps_a_twin_listed_when_the_other_is_taken_off() {
        let address = Suspect { url: Some("https://x.example/"), ..Suspect::default() };
        let person = Suspect { posted_by: Some("@Ana"), ..Suspect::default() };
        let twins =
            [(ListType::Url, ["http://x.example", "https://x.example"], address), (ListType::TwitchUser, ["@ana", "ana"], person)];
        for (list, [one, other], suspect) in twins {
            let first = lists(&[(list, one), (list, other)]);
            let pieces = first.changed().into_iter().filter_map(|piece| Some((piece.key, piece.value?))).collect();
            let again = IgnoreLists::default();
            again.restore(pieces).expect("its own pieces");
            for lists in [first, again] {
                lists.shown.write().take(IgnoreFact::Removed { id: 2 }, Timestamp::default());
                assert!(lists.listed(&suspect).is_some(), "{one}");
                lists.shown.write().take(IgnoreFact::Removed { id: 1 }, Timestamp::default());
                assert!(lists.listed(&suspect).is_none() && lists.shown.read().index.is_empty(), "{one}");
            }
        }
    }
}
