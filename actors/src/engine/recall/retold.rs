//! What channels said of commits that are older than the backlog: said again, commit by commit, in portions that fit a reader's outbox.

use futures::StreamExt as _;
use trunkline_protocol::{
    Commit, Position, Topic,
    limits::{BACKLOG_TTL, RECALL_BYTES_MAX, RECALL_COMMITS_MAX},
};

use super::super::{backlog::last_of, relay::Relay, retelling::Reading};
use crate::{Broadcast, Broadcasts, History, Since};

/// Commits of one portion, whatever is said of them: so many entities' histories may be in memory for one reading.
const PORTION_COMMITS: usize = 4096;
/// Commits are in the order in which they became durable, each with the moment in which it was decided; that may differ by a deadline.
const DISORDER_S: i64 = 10;

/// Since when or where, beside from which commit on.
enum Wanted {
    From(i64),
    Beyond(u64),
}

impl Relay {
    /// The first portion since the place; `None` where no channel can say it again, or more was missed than is told again.
    pub(super) async fn retold(&self, topic: &Topic, since: Since<'_>) -> Result<Option<History>, String> {
        let Some(begins) = self.backlog.begins(topic) else { return Ok(None) };
        let Some(retelling) = self.channels.iter().find_map(|channel| channel.retelling(topic)) else { return Ok(None) };
        let asked = if let Since::After { offset, .. } = since { offset >> 10 } else { 0 };
        // What memory does not hold has been told when this is; what is told later, memory does.
        let mut seen = self.seen.subscribe();
        let told = *seen.wait_for(|seen| *seen >= begins.max(asked)).await.map_err(|closed| closed.to_string())?;
        let (after, wanted) = match since {
            Since::After { offset, .. } => (asked, Wanted::Beyond(offset)),
            Since::Seconds(second) => {
                let second = second.max(self.backlog.horizon(self.clock.now(), BACKLOG_TTL).as_seconds());
                (self.before(second, told).await?, Wanted::From(second))
            }
        };
        if told.saturating_sub(after) > RECALL_COMMITS_MAX {
            return Ok(None);
        }
        let mut reading = Reading::new(retelling, &*self.journal, RECALL_COMMITS_MAX as usize);
        // More may have been said of the commit at which the client is.
        let mut position = after.saturating_sub(1);
        let (mut broadcasts, mut bytes, mut commits) = (Vec::new(), 0, 0);
        let mut pages = self.journal.follow(position);
        'portion: while position < told {
            let page = pages.next().await.ok_or("the journal closed")?.map_err(|error| error.to_string())?;
            for commit in page.iter().take_while(|commit| commit.position <= told) {
                position = commit.position;
                for broadcast in self.say_again(&mut reading, commit).await?.into_iter().filter(|one| one.topic == *topic) {
                    if wanted.has(commit, &broadcast) {
                        bytes += broadcast.message.len();
                        broadcasts.push(broadcast);
                    }
                }
                commits += 1;
                if bytes > RECALL_BYTES_MAX / 2 || commits == PORTION_COMMITS {
                    break 'portion;
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(Some(History::Recovered { broadcasts, upto: last_of(position.max(after)) }))
    }

    async fn say_again(&self, reading: &mut Reading<'_>, commit: &Commit) -> Result<Vec<Broadcast>, String> {
        if !reading.take(commit).await? {
            return Ok(Vec::new());
        }
        let mut out = Broadcasts::of(commit, &self.traces);
        self.guarded(reading.name(), &mut out, |out| reading.render(commit, out));
        Ok(self.numbered(out, commit.position))
    }

    /// A position before which nothing was decided in this second or later, but not long before.
    async fn before(&self, second: i64, told: Position) -> Result<Position, String> {
        let (mut position, mut step) = (told, 256);
        while position > 0 {
            position = position.saturating_sub(step);
            step *= 2;
            let page = self.journal.follow(position).next().await.ok_or("the journal closed")?;
            let page = page.map_err(|error| error.to_string())?;
            if page.first().is_some_and(|first| first.at.as_seconds() < second - DISORDER_S) {
                break;
            }
        }
        Ok(position)
    }
}

impl Wanted {
    fn has(&self, commit: &Commit, broadcast: &Broadcast) -> bool {
        match self {
            Self::From(second) => commit.at.as_seconds() >= *second,
            Self::Beyond(offset) => broadcast.offset.as_ref().is_some_and(|at| at.offset > *offset),
        }
    }
}
