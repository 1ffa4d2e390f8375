//! The lease of a node in Redis: its id, how often it is renewed, and how long it lasts.
//!
//! Presence, user limits and the membership of the cluster have one each, with scripts of their own: different things
//! end with each lease, and losing one must not affect the others.

use std::time::Duration;

use super::{hosts::Host, pool::RedisPool};

/// How long keys outlive the last heartbeat of a node: enough for a cluster that restarts after a break. Keys still in
/// use are written again long before.
pub const KEEP: Duration = Duration::from_secs(600);

/// Bounds for the deadline of one exchange.
const DEADLINE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));

/// The lease of one start of one node.
pub struct Lease {
    /// The id of the node.
    pub node: String,
    /// How often it is renewed.
    pub heartbeat: Duration,
}

impl Lease {
    /// Its duration: two heartbeats may be lost.
    pub fn length(&self) -> Duration {
        3 * self.heartbeat
    }

    /// Deadline of one exchange: after a failure there is time for another before the lease ends.
    pub fn deadline(&self) -> Duration {
        (self.heartbeat * 2 / 3).clamp(DEADLINE.0, DEADLINE.1)
    }

    /// Connections to the Redis of the lease.
    pub fn pool(&self, host: Host, connections: usize) -> RedisPool {
        RedisPool::new(host, connections, self.deadline())
    }
}
