//! Who edits which cell until when. A plain serialisable struct inside an entity's state: no actor, no clock.
//!
//! `decide` asks ([`claim`](Leases::claim), [`held`](Leases::held), [`expired`](Leases::expired)); `apply` tells ([`grant`](Leases::grant),
//! [`end`](Leases::end)); `hear` renews ([`renew`](Leases::renew)); `waken` gives everybody a fresh term ([`refresh`](Leases::refresh));
//! `alarm` is [`earliest`](Leases::earliest). Safety never rests on time: an edit is allowed by the lease that the entity itself holds,
//! and a lease ends only by a fact.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use trunkline_protocol::{Cell, ConnectionId, Timestamp, UserId, Version};

/// Who holds a lease: one connection (one tab) of one user.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// The user.
    pub user: UserId,
    /// Which of their connections.
    pub connection: ConnectionId,
}

/// The right of one connection to edit one cell for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lease {
    /// Who holds it.
    pub holder: Holder,
    /// When it ends by itself, unless renewed.
    pub until: Timestamp,
    /// Its fencing token: the version of the commit that granted it.
    pub token: Version,
}

/// What a claim of a cell would come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// Nobody holds it: write the grant.
    Free,
    /// The last lease has run out, but nobody said so yet: write its end, then the grant.
    Lapsed(Lease),
    /// The claimer holds it: tell the renewal as a notice, write nothing.
    Renewal(Lease),
    /// Another connection of the same user holds it, and gives way: write the grant.
    TakeOver(Lease),
    /// Somebody else holds it: refuse, naming them.
    Held(Lease),
}

/// The right to take a cell up again unasked: an editor that saves as it types writes again after its edit ended the lease.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Grace<K> {
    cell: K,
    holder: Holder,
    until: Timestamp,
}

/// Who edits which cell until when; `K` names a cell within its entity.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Leases<K = Cell> {
    // Sorted by cell. A row has a handful of editors: a vector is smaller and faster than a tree.
    held: Vec<(K, Lease)>,
    graces: Vec<Grace<K>>,
}

impl<K> Default for Leases<K> {
    fn default() -> Self {
        Self { held: Vec::new(), graces: Vec::new() }
    }
}

