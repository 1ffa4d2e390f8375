//! The name of every metric in one place, as in `/metrics` and docs/METRICS.md.

/// A metric of the node; a name in Prometheus is `channelgate_` and [`MetricName::text`], a counter's ends with
/// `_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricName {
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
    /// Requests to plain routes that were refused, by reason.
    ApiRefusals,
    /// Tokens that were not valid, by reason.
    TokenRefusals,
    /// Orders to disconnect users or tokens, and handshakes that they refused, by outcome.
    Revocations,
    /// Client messages not handled, by reason.
    RefusedMessages,
    /// Number of times reading from a client was paused, by reason.
    Holds,
    /// Connections to Redis that were restored.
    RedisReconnects,
    /// What Redis refused to the channel layer, by reason.
    RedisRefusals,
    /// Calls to the backend, by action and outcome.
    BackendCalls,
    /// Arrivals and departures that Redis did not accept at first.
    PresenceFailures,
    /// Reloads of the configuration, by outcome.
    Reloads,
    /// Open connections by consumer and protocol, polling sessions included.
    Connections,
    /// Open Engine.IO sessions that poll.
    Polling,
    /// Bytes waiting for slow clients, with the memory overhead of keeping them.
    OutboxBytes,
    /// Bytes received of messages and bodies that are incomplete or not handled yet.
    InboxBytes,
    /// Frames handed to a client's socket or outbox.
    Deliveries,
    /// Bytes of those frames.
    DeliveredBytes,
    /// Messages received from clients.
    Messages,
    /// From an event on the node to its first frame in the kernel or an outbox; sampled.
    EventFirstWrite,
    /// From an event on the node to the frame of the last member of a worker; sampled.
    EventFanout,
    /// A probe through Redis back to the node.
    RedisRoundTrip,
    /// Duration of backend calls, by action.
    BackendSeconds,
    /// Whether the node is ready.
    Ready,
    /// Open streams of `channelgate tail`.
    TailWatchers,
    /// Log lines that could not be written.
    LogLinesDropped,
    /// Bytes of the log that are not written yet.
    LogWaiting,
    /// The version that runs.
    BuildInfo,
    /// The id of this node.
    NodeInfo,
}

impl MetricName {
    /// All names, in the order of `/metrics`.
    pub const ALL: &[Self] = &[
        Self::Events,
        Self::Drops,
        Self::Gaps,
        Self::Handshakes,
        Self::Closes,
        Self::Tokens,
        Self::ApiRefusals,
        Self::TokenRefusals,
        Self::Revocations,
        Self::RefusedMessages,
        Self::Holds,
        Self::RedisReconnects,
        Self::RedisRefusals,
        Self::BackendCalls,
        Self::PresenceFailures,
        Self::Reloads,
        Self::Connections,
        Self::Polling,
        Self::OutboxBytes,
        Self::InboxBytes,
        Self::Deliveries,
        Self::DeliveredBytes,
        Self::Messages,
        Self::EventFirstWrite,
        Self::EventFanout,
        Self::RedisRoundTrip,
        Self::BackendSeconds,
        Self::Ready,
        Self::TailWatchers,
        Self::LogLinesDropped,
        Self::LogWaiting,
        Self::BuildInfo,
        Self::NodeInfo,
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
            Self::ApiRefusals => "api_refusals",
            Self::TokenRefusals => "token_refusals",
            Self::Revocations => "revocations",
            Self::RefusedMessages => "refused_messages",
            Self::Holds => "holds",
            Self::RedisReconnects => "redis_reconnects",
            Self::RedisRefusals => "redis_refusals",
            Self::BackendCalls => "backend_calls",
            Self::PresenceFailures => "presence_failures",
            Self::Reloads => "reloads",
            Self::Connections => "connections",
            Self::Polling => "polling",
            Self::OutboxBytes => "outbox_bytes",
            Self::InboxBytes => "inbox_bytes",
            Self::Deliveries => "deliveries",
            Self::DeliveredBytes => "delivered_bytes",
            Self::Messages => "messages",
            Self::EventFirstWrite => "event_first_write_seconds",
            Self::EventFanout => "event_fanout_seconds",
            Self::RedisRoundTrip => "redis_round_trip_seconds",
            Self::BackendSeconds => "backend_call_seconds",
            Self::Ready => "ready",
            Self::TailWatchers => "tail_watchers",
            Self::LogLinesDropped => "log_lines_dropped",
            Self::LogWaiting => "log_waiting_bytes",
            Self::BuildInfo => "build_info",
            Self::NodeInfo => "node_info",
        }
    }

    /// The HELP text.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Events => "Events received, by source",
            Self::Drops => "Events or frames that did not reach a client, by reason",
            Self::Gaps => "Number of times events may have been missed, by reason",
            Self::Handshakes => "WebSocket and Engine.IO handshakes, by outcome",
            Self::Closes => "Connections that the node closed, by reason",
            Self::Tokens => "Credentials checked, by outcome",
            Self::ApiRefusals => "Requests to plain routes that were refused, by reason",
            Self::TokenRefusals => "Tokens that were not valid, by reason",
            Self::Revocations => "Orders to disconnect users or tokens, by outcome",
            Self::RefusedMessages => "Client messages not handled, by reason",
            Self::Holds => "Number of times reading from a client was paused, by reason",
            Self::RedisReconnects => "Connections to Redis that were restored",
            Self::RedisRefusals => "Requests of the channel layer that Redis refused, by reason",
            Self::BackendCalls => "Calls to the backend, by action and outcome",
            Self::PresenceFailures => "Arrivals and departures that Redis did not accept at first",
            Self::Reloads => "Reloads of the configuration, by outcome",
            Self::Connections => "Open connections by consumer and protocol, polling sessions included",
            Self::Polling => "Open Engine.IO sessions that poll",
            Self::OutboxBytes => "Bytes waiting for slow clients, with the memory overhead of keeping them",
            Self::InboxBytes => "Bytes received of messages and bodies that are incomplete or not handled yet",
            Self::Deliveries => "Frames handed to a client's socket or outbox",
            Self::DeliveredBytes => "Bytes of those frames",
            Self::Messages => "Messages received from clients",
            Self::EventFirstWrite => {
                "From the arrival of an event on the node to its first frame handed to the kernel; sampled"
            }
            Self::EventFanout => {
                "From the arrival of an event on the node to the frame of a worker's last member; sampled"
            }
            Self::RedisRoundTrip => "Time of a probe published to Redis until the node's own subscription receives it",
            Self::BackendSeconds => "Duration of calls to the backend, including retries and waiting, by action",
            Self::Ready => "1 while /health/ready answers 200",
            Self::TailWatchers => "Open streams of channelgate tail",
            Self::LogLinesDropped => "Log lines that standard error did not accept",
            Self::LogWaiting => "Bytes of the log that are not written yet",
            Self::BuildInfo => "Always 1; the label is the version that runs",
            Self::NodeInfo => "Always 1; the label is the node's id in the cluster",
        }
    }
}
