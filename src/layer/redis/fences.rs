//! Joins of groups that this node has already. Each waits for a marker that passes through the node's own subscriptions
//! and receive queues, so that nothing published before the join is delivered after it.
//!
//! In: joins, and markers that are back. Out: joins whose marker is back from every host. One marker serves all joins
//! that wait for it, and the next one is sent when it is back. A marker can be lost, in a Redis that is flushed or evicts
//! its queue: it is sent again. Pure.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::{event::GroupName, layer::LayerError};

/// How long a marker may take before it is sent again; much longer than usual, and much shorter than a join may take.
const AGAIN: Duration = Duration::from_secs(1);

/// The caller of a pending join.
pub(super) type Waiter = oneshot::Sender<Result<(), LayerError>>;

/// A join that waits for a marker.
pub(super) struct FencedJoin {
    pub group: GroupName,
    /// The hosts that the group's events require, a bit each.
    pub needs: u64,
    pub waiter: Waiter,
}

/// A marker under way.
struct Fence {
    number: u64,
    /// The hosts from which it is not back, a bit each.
    hosts: u64,
    joins: Vec<FencedJoin>,
    sent: Instant,
}

/// The joins that wait for markers.
#[derive(Default)]
pub(super) struct Fences {
    last: u64,
    current: Option<Fence>,
    waiting: Vec<FencedJoin>,
}

impl Fences {
    /// This join waits for a marker that is sent from now on.
    pub fn add(&mut self, join: FencedJoin) {
        self.waiting.push(join);
    }

    /// The marker to send to these hosts now; `None` while another one is under way, or if no join waits.
    pub fn start(&mut self, hosts: u64, now: Instant) -> Option<u64> {
        if self.current.is_some() || self.waiting.is_empty() || hosts == 0 {
            return None;
        }
        self.last += 1;
        self.current = Some(Fence { number: self.last, hosts, joins: std::mem::take(&mut self.waiting), sent: now });
        Some(self.last)
    }

    /// A marker that takes so long that it may be lost, and the hosts to send it to again.
    pub fn again(&mut self, now: Instant) -> Option<(u64, u64)> {
        let fence = self.current.as_mut().filter(|fence| now.duration_since(fence.sent) >= AGAIN)?;
        fence.sent = now;
        Some((fence.number, fence.hosts))
    }

    /// This marker, or a later one, is back from a host: the joins that need to wait no longer.
    pub fn passed(&mut self, host: usize, number: u64) -> Vec<FencedJoin> {
        match &mut self.current {
            Some(fence) if fence.number <= number => fence.hosts &= !(1 << host),
            _ => {}
        }
        self.take_passed()
    }

    /// A host does not answer: returns the joins that need it. The others no longer wait for it.
    pub fn forsake(&mut self, host: usize) -> Vec<FencedJoin> {
        let lost = |join: &mut FencedJoin| join.needs & (1 << host) != 0;
        let mut refused: Vec<_> = self.waiting.extract_if(.., lost).collect();
        if let Some(fence) = &mut self.current {
            refused.extend(fence.joins.extract_if(.., lost));
            fence.hosts &= !(1 << host);
        }
        refused
    }

    /// The joins of a marker that is back from every host.
    pub fn take_passed(&mut self) -> Vec<FencedJoin> {
        let passed = self.current.take_if(|fence| fence.hosts == 0);
        passed.map_or_else(Vec::new, |fence| fence.joins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(name: &str, needs: u64) -> FencedJoin {
        FencedJoin { group: GroupName::new(name).unwrap(), needs, waiter: oneshot::channel().0 }
    }

    fn names(joins: &[FencedJoin]) -> Vec<&str> {
        joins.iter().map(|join| join.group.as_str()).collect()
    }

    #[test]
    fn one_marker_serves_all_joins_before_it_and_none_after_it() {
        let mut fences = Fences::default();
        assert_eq!(fences.start(0b11, Instant::now()), None);
        fences.add(join("a", 0b11));
        fences.add(join("b", 0b01));
        assert_eq!(fences.start(0b11, Instant::now()), Some(1));
        fences.add(join("late", 0b11));
        assert_eq!(fences.start(0b11, Instant::now()), None, "one at a time");
        assert!(fences.passed(0, 1).is_empty(), "the other host's is not back");
        assert_eq!(names(&fences.passed(1, 1)), ["a", "b"]);
        assert_eq!(fences.start(0b11, Instant::now()), Some(2));
        assert!(fences.passed(0, 1).is_empty() && fences.passed(1, 1).is_empty(), "an earlier marker proves nothing");
        assert!(fences.passed(0, 2).is_empty());
        assert_eq!(names(&fences.passed(1, 2)), ["late"]);
    }

    #[test]
    fn a_marker_that_does_not_come_back_is_sent_again_where_it_is_missing() {
        let (mut fences, sent) = (Fences::default(), Instant::now());
        assert_eq!(fences.again(sent + AGAIN), None);
        fences.add(join("a", 0b11));
        assert_eq!(fences.start(0b11, sent), Some(1));
        assert!(fences.passed(0, 1).is_empty());
        assert_eq!(fences.again(sent + AGAIN / 2), None);
        assert_eq!(fences.again(sent + AGAIN), Some((1, 0b10)));
        assert_eq!(fences.again(sent + AGAIN), None);
        assert_eq!(fences.again(sent + 2 * AGAIN), Some((1, 0b10)));
        assert_eq!(names(&fences.passed(1, 1)), ["a"]);
        assert_eq!(fences.again(sent + 3 * AGAIN), None);
    }

    #[test]
    fn a_lost_host_refuses_the_joins_that_need_it_and_delays_no_other() {
        let mut fences = Fences::default();
        fences.add(join("both", 0b11));
        fences.add(join("first", 0b01));
        fences.start(0b11, Instant::now());
        fences.add(join("second", 0b10));
        assert_eq!(names(&fences.forsake(1)), ["second", "both"]);
        assert!(fences.take_passed().is_empty());
        assert_eq!(names(&fences.passed(0, 1)), ["first"]);
    }
}
