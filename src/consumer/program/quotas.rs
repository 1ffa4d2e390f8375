//! How fast one connection may send: a token bucket for each `limit` that it has used.

use std::time::{Duration, Instant};

use crate::{config::Rate, gcra};

/// The buckets of one connection; no cost before the first limit.
#[derive(Debug, Default)]
pub struct Quotas(Box<[Bucket]>);

/// A bucket as one moment: when it will be full again.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    limit: u16,
    full: Instant,
}

impl Quotas {
    /// Takes one token from the bucket of a limit; `false` if it is empty.
    pub fn take(&mut self, limit: u16, rate: Rate, now: Instant) -> bool {
        let index = self.0.iter().position(|bucket| bucket.limit == limit);
        let full = gcra::next(index.map_or(now, |index| self.0[index].full), rate.per.0 / rate.count, now);
        if gcra::overdrawn(full, rate.per.0, now) > Duration::ZERO {
            return false;
        }
        match index {
            Some(index) => self.0[index].full = full,
            // Once for each limit that a connection uses.
            None => self.0 = self.0.iter().copied().chain([Bucket { limit, full }]).collect(),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_steady_trickle() {
        let (mut limits, start) = (Quotas::default(), Instant::now());
        let rate: Rate = "5/1s".parse().unwrap();
        let mut at = |millis| limits.take(0, rate, start + Duration::from_millis(millis));
        assert_eq!([0, 0, 1, 1, 2, 3, 100].map(&mut at), [true, true, true, true, true, false, false]);
        assert_eq!([201, 202, 401, 402].map(&mut at), [true, false, true, false]);
        // Never more than a full bucket.
        assert_eq!([9000; 6].map(&mut at), [true, true, true, true, true, false]);
    }

    #[test]
    fn every_limit_has_a_bucket_of_its_own() {
        let (mut limits, now) = (Quotas::default(), Instant::now());
        for limit in 0..3 {
            for rate in ["3/1s", "3/1s", "3/1s"] {
                assert!(limits.take(limit, rate.parse().unwrap(), now));
            }
            assert!(!limits.take(limit, "3/1s".parse().unwrap(), now));
        }
    }
}
