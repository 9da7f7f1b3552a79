//! How bytes are sealed for the journal and for other nodes. The only file that says `bincode`.
//!
//! bincode does not describe itself, so every record travels in an envelope that never changes:
//! `'H' | format = 1 | kind u16 | schema u8 | payload | crc32`, integers big-endian. A payload is read by `(kind, schema)` into the
//! struct of that time and lifted to the present one by [`Record::upcast`]. A schema from the future is an error, never skipped.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::limits::{RECORD_BYTES_MAX, SNAPSHOT_BYTES_MAX};

const MAGIC: u8 = b'H';
const FORMAT: u8 = 1;
const HEAD: usize = 5;
const TAIL: usize = 4;

/// The number of every kind of record ever sealed. A number is never reused.
pub mod kinds {
    #![expect(missing_docs, reason = "each is named after its record")]
    // Floor 1: what the journal itself writes.
    pub const COMMIT: u16 = 1;
    pub const SNAPSHOT: u16 = 2;
    // Engine.
    pub const ENTITY_SNAPSHOT: u16 = 10;
    pub const PROJECTION_SNAPSHOT: u16 = 11;
    pub const SEQUENCE: u16 = 12;
    pub const RESTART: u16 = 13;
    pub const ANSWERED: u16 = 14;
    pub const ALARM: u16 = 15;
    pub const PUBLISHED: u16 = 16;
    pub const BACKLOG: u16 = 17;
    pub const BACKLOG_HEAD: u16 = 18;
    // Accounts.
    pub const USER: u16 = 20;
    pub const API_KEY: u16 = 21;
    pub const AUDIT: u16 = 22;
    pub const PRESENCE: u16 = 23;
    pub const REFRESH: u16 = 24;
    pub const SECRET: u16 = 25;
    pub const ACCOUNTS_PIECE: u16 = 26;
    pub const AUDIT_PIECE: u16 = 27;
    pub const IDEMPOTENCY: u16 = 28;
    // Streams.
    pub const STREAM: u16 = 40;
    pub const LOCATION: u16 = 41;
    pub const IGNORE_LIST: u16 = 42;
    pub const STREAMER: u16 = 43;
    pub const TIMESTAMP: u16 = 44;
    pub const STREAM_NOTICE: u16 = 45;
    pub const STREAM_CALL: u16 = 46;
    pub const GRID_JOINED: u16 = 47;
    // Moderation.
    pub const CASE: u16 = 60;
    /// From here on: hubs of one's own (examples, embedders).
    pub const CUSTOM: u16 = 0x8000;
}

/// Something that can be sealed: its kind, the schema it is written in, and how older schemas are lifted.
pub trait Record: Serialize + DeserializeOwned {
    /// Its number in [`kinds`].
    const KIND: u16;
    /// The schema it is written in now. Read-new ships before write-new.
    const SCHEMA: u8;
    /// Reads a payload of an older `schema` and lifts it to the present one.
    ///
    /// # Errors
    /// [`CodecError::UnknownSchema`] unless overridden for that schema.
    fn upcast(schema: u8, _payload: &[u8]) -> Result<Self, CodecError> {
        Err(CodecError::UnknownSchema { kind: Self::KIND, schema })
    }
}

/// Why bytes could not be opened.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
#[expect(missing_docs, reason = "each says itself")]
pub enum CodecError {
    #[error("not an envelope of this hub")]
    NotAnEnvelope,
    #[error("the checksum does not match: the record is damaged")]
    Damaged,
    #[error("expected a record of kind {expected}, found kind {found}")]
    WrongKind { expected: u16, found: u16 },
    #[error("record kind {kind} has schema {schema}, which this version cannot read; is the data of a newer version?")]
    UnknownSchema { kind: u16, schema: u8 },
    #[error("the payload cannot be read: {0}")]
    Payload(String),
}

/// Seals a record into its envelope.
///
/// # Panics
/// Where the type cannot be written by bincode at all (a map with an unknown length): a mistake in our own types, found by its first test.
pub fn seal<R: Record>(record: &R) -> Bytes {
    let mut bytes = Vec::with_capacity(128);
    bytes.extend([MAGIC, FORMAT]);
    bytes.extend(R::KIND.to_be_bytes());
    bytes.push(R::SCHEMA);
    bincode::serde::encode_into_std_write(record, &mut bytes, config()).expect("our own records are of known shape");
    let crc = checksum(&bytes);
    bytes.extend(crc.to_be_bytes());
    bytes.into()
}

/// The checksum that ends an envelope, over everything before it.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Opens an envelope that must hold an `R`.
///
/// # Errors
/// Every [`CodecError`].
pub fn open<R: Record>(envelope: &[u8]) -> Result<R, CodecError> {
    let (kind, schema, payload) = unwrap(envelope)?;
    if kind != R::KIND {
        return Err(CodecError::WrongKind { expected: R::KIND, found: kind });
    }
    if schema == R::SCHEMA { decode(payload) } else { R::upcast(schema, payload) }
}

