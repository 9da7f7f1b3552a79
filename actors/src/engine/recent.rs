//! The last broadcasts of topics whose history is kept in memory only: filled by the relay just before they are told, asked by the edge.
//!
//! Offsets begin at 1 and grow by 1 along a topic; the epoch is made up anew whenever the hub opens, and whenever topics had to be forgotten,
//! and then they begin beyond all that were forgotten: no offset ever means two things, and none is smaller than one that was told before. Bounded in broadcasts and age per topic, and in topics and bytes over all.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;
use trunkline_protocol::{Timestamp, Topic, limits::RECENT_BYTES_MAX};

use super::retention::Retention;
use crate::{Broadcast, History, Offset, Since};

/// How many topics are remembered, those included of which nothing is kept any longer but the last offset.
const TOPICS_MAX: usize = 100_000;
/// What a kept broadcast costs beside its message.
const OVERHEAD: usize = 128;

/// What was said lately.
pub(crate) struct Recent {
    shelves: Mutex<Shelves>,
}

struct Shelves {
    /// That of topics which are first heard of from now on.
    epoch: Arc<str>,
    /// No topic that was forgotten has told a greater offset.
    floor: u64,
    topics: HashMap<Topic, Shelf>,
    /// Every kept broadcast in the order of the telling, and some that are gone already.
    order: VecDeque<(Topic, u64)>,
    kept: usize,
    bytes: usize,
    topics_max: usize,
    bytes_max: usize,
}

struct Shelf {
    epoch: Arc<str>,
    /// The offset of the newest; those before it have the numbers before it, without a gap.
    last: u64,
    kept: VecDeque<Remembered>,
}

struct Remembered {
    at: Timestamp,
    message: Bytes,
    conflate: Option<Arc<str>>,
    kind: Option<Arc<str>>,
}

impl Remembered {
    fn bytes(&self) -> usize {
        self.message.len() + OVERHEAD
    }
}

impl Shelf {
    fn first(&self) -> u64 {
        self.last + 1 - self.kept.len() as u64
    }
    fn broadcast(&self, topic: &Topic, offset: u64, remembered: &Remembered) -> Broadcast {
        Broadcast {
            offset: Some(Offset { epoch: Arc::clone(&self.epoch), offset }),
            conflate: remembered.conflate.clone(),
            kind: remembered.kind.clone(),
            ..Broadcast::new(topic.clone(), remembered.message.clone())
        }
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self::bounded(TOPICS_MAX, RECENT_BYTES_MAX)
    }
}

impl Recent {
    fn bounded(topics_max: usize, bytes_max: usize) -> Self {
        let shelves = Shelves {
            epoch: new_epoch(),
            floor: 0,
            topics: HashMap::new(),
            order: VecDeque::new(),
            kept: 0,
            bytes: 0,
            topics_max,
            bytes_max,
        };
        Self { shelves: Mutex::new(shelves) }
    }
    /// Keeps a broadcast that is about to be told, and gives it its place.
    pub(crate) fn keep(&self, broadcast: &mut Broadcast, retention: &Retention, now: Timestamp) {
        self.shelves.lock().keep(broadcast, retention, now);
    }
    /// The topic's history since a place.
    pub(crate) fn history(&self, topic: &Topic, since: Since<'_>, retention: &Retention, now: Timestamp) -> History {
        let shelves = self.shelves.lock();
        let Some(shelf) = shelves.topics.get(topic) else {
            return match since {
                Since::Seconds(_) => History::Recovered { broadcasts: Vec::new(), upto: shelves.floor },
                Since::After { .. } => History::Gone,
            };
        };
        let oldest = now.minus(retention.ttl);
        // Skipped, not filtered: where the clock was set back, something old stands behind something young, and a history has no hole.
        let numbered = (shelf.first()..).zip(&shelf.kept);
        let mut young = numbered.skip_while(|(_, one)| one.at < oldest).peekable();
        let first = young.peek().map_or(shelf.last + 1, |(offset, _)| *offset);
        if let Since::After { epoch, offset } = since
            && (*epoch != *shelf.epoch || offset > shelf.last || offset + 1 < first)
        {
            return History::Gone;
        }
        let wanted = young.skip_while(|(offset, one)| match since {
            Since::Seconds(second) => one.at.as_seconds() < second,
            Since::After { offset: seen, .. } => *offset <= seen,
        });
        let broadcasts = wanted.map(|(offset, one)| shelf.broadcast(topic, offset, one)).collect();
        History::Recovered { broadcasts, upto: shelf.last }
    }
}

