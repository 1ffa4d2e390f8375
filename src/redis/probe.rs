//! Probes: numbered messages through Redis back to the node itself, which prove that a subscription works.
//!
//! They are counted and not timed, so that a node that was suspended itself does not blame Redis.

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
    /// The last one sent, and when.
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

    /// The last one that returned.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// The number of probes sent after the last one that returned.
    pub fn missed(&self) -> u64 {
        self.last().map_or(0, |(last, _)| last.saturating_sub(self.seen()))
    }

    fn last(&self) -> Option<(u64, Instant)> {
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until this one, or a later one, has returned.
    pub async fn until(&self, number: u64) {
        loop {
            let back = self.back.notified();
            if self.seen() >= number {
                return;
            }
            back.await;
        }
    }

    /// This one was refused: it is not awaited.
    pub fn excuse(&self, number: u64) {
        self.seen.fetch_max(number, Ordering::Relaxed);
    }

    /// A probe returned: the time that it took, if it was the last one sent. A probe of an earlier subscription proves
    /// nothing.
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
    fn a_probe_that_did_not_return_is_missed() {
        let probe = Probe::default();
        assert_eq!((probe.next(), probe.next(), probe.next()), (1, 2, 3));
        assert_eq!(probe.missed(), 3);
        assert_eq!(probe.arrived(2), None, "the time is known for the last one only");
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
