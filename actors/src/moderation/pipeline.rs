//! Walks a submission through the stages, in order, to a verdict. It knows no stage by name and no wing.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::time::timeout;
use trunkline_protocol::{Call, Opinion, Reason, Verdict, limits::ASK_DEADLINE};

use super::{Stage, Submission};
use crate::{AskError, Asking, Hub};

/// How often a stage is asked where it panics, before the submission is held.
const ATTEMPTS: usize = 2;

/// Where what is held waits for a person.
pub trait Desk: Send + Sync + 'static {
    /// Opens a case with the whole submission and the call to make if it is approved; answers its id when that is durable.
    fn open<'a>(
        &'a self,
        hub: &'a Hub,
        submission: &'a Submission,
        call: Call,
        reason: &'a Reason,
        asking: &'a Asking,
    ) -> BoxFuture<'a, Result<String, AskError>>;
}

/// The stages in their order.
#[derive(Default)]
pub struct Pipeline {
    stages: Vec<Arc<dyn Stage>>,
    desk: Option<Arc<dyn Desk>>,
}

/// The configured order names a stage that this hub does not have, or the same one twice.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no moderation stage `{named}`, or it is named twice; the stages are {offered}")]
pub struct UnknownStage {
    /// What was named.
    pub named: String,
    /// What there is.
    pub offered: String,
}

impl Pipeline {
    /// A pipeline without stages: everything is allowed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Adds a stage after the others: its place is its order.
    #[must_use]
    pub fn stage(mut self, stage: impl Stage) -> Self {
        self.stages.push(Arc::new(stage));
        self
    }
    /// Keeps cases for what is held.
    #[must_use]
    pub fn with_desk(mut self, desk: Arc<dyn Desk>) -> Self {
        self.desk = Some(desk);
        self
    }
    /// The same stages in this order; those not named are absent.
    ///
    /// # Errors
    /// [`UnknownStage`].
    pub fn in_order<S: AsRef<str>>(mut self, names: &[S]) -> Result<Self, UnknownStage> {
        let offered = self.names().join(", ");
        let mut ordered = Vec::with_capacity(names.len());
        for name in names.iter().map(AsRef::as_ref) {
            let Some(place) = self.stages.iter().position(|stage| stage.name() == name) else {
                return Err(UnknownStage { named: name.to_owned(), offered });
            };
            ordered.push(self.stages.remove(place));
        }
        Ok(Self { stages: ordered, ..self })
    }
    /// The names of the stages, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.stages.iter().map(|stage| stage.name()).collect()
    }
    pub(super) fn desk(&self) -> Option<&Arc<dyn Desk>> {
        self.desk.as_ref()
    }
    /// The verdict: the first that a stage settles on; `Allow` where none does.
    pub async fn judge(&self, hub: &Hub, submission: &Submission, asking: &Asking) -> Verdict {
        for stage in &self.stages {
            if let Opinion::Settled(verdict) = ask(stage.as_ref(), hub, submission, asking).await {
                return verdict;
            }
        }
        Verdict::Allow
    }
}

/// A stage that panics is asked once more, and then holds the submission, as does one that does not answer in time: nothing is let in by a
/// mistake of ours.
async fn ask(stage: &dyn Stage, hub: &Hub, submission: &Submission, asking: &Asking) -> Opinion {
    for attempt in 1..=ATTEMPTS {
        // The judging itself may panic before it is awaited, so it is called inside.
        let judging = AssertUnwindSafe(async { stage.judge(submission, asking, hub).await }).catch_unwind();
        match timeout(ASK_DEADLINE, judging).await {
            Ok(Ok(opinion)) => return opinion,
            Ok(Err(_)) => tracing::error!(stage = stage.name(), attempt, "a moderation stage panicked"),
            Err(_) => {
                tracing::error!(stage = stage.name(), "a moderation stage did not answer in time");
                break;
            }
        }
    }
    Opinion::Settled(Verdict::Hold(Reason::new("STAGE_FAILED", format!("The stage {} could not judge it", stage.name()))))
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
