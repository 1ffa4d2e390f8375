//! Bytes to plain data and back, without I/O: every format that Django and its libraries write to Redis.
//!
//! In: bytes of a queue member, of a PUBLISH or of a cache value. Out: [`crate::event::Value`], or an error that says why
//! and how it is counted ([`DropReason`](crate::telemetry::DropReason)). Every decoder expects hostile input: it is bounded
//! in depth and memory, allocates nothing on the word of a length field, never panics and never calls what the data names.
//!
//! - [`envelope`]: what the two layers of channels_redis write, built from [`msgpack`], [`json`] and [`fernet`]
//! - [`names`], [`ring`]: which Redis keys and channels they use, and on which of several hosts
//! - [`cache_value`]: what Django's cache writes, built from [`compress`], [`pickle`], [`json`] and [`msgpack`]

pub mod cache_value;
pub mod compress;
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
mod vectors;

/// How deeply lists and maps may nest in any format; the limit of serde_json.
pub const MAX_DEPTH: usize = 127;

/// How many values one message may hold; a value of one byte takes 72 in memory.
pub const MAX_VALUES: usize = 1 << 20;