impl Shelves {
    fn keep(&mut self, broadcast: &mut Broadcast, retention: &Retention, now: Timestamp) {
        let Self { epoch, floor, topics, order, .. } = self;
        let topic = &broadcast.topic;
        let begin = || Shelf { epoch: Arc::clone(epoch), last: *floor, kept: VecDeque::new() };
        let shelf = topics.entry(topic.clone()).or_insert_with(begin);
        let remembered = Remembered {
            at: now,
            message: broadcast.message.clone(),
            conflate: broadcast.conflate.clone(),
            kind: broadcast.kind.clone(),
        };
        shelf.last += 1;
        broadcast.offset = Some(Offset { epoch: Arc::clone(&shelf.epoch), offset: shelf.last });
        order.push_back((topic.clone(), shelf.last));
        self.kept += 1;
        self.bytes += remembered.bytes();
        shelf.kept.push_back(remembered);
        let oldest = now.minus(retention.ttl);
        while shelf.kept.len() > retention.broadcasts_max || shelf.kept.front().is_some_and(|one| one.at < oldest) {
            let Some(gone) = shelf.kept.pop_front() else { break };
            self.kept -= 1;
            self.bytes -= gone.bytes();
        }
        while self.bytes > self.bytes_max {
            self.drop_oldest();
        }
        if self.order.len() > 2 * self.kept + 1024 {
            let topics = &self.topics;
            self.order.retain(|(topic, offset)| topics.get(topic).is_some_and(|shelf| *offset >= shelf.first()));
        }
        if self.topics.len() > self.topics_max {
            self.forget_topics();
        }
    }
    fn drop_oldest(&mut self) {
        let Some((topic, offset)) = self.order.pop_front() else { return };
        let Some(shelf) = self.topics.get_mut(&topic).filter(|shelf| shelf.first() == offset) else { return };
        let Some(gone) = shelf.kept.pop_front() else { return };
        self.kept -= 1;
        self.bytes -= gone.bytes();
    }
    /// A tenth of the topics go: those of which nothing is kept, then those that have been silent for longest. Were one of them heard of
    /// again under the same epoch, its offsets would mean two things.
    fn forget_topics(&mut self) {
        self.epoch = new_epoch();
        self.floor = self.topics.values().map(|shelf| shelf.last).fold(self.floor, u64::max);
        self.topics.retain(|_, shelf| !shelf.kept.is_empty());
        while self.topics.len() > self.topics_max - self.topics_max / 10 && !self.order.is_empty() {
            let topic = self.order.front().map(|(topic, _)| topic.clone());
            self.drop_oldest();
            if let Some(topic) = topic
                && self.topics.get(&topic).is_some_and(|shelf| shelf.kept.is_empty())
            {
                self.topics.remove(&topic);
            }
        }
    }
}

