//! The pause before the next connection attempt.

use std::time::Duration;

use rand::Rng;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Full jitter: a random pause up to a bound that doubles, so that many nodes do not return at once.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    fn bound(&self) -> Duration {
        FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE)
    }

    /// The next pause; doubles the bound for the one after it.
    pub fn next_pause(&mut self) -> Duration {
        let bound = self.bound();
        self.failures = self.failures.saturating_add(1);
        rand::rng().random_range(Duration::ZERO..=bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_two_seconds_and_no_further() {
        let mut backoff = Backoff::default();
        let mut last = Duration::ZERO;
        for _ in 0..100 {
            let bound = backoff.bound();
            assert!(bound >= last && bound <= LONGEST_PAUSE);
            assert!(backoff.next_pause() <= bound);
            last = bound;
        }
        assert_eq!(last, LONGEST_PAUSE);
    }
}
