//! A rate limit: a rate, and a bucket that refuses what exceeds it.

use std::time::{Duration, Instant};

use crate::gcra;

/// A number per second, and a number at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct BucketRate {
    /// The time per token.
    interval: Duration,
    /// The time to fill an empty bucket.
    whole: Duration,
}

impl BucketRate {
    /// `None` without a limit; a burst of 0 means as many as in one second.
    pub fn new(per_second: u32, burst: u32) -> Option<Self> {
        let interval = Duration::from_secs(1).checked_div(per_second)?;
        let burst = if burst == 0 { per_second } else { burst };
        Some(Self { interval, whole: interval.saturating_mul(burst) })
    }
}

/// A bucket; full at first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes a token, or returns the time until there is one.
    pub fn take(&mut self, rate: &BucketRate, now: Instant) -> Result<(), Duration> {
        let full_at = gcra::next(self.full_at.unwrap_or(now), rate.interval, now);
        match gcra::overdrawn(full_at, rate.whole, now) {
            Duration::ZERO => {
                self.full_at = Some(full_at);
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// Whether it is full, like a new one.
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let rate = BucketRate::new(10, 3).unwrap_or_else(|| unreachable!());
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut bucket = Bucket::default();
        assert!((0..3).all(|_| bucket.take(&rate, start).is_ok()));
        assert_eq!(bucket.take(&rate, start), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(&rate, at(99)), Err(Duration::from_millis(1)));
        assert_eq!(bucket.take(&rate, at(100)), Ok(()));
        assert!(bucket.take(&rate, at(100)).is_err());
        assert!(!bucket.is_full(at(399)) && bucket.is_full(at(400)));
        assert!((0..3).all(|_| bucket.take(&rate, at(10_000)).is_ok()));
        assert!(bucket.take(&rate, at(10_000)).is_err());
    }

    #[test]
    fn a_burst_of_zero_is_one_second() {
        assert!(BucketRate::new(0, 0).is_none());
        let rate = BucketRate::new(7, 0).unwrap_or_else(|| unreachable!());
        let (mut bucket, now) = (Bucket::default(), Instant::now());
        assert!((0..7).all(|_| bucket.take(&rate, now).is_ok()));
        assert!(bucket.take(&rate, now).is_err());
    }
}
