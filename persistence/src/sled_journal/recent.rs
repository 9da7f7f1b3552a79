//! The newest commits, as they were appended: whoever follows closely is told from here and reads no store.
//!
//! The committer puts them in once they are durable, before it says so; followers take pages out. Bounded in number and bytes: who is
//! further behind reads the store.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use trunkline_protocol::{Commit, Position};

/// Several pages of followers; a follower that is woken seldom still finds its page.
const COMMITS_MAX: usize = 2048;
const BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Recent(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Without a gap, oldest first, each with its sealed size.
    commits: VecDeque<(Arc<Commit>, usize)>,
    bytes: usize,
}

impl Recent {
    /// Adds what became durable: the positions right after the last ones.
    pub(super) fn extend(&self, durable: impl Iterator<Item = (Commit, usize)>) {
        let mut kept = self.0.lock();
        for (commit, bytes) in durable {
            kept.bytes += bytes;
            kept.commits.push_back((Arc::new(commit), bytes));
        }
        while kept.commits.len() > COMMITS_MAX || kept.bytes > BYTES_MAX {
            let Some((_, bytes)) = kept.commits.pop_front() else { return };
            kept.bytes -= bytes;
        }
    }

    /// The commits after a position, up to and with `last`; `None` where not all of them are here.
    pub(super) fn page(&self, after: Position, last: Position) -> Option<Vec<Commit>> {
        let page: Vec<Arc<Commit>> = {
            let kept = self.0.lock();
            let skip = (after + 1).checked_sub(kept.commits.front()?.0.position)? as usize;
            kept.commits.iter().skip(skip).take((last - after) as usize).map(|(commit, _)| Arc::clone(commit)).collect()
        };
        (page.last()?.position == last).then(|| page.into_iter().map(Arc::unwrap_or_clone).collect())
    }
}

#[cfg(test)]
mod tests {
    use trunkline_protocol::{EntityId, Timestamp};

    use super::*;

    fn commits(positions: std::ops::Range<Position>, bytes: usize) -> impl Iterator<Item = (Commit, usize)> {
        let commit = |position| Commit {
            entity: EntityId::new("note", position),
            version: 1,
            position,
            at: Timestamp::from_millis(0),
            turns: Vec::new(),
        };
        positions.map(move |position| (commit(position), bytes))
    }
    fn positions(page: Option<Vec<Commit>>) -> Option<Vec<Position>> {
        page.map(|page| page.iter().map(|commit| commit.position).collect())
    }

    #[test]
    fn tells_whole_pages_and_nothing_else() {
        let recent = Recent::default();
        assert_eq!(recent.page(0, 1), None, "nothing is here yet");
        recent.extend(commits(5..9, 1));
        assert_eq!(positions(recent.page(4, 8)), Some(vec![5, 6, 7, 8]));
        assert_eq!(positions(recent.page(6, 7)), Some(vec![7]));
        assert_eq!(recent.page(3, 8), None, "one of them was appended before");
        assert_eq!(recent.page(7, 9), None, "one of them is not durable yet");
    }

    #[test]
    fn stays_bounded_in_number_and_in_bytes() {
        let recent = Recent::default();
        recent.extend(commits(1..10 * COMMITS_MAX as Position, 1));
        assert_eq!(recent.0.lock().commits.len(), COMMITS_MAX);
        recent.extend(commits(10 * COMMITS_MAX as Position..10 * COMMITS_MAX as Position + 10, BYTES_MAX / 4));
        let kept = recent.0.lock();
        assert!(kept.bytes <= BYTES_MAX && kept.commits.len() == 4, "{}", kept.commits.len());
    }
}
