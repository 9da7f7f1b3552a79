//! Histories beyond one's memory: where from, and what can still be read from the journal.
//!
//! What was published on a topic stands in the topic's own commits, verbatim. What channels said of other commits follows from those: it is
//! said again by the channel itself, over projections as they were then ([`Retelling`](crate::Retelling)).
//!
//! # Layout
//! - here: what memory tells, and whether the journal must be asked
//! - `published`: what was published; `retold`: what channels said

mod published;
mod retold;

use std::time::Duration;

use tokio::time::timeout;
use trunkline_protocol::{Topic, limits::ASK_DEADLINE};

use super::{relay::Relay, retention::Kept};
use crate::{History, Retention, Since};

/// Histories that may be read from the journal at once; more wait, and those who wait too long are told that theirs is gone.
pub(crate) const RECALLS_AT_ONCE: usize = 4;

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
    /// What the backlog no longer holds and the journal does; `None` where the journal has nothing to add.
    pub(crate) async fn recall(&self, topic: &Topic, since: Since<'_>) -> Option<History> {
        let retention = self.retentions.of(topic);
        if retention.kept != Kept::Journal || !self.is_beyond_memory(topic, since, &retention) {
            return None;
        }
        let reading = async {
            let _turn = self.recalls.acquire().await.map_err(|closed| closed.to_string())?;
            if topic.is_pubsub() { self.published(topic, since, &retention).await } else { self.retold(topic, since).await }
        };
        match timeout(ASK_DEADLINE, reading).await.unwrap_or_else(|_| Err(late(ASK_DEADLINE))) {
            // What leads no further is not asked for again.
            Ok(Some(History::Recovered { upto, .. })) if matches!(since, Since::After { offset, .. } if upto <= offset) => None,
            Ok(found) => found,
            Err(reason) => {
                tracing::warn!(topic = topic.as_str(), reason, "a history could not be read from the journal");
                Some(History::Gone)
            }
        }
    }
    fn is_beyond_memory(&self, topic: &Topic, since: Since<'_>, retention: &Retention) -> bool {
        let now = self.clock.now();
        match since {
            Since::Seconds(second) if topic.is_pubsub() => self.backlog.begins_after(topic, second),
            Since::Seconds(second) => self.backlog.lacks_since(topic, second, now),
            Since::After { .. } => self.backlog.lacks(topic, since, retention, now),
        }
    }
}

fn late(deadline: Duration) -> String {
    format!("it took longer than {deadline:?}")
}
