//! Wing: what may come in. Every submission walks through the stages, and only what they let through is asked of the hub.
//!
//! Other wings ask [`submit`] with the call to make if allowed; this wing imports none of them: what its stages must know of another wing
//! they ask through the traits that they declare.
//!
//! # Layout
//! - [`submission`]: what is judged
//! - [`stage`]: one question, one opinion
//! - [`pipeline`]: the stages in order, and what becomes of a submission
//! - [`stages`]: trusted, ignore list, duplicate; the others (flood, rules, classifier) belong between duplicate and the end

pub mod pipeline;
pub mod stage;
pub mod stages;
pub mod submission;

use std::{future::Future, sync::Arc};

use trunkline_protocol::{Call, Reason, Record, Refusal, RefusalKind, Verdict};

pub use pipeline::{Desk, Pipeline, UnknownStage};
pub use stage::Stage;
pub use submission::Submission;

use crate::{
    AskError, Asking, Hub, Plan,
    accounts::audit::{self, Act},
};

/// Every stage of this hub, in the order of `platform.md` section 3: the default.
pub const STAGES: [&str; 3] = [stages::Trusted::NAME, stages::IgnoreList::NAME, stages::Duplicate::NAME];

/// What another wing wants done if a submission is allowed. It can be sealed, so that a held submission outlives the process.
pub trait Callable: Record + Send + Sync + 'static {
    /// What it is called in a sealed [`Call`]: `streams.add`.
    const NAME: &'static str;
    /// What it answers.
    type Answer: Send;
    /// Does it. Whoever holds a duplicate answers with the one there is: a retry, or a submission known already, is harmless.
    fn make(self, hub: &Hub, asking: Asking) -> impl Future<Output = Result<Self::Answer, AskError>> + Send;
    /// Sealed for later.
    fn sealed(&self) -> Call {
        Call::seal(Self::NAME, self)
    }
}

/// What became of a submission that was not blocked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Submitted<A> {
    /// It came in (or was here already): what the call answered.
    Made(A),
    /// A person decides: the case (202).
    Held {
        /// The case's id.
        case: String,
    },
}

/// Judges a submission and, where it is allowed, makes the call on behalf of who asks.
///
/// # Errors
/// 422 [`BLOCKED`] with the reason's code as its subject; what the call answers; [`AskError::Unavailable`] where it must be held and this
/// hub keeps no desk for cases: never allowed for want of one.
pub async fn submit<C: Callable>(
    hub: &Hub,
    submission: &Submission,
    call: C,
    asking: Asking,
) -> Result<Submitted<C::Answer>, AskError> {
    let pipeline = hub.provided::<Pipeline>();
    match pipeline.judge(hub, submission, &asking).await {
        Verdict::Allow | Verdict::Known(_) => call.make(hub, asking).await.map(Submitted::Made),
        Verdict::Block(reason) => {
            write_down(hub, submission, &reason, &asking).await;
            Err(blocked(&reason).into())
        }
        Verdict::Hold(reason) => {
            let Some(desk) = pipeline.desk() else {
                tracing::warn!(code = %reason.code, "a submission must be held, but this hub keeps no desk for cases");
                return Err(AskError::Unavailable(format!("moderation cannot decide: {reason}")));
            };
            let case = desk.open(hub, submission, call.sealed(), &reason, &asking).await?;
            Ok(Submitted::Held { case })
        }
    }
}

/// Every ruling stands in the audit log. What cannot be written down is blocked all the same: the ruling needs no journal, the log does.
async fn write_down(hub: &Hub, submission: &Submission, reason: &Reason, asking: &Asking) {
    let act = Act {
        actor: asking.by.user.0,
        actor_name: asking.by.email.to_string(),
        action: "submission.blocked".to_owned(),
        subject: submission.url.clone().unwrap_or_else(|| submission.kind.clone()),
        detail: format!("{}: {reason}", reason.code),
        address: String::new(),
    };
    if let Err(error) = audit::record(hub, act).await {
        tracing::error!(%error, code = %reason.code, "a blocked submission could not be written into the audit log");
    }
}

/// The code of a blocked submission.
pub const BLOCKED: &str = "MODERATION_BLOCKED";

/// 422: it stays out. The subject is the reason's code.
fn blocked(reason: &Reason) -> Refusal {
    Refusal::new(RefusalKind::Invalid, BLOCKED, reason.sentence.clone()).about(&reason.code)
}

/// The lines of this wing: the pipeline with its stages in their configured order ([`Pipeline::in_order`]).
pub fn plan(plan: &mut Plan, pipeline: Pipeline) {
    plan.provide(Arc::new(pipeline));
}
