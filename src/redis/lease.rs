//! How a node says in Redis that it lives: who it is, how often it says so, and for how long the others believe it.
//!
//! Presence, the limit per user and the membership of the cluster keep one each, with scripts of their own: what ends with
//! each lease is different, and one that is lost must not take the others with it.

use std::time::Duration;

use super::{hosts::Host, pool::RedisPool};

/// How long keys outlive the last word of a living node: time enough for a cluster that starts again after a break. What is
/// still wanted is written again long before.
pub const KEEP: Duration = Duration::from_secs(600);

/// Bounds of the deadline of one exchange.
const DEADLINE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));

/// The lease of one start of one node.
pub struct Lease {
    /// Who the node is.
    pub node: String,
    /// How often it is renewed.
    pub heartbeat: Duration,
}

impl Lease {
    /// How long it lasts: two heartbeats may be lost.
    pub fn length(&self) -> Duration {
        3 * self.heartbeat
    }

    /// Deadline of one exchange: one that fails leaves time for another before the lease ends.
    pub fn deadline(&self) -> Duration {
        (self.heartbeat * 2 / 3).clamp(DEADLINE.0, DEADLINE.1)
    }

    /// Connections to the Redis that has the lease.
    pub fn pool(&self, host: Host, connections: usize) -> RedisPool {
        RedisPool::new(host, connections, self.deadline())
    }
}
