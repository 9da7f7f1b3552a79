//! Everything that can go wrong, at random and all at once: whatever was acknowledged is written, once; whatever was not, at most once.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::task::JoinSet;
use trunkline_actors::{
    AskError, Asking, Broadcast, Hub, Kept, Outcome, Pattern, Retention, Retentions,
    testing::{self, Recorder},
};
use trunkline_persistence::{Fault, Journal as _, MemoryJournal};
use trunkline_protocol::{CommandId, EntityId, Position, Topic};

use crate::world::*;

const STORMS: u64 = 12;
const STEPS: usize = 80;
const KEYS: [&str; 3] = ["a", "b", "c"];

/// A wish, every answer that it got, and whether it was made by one asker only, once.
#[derive(Clone)]
struct Wished {
    key: &'static str,
    command: Command,
    asking: Asking,
}
type Answer = Result<Outcome<Counter>, AskError>;
type Answers = Arc<Mutex<HashMap<CommandId, Vec<Answer>>>>;

struct Storm {
    random: StdRng,
    journal: Arc<MemoryJournal>,
    hub: Hub,
    told: Arc<Recorder>,
    opened_at: Position,
    wished: Vec<Wished>,
    answers: Answers,
    /// Every integer that was given.
    ids: Arc<Mutex<Vec<u64>>>,
    /// What was published on this hub, and is known to have been told.
    published: Arc<Mutex<Vec<u64>>>,
    asks: JoinSet<()>,
}

#[test]
fn keeps_every_promise_through_any_storm() {
    for seed in 0..STORMS {
        // One runtime each: what a dead process left behind dies with it.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let mut storm = Storm::begin(seed).await;
            for _ in 0..STEPS {
                storm.step().await;
            }
            storm.calm(seed).await;
        });
    }
}

/// A hub that keeps what is published on one topic in its journal, and on the other in memory.
async fn hub_on(journal: &Arc<MemoryJournal>) -> Hub {
    let remembered = Retention { kept: Kept::Memory, ..Retention::STANDARD };
    let mut plan = plan();
    plan.retain(Retentions::new(vec![(Pattern::new("remembered"), remembered)], Retention::STANDARD));
    testing::hub_on(plan, journal.clone()).await
}

