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
