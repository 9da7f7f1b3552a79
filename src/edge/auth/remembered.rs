//! Credentials that were verified lately: checking a signature costs more than everything else that naming a caller does.

use std::{collections::HashMap, sync::Arc};

use trunkline_protocol::{Principal, Timestamp};

use crate::edge::tokens::{Named, Proven};

/// Credentials remembered in each of two generations; a refill costs one signature each.
const REMEMBERED_MAX: usize = 8192;

/// What a credential proved when its signature was checked.
#[derive(Clone)]
pub(super) enum Proof {
    Token(Proven),
    Key([u8; 32]),
}

impl Proof {
    /// Was it signed with a key that is not ours, and may be taken back by those whose it is?
    pub(super) fn is_of_another_house(&self) -> bool {
        matches!(self, Self::Token(Proven { who: Named::Email(_), .. }))
    }
}

/// A credential that was good, and whom it named then.
pub(super) struct Known {
    pub proof: Proof,
    pub principal: Principal,
    pub ends: Option<Timestamp>,
    pub generation: u64,
    /// How often others' keys had changed then.
    pub keys: u64,
}

/// Two generations: when the young one is full it becomes the old one, and the old one is forgotten. Whoever asks often stays.
#[derive(Default)]
pub(super) struct Remembered {
    young: HashMap<Box<str>, Arc<Known>>,
    old: HashMap<Box<str>, Arc<Known>>,
}

impl Remembered {
    pub(super) fn find(&self, credential: &str) -> Option<Arc<Known>> {
        self.young.get(credential).or_else(|| self.old.get(credential)).cloned()
    }
    pub(super) fn keep(&mut self, credential: &str, known: Arc<Known>) {
        if self.young.len() >= REMEMBERED_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(credential.into(), known);
    }
}
