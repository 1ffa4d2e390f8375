//! The foundation for every part that uses Redis: addresses, connections, deadlines, the timing of retries.
//!
//! In: URLs, commands, names to subscribe to. Out: answers and messages, or the reason for a failure, in one line and
//! without secrets. It never knows the meaning of the data: groups, members and nodes belong to the modules that use
//! it.
//!
//! - `connection`: one that closes with its last clone; `hosts`: the address of a Redis, and connections to it
//! - `command`: commands on a connection, with the command in permission errors; `pool`: commands on one of several
//! - `subscription`: a connection that only receives; `probe`: proves that it works
//! - `reconnect`: one connection after the other, with pauses in between
//! - `lease`: a node's sign of life
//! - `time`, `error`, `task`: deadlines and ticks, errors as text, requests to and the end of tasks

mod command;
mod connection;
mod error;
mod hosts;
mod lease;
mod pool;
mod probe;
mod reconnect;
mod subscription;
mod task;
mod time;

pub use connection::Connection;
pub use hosts::{Host, HostError, Server};
pub use pool::{PoolError, RedisPool};

pub(crate) use command::{exchange, of_command, query};
pub(crate) use error::{one_line, timed_out};
pub(crate) use lease::{KEEP, Lease};
pub(crate) use probe::Probe;
pub(crate) use reconnect::reconnect;
pub(crate) use subscription::{Published, Subscription};
pub(crate) use task::{AbortOnDrop, ask};
pub(crate) use time::{CONNECT, RESPONSE, beats, every, millis};
