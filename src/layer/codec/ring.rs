//! Which of several Redis hosts owns a name: the ring of channels_redis, bit for bit.
//!
//! The two layers hash different text for the same group: the core layer the bare group or the non-local channel name,
//! the pub/sub layer the complete Redis channel ([`super::names::LayerNames`]).

/// The index of `name`'s host, in the order of Django's `hosts`; 0 with one host or none.
///
/// `floor((crc32(name) & 0xFFF) * hosts / 4096)`: `channels_redis.utils._consistent_hash`.
pub fn index(name: &str, hosts: usize) -> usize {
    let slot = (crc32fast::hash(name.as_bytes()) & 0xFFF) as usize;
    slot.saturating_mul(hosts) >> 12
}
