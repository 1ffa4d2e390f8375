//! Every reason for a drop in one enum, so that no event is lost without a reason.

/// Why an event that the node received did not reach a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The bytes in Redis could not be decrypted with any key.
    Decrypt,
    /// The bytes in Redis are not msgpack, JSON or a dict.
    Decode,
    /// The message is larger than the node accepts.
    TooLarge,
    /// A queue entry names no group of this node.
    UnknownChannel,
    /// A consumer has no handler for the event's type.
    NoHandler,
    /// A consumer's expression failed on the event, for instance for a missing key.
    Mapping,
    /// A connection's outbox was full, so the connection was closed: what waited, and what did not fit.
    SlowClient,
    /// The connection ended, or was closing, before the frame was written to it.
    Closed,
    /// A volatile message for a client that has not read what was sent before.
    Volatile,
    /// The oldest message in an outbox, removed to make room for a newer one.
    Oldest,
    /// A message in an outbox, replaced by a newer one with the same key.
    Superseded,
    /// It waited for a slow client, and all outboxes together were above the node's limit.
    Shed,
    /// It waited for the end of a handler of its connection, and there was no room for more.
    Held,
    /// A worker's backlog was full.
    Backlog,
    /// An emitter asked for something that the node does not support.
    Unsupported,
    /// The event's channel is mapped, but the mapping gave no valid group.
    Unmapped,
    /// Each member needs a call of Python, and there were more members than one event may have calls.
    Calls,
    /// A handler's events came more often than its `throttle` lets one connection have them.
    Throttled,
    /// A message contains values of the connection, and its members have more different ones than it may have forms.
    Values,
    /// An event that the node published did not reach Channels' own consumers: their queue is full, or the layer's
    /// serializer cannot carry it.
    Channels,
}

impl DropReason {
    /// All reasons.
    pub const ALL: &[Self] = &[
        Self::Decrypt,
        Self::Decode,
        Self::TooLarge,
        Self::UnknownChannel,
        Self::NoHandler,
        Self::Mapping,
        Self::SlowClient,
        Self::Volatile,
        Self::Backlog,
        Self::Unsupported,
        Self::Unmapped,
        Self::Closed,
        Self::Oldest,
        Self::Superseded,
        Self::Shed,
        Self::Held,
        Self::Channels,
        Self::Calls,
        Self::Throttled,
        Self::Values,
    ];

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
            Self::Held => "held",
            Self::Backlog => "backlog",
            Self::Unsupported => "unsupported",
            Self::Unmapped => "unmapped",
            Self::Channels => "channels",
            Self::Calls => "calls",
            Self::Throttled => "throttled",
            Self::Values => "values",
        }
    }
}
