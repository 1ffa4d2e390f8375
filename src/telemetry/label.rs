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
    "denied",
    "draining",
    "full",
    "invalid",
    "missing",
    "origin",
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
pub const TOKENS: &[&str] =
    &["invalid", "issued", "missing", "origin", "revoked", "unavailable", "unconfigured", "valid"];

/// Why the node closes a connection.
pub const CLOSES: &[&str] = &[
    "bad_packet",
    "connect_timeout",
    "connected_twice",
    "drain",
    "duplicate_poll",
    "expired",
    "held",
    "inbox_total",
    "invalid_deflate",
    "invalid_utf8",
    "kicked",
    "max_pending",
    "message_timeout",
    "message_too_big",
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
    "too_many_connects",
    "too_many_messages",
    "too_many_topics",
    "user_limit",
];

/// Why a client's message is not handled.
pub const REFUSED_MESSAGES: &[&str] = &[
    "bad_json",
    "client_gone",
    "denied_message",
    "failed_message",
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
