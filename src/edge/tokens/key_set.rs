//! The keys that another house publishes at an address (a JWK Set), kept fresh: fetched at the start without delaying it, again before they
//! grow old, and at once when a token names a key that is not among them. Only [`KeySet::follow`] fetches, so that a house is never asked
//! twice at a time. What was good stays until something better comes; a house that is down costs its tokens nothing.

use std::{
    error::Error,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use reqwest::{
    Client, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, HeaderMap},
    redirect::Policy,
};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use trunkline_actors::Clock;
use trunkline_protocol::Timestamp;

use super::{
    jwk::{self, Published, Unreadable},
    keys::{KeyError, Trusted, TrustedKeySet},
};

/// A set is a few kilobytes.
const SET_BYTES_MAX: usize = 64 * 1024;
/// How long a house may take to answer. Less than a cable waits for its client's name.
const FETCH_DEADLINE: Duration = Duration::from_secs(4);
/// How long whoever shows an unknown key waits for it.
const MEET_DEADLINE: Duration = Duration::from_millis(4500);
/// How often unknown keys may have a set fetched: anybody can name one.
const ASK_EVERY: Duration = Duration::from_secs(30);
/// How old a set may grow, unless its house says otherwise, and the bounds of what it may say.
const FRESH: Duration = Duration::from_secs(600);
const FRESH_LEAST: Duration = Duration::from_secs(60);
const FRESH_MOST: Duration = Duration::from_secs(3600);
/// How long after a failure the house is asked again: doubled with each, up to the most.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_secs(60);
const REDIRECTS_MAX: usize = 3;

/// A published set, with the keys that were there last.
pub struct KeySet {
    source: TrustedKeySet,
    http: Client,
    current: RwLock<Current>,
    /// When an unknown key last had the set fetched, and the number of that fetch.
    asked: Mutex<Option<(Instant, u64)>>,
    /// Somebody waits for a fetch.
    wanted: Arc<Notify>,
    /// How many fetches that were waited for are done.
    answered: watch::Sender<u64>,
}

#[derive(Default)]
struct Current {
    keys: Arc<[Trusted]>,
    digest: [u8; 32],
    /// How often the set has changed.
    generation: u64,
    fetched_at: Option<Timestamp>,
    failing: bool,
}

/// What is known of a set, to be shown.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct KeySetSeen {
    url: String,
    /// Keys in use.
    keys: usize,
    /// When they were last fetched.
    #[schema(value_type = Option<crate::edge::openapi::shapes::words::Moment>)]
    fetched_at: Option<Timestamp>,
    /// The last fetch went wrong.
    failing: bool,
}

