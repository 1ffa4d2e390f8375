//! The ground under every part that speaks to Redis: where a Redis is, a connection to it, deadlines, the clock of retries.
//!
//! In: URLs, commands, names to subscribe to. Out: answers and messages, or the reason why there are none, in one line and
//! without secrets. It never knows what is said: groups, members and nodes are the business of the modules that use it.
//!
//! - `hosts`: where a Redis is
//! - `pool`: commands
//! - `backoff`: the pause before another try

mod backoff;
mod hosts;
mod pool;

use std::time::{Duration, Instant};

use redis::RedisError;
use tokio::{
    task::JoinHandle,
    time::{Interval, MissedTickBehavior, interval_at},
};

pub use backoff::Backoff;
pub use hosts::{Host, HostError};
pub use pool::{PoolError, RedisPool};

/// Deadline of a connection with its setup.
pub const CONNECT: Duration = Duration::from_secs(3);

/// Deadline of an answer.
pub const RESPONSE: Duration = Duration::from_secs(3);

/// The error of an answer that did not come in time.
pub fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// An error as one line for people.
pub fn one_line(error: &impl ToString) -> String {
    error.to_string().replace(['\r', '\n'], " ")
}

/// Ticks every `period`, for the first time after one; a tick that comes late moves the next.
pub fn every(period: Duration) -> Interval {
    let period = period.max(Duration::from_millis(10));
    let mut interval = interval_at((Instant::now() + period).into(), period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Ends a task when it is dropped.
pub struct AbortOnDrop(pub JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
