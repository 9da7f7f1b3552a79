//! How much one client may ask. A flood is not punished: it is read more slowly, and TCP tells the sender.

use std::time::Duration;

use tokio::time::Instant;

/// Commands at once: ten thousand subscribes right after a reconnect must pass at full speed.
const BURST: u32 = 10_000;
/// Commands a second after that, for ever: twenty times what a busy editor does.
const PER_SECOND: u32 = 1_000;

/// A token bucket that starts full.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    since: Instant,
}

impl Budget {
    pub(super) fn full() -> Self {
        Self { left: BURST, since: Instant::now() }
    }
    /// Takes one; or says how long to wait for it.
    pub(super) fn take(&mut self) -> Result<(), Duration> {
        if self.left == 0 {
            let elapsed = self.since.elapsed();
            let earned = (elapsed.as_secs_f64() * f64::from(PER_SECOND)).min(f64::from(BURST)) as u32;
            if earned < PER_SECOND / 10 {
                return Err(Duration::from_millis(100).saturating_sub(elapsed).max(Duration::from_millis(1)));
            }
            self.left = earned;
            self.since = Instant::now();
        }
        self.left -= 1;
        Ok(())
    }
    /// It was not needed after all.
    pub(super) fn give_back(&mut self) {
        self.left += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn reads_a_burst_at_once_and_a_flood_at_a_steady_pace() {
        let mut budget = Budget::full();
        let mut taken = 0_u32;
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            match budget.take() {
                Ok(()) => taken += 1,
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
        assert!((BURST + 9 * PER_SECOND..=BURST + 11 * PER_SECOND).contains(&taken), "{taken}");
    }
}
