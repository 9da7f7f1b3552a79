//! A small world: counters that can be added to, panic, ring and whisper; a tally of them; a channel that shows them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::json;
use trunkline_actors::*;
use trunkline_persistence::Piece;
use trunkline_protocol::{
    CodecError, Commit, Notice, Record, Refusal, Timestamp, Topic,
    codec::{self, kinds},
};

/// A counter with a bound, an alarm and a bug.
#[derive(Default, Serialize, Deserialize)]
pub struct Counter {
    pub total: u64,
    pub heard: u64,
    pub rings_at: Option<Timestamp>,
    pub rung: u64,
}
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    Add(u64),
    /// Adds only if the total is this.
    AddAt {
        total: u64,
        add: u64,
    },
    Read,
    Panic,
    Whisper(u64),
    Large(u32),
    RingAfter(Duration),
    Ring,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fact {
    Added(u64),
    Filled(Vec<u8>),
    AlarmAsked(Timestamp),
    Rang,
}
impl Record for Fact {
    const KIND: u16 = kinds::CUSTOM;
    const SCHEMA: u8 = 1;
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Whispered(pub u64);
impl Record for Whispered {
    const KIND: u16 = kinds::CUSTOM + 1;
    const SCHEMA: u8 = 1;
}
impl Entity for Counter {
    const KIND: &'static str = "counter";
    type Command = Command;
    type Fact = Fact;
    type Notice = Whispered;
    fn decide(&self, command: &Command, asking: &Asking) -> Result<Decision<Self>, Refusal> {
        match command {
            Command::Add(add) if self.total + add > 1_000_000 => Err(Refusal::conflict("FULL", "It is full.")),
            Command::Add(add) => Ok(Decision::fact(Fact::Added(*add))),
            Command::AddAt { total, .. } if *total != self.total => Err(Refusal::conflict("MOVED", "It moved.").about(self.total)),
            Command::AddAt { add, .. } => Ok(Decision::fact(Fact::Added(*add))),
            Command::Read => Err(Refusal::conflict("TOTAL", "This is the total.").about(self.total)),
            Command::Panic => panic!("a bug in the rules"),
            Command::Whisper(word) => Ok(Decision::notice(Whispered(*word))),
            Command::Large(bytes) => Ok(Decision::fact(Fact::Filled(vec![7; *bytes as usize]))),
            Command::RingAfter(after) => Ok(Decision::fact(Fact::AlarmAsked(asking.at.plus(*after)))),
            Command::Ring => match self.rings_at {
                Some(at) if at <= asking.at => Ok(Decision::fact(Fact::Rang)),
                _ => Ok(Decision::nothing()),
            },
        }
    }
    fn begins(command: &Command) -> bool {
        matches!(command, Command::Add(_) | Command::AddAt { .. })
    }
    fn apply(&mut self, fact: &Fact, _: &Written) {
        match fact {
            Fact::Added(add) => self.total += add,
            Fact::Filled(_) => {}
            Fact::AlarmAsked(at) => self.rings_at = Some(*at),
            Fact::Rang => {
                self.rings_at = None;
                self.rung += 1;
            }
        }
    }
    fn hear(&mut self, Whispered(word): &Whispered, _: Timestamp) {
        self.heard += word;
    }
    fn alarm(&self) -> Option<(Timestamp, Command)> {
        self.rings_at.map(|at| (at, Command::Ring))
    }
}

/// The totals of all counters, and every commit it saw, in order.
#[derive(Default)]
pub struct Tally {
    pub inner: Mutex<Inner>,
    pub panics_once: AtomicBool,
    pub cannot_read: AtomicBool,
}
#[derive(Default)]
pub struct Inner {
    pub totals: BTreeMap<String, u64>,
    pub rang: u64,
    pub folds: u64,
    pub dirty: Vec<String>,
}
#[derive(Serialize, Deserialize)]
struct Row(u64);
impl Record for Row {
    const KIND: u16 = kinds::CUSTOM + 2;
    const SCHEMA: u8 = 1;
}
impl Tally {
    pub fn total(&self, key: &str) -> u64 {
        self.inner.lock().totals.get(key).copied().unwrap_or(0)
    }
    pub fn totals(&self) -> BTreeMap<String, u64> {
        self.inner.lock().totals.clone()
    }
}
impl Projection for Tally {
    fn name(&self) -> &'static str {
        "tally"
    }
    fn schema(&self) -> u8 {
        1
    }
    fn fold(&self, commit: &Commit) -> Result<(), CodecError> {
        if commit.entity.kind() != Counter::KIND {
            return Ok(());
        }
        if self.cannot_read.load(Ordering::SeqCst) {
            return Err(CodecError::UnknownSchema { kind: Fact::KIND, schema: 9 });
        }
        let mut inner = self.inner.lock();
        inner.folds += 1;
        for fact in commit.facts_of::<Fact>() {
            match fact? {
                Fact::Added(add) => *inner.totals.entry(commit.entity.key().to_owned()).or_default() += add,
                Fact::Rang => inner.rang += 1,
                Fact::Filled(_) | Fact::AlarmAsked(_) => {}
            }
            if self.panics_once.swap(false, Ordering::SeqCst) {
                panic!("a bug in the projection, in the middle of a commit");
            }
        }
        inner.dirty.push(commit.entity.key().to_owned());
        Ok(())
    }
    fn changed(&self) -> Vec<Piece> {
        let mut inner = self.inner.lock();
        let dirty = std::mem::take(&mut inner.dirty);
        let piece =
            |key: String| Piece { value: inner.totals.get(&key).map(|total| codec::seal(&Row(*total))), key: key.into_bytes() };
        dirty.into_iter().map(piece).collect()
    }
    fn restore(&self, pieces: Vec<(Vec<u8>, Bytes)>) -> Result<(), CodecError> {
        let mut inner = Inner::default();
        for (key, value) in pieces {
            inner.totals.insert(String::from_utf8_lossy(&key).into_owned(), codec::open::<Row>(&value)?.0);
        }
        *self.inner.lock() = inner;
        Ok(())
    }
}

