//! Histories beyond one's memory: where from, and what can still be read from the journal.
//!
//! What was published on a topic stands in the topic's own commits, verbatim, so it can be told again as it was. What channels said of other
//! commits cannot: they read projections, and those show the present. Of that only the backlog tells (`docs/decisions`).

use tokio::time::timeout;
use trunkline_protocol::{
    EntityId, Topic, Version,
    limits::{ASK_DEADLINE, RECALL_BYTES_MAX},
};

use super::{published::PublishedTopic, relay::Relay, retention::Kept};
use crate::{Broadcast, Entity as _, History, Retention, Since};

/// Histories that may be read from the journal at once; more wait, and those who wait too long are told that theirs is gone.
pub(crate) const RECALLS_AT_ONCE: usize = 4;
/// Commits read at once.
const PAGE: usize = 64;

impl Relay {
    /// The topic's history since a place, as far as memory reaches.
    pub(crate) fn history(&self, topic: &Topic, since: Since<'_>) -> History {
        let (retention, now) = (self.retentions.of(topic), self.clock.now());
        match retention.kept {
            Kept::Memory => self.recent.history(topic, since, &retention, now),
            Kept::Journal => self.backlog.history(topic, since, &retention, now),
            Kept::Nowhere => match since {
                Since::Seconds(_) => History::Recovered { broadcasts: Vec::new(), upto: 0 },
                Since::After { .. } => History::Gone,
            },
        }
    }
    /// What the backlog no longer holds and the journal does; empty where the backlog suffices, `None` where it cannot be told whole.
    pub(crate) async fn recall(&self, topic: &Topic, since: Since<'_>) -> Option<Vec<Broadcast>> {
        let retention = self.retentions.of(topic);
        let may = topic.is_pubsub()
            && retention.kept == Kept::Journal
            && match since {
                Since::Seconds(second) => self.backlog.begins_after(topic, second),
                Since::After { epoch, offset } => {
                    self.backlog.has_reached(epoch, offset) && self.history(topic, since) == History::Gone
                }
            };
        if !may {
            return Some(Vec::new());
        }
        let found = timeout(ASK_DEADLINE, self.read_back(topic, since, &retention)).await;
        found.unwrap_or_else(|_| {
            tracing::warn!(topic = topic.as_str(), "a history could not be read from the journal in time");
            None
        })
    }
    /// Everything since the place; `None` where some of it is no longer to be kept, or it is too much to be told at once.
    async fn read_back(&self, topic: &Topic, since: Since<'_>, retention: &Retention) -> Option<Vec<Broadcast>> {
        let _turn = self.recalls.acquire().await.ok()?;
        let entity = EntityId::new(PublishedTopic::KIND, topic.as_str());
        let oldest = self.backlog.horizon(self.clock.now(), retention.ttl);
        let told = *self.seen.borrow();
        let (mut newest_first, mut bytes, mut before) = (Vec::new(), 0, Version::MAX);
        'pages: loop {
            let commits = self.journal.read_back(&entity, before, PAGE).await.ok()?;
            let Some(last) = commits.last() else { break };
            before = last.version;
            for commit in commits.iter().filter(|commit| commit.position <= told) {
                let said = self.render(commit).ok()?;
                for broadcast in said.into_iter().rev().filter(|broadcast| broadcast.topic == *topic) {
                    let offset = broadcast.offset.as_ref().map_or(0, |at| at.offset);
                    let wanted = match since {
                        Since::Seconds(second) => commit.at.as_seconds() >= second,
                        Since::After { offset: seen, .. } => offset > seen,
                    };
                    if !wanted {
                        break 'pages;
                    }
                    bytes += broadcast.message.len();
                    if bytes > RECALL_BYTES_MAX {
                        return None;
                    }
                    if commit.at < oldest || newest_first.len() == retention.broadcasts_max {
                        match since {
                            // By time, what is no longer kept was never promised.
                            Since::Seconds(_) => break 'pages,
                            Since::After { .. } => return None,
                        }
                    }
                    newest_first.push(broadcast);
                }
            }
        }
        newest_first.reverse();
        Some(newest_first)
    }
}
