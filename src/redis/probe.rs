//! Probes: numbered messages through Redis back to the node itself, which prove that a subscription brings something.
//!
//! They are counted and never timed, so that a node that stood still itself blames nobody.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// The probes of one subscription.
#[derive(Default)]
pub struct Probe {
    /// The last one that was sent, and when.
    sent: Mutex<Option<(u64, Instant)>>,
    seen: AtomicU64,
    back: Notify,
}

impl Probe {
    /// The number of the next one, which is sent now.
    pub fn next(&self) -> u64 {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let number = sent.map_or(0, |(last, _)| last) + 1;
        *sent = Some((number, Instant::now()));
        number
    }

    /// The last one that came back.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// How many were sent after the last one that came back.
    pub fn missed(&self) -> u64 {
        self.last().map_or(0, |(last, _)| last.saturating_sub(self.seen()))
    }

    fn last(&self) -> Option<(u64, Instant)> {
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until this one, or a later one, is back.
    pub async fn until(&self, number: u64) {
        loop {
            let back = self.back.notified();
            if self.seen() >= number {
                return;
            }
            back.await;
        }
    }

    /// One came back: how long it took, if it was the last one that was sent. One of an earlier subscription proves nothing.
    pub fn arrived(&self, number: u64) -> Option<Duration> {
        let (last, at) = self.last().filter(|(last, _)| number <= *last)?;
        self.seen.fetch_max(number, Ordering::Relaxed);
        self.back.notify_one();
        (number == last).then(|| at.elapsed())
    }
}