/// Shows every addition with the total that the tally holds, on one topic for all and one per counter.
pub struct Shown(pub Arc<Tally>);
pub fn all() -> Topic {
    Topic::channel("counters")
}
pub fn one(key: &str) -> Topic {
    Topic::channel(format!("counter:{key}"))
}
impl Channel for Shown {
    fn name(&self) -> &'static str {
        "CountersChannel"
    }
    fn admit<'a>(&'a self, _: Subscribing<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Admission, AskError>> {
        Box::pin(async { Ok(Admission::to([all()])) })
    }
    fn perform<'a>(&'a self, action: Action<'a>, _: &'a Hub) -> BoxFuture<'a, Result<Performed, AskError>> {
        Box::pin(async move {
            assert!(action.name != "panic", "a bug in the channel");
            Ok(Performed::transmit(json!({"did": action.name})))
        })
    }
    fn render(&self, commit: &Commit, out: &mut Broadcasts) {
        for fact in commit.facts_of::<Fact>().flatten() {
            if let Fact::Added(add) = fact {
                let key = commit.entity.key();
                assert!(add != 666, "a bug in the channel");
                out.say(&all(), &json!({"key": key, "added": add, "total": self.0.total(key)}));
                out.say(&one(key), &json!({"added": add}));
            }
        }
    }
    fn render_notice(&self, notice: &Notice, out: &mut Broadcasts) {
        if let Ok(Some(Whispered(word))) = notice.open::<Whispered>() {
            out.say(&all(), &json!({"whispered": word, "total": self.0.total(notice.entity.key())}));
        }
    }
}

pub fn plan() -> Plan {
    let mut plan = Plan::new();
    let tally = Arc::new(Tally::default());
    plan.entity::<Counter>().projection(Arc::clone(&tally)).channel(Shown(tally));
    plan
}
pub fn house(hub: &Hub) -> Asking {
    hub.asking(&trunkline_protocol::Principal::house())
}
/// Asks as the house.
pub async fn ask(hub: &Hub, key: &str, command: Command) -> Result<Outcome<Counter>, AskError> {
    hub.ask::<Counter>(key, command, house(hub)).await
}
/// The total as the entity itself knows it.
pub async fn total(hub: &Hub, key: &str) -> u64 {
    match ask(hub, key, Command::Read).await {
        Err(AskError::Refused(refusal)) => refusal.subject.and_then(|total| total.parse().ok()).expect("the total"),
        other => panic!("{other:?}"),
    }
}
