//! A storm's pace: so many are let in, and so many histories told, in each turn of the core. The busier a core is with those who are there, the
//! longer its turns, and the slower it lets in; whoever waits, waits in the order they came. The measure of a draining core is the same.

use std::time::Duration;

use tokio::{
    sync::{Semaphore, SemaphorePermit},
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
    arrivals: Semaphore,
    histories: Semaphore,
}

impl Default for Turnstiles {
    fn default() -> Self {
        Self { arrivals: Semaphore::new(ARRIVALS_PER_TURN), histories: Semaphore::new(HISTORIES_PER_TURN) }
    }
}

impl Turnstiles {
    /// Returns when it is a client's turn to be let in; the next one's turn is after everybody else's on this core.
    pub(crate) async fn arrive(&self) -> SemaphorePermit<'_> {
        turn(&self.arrivals).await
    }
    /// The same for who asks for a history.
    pub(super) async fn recover(&self) -> SemaphorePermit<'_> {
        turn(&self.histories).await
    }
}

/// Somebody's turn lasts until what is returned here is dropped.
async fn turn(turnstile: &Semaphore) -> SemaphorePermit<'_> {
    let turn = turnstile.acquire().await.expect("no turnstile is ever closed");
    // Held for a turn at least: work that never waits would otherwise let the next one pass in the same turn.
    yield_now().await;
    turn
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
    use std::{cell::Cell, rc::Rc};

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
