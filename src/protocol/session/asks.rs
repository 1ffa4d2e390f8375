//! Handlers that wait for the client's acknowledgement.

use std::collections::BTreeMap;

use super::queue::Counted;
use crate::consumer::Continuation;

/// Maximum number of outstanding acknowledgements of a client; beyond that the oldest is dropped.
const MAX: usize = 256;

/// The waiting handlers, by the id of the acknowledgement.
#[derive(Default)]
pub(super) struct Asks {
    next: u64,
    open: BTreeMap<u64, (usize, Continuation)>,
    bytes: usize,
    pub counted: Counted,
}

impl Asks {
    /// Adds a handler; returns the id of its acknowledgement. If there are too many, or they hold more than
    /// `max_bytes`, the oldest are dropped.
    pub fn add(&mut self, index: usize, then: Continuation, max_bytes: usize) -> u64 {
        let id = self.next;
        self.next += 1;
        self.bytes += then.weight();
        self.open.insert(id, (index, then));
        while self.open.len() > MAX || self.bytes > max_bytes && self.open.len() > 1 {
            let oldest = self.open.keys().next().copied();
            oldest.and_then(|oldest| self.take(oldest));
        }
        id
    }

    pub fn take(&mut self, id: u64) -> Option<(usize, Continuation)> {
        let taken = self.open.remove(&id)?;
        self.bytes -= taken.1.weight();
        Some(taken)
    }

    /// The bytes held by waiting handlers.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
