//! What other wings know of the board, and the board of them: who owns a stream, and whether a submission is known already.

use trunkline_protocol::UserId;

use super::{Board, Owner, Owners};
use crate::{
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
