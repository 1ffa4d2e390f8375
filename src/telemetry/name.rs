//! The name of every metric, in one place: what stands in `/metrics` and in docs/METRICS.md.

/// A metric of the node; a name in Prometheus is `channelgate_` and [`Name::text`], a counter's ends with `_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// Events received, by source.
    Events,
    /// Events or frames that did not reach a client, by reason.
    Drops,
    /// Times at which events may have been missed, by reason.
    Gaps,
    /// WebSocket and Engine.IO handshakes, by outcome.
    Handshakes,
    /// Connections that the node closed, by reason.
    Closes,
    /// Credentials checked, by outcome.
    Tokens,
    /// Client messages not handled, by reason.
    RefusedMessages,
    /// Times at which a client was read no further for a while, by reason.
    Holds,
    /// Connections to Redis that were made again.
    RedisReconnects,
    /// Questions to the backend, by action and outcome.
    BackendCalls,
    /// Arrivals and departures that Redis did not take at first.
    PresenceFailures,
    /// Reloads of the configuration, by outcome.
    Reloads,
    /// Open connections, polling sessions included.
    Connections,
    /// Open Engine.IO sessions that poll.
    Polling,
    /// Bytes that wait for slow clients, and what keeping them takes.
    OutboxBytes,
    /// Frames handed to a client's socket or outbox.
    Deliveries,
    /// Bytes of those frames.
    DeliveredBytes,
    /// Messages received from clients.
    Messages,
}

impl Name {
    /// All of them, in the order of `/metrics`.
    pub const ALL: &[Self] = &[
        Self::Events,
        Self::Drops,
        Self::Gaps,
        Self::Handshakes,
        Self::Closes,
        Self::Tokens,
        Self::RefusedMessages,
        Self::Holds,
        Self::RedisReconnects,
        Self::BackendCalls,
        Self::PresenceFailures,
        Self::Reloads,
        Self::Connections,
        Self::Polling,
        Self::OutboxBytes,
        Self::Deliveries,
        Self::DeliveredBytes,
        Self::Messages,
    ];

    /// The name, without prefix and suffix.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Drops => "drops",
            Self::Gaps => "gaps",
            Self::Handshakes => "handshakes",
            Self::Closes => "closes",
            Self::Tokens => "tokens",
            Self::RefusedMessages => "refused_messages",
            Self::Holds => "holds",
            Self::RedisReconnects => "redis_reconnects",
            Self::BackendCalls => "backend_calls",
            Self::PresenceFailures => "presence_failures",
            Self::Reloads => "reloads",
            Self::Connections => "connections",
            Self::Polling => "polling",
            Self::OutboxBytes => "outbox_bytes",
            Self::Deliveries => "deliveries",
            Self::DeliveredBytes => "delivered_bytes",
            Self::Messages => "messages",
        }
    }

    /// One line on what it counts.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Events => "Events received, by source",
            Self::Drops => "Events or frames that did not reach a client, by reason",
            Self::Gaps => "Times at which events may have been missed, by reason",
            Self::Handshakes => "WebSocket and Engine.IO handshakes, by outcome",
            Self::Closes => "Connections that the node closed, by reason",
            Self::Tokens => "Credentials checked, by outcome",
            Self::RefusedMessages => "Client messages not handled, by reason",
            Self::Holds => "Times at which a client was read no further for a while, by reason",
            Self::RedisReconnects => "Connections to Redis that were made again",
            Self::BackendCalls => "Questions to the backend, by action and outcome",
            Self::PresenceFailures => "Arrivals and departures that Redis did not take at first",
            Self::Reloads => "Reloads of the configuration, by outcome",
            Self::Connections => "Open connections, polling sessions included",
            Self::Polling => "Open Engine.IO sessions that poll",
            Self::OutboxBytes => "Bytes that wait for slow clients, and what keeping them takes",
            Self::Deliveries => "Frames handed to a client's socket or outbox",
            Self::DeliveredBytes => "Bytes of those frames",
            Self::Messages => "Messages received from clients",
        }
    }
}
