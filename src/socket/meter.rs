//! Limits how fast one client may send: two token buckets, of frames and of bytes, as two moments.
//!
//! In: the amount just read. Out: how long to pause reading. Data that was read is never refused, so a bucket may be in
//! debt by one read; the client pays for it with time, during which TCP holds it back.

use std::time::Duration;

use crate::{config, gcra};

/// The capacity of a bucket, as the microseconds in which it fills. An honest client sends bursts.
const BURST: u64 = 10_000_000;

/// What a client may send per second; 0: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    frames: u64,
    bytes: u64,
}

impl Rates {
    /// The limits of `[socket]`.
    pub fn new(socket: &config::Socket) -> Self {
        Self { frames: u64::from(socket.max_frames_per_second), bytes: socket.max_bytes_per_second as u64 }
    }
}

/// When each of one client's buckets is full again, in microseconds of the worker's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    frames: u64,
    bytes: u64,
}

impl Meter {
    /// Takes the amount read at `now`; returns how long to pause reading.
    pub fn take(&mut self, frames: u64, bytes: usize, rates: Rates, now: u64) -> Duration {
        let wait = take(&mut self.frames, frames, rates.frames, now).max(take(
            &mut self.bytes,
            bytes as u64,
            rates.bytes,
            now,
        ));
        Duration::from_micros(wait)
    }
}

fn take(full: &mut u64, count: u64, rate: u64, now: u64) -> u64 {
    if rate == 0 {
        return 0;
    }
    *full = gcra::next(*full, count * 1_000_000 / rate, now);
    gcra::overdrawn(*full, BURST, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn ten_seconds_worth_at_once_and_then_the_rate() {
        let rates = Rates { frames: 100, bytes: 1000 };
        let mut meter = Meter::default();
        assert_eq!(meter.take(1000, 10_000, rates, 0), Duration::ZERO);
        assert_eq!(meter.take(1, 10, rates, 0), Duration::from_millis(10));
        assert_eq!(meter.take(1, 200, rates, SECOND), Duration::ZERO);
        assert_eq!(meter.take(0, 1000, rates, SECOND), Duration::from_millis(210), "bytes count by themselves");
        assert_eq!(meter.take(300, 0, rates, SECOND), Duration::from_millis(2020), "and so do frames");
        // Never more than a full bucket.
        assert_eq!(meter.take(1000, 10_000, rates, 3600 * SECOND), Duration::ZERO);
        assert!(meter.take(10, 0, rates, 3600 * SECOND) > Duration::ZERO);
    }

    #[test]
    fn over_any_time_no_more_than_the_burst_and_the_rate() {
        let rates = Rates { frames: 50, bytes: 0 };
        let (mut meter, mut now, mut sent) = (Meter::default(), 0, 0);
        while now < 100 * SECOND {
            sent += 7;
            now += 1 + u64::try_from(meter.take(7, 1 << 20, rates, now).as_micros()).unwrap();
        }
        assert!((5400..5520).contains(&sent), "{sent}");
    }

    #[test]
    fn no_limit_is_no_limit() {
        let mut meter = Meter::default();
        assert_eq!(meter.take(u64::MAX, usize::MAX, Rates { frames: 0, bytes: 0 }, 5), Duration::ZERO);
    }
}
