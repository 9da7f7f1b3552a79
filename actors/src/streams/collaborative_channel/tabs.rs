//! What the channel must remember of a connection while it is open: how much it may still do, and where it may hold leases.
//!
//! Kept here and not in the journal because it concerns only sockets of this node: after a restart there are none, and the leases they
//! held get one fresh term and end by their stream's own alarm.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;
use trunkline_protocol::{CommandId, ConnectionId, Timestamp, limits::LEASE};

/// Actions that a connection may perform in one burst. An editor that types fast sends a handful a second; a script is told to slow down.
pub const ACTIONS_BURST: u32 = 600;
/// Actions per second that a connection may keep up.
pub const ACTIONS_PER_S: u32 = 60;
/// Edits on their way whose `stream_id` came as a number; the oldest is forgotten (and echoed as text).
const NUMBERED_MAX: usize = 4096;

/// Every open connection that has a place in the channel. Bounded by the sockets of this node.
#[derive(Debug, Default)]
pub struct Tabs {
    open: Mutex<HashMap<ConnectionId, Tab>>,
    numbered: Mutex<Numbered>,
}

#[derive(Debug)]
struct Tab {
    // In thousandths of an action, so that a millisecond counts.
    budget: u64,
    refilled: Timestamp,
    locked: HashMap<Arc<str>, Timestamp>,
}

#[derive(Debug, Default)]
struct Numbered {
    commands: HashSet<CommandId>,
    order: VecDeque<CommandId>,
}

impl Tabs {
    /// Takes one action out of the connection's budget; `false` where it is used up.
    pub fn spend(&self, connection: ConnectionId, now: Timestamp) -> bool {
        let mut open = self.open.lock();
        let tab = open.entry(connection).or_insert_with(|| Tab::new(now));
        let earned =
            u64::try_from(now.since(tab.refilled).as_millis()).unwrap_or(u64::MAX).saturating_mul(u64::from(ACTIONS_PER_S));
        tab.budget = tab.budget.saturating_add(earned).min(FULL);
        tab.refilled = now;
        let left = tab.budget.checked_sub(1000);
        tab.budget = left.unwrap_or(tab.budget);
        left.is_some()
    }
    /// The connection asks the entity `key` for a lease. Noted before the ask, so that a lease granted after a deadline is released too.
    pub fn locking(&self, connection: ConnectionId, key: &str, now: Timestamp) {
        let mut open = self.open.lock();
        let tab = open.entry(connection).or_insert_with(|| Tab::new(now));
        // What was last asked for two terms ago has expired; the budget bounds how many can be younger.
        tab.locked.retain(|_, at| now.since(*at) < LEASE * 2);
        tab.locked.insert(key.into(), now);
    }
    /// The connection is gone: the entities at which it may hold leases.
    pub fn close(&self, connection: ConnectionId) -> Vec<Arc<str>> {
        let tab = self.open.lock().remove(&connection);
        tab.map(|tab| tab.locked.into_keys().collect()).unwrap_or_default()
    }
    /// The edit `command` named its stream by a number: it is echoed as one.
    pub fn numbered(&self, command: CommandId) {
        let mut numbered = self.numbered.lock();
        if numbered.order.len() == NUMBERED_MAX
            && let Some(oldest) = numbered.order.pop_front()
        {
            numbered.commands.remove(&oldest);
        }
        numbered.order.push_back(command);
        numbered.commands.insert(command);
    }
    /// Whether the edit `command` named its stream by a number.
    #[must_use]
    pub fn is_numbered(&self, command: CommandId) -> bool {
        self.numbered.lock().commands.contains(&command)
    }
    #[cfg(test)]
    fn open(&self) -> usize {
        self.open.lock().len()
    }
}

const FULL: u64 = ACTIONS_BURST as u64 * 1000;

impl Tab {
    fn new(now: Timestamp) -> Self {
        Self { budget: FULL, refilled: now, locked: HashMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }

    #[test]
    fn lets_a_burst_through_then_so_many_a_second() {
        let (tabs, tab, other) = (Tabs::default(), ConnectionId(1), ConnectionId(2));
        assert!((0..ACTIONS_BURST).all(|_| tabs.spend(tab, at(0))));
        assert!(!tabs.spend(tab, at(0)));
        assert!(tabs.spend(other, at(0)), "another connection has its own");
        let allowed = (0..1000).filter(|_| tabs.spend(tab, at(1000))).count();
        assert_eq!(allowed, ACTIONS_PER_S as usize);
        assert!(!tabs.spend(tab, at(500)), "a clock that goes back gives nothing");
    }

    #[test]
    fn remembers_where_a_tab_may_hold_leases_until_it_is_gone() {
        let (tabs, tab) = (Tabs::default(), ConnectionId(1));
        tabs.locking(tab, "twitch.tv/a", at(0));
        tabs.locking(tab, "twitch.tv/b", at(59_000));
        tabs.locking(tab, "twitch.tv/b", at(61_000));
        assert_eq!(tabs.close(tab), ["twitch.tv/b".into()], "the first has long expired");
        assert!(tabs.close(tab).is_empty());
        assert_eq!(tabs.open(), 0);
    }

    #[test]
    fn forgets_the_oldest_spelling_rather_than_grow() {
        let tabs = Tabs::default();
        for n in 0..=NUMBERED_MAX {
            tabs.numbered(CommandId(n as u128));
        }
        assert!(!tabs.is_numbered(CommandId(0)));
        assert!(tabs.is_numbered(CommandId(1)) && tabs.is_numbered(CommandId(NUMBERED_MAX as u128)));
    }
}
