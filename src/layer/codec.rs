//! Decodes and encodes plain data, without I/O: every format that Django and its libraries write to Redis.
//!
//! In: bytes of a queue member, a PUBLISH or a cache value. Out: [`crate::event::Value`], or an error with its reason
//! and its metric label ([`DropReason`](crate::telemetry::DropReason)). Every decoder expects hostile input: it is
//! bounded in depth and memory, never allocates by a length field alone, never panics and never calls a function named
//! in the data.
//!
//! - [`envelope`]: the messages of channels_redis' two layers, built from [`msgpack`], [`json`] and [`fernet`]
//! - [`names`], [`ring`], [`capacity`]: the Redis keys and channels that they use, the host and the capacity of each
//! - `copy`: a node's copy of an event for Channels' own consumers; `date`: dates as JavaScript writes them
//! - [`cache_value`]: the values of Django's cache, built from [`compress`], [`pickle`], [`json`] and [`msgpack`]

pub mod cache_value;
pub mod capacity;
pub mod compress;
mod copy;
mod date;
pub mod envelope;
pub mod fernet;
#[cfg(test)]
mod hostile;
pub mod json;
pub mod msgpack;
pub mod names;
pub mod pickle;
#[cfg(test)]
mod properties;
pub mod ring;
#[cfg(test)]
mod value_vectors;
#[cfg(test)]
mod vectors;

pub use crate::event::{MAX_DEPTH, MAX_VALUES};
