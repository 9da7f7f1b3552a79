//! Does the submitter hold `moderation:skip`? Then nothing more is asked.

use futures::future::{BoxFuture, ready};
use trunkline_protocol::{Opinion, Verdict};

use crate::{
    Asking, Hub,
    accounts::policy::permission::MODERATION_SKIP,
    moderation::{Stage, Submission},
};

/// The stage `trusted`.
#[derive(Clone, Copy, Debug)]
pub struct Trusted;

impl Trusted {
    /// Its name.
    pub const NAME: &'static str = "trusted";
}

impl Stage for Trusted {
    fn name(&self) -> &'static str {
        Self::NAME
    }
    fn judge<'a>(&'a self, _submission: &'a Submission, asking: &'a Asking, _hub: &'a Hub) -> BoxFuture<'a, Opinion> {
        let trusted = asking.by.may(MODERATION_SKIP);
        Box::pin(ready(if trusted { Opinion::Settled(Verdict::Allow) } else { Opinion::Pass }))
    }
}
