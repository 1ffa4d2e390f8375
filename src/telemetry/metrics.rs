//! The counters of a node. One enum names every reason for a drop, so that no event is lost without one.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::name::Name;

/// Why something that was received did not reach a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The bytes in Redis could not be decrypted with any key.
    Decrypt,
    /// The bytes in Redis are no msgpack, JSON or dict.
    Decode,
    /// The message is larger than the node accepts.
    TooLarge,
    /// A queue entry names no group of this node.
    UnknownChannel,
    /// A consumer has no handler for the event's type.
    NoHandler,
    /// A consumer's expression failed on the event, for instance for a missing key.
    Mapping,
    /// A connection's outbox was full and the connection was closed: what waited, and what did not fit.
    SlowClient,
    /// The connection ended, or was closing, before the frame was written to it.
    Closed,
    /// A volatile message for a client that is behind with reading.
    Volatile,
    /// The oldest that waited for a client, where its consumer lets a newer one take its room.
    Oldest,
    /// One that waited for a client, and a newer one with the same key took its place.
    Superseded,
    /// It waited for a slow client, and the node had no room for all that did.
    Shed,
    /// A worker's backlog was full.
    Backlog,
    /// An emitter asks for what the node does not do.
    Unsupported,
    /// The event's channel is mapped, but the mapping gave no valid group.
    Unmapped,
}

impl DropReason {
    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Decrypt => "decrypt",
            Self::Decode => "decode",
            Self::TooLarge => "too_large",
            Self::UnknownChannel => "unknown_channel",
            Self::NoHandler => "no_handler",
            Self::Mapping => "mapping",
            Self::SlowClient => "slow_client",
            Self::Closed => "closed",
            Self::Volatile => "volatile",
            Self::Oldest => "oldest",
            Self::Superseded => "superseded",
            Self::Shed => "shed",
            Self::Backlog => "backlog",
            Self::Unsupported => "unsupported",
            Self::Unmapped => "unmapped",
        }
    }
}

/// A label set of one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// What kind.
    pub reason: &'static str,
}

/// A label set of one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    /// How it ended.
    pub outcome: &'static str,
}

/// A label set of one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct From {
    /// Which source.
    pub source: &'static str,
}

/// A question to the backend.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Call {
    /// Its name, one of those in the configuration.
    pub action: String,
    /// How it ended.
    pub outcome: &'static str,
}

/// Every counter of a node; a handle, as small as a pointer and cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Counters>);

/// The counters themselves.
pub struct Counters {
    registry: Registry,
    events: Family<From, Counter>,
    drops: Family<Reason, Counter>,
    gaps: Family<Reason, Counter>,
    handshakes: Family<Outcome, Counter>,
    closes: Family<Reason, Counter>,
    tokens: Family<Outcome, Counter>,
    refused_messages: Family<Reason, Counter>,
    holds: Family<Reason, Counter>,
    reconnects: Counter,
    backend_calls: Family<Call, Counter>,
    presence_failures: Counter,
    reloads: Family<Outcome, Counter>,
    /// Events received, from all sources.
    pub all_events: Counter<u64, AtomicU64>,
    /// Open connections: WebSockets, and Engine.IO sessions without one.
    pub connections: Gauge<i64, AtomicI64>,
    /// Of those, Engine.IO sessions that poll.
    pub polling: Gauge<i64, AtomicI64>,
    /// Bytes that wait for slow clients.
    pub outbox_bytes: Gauge<i64, AtomicI64>,
    /// Frames handed to the kernel or to an outbox.
    pub deliveries: Counter<u64, AtomicU64>,
    /// Bytes of those frames.
    pub delivered_bytes: Counter<u64, AtomicU64>,
    /// Client messages received.
    pub messages: Counter<u64, AtomicU64>,
}

fn add<M: Clone + prometheus_client::registry::Metric>(registry: &mut Registry, name: Name, metric: &M) {
    registry.register(name.text(), name.help(), metric.clone());
}

