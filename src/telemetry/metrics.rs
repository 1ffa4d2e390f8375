//! The counters of a node. `shown` is what the operators' page reads of them.

mod shown;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicI64, AtomicU64},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::text::{encode, encode_registry},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

pub use self::shown::OpenOf;
use super::{
    bridge::BridgeMetrics,
    drop_reason::DropReason,
    history::History,
    label::{self, Action, Build, CallLabel, ConsumerLabel, NodeLabel, OutcomeLabel, Reason, SourceLabel},
    logging,
    name::MetricName,
    process::Process,
    tail::{Tail, TailEvent},
    watchdog::Watchdog,
};

/// Histograms of durations.
pub struct Durations {
    /// From an event to its first frame.
    pub first_write: Histogram,
    /// From an event to the frame of a worker's last member.
    pub fanout: Histogram,
    /// The time of a probe through Redis.
    pub redis_round_trip: Histogram,
    backend_calls: Family<Action, Histogram, fn() -> Histogram>,
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            first_write: seconds(),
            fanout: seconds(),
            redis_round_trip: seconds(),
            backend_calls: Family::new_with_constructor(seconds),
        }
    }
}

/// Buckets from a tenth of a millisecond to ten seconds.
fn seconds() -> Histogram {
    Histogram::new([
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ])
}

/// Counts drops with one reason, one by one.
pub struct DropCounter {
    reason: DropReason,
    counter: Counter,
    metrics: Metrics,
}

impl DropCounter {
    /// Counts one drop and reports it to the watchers.
    pub fn inc(&self) {
        self.counter.inc();
        self.metrics.tail.tell_loss(None, || TailEvent::dropped(self.reason, 1, None, &""));
    }
}

/// A gauge; its clones count together.
pub type OpenGauge = Gauge<i64, AtomicI64>;

/// Every counter of a node; a handle, as small as a pointer and cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Counters>);