/// Why a set was not fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{}", causes(.0))]
    Http(#[from] reqwest::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("its answer is larger than {SET_BYTES_MAX} bytes")]
    Large,
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl KeySet {
    /// Ready to be followed; there are no keys yet.
    ///
    /// # Errors
    /// [`KeyError::Client`].
    pub fn new(source: TrustedKeySet) -> Result<Arc<Self>, KeyError> {
        let http = Client::builder().timeout(FETCH_DEADLINE).redirect(Policy::custom(|hop| {
            let is_home = hop.previous().first().is_some_and(|first| first.origin() == hop.url().origin());
            match is_home && hop.previous().len() <= REDIRECTS_MAX {
                true => hop.follow(),
                false => hop.error("it leads elsewhere, or in circles"),
            }
        }));
        let http = http.build().map_err(|error| KeyError::Client(causes(&error)))?;
        let (answered, _) = watch::channel(0);
        Ok(Arc::new(Self { source, http, current: RwLock::default(), asked: Mutex::default(), wanted: Arc::default(), answered }))
    }
    /// Keeps the set fresh until nobody holds it any more. Spawned once.
    pub async fn follow(set: Weak<Self>, clock: Clock) {
        let (mut failures, mut wanted) = (0, false);
        loop {
            let Some(this) = set.upgrade() else { return };
            let wait = this.renew(&clock, &mut failures).await;
            if wanted {
                this.answered.send_modify(|number| *number += 1);
            }
            let bell = this.wanted.clone();
            drop(this);
            wanted = tokio::select! {
                () = bell.notified() => true,
                () = sleep(wait) => false,
            };
        }
    }
    /// A token names a key of this house that is not known: fetches the set, unless that was done a moment ago, and says whether the key
    /// is known now. Whoever comes while it is fetched waits for the same answer.
    pub(super) async fn meet(&self, kid: &str) -> bool {
        let mut answered = self.answered.subscribe();
        let number = {
            let mut asked = self.asked.lock();
            match *asked {
                Some((at, number)) if at.elapsed() < ASK_EVERY => number,
                _ => {
                    let number = *answered.borrow() + 1;
                    *asked = Some((Instant::now(), number));
                    self.wanted.notify_one();
                    number
                }
            }
        };
        // Too late is as good as unknown: the client is told 401 and asks again.
        drop(timeout(MEET_DEADLINE, answered.wait_for(|done| *done >= number)).await);
        self.knows(kid)
    }
    /// Could it be the one that issued a token of this `iss`?
    pub(super) fn may_issue(&self, issuer: Option<&str>) -> bool {
        self.source.issuer.is_none() || self.source.issuer.as_deref() == issuer
    }
    pub(super) fn knows(&self, kid: &str) -> bool {
        self.current.read().keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }
    pub(super) fn keys(&self) -> Arc<[Trusted]> {
        self.current.read().keys.clone()
    }
    pub(super) fn generation(&self) -> u64 {
        self.current.read().generation
    }
    /// What is known of it.
    #[must_use]
    pub fn seen(&self) -> KeySetSeen {
        let current = self.current.read();
        KeySetSeen {
            url: self.source.address(),
            keys: current.keys.len(),
            fetched_at: current.fetched_at,
            failing: current.failing,
        }
    }

    /// Did the last fetch go wrong?
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.current.read().failing
    }

    /// Fetches it once; says how long that is good for.
    async fn renew(&self, clock: &Clock, failures: &mut u32) -> Duration {
        match self.fetch().await {
            Ok((digest, published, fresh)) => {
                *failures = 0;
                self.take(digest, published, clock.now());
                fresh
            }
            Err(error) => {
                let wait = RETRY.saturating_mul(1 << (*failures).min(16)).min(RETRY_MOST);
                *failures += 1;
                self.current.write().failing = true;
                let (url, keys) = (self.source.address(), self.keys().len());
                tracing::warn!(url, %error, keys_still_in_use = keys, retry_in = ?wait, "a trusted key set could not be fetched");
                wait
            }
        }
    }
    fn take(&self, digest: [u8; 32], published: Published, now: Timestamp) {
        let Published { keys, passed_over } = published;
        let mut current = self.current.write();
        (current.fetched_at, current.failing) = (Some(now), false);
        if current.generation > 0 && current.digest == digest {
            return;
        }
        tracing::info!(url = self.source.address(), keys = keys.len(), passed_over, "a trusted key set was read and is in use");
        (current.keys, current.digest) = (keys.into(), digest);
        current.generation += 1;
    }
    async fn fetch(&self) -> Result<([u8; 32], Published, Duration), FetchError> {
        let request = self.http.get(self.source.url.clone()).header(ACCEPT, "application/jwk-set+json, application/json");
        let mut answer = request.send().await?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status(answer.status()));
        }
        let fresh = fresh(answer.headers());
        let mut text = Vec::new();
        while let Some(piece) = answer.chunk().await? {
            if text.len() + piece.len() > SET_BYTES_MAX {
                return Err(FetchError::Large);
            }
            text.extend_from_slice(&piece);
        }
        let published = jwk::read(&text, self.source.issuer.as_deref(), self.source.audience.as_deref())?;
        Ok((Sha256::digest(&text).into(), published, fresh))
    }
}

impl Drop for KeySet {
    /// Whoever follows it need not sleep any longer.
    fn drop(&mut self) {
        self.wanted.notify_one();
    }
}

/// `Cache-Control: max-age=…`, within bounds.
fn fresh(headers: &HeaderMap) -> Duration {
    let said = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let seconds = said.filter_map(|word| word.trim().to_ascii_lowercase().strip_prefix("max-age=")?.parse().ok()).next();
    seconds.map_or(FRESH, |seconds| Duration::from_secs(seconds).clamp(FRESH_LEAST, FRESH_MOST))
}

/// An error and what it comes of: of itself reqwest says only what it was about to do.
fn causes(error: &reqwest::Error) -> String {
    let mut said = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push(error.to_string());
        cause = error.source();
    }
    // The innermost repeats none of the others.
    said.pop().unwrap_or_else(|| {
        if error.is_timeout() { "it did not answer in time".to_owned() } else { "it cannot be asked".to_owned() }
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn believes_a_house_within_bounds_how_long_its_keys_are_good_for() {
        let after = |said: &'static str| fresh(&HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(said))])).as_secs();
        assert_eq!((after("public, max-age=900"), after("Max-Age=1"), after("max-age=99999999999")), (900, 60, 3600));
        assert_eq!((after("no-store"), after("max-age=soon"), fresh(&HeaderMap::new()).as_secs()), (600, 600, 600));
    }
}
