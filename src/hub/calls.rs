//! The calls of one event on this node: how many there may be, and which members share one.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::shared::{SharedCall, Sharer, SharerKey};
use crate::{
    config::PythonPer,
    consumer::Consumer,
    event::{Event, GapReason},
    socket::frame::Frame,
    telemetry::{DropReason, Metrics, tail::TailEvent},
    warn_bounded,
};

/// The calls of one event on this node; when no member can need one any more, they are reported.
pub struct EventCalls {
    event: Arc<Event>,
    consumer: Arc<Consumer>,
    metrics: Metrics,
    per: PythonPer,
    /// Maximum number of calls.
    limit: usize,
    /// Members that need one.
    needed: AtomicUsize,
    /// Those that get none.
    refused: AtomicUsize,
    /// The calls that members share.
    shared: Mutex<HashMap<SharerKey, Arc<SharedCall>>>,
    /// The gap notice for the members that get none.
    notice: OnceLock<Option<Arc<Frame>>>,
}

impl EventCalls {
    pub(super) fn new(
        event: &Arc<Event>,
        consumer: &Arc<Consumer>,
        per: PythonPer,
        limit: usize,
        metrics: &Metrics,
    ) -> Arc<Self> {
        Arc::new(Self {
            event: Arc::clone(event),
            consumer: Arc::clone(consumer),
            metrics: metrics.clone(),
            per,
            limit,
            needed: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            shared: Mutex::default(),
            notice: OnceLock::new(),
        })
    }

    /// The event.
    pub const fn event(&self) -> &Arc<Event> {
        &self.event
    }

    /// The consumer.
    pub const fn consumer(&self) -> &Arc<Consumer> {
        &self.consumer
    }

    /// The members that share a call.
    pub const fn per(&self) -> PythonPer {
        self.per
    }

    /// The call that a member shares, once it has come to the event; `None` if there are too many calls.
    pub fn attend(&self, key: SharerKey) -> Option<Sharer> {
        self.needed.fetch_add(1, Ordering::Relaxed);
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.len() >= self.limit && !shared.contains_key(&key) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.metrics.bridge.shares(self.per.label());
        Some(shared.entry(key).or_insert_with(SharedCall::new).attend())
    }

    /// Takes one of the calls that no member shares; whether there is one left.
    pub(super) fn take(&self) -> bool {
        let is_left = self.needed.fetch_add(1, Ordering::Relaxed) < self.limit;
        self.refused.fetch_add(usize::from(!is_left), Ordering::Relaxed);
        is_left
    }

    /// The gap notice for the members that get no call.
    pub(super) fn notice(&self, make: impl FnOnce() -> Option<Arc<Frame>>) -> Option<&Arc<Frame>> {
        self.notice.get_or_init(make).as_ref()
    }
}

impl Drop for EventCalls {
    fn drop(&mut self) {
        let (needed, refused) = (*self.needed.get_mut(), *self.refused.get_mut());
        let (event, consumer) = (&self.event, self.consumer.name());
        let shared = self.shared.get_mut().unwrap_or_else(PoisonError::into_inner).len();
        let calls = if self.per == PythonPer::Connection { needed - refused } else { shared };
        if needed > 0 {
            self.metrics.tail.tell([event.group.as_str()], || TailEvent::Calls {
                consumer: consumer.into(),
                of: event.kind().unwrap_or_default().to_owned(),
                per: self.per.label(),
                calls,
                members: needed - refused,
                refused,
            });
        }
        if refused > 0 {
            self.metrics.gap(GapReason::Calls.label());
            let of = event.kind().unwrap_or_default();
            let detail = format_args!("{refused} of {needed} members need a call for an event of type {of:?}");
            self.metrics.lost(
                DropReason::Calls,
                refused as u64,
                Some(event.group.as_str()),
                Some(consumer),
                &format_args!("{detail}, above bridge.max_calls_per_event"),
            );
            warn_bounded!(
                "{consumer}: {refused} of {needed} members of group {} miss an event of type {of:?}: they need more calls \
                 of Python than the {} that one event may have (bridge.max_calls_per_event)",
                event.group,
                self.limit
            );
        }
    }
}
