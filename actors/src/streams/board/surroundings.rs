//! What other wings know of the board, and the board of them: who owns a stream, and whether a submission is known already.

use std::sync::Arc;

use trunkline_protocol::{EntityId, UserId};

use super::{Board, Owner, Owners};
use crate::{
    Projection,
    accounts::Accounts,
    moderation::{Submission, stages::Known},
    streams::stream::Stream,
};

impl Owners for Accounts {
    fn owner(&self, user: UserId) -> Option<Owner> {
        let account = self.account(user)?;
        Some(Owner {
            id: account.id,
            email: account.email,
            role: account.role,
            created_at: account.created_at,
            updated_at: account.updated_at,
        })
    }
    fn told_by(&self, user: UserId) -> Option<EntityId> {
        self.entity_of(user)
    }
    fn anew(&self) -> (Arc<dyn Owners>, Option<Arc<dyn Projection>>) {
        let accounts = Arc::<Self>::default();
        (accounts.clone(), Some(accounts))
    }
}

impl Known for Board {
    fn known(&self, submission: &Submission) -> Option<String> {
        if submission.kind != Stream::SUBMISSION {
            return None;
        }
        let twin = self.active_with_link(submission.canonical.as_deref()?)?;
        Some(twin.stream.id.to_string())
    }
}
