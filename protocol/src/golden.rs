//! Golden records: the bytes of every kind and schema that was ever shipped, kept in `protocol/tests/golden/<kind>-<schema>.bin`.
//!
//! Who talks to it: tests, through [`golden!`](crate::golden!) beside each [`Record`]. What is in a file never changes: a shape that
//! was shipped is on somebody's disk. New variants are added at the end; `TRUNKLINE_GOLDEN=write cargo test` writes them down, and
//! writes nothing where an older one changed.
//!
//! A file is one record after the other, each its length (u32, big-endian) and its envelope.

use std::fmt::Debug;

use bytes::Bytes;

use crate::{Record, codec};

/// Holds `values` against a golden file, record by record. Gives the bytes that are still to be added to the file.
///
/// # Errors
/// A sentence that says which record is not what it was.
pub fn compare<R: Record + PartialEq + Debug>(file: &[u8], schema: u8, values: &[R]) -> Result<Vec<u8>, String> {
    let kept = records(file).ok_or("the golden file is cut off")?;
    if kept.len() > values.len() {
        return Err(format!(
            "{} records are kept, {} are named: nothing that was shipped may be forgotten",
            kept.len(),
            values.len()
        ));
    }
    for (place, (envelope, value)) in kept.iter().zip(values).enumerate() {
        let opened: R = codec::open(envelope).map_err(|error| format!("record {place} cannot be opened any more: {error}"))?;
        if opened != *value {
            return Err(format!("record {place} opens as {opened:?}, and should as {value:?}"));
        }
        if schema == R::SCHEMA && codec::seal(value) != *envelope {
            return Err(format!("record {place} is sealed in other bytes than it was: {value:?}"));
        }
    }
    if kept.len() < values.len() && schema != R::SCHEMA {
        return Err(format!("schema {schema} is not written any more: its records cannot grow"));
    }
    Ok(values[kept.len()..].iter().flat_map(|value| framed(&codec::seal(value))).collect())
}

fn framed(envelope: &Bytes) -> Vec<u8> {
    let length = u32::try_from(envelope.len()).expect("a record is at most 64 KiB");
    [&length.to_be_bytes()[..], envelope].concat()
}

fn records(mut file: &[u8]) -> Option<Vec<&[u8]>> {
    let mut records = Vec::new();
    while !file.is_empty() {
        let (length, rest) = file.split_first_chunk()?;
        let (envelope, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        records.push(envelope);
        file = rest;
    }
    Some(records)
}

/// A test that records of a kind keep their bytes. Name the type, the schema, and at least one value of every variant, each as the
/// present version understands it (for an older schema: as it is lifted). For a crate in a folder beside `protocol/`.
///
/// ```text
/// trunkline_protocol::golden!(notes_keep_their_bytes, NoteFact, 1, [NoteFact::Written { text: "hi".into() }, NoteFact::Removed]);
/// ```
#[macro_export]
macro_rules! golden {
    ($story:ident, $record:ty, $schema:expr, $values:expr) => {
        #[test]
        fn $story() {
            let values: ::std::vec::Vec<$record> = ::std::vec::Vec::from($values);
            let kind = <$record as $crate::Record>::KIND;
            let path = ::std::format!("{}/../protocol/tests/golden/{kind}-{}.bin", ::std::env!("CARGO_MANIFEST_DIR"), $schema);
            let mut file = ::std::fs::read(&path).unwrap_or_default();
            match $crate::golden::compare::<$record>(&file, $schema, &values) {
                Ok(missing) if missing.is_empty() => {}
                Ok(missing) if ::std::env::var_os("TRUNKLINE_GOLDEN").is_some_and(|value| value == "write") => {
                    file.extend(missing);
                    ::std::fs::write(&path, file).expect("the golden file can be written");
                }
                Ok(_) => {
                    ::std::panic!("{path} does not hold every record yet: run TRUNKLINE_GOLDEN=write cargo test, and commit it")
                }
                Err(reason) => ::std::panic!("{path}: {reason}"),
            }
        }
    };
}
