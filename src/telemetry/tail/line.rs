//! The lines of a tail: what happened, when, and in which groups, as the JSON that a watcher reads.

use std::{fmt, sync::Arc, time::SystemTime};

use serde::Serialize;

use crate::telemetry::{DropReason, logging::Rfc3339};

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
pub struct TailLine {
    /// When, in RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub time: SystemTime,
    /// The group; several if one message is for their union; empty if it is unknown or means all groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Arc<str>>,
    /// What happened.
    #[serde(flatten)]
    pub what: TailEvent,
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TailEvent {
    /// The node received an event.
    Event {
        /// The source.
        source: &'static str,
        /// Its type, or the name of a Socket.IO event.
        #[serde(rename = "type")]
        of: String,
        /// Its length as JSON.
        bytes: usize,
        /// Its body, for watchers that ask for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Arc<str>>,
    },
    /// A consumer mapped it to messages.
    Mapped {
        /// The consumer.
        consumer: Arc<str>,
        /// The event's type.
        #[serde(rename = "type")]
        of: String,
        /// The number of messages.
        frames: usize,
    },
    /// A worker delivered.
    Delivered {
        /// The consumer of its members.
        consumer: Arc<str>,
        /// The worker.
        worker: usize,
        /// The number of events at once.
        events: usize,
        /// The number of members.
        members: u64,
        /// Bytes on the wire to all of them.
        bytes: u64,
        /// From the node's receipt of the first of the events to the last member's frame.
        us: u64,
    },
    /// The consumer's own method in Python is called for the members of a group, on this node.
    Calls {
        /// The consumer.
        consumer: Arc<str>,
        /// The event's type.
        #[serde(rename = "type")]
        of: String,
        /// Who shares a call.
        per: &'static str,
        /// The number of calls.
        calls: usize,
        /// The number of members that they were for.
        members: usize,
        /// The number of members above the limit, which miss the event.
        refused: usize,
    },
    /// A message to the channel of one connection, whose id stands for the group.
    Direct {
        /// Its type.
        #[serde(rename = "type")]
        of: String,
        /// What happened to it, as in the metric.
        outcome: &'static str,
    },
    /// Something was dropped.
    Dropped {
        /// Why, as in the metric.
        reason: &'static str,
        /// The number of drops.
        count: u64,
        /// The consumer.
        #[serde(skip_serializing_if = "Option::is_none")]
        consumer: Option<Arc<str>>,
        /// Further details.
        #[serde(skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// A call ran a consumer in Django.
    Call(Box<CallTrace>),
    /// Events may have been missed.
    Gap {
        /// Why, as in the metric.
        reason: &'static str,
    },
    /// The watcher was too slow.
    Missed {
        /// The number of lines that are missing here.
        lines: u64,
    },
}

/// One call of a connection.
#[derive(Clone, Debug, Serialize)]
pub struct CallTrace {
    /// The connection's public id.
    pub connection: Arc<str>,
    /// The consumer.
    pub consumer: Arc<str>,
    /// The path of its handshake; only known at a connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Box<str>>,
    /// The number of the connection's call.
    pub seq: u64,
    /// What it was for, as in the metric.
    pub call: &'static str,
    /// How many connections of the node share it; absent if it is for one alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sharers: Option<usize>,
    /// From the call to its end, waiting included.
    pub us: u64,
    /// How often the consumer did what.
    #[serde(serialize_with = "counts")]
    pub commands: Vec<(&'static str, u32)>,
    /// How it ended, as in the metric.
    pub outcome: &'static str,
    /// Why, if it did not end well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

fn counts<S: serde::Serializer>(counts: &[(&'static str, u32)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter().copied())
}

impl TailEvent {
    /// The line for a drop.
    pub fn dropped(reason: DropReason, count: u64, consumer: Option<&str>, detail: &dyn fmt::Display) -> Self {
        Self::Dropped { reason: reason.label(), count, consumer: consumer.map(Arc::from), detail: detail.to_string() }
    }

    /// The consumer, if it is known.
    pub(super) fn consumer(&self) -> Option<&str> {
        match self {
            Self::Mapped { consumer, .. } | Self::Delivered { consumer, .. } | Self::Calls { consumer, .. } => {
                Some(consumer)
            }
            Self::Dropped { consumer, .. } => consumer.as_deref(),
            Self::Call(call) => Some(&call.consumer),
            Self::Event { .. } | Self::Direct { .. } | Self::Gap { .. } | Self::Missed { .. } => None,
        }
    }

    /// Whether something was lost, or may have been.
    pub(super) const fn is_loss(&self) -> bool {
        matches!(self, Self::Dropped { .. } | Self::Gap { .. } | Self::Missed { .. })
    }

    /// The body of an event, which only some watchers see.
    pub(super) fn payload(&mut self) -> Option<&mut Option<Arc<str>>> {
        match self {
            Self::Event { payload, .. } => Some(payload),
            _ => None,
        }
    }
}

fn rfc3339<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Rfc3339(*time))
}