/// The counters themselves.
#[derive(Default)]
pub struct Counters {
    registry: Registry,
    /// Its metric names do not begin with our prefix.
    process: Registry,
    events: Family<SourceLabel, Counter>,
    /// The counters of `events`, looked up once: there may be a million events in a second.
    sources: OnceLock<Vec<(&'static str, Counter)>>,
    drops: Family<Reason, Counter>,
    gaps: Family<Reason, Counter>,
    handshakes: Family<OutcomeLabel, Counter>,
    closes: Family<Reason, Counter>,
    tokens: Family<OutcomeLabel, Counter>,
    token_refusals: Family<Reason, Counter>,
    revocations: Family<OutcomeLabel, Counter>,
    group_orders: Family<OutcomeLabel, Counter>,
    join_tokens: Family<OutcomeLabel, Counter>,
    api_refusals: Family<Reason, Counter>,
    django_logins: Family<OutcomeLabel, Counter>,
    direct_messages: Family<OutcomeLabel, Counter>,
    refused_messages: Family<Reason, Counter>,
    holds: Family<Reason, Counter>,
    redis_refusals: Family<Reason, Counter>,
    reconnects: Counter,
    backend_calls: Family<CallLabel, Counter>,
    /// The same by outcome alone; not registered, because it is a sum of them.
    backend_outcomes: Family<OutcomeLabel, Counter>,
    presence_failures: Counter,
    reloads: Family<OutcomeLabel, Counter>,
    served: Family<ConsumerLabel, OpenGauge>,
    /// The gauges of `served`, which cannot be listed there.
    endpoints: Mutex<BTreeMap<(String, &'static str), OpenGauge>>,
    node: Family<NodeLabel, Gauge>,
    ready: Gauge,
    tail_watchers: Gauge,
    log_waiting: Gauge,
    /// Reports to the watchers.
    pub tail: Tail,
    /// The last 15 minutes; not a metric, but needed in the same places.
    pub history: History,
    /// Histograms of durations.
    pub durations: Durations,
    /// Calls that run consumers in Django.
    pub bridge: BridgeMetrics,
    /// Events received, from all sources; not registered, because it is the sum of `events`.
    pub all_events: Counter<u64, AtomicU64>,
    /// Open connections: WebSockets, and Engine.IO sessions without one; not registered, because it is the sum of
    /// `served`.
    pub connections: OpenGauge,
    /// The Engine.IO sessions among them that poll.
    pub polling: OpenGauge,
    /// Bytes waiting for slow clients.
    pub outbox_bytes: Gauge<i64, AtomicI64>,
    /// Bytes of incomplete messages.
    pub inbox_bytes: Gauge<i64, AtomicI64>,
    /// Frames handed to the kernel or to an outbox.
    pub deliveries: Counter<u64, AtomicU64>,
    /// Bytes of those frames.
    pub delivered_bytes: Counter<u64, AtomicU64>,
    /// Client messages received.
    pub messages: Counter<u64, AtomicU64>,
    /// The threads' signs of life; not a metric, but needed in the same places.
    pub watchdog: Watchdog,
}

fn add<M: Clone + prometheus_client::registry::Metric>(registry: &mut Registry, name: MetricName, metric: &M) {
    registry.register(name.text(), name.help(), metric.clone());
}

impl Metrics {
    /// Fresh counters at zero.
    pub fn new() -> Self {
        let mut counters = Counters::default();
        counters.process.register_collector(Box::new(Process));
        counters.registry = counters.registered();
        counters.begin_at_zero();
        Self(Arc::new(counters))
    }

    /// A counter of drops with this reason, for callers that count many.
    pub fn drop_counter(&self, reason: DropReason) -> DropCounter {
        let counter = self.drops.get_or_create_owned(&Reason { reason: reason.label() });
        DropCounter { reason, counter, metrics: self.clone() }
    }
}

impl Counters {
    /// Registers all counters under their names, in the order of `/metrics`.
    fn registered(&self) -> Registry {
        let mut registry = Registry::with_prefix("channelgate");
        let build = Family::<Build, Gauge>::default();
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        add(&mut registry, MetricName::Events, &self.events);
        add(&mut registry, MetricName::Drops, &self.drops);
        add(&mut registry, MetricName::Gaps, &self.gaps);
        add(&mut registry, MetricName::Handshakes, &self.handshakes);
        add(&mut registry, MetricName::Closes, &self.closes);
        add(&mut registry, MetricName::Tokens, &self.tokens);
        add(&mut registry, MetricName::TokenRefusals, &self.token_refusals);
        add(&mut registry, MetricName::Revocations, &self.revocations);
        add(&mut registry, MetricName::GroupOrders, &self.group_orders);
        add(&mut registry, MetricName::JoinTokens, &self.join_tokens);
        add(&mut registry, MetricName::ApiRefusals, &self.api_refusals);
        add(&mut registry, MetricName::RefusedMessages, &self.refused_messages);
        add(&mut registry, MetricName::DjangoLogins, &self.django_logins);
        add(&mut registry, MetricName::DirectMessages, &self.direct_messages);
        add(&mut registry, MetricName::Holds, &self.holds);
        add(&mut registry, MetricName::RedisReconnects, &self.reconnects);
        add(&mut registry, MetricName::RedisRefusals, &self.redis_refusals);
        add(&mut registry, MetricName::BackendCalls, &self.backend_calls);
        add(&mut registry, MetricName::BridgeCalls, &self.bridge.calls);
        add(&mut registry, MetricName::BridgeSharers, &self.bridge.sharers);
        add(&mut registry, MetricName::BridgeRefused, &self.bridge.refused);
        add(&mut registry, MetricName::BridgeRetries, &self.bridge.retries);
        add(&mut registry, MetricName::BridgeDisconnectsLost, &self.bridge.lost);
        add(&mut registry, MetricName::PresenceFailures, &self.presence_failures);
        add(&mut registry, MetricName::Reloads, &self.reloads);
        add(&mut registry, MetricName::Connections, &self.served);
        add(&mut registry, MetricName::Polling, &self.polling);
        add(&mut registry, MetricName::OutboxBytes, &self.outbox_bytes);
        add(&mut registry, MetricName::InboxBytes, &self.inbox_bytes);
        add(&mut registry, MetricName::Deliveries, &self.deliveries);
        add(&mut registry, MetricName::DeliveredBytes, &self.delivered_bytes);
        add(&mut registry, MetricName::Messages, &self.messages);
        add(&mut registry, MetricName::EventFirstWrite, &self.durations.first_write);
        add(&mut registry, MetricName::EventFanout, &self.durations.fanout);
        add(&mut registry, MetricName::RedisRoundTrip, &self.durations.redis_round_trip);
        add(&mut registry, MetricName::BackendSeconds, &self.durations.backend_calls);
        add(&mut registry, MetricName::BridgeSeconds, &self.bridge.seconds);
        add(&mut registry, MetricName::BridgeBatches, &self.bridge.batches);
        add(&mut registry, MetricName::BridgeWaiting, &self.bridge.waiting);
        add(&mut registry, MetricName::BridgeStreams, &self.bridge.streams);
        add(&mut registry, MetricName::BridgeDisconnectsQueued, &self.bridge.queued);
        add(&mut registry, MetricName::Ready, &self.ready);
        add(&mut registry, MetricName::TailWatchers, &self.tail_watchers);
        // The log exists before the metrics, and once per process.
        add(&mut registry, MetricName::LogLinesDropped, &logging::dropped_lines());
        add(&mut registry, MetricName::LogWaiting, &self.log_waiting);
        add(&mut registry, MetricName::BuildInfo, &build);
        add(&mut registry, MetricName::NodeInfo, &self.node);
        registry
    }

    fn begin_at_zero(&self) {
        for reason in DropReason::ALL {
            drop(self.drops.get_or_create(&Reason { reason: reason.label() }));
        }
        for (family, reasons) in [
            (&self.closes, label::CLOSES),
            (&self.token_refusals, label::TOKEN_REFUSALS),
            (&self.refused_messages, label::REFUSED_MESSAGES),
            (&self.holds, label::HOLDS),
            (&self.redis_refusals, label::REDIS_REFUSALS),
            (&self.api_refusals, label::API_REFUSALS),
        ] {
            reasons.iter().for_each(|reason| drop(family.get_or_create(&Reason { reason })));
        }
        for (family, outcomes) in [
            (&self.handshakes, label::HANDSHAKES),
            (&self.tokens, label::TOKENS),
            (&self.revocations, label::REVOCATIONS),
            (&self.group_orders, label::GROUP_ORDERS),
            (&self.join_tokens, label::JOIN_TOKENS),
            (&self.reloads, label::RELOADS),
            (&self.django_logins, label::DJANGO_LOGINS),
            (&self.direct_messages, label::DIRECT_MESSAGES),
        ] {
            outcomes.iter().for_each(|outcome| drop(family.get_or_create(&OutcomeLabel { outcome })));
        }
    }

    /// Names the existing sources of events and reasons for gaps, so that they are exported before they happen.
    pub fn expect(&self, sources: impl Iterator<Item = &'static str>, gaps: impl Iterator<Item = &'static str>) {
        let counters = sources.map(|source| (source, self.events.get_or_create_owned(&SourceLabel { source })));
        // A second call changes nothing.
        let _ = self.sources.set(counters.collect());
        gaps.for_each(|reason| drop(self.gaps.get_or_create(&Reason { reason })));
    }

    /// Sets the id of this node.
    pub fn of_node(&self, node: &str) {
        self.node.get_or_create(&NodeLabel { node: node.to_owned() }).set(1);
    }

    /// Sets whether it is ready.
    pub fn set_ready(&self, ready: bool) {
        self.ready.set(ready.into());
    }

    /// A gauge of the open connections of a consumer, or of all consumers at one endpoint. They share it, so that it
    /// costs no bytes per connection.
    pub fn open(&self, consumer: &str, protocol: &'static str) -> OpenGauge {
        label::known(label::PROTOCOLS, protocol);
        let gauge = self.served.get_or_create_owned(&ConsumerLabel { consumer: consumer.to_owned(), protocol });
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.entry((consumer.to_owned(), protocol)).or_insert(gauge).clone()
    }

    /// An event arrived from `source` (a [`crate::event::Source`] label).
    pub fn event(&self, source: &'static str) {
        let known = self.sources.get().and_then(|known| known.iter().find(|(name, _)| *name == source));
        match known {
            Some((_, counter)) => counter.inc(),
            None => self.events.get_or_create(&SourceLabel { source }).inc(),
        };
        self.all_events.inc();
    }

    /// Counts drops and reports them to the watchers.
    pub fn dropped(&self, reason: DropReason, count: u64) {
        self.lost(reason, count, None, None, &"");
    }

    /// Like [`Self::dropped`], with all known details.
    pub fn lost(
        &self,
        reason: DropReason,
        count: u64,
        group: Option<&str>,
        consumer: Option<&str>,
        detail: &dyn std::fmt::Display,
    ) {
        if count == 0 {
            return;
        }
        self.count_drops(reason, count);
        self.tail.tell_loss(group, || TailEvent::dropped(reason, count, consumer, detail));
    }

    /// Counts drops that are reported to the watchers elsewhere.
    pub fn count_drops(&self, reason: DropReason, count: u64) {
        if count > 0 {
            self.drops.get_or_create(&Reason { reason: reason.label() }).inc_by(count);
        }
    }

    /// The number of drops with this reason; for tests and the page.
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops.get_or_create(&Reason { reason: reason.label() }).get()
    }

    /// A gap was seen (a [`crate::event::GapReason`] label).
    pub fn gap(&self, reason: &'static str) {
        self.gaps.get_or_create(&Reason { reason }).inc();
    }

    /// A handshake ended.
    pub fn handshake(&self, outcome: &'static str) {
        label::known(label::HANDSHAKES, outcome);
        self.handshakes.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// The node closed a connection.
    pub fn closed(&self, reason: &'static str) {
        label::known(label::CLOSES, reason);
        self.closes.get_or_create(&Reason { reason }).inc();
    }

    /// A credential was checked.
    pub fn token(&self, outcome: &'static str) {
        label::known(label::TOKENS, outcome);
        self.tokens.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Django said who a client is.
    pub fn django_login(&self, outcome: &'static str) {
        label::known(label::DJANGO_LOGINS, outcome);
        self.django_logins.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// A token was not valid.
    pub fn token_refused(&self, reason: &'static str) {
        label::known(label::TOKEN_REFUSALS, reason);
        self.token_refusals.get_or_create(&Reason { reason }).inc();
    }

    /// Counts orders to disconnect, or the connections that they ended.
    pub fn revocation(&self, outcome: &'static str, count: u64) {
        label::known(label::REVOCATIONS, outcome);
        self.revocations.get_or_create(&OutcomeLabel { outcome }).inc_by(count);
    }

    /// Counts orders to join or leave a group, or the connections that they changed.
    pub fn group_order(&self, outcome: &'static str, count: u64) {
        label::known(label::GROUP_ORDERS, outcome);
        self.group_orders.get_or_create(&OutcomeLabel { outcome }).inc_by(count);
    }

    /// A signed group was checked.
    pub fn join_token(&self, outcome: &'static str) {
        label::known(label::JOIN_TOKENS, outcome);
        self.join_tokens.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// A request to a plain route was refused.
    pub fn refused_request(&self, reason: &'static str) {
        label::known(label::API_REFUSALS, reason);
        self.api_refusals.get_or_create(&Reason { reason }).inc();
    }

    /// A client's message was not handled.
    pub fn refused_message(&self, reason: &'static str) {
        label::known(label::REFUSED_MESSAGES, reason);
        self.refused_messages.get_or_create(&Reason { reason }).inc();
    }

    /// A message to the channel of one connection arrived.
    pub fn direct_message(&self, outcome: &'static str) {
        label::known(label::DIRECT_MESSAGES, outcome);
        self.direct_messages.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Reading from a client is paused.
    pub fn held(&self, reason: &'static str) {
        label::known(label::HOLDS, reason);
        self.holds.get_or_create(&Reason { reason }).inc();
    }

    /// A connection to Redis was restored.
    pub fn reconnected(&self) {
        self.reconnects.inc();
    }

    /// Redis refused what the channel layer needs.
    pub fn redis_refused(&self, reason: &'static str) {
        label::known(label::REDIS_REFUSALS, reason);
        self.redis_refusals.get_or_create(&Reason { reason }).inc();
    }

    /// A question to the backend ended after this time.
    pub fn backend_call(&self, action: &str, outcome: &'static str, took: Duration) {
        label::known(label::BACKEND_CALLS, outcome);
        self.durations.backend_calls.get_or_create(&Action { action: action.to_owned() }).observe(took.as_secs_f64());
        self.backend_calls.get_or_create(&CallLabel { action: action.to_owned(), outcome }).inc();
        self.backend_outcomes.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Arrivals or departures of members that Redis did not accept now.
    pub fn presence_failed(&self, count: u64) {
        self.presence_failures.inc_by(count);
    }

    /// A reload of the configuration ended.
    pub fn reloaded(&self, outcome: &'static str) {
        label::known(label::RELOADS, outcome);
        self.reloads.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// All metrics as OpenMetrics text.
    pub fn render(&self) -> String {
        self.tail_watchers.set(i64::try_from(self.tail.watchers()).unwrap_or(i64::MAX));
        self.log_waiting.set(i64::try_from(logging::waiting_bytes()).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode_registry(&mut text, &self.process).and_then(|()| encode(&mut text, &self.registry));
        text
    }
}

impl std::ops::Deref for Metrics {
    type Target = Counters;

    fn deref(&self) -> &Counters {
        &self.0
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
