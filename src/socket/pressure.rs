//! The bytes that wait for all clients of a worker together: their [`Budget`], and the counters of what is dropped.
//!
//! A frame that waits in many outboxes of a worker is counted once, because it is in memory once. A delivery that the
//! kernel accepts at once uses nothing of this.

use std::{
    cell::RefCell,
    collections::{HashMap, hash_map::Entry},
    ops::Deref,
    rc::Rc,
};

use super::budget::Budget;
use crate::{
    config, sparse,
    telemetry::{DropCounter, DropReason, Metrics},
};

/// The waiting bytes of one worker; it lists the slow connections by their index in `Connections`.
pub struct Pressure {
    budget: Budget<u32>,
    pub(super) oldest: DropCounter,
    pub(super) superseded: DropCounter,
    /// How many messages of the same bytes wait, by where the bytes are: they stay there while one waits.
    recurring: RefCell<HashMap<(usize, usize), u32>>,
}

impl Pressure {
    pub(super) fn new(socket: &config::Socket, server: &config::Server, metrics: &Metrics) -> Self {
        Self {
            budget: Budget::new(socket.outbox_total, server.worker_threads(), metrics.outbox_bytes.clone()),
            oldest: metrics.drop_counter(DropReason::Oldest),
            superseded: metrics.drop_counter(DropReason::Superseded),
            recurring: RefCell::default(),
        }
    }

    /// One more message of these bytes waits; whether it is the only one.
    pub(super) fn waits_again(&self, bytes: &[u8]) -> bool {
        let mut recurring = self.recurring.borrow_mut();
        let waiting = recurring.entry(place(bytes)).or_default();
        *waiting += 1;
        *waiting == 1
    }

    /// A message of these bytes waits no longer; whether it was the last one.
    pub(super) fn waits_no_longer(&self, bytes: &[u8]) -> bool {
        let mut recurring = self.recurring.borrow_mut();
        let Entry::Occupied(mut waiting) = recurring.entry(place(bytes)) else { return false };
        *waiting.get_mut() -= 1;
        let is_last = *waiting.get() == 0;
        if is_last {
            waiting.remove();
            sparse::give_back(&mut recurring);
        }
        is_last
    }

    /// The indices of the slow connections.
    pub(super) fn behind(&self) -> Vec<u32> {
        self.holders().into_iter().map(|(_, index)| index).collect()
    }
}

fn place(bytes: &[u8]) -> (usize, usize) {
    (bytes.as_ptr().addr(), bytes.len())
}

/// Bytes that wait for clients in another form than frames; counted until it is dropped.
pub struct Charge {
    bytes: usize,
    pressure: Rc<Pressure>,
}

impl Charge {
    pub(super) fn new(bytes: usize, pressure: &Rc<Pressure>) -> Self {
        pressure.more(bytes);
        Self { bytes, pressure: Rc::clone(pressure) }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.pressure.less(self.bytes);
    }
}

impl Deref for Pressure {
    type Target = Budget<u32>;

    fn deref(&self) -> &Budget<u32> {
        &self.budget
    }
}
