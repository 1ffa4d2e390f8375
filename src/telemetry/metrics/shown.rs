//! What the operators' page shows of the counters.

use std::sync::PoisonError;

use super::{Counters, Metrics};
use crate::{
    event::GapReason,
    telemetry::{
        DropReason,
        history::{Series, Totals},
        label::{self, OutcomeLabel, Reason},
    },
};

/// The open connections of a consumer, or of all consumers at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOf {
    /// The consumer.
    pub consumer: String,
    /// The protocol of its clients.
    pub protocol: &'static str,
    /// The number.
    pub connections: u64,
}

impl Metrics {
    /// The open connections by consumer and protocol.
    pub fn open_by_consumer(&self) -> Vec<OpenOf> {
        let endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let open = endpoints.iter().map(|((consumer, protocol), gauge)| OpenOf {
            consumer: consumer.clone(),
            protocol,
            connections: u64::try_from(gauge.get()).unwrap_or(0),
        });
        open.collect()
    }

    /// The counters of which a history is kept.
    pub fn totals(&self) -> Totals {
        let drops = DropReason::ALL.iter().map(|reason| (Series::Drops, reason.label(), self.drops(*reason)));
        let gaps = GapReason::ALL.iter().map(|reason| (Series::Gaps, reason.label(), self.gaps(*reason)));
        let bridge =
            label::BRIDGE_OUTCOMES.iter().map(|outcome| (Series::Bridge, *outcome, self.bridge.total(outcome)));
        let backend =
            label::BACKEND_CALLS.iter().map(|outcome| (Series::Backend, *outcome, self.backend_total(outcome)));
        Totals {
            events: self.all_events.get(),
            deliveries: self.deliveries.get(),
            connections: u64::try_from(self.connections.get()).unwrap_or(0),
            labelled: drops.chain(gaps).chain(bridge).chain(backend).collect(),
        }
    }
}

impl Counters {
    /// The number of gaps with this reason.
    fn gaps(&self, reason: GapReason) -> u64 {
        self.gaps.get(&Reason { reason: reason.label() }).map_or(0, |counter| counter.get())
    }

    /// The number of questions to the backend that ended so, of any name.
    fn backend_total(&self, outcome: &'static str) -> u64 {
        self.backend_outcomes.get(&OutcomeLabel { outcome }).map_or(0, |counter| counter.get())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn labelled(metrics: &Metrics) -> Vec<(Series, &'static str, u64)> {
        metrics.totals().labelled.into_iter().filter(|(.., total)| *total > 0).collect()
    }

    #[test]
    fn totals_are_those_of_the_counters() {
        let metrics = Metrics::new();
        assert_eq!(labelled(&metrics), []);
        metrics.event("memory");
        metrics.deliveries.inc_by(3);
        metrics.connections.inc_by(2);
        metrics.dropped(DropReason::Shed, 4);
        metrics.gap("capacity");
        metrics.bridge.ended("message", "open", Duration::ZERO);
        metrics.bridge.ended("connect", "open", Duration::ZERO);
        metrics.backend_call("a", "2xx", Duration::ZERO);
        metrics.backend_call("b", "2xx", Duration::ZERO);
        let totals = metrics.totals();
        assert_eq!((totals.events, totals.deliveries, totals.connections), (1, 3, 2));
        let expected = [
            (Series::Drops, "shed", 4),
            (Series::Gaps, "capacity", 1),
            (Series::Bridge, "open", 2),
            (Series::Backend, "2xx", 2),
        ];
        assert_eq!(labelled(&metrics), expected);
    }

    #[test]
    fn connections_are_counted_by_consumer_and_protocol() {
        let metrics = Metrics::new();
        metrics.open("feed", "websocket").inc();
        metrics.open("feed", "websocket").inc();
        metrics.open("desk", "socket.io");
        let open =
            |consumer: &str, protocol, connections| OpenOf { consumer: consumer.to_owned(), protocol, connections };
        assert_eq!(metrics.open_by_consumer(), [open("desk", "socket.io", 0), open("feed", "websocket", 2)]);
    }
}
