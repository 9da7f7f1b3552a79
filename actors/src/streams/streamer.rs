//! Who streams. One registry holds every streamer, so that two posts of one new name make one streamer.
//!
//! Streams ask [`resolve`]; the edge asks [`create`], [`change`], [`remove`] and reads [`Streamers`].

mod profile;
mod streamers;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;
use trunkline_protocol::{CommandId, Position, Record, Refusal, codec::kinds};

pub use profile::{Account, AccountWish, Profile, ProfileChange, handle, profile_url};
pub use streamers::{StreamerRow, Streamers};

use super::link::Link;
use crate::{
    AskError, Asking, Decision, Entity, Hub, NoNotice, Written,
    accounts::policy::permission::{STREAMERS_DELETE, STREAMERS_WRITE, STREAMS_WRITE},
};

/// The registry's only key.
pub(super) const ALL: &str = "all";
/// Words of `source` that say where a link was found, not who streams (`streams.md` C17).
const PLACES: [&str; 7] = ["discord", "twitch", "twitch_chat", "sheets", "api", "manual", "unknown"];
/// The code under which a resolution says that there is nothing to add; the subject is the streamer's id.
const KNOWN: &str = "STREAMER_KNOWN";

/// Every streamer, as the rules see them.
#[derive(Debug, Default)]
pub struct StreamerRegistry {
    profiles: BTreeMap<u64, Profile>,
    names: HashMap<String, u64>,
    accounts: Accounts,
    account_id_last: u64,
}

/// Which streamers have an account; the eldest answers for it where several do.
#[derive(Debug, Default)]
pub(in crate::streams) struct Accounts(HashMap<String, SmallVec<[u64; 1]>>);

/// Whom a stream speaks of.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Mention {
    /// The streamer's name: the stream's `source`, or the user name in its link.
    pub name: String,
    /// The account: the platform's key and the user name, lower-case.
    pub account: Option<(String, String)>,
    /// Who posted it.
    pub posted_by: Option<String>,
}

/// A wish concerning streamers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum StreamerCommand {
    /// Add a streamer under a fresh id.
    Add {
        /// The fresh id.
        id: u64,
        /// What is said of the streamer.
        change: ProfileChange,
    },
    /// Change what is said.
    Change {
        /// Who.
        id: u64,
        /// What is to change.
        change: ProfileChange,
    },
    /// Take the streamer off the list.
    Remove {
        /// Who.
        id: u64,
    },
    /// Find who is meant, add them where unknown, and see that the account is known.
    Resolve {
        /// The id for whom nobody knows yet.
        fresh: u64,
        /// Who is meant.
        mention: Mention,
    },
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StreamerFact {
    /// A streamer was added.
    Added {
        /// The id.
        id: u64,
        /// What is said.
        profile: Profile,
    },
    /// What is said changed to this.
    Changed {
        /// Who.
        id: u64,
        /// What is said now.
        profile: Profile,
    },
    /// Another account became known.
    AccountAdded {
        /// Whose.
        id: u64,
        /// The account.
        account: Account,
    },
    /// The streamer was taken off the list.
    Removed {
        /// Who.
        id: u64,
    },
}

impl StreamerFact {
    /// Whom it is about.
    #[must_use]
    pub fn id(&self) -> u64 {
        match self {
            Self::Added { id, .. } | Self::Changed { id, .. } | Self::AccountAdded { id, .. } | Self::Removed { id } => *id,
        }
    }
}

impl Record for StreamerFact {
    const KIND: u16 = kinds::STREAMER;
    const SCHEMA: u8 = 1;
}

impl Entity for StreamerRegistry {
    const KIND: &'static str = "streamer";
    type Command = StreamerCommand;
    type Fact = StreamerFact;
    type Notice = NoNotice;

    fn decide(&self, command: &StreamerCommand, asking: &Asking) -> Result<Decision<Self>, Refusal> {
        match command {
            StreamerCommand::Add { id, change } => {
                asking.by.require(STREAMERS_WRITE)?;
                let profile = self.changed(&self.blank(asking), change)?;
                self.free(&profile.name, *id)?;
                Ok(Decision::fact(StreamerFact::Added { id: *id, profile }))
            }
            StreamerCommand::Change { id, change } => {
                asking.by.require(STREAMERS_WRITE)?;
                let before = self.profiles.get(id).ok_or_else(Refusal::not_found)?;
                let profile = self.changed(before, change)?;
                if profile == *before {
                    return Ok(Decision::nothing());
                }
                self.free(&profile.name, *id)?;
                Ok(Decision::fact(StreamerFact::Changed { id: *id, profile }))
            }
            StreamerCommand::Remove { id } => {
                asking.by.require(STREAMERS_DELETE)?;
                self.profiles.get(id).ok_or_else(Refusal::not_found)?;
                Ok(Decision::fact(StreamerFact::Removed { id: *id }))
            }
            StreamerCommand::Resolve { fresh, mention } => {
                asking.by.require(STREAMS_WRITE)?;
                self.resolve(*fresh, mention, asking)
            }
        }
    }

