//! The values of metric labels, so that each is in docs/METRICS.md and is exported at 0 before it first happens;
//! otherwise an alert on a rate would miss the first time. Reasons for drops and gaps are enums of their own.

use prometheus_client::encoding::EncodeLabelSet;

/// How a handshake ends.
pub const HANDSHAKES: &[&str] = &[
    "accepted",
    "address_limit",
    "address_rate_limit",
    "ambiguous_group",
    "backend_unavailable",
    "bad_request",
    "consumer_error",
    "consumer_refused",
    "denied",
    "draining",
    "full",
    "invalid",
    "missing",
    "origin",
    "protocol_version",
    "proxy_protocol",
    "rate_limit",
    "revoked",
    "state_too_large",
    "timeout",
    "unavailable",
    "unconfigured",
    "user_limit",
];

/// How the check of a credential, or a request for a ws-token, ends.
pub const TOKENS: &[&str] = &[
    "denied",
    "invalid",
    "issued",
    "missing",
    "origin",
    "revoked",
    "unavailable",
    "unconfigured",
    "unreadable",
    "valid",
];

/// Why a token is not valid.
pub const TOKEN_REFUSALS: &[&str] = &[
    "algorithm",
    "audience",
    "bad_claim",
    "bad_header",
    "expired",
    "issuer",
    "login",
    "malformed",
    "no_expiry",
    "no_id",
    "no_type",
    "no_user",
    "not_yet_valid",
    "other_user",
    "revoked",
    "signature",
    "unknown",
    "unknown_key",
    "unreadable",
    "wrong_type",
];

/// Where the answer comes from that says who a client is: Django was asked for it, it was asked by another handshake at
/// the same time, or not long ago.
pub const DJANGO_LOGINS: &[&str] = &["asked", "cached", "shared"];

/// What happens to a message to the channel of one connection.
pub const DIRECT_MESSAGES: &[&str] = &["gone", "reached", "unhandled"];

/// Why the node closes a connection.
pub const CLOSES: &[&str] = &[
    "backend_unavailable",
    "bad_packet",
    "connect_timeout",
    "connected_twice",
    "consumer_error",
    "consumer_refused",
    "drain",
    "duplicate_poll",
    "event_failed",
    "expired",
    "heartbeat_timeout",
    "held",
    "inbox_total",
    "invalid_deflate",
    "invalid_utf8",
    "kicked",
    "max_pending",
    "message_timeout",
    "message_too_big",
    "no_login",
    "not_connected",
    "outbox_total",
    "overlapping_post",
    "ping_timeout",
    "poll_cancelled",
    "poll_timeout",
    "protocol_error",
    "rate",
    "revoked",
    "slow_client",
    "state_outdated",
    "state_unknown",
    "too_many_connects",
    "too_many_messages",
    "too_many_topics",
    "unconfigured",
    "user_limit",
];

/// Why a request to a plain route is refused.
pub const API_REFUSALS: &[&str] =
    &["bad_request", "credentials", "forbidden", "method", "timeout", "too_large", "too_many", "unavailable"];

/// Why a client's message is not handled.
pub const REFUSED_MESSAGES: &[&str] = &[
    "bad_json",
    "client_gone",
    "denied_message",
    "failed_message",
    "join_denied",
    "limited_message",
    "not_joined",
    "not_published",
    "overloaded",
    "rate",
    "refresh_denied",
    "refresh_failed",
    "state_too_large",
    "too_large",
    "too_many_groups",
    "too_many_rooms",
    "unanswered_call",
    "unknown_message",
];

/// Why reading from a client is paused.
pub const HOLDS: &[&str] = &["rate"];

/// What happens to an order to disconnect.
pub const REVOCATIONS: &[&str] = &["dropped", "failed", "heard", "late", "malformed", "refused"];

/// What happens to an order to join or leave a group, or to connections because of one.
pub const GROUP_ORDERS: &[&str] = &["dropped", "failed", "heard", "joined", "late", "left", "malformed", "refused"];

/// How the check of a signed group ends.
pub const JOIN_TOKENS: &[&str] =
    &["consumer", "expired", "group", "left", "malformed", "missing", "signature", "user", "valid"];

/// Why Redis refuses what the channel layer needs.
pub const REDIS_REFUSALS: &[&str] = &["few_replicas", "full", "not_allowed", "not_saved", "other", "read_only"];

/// How a reload of the configuration ends.
pub const RELOADS: &[&str] = &["applied", "refused", "unchanged"];

/// How a question to the backend ends.
pub const BACKEND_CALLS: &[&str] = &[
    "2xx",
    "3xx",
    "4xx",
    "5xx",
    "broken",
    "other",
    "overload",
    "request_too_large",
    "timeout",
    "too_large",
    "unreachable",
];

/// What a call of the bridge is for.
pub const BRIDGE_CALLS: &[&str] = &["connect", "disconnect", "event", "message"];

/// How a call of the bridge ends.
pub const BRIDGE_OUTCOMES: &[&str] = &[
    "away",
    "broken",
    "cancelled",
    "error",
    "misconfigured",
    "open",
    "overloaded",
    "refused",
    "restart",
    "stopped",
    "too_large",
];

/// The connections that share a call, as `python_per` says.
pub const BRIDGE_SHARERS: &[&str] = &["event", "room", "user"];

/// What a consumer does that one call per event cannot do.
pub const BRIDGE_REFUSALS: &[&str] = &[
    "background",
    "export",
    "long",
    "message",
    "nested",
    "no_channels",
    "no_consumer",
    "other",
    "python_per",
    "receive",
    "replay",
    "shared",
    "signature",
    "state",
    "state_size",
    "version",
];

/// Why a disconnect does not reach Django.
pub const LOST_DISCONNECTS: &[&str] = &["failed", "full", "stopped", "too_large"];

/// The protocol of a connection.
pub const PROTOCOLS: &[&str] = &["engine.io", "socket.io", "websocket"];

/// A label set of one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Reason {
    /// The reason.
    pub reason: &'static str,
}

/// A label set of one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OutcomeLabel {
    /// The outcome.
    pub outcome: &'static str,
}

/// A label set of one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SourceLabel {
    /// The source.
    pub source: &'static str,
}

/// A question to the backend.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CallLabel {
    /// Its name, one of those in the configuration.
    pub action: String,
    /// How it ended.
    pub outcome: &'static str,
}

/// A label set of one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Action {
    /// Its name, one of those in the configuration.
    pub action: String,
}

/// The consumer of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ConsumerLabel {
    pub consumer: String,
    pub protocol: &'static str,
}

/// The version that runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Build {
    pub version: &'static str,
}

/// The id of the node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct NodeLabel {
    pub node: String,
}

/// In a test, a value that is not in its list is a mistake; a node counts it anyway.
pub(super) fn known(list: &[&str], value: &str) {
    debug_assert!(list.contains(&value), "{value:?} is missing in telemetry/label.rs and docs/METRICS.md");
}
