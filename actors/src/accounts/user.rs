//! One account, found by its normalised e-mail address, so that two signups of one address meet in one mailbox.
//!
//! Passwords arrive hashed: hashing takes a processor core for a while, and no rule may wait ([`passwords`](super::passwords)).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use trunkline_protocol::{Record, Refusal, Role, Timestamp, UserId, codec::kinds};

use crate::{Asking, Decision, Entity, NoNotice, Written};

/// Failures within [`FAILURE_WINDOW`] that lock the account's password login (`platform.md` section 2).
pub const FAILURES_MAX: usize = 5;
/// The window in which failures are counted.
pub const FAILURE_WINDOW: Duration = Duration::from_secs(60);
/// How long the password login stays locked. Tokens and keys go on working: a stranger must not be able to lock somebody out.
pub const LOCKED: Duration = Duration::from_secs(60);

/// The account of one address; without history it does not exist yet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct User {
    account: Option<Account>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Account {
    id: UserId,
    role: Role,
    service: bool,
    disabled: bool,
    failures: Vec<Timestamp>,
    locked_until: Option<Timestamp>,
}

/// A wish addressed to one account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum UserCommand {
    /// Opens the account; refused where the address is taken.
    SignUp(NewAccount),
    /// The password was right: the token named `jti` is handed out.
    SignIn {
        /// The token's id.
        jti: String,
        /// The client's network address.
        address: String,
    },
    /// The password was wrong.
    RecordFailure {
        /// The client's network address.
        address: String,
    },
    /// The token named `jti` is denied until it would have ended anyway.
    SignOut {
        /// The token's id.
        jti: String,
        /// When it ends of itself.
        expires: Timestamp,
    },
    /// Gives another role, or makes a person's account a bot's; `None` leaves either as it is.
    ChangeRole {
        /// The new role.
        role: Option<Role>,
        /// Whether it is a bot's account.
        service: Option<bool>,
    },
    /// Gives another password; every token issued before is denied.
    ChangePassword {
        /// The argon2id hash (PHC string).
        password: String,
    },
    /// Closes the account: nothing signs in as it, and what is signed in is cut off.
    Disable,
    /// Opens it again.
    Enable,
}

/// What an account begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewAccount {
    /// From the sequence `users`.
    pub id: u64,
    /// Normalised; the entity's key.
    pub email: String,
    /// The argon2id hash (PHC string).
    pub password: String,
    /// Its role; a signup from outside always says `default` (`streams.md` C32).
    pub role: Role,
    /// A bot's account.
    pub service: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each mirrors its command")]
pub enum UserFact {
    SignedUp(NewAccount),
    SignedIn { jti: String, address: String },
    SignInFailed { address: String },
    PasswordLocked { until: Timestamp },
    SignedOut { jti: String, expires: Timestamp },
    RoleChanged { from: Role, to: Role, service: bool },
    PasswordChanged { password: String },
    Disabled,
    Enabled,
}

impl Record for UserFact {
    const KIND: u16 = kinds::USER;
    const SCHEMA: u8 = 1;
}

impl User {
    fn account(&self) -> Result<&Account, Refusal> {
        self.account.as_ref().ok_or_else(Refusal::not_found)
    }
}

impl Entity for User {
    const KIND: &'static str = "user";
    type Command = UserCommand;
    type Fact = UserFact;
    type Notice = NoNotice;

