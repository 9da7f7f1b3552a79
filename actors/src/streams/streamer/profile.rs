//! A streamer as written: the fields, the accounts, and how a body spells them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use trunkline_protocol::{Refusal, UserId};

use crate::streams::given::{self, Given};

const NAME_CHARS_MAX: usize = 255;
const NOTES_CHARS_MAX: usize = 2000;
/// The longest user name.
pub(super) const USERNAME_CHARS_MAX: usize = 100;
const URL_BYTES_MAX: usize = 500;
/// Accounts of one streamer: with the bounds above, a streamer stays one record of the journal.
pub(super) const ACCOUNTS_MAX: usize = 20;

pub(super) type Complaints = Vec<(Cow<'static, str>, Cow<'static, str>)>;

/// The platforms on which a streamer may have an account.
const PLATFORMS: [&str; 8] = ["twitch", "tiktok", "youtube", "kick", "facebook", "instagram", "twitter", "other"];

/// An account on a platform.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// Its id, given by the registry.
    pub id: u64,
    /// The platform's key.
    pub platform: String,
    /// Lower-case, without `@`.
    pub username: String,
    /// Where it is seen.
    pub profile_url: Option<String>,
    /// Whether it is in use.
    pub is_active: bool,
}

/// What can be said of a streamer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Profile {
    /// The name; unique, ignoring case.
    pub name: String,
    /// What editors noted.
    pub notes: Option<String>,
    /// Who mentioned the streamer first.
    pub posted_by: Option<String>,
    /// Who added the streamer.
    pub user: UserId,
    /// The accounts, by id.
    pub accounts: Vec<Account>,
}

/// What a body wants of one account.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AccountWish {
    /// Which account; `None`: the one of that platform and name, or a new one.
    pub id: Option<u64>,
    /// The platform's key.
    pub platform: Option<String>,
    /// The user name.
    pub username: Option<String>,
    /// Where it is seen; derived from platform and name where absent.
    pub profile_url: Option<String>,
    /// Whether it is in use.
    pub is_active: Option<bool>,
    /// Take the account away.
    pub remove: bool,
}

/// What a body wants of a streamer: each field absent, cleared, or set.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ProfileChange {
    /// The name.
    pub name: Given<String>,
    /// The notes.
    pub notes: Given<String>,
    /// Who mentioned the streamer.
    pub posted_by: Given<String>,
    /// Accounts to add, change or take away; those not mentioned stay.
    pub accounts: Vec<AccountWish>,
}

impl AccountWish {
    /// An account by platform and name.
    #[must_use]
    pub fn named(platform: &str, username: &str) -> Self {
        Self { platform: Some(platform.to_lowercase()), username: Some(handle(username)), ..Self::default() }
    }
    fn read(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let id = given::id(body, &["id"]).map_err(|_| Refusal::field("accounts", "id is not a number"))?;
        Ok(Self {
            id: id.flatten(),
            platform: given::text(body, &["platform", "primary_platform"]).flatten().map(|platform| platform.to_lowercase()),
            username: given::text(body, &["username"]).flatten().map(|username| handle(&username)),
            profile_url: given::text(body, &["profile_url"]).flatten(),
            is_active: given::flag(body, &["is_active"]).flatten(),
            remove: given::flag(body, &["_destroy"]).flatten().unwrap_or_default(),
        })
    }
}

impl TryFrom<&Map<String, Value>> for ProfileChange {
    type Error = Refusal;
    fn try_from(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let listed: Vec<&Value> = match given::value(body, &["accounts_attributes", "accounts", "streamer_accounts_attributes"]) {
            Some(Value::Array(listed)) => listed.iter().collect(),
            // Rails forms number the rows: {"0": {..}, "1": {..}}.
            Some(Value::Object(numbered)) => numbered.values().collect(),
            _ => Vec::new(),
        };
        let mut accounts = Vec::with_capacity(listed.len().min(ACCOUNTS_MAX));
        for account in listed {
            let Value::Object(account) = account else { return Err(Refusal::field("accounts", "is invalid")) };
            accounts.push(AccountWish::read(account)?);
        }
        // One client knows only one account, and spells it beside the name.
        if accounts.is_empty() && body.contains_key("username") {
            let flat = AccountWish::read(body)?;
            if flat.username.is_some() && flat.platform.is_some() {
                accounts.push(AccountWish { id: None, ..flat });
            }
        }
        let name = given::text(body, &["name", "display_name"]).or_else(|| given::text(body, &["username"]));
        Ok(Self { name, notes: given::text(body, &["notes"]), posted_by: given::text(body, &["posted_by", "postedBy"]), accounts })
    }
}

