//! Shared deadlines and ticks.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// Deadline for connecting, including setup.
pub const CONNECT: Duration = Duration::from_secs(3);

/// Deadline of an answer.
pub const RESPONSE: Duration = Duration::from_secs(3);

/// A duration in the form that Redis expects.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Ticks now, then every `period`; a late tick delays the next.
pub fn beats(period: Duration) -> Interval {
    let mut beats = interval(period.max(Duration::from_millis(1)));
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats
}

/// Like [`beats`], but first after a `period`.
pub fn every(period: Duration) -> Interval {
    let mut ticks = beats(period.max(Duration::from_millis(10)));
    ticks.reset();
    ticks
}
