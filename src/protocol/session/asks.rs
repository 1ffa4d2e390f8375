//! Events that wait for the client's acknowledgement.

use std::collections::BTreeMap;

use super::queue::Counted;
use crate::consumer::Continuation;

/// Acknowledgements one client may owe; beyond it the oldest is given up.
const MAX: usize = 256;

/// What goes on with which acknowledgement.
#[derive(Default)]
pub(super) struct Asks {
    next: u64,
    open: BTreeMap<u64, (usize, Continuation)>,
    bytes: usize,
    pub counted: Counted,
}

impl Asks {
    /// The id under which the client is asked. Where they are too many, or hold more than so many bytes, the oldest are
    /// given up.
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

    /// What the handlers that wait hold.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
