//! Answers of one core: identical questions (a storm asks thousands) are answered from one reading of a history, framed once.

use std::{collections::HashMap, rc::Rc};

use trunkline_actors::{Broadcast, History, Since};
use trunkline_protocol::{
    Topic,
    cable::{Identifier, ServerFrame},
};

use crate::edge::{
    connection::Dialect,
    gateway::{Core, fanout::Composer},
    socket::FrameRun,
};

/// What all readings may hold; beyond it the next question begins anew.
const READINGS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Answers that still hold: until anything new is told on this core, and no longer than a beat of its pulse.
#[derive(Default)]
pub(in crate::edge::gateway) struct Readings {
    known: HashMap<Question, Rc<Reading>>,
    bytes: usize,
}

/// Everything on which an answer depends.
#[derive(PartialEq, Eq, Hash)]
struct Question {
    topic: Topic,
    since: Place,
    part: Part,
    identifier: usize,
    dialect: Dialect,
}

#[derive(PartialEq, Eq, Hash)]
enum Place {
    After(String, u64),
    Seconds(i64),
}

/// What of a history is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// A portion of what only the journal holds.
    Journal,
    /// The rest, which is in memory.
    Memory {
        /// It is the first topic, and the subscription is not confirmed yet: the confirmation goes out with it.
        first: bool,
        /// It is the last topic that was asked for: the word that this was all goes out with it.
        last: bool,
        /// From which offset on what is live waits for it: that is told whatever the clocks say.
        held: Option<u64>,
    },
}

/// A topic's history since a place, as it is written to a socket.
pub(super) struct Reading {
    /// Kept, because its address is part of the question.
    _identifier: Rc<Identifier>,
    pub run: FrameRun,
    /// The offset up to which it speaks.
    pub upto: u64,
}

/// To whom a history is told.
#[derive(Clone, Copy)]
pub(super) struct Hearer<'a> {
    pub identifier: &'a Rc<Identifier>,
    pub dialect: Dialect,
}

impl Readings {
    pub(in crate::edge::gateway) fn clear(&mut self) {
        if !self.known.is_empty() {
            *self = Self::default();
        }
    }
    fn keep(&mut self, question: Question, reading: &Rc<Reading>) {
        if self.bytes + reading.run.bytes.len() > READINGS_BYTES_MAX {
            self.clear();
        }
        self.bytes += reading.run.bytes.len();
        self.known.insert(question, reading.clone());
    }
}

impl Question {
    fn new(topic: &Topic, since: Since<'_>, part: Part, hearer: Hearer<'_>) -> Self {
        let since = match since {
            Since::After { epoch, offset } => Place::After(epoch.to_owned(), offset),
            Since::Seconds(seconds) => Place::Seconds(seconds),
        };
        Self { topic: topic.clone(), since, part, identifier: Rc::as_ptr(hearer.identifier).addr(), dialect: hearer.dialect }
    }
}

impl Core {
    /// What memory holds of a topic since a place; `None` where it does not hold all of it.
    pub(super) fn remembered(&self, topic: &Topic, since: Since<'_>, part: Part, hearer: Hearer<'_>) -> Option<Rc<Reading>> {
        let question = Question::new(topic, since, part, hearer);
        if let Some(known) = self.readings.borrow().known.get(&question) {
            return Some(known.clone());
        }
        let history = match (self.hub().history(topic, since), since, part) {
            (History::Recovered { broadcasts, upto }, Since::Seconds(_), Part::Memory { held: Some(held), .. }) if upto > held => {
                self.and_what_waited(topic, broadcasts, held)
            }
            (history, ..) => history,
        };
        self.framed(question, history, hearer)
    }
    /// The next portion of what only the journal holds of it: `None` where there is none, `Err` where it cannot be told.
    pub(super) async fn recalled(&self, topic: &Topic, since: Since<'_>, hearer: Hearer<'_>) -> Result<Option<Rc<Reading>>, ()> {
        let question = Question::new(topic, since, Part::Journal, hearer);
        if let Some(known) = self.readings.borrow().known.get(&question) {
            return Ok(Some(known.clone()));
        }
        match self.hub().recall(topic, since).await {
            Some(found) => self.framed(question, found, hearer).ok_or(()).map(Some),
            None => Ok(None),
        }
    }
    fn framed(&self, question: Question, history: History, hearer: Hearer<'_>) -> Option<Rc<Reading>> {
        let History::Recovered { broadcasts, upto } = history else { return None };
        let Hearer { identifier, dialect } = hearer;
        let (first, last) = match question.part {
            Part::Journal => (false, false),
            Part::Memory { first, last, .. } => (first, last),
        };
        let mut composer = Composer::default();
        if first {
            composer.add_word(&ServerFrame::Confirm(identifier.json()), dialect.speaks);
        }
        broadcasts.iter().for_each(|broadcast| composer.add(broadcast, identifier, dialect));
        if last {
            composer.add_word(&ServerFrame::ConfirmHistory(identifier.json()), dialect.speaks);
        }
        let reading = Rc::new(Reading { _identifier: identifier.clone(), run: composer.take(), upto });
        self.readings.borrow_mut().keep(question, &reading);
        Some(reading)
    }
}

/// Broadcasts as they are written to a socket.
pub(in crate::edge::gateway) fn framed(broadcasts: &[Broadcast], identifier: &Rc<Identifier>, dialect: Dialect) -> FrameRun {
    let mut composer = Composer::default();
    broadcasts.iter().for_each(|broadcast| composer.add(broadcast, identifier, dialect));
    composer.take()
}
