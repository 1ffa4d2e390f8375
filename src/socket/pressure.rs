//! What waits to go out to all clients of a worker together: its [`Budget`], and what is counted when some of it goes.
//!
//! A frame that waits in many outboxes of a worker is counted once, as it is in memory once. Nothing here is touched by a
//! delivery that the kernel takes at once.

use std::ops::Deref;

use super::budget::Budget;
use crate::{
    config,
    telemetry::{DropCounter, DropReason, Metrics},
};

/// The waiting bytes of one worker; listed are the places in the roster of the connections that are behind.
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

    /// The places of those that are behind.
    pub(super) fn behind(&self) -> Vec<u32> {
        self.holders().into_iter().map(|(_, place)| place).collect()
    }
}

impl Deref for Pressure {
    type Target = Budget<u32>;

    fn deref(&self) -> &Budget<u32> {
        &self.budget
    }
}
