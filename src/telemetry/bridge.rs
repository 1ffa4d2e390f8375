//! The counters of the calls that run consumers in Django.

use std::{sync::atomic::AtomicI64, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

use super::label::{self, Reason, known};

/// Counts calls of the bridge.
pub struct BridgeMetrics {
    pub(super) calls: Family<Call, Counter>,
    pub(super) seconds: Family<CallKind, Histogram, fn() -> Histogram>,
    pub(super) refused: Family<RefusalKind, Counter>,
    pub(super) lost: Family<Reason, Counter>,
    pub(super) sharers: Family<Per, Counter>,
    /// Calls in one request.
    pub batches: Histogram,
    /// Tries to reach Django that were refused, or made because one was.
    pub retries: Counter,
    /// Calls that wait for a turn, or for Django to accept connections.
    pub waiting: Gauge<i64, AtomicI64>,
    /// Calls that have left their turn.
    pub streams: Gauge<i64, AtomicI64>,
    /// Disconnects in the queue.
    pub queued: Gauge<i64, AtomicI64>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Call {
    pub call: &'static str,
    pub outcome: &'static str,
}

/// What a call was for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CallKind {
    pub call: &'static str,
}

/// Who shares a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Per {
    pub per: &'static str,
}

/// Why Django refused to run a consumer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RefusalKind {
    pub kind: &'static str,
}

/// Buckets from a millisecond to ten minutes, the longest call.
fn seconds() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0])
}

impl Default for BridgeMetrics {
    fn default() -> Self {
        let new = Self {
            calls: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            refused: Family::default(),
            lost: Family::default(),
            sharers: Family::default(),
            batches: Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]),
            retries: Counter::default(),
            waiting: Gauge::default(),
            streams: Gauge::default(),
            queued: Gauge::default(),
        };
        for call in label::BRIDGE_CALLS {
            drop(new.seconds.get_or_create(&CallKind { call }));
            for outcome in label::BRIDGE_OUTCOMES {
                drop(new.calls.get_or_create(&Call { call, outcome }));
            }
        }
        label::BRIDGE_REFUSALS.iter().for_each(|kind| drop(new.refused.get_or_create(&RefusalKind { kind })));
        label::BRIDGE_SHARERS.iter().for_each(|per| drop(new.sharers.get_or_create(&Per { per })));
        label::LOST_DISCONNECTS.iter().for_each(|reason| drop(new.lost.get_or_create(&Reason { reason })));
        new
    }
}

impl BridgeMetrics {
    /// A call ended after this time.
    pub fn ended(&self, call: &'static str, outcome: &'static str, took: Duration) {
        known(label::BRIDGE_CALLS, call);
        known(label::BRIDGE_OUTCOMES, outcome);
        self.seconds.get_or_create(&CallKind { call }).observe(took.as_secs_f64());
        self.calls.get_or_create(&Call { call, outcome }).inc();
    }

    /// The number of calls that ended so, whatever they were for.
    pub(super) fn total(&self, outcome: &'static str) -> u64 {
        let ended = |call: &'static str| self.calls.get(&Call { call, outcome }).map_or(0, |counter| counter.get());
        label::BRIDGE_CALLS.iter().map(|call| ended(call)).sum()
    }

    /// Django refused to run a consumer; kinds of a newer package count as `other`.
    pub fn refused(&self, kind: &str) {
        let kind = label::BRIDGE_REFUSALS.iter().find(|known| **known == kind).unwrap_or(&"other");
        self.refused.get_or_create(&RefusalKind { kind }).inc();
    }

    /// A connection shares a call.
    pub fn shares(&self, per: &'static str) {
        known(label::BRIDGE_SHARERS, per);
        self.sharers.get_or_create(&Per { per }).inc();
    }

    /// Disconnects that Django will not hear of.
    pub fn lost(&self, reason: &'static str, count: u64) {
        known(label::LOST_DISCONNECTS, reason);
        self.lost.get_or_create(&Reason { reason }).inc_by(count);
    }
}
