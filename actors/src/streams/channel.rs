//! `StreamsChannel`: dashboards. Read only; tells each stream that was created, updated, archived or deleted (`streams.md` 8.2).
//!
//! A creation is never left out. Of what is told later of a row, a reader who is behind is sent the newest: it ends with the present
//! state of every row, and each frame carries the whole row.

mod filter;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use trunkline_protocol::{CommandId, Commit, ConnectionId, Refusal, RefusalKind, Topic, Turn};

pub use self::filter::{Filter, Traits};
use super::{
    board::Board,
    stream::{Stream, fact::StreamFact},
};
use crate::{
    Admission, AskError, Broadcasts, Channel, Entity as _, Hub, Leaving, Retelling, Subscribing, accounts::policy::permission,
};

/// Different filters that may be watched at once: each is one more rendering of a commit. One more is refused.
const FILTERS_MAX: usize = 256;

/// Dashboards.
#[derive(Debug)]
pub struct StreamsChannel {
    board: Arc<Board>,
    all: Topic,
    watched: Mutex<AllWatched>,
}

type AllWatched = HashMap<Topic, Watched>;

/// A filter that somebody watches through: rendered only while they do.
#[derive(Debug)]
struct Watched {
    filter: Filter,
    places: HashSet<(ConnectionId, Box<str>)>,
}

impl Watched {
    fn through(filter: Filter) -> Self {
        Self { filter, places: HashSet::new() }
    }
}

/// What a dashboard is told of one stream.
#[derive(Serialize)]
struct Frame<'a, Row> {
    action: &'static str,
    event: &'static str,
    stream: &'a Row,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<&'static str>>,
    /// `entered` or `left`: the row came into the subscriber's filter by this change, or went out of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'static str>,
}

impl StreamsChannel {
    /// The channel over this board.
    #[must_use]
    pub fn new(board: Arc<Board>) -> Self {
        Self { board, all: Filter::default().topic(), watched: Mutex::default() }
    }
    fn watch(&self, filter: Filter, subscribing: &Subscribing<'_>, begin: impl FnOnce(&Topic)) -> Result<Topic, Refusal> {
        let topic = filter.topic();
        if filter.is_empty() {
            return Ok(topic);
        }
        let mut watched = self.watched.lock();
        if watched.len() >= FILTERS_MAX && !watched.contains_key(&topic) {
            return Err(Refusal::new(RefusalKind::TooMany, "TOO_MANY_FILTERS", "Too many different filters are being watched"));
        }
        let entry = watched.entry(topic.clone()).or_insert_with(|| {
            // While nobody watched, nothing was told.
            begin(&topic);
            Watched::through(filter)
        });
        entry.places.insert((subscribing.connection, subscribing.identifier.into()));
        Ok(topic)
    }
    fn forget(&self, leaving: &Leaving<'_>) {
        let Ok(filter) = Filter::read(leaving.params) else { return };
        let mut watched = self.watched.lock();
        let topic = filter.topic();
        let Some(entry) = watched.get_mut(&topic) else { return };
        entry.places.remove(&(leaving.connection, leaving.identifier.into()));
        if entry.places.is_empty() {
            watched.remove(&topic);
        }
    }
    /// Tells everyone of one fact: those without a filter, and those whose filter wants the row as it was or as it is.
    fn tell(&self, fact: &StreamFact, before: Option<Traits>, after: Traits, watched: &AllWatched, out: &mut Broadcasts) {
        let Some(row) = self.board.row(fact.stream()) else { return };
        let Some((action, event)) = named(fact) else { return };
        let added = matches!(fact, StreamFact::StreamAdded { .. });
        let changes = (!added).then(|| fact.changes().iter().map(|change| change.field.name()).collect());
        let mut frame = Frame { action, event, stream: &row, changes, filter: None };
        let key = fact.stream().to_string();
        let mut say = |topic: &Topic, frame: &Frame<'_, _>| match added {
            true => out.say(topic, frame),
            false => out.say_latest(topic, &key, frame),
        };
        say(&self.all, &frame);
        for (topic, Watched { filter, .. }) in watched {
            frame.filter = match (before.is_some_and(|before| filter.wants(&before)), filter.wants(&after)) {
                (false, false) => continue,
                (true, true) => None,
                (false, true) => (!added).then_some("entered"),
                (true, false) => Some("left"),
            };
            say(topic, &frame);
        }
    }
    /// A removal is told to everyone: a deleted row has no traits that a filter could look at.
    fn tell_deleted(&self, id: u64, watched: &AllWatched, out: &mut Broadcasts) {
        // Older clients know no other word for a removal than `archived`.
        let [archived, deleted] = ["archived", "deleted"]
            .map(|action| json!({"action": action, "event": "stream.deleted", "deleted": true, "stream": {"id": id}}));
        for topic in std::iter::once(&self.all).chain(watched.keys()) {
            out.say(topic, &archived);
            out.say(topic, &deleted);
        }
    }
}

