//! A token bucket as one point in time: when the bucket is full again (the generic cell rate algorithm).
//!
//! In: that moment, the cost, and now. Out: the next moment, and how long the bucket is overdrawn. The caller keeps the
//! moment in a type of its own (`Instant`, or microseconds of a worker's clock) and decides what an overdrawn bucket
//! means: a refusal that takes nothing, or a debt that time repays. This file reads no clock and holds no state.

use std::ops::{Add, Sub};

/// When the bucket is full again after taking `cost` from it at `now`; `cost` is the time that it needs to refill.
pub fn next<Moment, Time>(full_at: Moment, cost: Time, now: Moment) -> Moment
where
    Moment: Ord + Add<Time, Output = Moment>,
{
    full_at.max(now) + cost
}

/// How long a bucket of this `capacity` stays overdrawn; zero if it had enough.
///
/// `full_at` must not be before `now`; a value that [`next`] returned never is.
pub fn overdrawn<Moment, Time>(full_at: Moment, capacity: Time, now: Moment) -> Time
where
    Moment: Sub<Output = Time>,
    Time: Copy + Default + PartialOrd + Sub<Output = Time>,
{
    let missing = full_at - now;
    if missing > capacity { missing - capacity } else { Time::default() }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bucket_holds_its_capacity_and_fills_with_time() {
        // Full at 0; each token takes 10 to come back, and there are 3.
        assert_eq!(next(0_u64, 30, 0), 30);
        assert_eq!(overdrawn(30_u64, 30, 0), 0);
        assert_eq!(overdrawn(next(30_u64, 10, 0), 30, 0), 10, "the fourth comes too early by one interval");
        assert_eq!(overdrawn(next(30_u64, 10, 10), 30, 10), 0);
        assert_eq!(next(30_u64, 10, 1000), 1010, "it is never fuller than full");
    }

    #[test]
    fn moments_may_be_instants() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let full_at = next(now, second * 5, now);
        assert_eq!(overdrawn(full_at, second * 3, now), second * 2);
        assert_eq!(overdrawn(full_at, second * 3, now + second * 2), Duration::ZERO);
    }

    /// The textbook bucket: it counts tokens and fills as time passes. Tokens are measured in time here, too.
    struct Naive {
        tokens: i64,
        capacity: i64,
        filled_at: i64,
    }

    impl Naive {
        fn fill(&mut self, now: i64) {
            self.tokens = self.capacity.min(self.tokens + now - self.filled_at);
            self.filled_at = now;
        }
    }

    proptest! {
        #[test]
        fn it_refuses_like_a_naive_bucket(
            capacity in 1_u64..1000,
            steps in proptest::collection::vec((0_u64..300, 1_u64..300), 1..200),
        ) {
            let mut naive = Naive { tokens: capacity as i64, capacity: capacity as i64, filled_at: 0 };
            let (mut full_at, mut now) = (0, 0);
            for (passed, cost) in steps {
                now += passed;
                naive.fill(now as i64);
                let then = next(full_at, cost, now);
                let short = overdrawn(then, capacity, now);
                prop_assert_eq!(short, (cost as i64 - naive.tokens).max(0) as u64);
                if short == 0 {
                    full_at = then;
                    naive.tokens -= cost as i64;
                }
            }
        }

        #[test]
        fn it_is_in_debt_like_a_naive_bucket(
            capacity in 1_u64..1000,
            steps in proptest::collection::vec((0_u64..300, 0_u64..300), 1..200),
        ) {
            let mut naive = Naive { tokens: capacity as i64, capacity: capacity as i64, filled_at: 0 };
            let (mut full_at, mut now) = (0, 0);
            for (passed, cost) in steps {
                now += passed;
                naive.fill(now as i64);
                naive.tokens -= cost as i64;
                full_at = next(full_at, cost, now);
                prop_assert_eq!(overdrawn(full_at, capacity, now), (-naive.tokens).max(0) as u64);
            }
        }
    }
}
