//! For tests, here and in hubs of one's own: rules as given / when / then, without a runtime; and a whole hub in memory, whose clock a
//! paused tokio clock moves (`#[tokio::test(start_paused = true)]`), with an edge that only writes down what it is told.
//!
//! ```
//! # use serde::{Serialize, Deserialize};
//! # use trunkline_actors::{Asking, Decision, Entity, NoNotice, Written, testing::{asking, given}};
//! # use trunkline_protocol::{Principal, Record, Refusal, codec::kinds};
//! # #[derive(Default, Serialize, Deserialize)] struct Lamp { lit: bool }
//! # #[derive(Clone, Debug, Serialize, Deserialize)] enum LampCommand { Light }
//! # #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)] enum LampFact { Lit }
//! # impl Record for LampFact { const KIND: u16 = kinds::CUSTOM; const SCHEMA: u8 = 1; }
//! # impl Entity for Lamp {
//! #     const KIND: &'static str = "lamp"; type Command = LampCommand; type Fact = LampFact; type Notice = NoNotice;
//! #     fn decide(&self, _: &LampCommand, _: &Asking) -> Result<Decision<Self>, Refusal> {
//! #         if self.lit { Err(Refusal::conflict("LIT", "It is lit already.")) } else { Ok(Decision::fact(LampFact::Lit)) }
//! #     }
//! #     fn apply(&mut self, _: &LampFact, _: &Written) { self.lit = true; }
//! # }
//! given::<Lamp>([]).when(LampCommand::Light, asking(&Principal::house())).then([LampFact::Lit]);
//! given::<Lamp>([LampFact::Lit]).when(LampCommand::Light, asking(&Principal::house())).then_refused("LIT");
//! ```

use std::{fmt::Debug, sync::Arc};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;
use trunkline_persistence::{Journal, MemoryJournal};
use trunkline_protocol::{CommandId, Principal, Refusal, Timestamp, Topic, Version};

use crate::{Asking, Broadcast, Clock, Decision, Entity, Hub, HubConfig, Outlet, Plan, Written};

/// The moment at which tests begin: 2026-01-01T00:00:00Z.
pub const MOMENT: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A wish of `by` at [`MOMENT`], from no connection.
#[must_use]
pub fn asking(by: &Principal) -> Asking {
    asking_at(by, MOMENT)
}

/// A wish of `by` at `at`, from no connection.
#[must_use]
pub fn asking_at(by: &Principal, at: Timestamp) -> Asking {
    Asking { command: CommandId::new(), by: by.clone(), at, connection: None }
}

/// An entity with this history, written at [`MOMENT`], one commit per fact.
#[must_use]
pub fn given<E: Entity>(facts: impl IntoIterator<Item = E::Fact>) -> Given<E> {
    Given { entity: E::default(), version: 0 }.and_at(MOMENT, facts)
}

/// An entity with a history.
pub struct Given<E> {
    entity: E,
    version: Version,
}

impl<E: Entity> Given<E> {
    /// And these facts, written at `at`, one commit each.
    #[must_use]
    pub fn and_at(mut self, at: Timestamp, facts: impl IntoIterator<Item = E::Fact>) -> Self {
        for fact in facts {
            self.version += 1;
            self.entity.apply(&fact, &Written { version: self.version, at, command: CommandId(u128::from(self.version)) });
        }
        self
    }
    /// Retired, and awake again at `now`.
    #[must_use]
    pub fn waken(mut self, now: Timestamp) -> Self {
        self.entity.waken(now);
        self
    }
    /// Somebody asks. What comes of it is applied, so that a story can go on with [`Came::and`].
    pub fn when(mut self, command: E::Command, asking: Asking) -> Came<E> {
        let came = self.entity.decide(&command, &asking);
        if let Ok(decision) = &came {
            let written = Written { version: self.version + 1, at: asking.at, command: asking.command };
            self.version += u64::from(!decision.facts.is_empty());
            decision.facts.iter().for_each(|fact| self.entity.apply(fact, &written));
            decision.notices.iter().for_each(|notice| self.entity.hear(notice, asking.at));
        }
        Came { given: self, came }
    }
    /// The entity as it is now.
    #[must_use]
    pub fn state(&self) -> &E {
        &self.entity
    }
}

/// What came of a command.
#[must_use = "say what should have come of it: then, then_refused, then_nothing"]
pub struct Came<E: Entity> {
    given: Given<E>,
    came: Result<Decision<E>, Refusal>,
}