    fn apply(&mut self, fact: &StreamerFact, _written: &Written) {
        match fact {
            StreamerFact::Added { id, profile } | StreamerFact::Changed { id, profile } => {
                self.forget(*id);
                self.learn(*id, profile.clone());
            }
            StreamerFact::AccountAdded { id, account } => {
                self.account_id_last = self.account_id_last.max(account.id);
                self.accounts.add(*id, account);
                if let Some(profile) = self.profiles.get_mut(id) {
                    profile.accounts.push(account.clone());
                }
            }
            StreamerFact::Removed { id } => self.forget(*id),
        }
    }
}

impl StreamerRegistry {
    /// By the account, else by the name, else somebody new; then the account.
    fn resolve(&self, fresh: u64, mention: &Mention, asking: &Asking) -> Result<Decision<Self>, Refusal> {
        let account = mention.account.as_ref().filter(|(platform, _)| profile::is_platform(platform));
        let by_account = account.and_then(|(platform, username)| self.accounts.holder(platform, username));
        let Some(id) = by_account.or_else(|| self.names.get(&folded(&mention.name)).copied()) else {
            let accounts = account.map(|(platform, username)| AccountWish::named(platform, username)).into_iter().collect();
            let name = Some(Some(mention.name.trim().to_owned()));
            let change = ProfileChange { name, notes: None, posted_by: Some(mention.posted_by.clone()), accounts };
            let profile = self.changed(&self.blank(asking), &change)?;
            return Ok(Decision::fact(StreamerFact::Added { id: fresh, profile }));
        };
        let known = || Refusal::conflict(KNOWN, "This streamer is known already").about(id);
        let (Some((platform, username)), Some(before)) = (account, self.profiles.get(&id)) else { return Err(known()) };
        if by_account.is_some() || before.accounts.len() >= profile::ACCOUNTS_MAX {
            return Err(known());
        }
        let profile = before.clone().with(&[AccountWish::named(platform, username)], self.account_id_last + 1)?;
        profile.check()?;
        let account = profile.accounts.into_iter().next_back().ok_or_else(known)?;
        Ok(Decision::fact(StreamerFact::AccountAdded { id, account }))
    }
    fn blank(&self, asking: &Asking) -> Profile {
        Profile { name: String::new(), notes: None, posted_by: None, user: asking.by.user, accounts: Vec::new() }
    }
    fn changed(&self, before: &Profile, change: &ProfileChange) -> Result<Profile, Refusal> {
        let mut profile = before.clone().with(&change.accounts, self.account_id_last + 1)?;
        if let Some(name) = &change.name {
            profile.name = name.clone().unwrap_or_default();
        }
        profile.notes = change.notes.clone().unwrap_or(profile.notes);
        profile.posted_by = change.posted_by.clone().unwrap_or(profile.posted_by);
        profile.check()?;
        Ok(profile)
    }
    fn free(&self, name: &str, id: u64) -> Result<(), Refusal> {
        match self.names.get(&folded(name)) {
            Some(holder) if *holder != id => Err(Refusal::field("name", "has already been taken").about(holder)),
            _ => Ok(()),
        }
    }
    fn learn(&mut self, id: u64, profile: Profile) {
        self.account_id_last = profile.accounts.iter().map(|account| account.id).fold(self.account_id_last, u64::max);
        self.names.insert(folded(&profile.name), id);
        self.accounts.learn(id, &profile);
        self.profiles.insert(id, profile);
    }
    fn forget(&mut self, id: u64) {
        let Some(profile) = self.profiles.remove(&id) else { return };
        self.names.remove(&folded(&profile.name));
        self.accounts.forget(id, &profile);
    }
}

impl Accounts {
    fn key(platform: &str, username: &str) -> String {
        format!("{platform}/{username}")
    }
    fn holder(&self, platform: &str, username: &str) -> Option<u64> {
        self.0.get(&Self::key(platform, username)).and_then(|holders| holders.iter().min()).copied()
    }
    fn add(&mut self, id: u64, account: &Account) {
        let holders = self.0.entry(Self::key(&account.platform, &account.username)).or_default();
        if !holders.contains(&id) {
            holders.push(id);
        }
    }
    fn learn(&mut self, id: u64, profile: &Profile) {
        for account in &profile.accounts {
            self.add(id, account);
        }
    }
    fn forget(&mut self, id: u64, profile: &Profile) {
        for account in &profile.accounts {
            let key = Self::key(&account.platform, &account.username);
            let Some(holders) = self.0.get_mut(&key) else { continue };
            holders.retain(|holder| *holder != id);
            if holders.is_empty() {
                self.0.remove(&key);
            }
        }
    }
}

