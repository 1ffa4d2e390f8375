//! Handlers that wait for the client's acknowledgement.

use std::collections::BTreeMap;

use tokio::task::AbortHandle;

use super::queue::Counted;
use crate::consumer::Continuation;

/// Maximum number of outstanding acknowledgements of a client; beyond that the oldest is dropped.
const MAX: usize = 256;

/// A handler that waits.
struct Ask {
    index: usize,
    then: Continuation,
    timer: Option<Timer>,
}

/// The task that ends a wait.
struct Timer(AbortHandle);

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The waiting handlers, by the id of the acknowledgement.
#[derive(Default)]
pub(super) struct Asks {
    next: u64,
    open: BTreeMap<u64, Ask>,
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
        self.open.insert(id, Ask { index, then, timer: None });
        while self.open.len() > MAX || self.bytes > max_bytes && self.open.len() > 1 {
            let oldest = self.open.keys().next().copied();
            oldest.and_then(|oldest| self.take(oldest));
        }
        id
    }

    pub fn take(&mut self, id: u64) -> Option<(usize, Continuation)> {
        let Ask { index, then, .. } = self.open.remove(&id)?;
        self.bytes -= then.weight();
        Some((index, then))
    }

    /// The task that ends a wait; it ends with the wait.
    pub fn set_timer(&mut self, id: u64, timer: AbortHandle) {
        let timer = Timer(timer);
        if let Some(ask) = self.open.get_mut(&id) {
            ask.timer = Some(timer);
        }
    }

    /// The bytes held by waiting handlers.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::consumer::Continuation;

    #[tokio::test]
    async fn a_wait_and_its_timer_end_together() {
        let mut asks = Asks::default();
        let mut timers = Vec::new();
        for _ in 0..=MAX {
            let id = asks.add(0, Continuation::empty(), usize::MAX);
            let timer = tokio::spawn(tokio::time::sleep(Duration::from_secs(60)));
            asks.set_timer(id, timer.abort_handle());
            timers.push(timer);
        }
        assert!(asks.take(1).is_some() && asks.take(1).is_none());
        // The first is too old, the second was answered.
        for timer in timers.drain(..2) {
            assert!(timer.await.is_err_and(|error| error.is_cancelled()));
        }
        assert!(!timers.iter().any(|timer| timer.is_finished()));
        drop(asks);
        for timer in timers {
            assert!(timer.await.is_err_and(|error| error.is_cancelled()), "the client has gone");
        }
    }
}