/// The `action` and the `event` of a fact about a row; `None` for what dashboards are not told.
fn named(fact: &StreamFact) -> Option<(&'static str, &'static str)> {
    match fact {
        StreamFact::StreamAdded { .. } => Some(("created", "stream.created")),
        StreamFact::StreamArchived { .. } => Some(("archived", "stream.archived")),
        StreamFact::StreamPinned { .. } => Some(("updated", "stream.pinned")),
        StreamFact::BlanksFilled { changes, .. }
        | StreamFact::FieldsChanged { changes, .. }
        | StreamFact::StreamUnpinned { changes, .. }
        | StreamFact::StreamUnarchived { changes, .. } => (!changes.is_empty()).then_some(("updated", "stream.updated")),
        StreamFact::StreamDeleted { .. }
        | StreamFact::CellLocked { .. }
        | StreamFact::CellUnlocked { .. }
        | StreamFact::LinkLent { .. }
        | StreamFact::LinkMoved { .. } => None,
    }
}

impl Channel for StreamsChannel {
    fn name(&self) -> &'static str {
        "StreamsChannel"
    }
    fn admit<'a>(&'a self, subscribing: Subscribing<'a>, hub: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async move {
            // Somebody unnamed is at the edge only where the deployment opened this channel to the public (C20).
            if !subscribing.who.is_anonymous() {
                subscribing.who.require(permission::STREAMS_READ)?;
            }
            let filter = Filter::read(subscribing.params)?;
            Ok(Admission::to([self.watch(filter, &subscribing, |topic| hub.begin(topic))?]))
        })
    }
    fn left<'a>(&'a self, leaving: Leaving<'a>, _hub: &'a Hub) -> BoxFuture<'a, ()> {
        Box::pin(async move { self.forget(&leaving) })
    }
    fn retelling(&self, topic: &Topic) -> Option<Retelling> {
        let watched = match *topic == self.all {
            true => HashMap::new(),
            // Who asks is watching.
            false => HashMap::from([(topic.clone(), Watched::through(self.watched.lock().get(topic)?.filter.clone()))]),
        };
        Some(self.board.retelling(|board| Self { watched: Mutex::new(watched), ..Self::new(board) }))
    }
    fn render(&self, commit: &Commit, out: &mut Broadcasts) {
        if commit.entity.kind() != Stream::KIND {
            return;
        }
        // A record that cannot be read has stopped the relay before it comes here.
        let of_turn = |turn: &Turn| turn.facts_of().flatten().map(|fact| (turn.command, fact)).collect::<Vec<_>>();
        let facts: Vec<(CommandId, StreamFact)> = commit.turns.iter().flat_map(of_turn).collect();
        // The board shows each row as the whole commit left it; walking back from there gives what it was before each fact.
        let mut traits: HashMap<u64, Traits> = HashMap::new();
        for (_, fact) in facts.iter().rev() {
            let Some(kept) = self.board.kept(fact.stream()) else { continue };
            let before = traits.entry(fact.stream()).or_insert_with(|| Traits::of(&kept.stream));
            fact.changes().iter().for_each(|change| before.undo(change));
        }
        // Whoever begins to watch does so before a commit is rendered or after it.
        let watched = self.watched.lock();
        for (command, fact) in &facts {
            out.turn(*command);
            if let StreamFact::StreamDeleted { id } = fact {
                self.tell_deleted(*id, &watched, out);
                continue;
            }
            let Some(now) = traits.get_mut(&fact.stream()) else { continue };
            let before = (!matches!(fact, StreamFact::StreamAdded { .. })).then_some(*now);
            fact.changes().iter().for_each(|change| now.redo(change));
            self.tell(fact, before, *now, &watched, out);
        }
    }
}

#[cfg(test)]
mod tests;
