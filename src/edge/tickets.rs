//! Resume tickets: what a lost connection had, kept for a while under its `sid`, so that its client may take it up again (`cable.md` 2.1).
//!
//! One store for every core, asked when a client shows a sid. Bounded by age, number and bytes: the oldest goes first, and its client begins
//! anew. A ticket holds for one use, and not for somebody who was sent away. It knows nothing of sockets, and outlives no process.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use trunkline_protocol::{
    ConnectionId, Principal, Topic,
    limits::{TICKET_BYTES_MAX, TICKETS_BYTES_MAX, TICKETS_MAX},
};

/// A connection that was lost.
#[derive(Debug)]
pub(crate) struct Ticket {
    /// Whose it was.
    pub who: Principal,
    /// What it had subscribed to.
    pub subscriptions: Vec<Kept>,
}

/// One of its confirmed subscriptions.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Its name, verbatim.
    pub identifier: Box<str>,
    /// What it heard, where that was no longer what its admission said.
    pub topics: Option<Box<[Topic]>>,
}

impl Ticket {
    fn bytes(&self) -> usize {
        let of = |kept: &Kept| {
            let topics: usize = kept.topics.iter().flatten().map(|topic| topic.as_str().len() + 32).sum();
            kept.identifier.len() + topics + 48
        };
        256 + self.subscriptions.iter().map(of).sum::<usize>()
    }
}

/// Locks are taken per shard: a storm of lost connections is noted on every core at once.
const SHARDS: usize = 16;

/// Every ticket of this node.
#[derive(Debug)]
pub(crate) struct Tickets {
    lifetime: Duration,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    tickets: HashMap<ConnectionId, Ticket>,
    /// When each was put here, the oldest first; some have been used since.
    order: VecDeque<(Instant, ConnectionId)>,
    bytes: usize,
}

impl Tickets {
    /// An empty store. A lifetime of nothing keeps nothing.
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self { lifetime, shards: Default::default() }
    }
    /// Whether anything may be resumed at all.
    pub(crate) fn are_kept(&self) -> bool {
        !self.lifetime.is_zero()
    }
    /// Keeps what `sid` had.
    pub(crate) fn keep(&self, sid: ConnectionId, ticket: Ticket, now: Instant) {
        let bytes = ticket.bytes();
        if !self.are_kept() || bytes > TICKET_BYTES_MAX {
            return;
        }
        let mut shard = self.shard(sid).lock();
        shard.expire(now, self.lifetime);
        shard.bytes += bytes;
        shard.tickets.insert(sid, ticket);
        shard.order.push_back((now, sid));
        while shard.tickets.len() > TICKETS_MAX / SHARDS || shard.bytes > TICKETS_BYTES_MAX / SHARDS {
            shard.drop_oldest();
        }
    }
    /// Hands the ticket out, for this once, where `may` says so of its owner.
    pub(crate) fn take(&self, sid: ConnectionId, now: Instant, may: impl Fn(&Principal) -> bool) -> Option<Ticket> {
        let mut shard = self.shard(sid).lock();
        shard.expire(now, self.lifetime);
        shard.tickets.get(&sid).filter(|ticket| may(&ticket.who))?;
        shard.remove(sid)
    }
    /// Takes away the tickets of everybody of whom this is true.
    pub(crate) fn revoke(&self, whom: impl Fn(&Principal) -> bool) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            let gone: Vec<ConnectionId> =
                shard.tickets.iter().filter(|(_, ticket)| whom(&ticket.who)).map(|(sid, _)| *sid).collect();
            for sid in gone {
                shard.remove(sid);
            }
        }
    }
    /// Forgets what nobody came for.
    pub(crate) fn sweep(&self, now: Instant) {
        for shard in &self.shards {
            shard.lock().expire(now, self.lifetime);
        }
    }
    fn shard(&self, sid: ConnectionId) -> &Mutex<Shard> {
        &self.shards[sid.0 as usize % SHARDS]
    }
}

impl Shard {
    fn remove(&mut self, sid: ConnectionId) -> Option<Ticket> {
        let ticket = self.tickets.remove(&sid)?;
        self.bytes -= ticket.bytes();
        if self.order.len() > 2 * self.tickets.len() + 64 {
            let tickets = &self.tickets;
            self.order.retain(|(_, sid)| tickets.contains_key(sid));
        }
        Some(ticket)
    }
    fn drop_oldest(&mut self) {
        if let Some((_, sid)) = self.order.pop_front() {
            self.remove(sid);
        }
    }
    fn expire(&mut self, now: Instant, lifetime: Duration) {
        while self.order.front().is_some_and(|(kept, _)| now.saturating_duration_since(*kept) >= lifetime) {
            self.drop_oldest();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(300);

    fn ticket(identifier: &str) -> Ticket {
        let kept = Kept { identifier: identifier.into(), topics: None };
        Ticket { who: Principal::house(), subscriptions: vec![kept] }
    }
    fn anybody(_: &Principal) -> bool {
        true
    }

    #[test]
    fn hands_a_ticket_out_once_and_only_to_whom_it_may() {
        let (tickets, now, sid) = (Tickets::new(LIFETIME), Instant::now(), ConnectionId::random());
        tickets.keep(sid, ticket("a"), now);
        assert!(tickets.take(ConnectionId::random(), now, anybody).is_none());
        assert!(tickets.take(sid, now, |_| false).is_none());
        assert_eq!(&*tickets.take(sid, now, anybody).expect("kept").subscriptions[0].identifier, "a");
        assert!(tickets.take(sid, now, anybody).is_none());
    }

    #[test]
    fn keeps_a_ticket_until_its_time_is_over_or_its_owner_is_sent_away() {
        let (tickets, now) = (Tickets::new(LIFETIME), Instant::now());
        let [late, in_time, revoked] = [(); 3].map(|()| ConnectionId::random());
        for sid in [late, in_time, revoked] {
            tickets.keep(sid, ticket("a"), now);
        }
        assert!(tickets.take(in_time, now + LIFETIME - Duration::from_millis(1), anybody).is_some());
        assert!(tickets.take(late, now + LIFETIME, anybody).is_none());
        tickets.keep(revoked, ticket("a"), now);
        tickets.revoke(|who| who.is_anonymous());
        tickets.revoke(anybody);
        assert!(tickets.take(revoked, now, anybody).is_none());
        assert!(!Tickets::new(Duration::ZERO).are_kept());
    }

    #[test]
    fn stays_within_its_bounds_however_many_are_lost_or_used() {
        let (tickets, now) = (Tickets::new(LIFETIME), Instant::now());
        let text = "x".repeat(60_000);
        for _ in 0..3_000 {
            tickets.keep(ConnectionId::random(), ticket(&text), now);
        }
        let bytes: usize = tickets.shards.iter().map(|shard| shard.lock().bytes).sum();
        assert!(bytes <= TICKETS_BYTES_MAX && bytes > TICKETS_BYTES_MAX / 2, "{bytes}");
        tickets.keep(ConnectionId(7), ticket(&"x".repeat(TICKET_BYTES_MAX)), now);
        assert!(tickets.take(ConnectionId(7), now, anybody).is_none(), "too large to be kept");
        for number in 0..10_000_u128 {
            let sid = ConnectionId(number * SHARDS as u128);
            tickets.keep(sid, ticket("a"), now);
            tickets.take(sid, now, anybody);
        }
        tickets.sweep(now + LIFETIME);
        for shard in &tickets.shards {
            let shard = shard.lock();
            assert_eq!((shard.bytes, shard.tickets.len()), (0, 0));
            assert!(shard.order.len() <= 64, "{}", shard.order.len());
        }
    }
}
