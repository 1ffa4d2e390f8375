//! Logs a repeated warning at most once per interval, with the number of those left out.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// Lets one call through per interval and counts the rest.
#[derive(Debug)]
pub struct Throttle {
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// A throttle that passes at most one call per `interval`.
    pub const fn new(interval: Duration) -> Self {
        Self { interval, state: Mutex::new(State { last: None, suppressed: 0 }) }
    }

    /// `Some(n)` if this occurrence may be logged, where `n` is the number left out since the last; else `None`.
    pub fn pass(&self) -> Option<u64> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.last.is_some_and(|last| now.duration_since(last) < self.interval) {
            state.suppressed += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

/// `log::warn!` through a [`Throttle`] of this place in the code: once per 10 seconds at most.
#[macro_export]
macro_rules! warn_bounded {
    ($($argument:tt)+) => {{
        static THROTTLE: $crate::telemetry::Throttle =
            $crate::telemetry::Throttle::new(std::time::Duration::from_secs(10));
        if let Some(left_out) = THROTTLE.pass() {
            if left_out == 0 {
                log::warn!($($argument)+);
            } else {
                log::warn!("{} ({left_out} like it left out)", format_args!($($argument)+));
            }
        }
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_passes_per_interval_and_the_rest_are_counted() {
        let throttle = Throttle::new(Duration::from_millis(20));
        assert_eq!(throttle.pass(), Some(0));
        assert_eq!(throttle.pass(), None);
        assert_eq!(throttle.pass(), None);
        let deadline = Instant::now() + Duration::from_secs(5);
        let counted = loop {
            if let Some(counted) = throttle.pass() {
                break counted;
            }
            assert!(Instant::now() < deadline, "the interval never ended");
        };
        assert!(counted >= 2);
    }
}
