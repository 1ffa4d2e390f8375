//! The source of events. A layer converts publishers' messages into [`Event`]s and [`Gap`]s and passes them to one
//! [`Sink`].
//!
//! In: Redis (or, embedded, this process). Out: [`Signal`]s, in publish order within a group. A layer knows no
//! consumer, no connection and no browser.

pub mod codec;
pub mod emitter;
pub mod memory;
pub mod redis;

use std::{fmt, io, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use crate::event::{Emission, Event, Eviction, Gap, GroupName, Source, Value};

/// Receives the layer's signals. It is called on the layer's own thread and must not block; while it runs, the layer
/// does not read.
pub type Sink = Arc<dyn Fn(Signal) + Send + Sync>;

/// A signal of a layer.
#[derive(Clone, Debug)]
pub enum Signal {
    /// An event to deliver.
    Event(Event),
    /// An event that names its receivers itself.
    Emission(Emission),
    /// An order to remove members from a room.
    Eviction(Eviction),
    /// A message to the node itself, on its [`Layer::reply_channel`].
    Message(Value),
    /// A message to the [`Layer::channel_name`] of one connection.
    Direct {
        /// The connection's id.
        id: Box<str>,
        /// The message; always [`Value::Map`].
        body: Value,
        /// Which source it came from.
        source: Source,
    },
    /// Events may be missing.
    Gap(Gap),
}

/// Why a layer refuses, and how long the caller should wait before a retry.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LayerError {
    /// Redis is unreachable; joins and publishes cannot be guaranteed now.
    #[error("the channel layer is not reachable: {reason}")]
    Unavailable {
        /// What went wrong, without secrets.
        reason: String,
        /// When a retry makes sense.
        retry_after: Duration,
    },
    /// The message is larger than `layer.max_message`.
    #[error("it would be larger than {0} bytes (layer.max_message)")]
    TooLarge(usize),
    /// Redis answered with an error.
    #[error("the channel layer refused: {0}")]
    Refused(String),
}

/// Finds the group of a message on a mapped Redis channel, from the channel and the JSON object; `None` drops it.
pub type ToGroup = Arc<dyn Fn(&str, &Value) -> Option<GroupName> + Send + Sync>;

/// The source of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappedFrom {
    /// An exact Redis channel.
    Channel(String),
    /// A pattern, as PSUBSCRIBE reads it.
    Pattern(String),
}

/// A Redis channel or pattern with messages for groups.
#[derive(Clone)]
pub struct ChannelMapping {
    /// The source of the messages.
    pub from: MappedFrom,
    /// Finds the group of a message.
    pub group: ToGroup,
}

/// A source of events for groups, and a way to publish to them.
pub trait Layer: Send + Sync + 'static {
    /// Starts to pass signals to `sink`, which must be ready for the first one. Call once; until then the layer passes
    /// on nothing and loses nothing.
    ///
    /// # Errors
    /// It has been started before, or the operating system cannot create a thread.
    fn start(&self, sink: Sink) -> io::Result<()>;

    /// Joins a group. When it resolves with `Ok`, every event published from then on arrives at the sink, and every
    /// earlier one of a group that was joined before has arrived there. Joins at the same time share one round trip.
    /// If it fails or is dropped, the caller leaves the group, unless others are in it.
    fn join<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<(), LayerError>>;

    /// The last connection of this node has left the group. The layer may keep the subscription for a while.
    fn leave(&self, group: &GroupName);

    /// `channel_layer.group_send(group, body)`: an event for the group's members on every node, and for Channels' own
    /// consumers in it.
    fn publish<'a>(&'a self, group: &'a GroupName, body: &'a Value) -> BoxFuture<'a, Result<(), LayerError>>;

    /// Sends an emission to the union of groups on every node; `body` is that of
    /// [`Emission::relay_body`](crate::event::Emission::relay_body) for them.
    fn emit<'a>(&'a self, groups: &'a [GroupName], body: &'a Value) -> BoxFuture<'a, Result<(), LayerError>>;

    /// `channel_layer.send(channel, body)`: one message for one connection of any node, one consumer of Channels, one
    /// worker, or another reader of the channel.
    fn send<'a>(&'a self, channel: &'a str, body: &'a Value) -> BoxFuture<'a, Result<(), LayerError>>;

    /// The node's own channel: messages sent to it arrive as [`Signal::Message`]. `None` if the layer has none.
    fn reply_channel(&self) -> Option<String>;

    /// The channel of a connection of this node: what is sent to it arrives as [`Signal::Direct`]. Valid for Channels.
    fn channel_name(&self, id: &str) -> String;

    /// The connection's channel is to be in this group no longer, in whatever way it was added: `group_discard(group, channel)`. It
    /// does not wait. Groups that the node joined are left by [`Self::leave`].
    fn discard(&self, group: &GroupName, id: &str);

    /// Whether events arrive now, as proven by probes.
    fn readiness(&self) -> Readiness;

    /// Why the events of this group, or with `None` of any group, cannot be guaranteed now.
    fn outage(&self, _group: Option<&GroupName>) -> Option<LayerError> {
        None
    }

    /// Removes this node's registrations and stops; bounded in time.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// The error of a second start.
fn started_before() -> io::Error {
    io::Error::other("the channel layer has been started before")
}

/// Whether events arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Events arrive.
    Ready,
    /// Only the events of some groups arrive, for this reason.
    Degraded(String),
    /// No events arrive, for this reason.
    NotReady(String),
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::Degraded(reason) | Self::NotReady(reason) => f.write_str(reason),
        }
    }
}
