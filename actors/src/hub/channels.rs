//! What the edge asks of channels: to let a client in, to act for it, to say goodbye. Neither a channel's panic nor its slowness reaches
//! whoever asks.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::time::timeout;
use trunkline_protocol::{Refusal, RefusalKind};

use super::Hub;
use crate::{Action, Admission, AskError, Channel, Leaving, Performed, Subscribing, engine::entity::actor::said};

/// How long a channel may take to admit, perform or say goodbye: longer than any ask it makes.
const CHANNEL_DEADLINE: Duration = Duration::from_secs(15);

impl Hub {
    /// Lets a client into the channel of that name; a refusal (unknown channel included) becomes `reject_subscription`.
    ///
    /// # Errors
    /// The channel's refusal, or a failure of what it asked.
    pub async fn subscribe(&self, channel: &str, subscribing: Subscribing<'_>) -> Result<Admission, AskError> {
        let channel = self.channel(channel)?;
        guarded(channel.name(), channel.admit(subscribing, self)).await?
    }
    /// The confirmation is on its way: the channel may tell of the arrival.
    pub async fn joined(&self, channel: &str, subscribing: Subscribing<'_>) {
        if let Ok(channel) = self.channel(channel) {
            // What went wrong has been logged; nobody waits for an answer.
            let _ = guarded(channel.name(), channel.joined(subscribing, self)).await;
        }
    }
    /// Performs an action of a confirmed subscription.
    ///
    /// # Errors
    /// The channel's refusal, or a failure of what it asked.
    pub async fn perform(&self, channel: &str, action: Action<'_>) -> Result<Performed, AskError> {
        let channel = self.channel(channel)?;
        guarded(channel.name(), channel.perform(action, self)).await?
    }
    /// A subscription has ended.
    pub async fn left(&self, channel: &str, leaving: Leaving<'_>) {
        if let Ok(channel) = self.channel(channel) {
            let _ = guarded(channel.name(), channel.left(leaving, self)).await;
        }
    }
    fn channel(&self, name: &str) -> Result<&Arc<dyn Channel>, AskError> {
        self.inner
            .channels
            .get(name)
            .ok_or_else(|| Refusal::new(RefusalKind::NotFound, "UNKNOWN_CHANNEL", "There is no channel of that name.").into())
    }
}

/// A channel's code runs in the asker's task: neither its panic nor its slowness may take that along.
async fn guarded<T>(channel: &'static str, work: impl Future<Output = T>) -> Result<T, AskError> {
    match timeout(CHANNEL_DEADLINE, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(panic)) => {
            tracing::error!(channel, cause = said(panic.as_ref()), "a channel panicked");
            Err(AskError::Unavailable("the channel crashed".into()))
        }
        Err(_) => {
            tracing::warn!(channel, "a channel did not answer in time");
            Err(AskError::Deadline)
        }
    }
}
