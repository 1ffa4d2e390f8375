//! The bytes that wait for all clients of a worker together: their [`Budget`], and the counters of what is dropped.
//!
//! A frame that waits in many outboxes of a worker is counted once, because it is in memory once. A delivery that the
//! kernel accepts at once uses nothing of this.

use std::ops::Deref;

use super::budget::Budget;
use crate::{
    config,
    telemetry::{DropCounter, DropReason, Metrics},
};

/// The waiting bytes of one worker; it lists the slow connections by their index in `Connections`.
pub struct Pressure {
    budget: Budget<u32>,
    pub(super) oldest: DropCounter,
    pub(super) superseded: DropCounter,
}

impl Pressure {
    pub(super) fn new(socket: &config::Socket, server: &config::Server, metrics: &Metrics) -> Self {
        Self {
            budget: Budget::new(socket.outbox_total, server.worker_threads(), metrics.outbox_bytes.clone()),
            oldest: metrics.drop_counter(DropReason::Oldest),
            superseded: metrics.drop_counter(DropReason::Superseded),
        }
    }

    /// The indices of the slow connections.
    pub(super) fn behind(&self) -> Vec<u32> {
        self.holders().into_iter().map(|(_, index)| index).collect()
    }
}

impl Deref for Pressure {
    type Target = Budget<u32>;

    fn deref(&self) -> &Budget<u32> {
        &self.budget
    }
}
