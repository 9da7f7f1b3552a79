//! What a channel said of commits, said again: by a channel over projections of its own, into which only what it needs is folded.
//!
//! A channel renders from projections, and those show the present. What it said of a commit long ago follows from the same commits all the
//! same: those of the entity, and of whatever else the rendering looks at, up to that commit. A channel hands out a [`Retelling`], the
//! recall (`recall.rs`) has it read; nothing here is ever told live, and nothing is kept.

use std::{collections::HashSet, fmt, sync::Arc};

use trunkline_persistence::Journal;
use trunkline_protocol::{Commit, EntityId, Position, Version};

use crate::{Broadcasts, Channel, Projection};

/// Names what else must be known when a commit is rendered.
type Beside = Box<dyn Fn(&Commit) -> Vec<EntityId> + Send + Sync>;

/// A channel over projections that know nothing yet, to say again what was said of commits of these kinds.
pub struct Retelling {
    kinds: Vec<&'static str>,
    channel: Box<dyn Channel>,
    projections: Vec<Arc<dyn Projection>>,
    beside: Beside,
}

impl fmt::Debug for Retelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retelling").field("kinds", &self.kinds).field("channel", &self.channel.name()).finish_non_exhaustive()
    }
}

impl Retelling {
    /// The `channel` has something to say of commits of these kinds, and of no others. With nothing else it renders from the commit alone.
    #[must_use]
    pub fn new(kinds: impl IntoIterator<Item = &'static str>, channel: impl Channel) -> Self {
        Self {
            kinds: kinds.into_iter().collect(),
            channel: Box::new(channel),
            projections: Vec::new(),
            beside: Box::new(|_| Vec::new()),
        }
    }
    /// It reads this projection, which is still empty: before a commit is rendered all commits of its entity are folded, itself included.
    #[must_use]
    pub fn over(mut self, projection: Arc<dyn Projection>) -> Self {
        self.projections.push(projection);
        self
    }
    /// Beside the commit's own entity it looks at these. Asked when the commit has been folded; what is named must be of other kinds.
    #[must_use]
    pub fn beside(mut self, named: impl Fn(&Commit) -> Vec<EntityId> + Send + Sync + 'static) -> Self {
        self.beside = Box::new(named);
        self
    }
}

/// A retelling that is under way: commits come in the order of the journal, without a gap.
pub(super) struct Reading<'a> {
    journal: &'a dyn Journal,
    retelling: Retelling,
    /// Their histories are folded up to the present commit.
    known: HashSet<EntityId>,
    /// Commits that may still be read for it.
    left: usize,
}

/// What can be said of a commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// What the channel says.
    Ready,
    /// Nothing.
    Nothing,
    /// Too much would have to be read first, after all that was read already: it is for another reading.
    NotNow,
}

