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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_and_did_not_come_back_is_missed() {
        let probe = Probe::default();
        assert_eq!((probe.next(), probe.next(), probe.next()), (1, 2, 3));
        assert_eq!(probe.missed(), 3);
        assert_eq!(probe.arrived(2), None, "how long it took is known of the last one only");
        assert_eq!((probe.seen(), probe.missed()), (2, 1));
        assert!(probe.arrived(3).is_some());
        assert_eq!((probe.seen(), probe.missed()), (3, 0));
    }

    #[test]
    fn a_probe_of_an_earlier_subscription_proves_nothing() {
        let probe = Probe::default();
        probe.next();
        assert_eq!((probe.arrived(70), probe.seen(), probe.missed()), (None, 0, 1));
    }
}