impl Metrics {
    /// Fresh counters at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("channelgate");
        let events = Family::default();
        let drops = Family::default();
        let gaps = Family::default();
        let handshakes = Family::default();
        let closes = Family::default();
        let tokens = Family::default();
        let refused_messages = Family::default();
        let holds = Family::default();
        let reconnects = Counter::default();
        let backend_calls = Family::default();
        let presence_failures = Counter::default();
        let reloads = Family::default();
        let connections = Gauge::default();
        let polling = Gauge::default();
        let outbox_bytes = Gauge::default();
        let deliveries = Counter::default();
        let delivered_bytes = Counter::default();
        let messages = Counter::default();
        add(&mut registry, Name::Events, &events);
        add(&mut registry, Name::Drops, &drops);
        add(&mut registry, Name::Gaps, &gaps);
        add(&mut registry, Name::Handshakes, &handshakes);
        add(&mut registry, Name::Closes, &closes);
        add(&mut registry, Name::Tokens, &tokens);
        add(&mut registry, Name::RefusedMessages, &refused_messages);
        add(&mut registry, Name::Holds, &holds);
        add(&mut registry, Name::RedisReconnects, &reconnects);
        add(&mut registry, Name::BackendCalls, &backend_calls);
        add(&mut registry, Name::PresenceFailures, &presence_failures);
        add(&mut registry, Name::Reloads, &reloads);
        add(&mut registry, Name::Connections, &connections);
        add(&mut registry, Name::Polling, &polling);
        add(&mut registry, Name::OutboxBytes, &outbox_bytes);
        add(&mut registry, Name::Deliveries, &deliveries);
        add(&mut registry, Name::DeliveredBytes, &delivered_bytes);
        add(&mut registry, Name::Messages, &messages);
        Self(Arc::new(Counters {
            registry,
            events,
            drops,
            gaps,
            handshakes,
            closes,
            tokens,
            refused_messages,
            holds,
            reconnects,
            backend_calls,
            presence_failures,
            reloads,
            connections,
            polling,
            outbox_bytes,
            deliveries,
            delivered_bytes,
            messages,
            // Not registered: it is the sum of `events`.
            all_events: Counter::default(),
        }))
    }
}

impl Counters {
    /// An event arrived from `source` (a [`crate::event::Source`] label).
    pub fn event(&self, source: &'static str) {
        self.events.get_or_create(&From { source }).inc();
        self.all_events.inc();
    }

    /// Something was dropped.
    pub fn dropped(&self, reason: DropReason, count: u64) {
        if count > 0 {
            self.drops.get_or_create(&Reason { reason: reason.label() }).inc_by(count);
        }
    }

    /// What counts drops for this reason, for whoever counts many.
    pub fn drop_counter(&self, reason: DropReason) -> Counter {
        self.drops.get_or_create(&Reason { reason: reason.label() }).clone()
    }

    /// How often something was dropped for this reason; for tests and the page.
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops.get_or_create(&Reason { reason: reason.label() }).get()
    }

    /// A gap was seen (a [`crate::event::GapReason`] label).
    pub fn gap(&self, reason: &'static str) {
        self.gaps.get_or_create(&Reason { reason }).inc();
    }

    /// A handshake ended.
    pub fn handshake(&self, outcome: &'static str) {
        self.handshakes.get_or_create(&Outcome { outcome }).inc();
    }

    /// The node closed a connection.
    pub fn closed(&self, reason: &'static str) {
        self.closes.get_or_create(&Reason { reason }).inc();
    }

    /// A credential was checked.
    pub fn token(&self, outcome: &'static str) {
        self.tokens.get_or_create(&Outcome { outcome }).inc();
    }

    /// A client's message was not handled.
    pub fn refused_message(&self, reason: &'static str) {
        self.refused_messages.get_or_create(&Reason { reason }).inc();
    }

    /// A client is read no further for a while.
    pub fn held(&self, reason: &'static str) {
        self.holds.get_or_create(&Reason { reason }).inc();
    }

    /// A connection to Redis was made again.
    pub fn reconnected(&self) {
        self.reconnects.inc();
    }

    /// A question to the backend ended.
    pub fn backend_call(&self, action: &str, outcome: &'static str) {
        self.backend_calls.get_or_create(&Call { action: action.to_owned(), outcome }).inc();
    }

    /// Arrivals or departures of members that Redis did not take now.
    pub fn presence_failed(&self, count: u64) {
        self.presence_failures.inc_by(count);
    }

    /// A reload of the configuration ended.
    pub fn reloaded(&self, outcome: &'static str) {
        self.reloads.get_or_create(&Outcome { outcome }).inc();
    }

    /// All of it in the Prometheus text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
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
