//! For tests, here and in hubs of one's own: rules as given / when / then, without a runtime.
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

use std::fmt::Debug;

use trunkline_protocol::{CommandId, Principal, Refusal, Timestamp, Version};

use crate::{Asking, Decision, Entity, Written};

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
    #[must_use]
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
