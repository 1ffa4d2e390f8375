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
    /// Clients of whom Django said who they are, by where the answer comes from.
    DjangoLogins,
    /// Orders to disconnect users or tokens, and handshakes that they refused, by outcome.
    Revocations,
    /// Orders to join or leave groups, and the connections that they changed.
    GroupOrders,
    /// Checks of groups signed by Django.
    JoinTokens,
    /// Client messages not handled, by reason.
    RefusedMessages,
    /// Messages to the channel of one connection, by outcome.
    DirectMessages,
    /// Number of times reading from a client was paused, by reason.
    Holds,
    /// Connections to Redis that were restored.
    RedisReconnects,
    /// What Redis refused to the channel layer, by reason.
    RedisRefusals,
    /// Calls to the backend, by action and outcome.
    BackendCalls,
    /// Calls that run a consumer in Django, by kind and outcome.
    BridgeCalls,
    /// Connections whose event was handled by a call that they share, by who shares it.
    BridgeSharers,
    /// Consumers that Django refused to run for the node, by kind.
    BridgeRefused,
    /// Tries to reach Django that were refused, or made because one was.
    BridgeRetries,
    /// Disconnects that Django did not hear of, by reason.
    BridgeDisconnectsLost,
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
    /// Duration of calls that run a consumer in Django, including waiting, by kind.
    BridgeSeconds,
    /// Number of calls in one request to Django.
    BridgeBatches,
    /// Calls that wait for a turn, or for Django to accept connections.
    BridgeWaiting,
    /// Calls that have answered something and go on beside the turns.
    BridgeStreams,
    /// Disconnects that wait to be passed to Django.
    BridgeDisconnectsQueued,
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
        Self::DjangoLogins,
        Self::Revocations,
        Self::GroupOrders,
        Self::JoinTokens,
        Self::RefusedMessages,
        Self::DirectMessages,
        Self::Holds,
        Self::RedisReconnects,
        Self::RedisRefusals,
        Self::BackendCalls,
        Self::BridgeCalls,
        Self::BridgeSharers,
        Self::BridgeRefused,
        Self::BridgeRetries,
        Self::BridgeDisconnectsLost,
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
        Self::BridgeSeconds,
        Self::BridgeBatches,
        Self::BridgeWaiting,
        Self::BridgeStreams,
        Self::BridgeDisconnectsQueued,
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
            Self::DjangoLogins => "django_logins",
            Self::Revocations => "revocations",
            Self::GroupOrders => "group_orders",
            Self::JoinTokens => "join_tokens",
            Self::RefusedMessages => "refused_messages",
            Self::DirectMessages => "direct_messages",
            Self::Holds => "holds",
            Self::RedisReconnects => "redis_reconnects",
            Self::RedisRefusals => "redis_refusals",
            Self::BackendCalls => "backend_calls",
            Self::BridgeCalls => "bridge_calls",
            Self::BridgeSharers => "bridge_sharers",
            Self::BridgeRefused => "bridge_refused",
            Self::BridgeRetries => "bridge_retries",
            Self::BridgeDisconnectsLost => "bridge_disconnects_lost",
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
            Self::BridgeSeconds => "bridge_call_seconds",
            Self::BridgeBatches => "bridge_batch_calls",
            Self::BridgeWaiting => "bridge_waiting",
            Self::BridgeStreams => "bridge_streams",
            Self::BridgeDisconnectsQueued => "bridge_disconnects_queued",
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
            Self::DjangoLogins => "Answers of Django about who a client is, by where they come from",
            Self::Revocations => "Orders to disconnect users or tokens, by outcome",
            Self::GroupOrders => "Orders to join or leave groups, and the connections that they changed, by outcome",
            Self::JoinTokens => "Groups signed by Django that clients sent to join them, by outcome",
            Self::RefusedMessages => "Client messages not handled, by reason",
            Self::DirectMessages => "Messages to the channel of one connection, by outcome",
            Self::Holds => "Number of times reading from a client was paused, by reason",
            Self::RedisReconnects => "Connections to Redis that were restored",
            Self::RedisRefusals => "Requests of the channel layer that Redis refused, by reason",
            Self::BackendCalls => "Calls to the backend, by action and outcome",
            Self::BridgeCalls => "Calls that run a consumer in Django, by kind and outcome",
            Self::BridgeSharers => "Connections whose event was handled by a call that they share, by who shares it",
            Self::BridgeRefused => "Consumers that Django refused to run for the node, by kind",
            Self::BridgeRetries => "Tries to reach Django that were refused, or made because one was",
            Self::BridgeDisconnectsLost => "Disconnects that Django did not hear of, by reason",
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
            Self::BridgeSeconds => "Duration of calls that run a consumer in Django, including waiting, by kind",
            Self::BridgeBatches => "Number of calls in one request to Django",
            Self::BridgeWaiting => "Calls that wait for a turn, or for Django to accept connections",
            Self::BridgeStreams => "Calls that have answered something and go on beside the turns",
            Self::BridgeDisconnectsQueued => "Disconnects that wait to be passed to Django",
            Self::Ready => "1 while /health/ready answers 200",
            Self::TailWatchers => "Open streams of channelgate tail",
            Self::LogLinesDropped => "Log lines that standard error did not accept",
            Self::LogWaiting => "Bytes of the log that are not written yet",
            Self::BuildInfo => "Always 1; the label is the version that runs",
            Self::NodeInfo => "Always 1; the label is the node's id in the cluster",
        }
    }
}