/// Opens an envelope if it holds an `R`; `None` where it holds something else.
///
/// # Errors
/// Every [`CodecError`] but [`CodecError::WrongKind`].
pub fn open_if<R: Record>(envelope: &[u8]) -> Result<Option<R>, CodecError> {
    if kind_of(envelope)? == R::KIND { open(envelope).map(Some) } else { Ok(None) }
}

/// Opens an envelope that may be longer than one record may be: a snapshot that travelled in pieces, at most
/// [`SNAPSHOT_BYTES_MAX`] long.
///
/// # Errors
/// Every [`CodecError`].
pub fn open_long<R: Record>(envelope: &[u8]) -> Result<R, CodecError> {
    let (kind, schema, payload) = unwrap(envelope)?;
    if kind != R::KIND {
        return Err(CodecError::WrongKind { expected: R::KIND, found: kind });
    }
    if schema != R::SCHEMA {
        return R::upcast(schema, payload);
    }
    whole(payload, bincode::serde::decode_from_slice(payload, bincode::config::standard().with_limit::<SNAPSHOT_BYTES_MAX>()))
}

/// The kind of record in an envelope, without checking the rest.
///
/// # Errors
/// [`CodecError::NotAnEnvelope`].
pub fn kind_of(envelope: &[u8]) -> Result<u16, CodecError> {
    match envelope {
        [MAGIC, FORMAT, high, low, _, ..] if envelope.len() >= HEAD + TAIL => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(CodecError::NotAnEnvelope),
    }
}

/// Reads a payload of a known shape; for [`Record::upcast`]. Trailing bytes are an error.
///
/// # Errors
/// [`CodecError::Payload`].
pub fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, CodecError> {
    whole(payload, bincode::serde::decode_from_slice(payload, config()))
}

fn whole<T>(payload: &[u8], read: Result<(T, usize), bincode::error::DecodeError>) -> Result<T, CodecError> {
    let (value, read) = read.map_err(|e| CodecError::Payload(e.to_string()))?;
    if read == payload.len() { Ok(value) } else { Err(CodecError::Payload("trailing bytes".into())) }
}

fn unwrap(envelope: &[u8]) -> Result<(u16, u8, &[u8]), CodecError> {
    let kind = kind_of(envelope)?;
    let (body, crc) = envelope.split_at(envelope.len() - TAIL);
    if checksum(body).to_be_bytes() != crc {
        return Err(CodecError::Damaged);
    }
    Ok((kind, body[4], &body[HEAD..]))
}

/// What one record may claim while it is read. bincode counts what a number takes in memory, not on disk: up to 16 bytes for one.
/// A tighter limit would refuse to read what was acknowledged.
const CLAIM_BYTES_MAX: usize = 32 * RECORD_BYTES_MAX;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<CLAIM_BYTES_MAX>()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Note {
        text: String,
        loud: bool,
    }
    #[derive(Deserialize)]
    struct NoteV1 {
        text: String,
    }
    impl Record for Note {
        const KIND: u16 = kinds::CUSTOM;
        const SCHEMA: u8 = 2;
        fn upcast(schema: u8, payload: &[u8]) -> Result<Self, CodecError> {
            match schema {
                1 => decode::<NoteV1>(payload).map(|v1| Note { text: v1.text, loud: false }),
                _ => Err(CodecError::UnknownSchema { kind: Self::KIND, schema }),
            }
        }
    }
    fn reseal(envelope: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = envelope[..envelope.len() - TAIL].to_vec();
        change(&mut bytes);
        let crc = crc32fast::hash(&bytes);
        bytes.extend(crc.to_be_bytes());
        bytes
    }

    #[test]
    fn opens_what_it_sealed_and_lifts_what_an_older_version_sealed() {
        let note = Note { text: "hi".into(), loud: true };
        let sealed = seal(&note);
        assert_eq!(open::<Note>(&sealed), Ok(note));
        let old = reseal(&sealed, |bytes| {
            bytes[4] = 1;
            bytes.pop();
        });
        assert_eq!(open::<Note>(&old), Ok(Note { text: "hi".into(), loud: false }));
    }

    #[test]
    fn refuses_the_future_the_damaged_and_the_too_long() {
        let sealed = seal(&Note { text: "hi".into(), loud: true });
        assert_eq!(open::<Note>(&reseal(&sealed, |b| b[4] = 9)), Err(CodecError::UnknownSchema { kind: Note::KIND, schema: 9 }));
        let mut damaged = sealed.to_vec();
        damaged[7] ^= 1;
        assert_eq!(open::<Note>(&damaged), Err(CodecError::Damaged));
        assert_eq!(open::<Note>(&reseal(&sealed, |b| b.push(0))), Err(CodecError::Payload("trailing bytes".into())));
        assert_eq!(open::<Note>(b"H"), Err(CodecError::NotAnEnvelope));
    }

    proptest! {
        #[test]
        fn never_panics_on_what_it_did_not_seal(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = open::<Note>(&bytes);
            let _ = open_if::<Note>(&reseal(&[b"H\x01\x80\x00\x02".as_slice(), &bytes, &[0; 4]].concat(), |_| {}));
        }
    }
}
