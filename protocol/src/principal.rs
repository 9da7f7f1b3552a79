//! Who asks: a user with a role, human or service, and the permissions that the role granted.
//!
//! Which role grants what is data, kept in one place (`actors/src/accounts/policy.rs`); here they are only carried.

use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Refusal, Timestamp, UserId};

/// A named bundle of permissions (`platform.md` section 2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the contract's own")]
pub enum Role {
    Admin,
    Manager,
    Editor,
    Default,
    Viewer,
    Developer,
    Moderator,
    SeniorModerator,
    Organizer,
    Scanner,
    Service,
}

impl Role {
    /// Every role with its spelling on the wire. `viewer` grants what `default` does.
    pub const ALL: [(Role, &'static str); 11] = [
        (Role::Admin, "admin"),
        (Role::Manager, "manager"),
        (Role::Editor, "editor"),
        (Role::Default, "default"),
        (Role::Viewer, "viewer"),
        (Role::Developer, "developer"),
        (Role::Moderator, "moderator"),
        (Role::SeniorModerator, "senior_moderator"),
        (Role::Organizer, "organizer"),
        (Role::Scanner, "scanner"),
        (Role::Service, "service"),
    ];
    /// The spelling on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(role, _)| *role == self).map_or("default", |(_, name)| name)
    }
}
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
/// No role has that name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no role of that name")]
pub struct UnknownRole;
impl FromStr for Role {
    type Err = UnknownRole;
    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(role, _)| *role).ok_or(UnknownRole)
    }
}

/// The permissions granted, each `resource:action`; `*` grants everything. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Permissions(Arc<BTreeSet<String>>);

impl Permissions {
    /// Does it hold `permission`, or everything?
    #[must_use]
    pub fn hold(&self, permission: &str) -> bool {
        self.0.contains(permission) || self.0.contains("*")
    }
    /// Each of them, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}
impl<S: Into<String>> FromIterator<S> for Permissions {
    fn from_iter<I: IntoIterator<Item = S>>(permissions: I) -> Self {
        Self(Arc::new(permissions.into_iter().map(Into::into).collect()))
    }
}

/// By what the principal proved who they are; what a revocation is addressed to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Credential {
    /// The hub itself, or an example without accounts.
    House,
    /// Nobody signed in (public feeds, `public_streams`).
    Anonymous,
    /// A signed access token: its `jti`, when it was issued, and when it ends.
    Token {
        /// The token's own id, which logout denies.
        jti: String,
        /// When it was issued: a changed password denies those before.
        issued: Timestamp,
        /// When the token ends; open sockets end with it.
        expires: Option<Timestamp>,
    },
    /// An opaque key.
    ApiKey {
        /// Which.
        id: u64,
        /// Which of its secrets: the first bytes of that one's hash. A rotation ends the old one and leaves the new.
        secret: u64,
        /// When that secret ends, as far as was known when it was shown.
        expires: Option<Timestamp>,
    },
    /// An application's word for one of its own users (`cable.md` 2.8), who has no account here.
    Application {
        /// Who that is, as the application wrote it: compared with, never read.
        identifiers: Arc<str>,
        /// When its word ends; open sockets end with it.
        expires: Option<Timestamp>,
    },
}

/// Who asks. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Principal {
    /// The account.
    pub user: UserId,
    /// Its e-mail address; for a service, its name.
    pub email: Arc<str>,
    /// Its role.
    pub role: Role,
    /// A bot rather than a person: higher rate limit, wider update rights (`streams.md` 2.1).
    pub service: bool,
    /// What the role (or the key's scopes) granted when the principal was named.
    pub permissions: Permissions,
    /// By what it was named.
    pub credential: Credential,
}

impl Principal {
    /// The hub itself: may do everything.
    #[must_use]
    pub fn house() -> Self {
        Self {
            user: UserId::HOUSE,
            email: "house".into(),
            role: Role::Admin,
            service: true,
            permissions: ["*"].into_iter().collect(),
            credential: Credential::House,
        }
    }
    /// Nobody: holds no permission.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            user: UserId::HOUSE,
            email: "anonymous".into(),
            role: Role::Default,
            service: false,
            permissions: Permissions::default(),
            credential: Credential::Anonymous,
        }
    }
    /// Somebody whom an application vouches for: holds no permission, and is known by these identifiers only.
    #[must_use]
    pub fn of_application(identifiers: impl Into<Arc<str>>, expires: Option<Timestamp>) -> Self {
        Self { credential: Credential::Application { identifiers: identifiers.into(), expires }, ..Self::anonymous() }
    }
    /// Nobody with an account of this hub.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self.credential, Credential::Anonymous | Credential::Application { .. })
    }
    /// By what a connection is found from outside (`cable.md` 2.8, 2.9): an application's own words, `{"user_id":7}` for an account, nothing
    /// for nobody.
    #[must_use]
    pub fn identifiers(&self) -> Cow<'_, str> {
        match &self.credential {
            Credential::Application { identifiers, .. } => Cow::Borrowed(identifiers),
            Credential::Anonymous => Cow::Borrowed(""),
            Credential::House | Credential::Token { .. } | Credential::ApiKey { .. } => {
                Cow::Owned(format!(r#"{{"user_id":{}}}"#, self.user))
            }
        }
    }
    /// When what it showed ends.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        match &self.credential {
            Credential::Token { expires, .. } | Credential::ApiKey { expires, .. } | Credential::Application { expires, .. } => {
                *expires
            }
            Credential::House | Credential::Anonymous => None,
        }
    }
    /// May it do `permission` (`streams:write`)?
    #[must_use]
    pub fn may(&self, permission: &str) -> bool {
        self.permissions.hold(permission)
    }
    /// Refuses unless it may.
    ///
    /// # Errors
    /// [`Refusal::forbidden`] where the permission was not granted.
    pub fn require(&self, permission: &str) -> Result<(), Refusal> {
        if self.may(permission) { Ok(()) } else { Err(Refusal::forbidden()) }
    }
    /// What others are shown: the local part of the e-mail address.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.email.split('@').next().unwrap_or(&self.email)
    }
    /// The colour others see this user in (`streams.md` 2.1).
    #[must_use]
    pub fn color(&self) -> &'static str {
        color_of(self.user)
    }
}

/// The colour that belongs to a user (`streams.md` 2.1: palette index `id mod 8`).
#[must_use]
pub fn color_of(user: UserId) -> &'static str {
    const PALETTE: [&str; 8] = ["#FF6B6B", "#4ECDC4", "#45B7D1", "#FFA07A", "#98D8C8", "#F7DC6F", "#BB8FCE", "#85C1E2"];
    PALETTE[(user.0 % 8) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_found_by_the_words_of_whoever_vouched_for_it() {
        let ana = Principal { user: UserId(7), ..Principal::house() };
        assert_eq!(ana.identifiers(), r#"{"user_id":7}"#);
        assert_eq!(Principal::anonymous().identifiers(), "");
        let theirs = Principal::of_application(r#"{ "user_id":7}"#, None);
        assert_eq!(theirs.identifiers(), r#"{ "user_id":7}"#);
        assert!(theirs.is_anonymous() && !theirs.may("streams:read"));
    }
}