// The indexes follow from the profiles; the last account id is kept, so that one taken away is not given again.
impl Serialize for StreamerRegistry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.account_id_last, &self.profiles).serialize(serializer)
    }
}
impl<'de> Deserialize<'de> for StreamerRegistry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (account_id_last, profiles) = <(u64, BTreeMap<u64, Profile>)>::deserialize(deserializer)?;
        let mut registry = Self { account_id_last, ..Self::default() };
        for (id, profile) in profiles {
            registry.learn(id, profile);
        }
        Ok(registry)
    }
}

/// A name as it is compared.
pub(in crate::streams) fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

impl Mention {
    /// Whom a stream with this source, link and platform speaks of; `None` where it names nobody (`streams.md` C17, 7.1).
    #[must_use]
    pub fn of(source: &str, link: &str, platform: Option<&str>, posted_by: Option<&str>) -> Option<Self> {
        let source = source.trim();
        let link = Link::read(link).ok();
        let in_link = link.as_ref().and_then(Link::user_name);
        let named = !source.is_empty() && !PLACES.contains(&source.to_lowercase().as_str());
        let name = if named { source } else { in_link? };
        let platform = platform.map(str::to_lowercase).or_else(|| Some(link.as_ref()?.platform()?.key().to_owned()));
        let username = handle(in_link.unwrap_or(name));
        let plain =
            (1..=profile::USERNAME_CHARS_MAX).contains(&username.chars().count()) && !username.contains(char::is_whitespace);
        let account = platform.filter(|platform| plain && profile::is_platform(platform)).map(|platform| (platform, username));
        Some(Self { name: name.to_owned(), account, posted_by: posted_by.map(str::to_owned) })
    }
}

/// Who a stream is by: found, or added where unknown, together with the account; `None` where it names nobody. Decided in the registry's
/// mailbox, so that a hundred posts of one new name make one streamer.
///
/// # Errors
/// 422 where the name breaks a rule; what [`Hub::ask`] may answer.
pub async fn resolve(hub: &Hub, asking: &Asking, mention: Mention) -> Result<Option<u64>, AskError> {
    let streamers = hub.projection::<Streamers>();
    let shown = match &mention.account {
        Some((platform, username)) => streamers.with_account(platform, username),
        None => streamers.named(&mention.name),
    };
    if let Some(row) = shown {
        return Ok(Some(row.id));
    }
    // A step of the caller's command: a retry of the caller finds what it made.
    let asking = Asking { command: CommandId::step(asking.command, 43), ..asking.clone() };
    let fresh = hub.next_id("streamers").await?;
    match hub.ask::<StreamerRegistry>(ALL, StreamerCommand::Resolve { fresh, mention }, asking).await {
        Ok(outcome) => Ok(outcome.facts.first().map(StreamerFact::id)),
        Err(AskError::Refused(refusal)) if refusal.code == KNOWN => Ok(refusal.subject.and_then(|id| id.parse().ok())),
        Err(other) => Err(other),
    }
}

/// Adds a streamer: the id, and the position from which it is seen.
///
/// # Errors
/// 403; 422 naming the streamer who has the name already; what [`Hub::ask`] may answer.
pub async fn create(hub: &Hub, asking: Asking, change: ProfileChange) -> Result<(u64, Position), AskError> {
    let fresh = hub.next_id("streamers").await?;
    let outcome = hub.ask::<StreamerRegistry>(ALL, StreamerCommand::Add { id: fresh, change }, asking).await?;
    Ok((outcome.facts.first().map_or(fresh, StreamerFact::id), outcome.position))
}

/// Changes what is said of a streamer; answers the position from which it is seen.
///
/// # Errors
/// 403, 404, 422; what [`Hub::ask`] may answer.
pub async fn change(hub: &Hub, asking: Asking, id: u64, change: ProfileChange) -> Result<Position, AskError> {
    Ok(hub.ask::<StreamerRegistry>(ALL, StreamerCommand::Change { id, change }, asking).await?.position)
}

/// Takes a streamer off the list; their streams stay, and name nobody.
///
/// # Errors
/// 403 for all but admins, 404; what [`Hub::ask`] may answer.
pub async fn remove(hub: &Hub, asking: Asking, id: u64) -> Result<Position, AskError> {
    Ok(hub.ask::<StreamerRegistry>(ALL, StreamerCommand::Remove { id }, asking).await?.position)
}

#[cfg(test)]
mod tests;
