//! What a POST with an `Idempotency-Key` was answered, kept in the journal for a day, so that its repeat is answered the same by any node
//! and after any crash (`platform.md` 1.2). One entity per principal and key, and one per further piece of a long answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use trunkline_protocol::{CommandId, Record, Refusal, RefusalKind, Timestamp, codec::kinds};

use crate::{Asking, Decision, Entity, NoNotice, Written};

/// How long an answer is kept.
pub const KEPT: Duration = Duration::from_secs(24 * 3600);
/// After this long a request that began and never ended is taken for dead (its node crashed), and its repeat may begin again.
pub const BEGUN: Duration = Duration::from_secs(60);
/// Bytes of an answer in one record, well below what a record may hold.
pub const PIECE_BYTES_MAX: usize = 48 * 1024;
/// Pieces of one answer; a longer answer (6 MiB) is not kept, only that it was given.
pub const PIECES_MAX: usize = 128;

/// The SHA-256 of a request: path, query and body.
pub type Fingerprint = [u8; 32];

/// What is known of one key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Answered {
    known: Option<Known>,
    piece: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    fingerprint: Fingerprint,
    begun: Timestamp,
    /// The command with which it began: who began earlier, was taken for dead and is not, has no say any more.
    request: CommandId,
    answer: Option<Answer>,
}

/// An answer's head and first piece; further pieces stand under `key/1`, `key/2` ….
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers worth repeating, lower-case: `content-type`, `location`, `etag` ….
    pub headers: Vec<(String, String)>,
    /// The first piece of the body.
    pub body: String,
    /// How many pieces there are, this one included; 0 where the body could not be kept.
    pub pieces: u32,
}

/// A wish addressed to one key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum AnsweredCommand {
    /// May this request be worked on? Yes: `Begun`. No: a refusal (see [`Repeat::read`]).
    Begin {
        /// Of the request.
        fingerprint: Fingerprint,
    },
    /// It was answered. Nothing where another request has begun since.
    Finish {
        /// The command with which it began.
        request: CommandId,
        /// The answer.
        answer: Answer,
    },
    /// It came to nothing that should be repeated (the hub was busy): the key is free again. Nothing where another request has begun since.
    Abandon {
        /// The command with which it began.
        request: CommandId,
    },
    /// A further piece of an answer; addressed to `key/n`.
    KeepPiece {
        /// Its text.
        text: String,
    },
    /// What is the piece? Always a refusal (see [`Repeat::read`]).
    RecallPiece,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each mirrors its command")]
pub enum AnsweredFact {
    Begun { fingerprint: Fingerprint },
    Finished { answer: Answer },
    Abandoned,
    PieceKept { text: String },
}

impl Record for AnsweredFact {
    const KIND: u16 = kinds::IDEMPOTENCY;
    const SCHEMA: u8 = 1;
}

/// Why a request is not worked on. An earlier answer travels as the subject of a refusal: it is what stands in the way, and asking for it
/// writes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It was answered so.
    Answered(Answer),
    /// The piece that was asked for.
    Piece(String),
    /// Another request with the same key came before (422), or the same one is still being worked on (409).
    Refused(Refusal),
}

const ANSWERED: &str = "ANSWERED";
const PIECE: &str = "ANSWERED_PIECE";

impl Repeat {
    /// Reads the refusal of a `Begin` or a `RecallPiece`.
    #[must_use]
    pub fn read(refusal: Refusal) -> Self {
        match (refusal.code.as_ref(), &refusal.subject) {
            (ANSWERED, Some(text)) => serde_json::from_str(text).map_or(Self::Refused(refusal), Self::Answered),
            (PIECE, Some(text)) => Self::Piece(text.clone()),
            _ => Self::Refused(refusal),
        }
    }
}

impl Entity for Answered {
    const KIND: &'static str = "answered";
    const SNAPSHOT_SCHEMA: u8 = 2;
    type Command = AnsweredCommand;
    type Fact = AnsweredFact;
    type Notice = NoNotice;

    fn begins(command: &AnsweredCommand) -> bool {
        matches!(command, AnsweredCommand::Begin { .. } | AnsweredCommand::KeepPiece { .. })
    }
    fn decide(&self, command: &AnsweredCommand, asking: &Asking) -> Result<Decision<Self>, Refusal> {
        match command {
            AnsweredCommand::Begin { fingerprint } => match &self.known {
                Some(known) if known.stands(asking.at) => Err(known.refusal(fingerprint)),
                _ => Ok(Decision::fact(AnsweredFact::Begun { fingerprint: *fingerprint })),
            },
            AnsweredCommand::Finish { request, answer } if self.is_worked_on_by(*request) => {
                Ok(Decision::fact(AnsweredFact::Finished { answer: answer.clone() }))
            }
            AnsweredCommand::Abandon { request } if self.is_worked_on_by(*request) => Ok(Decision::fact(AnsweredFact::Abandoned)),
            AnsweredCommand::Finish { .. } | AnsweredCommand::Abandon { .. } => Ok(Decision::nothing()),
            AnsweredCommand::KeepPiece { text } => Ok(Decision::fact(AnsweredFact::PieceKept { text: text.clone() })),
            AnsweredCommand::RecallPiece => match &self.piece {
                Some(text) => Err(Refusal::conflict(PIECE, "This is the piece").about(text)),
                None => Err(Refusal::not_found()),
            },
        }
    }

