//! Events that wait for the client's acknowledgement.

use std::collections::HashMap;

use crate::consumer::Continuation;

/// Acknowledgements one client may owe; beyond it the oldest is given up.
const MAX: u64 = 256;

/// What goes on with which acknowledgement.
#[derive(Default)]
pub(super) struct Asks {
    next: u64,
    open: HashMap<u64, (usize, Continuation)>,
}

impl Asks {
    /// The id under which the client is asked.
    pub fn add(&mut self, place: usize, then: Continuation) -> u64 {
        let id = self.next;
        self.next += 1;
        if let Some(oldest) = id.checked_sub(MAX) {
            self.open.remove(&oldest);
        }
        self.open.insert(id, (place, then));
        id
    }

    pub fn take(&mut self, id: u64) -> Option<(usize, Continuation)> {
        self.open.remove(&id)
    }
}
