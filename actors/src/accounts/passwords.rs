//! Passwords become argon2id hashes here, and nowhere on an actor: one takes a core for tens of milliseconds and 19 MiB meanwhile. A bounded
//! number are worked on at once, a bounded number wait.

use std::{sync::Arc, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString},
};
use tokio::{sync::Semaphore, time::timeout};

use crate::AskError;

/// What a password costs; OWASP's first choice for argon2id by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordConfig {
    /// Memory for one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
    /// Hashes worked on at once.
    pub at_once: usize,
    /// Hashes that may wait for that; one more is answered 503.
    pub waiting_max: usize,
}

impl Default for PasswordConfig {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1, at_once: 2, waiting_max: 64 }
    }
}

/// A password longer than this is refused unread: hashing it would only cost.
const PASSWORD_BYTES_MAX: usize = 1024;
/// How long a password may wait for its turn.
const TURN_DEADLINE: Duration = Duration::from_secs(5);

/// Hashes and checks passwords off every actor.
#[derive(Debug)]
pub struct Passwords {
    argon2: Argon2<'static>,
    /// Checked where there is no account, so that an unknown address takes as long as a known one.
    nobodys: Arc<str>,
    working: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// The parameters are none that argon2 knows.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("argon2 cannot work with these parameters: {0}")]
pub struct PasswordConfigError(String);

impl Passwords {
    /// Ready to work.
    ///
    /// # Errors
    /// [`PasswordConfigError`] where argon2 refuses the parameters.
    pub fn new(config: &PasswordConfig) -> Result<Self, PasswordConfigError> {
        let fault = |error: &dyn std::fmt::Display| PasswordConfigError(error.to_string());
        let params = Params::new(config.memory_kib, config.passes, config.lanes, None).map_err(|error| fault(&error))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobodys = hash(&argon2, "nobody's password").map_err(|error| fault(&error))?;
        let working = Arc::new(Semaphore::new(config.at_once.max(1)));
        let waiting = Arc::new(Semaphore::new(config.waiting_max + config.at_once.max(1)));
        Ok(Self { argon2, nobodys: nobodys.into(), working, waiting })
    }

    /// The hash of a password, as a PHC string.
    ///
    /// # Errors
    /// [`AskError::Overloaded`] where too many wait, [`AskError::Unavailable`] where it could not be worked on.
    pub async fn hash(&self, password: String) -> Result<String, AskError> {
        let argon2 = self.argon2.clone();
        self.work(move || hash(&argon2, &password)).await?.map_err(|error| AskError::Unavailable(error.to_string()))
    }

    /// Is it the password of that hash? Takes the same time where there is no hash, and is then never so.
    ///
    /// # Errors
    /// As [`hash`](Self::hash).
    pub async fn check(&self, password: String, hash: Option<Arc<str>>) -> Result<bool, AskError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobodys.clone());
        let argon2 = self.argon2.clone();
        self.work(move || {
            // Over-long ones cannot be right; the work is done all the same.
            let fits = password.len() <= PASSWORD_BYTES_MAX;
            let password = if fits { password.as_bytes() } else { b"" };
            let right = PasswordHash::new(&hash).is_ok_and(|hash| argon2.verify_password(password, &hash).is_ok());
            right && known && fits
        })
        .await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, AskError> {
        let place = self.waiting.clone().try_acquire_owned().map_err(|_| AskError::Overloaded)?;
        let turn = timeout(TURN_DEADLINE, self.working.clone().acquire_owned()).await.map_err(|_| AskError::Overloaded)?;
        let turn = turn.map_err(|_| AskError::Unavailable("passwords are no longer checked".into()))?;
        // The permits go with the work: whoever stops waiting for it does not make room before it is done.
        let done = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work()
        });
        done.await.map_err(|error| AskError::Unavailable(error.to_string()))
    }
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, argon2::password_hash::Error> {
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>())?;
    Ok(argon2.hash_password(password.as_bytes(), &salt)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap(waiting_max: usize) -> Passwords {
        Passwords::new(&PasswordConfig { memory_kib: 64, passes: 1, lanes: 1, at_once: 1, waiting_max }).expect("parameters")
    }

    #[tokio::test]
    async fn knows_a_password_again_and_nobodys_never() {
        let passwords = cheap(8);
        let hash: Arc<str> = passwords.hash("Passw0rd".into()).await.expect("hashed").into();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_eq!(passwords.check("Passw0rd".into(), Some(hash.clone())).await, Ok(true));
        assert_eq!(passwords.check("passw0rd".into(), Some(hash)).await, Ok(false));
        assert_eq!(passwords.check("nobody's password".into(), None).await, Ok(false));
    }

    #[tokio::test]
    async fn says_that_it_is_overloaded_rather_than_queue_without_end() {
        let passwords = cheap(1);
        let places = passwords.waiting.clone().acquire_many_owned(2).await.expect("two places");
        assert_eq!(passwords.hash("Passw0rd".into()).await, Err(AskError::Overloaded));
        drop(places);
        assert!(passwords.hash("Passw0rd".into()).await.is_ok());
    }

    #[test]
    fn refuses_parameters_that_argon2_cannot_work_with() {
        assert!(Passwords::new(&PasswordConfig { memory_kib: 1, ..PasswordConfig::default() }).is_err());
    }
}
