//! A storm's pace: so many are let in, and so many histories told, in each turn of the core. The busier a core is with those who are there, the
//! longer its turns, and the slower it lets in; whoever waits, waits in the order they came. The measure of a draining core is the same.

use std::{cell::Cell, rc::Rc, time::Duration};

use tokio::{
    sync::Semaphore,
    task::yield_now,
    time::{Instant, sleep},
};

/// Handshakes in one turn: two milliseconds' work.
const ARRIVALS_PER_TURN: usize = 32;
/// Histories in one turn.
const HISTORIES_PER_TURN: usize = 16;
/// What a core lets in within a millisecond of a storm, subscriptions and histories included (`benches/fanout`, `storm`).
const ARRIVALS_PER_MS: usize = 6;

/// One core's turnstiles.
pub(crate) struct Turnstiles {
    arrivals: Rc<Turnstile>,
    histories: Rc<Turnstile>,
}

impl Default for Turnstiles {
    fn default() -> Self {
        Self { arrivals: Turnstile::letting_in(ARRIVALS_PER_TURN), histories: Turnstile::letting_in(HISTORIES_PER_TURN) }
    }
}

impl Turnstiles {
    /// Returns when it is a client's turn to be let in: at once, unless so many have been in this turn of the core.
    pub(crate) async fn arrive(&self) -> Passage {
        self.arrivals.pass().await
    }
    /// The same for who asks for a history.
    pub(super) async fn recover(&self) -> Passage {
        self.histories.pass().await
    }
}

struct Turnstile {
    places: Semaphore,
    /// Places that were left in this turn of the core; free again in the next one.
    left: Cell<usize>,
}

impl Turnstile {
    fn letting_in(at_once: usize) -> Rc<Self> {
        Rc::new(Self { places: Semaphore::new(at_once), left: Cell::new(0) })
    }
    async fn pass(self: &Rc<Self>) -> Passage {
        self.places.acquire().await.expect("no turnstile is ever closed").forget();
        Passage(self.clone())
    }
}

/// A place in a turnstile. Whoever comes next has it after everybody else on this core: work that never waits would otherwise let all of them
/// pass in the same turn.
pub(crate) struct Passage(Rc<Turnstile>);

impl Drop for Passage {
    fn drop(&mut self) {
        let left = self.0.left.replace(self.0.left.get() + 1);
        if left == 0 {
            let turnstile = self.0.clone();
            actix_rt::spawn(async move {
                yield_now().await;
                turnstile.places.add_permits(turnstile.left.take());
            });
        }
    }
}

/// How many of so many clients a draining core sends away in each millisecond: no more than come back as fast as they are let in, unless
/// they would not all be told within half of the time that stopping may take.
pub(super) fn farewells_per_ms(clients: usize, drain_timeout: Duration) -> usize {
    let half = usize::try_from(drain_timeout.as_millis() / 2).unwrap_or(usize::MAX).max(1);
    ARRIVALS_PER_MS.max(clients.div_ceil(half))
}

/// Does it to so many in each millisecond, by the clock: where a nap was longer than a millisecond, to as many more.
pub(super) async fn paced<T>(all: &[T], per_ms: usize, each: impl Fn(&T)) {
    let (began, mut rest) = (Instant::now(), all);
    while !rest.is_empty() {
        let passed = usize::try_from(began.elapsed().as_millis()).unwrap_or(usize::MAX);
        let due = passed.saturating_add(1).saturating_mul(per_ms).min(all.len());
        let (now, later) = rest.split_at(due.saturating_sub(all.len() - rest.len()));
        now.iter().for_each(&each);
        rest = later;
        sleep(Duration::from_millis(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn lets_others_have_their_turn_after_every_few() {
        let turnstiles = Rc::new(Turnstiles::default());
        let (arrived, turns) = (Rc::new(Cell::new(0_usize)), Cell::new(0));
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                for _ in 0..10 * ARRIVALS_PER_TURN {
                    let (turnstiles, arrived) = (turnstiles.clone(), arrived.clone());
                    tokio::task::spawn_local(async move {
                        let _turn = turnstiles.arrive().await;
                        arrived.set(arrived.get() + 1);
                    });
                }
                let mut before = 0;
                while arrived.get() < 10 * ARRIVALS_PER_TURN {
                    assert!(arrived.get() - before <= 2 * ARRIVALS_PER_TURN, "{} at once", arrived.get() - before);
                    before = arrived.get();
                    turns.set(turns.get() + 1);
                    yield_now().await;
                }
            })
            .await;
        assert!(turns.get() >= 5, "{}", turns.get());
    }

    #[tokio::test]
    async fn keeps_nobody_waiting_while_there_is_room_and_the_next_one_until_the_turn_is_over() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let turnstiles = Turnstiles::default();
                let mut passages = Vec::new();
                while let Some(passage) = turnstiles.arrive().now_or_never() {
                    passages.push(passage);
                }
                assert_eq!(passages.len(), ARRIVALS_PER_TURN);
                drop(passages);
                assert!(turnstiles.arrive().now_or_never().is_none(), "left, and free again only in the next turn");
                let next = tokio::time::timeout(Duration::from_secs(10), turnstiles.arrive()).await;
                assert!(next.is_ok());
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_its_pace_however_late_it_is_woken() {
        let (all, done, began) = (vec![(); 1_000], Cell::new(0), Instant::now());
        let busy = async {
            while done.get() < all.len() {
                // Whatever else the core does takes ten milliseconds of each turn.
                tokio::time::advance(Duration::from_millis(10)).await;
                yield_now().await;
            }
        };
        tokio::join!(paced(&all, 10, |()| done.set(done.get() + 1)), busy);
        assert!(began.elapsed() >= Duration::from_millis(90), "{:?}", began.elapsed());
        assert!(began.elapsed() <= Duration::from_millis(150), "{:?}", began.elapsed());
    }

    #[test]
    fn sends_away_at_the_pace_of_arrivals_but_in_time() {
        assert_eq!(farewells_per_ms(100, Duration::from_secs(15)), ARRIVALS_PER_MS);
        assert_eq!(farewells_per_ms(15_000, Duration::from_secs(15)), ARRIVALS_PER_MS);
        assert_eq!(farewells_per_ms(100_000, Duration::from_secs(2)), 100);
        assert_eq!(farewells_per_ms(10, Duration::ZERO), 10);
    }
}
