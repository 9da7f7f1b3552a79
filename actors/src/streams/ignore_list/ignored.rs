//! What moderation asks of the lists: is this on one of them?

use trunkline_protocol::Reason;

use super::{IgnoreLists, ListType, Suspect};
use crate::moderation::{Submission, stages::Ignored};

impl Ignored for IgnoreLists {
    fn listed(&self, submission: &Submission) -> Option<Reason> {
        let suspect = Suspect {
            url: submission.url.as_deref(),
            source: submission.source.as_deref(),
            posted_by: submission.author.as_deref(),
        };
        let listed = Self::listed(self, &suspect)?;
        let (code, what) = match listed.list_type {
            ListType::TwitchUser => ("IGNORED_TWITCH_USER", "The Twitch user"),
            ListType::DiscordUser => ("IGNORED_DISCORD_USER", "The Discord user"),
            ListType::Url => ("IGNORED_URL", "The address"),
            ListType::Domain => ("IGNORED_DOMAIN", "The domain"),
        };
        Some(Reason::new(code, format!("{what} {} is on the ignore list", listed.value)))
    }
}