    fn decide(&self, command: &UserCommand, asking: &Asking) -> Result<Decision<Self>, Refusal> {
        match command {
            UserCommand::SignUp(account) => match self.account {
                Some(_) => Err(Refusal::field("email", "has already been taken")),
                None => Ok(Decision::fact(UserFact::SignedUp(account.clone()))),
            },
            UserCommand::SignIn { jti, address } => {
                let account = self.account()?;
                if account.disabled || account.locked_until.is_some_and(|until| asking.at < until) {
                    return Err(Refusal::unauthenticated());
                }
                Ok(Decision::fact(UserFact::SignedIn { jti: jti.clone(), address: address.clone() }))
            }
            UserCommand::RecordFailure { address } => {
                let account = self.account()?;
                let mut facts = vec![UserFact::SignInFailed { address: address.clone() }];
                let recent = account.failures.iter().filter(|at| asking.at.since(**at) < FAILURE_WINDOW).count();
                let locked = account.locked_until.is_some_and(|until| asking.at < until);
                if recent + 1 >= FAILURES_MAX && !locked {
                    facts.push(UserFact::PasswordLocked { until: asking.at.plus(LOCKED) });
                }
                Ok(Decision::facts(facts))
            }
            UserCommand::SignOut { jti, expires } => {
                self.account()?;
                Ok(Decision::fact(UserFact::SignedOut { jti: jti.clone(), expires: *expires }))
            }
            UserCommand::ChangeRole { role, service } => {
                let account = self.account()?;
                let (role, service) = (role.unwrap_or(account.role), service.unwrap_or(account.service));
                if (account.role, account.service) == (role, service) {
                    return Ok(Decision::nothing());
                }
                Ok(Decision::fact(UserFact::RoleChanged { from: account.role, to: role, service }))
            }
            UserCommand::ChangePassword { password } => {
                self.account()?;
                Ok(Decision::fact(UserFact::PasswordChanged { password: password.clone() }))
            }
            UserCommand::Disable if self.account()?.disabled => Ok(Decision::nothing()),
            UserCommand::Disable => Ok(Decision::fact(UserFact::Disabled)),
            UserCommand::Enable if !self.account()?.disabled => Ok(Decision::nothing()),
            UserCommand::Enable => Ok(Decision::fact(UserFact::Enabled)),
        }
    }

    fn apply(&mut self, fact: &UserFact, written: &Written) {
        if let UserFact::SignedUp(new) = fact {
            let (id, role, service) = (UserId(new.id), new.role, new.service);
            self.account = Some(Account { id, role, service, disabled: false, failures: Vec::new(), locked_until: None });
            return;
        }
        let Some(account) = &mut self.account else { return };
        match fact {
            UserFact::SignedUp(_) | UserFact::SignedOut { .. } => {}
            UserFact::SignedIn { .. } | UserFact::PasswordChanged { .. } => {
                account.failures.clear();
                account.locked_until = None;
            }
            UserFact::SignInFailed { .. } => {
                account.failures.retain(|at| written.at.since(*at) < FAILURE_WINDOW);
                account.failures.push(written.at);
                let spare = account.failures.len().saturating_sub(FAILURES_MAX);
                account.failures.drain(..spare);
            }
            UserFact::PasswordLocked { until } => {
                account.failures.clear();
                account.locked_until = Some(*until);
            }
            UserFact::RoleChanged { to, service, .. } => (account.role, account.service) = (*to, *service),
            UserFact::Disabled => account.disabled = true,
            UserFact::Enabled => account.disabled = false,
        }
    }
}

/// The one spelling of an address: trimmed, lower-case. `None` where it is none (`streams.md` section 2).
#[must_use]
pub fn normalised_email(text: &str) -> Option<String> {
    /// RFC 5321: no path is longer.
    const EMAIL_BYTES_MAX: usize = 254;
    let email = text.trim().to_lowercase();
    let (local, host) = email.split_once('@')?;
    let whole = !local.is_empty() && !host.is_empty() && !host.contains('@') && !email.contains(char::is_whitespace);
    (whole && email.len() <= EMAIL_BYTES_MAX && !email.contains(char::is_control)).then_some(email)
}

/// What is wrong with a password, without its name in front; `None` where nothing is.
#[must_use]
pub fn password_fault(password: &str) -> Option<&'static str> {
    match password.chars().count() {
        0 => return Some("can't be blank"),
        1..8 => return Some("is too short (minimum is 8 characters)"),
        129.. => return Some("is too long (maximum is 128 characters)"),
        _ => {}
    }
    let holds = |sort: fn(char) -> bool| password.chars().any(sort);
    let mixed = holds(char::is_lowercase) && holds(char::is_uppercase) && holds(|letter| letter.is_ascii_digit());
    (!mixed).then_some("must include lowercase, uppercase, and number")
}

#[cfg(test)]
mod tests {
    use trunkline_protocol::{CommandId, Principal};

    use super::*;

