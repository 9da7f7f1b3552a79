//! Is the address, its domain, its Twitch or Discord user on a list? Block.

use std::sync::Arc;

use futures::future::{BoxFuture, ready};
use trunkline_protocol::{Opinion, Reason, Verdict};

use crate::{
    Asking, Hub,
    moderation::{Stage, Submission},
};

/// Who keeps the lists.
pub trait Ignored: Send + Sync + 'static {
    /// The first thing about the submission that is listed, as the reason to block it.
    fn listed(&self, submission: &Submission) -> Option<Reason>;
}

/// The stage `ignore_list`.
pub struct IgnoreList(pub Arc<dyn Ignored>);

impl IgnoreList {
    /// Its name.
    pub const NAME: &'static str = "ignore_list";
}

impl Stage for IgnoreList {
    fn name(&self) -> &'static str {
        Self::NAME
    }
    fn judge<'a>(&'a self, submission: &'a Submission, _asking: &'a Asking, _hub: &'a Hub) -> BoxFuture<'a, Opinion> {
        let opinion = self.0.listed(submission).map_or(Opinion::Pass, |reason| Opinion::Settled(Verdict::Block(reason)));
        Box::pin(ready(opinion))
    }
}
