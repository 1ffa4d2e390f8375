//! The data that flows through a node. Every result of a channel layer is an [`Event`] for a group, or a [`Gap`] if
//! events may be missing.
//!
//! An event's body is the dict that Django gave to `group_send`, decoded from msgpack or JSON into [`Value`] and never
//! changed afterwards. The module also has the types between a connection and its consumer: [`Incoming`] and
//! [`Payload`]. Nothing here knows Redis, a consumer or a socket.

mod connection_id;
mod emission;
mod fingerprint;
mod group_order;
mod incoming;
pub mod json;
mod name;
mod payload;
mod proof;
pub mod surrogate;
mod user;
mod value;

use std::time::Instant;

pub use connection_id::{ConnectionId, ConnectionIdText};
pub use emission::{Content, Emission, EmissionTarget, Eviction};
pub use fingerprint::Fingerprint;
pub use group_order::{GroupChange, GroupOrder, GroupOrderResult, ReceivedOrder};
pub use incoming::Incoming;
pub use name::{GroupName, GroupNameError, NamePart, written};
pub use payload::Payload;
pub use proof::{Proof, WatchedToken};
pub use user::{UserIdError, check_id, check_user};
pub use value::{MAX_DIGITS, Raw, Value};

/// How deeply lists and maps may nest in any format: as in Python, whose `json` recurses to `sys.getrecursionlimit`.
pub const MAX_DEPTH: usize = 1000;

/// Maximum number of values in one message; a value of one byte takes 72 in memory.
pub const MAX_VALUES: usize = 1 << 20;

/// Where an event was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// `group_send` through `channels_redis.core.RedisChannelLayer`.
    Core,
    /// `group_send` through `channels_redis.pubsub.RedisPubSubChannelLayer`.
    Pubsub,
    /// `PUBLISH channelgate:<group> <json>`.
    Publish,
    /// Another Redis channel or pattern that the configuration maps to a group.
    Mapped,
    /// The embedded in-process layer.
    Memory,
    /// python-socketio's `RedisManager`, or `@socket.io/redis-emitter`.
    Emitter,
}

impl Source {
    /// All sources.
    pub const ALL: &[Self] = &[Self::Core, Self::Pubsub, Self::Publish, Self::Mapped, Self::Memory, Self::Emitter];

    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Pubsub => "pubsub",
            Self::Publish => "publish",
            Self::Mapped => "mapped",
            Self::Memory => "memory",
            Self::Emitter => "emitter",
        }
    }
}

/// One message to one group.
#[derive(Clone, Debug)]
pub struct Event {
    /// The group it was sent to.
    pub group: GroupName,
    /// The dict given to `group_send`; always [`Value::Map`].
    pub body: Value,
    /// Which source it came from.
    pub source: Source,
    /// When this node received it.
    pub received: Instant,
}

impl Event {
    /// The `type` of the event, as the publisher wrote it; `None` if it is missing or not text.
    pub fn kind(&self) -> Option<&str> {
        self.body.get("type").and_then(Value::as_str)
    }
}

/// The names of groups, for the log.
pub fn listed(groups: &[GroupName]) -> String {
    groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", ")
}

/// Events may be missing: it is known where, but not what was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The groups concerned; `None` for every group of the node.
    pub groups: Option<Vec<GroupName>>,
    /// Why.
    pub reason: GapReason,
}

/// Why events may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// The subscription's connection to Redis was lost and is restored.
    Reconnected,
    /// A receive queue was found full: publishers drop silently beyond the layer's capacity.
    Capacity,
    /// The node did not read for longer than the layer's expiry.
    Expired,
    /// A worker's backlog exceeded its bound.
    Backlog,
    /// The client read too slowly, and some of its waiting messages were dropped.
    SlowClient,
    /// Too many messages waited for the end of a handler of the connection.
    Held,
    /// More members needed a call of Python than one event may have.
    Calls,
    /// The members have more different values than one message may have forms.
    Values,
}

impl GapReason {
    /// All reasons.
    pub const ALL: &[Self] = &[
        Self::Reconnected,
        Self::Capacity,
        Self::Expired,
        Self::Backlog,
        Self::SlowClient,
        Self::Held,
        Self::Calls,
        Self::Values,
    ];

    /// The metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Reconnected => "reconnected",
            Self::Capacity => "capacity",
            Self::Expired => "expired",
            Self::Backlog => "backlog",
            Self::SlowClient => "slow_client",
            Self::Held => "held",
            Self::Calls => "calls",
            Self::Values => "values",
        }
    }
}
