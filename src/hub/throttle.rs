//! How often one connection gets what a handler makes of events (`throttle`).
//!
//! In: an event, and a member that is about to get the first part of it. Out: whether it gets all of it or nothing. A
//! worker keeps a bucket for each member and handler, from the first event on and until the member leaves; members of
//! other consumers have none. There is no timer: a bucket is the moment at which it is full again.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::member::Member;
use crate::{
    config::Rate,
    consumer::Consumer,
    event::{Event, GroupName},
    gcra, sparse,
    telemetry::{DropReason, Metrics},
};

/// Tells events from each other: a member gets several frames of one, and is asked once.
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// One event of a handler that has a throttle. When the last worker is done with it, its drops are reported.
pub(super) struct ThrottledEvent {
    /// Of the handler: no other handler has the same allocation.
    rate: Arc<Rate>,
    number: u64,
    received: Instant,
    group: GroupName,
    kind: Box<str>,
    consumer: Arc<Consumer>,
    metrics: Metrics,
    /// Members that did not get it.
    dropped: AtomicU64,
}

impl ThrottledEvent {
    pub fn new(rate: &Arc<Rate>, event: &Event, consumer: &Arc<Consumer>, metrics: &Metrics) -> Arc<Self> {
        Arc::new(Self {
            rate: Arc::clone(rate),
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            received: event.received,
            group: event.group.clone(),
            kind: event.kind().unwrap_or_default().into(),
            consumer: Arc::clone(consumer),
            metrics: metrics.clone(),
            dropped: AtomicU64::new(0),
        })
    }
}

impl Drop for ThrottledEvent {
    fn drop(&mut self) {
        let detail = format_args!("an event of type {:?}, more often than {}", self.kind, self.rate);
        let (group, consumer) = (Some(self.group.as_str()), Some(self.consumer.name()));
        self.metrics.lost(DropReason::Throttled, *self.dropped.get_mut(), group, consumer, &detail);
    }
}

/// How often a member has got the events of one handler.
struct Bucket {
    handler: Arc<Rate>,
    full_at: Instant,
    /// The last event, and whether the member got it.
    last: (u64, bool),
}

impl Bucket {
    fn take(&mut self, event: &ThrottledEvent) -> bool {
        if self.last.0 == event.number {
            return self.last.1;
        }
        let (per, count) = (event.rate.per.0, event.rate.count);
        let full_at = gcra::next(self.full_at, per / count, event.received);
        let is_due = gcra::overdrawn(full_at, per, event.received) == Duration::ZERO;
        if is_due {
            self.full_at = full_at;
        } else {
            event.dropped.fetch_add(1, Ordering::Relaxed);
        }
        self.last = (event.number, is_due);
        is_due
    }
}

/// The buckets of one worker's members, by the address of the member.
#[derive(Default)]
pub(super) struct Throttles(RefCell<HashMap<usize, Vec<Bucket>>>);

fn address(member: &Member) -> usize {
    std::ptr::from_ref(member).addr()
}

impl Throttles {
    /// Whether the member gets this event.
    fn take(&self, member: &Member, event: &ThrottledEvent) -> bool {
        // It gets nothing any more, and nobody would remove its buckets.
        if member.is_gone() {
            return true;
        }
        let mut members = self.0.borrow_mut();
        // Most consumers have one throttle.
        let buckets = members.entry(address(member)).or_insert_with(|| Vec::with_capacity(1));
        match buckets.iter_mut().find(|bucket| Arc::ptr_eq(&bucket.handler, &event.rate)) {
            Some(bucket) => bucket.take(event),
            None => {
                let mut bucket = Bucket { handler: Arc::clone(&event.rate), full_at: event.received, last: (0, true) };
                let is_due = bucket.take(event);
                buckets.push(bucket);
                is_due
            }
        }
    }

    /// The member has left for good.
    pub fn forget(&self, member: &Member) {
        let mut members = self.0.borrow_mut();
        if !members.is_empty() && members.remove(&address(member)).is_some() {
            sparse::give_back(&mut members);
        }
    }

    #[cfg(test)]
    pub fn members(&self) -> usize {
        self.0.borrow().len()
    }
}

/// An event with a throttle, on this worker.
pub(super) struct ThrottleHere {
    event: Arc<ThrottledEvent>,
    throttles: Rc<Throttles>,
}

impl ThrottleHere {
    pub fn new(event: &Arc<ThrottledEvent>, throttles: &Rc<Throttles>) -> Self {
        Self { event: Arc::clone(event), throttles: Rc::clone(throttles) }
    }

    /// Whether the member gets the event; asked in the order in which it gets its messages.
    pub fn admits(&self, member: &Member) -> bool {
        self.throttles.take(member, &self.event)
    }
}
