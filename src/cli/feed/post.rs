//! One line to the hub and its answer back, however often it takes.

use std::time::Duration;

use rand::Rng as _;
use reqwest::{Method, Response, StatusCode, header::RETRY_AFTER};
use serde_json::Value;

use super::{super::connect::Connected, lines::Line};

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 201.
    Created,
    /// 200: it was there.
    Duplicate {
        /// It had been sent before and the answer was lost, so it may be our own.
        retried: bool,
    },
    /// 422.
    Invalid(String),
    /// 422 `MODERATION_BLOCKED`.
    Blocked,
    /// 202: a moderator will look at it.
    Held,
    /// Anything else, or no answer at all.
    Failed(String),
}

impl Outcome {
    /// As it is spelled in a feed's `expect`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Duplicate { .. } => "duplicate",
            Self::Invalid(_) => "invalid",
            Self::Blocked => "blocked",
            Self::Held => "held",
            Self::Failed(_) => "failed",
        }
    }
}

/// Posts lines.
#[derive(Debug)]
pub struct Poster {
    connected: Connected,
    retries: u32,
}

impl Poster {
    pub fn new(connected: Connected, retries: u32) -> Self {
        Self { connected, retries }
    }
    /// Posts one line, trying again while the hub is away or busy.
    pub async fn post(&self, line: &Line) -> Outcome {
        let mut retried = false;
        let mut last = String::new();
        for attempt in 0..=self.retries {
            match self.connected.request(Method::POST, "streams").json(&line.body).send().await {
                Ok(response) if is_passing(response.status()) => {
                    // A hub that gave up waiting for its journal does not know either whether it was written.
                    retried |= matches!(response.status().as_u16(), 502..=504);
                    last = format!("the hub answered {}", response.status());
                    tokio::time::sleep(asked_to_wait(&response).unwrap_or_else(|| backoff(attempt))).await;
                }
                Ok(response) => return outcome(response, retried).await,
                // A body that cannot be sent will not become better.
                Err(error) if error.is_builder() => return Outcome::Failed(error.to_string()),
                Err(error) => {
                    // Whether it arrived is not known: the next answer may speak of this very attempt.
                    retried |= !error.is_connect();
                    last = if error.is_connect() { "the hub cannot be reached".to_owned() } else { error.to_string() };
                    tokio::time::sleep(backoff(attempt)).await;
                }
            }
        }
        Outcome::Failed(format!("{last}, {} times", u64::from(self.retries) + 1))
    }
}

fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504)
}

/// What `Retry-After` says, but never longer than a window of the rate limit.
fn asked_to_wait(response: &Response) -> Option<Duration> {
    let seconds: u64 = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.min(61)))
}

/// Doubles from 100 ms to 5 s, each with jitter: a thousand waiting lines must not come back in one instant.
fn backoff(attempt: u32) -> Duration {
    let ceiling_ms = (100_u64 << attempt.min(6)).min(5000);
    Duration::from_millis(rand::rng().random_range(ceiling_ms / 2..=ceiling_ms))
}

async fn outcome(response: Response, retried: bool) -> Outcome {
    let status = response.status();
    match status {
        StatusCode::CREATED => return Outcome::Created,
        StatusCode::OK => return Outcome::Duplicate { retried },
        StatusCode::ACCEPTED => return Outcome::Held,
        _ => {}
    }
    let body: Value = response.json().await.unwrap_or(Value::Null);
    let reason = body["error"].as_str().unwrap_or("without a reason").to_owned();
    match status {
        StatusCode::UNPROCESSABLE_ENTITY if body["code"] == "MODERATION_BLOCKED" => Outcome::Blocked,
        StatusCode::UNPROCESSABLE_ENTITY => Outcome::Invalid(reason),
        _ => Outcome::Failed(format!("{status}: {reason}")),
    }
}