impl<K: Ord + Clone> Leases<K> {
    /// What a claim of `cell` by `holder` comes to.
    #[must_use]
    pub fn claim(&self, cell: &K, holder: Holder, now: Timestamp) -> Claim {
        match self.get(cell) {
            None => Claim::Free,
            Some(lease) if lease.holder == holder => Claim::Renewal(*lease),
            Some(lease) if lease.until <= now => Claim::Lapsed(*lease),
            Some(lease) if lease.holder.user == holder.user => Claim::TakeOver(*lease),
            Some(lease) => Claim::Held(*lease),
        }
    }
    /// The lease on `cell`, whether or not its time has run out: it counts until its end is written.
    #[must_use]
    pub fn get(&self, cell: &K) -> Option<&Lease> {
        self.place(cell).ok().map(|at| &self.held[at].1)
    }
    /// Whether exactly this connection holds `cell`.
    #[must_use]
    pub fn held(&self, cell: &K, holder: Holder) -> bool {
        self.get(cell).is_some_and(|lease| lease.holder == holder)
    }
    /// Whether `holder` may edit `cell` that nobody holds, because its own edit ended its lease a moment ago.
    #[must_use]
    pub fn graced(&self, cell: &K, holder: Holder, now: Timestamp) -> bool {
        self.get(cell).is_none()
            && self.graces.iter().any(|grace| grace.cell == *cell && grace.holder == holder && grace.until > now)
    }
    /// Every cell that this connection holds: what ends when it goes.
    pub fn of_connection(&self, connection: ConnectionId) -> impl Iterator<Item = (&K, &Lease)> {
        self.iter().filter(move |(_, lease)| lease.holder.connection == connection)
    }
    /// Every lease whose time has run out: what an alarm should end.
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = (&K, &Lease)> {
        self.iter().filter(move |(_, lease)| lease.until <= now)
    }
    /// Every lease, by cell.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Lease)> {
        self.held.iter().map(|(cell, lease)| (cell, lease))
    }
    /// When the next lease runs out: what `alarm` answers.
    #[must_use]
    pub fn earliest(&self) -> Option<Timestamp> {
        self.held.iter().map(|(_, lease)| lease.until).min()
    }
    /// Whether nobody holds anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Grants `cell`: of whoever held it before, nothing is left. `token` is the version of the commit that says so.
    pub fn grant(&mut self, cell: K, holder: Holder, until: Timestamp, token: Version) {
        self.graces.retain(|grace| grace.cell != cell);
        let lease = Lease { holder, until, token };
        match self.place(&cell) {
            Ok(at) => self.held[at].1 = lease,
            Err(at) => self.held.insert(at, (cell, lease)),
        }
    }
    /// Gives the holder more time; nothing happens where it holds the cell no longer, and no lease is ever shortened.
    pub fn renew(&mut self, cell: &K, holder: Holder, until: Timestamp) {
        let Ok(at) = self.place(cell) else { return };
        let lease = &mut self.held[at].1;
        if lease.holder == holder {
            lease.until = lease.until.max(until);
        }
    }
    /// Ends the lease on `cell` and tells whose it was.
    pub fn end(&mut self, cell: &K) -> Option<Lease> {
        let at = self.place(cell).ok()?;
        Some(self.held.remove(at).1)
    }
    /// Ends the lease on `cell` because its holder wrote; until then they may write again unasked, if nobody else took the cell.
    pub fn end_with_grace(&mut self, cell: &K, now: Timestamp, until: Timestamp) -> Option<Lease> {
        let lease = self.end(cell)?;
        self.graces.retain(|grace| grace.until > now && grace.cell != *cell);
        self.graces.push(Grace { cell: cell.clone(), holder: lease.holder, until });
        Some(lease)
    }
    /// Forgets what `connection` might have taken up again: it is gone.
    pub fn forget(&mut self, connection: ConnectionId) {
        self.graces.retain(|grace| grace.holder.connection != connection);
    }
    /// Keeps the leases and graces on the cells for which `keep` says so: the rows of the others were removed.
    pub fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.held.retain(|(cell, _)| keep(cell));
        self.graces.retain(|grace| keep(&grace.cell));
    }
    /// A fresh full term for everybody: renewals are not written, so whoever wakes does not know them. No lease ends sooner by this, unless
    /// it was to live for more than a term, because the clock has been set back since.
    pub fn refresh(&mut self, now: Timestamp, term: Duration) {
        let until = now.plus(term);
        self.held.iter_mut().for_each(|(_, lease)| lease.until = until);
        self.graces.retain_mut(|grace| {
            grace.until = grace.until.min(until);
            grace.until > now
        });
    }

    fn place(&self, cell: &K) -> Result<usize, usize> {
        self.held.binary_search_by(|(held, _)| held.cmp(cell))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TERM: Duration = Duration::from_secs(30);
    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }
    fn tab(user: u64, tab: u128) -> Holder {
        Holder { user: UserId(user), connection: ConnectionId(tab) }
    }

    #[test]
    fn grants_a_free_cell_and_names_the_holder_to_the_second_editor() {
        let mut leases = Leases::default();
        assert_eq!(leases.claim(&"title", tab(1, 1), at(0)), Claim::Free);
        leases.grant("title", tab(1, 1), at(30), 7);
        let lease = Lease { holder: tab(1, 1), until: at(30), token: 7 };
        assert_eq!(leases.claim(&"title", tab(2, 2), at(29)), Claim::Held(lease));
        assert_eq!(leases.claim(&"title", tab(1, 1), at(29)), Claim::Renewal(lease));
        assert_eq!(leases.claim(&"title", tab(1, 9), at(29)), Claim::TakeOver(lease));
        assert_eq!(leases.claim(&"title", tab(2, 2), at(30)), Claim::Lapsed(lease));
        assert_eq!(leases.claim(&"city", tab(2, 2), at(0)), Claim::Free);
    }

    #[test]
    fn releases_only_what_the_leaving_tab_holds() {
        let mut leases = Leases::default();
        leases.grant("title", tab(1, 1), at(30), 1);
        leases.grant("city", tab(1, 2), at(30), 2);
        let gone: Vec<_> = leases.of_connection(ConnectionId(1)).map(|(cell, _)| *cell).collect();
        assert_eq!(gone, ["title"]);
    }

    #[test]
    fn lets_an_editor_write_again_after_its_own_edit_unless_somebody_else_came() {
        let mut leases = Leases::default();
        leases.grant("title", tab(1, 1), at(30), 1);
        leases.end_with_grace(&"title", at(5), at(35));
        assert!(leases.graced(&"title", tab(1, 1), at(34)));
        assert!(!leases.graced(&"title", tab(1, 1), at(35)));
        assert!(!leases.graced(&"title", tab(1, 2), at(6)), "another tab never held it");
        leases.grant("title", tab(2, 2), at(60), 2);
        assert!(!leases.graced(&"title", tab(1, 1), at(7)));
    }

    #[test]
    fn gives_a_fresh_term_after_waking_and_never_a_shorter_one() {
        let mut leases = Leases::default();
        leases.grant("title", tab(1, 1), at(10), 1);
        leases.grant("city", tab(1, 1), at(129), 2);
        leases.refresh(at(100), TERM);
        assert_eq!(leases.get(&"title").map(|lease| lease.until), Some(at(130)));
        assert_eq!(leases.get(&"city").map(|lease| lease.until), Some(at(130)));
        assert_eq!(leases.earliest(), Some(at(130)));
    }

    #[test]
    fn takes_no_lease_for_longer_than_a_term_because_the_clock_was_set_back() {
        let mut leases = Leases::default();
        leases.grant("title", tab(1, 1), at(4000), 1);
        leases.end_with_grace(&"title", at(3970), at(4000));
        leases.grant("city", tab(1, 1), at(4000), 2);
        leases.refresh(at(400), TERM);
        assert_eq!(leases.earliest(), Some(at(430)), "an hour was taken back");
        assert!(leases.graced(&"title", tab(1, 1), at(429)) && !leases.graced(&"title", tab(1, 1), at(430)));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Claim { cell: u8, user: u64, tab: u128 },
        Leave { tab: u128 },
        Wait { seconds: i64 },
        Alarm,
    }
    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..3_u8, 1..4_u64, 0..2_u128).prop_map(|(cell, user, n)| Step::Claim { cell, user, tab: u128::from(user) * 10 + n }),
            (1..4_u128, 0..2_u128).prop_map(|(user, n)| Step::Leave { tab: user * 10 + n }),
            (0..40_i64).prop_map(|seconds| Step::Wait { seconds }),
            Just(Step::Alarm),
        ]
    }

    proptest! {
        // A model of one holder per cell: whoever was granted last holds it until it is released, taken over or has run out.
        #[test]
        fn keeps_exactly_one_holder_and_loses_no_unlock(steps in proptest::collection::vec(step(), 0..80)) {
            let mut leases = Leases::<u8>::default();
            let mut model = std::collections::BTreeMap::<u8, (Holder, i64)>::new();
            let (mut now, mut token, mut granted, mut ended) = (0_i64, 0, 0_usize, 0_usize);
            for step in steps {
                match step {
                    Step::Claim { cell, user, tab } => {
                        let me = self::tab(user, tab);
                        let before = model.get(&cell).copied();
                        let claim = leases.claim(&cell, me, at(now));
                        match (before, claim) {
                            (None, Claim::Free) => granted += 1,
                            (Some((holder, until)), Claim::Lapsed(_)) => { prop_assert!(holder != me && until <= now); ended += 1; granted += 1; }
                            (Some((holder, _)), Claim::Renewal(_)) => prop_assert_eq!(holder, me),
                            (Some((holder, until)), Claim::TakeOver(_)) => prop_assert!(holder.user == me.user && holder != me && until > now),
                            (Some((holder, until)), Claim::Held(lease)) => { prop_assert!(holder.user != me.user && until > now); prop_assert_eq!(lease.holder, holder); continue; }
                            (before, claim) => prop_assert!(false, "{before:?} against {claim:?}"),
                        }
                        token += 1;
                        match claim {
                            Claim::Renewal(_) => leases.renew(&cell, me, at(now + 30)),
                            _ => leases.grant(cell, me, at(now + 30), token),
                        }
                        model.insert(cell, (me, now + 30));
                    }
                    Step::Leave { tab } => {
                        let gone: Vec<u8> = leases.of_connection(ConnectionId(tab)).map(|(cell, _)| *cell).collect();
                        for cell in gone { leases.end(&cell); ended += 1; }
                        model.retain(|_, (holder, _)| holder.connection != ConnectionId(tab));
                    }
                    Step::Wait { seconds } => now += seconds,
                    Step::Alarm => {
                        let over: Vec<u8> = leases.expired(at(now)).map(|(cell, _)| *cell).collect();
                        for cell in over { leases.end(&cell); ended += 1; }
                        model.retain(|_, (_, until)| *until > now);
                    }
                }
                let held: Vec<_> = leases.iter().map(|(cell, lease)| (*cell, lease.holder, lease.until)).collect();
                let expected: Vec<_> = model.iter().map(|(cell, (holder, until))| (*cell, *holder, at(*until))).collect();
                prop_assert_eq!(held, expected);
                prop_assert_eq!(leases.earliest(), model.values().map(|(_, until)| at(*until)).min());
                prop_assert_eq!(granted, ended + model.len(), "every grant ends once");
            }
        }
    }
}