impl Storm {
    async fn begin(seed: u64) -> Self {
        let journal = MemoryJournal::new();
        let hub = hub_on(&journal).await;
        let told = Recorder::attached_to(&hub);
        let random = StdRng::seed_from_u64(seed);
        let (wished, answers, ids, published, asks) = Default::default();
        Self { random, journal, hub, told, opened_at: 0, wished, answers, ids, published, asks }
    }
    async fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..32 => self.wish(),
            32..35 => self.count(),
            35..40 => self.publish(),
            40..50 => self.wish_again(),
            50..62 => self.faults(),
            62..66 => self.journal.fail_reads(self.random.random_range(0..3)),
            66..68 => self.journal.fail_saves(1),
            68..72 => self.journal.pause(),
            72..78 => self.journal.sync(),
            78..82 => self.hub.retire_everybody(),
            82..85 => {
                let key = KEYS[self.random.random_range(0..KEYS.len())];
                // An entity that rests cannot be crashed.
                let _ = self.hub.crash(&EntityId::new("counter", key), "a storm").await;
            }
            85..96 => tokio::time::sleep(Duration::from_millis(self.random.random_range(0..40))).await,
            96..98 => tokio::time::sleep(Duration::from_secs(self.random.random_range(1..150))).await,
            _ => self.die().await,
        }
    }
    fn wish(&mut self) {
        let key = KEYS[self.random.random_range(0..KEYS.len())];
        let command = match self.random.random_range(0..20) {
            0 => Command::Panic,
            1 => Command::Add(2_000_000),
            2 => Command::Large(self.random.random_range(1..70_000)),
            3 => Command::RingAfter(Duration::from_millis(self.random.random_range(0..200_000))),
            4 => Command::Whisper(1),
            5..9 => Command::AddAt { total: self.random.random_range(0..6), add: 1 },
            _ => Command::Add(self.random.random_range(1..5)),
        };
        self.wished.push(Wished { key, command, asking: house(&self.hub) });
        self.ask(self.wished.len() - 1);
    }
    fn wish_again(&mut self) {
        if !self.wished.is_empty() {
            let at = self.random.random_range(0..self.wished.len());
            self.ask(at);
        }
    }
    fn ask(&mut self, at: usize) {
        let (hub, answers) = (self.hub.clone(), Arc::clone(&self.answers));
        let Wished { key, command, asking } = self.wished[at].clone();
        self.asks.spawn(async move {
            let id = asking.command;
            let answer = hub.ask::<Counter>(key, command, asking).await;
            answers.lock().entry(id).or_default().push(answer);
        });
    }
    fn count(&mut self) {
        let (hub, ids) = (self.hub.clone(), Arc::clone(&self.ids));
        self.asks.spawn(async move {
            let given = hub.next_id("storms").await;
            ids.lock().extend(given);
        });
    }
    fn publish(&mut self) {
        let (hub, published, number) = (self.hub.clone(), Arc::clone(&self.published), self.random.random());
        let (topic, keep) = (Topic::pubsub(["kept", "remembered"][self.random.random_range(0..2)]), self.random.random());
        self.asks.spawn(async move {
            if hub.publish_all(vec![(Broadcast::new(topic, u64::to_string(&number)), keep)]).await.is_ok() {
                published.lock().push(number);
            }
        });
    }
    fn faults(&mut self) {
        let faults = (0..self.random.random_range(1..4)).map(|_| match self.random.random_range(0..6) {
            0 => Fault::AnswerLost,
            1 => Fault::RequestLost,
            2 => Fault::Conflict,
            3 => Fault::Overloaded,
            4 => Fault::Full,
            _ => Fault::Slow(Duration::from_millis(self.random.random_range(0..60))),
        });
        let faults: Vec<Fault> = faults.collect();
        self.journal.fail_next(faults);
    }
    /// The process is killed, and another comes.
    async fn die(&mut self) {
        self.journal = self.journal.restarted();
        self.opened_at = self.journal.head();
        self.hub = hub_on(&self.journal).await;
        self.told = Recorder::attached_to(&self.hub);
        self.published = Arc::default();
    }
    /// Whoever still waits is answered; then it is seen what was true of all that was said.
    async fn calm(mut self, seed: u64) {
        self.journal.fail_reads(0);
        self.journal.sync();
        while self.asks.join_next().await.is_some() {}
        // Every fault that is left strikes somebody who does not count.
        tokio::time::sleep(Duration::from_secs(100)).await;
        self.check_answers(seed);
        self.check_telling(seed).await;
        self.check_publishing(seed);
        self.hub.close().await;
        self.check_totals(seed).await;
    }
    fn check_answers(&self, seed: u64) {
        let mut written: HashMap<CommandId, Vec<(Position, u64, Vec<Fact>)>> = HashMap::new();
        for commit in self.journal.commits().iter().filter(|commit| commit.entity.kind() == "counter") {
            for turn in &commit.turns {
                let facts = turn.facts_of::<Fact>().collect::<Result<Vec<_>, _>>().expect("facts");
                written.entry(turn.command).or_default().push((commit.position, commit.version, facts));
            }
        }
        for (command, times) in &written {
            assert_eq!(times.len(), 1, "storm {seed}: {command:?} was written more than once: {times:?}");
        }
        for (command, answers) in self.answers.lock().iter() {
            let places = written.get(command).and_then(|times| times.first());
            for outcome in answers.iter().flatten().filter(|outcome| outcome.position > 0) {
                let (position, version, facts) =
                    places.unwrap_or_else(|| panic!("storm {seed}: {command:?} was acknowledged and is not written"));
                let said = (outcome.position, outcome.version, &outcome.facts);
                assert_eq!(said, (*position, *version, facts), "storm {seed}: {command:?}");
            }
            let first = answers.iter().flatten().filter(|outcome| outcome.position > 0 && !outcome.replayed).count();
            assert!(first <= 1, "storm {seed}: {command:?} was answered as new {first} times");
            let nothing = |answer: &Answer| {
                matches!(answer, Err(AskError::Refused(_) | AskError::Overloaded | AskError::Full | AskError::Quarantined))
            };
            assert!(
                !answers.iter().all(nothing) || places.is_none(),
                "storm {seed}: {command:?} was written and denied: {answers:?}"
            );
        }
    }
    /// Every addition since the hub was opened has been told once, in the order of the journal.
    async fn check_telling(&self, seed: u64) {
        self.hub.seen(self.journal.head()).await.expect("the relay follows");
        // It is told a moment after it can be seen.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let told = self.told.on(&all()).into_iter().filter(|message| message["added"].is_u64());
        let told: Vec<_> = told.map(|message| (message["key"].clone(), message["added"].clone())).collect();
        let commits = self.journal.commits();
        let later = commits.iter().filter(|commit| commit.position > self.opened_at && commit.entity.kind() == "counter");
        let added =
            later.flat_map(|commit| commit.facts_of::<Fact>().map(move |fact| (commit.entity.key(), fact.expect("a fact"))));
        let added = added.filter_map(|(key, fact)| if let Fact::Added(add) = fact { Some((key.into(), add.into())) } else { None });
        assert_eq!(told, added.collect::<Vec<_>>(), "storm {seed}");
    }
    /// What was published with success has been told once, whatever else was told at most once; and no number was given twice.
    fn check_publishing(&self, seed: u64) {
        let told = self.told.told().into_iter().filter(|broadcast| broadcast.topic.is_pubsub());
        let mut times = BTreeMap::<u64, usize>::new();
        for broadcast in told {
            let number = std::str::from_utf8(&broadcast.message).ok().and_then(|text| text.parse().ok()).expect("a number");
            *times.entry(number).or_default() += 1;
        }
        assert!(times.values().all(|times| *times == 1), "storm {seed}: {times:?}");
        assert!(self.published.lock().iter().all(|number| times.contains_key(number)), "storm {seed}: published and not told");
        let mut ids = self.ids.lock().clone();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "storm {seed}: {ids:?}");
    }
    /// What entities and projections hold is what the journal says: as they are, and built anew.
    async fn check_totals(&self, seed: u64) {
        let mut totals = BTreeMap::<String, u64>::new();
        for commit in self.journal.commits().iter().filter(|commit| commit.entity.kind() == "counter") {
            for fact in commit.facts_of::<Fact>().flatten() {
                if let Fact::Added(add) = fact {
                    *totals.entry(commit.entity.key().to_owned()).or_default() += add;
                }
            }
        }
        let hub_journal = self.journal.restarted();
        let hub = hub_on(&hub_journal).await;
        assert_eq!(hub.projection::<Tally>().totals(), totals, "storm {seed}");
        for key in KEYS {
            assert_eq!(total(&hub, key).await, totals.get(key).copied().unwrap_or(0), "storm {seed}: {key}");
        }
        // And every alarm that was asked for rings, or gives way to a later one.
        tokio::time::sleep(Duration::from_secs(1000)).await;
        let mut waiting = BTreeMap::new();
        for commit in hub_journal.commits().iter().filter(|commit| commit.entity.kind() == "counter") {
            for fact in commit.facts_of::<Fact>().flatten() {
                match fact {
                    Fact::AlarmAsked(at) => drop(waiting.insert(commit.entity.clone(), at)),
                    Fact::Rang => drop(waiting.remove(&commit.entity)),
                    Fact::Added(_) | Fact::Filled(_) => {}
                }
            }
        }
        assert!(waiting.is_empty(), "storm {seed}: {waiting:?} at {}", hub.clock().now());
    }
}
