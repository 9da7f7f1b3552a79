//! The newest commit of each entity that was written lately, so that most appends are judged without reading.
//!
//! Two generations: when the young one is full it becomes the old one, and the old one is forgotten. Bounded, and as cheap as a map.

use std::collections::HashMap;

use trunkline_protocol::{CommandId, Commit, EntityId, Position, Version};

/// Entities in one generation; at about 150 bytes each, both together stay below 10 MiB.
const GENERATION_ENTITIES_MAX: usize = 32 * 1024;

/// The newest commit of an entity; the default is an entity without history.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) version: Version,
    pub(super) id: Option<CommandId>,
    pub(super) position: Position,
}

impl Head {
    pub(super) fn of(commit: &Commit) -> Self {
        Self { version: commit.version, id: Some(commit.id()), position: commit.position }
    }
}

#[derive(Default)]
pub(super) struct Heads {
    young: HashMap<EntityId, Head>,
    old: HashMap<EntityId, Head>,
}

impl Heads {
    pub(super) fn get(&mut self, entity: &EntityId) -> Option<Head> {
        if let Some(head) = self.young.get(entity) {
            return Some(*head);
        }
        let (entity, head) = self.old.remove_entry(entity)?;
        self.put(entity, head);
        Some(head)
    }

    pub(super) fn put(&mut self, entity: EntityId, head: Head) {
        if self.young.len() >= GENERATION_ENTITIES_MAX && !self.young.contains_key(&entity) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(entity, head);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_recent_and_stays_bounded() {
        let mut heads = Heads::default();
        let favourite = EntityId::new("note", "favourite");
        heads.put(favourite.clone(), Head { version: 7, ..Head::default() });
        for n in 0..5 * GENERATION_ENTITIES_MAX {
            heads.put(EntityId::new("note", n), Head::default());
            assert_eq!(heads.get(&favourite).map(|head| head.version), Some(7));
        }
        assert!(heads.young.len() + heads.old.len() <= 2 * GENERATION_ENTITIES_MAX);
        assert_eq!(heads.get(&EntityId::new("note", 0)), None);
    }
}
