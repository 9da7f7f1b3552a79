//! What is on somebody's disk can be read, for ever: commits, and the upcasting of a kind that changed its shape.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use trunkline_protocol::{
    CodecError, CommandId, Commit, ConnectionId, EntityId, Record, Timestamp, Turn, UserId,
    codec::{self, kinds},
    golden,
};

fn commits() -> [Commit; 3] {
    let turn = |command, by, connection, facts: &[&'static [u8]]| Turn {
        command: CommandId(command),
        by: UserId(by),
        connection,
        facts: facts.iter().map(|fact| Bytes::from_static(fact)).collect(),
    };
    [
        // As the embedded journal writes it: the position is in the key.
        Commit {
            entity: EntityId::new("stream", "twitch.tv/someone"),
            version: 1,
            position: 0,
            at: Timestamp::from_millis(1_704_067_200_000),
            turns: vec![turn(0x0190_0000_0000_7000_8000_0000_0000_0001, 42, None, &[b"a fact"])],
        },
        // Several commands in one commit, from a connection, in a language with more letters.
        Commit {
            entity: EntityId::new("location", "Zürich/東京"),
            version: 65_536,
            position: 1 << 40,
            at: Timestamp::from_millis(-1),
            turns: vec![
                turn(u128::MAX, (1 << 53) - 1, Some(ConnectionId(7)), &[b"", b"two", &[0xFF; 300]]),
                turn(1, 0, None, &[b"by the house"]),
            ],
        },
        Commit { entity: EntityId::new("k", ""), version: 0, position: 0, at: Timestamp::from_millis(0), turns: vec![] },
    ]
}

golden!(commits_keep_their_bytes, Commit, 1, commits());

/// A kind in its second shape; the first one is kept as it was written.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Note {
    text: String,
    loud: bool,
}
#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct NoteV1 {
    text: String,
}
impl Record for NoteV1 {
    const KIND: u16 = kinds::CUSTOM + 0x7FF0;
    const SCHEMA: u8 = 1;
}
impl Record for Note {
    const KIND: u16 = NoteV1::KIND;
    const SCHEMA: u8 = 2;
    fn upcast(schema: u8, payload: &[u8]) -> Result<Self, CodecError> {
        match schema {
            1 => codec::decode::<NoteV1>(payload).map(|note| Self { text: note.text, loud: false }),
            _ => Err(CodecError::UnknownSchema { kind: Self::KIND, schema }),
        }
    }
}
fn note(text: &str, loud: bool) -> Note {
    Note { text: text.into(), loud }
}

golden!(
    an_older_shape_is_still_written_by_the_version_that_knows_it,
    NoteV1,
    1,
    [NoteV1 { text: "hi".into() }, NoteV1 { text: String::new() }]
);
golden!(an_older_shape_is_lifted, Note, 1, [note("hi", false), note("", false)]);
golden!(the_newer_shape_keeps_its_bytes, Note, 2, [note("hi", true)]);

#[test]
fn a_version_that_is_too_old_says_so() {
    let newer = codec::seal(&note("hi", true));
    assert_eq!(codec::open::<NoteV1>(&newer), Err(CodecError::UnknownSchema { kind: NoteV1::KIND, schema: 2 }));
}

#[test]
fn a_record_that_changed_is_found_out() {
    let kept = golden::compare(&[], 2, &[note("hi", true), note("ho", false)]).expect("nothing is kept yet");
    assert_eq!(golden::compare(&kept, 2, &[note("hi", true), note("ho", false)]), Ok(Vec::new()));
    assert!(golden::compare(&kept, 2, &[note("hi", true), note("ho", true)]).is_err_and(|reason| reason.contains("record 1")));
    assert!(golden::compare(&kept, 2, &[note("hi", true)]).is_err_and(|reason| reason.contains("forgotten")));
    assert!(golden::compare(&kept[..kept.len() - 1], 2, &[note("hi", true)]).is_err());
    let longer = golden::compare(&kept, 2, &[note("hi", true), note("ho", false), note("hu", true)]).expect("one more");
    assert!(!longer.is_empty() && longer.len() < kept.len());
}