fn new_epoch() -> Arc<str> {
    uuid::Uuid::new_v4().simple().to_string()[..12].into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{engine::retention::Kept, testing::MOMENT};

    const KEPT: Retention = Retention { kept: Kept::Memory, broadcasts_max: 3, ttl: Duration::from_secs(60) };

    fn say(recent: &Recent, topic: &Topic, number: u32, at: Timestamp) -> Offset {
        let mut broadcast = Broadcast::new(topic.clone(), number.to_string());
        recent.keep(&mut broadcast, &KEPT, at);
        broadcast.offset.expect("it has a place")
    }
    fn told(history: History) -> Option<Vec<(u64, String)>> {
        let History::Recovered { broadcasts, .. } = history else { return None };
        let told = |one: Broadcast| (one.offset.map_or(0, |at| at.offset), String::from_utf8(one.message.to_vec()).expect("text"));
        Some(broadcasts.into_iter().map(told).collect())
    }

    #[test]
    fn numbers_each_topic_from_one_and_tells_what_came_after_a_place() {
        let (recent, chat, other) = (Recent::default(), Topic::pubsub("chat"), Topic::pubsub("other"));
        let at = |number| say(&recent, &chat, number, MOMENT);
        let epoch = at(1).epoch;
        assert_eq!((at(2).offset, say(&recent, &other, 9, MOMENT).offset, at(3).offset, at(4).offset), (2, 1, 3, 4));
        let after = |offset| told(recent.history(&chat, Since::After { epoch: &epoch, offset }, &KEPT, MOMENT));
        // Three are kept: whoever saw the first has missed nothing that is gone.
        assert_eq!(after(1), Some(vec![(2, "2".into()), (3, "3".into()), (4, "4".into())]));
        assert_eq!(after(4), Some(vec![]));
        assert_eq!((after(0), after(5)), (None, None));
        let foreign = Since::After { epoch: "other", offset: 3 };
        assert_eq!(told(recent.history(&chat, foreign, &KEPT, MOMENT)), None);
        let unknown = Topic::pubsub("unknown");
        assert_eq!(told(recent.history(&unknown, Since::After { epoch: &epoch, offset: 0 }, &KEPT, MOMENT)), None);
        assert_eq!(told(recent.history(&unknown, Since::Seconds(1), &KEPT, MOMENT)), Some(vec![]));
    }

    #[test]
    fn tells_by_time_and_nothing_that_is_too_old() {
        let (recent, chat) = (Recent::default(), Topic::pubsub("chat"));
        let seconds = |seconds| MOMENT.plus(Duration::from_secs(seconds));
        let epoch = say(&recent, &chat, 1, MOMENT).epoch;
        say(&recent, &chat, 2, seconds(30));
        let since = |second, now| told(recent.history(&chat, Since::Seconds(second), &KEPT, now));
        assert_eq!(since(MOMENT.as_seconds(), seconds(30)).map(|told| told.len()), Some(2));
        assert_eq!(since(MOMENT.as_seconds() + 1, seconds(30)), Some(vec![(2, "2".into())]));
        assert_eq!(since(1, seconds(61)), Some(vec![(2, "2".into())]));
        assert_eq!(since(1, seconds(91)), Some(vec![]));
        let after = |offset, now| told(recent.history(&chat, Since::After { epoch: &epoch, offset }, &KEPT, now));
        assert_eq!(after(0, seconds(61)), None, "the first is too old by now, and was missed");
        assert_eq!((after(1, seconds(91)), after(2, seconds(91))), (None, Some(vec![])));
    }

    #[test]
    fn keeps_within_its_bytes_the_oldest_of_all_topics_goes_first() {
        let recent = Recent::bounded(100, 4 * (OVERHEAD + 1));
        let (one, two) = (Topic::pubsub("1"), Topic::pubsub("2"));
        let epoch = say(&recent, &one, 1, MOMENT).epoch;
        for number in 1..=3 {
            say(&recent, &two, number, MOMENT);
        }
        say(&recent, &one, 2, MOMENT);
        assert_eq!(told(recent.history(&one, Since::After { epoch: &epoch, offset: 0 }, &KEPT, MOMENT)), None);
        assert_eq!(told(recent.history(&one, Since::Seconds(1), &KEPT, MOMENT)), Some(vec![(2, "2".into())]));
        for number in 0..10_000 {
            say(&recent, &two, number % 10, MOMENT);
        }
        let shelves = recent.shelves.lock();
        assert!(shelves.order.len() < 2_000 && shelves.bytes <= shelves.bytes_max);
        let bytes: usize = shelves.topics.values().flat_map(|shelf| &shelf.kept).map(Remembered::bytes).sum();
        assert_eq!(shelves.bytes, bytes);
    }

    #[test]
    fn an_offset_means_one_thing_even_where_a_topic_was_forgotten() {
        let recent = Recent::bounded(10, usize::MAX);
        let first = Topic::pubsub("first");
        let at = say(&recent, &first, 1, MOMENT);
        for number in 0..10 {
            say(&recent, &Topic::pubsub(number), number, MOMENT);
        }
        assert!(recent.shelves.lock().topics.len() <= 10);
        let again = say(&recent, &first, 2, MOMENT);
        assert_eq!(again.offset, 2, "whoever was told the first is told this one, too");
        let since = Since::After { epoch: &at.epoch, offset: at.offset };
        assert_eq!(told(recent.history(&first, since, &KEPT, MOMENT)), None);
    }
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Say { topic: usize },
        Clock { seconds: i64 },
        AskAfter { topic: usize, back: usize },
        AskSince { topic: usize, seconds: i64 },
    }
    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            5 => (0..6_usize).prop_map(|topic| Step::Say { topic }),
            2 => (-90..90_i64).prop_map(|seconds| Step::Clock { seconds }),
            3 => (0..6_usize, 0..6_usize).prop_map(|(topic, back)| Step::AskAfter { topic, back }),
            1 => (0..6_usize, -90..90_i64).prop_map(|(topic, seconds)| Step::AskSince { topic, seconds }),
        ]
    }

    proptest! {
        // Against all that was ever said: whatever is told has no hole and no end too early, also where the clock went back. A clock that
        // never did, and room enough, and nothing is gone that a topic must keep.
        #[test]
        fn tells_everything_after_a_place_or_that_it_is_gone(steps in proptest::collection::vec(step(), 0..120), crowded: bool) {
            let recent = if crowded { Recent::bounded(4, 9 * (OVERHEAD + 1)) } else { Recent::bounded(100, usize::MAX) };
            let mut said = vec![Vec::<(Offset, String, i64)>::new(); 6];
            let (mut now, mut went_back) = (MOMENT.as_seconds(), false);
            let (at, topic) = (|second: i64| Timestamp::from_millis(second * 1000), |of: usize| Topic::pubsub(of));
            for (number, step) in (0..).zip(steps) {
                match step {
                    Step::Say { topic: of } => {
                        let offset = say(&recent, &topic(of), number % 10, at(now));
                        said[of].push((offset, (number % 10).to_string(), now));
                    }
                    Step::Clock { seconds } => {
                        now += seconds;
                        went_back |= seconds < 0;
                    }
                    Step::AskAfter { topic: of, back } => {
                        let Some(seen) = said[of].len().checked_sub(back + 1) else { continue };
                        let Offset { epoch, offset } = said[of][seen].0.clone();
                        let after = &said[of][seen + 1..];
                        let history = recent.history(&topic(of), Since::After { epoch: &epoch, offset }, &KEPT, at(now));
                        let young = after.iter().all(|(.., at)| *at >= now - 60);
                        if let Some(told) = told(history) {
                            prop_assert_eq!(told, after.iter().map(|(at, text, _)| (at.offset, text.clone())).collect::<Vec<_>>());
                        } else {
                            prop_assert!(crowded || went_back || after.len() > KEPT.broadcasts_max || !young, "it is kept, and was not told");
                        }
                    }
                    Step::AskSince { topic: of, seconds } => {
                        let second = now + seconds;
                        let told = told(recent.history(&topic(of), Since::Seconds(second), &KEPT, at(now))).expect("never gone");
                        let newest: Vec<_> = said[of].iter().map(|(at, text, _)| (at.offset, text.clone())).collect();
                        prop_assert!(newest.ends_with(&told), "{told:?} of {newest:?}");
                        let wanted = said[of].iter().rev().take(KEPT.broadcasts_max).filter(|(.., at)| *at >= second.max(now - 60)).count();
                        prop_assert!(crowded || went_back || told.len() == wanted, "{told:?}, not {wanted}");
                    }
                }
            }
        }
    }
}
