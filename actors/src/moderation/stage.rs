//! One question of the moderation. A stage asks it, says what it thinks, and changes nothing.

use futures::future::BoxFuture;
use trunkline_protocol::Opinion;

use super::Submission;
use crate::{Asking, Hub};

/// A stage of the pipeline. Its place is its order. It may be asked twice of one submission (it is retried once where it panics), so asking
/// has no effect.
pub trait Stage: Send + Sync + 'static {
    /// Its name in the configuration and in statistics.
    fn name(&self) -> &'static str;
    /// Its one question. Where it cannot tell (an outside system is silent) it settles on `Hold`, never on `Allow`.
    fn judge<'a>(&'a self, submission: &'a Submission, asking: &'a Asking, hub: &'a Hub) -> BoxFuture<'a, Opinion>;
}
