//! Where what is kept. All keys live in one tree, so that one batch writes them together or not at all.
//!
//! | key | value |
//! |---|---|
//! | `g` position | the sealed commit (its position is that of the key: it is sealed before the committer gives it one) |
//! | `e` length entity version | the position of that commit |
//! | `s` length name `0` | a snapshot's head |
//! | `s` length name `1` layer chunk | some pieces of one of its layers |
//! | `m` name | what the journal knows of itself |
//!
//! Numbers are big-endian, so that keys sort as numbers do; lengths are 16 bits wide, so that no name is the beginning of another.

use std::ops::{Range, RangeInclusive};

use trunkline_protocol::{EntityId, Position, Version};

/// The identity of the journal.
pub(super) const EPOCH: &[u8] = b"mepoch";

pub(super) fn commit(position: Position) -> [u8; 9] {
    let mut key = [b'g'; 9];
    key[1..].copy_from_slice(&position.to_be_bytes());
    key
}

pub(super) fn commits() -> RangeInclusive<[u8; 9]> {
    commit(0)..=commit(Position::MAX)
}

pub(super) fn version(entity: &EntityId, version: Version) -> Vec<u8> {
    let mut key = named(b'e', entity.as_str());
    key.extend(version.to_be_bytes());
    key
}

pub(super) fn versions_after(entity: &EntityId, after: Version) -> RangeInclusive<Vec<u8>> {
    version(entity, after.saturating_add(1))..=version(entity, Version::MAX)
}

pub(super) fn versions_before(entity: &EntityId, before: Version) -> Range<Vec<u8>> {
    version(entity, 0)..version(entity, before)
}

pub(super) fn snapshot_head(name: &str) -> Vec<u8> {
    let mut key = named(b's', name);
    key.push(0);
    key
}

/// A chunk of one layer of a snapshot.
pub(super) fn chunk(name: &str, layer: u64, chunk: u32) -> Vec<u8> {
    let mut key = named(b's', name);
    key.push(1);
    key.extend(layer.to_be_bytes());
    key.extend(chunk.to_be_bytes());
    key
}

/// The number at the end of a key or a value; `None` where there is none.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    bytes.last_chunk().map(|last| u64::from_be_bytes(*last))
}

fn named(sort: u8, name: &str) -> Vec<u8> {
    let length = u16::try_from(name.len()).expect("names are measured before they come here");
    let mut key = Vec::with_capacity(3 + name.len() + 13);
    key.push(sort);
    key.extend(length.to_be_bytes());
    key.extend(name.as_bytes());
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_sort_as_numbers_and_never_stray_into_a_neighbour(a in "[a-z/.]{1,9}", b in "[a-z/.]{1,9}", x: u64, y: u64) {
            let (one, two) = (EntityId::new("k", &a), EntityId::new("k", &b));
            prop_assert_eq!(x.cmp(&y), version(&one, x).cmp(&version(&one, y)));
            prop_assert_eq!(x.cmp(&y), commit(x).cmp(&commit(y)));
            prop_assert_eq!(number(&version(&one, x)), Some(x));
            prop_assert_eq!(versions_after(&one, 0).contains(&version(&two, y)), a == b && y > 0);
            let (from, upto) = (chunk(&b, 0, 0), chunk(&b, u64::MAX, u32::MAX));
            prop_assert_eq!((from..=upto).contains(&chunk(&a, x, y as u32)), a == b);
            prop_assert_eq!((x, 1).cmp(&(y, 0)), chunk(&a, x, 1).cmp(&chunk(&a, y, 0)));
        }
    }
}
