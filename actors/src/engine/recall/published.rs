//! What was published on a topic: read back from the topic's own commits, within its retention.

use trunkline_protocol::{EntityId, Topic, Version, limits::RECALL_BYTES_MAX};

use super::super::{backlog::last_of, published::PublishedTopic, relay::Relay};
use crate::{Entity as _, History, Retention, Since};

/// Commits read at once.
const PAGE: usize = 64;

impl Relay {
    /// Everything since the place, `None` where there is nothing; gone where some of it is no longer to be kept, or it is too much to be told
    /// at once.
    pub(super) async fn published(
        &self,
        topic: &Topic,
        since: Since<'_>,
        retention: &Retention,
    ) -> Result<Option<History>, String> {
        let entity = EntityId::new(PublishedTopic::KIND, topic.as_str());
        let oldest = self.backlog.horizon(self.clock.now(), retention.ttl);
        let told = *self.seen.borrow();
        let (mut newest_first, mut bytes, mut before) = (Vec::new(), 0, Version::MAX);
        'pages: loop {
            let commits = self.journal.read_back(&entity, before, PAGE).await.map_err(|error| error.to_string())?;
            let Some(last) = commits.last() else { break };
            before = last.version;
            for commit in commits.iter().filter(|commit| commit.position <= told) {
                let said = self.render(commit).map_err(|error| error.to_string())?;
                for broadcast in said.into_iter().rev().filter(|broadcast| broadcast.topic == *topic) {
                    let wanted = match since {
                        Since::Seconds(second) => commit.at.as_seconds() >= second,
                        Since::After { offset, .. } => broadcast.offset.as_ref().is_some_and(|at| at.offset > offset),
                    };
                    if !wanted {
                        break 'pages;
                    }
                    bytes += broadcast.message.len();
                    if bytes > RECALL_BYTES_MAX {
                        return Ok(Some(History::Gone));
                    }
                    if commit.at < oldest || newest_first.len() == retention.broadcasts_max {
                        match since {
                            // By time, what is no longer kept was never promised.
                            Since::Seconds(_) => break 'pages,
                            Since::After { .. } => return Ok(Some(History::Gone)),
                        }
                    }
                    newest_first.push(broadcast);
                }
            }
        }
        newest_first.reverse();
        Ok(match self.backlog.begins(topic) {
            Some(_) => Some(History::Recovered { broadcasts: newest_first, upto: last_of(told) }),
            // Memory has never heard of the topic, or has had to forget it: from where on it would go on is not known.
            None => (!newest_first.is_empty()).then_some(History::Gone),
        })
    }
}
