//! Streamers as they are shown: the list, its filters, and the one JSON shape of a streamer.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use trunkline_persistence::Piece;
use trunkline_protocol::{CodecError, Commit, Record, Timestamp, codec::kinds};

use super::{Accounts, Profile, StreamerFact, folded};
use crate::{Entity as _, Projection, streams::shelf::Shelf};

/// A streamer as shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StreamerRow {
    /// The id.
    pub id: u64,
    /// What is said of the streamer.
    pub profile: Profile,
    /// When added.
    pub created_at: Timestamp,
    /// When last changed.
    pub updated_at: Timestamp,
}

impl Record for StreamerRow {
    const KIND: u16 = kinds::PROJECTION_SNAPSHOT;
    const SCHEMA: u8 = 1;
}

impl StreamerRow {
    /// Inside a stream (`streams.md` 4.1): id and name.
    #[must_use]
    pub fn brief(&self) -> Value {
        json!({"id": self.id, "name": self.profile.name})
    }
    /// The platforms of the accounts, each once, sorted.
    #[must_use]
    pub fn platforms(&self) -> Vec<&str> {
        self.profile.accounts.iter().map(|account| account.platform.as_str()).collect::<BTreeSet<_>>().into_iter().collect()
    }
    /// The whole object of section 7.1.
    #[must_use]
    pub fn json(&self, streams_count: u64, active_streams_count: u64) -> Map<String, Value> {
        let profile = &self.profile;
        let account = |account: &super::Account| {
            json!({
                "id": account.id, "platform": account.platform, "username": account.username,
                "profile_url": account.profile_url, "is_active": account.is_active,
            })
        };
        let object = json!({
            "id": self.id, "name": profile.name, "notes": profile.notes, "posted_by": profile.posted_by, "user_id": profile.user,
            "accounts": profile.accounts.iter().map(account).collect::<Vec<_>>(), "platforms": self.platforms(),
            "streams_count": streams_count, "active_streams_count": active_streams_count,
            "created_at": self.created_at, "updated_at": self.updated_at,
        });
        let Value::Object(members) = object else { return Map::new() };
        members
    }
}

/// The projection of every streamer.
#[derive(Debug, Default)]
pub struct Streamers {
    shown: RwLock<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    rows: Shelf<StreamerRow>,
    names: HashMap<String, u64>,
    accounts: Accounts,
}

impl Streamers {
    /// The streamer of that id.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<Arc<StreamerRow>> {
        self.shown.read().rows.get(id).cloned()
    }
    /// The streamer of that name, ignoring case.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Arc<StreamerRow>> {
        let shown = self.shown.read();
        shown.names.get(&folded(name)).and_then(|id| shown.rows.get(*id)).cloned()
    }
    /// The streamer who has that account; the eldest where several do.
    #[must_use]
    pub fn with_account(&self, platform: &str, username: &str) -> Option<Arc<StreamerRow>> {
        let shown = self.shown.read();
        shown.accounts.holder(platform, username).and_then(|id| shown.rows.get(id)).cloned()
    }
    /// Those whose name, notes or user names hold `search` and who have an account on `platform`; by name.
    #[must_use]
    pub fn list(&self, search: Option<&str>, platform: Option<&str>) -> Vec<Arc<StreamerRow>> {
        let (search, platform) = (search.map(str::to_lowercase), platform.map(str::to_lowercase));
        let passes = |row: &Arc<StreamerRow>| {
            let accounts = &row.profile.accounts;
            let on = platform.as_ref().is_none_or(|platform| accounts.iter().any(|account| account.platform == *platform));
            on && search.as_ref().is_none_or(|text| {
                row.profile.name.to_lowercase().contains(text)
                    || row.profile.notes.as_ref().is_some_and(|notes| notes.to_lowercase().contains(text))
                    || accounts.iter().any(|account| account.username.contains(text))
            })
        };
        let mut rows: Vec<_> = self.shown.read().rows.iter().filter(|row| passes(row)).cloned().collect();
        rows.sort_by_cached_key(|row| (row.profile.name.to_lowercase(), row.id));
        rows
    }
}

impl Shown {
    fn take(&mut self, fact: StreamerFact, at: Timestamp) {
        match fact {
            StreamerFact::Added { id, profile } => self.put(StreamerRow { id, profile, created_at: at, updated_at: at }),
            StreamerFact::Changed { id, profile } => {
                let created_at = self.rows.get(id).map_or(at, |row| row.created_at);
                self.put(StreamerRow { id, profile, created_at, updated_at: at });
            }
            StreamerFact::AccountAdded { id, account } => {
                let Some(row) = self.rows.get(id) else { return };
                let mut row = StreamerRow::clone(row);
                row.profile.accounts.push(account);
                row.updated_at = at;
                self.put(row);
            }
            StreamerFact::Removed { id } => {
                if let Some(row) = self.rows.remove(id) {
                    self.names.remove(&folded(&row.profile.name));
                    self.accounts.forget(id, &row.profile);
                }
            }
        }
    }
    fn put(&mut self, row: StreamerRow) {
        if let Some(before) = self.rows.get(row.id) {
            self.names.remove(&folded(&before.profile.name));
            self.accounts.forget(row.id, &before.profile);
        }
        self.names.insert(folded(&row.profile.name), row.id);
        self.accounts.learn(row.id, &row.profile);
        self.rows.put(row.id, row);
    }
}

impl Projection for Streamers {
    fn name(&self) -> &'static str {
        "streamers"
    }
    fn schema(&self) -> u8 {
        1
    }
    fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
        if commit.entity.kind() != super::StreamerRegistry::KIND {
            return Ok(());
        }
        let mut shown = self.shown.write();
        for fact in commit.facts_of::<StreamerFact>() {
            shown.take(fact?, commit.at);
        }
        Ok(())
    }
    fn changed(&self) -> Vec<Piece> {
        self.shown.write().rows.changed()
    }
    fn restore(&self, pieces: Vec<(Vec<u8>, Bytes)>) -> Result<(), CodecError> {
        let rows = Shelf::<StreamerRow>::restored(&pieces)?;
        let mut shown = Shown::default();
        for row in rows.iter() {
            shown.names.insert(folded(&row.profile.name), row.id);
            shown.accounts.learn(row.id, &row.profile);
        }
        shown.rows = rows;
        *self.shown.write() = shown;
        Ok(())
    }
}
