//! What channels said of commits that are older than the backlog: said again, commit by commit, in portions that fit a reader's outbox.

use futures::StreamExt as _;
use trunkline_protocol::{
    Commit, Position, Topic,
    limits::{BACKLOG_TTL, RECALL_BYTES_MAX, RECALL_COMMITS_MAX},
};

use super::super::{
    backlog::last_of,
    relay::Relay,
    retelling::{Reading, Taken},
};
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
    /// The first portion since the place, gone where more was missed than is told again; `None` where no channel can say it again.
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
            return Ok(Some(History::Gone));
        }
        // More may have been said of the commit at which the client is.
        let mut portion = Portion { broadcasts: Vec::new(), bytes: 0, commits: 0, position: after.saturating_sub(1) };
        let mut reading = Reading::new(retelling, &*self.journal, RECALL_COMMITS_MAX as usize);
        let mut pages = self.journal.follow(portion.position);
        'portion: while portion.position < told {
            let page = pages.next().await.ok_or("the journal closed")?.map_err(|error| error.to_string())?;
            for commit in page.iter().take_while(|commit| commit.position <= told) {
                let Some(said) = self.say_again(&mut reading, commit, &wanted).await? else {
                    if portion.commits == 0 {
                        return Err(format!("what {} and what it names went through is too long", commit.entity));
                    }
                    break 'portion;
                };
                portion.add(commit, said.into_iter().filter(|one| one.topic == *topic && wanted.has(one)));
                if portion.is_full() {
                    break 'portion;
                }
            }
            tokio::task::yield_now().await;
        }
        let upto = last_of(portion.position.max(after));
        Ok(Some(History::Recovered { broadcasts: portion.broadcasts, upto }))
    }

    /// What was said of a commit, as far as it is wanted; `None` where that is for another portion.
    async fn say_again(
        &self,
        reading: &mut Reading<'_>,
        commit: &Commit,
        wanted: &Wanted,
    ) -> Result<Option<Vec<Broadcast>>, String> {
        if !wanted.may_have(commit) {
            return reading.pass(commit).map(|()| Some(Vec::new()));
        }
        let mut out = Broadcasts::of(commit, &self.traces);
        match reading.take(commit).await? {
            Taken::Ready => self.guarded(reading.name(), &mut out, |out| reading.render(commit, out)),
            Taken::Nothing => {}
            Taken::NotNow => return Ok(None),
        }
        Ok(Some(self.numbered(out, commit.position)))
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
    /// Whether something that was said of the commit may be wanted.
    fn may_have(&self, commit: &Commit) -> bool {
        match self {
            Self::From(second) => commit.at.as_seconds() >= *second,
            Self::Beyond(offset) => last_of(commit.position) > *offset,
        }
    }
    /// Whether this is wanted, of what was said of such a commit.
    fn has(&self, broadcast: &Broadcast) -> bool {
        match self {
            Self::From(_) => true,
            Self::Beyond(offset) => broadcast.offset.as_ref().is_some_and(|at| at.offset > *offset),
        }
    }
}

/// What is told at once.
struct Portion {
    broadcasts: Vec<Broadcast>,
    bytes: usize,
    commits: usize,
    /// The last commit of which it tells.
    position: Position,
}

impl Portion {
    fn add(&mut self, commit: &Commit, said: impl Iterator<Item = Broadcast>) {
        let before = self.broadcasts.len();
        self.broadcasts.extend(said);
        self.bytes += self.broadcasts[before..].iter().map(|one| one.message.len()).sum::<usize>();
        self.commits += 1;
        self.position = commit.position;
    }
    fn is_full(&self) -> bool {
        self.bytes > RECALL_BYTES_MAX / 2 || self.commits == PORTION_COMMITS
    }
}