impl<'a> Reading<'a> {
    pub(super) fn new(retelling: Retelling, journal: &'a dyn Journal, commits_max: usize) -> Self {
        Self { journal, retelling, known: HashSet::new(), left: commits_max }
    }
    /// Takes the next commit in, of which nothing need be said.
    pub(super) fn pass(&mut self, commit: &Commit) -> Result<(), String> {
        if self.known.contains(&commit.entity) { self.fold(commit) } else { Ok(()) }
    }
    /// Takes the next commit in.
    pub(super) async fn take(&mut self, commit: &Commit) -> Result<Taken, String> {
        if !self.retelling.kinds.contains(&commit.entity.kind()) {
            self.pass(commit)?;
            return Ok(Taken::Nothing);
        }
        if !self.learn(&commit.entity, commit.version, commit.position).await? {
            return Ok(Taken::NotNow);
        }
        self.fold(commit)?;
        for entity in (self.retelling.beside)(commit) {
            if !self.learn(&entity, Version::MAX, commit.position).await? {
                return Ok(Taken::NotNow);
            }
        }
        Ok(Taken::Ready)
    }
    /// What the channel says of the commit that was just taken in.
    pub(super) fn render(&self, commit: &Commit, out: &mut Broadcasts) {
        self.retelling.channel.render(commit, out);
    }
    pub(super) fn name(&self) -> &'static str {
        self.retelling.channel.name()
    }
    /// Folds the history of an entity, as far as it went before; false where it is too long.
    async fn learn(&mut self, entity: &EntityId, before: Version, at: Position) -> Result<bool, String> {
        if self.known.contains(entity) {
            return Ok(true);
        }
        if before > 1 {
            let history = self.journal.read_back(entity, before, self.left).await.map_err(|error| error.to_string())?;
            if history.last().is_some_and(|first| first.version > 1) {
                return Ok(false);
            }
            self.left -= history.len();
            for commit in history.iter().rev().filter(|commit| commit.position < at) {
                self.fold(commit)?;
            }
        }
        self.known.insert(entity.clone());
        Ok(true)
    }
    fn fold(&self, commit: &Commit) -> Result<(), String> {
        let mut projections = self.retelling.projections.iter();
        projections.try_for_each(|projection| projection.fold(commit)).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::future::BoxFuture;
    use parking_lot::Mutex;
    use trunkline_persistence::{MemoryJournal, Piece};
    use trunkline_protocol::{CodecError, NewCommit, Timestamp};

    use super::*;
    use crate::{Admission, AskError, Hub, Subscribing};

    /// What was folded, in order.
    #[derive(Default)]
    struct Folded(Mutex<Vec<Position>>);
    impl Projection for Folded {
        fn name(&self) -> &'static str {
            "folded"
        }
        fn schema(&self) -> u8 {
            1
        }
        fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
            self.0.lock().push(commit.position);
            Ok(())
        }
        fn changed(&self) -> Vec<Piece> {
            Vec::new()
        }
        fn restore(&self, _: Vec<(Vec<u8>, Bytes)>) -> Result<(), CodecError> {
            Ok(())
        }
    }
    struct Silent;
    impl Channel for Silent {
        fn name(&self) -> &'static str {
            "Silent"
        }
        fn admit<'a>(&'a self, _: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
            Box::pin(async { Ok(Admission::default()) })
        }
    }

    /// Commits of these entities, one after the other.
    async fn journal(entities: &[&EntityId]) -> (Arc<MemoryJournal>, Vec<Commit>) {
        let journal = MemoryJournal::new();
        for (at, entity) in entities.iter().enumerate() {
            let expected = entities[..at].iter().filter(|earlier| earlier == &entity).count() as Version;
            let at = Timestamp::from_millis(0);
            let commit = NewCommit { entity: (*entity).clone(), expected, at, turns: Vec::new() };
            journal.append(commit).await.expect("appended");
        }
        let commits = journal.commits();
        (journal, commits)
    }
    fn reading(journal: &MemoryJournal, commits_max: usize) -> (Reading<'_>, Arc<Folded>) {
        let folded = Arc::<Folded>::default();
        let retelling = Retelling::new(["row"], Silent).over(folded.clone()).beside(|_| vec![EntityId::new("place", "all")]);
        (Reading::new(retelling, journal, commits_max), folded)
    }

    #[tokio::test]
    async fn folds_what_it_needs_once_in_order_and_nothing_else() {
        let (row, other, place) = (EntityId::new("row", 1), EntityId::new("row", 2), EntityId::new("place", "all"));
        let (journal, commits) = journal(&[&row, &place, &other, &row, &place, &row, &place]).await;
        let (mut reading, folded) = reading(&journal, 10);
        // From the fourth on.
        for (commit, expected) in commits[3..].iter().zip([Taken::Ready, Taken::Nothing, Taken::Ready, Taken::Nothing]) {
            assert_eq!(reading.take(commit).await, Ok(expected), "{}", commit.position);
        }
        assert_eq!(*folded.0.lock(), [1, 4, 2, 5, 6, 7]);
    }

    #[tokio::test]
    async fn leaves_to_another_reading_what_is_too_much_for_this_one() {
        let (row, place) = (EntityId::new("row", 1), EntityId::new("place", "all"));
        let (journal, commits) = journal(&[&row, &place, &row, &place, &row]).await;
        let last = &commits[4];
        for (commits_max, expected) in [(1, Taken::NotNow), (3, Taken::NotNow), (4, Taken::Ready)] {
            assert_eq!(reading(&journal, commits_max).0.take(last).await, Ok(expected), "{commits_max}");
        }
    }
}