    fn apply(&mut self, fact: &AnsweredFact, written: &Written) {
        match fact {
            AnsweredFact::Begun { fingerprint } => {
                let (fingerprint, begun, request) = (*fingerprint, written.at, written.command);
                self.known = Some(Known { fingerprint, begun, request, answer: None });
            }
            AnsweredFact::Finished { answer } => {
                if let Some(known) = &mut self.known {
                    known.answer = Some(answer.clone());
                }
            }
            AnsweredFact::Abandoned => self.known = None,
            AnsweredFact::PieceKept { text } => self.piece = Some(text.clone()),
        }
    }
}

impl Answered {
    fn is_worked_on_by(&self, request: CommandId) -> bool {
        matches!(&self.known, Some(Known { answer: None, request: known, .. }) if *known == request)
    }
}

impl Known {
    fn stands(&self, now: Timestamp) -> bool {
        now.since(self.begun) < if self.answer.is_some() { KEPT } else { BEGUN }
    }
    fn refusal(&self, fingerprint: &Fingerprint) -> Refusal {
        if self.fingerprint != *fingerprint {
            let sentence = "This Idempotency-Key was used for another request";
            return Refusal::new(RefusalKind::Invalid, "IDEMPOTENCY_KEY_REUSED", sentence);
        }
        let Some(answer) = &self.answer else {
            return Refusal::conflict("IDEMPOTENCY_KEY_IN_USE", "A request with this Idempotency-Key is still being worked on");
        };
        let text = serde_json::to_string(answer).expect("an answer is plain text and numbers");
        Refusal::conflict(ANSWERED, "This request was answered before").about(text)
    }
}

#[cfg(test)]
mod tests {
    use trunkline_protocol::Principal;

    use super::*;

    /// Begins a request; the command with which it began.
    fn begun(answered: &mut Answered, byte: u8, at: i64) -> CommandId {
        ask(answered, begin(byte), at).expect("begun");
        answered.known.as_ref().expect("it is known").request
    }
    fn ask(answered: &mut Answered, command: AnsweredCommand, at: i64) -> Result<Vec<AnsweredFact>, Repeat> {
        let at = Timestamp::from_millis(at);
        let asking = Asking { command: CommandId::new(), by: Principal::house(), at, connection: None };
        let facts = answered.decide(&command, &asking).map_err(Repeat::read)?.facts;
        facts.iter().for_each(|fact| answered.apply(fact, &Written { version: 1, at, command: asking.command }));
        Ok(facts)
    }
    fn begin(byte: u8) -> AnsweredCommand {
        AnsweredCommand::Begin { fingerprint: [byte; 32] }
    }
    fn answer() -> Answer {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Answer { status: 201, headers, body: "{\"id\":1}".into(), pieces: 1 }
    }
    fn code(repeat: Result<Vec<AnsweredFact>, Repeat>) -> String {
        match repeat {
            Err(Repeat::Refused(refusal)) => refusal.code.into_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn answers_a_repeat_as_before_for_a_day_and_another_body_never() {
        let mut key = Answered::default();
        let request = begun(&mut key, 1, 0);
        assert_eq!(code(ask(&mut key, begin(1), 1)), "IDEMPOTENCY_KEY_IN_USE");
        assert_eq!(code(ask(&mut key, begin(2), 1)), "IDEMPOTENCY_KEY_REUSED");
        ask(&mut key, AnsweredCommand::Finish { request, answer: answer() }, 2).expect("finished");
        assert_eq!(ask(&mut key, begin(1), 3), Err(Repeat::Answered(answer())));
        assert_eq!(code(ask(&mut key, begin(2), 3)), "IDEMPOTENCY_KEY_REUSED");
        assert!(ask(&mut key, begin(2), 24 * 3600 * 1000).is_ok(), "a day later it is a new key");
    }

    #[test]
    fn frees_a_key_whose_request_died_or_came_to_nothing() {
        let mut key = Answered::default();
        begun(&mut key, 1, 0);
        let request = begun(&mut key, 1, 60_000);
        ask(&mut key, AnsweredCommand::Abandon { request }, 60_001).expect("abandoned");
        assert!(ask(&mut key, begin(2), 60_002).is_ok());
    }

    #[test]
    fn hears_nothing_more_of_a_request_that_was_taken_for_dead() {
        let mut key = Answered::default();
        let slow = begun(&mut key, 1, 0);
        let other = begun(&mut key, 2, 60_000);
        for late in [AnsweredCommand::Abandon { request: slow }, AnsweredCommand::Finish { request: slow, answer: answer() }] {
            assert_eq!(ask(&mut key, late, 60_001), Ok(vec![]));
            assert_eq!(code(ask(&mut key, begin(2), 60_002)), "IDEMPOTENCY_KEY_IN_USE", "the other one is still at work");
        }
        let own = Answer { status: 200, ..answer() };
        ask(&mut key, AnsweredCommand::Finish { request: other, answer: own.clone() }, 60_003).expect("finished");
        assert_eq!(ask(&mut key, begin(2), 60_004), Err(Repeat::Answered(own)), "its own answer, and nobody else's");
    }

    #[test]
    fn keeps_the_pieces_of_a_long_answer() {
        let mut piece = Answered::default();
        ask(&mut piece, AnsweredCommand::KeepPiece { text: "more".into() }, 0).expect("kept");
        assert_eq!(ask(&mut piece, AnsweredCommand::RecallPiece, 1), Err(Repeat::Piece("more".into())));
    }
}
