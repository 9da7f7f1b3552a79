//! The supervision tree as anybody may see it: who is there, how they are, what happened to them.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use super::history::Restarted;
use crate::engine::house::House;

/// How many awake entities of one kind are listed, the busiest first.
const LISTED_MAX: usize = 100;

/// The supervision tree of a hub.
#[derive(Clone, Debug, Serialize)]
pub struct Supervision {
    /// Why the hub has failed: its root gave up. `None`: it has not.
    pub failed: Option<String>,
    /// Restarts since the hub opened.
    pub restarts: u64,
    /// Everything the root keeps: permanent groups first, then kinds of entities.
    pub supervisors: Vec<SupervisorReport>,
    /// The last restarts, oldest first; they outlive the hub.
    pub history: Vec<Restarted>,
}

/// One supervisor and what it keeps.
#[derive(Clone, Debug, Serialize)]
pub struct SupervisorReport {
    /// The group or kind: `relay`, `workers`, `stream`.
    pub kind: String,
    /// How many of its children are there.
    pub awake: usize,
    /// Its children; of a kind with many, the busiest, all who rest, and all whose crash is remembered.
    pub children: Vec<ActorReport>,
}

/// One actor.
#[derive(Clone, Debug, Serialize)]
pub struct ActorReport {
    /// Which one.
    pub id: String,
    /// How it is.
    #[serde(flatten)]
    pub state: ActorState,
    /// Commands that wait at it.
    pub mailbox: usize,
    /// Its remembered restarts, oldest first.
    pub restarts: Vec<Restarted>,
}

/// How an actor is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum ActorState {
    /// It is there.
    Awake,
    /// It crashed some time ago and nobody has asked it since, or it retired: the next ask builds it from its history.
    Asleep,
    /// It died, and is started again soon.
    BackingOff {
        /// How soon, in milliseconds.
        for_ms: u64,
    },
    /// It crashed too often, and is not woken for a while.
    Quarantined {
        /// How long, in milliseconds.
        for_ms: u64,
    },
}

/// What supervisors of permanent actors say of their children.
#[derive(Default)]
pub(crate) struct Reports {
    permanent: Mutex<BTreeMap<&'static str, BTreeMap<String, Option<Instant>>>>,
}

impl Reports {
    pub(crate) fn running(&self, supervisor: &'static str, child: &str) {
        self.permanent.lock().entry(supervisor).or_default().insert(child.to_owned(), None);
    }
    pub(crate) fn backing_off(&self, supervisor: &'static str, child: &str, pause: Duration) {
        self.permanent.lock().entry(supervisor).or_default().insert(child.to_owned(), Some(Instant::now() + pause));
    }
}

/// The tree of a hub as it is now.
pub(crate) fn tree(house: &House) -> Supervision {
    let history = house.history.all();
    let restarts_of = |kind: &str, id: &str| -> Vec<Restarted> {
        history.iter().filter(|restarted| restarted.kind == kind && restarted.id == id).cloned().collect()
    };
    let mut supervisors = Vec::new();
    for (supervisor, children) in &*house.reports.permanent.lock() {
        let children: Vec<ActorReport> = children
            .iter()
            .map(|(id, until)| ActorReport {
                id: id.clone(),
                state: until.map_or(ActorState::Awake, |until| ActorState::BackingOff {
                    for_ms: millis(until.duration_since(Instant::now())),
                }),
                mailbox: 0,
                restarts: restarts_of(supervisor, id),
            })
            .collect();
        let awake = children.iter().filter(|child| child.state == ActorState::Awake).count();
        supervisors.push(SupervisorReport { kind: (*supervisor).to_owned(), awake, children });
    }
    let mut kinds: HashMap<&str, Vec<(usize, &str)>> = HashMap::new();
    let residents = house.directory.residents();
    for resident in &residents {
        kinds.entry(resident.id().kind()).or_default().push((resident.waiting(), resident.id().key()));
    }
    let mut resting: HashMap<String, Vec<ActorReport>> = HashMap::new();
    for (id, left) in house.directory.resting() {
        let report = ActorReport {
            id: id.key().to_owned(),
            state: ActorState::Quarantined { for_ms: millis(left) },
            mailbox: 0,
            restarts: restarts_of(id.kind(), id.key()),
        };
        resting.entry(id.kind().to_owned()).or_default().push(report);
    }
    let mut names: Vec<_> = house.kinds.keys().copied().collect();
    names.sort_unstable();
    for name in names {
        let mut awake = kinds.remove(name).unwrap_or_default();
        let count = awake.len();
        let mut children = resting.remove(name).unwrap_or_default();
        // Whoever has a story is listed, awake or not; those who were not among the busiest would be missed.
        for id in storied(&history, name) {
            if children.iter().any(|child| child.id == id) {
                continue;
            }
            let at = awake.iter().position(|(_, awake)| *awake == id);
            let (state, mailbox) = match at {
                Some(at) => (ActorState::Awake, awake.swap_remove(at).0),
                None => (ActorState::Asleep, 0),
            };
            children.push(ActorReport { id: id.to_owned(), state, mailbox, restarts: restarts_of(name, id) });
        }
        // The busiest first.
        awake.sort_by(|(one, id), (other, other_id)| other.cmp(one).then_with(|| id.cmp(other_id)));
        awake.truncate(LISTED_MAX);
        children.extend(awake.into_iter().map(|(mailbox, id)| ActorReport {
            id: id.to_owned(),
            state: ActorState::Awake,
            mailbox,
            restarts: restarts_of(name, id),
        }));
        supervisors.push(SupervisorReport { kind: name.to_owned(), awake: count, children });
    }
    Supervision { failed: house.failed(), restarts: house.history.total(), supervisors, history }
}

/// Everybody of this kind whose crash is remembered, the latest first, each once.
fn storied<'a>(history: &'a [Restarted], kind: &str) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for restarted in history.iter().rev().filter(|restarted| restarted.kind == kind) {
        if !seen.contains(&&*restarted.id) {
            seen.push(&*restarted.id);
        }
    }
    seen
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
