//! Ids are types, not numbers.
//!
//! Ids that a browser sees (users, streams, locations …) are integers below 2^53, so that JavaScript can hold them.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The largest integer that JavaScript can hold exactly (2^53 - 1); an id above it names nothing.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Names one entity: its kind and its key, spelled `kind/key`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityId {
    text: Arc<str>,
    kind_len: u16,
}

impl EntityId {
    /// The entity of `kind` with `key`. A kind is a short lower-case word without `/`; a key may hold anything.
    #[must_use]
    pub fn new(kind: &str, key: impl fmt::Display) -> Self {
        debug_assert!(!kind.contains('/') && !kind.is_empty() && kind.len() < 64, "a kind is a short word");
        let text = format!("{kind}/{key}");
        Self { text: text.into(), kind_len: kind.len() as u16 }
    }
    /// What sort of thing it is: `stream`, `user` …
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.text[..usize::from(self.kind_len)]
    }
    /// Which one of its kind.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.text[usize::from(self.kind_len) + 1..]
    }
    /// `kind/key`, as it is written in the journal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The text is not `kind/key`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an entity id: expected kind/key")]
pub struct NotAnEntityId;

impl FromStr for EntityId {
    type Err = NotAnEntityId;
    fn from_str(text: &str) -> Result<Self, NotAnEntityId> {
        match text.split_once('/') {
            Some((kind, _)) if !kind.is_empty() && kind.len() < 64 => Ok(Self { text: text.into(), kind_len: kind.len() as u16 }),
            _ => Err(NotAnEntityId),
        }
    }
}
impl Serialize for EntityId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
impl<'de> Deserialize<'de> for EntityId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A person or a service account. [`UserId::HOUSE`] is the hub itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Debug, Default)]
#[serde(transparent)]
pub struct UserId(pub u64);

impl UserId {
    /// The hub itself: what it does of its own accord (an expiry, an automatic archive) is done by the house.
    pub const HOUSE: UserId = UserId(0);
}
impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One connection of one client: unguessable, never reused, different after every reconnect.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(pub u128);

impl ConnectionId {
    /// A new one: 128 random bits, because whoever knows it may resume the connection (`cable.md` 2.1).
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }
}
impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
/// The text is not the name of a connection.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a connection's sid")]
pub struct NotAConnectionId;

impl FromStr for ConnectionId {
    type Err = NotAConnectionId;
    fn from_str(text: &str) -> Result<Self, NotAConnectionId> {
        let spelled = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        spelled.then(|| u128::from_str_radix(text, 16).ok().map(Self)).flatten().ok_or(NotAConnectionId)
    }
}
impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names one wish, so that a retry of it is harmless: an entity answers a known command id as it did before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(pub u128);

impl CommandId {
    /// A new one, sortable by time (`UUIDv7`).
    #[must_use]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7().as_u128())
    }
    /// The id of step `step` of the work named `parent`: the same every time it is asked for.
    #[must_use]
    pub fn step(parent: CommandId, step: u32) -> Self {
        let mut bytes = [0_u8; 20];
        bytes[..16].copy_from_slice(&parent.0.to_be_bytes());
        bytes[16..].copy_from_slice(&step.to_be_bytes());
        let (high, low) = (fnv(&bytes, 0xcbf2_9ce4_8422_2325), fnv(&bytes, 0x6c62_272e_07bb_0142));
        Self(u128::from(high) << 64 | u128::from(low))
    }
}
impl Default for CommandId {
    fn default() -> Self {
        Self::new()
    }
}
impl fmt::Debug for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

fn fnv(bytes: &[u8], seed: u64) -> u64 {
    bytes.iter().fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_id_keeps_its_parts_whatever_the_key_holds() {
        let id = EntityId::new("stream", "twitch.tv/a/b");
        assert_eq!((id.kind(), id.key()), ("stream", "twitch.tv/a/b"));
        assert_eq!(id.as_str().parse::<EntityId>(), Ok(id));
        assert_eq!("nokey".parse::<EntityId>(), Err(NotAnEntityId));
    }

    #[test]
    fn a_connection_is_found_by_the_sid_it_was_told_and_by_nothing_else() {
        let id = ConnectionId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in [
            "",
            "1",
            "+123456789012345678901234567890123",
            &id.to_string().to_uppercase().replace(|c: char| c.is_ascii_digit(), "A"),
        ] {
            assert_eq!(text.parse::<ConnectionId>(), Err(NotAConnectionId), "{text}");
        }
    }

    #[test]
    fn a_step_of_a_command_is_always_the_same_and_never_its_neighbour() {
        let parent = CommandId::new();
        assert_eq!(CommandId::step(parent, 1), CommandId::step(parent, 1));
        assert_ne!(CommandId::step(parent, 1), CommandId::step(parent, 2));
    }
}