    fn asking(at: i64) -> Asking {
        Asking { command: CommandId::new(), by: Principal::house(), at: Timestamp::from_millis(at), connection: None }
    }
    fn account() -> NewAccount {
        NewAccount { id: 7, email: "ana@example.org".into(), password: "$argon2id$x".into(), role: Role::Default, service: false }
    }
    /// Asks and applies, as the actor does.
    fn ask(user: &mut User, command: UserCommand, at: i64) -> Result<Vec<UserFact>, Refusal> {
        let asking = asking(at);
        let facts = user.decide(&command, &asking)?.facts;
        let written = Written { version: 1, at: asking.at, command: asking.command };
        facts.iter().for_each(|fact| user.apply(fact, &written));
        Ok(facts)
    }
    fn fail() -> UserCommand {
        UserCommand::RecordFailure { address: "192.0.2.1".into() }
    }
    fn sign_in() -> UserCommand {
        UserCommand::SignIn { jti: "j".into(), address: "192.0.2.1".into() }
    }

    #[test]
    fn gives_an_address_to_one_account_only() {
        let mut user = User::default();
        assert_eq!(ask(&mut user, UserCommand::SignUp(account()), 0), Ok(vec![UserFact::SignedUp(account())]));
        let refusal = ask(&mut user, UserCommand::SignUp(account()), 1).expect_err("taken");
        assert_eq!(refusal.to_string(), "Email has already been taken");
    }

    #[test]
    fn locks_the_password_login_for_a_minute_after_five_failures_within_one() {
        let mut user = User::default();
        ask(&mut user, UserCommand::SignUp(account()), 0).expect("signed up");
        for second in 0..4 {
            assert_eq!(ask(&mut user, fail(), second * 1000).expect("recorded").len(), 1);
        }
        let facts = ask(&mut user, fail(), 5000).expect("recorded");
        assert_eq!(facts[1], UserFact::PasswordLocked { until: Timestamp::from_millis(65_000) });
        assert!(ask(&mut user, sign_in(), 64_999).is_err(), "even with the right password");
        assert!(ask(&mut user, sign_in(), 65_000).is_ok());
    }

    #[test]
    fn forgets_failures_that_are_older_than_a_minute_or_followed_by_success() {
        let mut user = User::default();
        ask(&mut user, UserCommand::SignUp(account()), 0).expect("signed up");
        for minute in 0..10 {
            assert_eq!(ask(&mut user, fail(), minute * 60_000).expect("recorded").len(), 1);
        }
        for round in 0..4 {
            for _ in 0..4 {
                assert_eq!(ask(&mut user, fail(), 700_000 + round).expect("recorded").len(), 1);
            }
            ask(&mut user, sign_in(), 700_000 + round).expect("signed in");
        }
    }

    #[test]
    fn signs_nobody_in_to_a_disabled_account_or_one_that_does_not_exist() {
        let mut user = User::default();
        assert!(ask(&mut user, sign_in(), 0).is_err());
        ask(&mut user, UserCommand::SignUp(account()), 0).expect("signed up");
        assert_eq!(ask(&mut user, UserCommand::Disable, 1), Ok(vec![UserFact::Disabled]));
        assert_eq!(ask(&mut user, UserCommand::Disable, 2), Ok(vec![]));
        assert!(ask(&mut user, sign_in(), 3).is_err());
        ask(&mut user, UserCommand::Enable, 4).expect("enabled");
        assert!(ask(&mut user, sign_in(), 5).is_ok());
    }

    #[test]
    fn knows_an_address_and_a_password_when_it_sees_one() {
        assert_eq!(normalised_email("  Ana@Example.ORG "), Some("ana@example.org".into()));
        for bad in ["", "ana", "@x", "a@", "a@b@c", "a b@c", "a\u{0}@c", &format!("{}@x", "a".repeat(300))] {
            assert_eq!(normalised_email(bad), None, "{bad}");
        }
        assert_eq!(password_fault("Passw0rd"), None);
        assert_eq!(password_fault("passw0rd"), Some("must include lowercase, uppercase, and number"));
        assert_eq!(password_fault("Pw0"), Some("is too short (minimum is 8 characters)"));
        assert!(password_fault(&"Aa1".repeat(50)).is_some());
    }
}
