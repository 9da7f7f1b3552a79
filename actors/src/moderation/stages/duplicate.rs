//! Is it here already? Then whoever holds it answers with the one there is, and no dearer question is asked.

use std::sync::Arc;

use futures::future::{BoxFuture, ready};
use trunkline_protocol::{Opinion, Verdict};

use crate::{
    Asking, Hub,
    moderation::{Stage, Submission},
};

/// Who keeps what has come in.
pub trait Known: Send + Sync + 'static {
    /// The id of the active one with the same canonical address or hash. It may be a moment behind: whoever holds the thing decides, this
    /// only spares the stages after it.
    fn known(&self, submission: &Submission) -> Option<String>;
}

/// The stage `duplicate`.
pub struct Duplicate(pub Arc<dyn Known>);

impl Duplicate {
    /// Its name.
    pub const NAME: &'static str = "duplicate";
}

impl Stage for Duplicate {
    fn name(&self) -> &'static str {
        Self::NAME
    }
    fn judge<'a>(&'a self, submission: &'a Submission, _asking: &'a Asking, _hub: &'a Hub) -> BoxFuture<'a, Opinion> {
        let opinion = self.0.known(submission).map_or(Opinion::Pass, |id| Opinion::Settled(Verdict::Known(id)));
        Box::pin(ready(opinion))
    }
}