impl Profile {
    /// What the rules say of it, but for uniqueness of the name.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let mut complaints = Complaints::new();
        if self.name.trim().is_empty() {
            complaints.push(("name".into(), "can't be blank".into()));
        }
        too_long(&mut complaints, "name", Some(&self.name), NAME_CHARS_MAX);
        too_long(&mut complaints, "notes", self.notes.as_ref(), NOTES_CHARS_MAX);
        too_long(&mut complaints, "posted_by", self.posted_by.as_ref(), NAME_CHARS_MAX);
        if self.accounts.len() > ACCOUNTS_MAX {
            complaints.push(("accounts".into(), format!("are too many (maximum is {ACCOUNTS_MAX})").into()));
        }
        for (index, account) in self.accounts.iter().enumerate() {
            account.complain(&mut complaints);
            let twin = |other: &Account| other.platform == account.platform && other.username == account.username;
            if self.accounts[..index].iter().any(twin) {
                complaints.push(("username".into(), "has already been taken".into()));
            }
        }
        if complaints.is_empty() { Ok(()) } else { Err(Refusal::fields(complaints)) }
    }
    /// Adds, changes and takes away accounts as wished; new ones are numbered from `fresh`.
    pub(super) fn with(mut self, wishes: &[AccountWish], mut fresh: u64) -> Result<Self, Refusal> {
        for wish in wishes {
            let same = |account: &Account| match wish.id {
                Some(id) => account.id == id,
                None => Some(&account.platform) == wish.platform.as_ref() && Some(&account.username) == wish.username.as_ref(),
            };
            let place = self.accounts.iter().position(same);
            match place {
                Some(place) if wish.remove => {
                    self.accounts.remove(place);
                }
                Some(place) => self.accounts[place].become_as(wish),
                None if wish.remove => {}
                None if wish.id.is_some() => return Err(Refusal::not_found()),
                None => {
                    let mut account =
                        Account { id: fresh, platform: String::new(), username: String::new(), profile_url: None, is_active: true };
                    account.become_as(wish);
                    self.accounts.push(account);
                    fresh += 1;
                }
            }
        }
        Ok(self)
    }
}

impl Account {
    fn become_as(&mut self, wish: &AccountWish) {
        let before = (self.platform.clone(), self.username.clone());
        self.platform = wish.platform.clone().unwrap_or_else(|| before.0.clone());
        self.username = wish.username.clone().unwrap_or_else(|| before.1.clone());
        self.is_active = wish.is_active.unwrap_or(self.is_active);
        let moved = before != (self.platform.clone(), self.username.clone());
        match &wish.profile_url {
            Some(url) => self.profile_url = Some(url.clone()),
            None if moved || self.profile_url.is_none() => self.profile_url = profile_url(&self.platform, &self.username),
            None => {}
        }
    }
    fn complain(&self, complaints: &mut Complaints) {
        if self.username.is_empty() {
            complaints.push(("username".into(), "can't be blank".into()));
        }
        too_long(complaints, "username", Some(&self.username), USERNAME_CHARS_MAX);
        if !PLATFORMS.contains(&self.platform.as_str()) {
            complaints.push(("platform".into(), "is not included in the list".into()));
        }
        let Some(url) = &self.profile_url else { return };
        let web = url.len() <= URL_BYTES_MAX
            && (url.starts_with("http://") || url.starts_with("https://"))
            && url::Url::parse(url).is_ok();
        if !web {
            complaints.push(("profile_url".into(), "must be a valid URL".into()));
        }
    }
}

/// A platform on which accounts are kept?
pub(super) fn is_platform(key: &str) -> bool {
    PLATFORMS.contains(&key)
}

/// A user name as it is compared: trimmed, lower-case, without a leading `@`.
#[must_use]
pub fn handle(username: &str) -> String {
    username.trim().trim_start_matches('@').to_lowercase()
}

/// Where an account is seen, for the platforms whose addresses are known.
#[must_use]
pub fn profile_url(platform: &str, username: &str) -> Option<String> {
    // A name with an odd letter cannot break out of the path.
    let mut url = match platform {
        "tiktok" | "twitch" | "instagram" => {
            url::Url::parse(&format!("https://www.{platform}.{}/", if platform == "twitch" { "tv" } else { "com" }))
        }
        "youtube" => url::Url::parse("https://www.youtube.com/"),
        "kick" => url::Url::parse("https://kick.com/"),
        "facebook" => url::Url::parse("https://www.facebook.com/"),
        _ => return None,
    }
    .ok()?;
    if username.is_empty() {
        return None;
    }
    let at = if matches!(platform, "tiktok" | "youtube") { "@" } else { "" };
    url.path_segments_mut().ok()?.pop_if_empty().push(&format!("{at}{username}"));
    let slash = if platform == "instagram" { "/" } else { "" };
    Some(format!("{url}{slash}"))
}

fn too_long(complaints: &mut Complaints, field: &'static str, text: Option<&String>, most: usize) {
    if text.is_some_and(|text| text.chars().count() > most) {
        complaints.push((field.into(), format!("is too long (maximum is {most} characters)").into()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(value: Value) -> ProfileChange {
        ProfileChange::try_from(value.as_object().expect("an object")).expect("readable")
    }

    #[test]
    fn reads_both_dialects_of_an_account() {
        let rails = change(json!({"name": "Jane", "accounts_attributes": [{"platform": "TikTok", "username": " @Jane "}]}));
        assert_eq!(rails.accounts, [AccountWish::named("tiktok", "jane")]);
        let numbered = change(json!({"name": "Jane", "accounts_attributes": {"0": {"platform": "tiktok", "username": "jane"}}}));
        assert_eq!(numbered, rails);
        let flat = change(json!({"username": "jane", "primary_platform": "twitch", "display_name": "Jane"}));
        assert_eq!((flat.name, flat.accounts), (Some(Some("Jane".into())), vec![AccountWish::named("twitch", "jane")]));
    }

    #[test]
    fn knows_where_an_account_is_seen() {
        assert_eq!(profile_url("tiktok", "u").as_deref(), Some("https://www.tiktok.com/@u"));
        assert_eq!(profile_url("twitch", "u").as_deref(), Some("https://www.twitch.tv/u"));
        assert_eq!(profile_url("instagram", "u").as_deref(), Some("https://www.instagram.com/u/"));
        assert_eq!(profile_url("twitch", "a/../b").as_deref(), Some("https://www.twitch.tv/a%2F..%2Fb"));
        assert_eq!(profile_url("other", "u"), None);
    }
}
