//! Markers: numbered messages of the node to itself, through the subscription and the receive queues of one host.
//!
//! A *probe* is sent at intervals and proves that events arrive. A *fence* is sent for joins: when it is back, everything
//! published before it has been passed on. In: markers that arrive. Out: how many probes are missing, and the last
//! fence that is back.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::sync::Notify;

use crate::redis::Probe;

/// A probe stands behind everything that was published before it. While that arrives, the node is behind and the
/// subscription works: it is kept for this many times as long, because a new one would lose what waits in it.
const BEHIND: u64 = 10;

/// Begins a fence; a probe is a number only.
const FENCE: char = 'f';

/// The markers of one session.
pub(super) struct Markers {
    heard: Probe,
    /// Those through the receive queues; `None` if there are none.
    popped: Option<Probe>,
    /// What else came through the subscription.
    messages: AtomicU64,
    fence_heard: AtomicU64,
    fence_popped: AtomicU64,
    fence_back: Notify,
}

impl Markers {
    /// `queues`: whether there are receive queues.
    pub fn new(queues: bool) -> Self {
        Self {
            heard: Probe::default(),
            popped: queues.then(Probe::default),
            messages: AtomicU64::new(0),
            fence_heard: AtomicU64::new(0),
            fence_popped: AtomicU64::new(if queues { 0 } else { u64::MAX }),
            fence_back: Notify::new(),
        }
    }

    /// The number of the next probe, which is sent now.
    pub fn next_probe(&self) -> u64 {
        if let Some(popped) = &self.popped {
            popped.next();
        }
        self.heard.next()
    }

    /// The text of a fence.
    pub fn fence(number: u64) -> String {
        format!("{FENCE}{number}")
    }

    /// Whether the text is that of a fence.
    pub fn is_fence(text: &[u8]) -> bool {
        read(text).is_some_and(|(is_fence, _)| is_fence)
    }

    /// The last probe that is back both ways.
    pub fn seen(&self) -> u64 {
        self.popped.iter().map(Probe::seen).chain([self.heard.seen()]).min().unwrap_or_default()
    }

    /// The number of probes sent after the last one that is back both ways.
    pub fn missed(&self) -> u64 {
        self.popped.iter().map(Probe::missed).chain([self.heard.missed()]).max().unwrap_or_default()
    }

    /// Whether so many probes are missing that nothing more is expected; `arrive`: other messages still come through the
    /// subscription. What waits in the queues is not lost with a connection.
    pub fn are_lost(&self, patience: u64, arrive: bool) -> bool {
        let longer = if arrive { patience.saturating_mul(BEHIND) } else { patience };
        self.heard.missed() >= longer || self.popped.as_ref().is_some_and(|popped| popped.missed() >= patience)
    }

    /// A message of another publisher came through the subscription.
    pub fn message(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    /// How many have.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Redis refused this probe, so it does not count as missed.
    pub fn excuse(&self, number: u64) {
        self.heard.excuse(number);
        self.excuse_queues(number);
    }

    /// Redis does not let the node read its queues, so probes up to this one do not count as missed there.
    pub fn excuse_queues(&self, number: u64) {
        if let Some(popped) = &self.popped {
            popped.excuse(number);
        }
    }

    /// Waits until this probe, or a later one, is back both ways.
    pub async fn until(&self, number: u64) {
        self.heard.until(number).await;
        if let Some(popped) = &self.popped {
            popped.until(number).await;
        }
    }

    /// A marker came through the subscription: the time it took, if it was the last probe sent.
    pub fn heard(&self, text: &[u8]) -> Option<Duration> {
        match read(text)? {
            (true, number) => {
                self.back(&self.fence_heard, number);
                None
            }
            (false, number) => self.heard.arrived(number),
        }
    }

    /// A marker came through a receive queue; if it is a fence, everything before it has been passed on.
    pub fn popped(&self, text: &[u8]) {
        match read(text) {
            Some((true, number)) => self.back(&self.fence_popped, number),
            Some((false, number)) => drop(self.popped.as_ref().and_then(|popped| popped.arrived(number))),
            None => {}
        }
    }

    /// The next fence after `last` that is back both ways.
    pub async fn fence_after(&self, last: u64) -> u64 {
        loop {
            let back = self.fence_back.notified();
            let passed = self.fence_heard.load(Ordering::Relaxed).min(self.fence_popped.load(Ordering::Relaxed));
            if passed > last {
                return passed;
            }
            back.await;
        }
    }

    fn back(&self, fence: &AtomicU64, number: u64) {
        fence.fetch_max(number, Ordering::Relaxed);
        self.fence_back.notify_one();
    }
}

/// Whether it is a fence, and its number.
fn read(text: &[u8]) -> Option<(bool, u64)> {
    let text = std::str::from_utf8(text).ok()?;
    let (is_fence, number) = text.strip_prefix(FENCE).map_or((false, text), |number| (true, number));
    Some((is_fence, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_marker_is_back_when_it_came_through_the_subscription_and_the_queues() {
        let markers = Markers::new(true);
        assert_eq!((markers.next_probe(), markers.next_probe()), (1, 2));
        assert_eq!(markers.heard(b"1"), None);
        assert_eq!((markers.seen(), markers.missed()), (0, 2));
        markers.popped(b"2");
        assert_eq!((markers.seen(), markers.missed()), (1, 1));
        markers.heard(Markers::fence(7).as_bytes());
        assert_eq!(markers.fence_after(0).now_or_never(), None);
        markers.popped(b"f7");
        assert_eq!(markers.fence_after(0).now_or_never(), Some(7));
        assert_eq!(markers.fence_after(7).now_or_never(), None);
    }

    #[test]
    fn without_queues_the_subscription_is_enough() {
        let markers = Markers::new(false);
        markers.next_probe();
        assert!(markers.heard(b"1").is_some() && markers.heard(b"?").is_none());
        markers.heard(b"f3");
        assert_eq!((markers.missed(), markers.fence_after(0).now_or_never()), (0, Some(3)));
    }

    #[test]
    fn a_subscription_is_kept_for_longer_while_messages_arrive_and_the_queues_are_not() {
        let (queues, none) = (Markers::new(true), Markers::new(false));
        for number in 1..=3_u64 {
            for markers in [&queues, &none] {
                markers.next_probe();
            }
            queues.popped(number.to_string().as_bytes());
        }
        for markers in [&queues, &none] {
            assert!(markers.are_lost(3, false) && !markers.are_lost(4, false) && !markers.are_lost(3, true));
        }
        for _ in 0..27 {
            none.next_probe();
        }
        assert!(none.are_lost(3, true), "not for ever");
        for number in 4..=6_u64 {
            queues.next_probe();
            queues.heard(number.to_string().as_bytes());
        }
        assert!(queues.are_lost(3, true) && queues.are_lost(3, false), "nothing is popped");
    }

    #[test]
    fn what_redis_refused_is_not_missed() {
        let markers = Markers::new(true);
        let number = markers.next_probe();
        markers.excuse(number);
        assert_eq!((markers.seen(), markers.missed()), (1, 0));
    }
}