impl<E: Entity> Came<E> {
    /// These facts came of it; the story may go on.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = E::Fact>) -> Given<E>
    where
        E::Fact: PartialEq + Debug,
    {
        let expected: Vec<E::Fact> = expected.into_iter().collect();
        match self.came {
            Ok(decision) => assert_eq!(decision.facts, expected),
            Err(refusal) => panic!("expected {expected:?}, was refused: {refusal:?}"),
        }
        self.given
    }
    /// Nothing changed, and nothing was told.
    #[track_caller]
    pub fn then_nothing(self) -> Given<E>
    where
        E::Fact: Debug,
    {
        match self.came {
            Ok(decision) => {
                assert!(decision.facts.is_empty() && decision.notices.is_empty(), "facts came of it: {:?}", decision.facts)
            }
            Err(refusal) => panic!("expected nothing, was refused: {refusal:?}"),
        }
        self.given
    }
    /// It was refused with this code.
    #[track_caller]
    pub fn then_refused(self, code: &str) -> Given<E>
    where
        E::Fact: Debug,
    {
        match self.came {
            Ok(decision) => panic!("expected the refusal {code}, but these facts came of it: {:?}", decision.facts),
            Err(refusal) => assert_eq!(refusal.code, code, "{refusal:?}"),
        }
        self.given
    }
    /// These notices were told, whatever was written.
    #[track_caller]
    pub fn then_told(self, expected: impl IntoIterator<Item = E::Notice>) -> Given<E>
    where
        E::Notice: PartialEq + Debug,
    {
        let expected: Vec<E::Notice> = expected.into_iter().collect();
        match self.came {
            Ok(decision) => assert_eq!(decision.notices, expected),
            Err(refusal) => panic!("expected {expected:?} to be told, was refused: {refusal:?}"),
        }
        self.given
    }
    /// What came of it, for whoever wants to look closer.
    ///
    /// # Errors
    /// The refusal.
    pub fn came(self) -> Result<Decision<E>, Refusal> {
        self.came
    }
    /// The story goes on, whatever came of it.
    #[must_use]
    pub fn and(self) -> Given<E> {
        self.given
    }
}

/// A hub on a journal in memory; its clock shows [`MOMENT`] and moves with tokio's.
///
/// # Panics
/// Where it cannot be opened.
pub async fn hub(plan: Plan) -> Hub {
    hub_on(plan, MemoryJournal::new()).await
}

/// A hub on this journal: what a restart finds is `hub_on(plan(), journal.restarted())`.
///
/// # Panics
/// Where it cannot be opened.
pub async fn hub_on(plan: Plan, journal: Arc<dyn Journal>) -> Hub {
    Hub::open(plan, journal, HubConfig { clock: Clock::starting_at(MOMENT), ..HubConfig::default() })
        .await
        .expect("a test's hub opens")
}

/// An edge that writes down what it is told. `hub.attach(recorder.clone())`.
pub struct Recorder {
    told: Mutex<Vec<Broadcast>>,
    count: watch::Sender<usize>,
}

impl Recorder {
    /// One that has heard nothing, attached to `hub`.
    #[must_use]
    pub fn attached_to(hub: &Hub) -> Arc<Self> {
        let recorder = Arc::new(Self { told: Mutex::default(), count: watch::Sender::new(0) });
        hub.attach(Arc::clone(&recorder) as Arc<dyn Outlet>);
        recorder
    }
    /// Everything it was told, in order.
    #[must_use]
    pub fn told(&self) -> Vec<Broadcast> {
        self.told.lock().clone()
    }
    /// The messages on one topic, in order.
    #[must_use]
    pub fn on(&self, topic: &Topic) -> Vec<Value> {
        let told = self.told.lock();
        let own = told.iter().filter(|broadcast| broadcast.topic == *topic);
        own.map(|broadcast| serde_json::from_slice(&broadcast.message).expect("broadcasts are JSON")).collect()
    }
    /// Waits until it was told at least `count` broadcasts.
    pub async fn has(&self, count: usize) -> Vec<Broadcast> {
        let mut counted = self.count.subscribe();
        let enough =
            tokio::time::timeout(std::time::Duration::from_secs(10), counted.wait_for(|told| *told >= count)).await.is_ok();
        let told = self.told();
        assert!(enough, "was told {} broadcasts, expected {count}: {told:?}", told.len());
        told
    }
}

impl Outlet for Recorder {
    fn deliver(&self, batch: Arc<[Broadcast]>) -> BoxFuture<'_, ()> {
        let mut told = self.told.lock();
        told.extend(batch.iter().cloned());
        self.count.send_replace(told.len());
        Box::pin(async {})
    }
}
