//! The ground under every part that speaks to Redis: where a Redis is, a connection to it, deadlines, the clock of retries.
//!
//! In: URLs, commands, names to subscribe to. Out: answers and messages, or the reason why there are none, in one line and
//! without secrets. It never knows what is said: groups, members and nodes are the business of the modules that use it.
//!
//! - `hosts`: where a Redis is
//! - `command`: commands on a connection, and whose refusal an error is; `pool`: commands on one of several
//! - `subscription`: a connection that only listens; `probe`: what proves that it brings something
//! - `reconnect`, `backoff`: one connection after the other, and the pauses between
//! - `lease`: how a node says that it lives
//! - `time`, `error`, `task`: deadlines and ticks, errors as text, tasks that are asked and ended

mod backoff;
mod command;
mod error;
mod hosts;
mod lease;
mod pool;
mod probe;
mod reconnect;
mod subscription;
mod task;
mod time;

pub use hosts::{Host, HostError};
pub use pool::{PoolError, RedisPool};

pub(crate) use command::{exchange, query};
pub(crate) use error::{one_line, timed_out};
pub(crate) use lease::{KEEP, Lease};
pub(crate) use probe::Probe;
pub(crate) use reconnect::reconnect;
pub(crate) use subscription::{Message, Subscription};
pub(crate) use task::{AbortOnDrop, ask};
pub(crate) use time::{CONNECT, RESPONSE, beats, every, millis};
