//! Where events come from. A layer turns what publishers write into [`Event`]s and [`Gap`]s and hands them to one [`Sink`].
//!
//! In: Redis (or, embedded, this process). Out: [`Signal`]s, in publish order within a group.
//! A layer knows no consumer, no connection and no browser.

pub mod codec;
pub mod emitter;
pub mod memory;
pub mod redis;

use std::{fmt, io, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use crate::event::{Emission, Event, Eviction, Gap, GroupName, Value};

/// What a layer hands on. It is called on the layer's own thread, must not block, and may be slow only as far as the
/// layer may then be slow to read.
pub type Sink = Arc<dyn Fn(Signal) + Send + Sync>;

/// One thing that came out of a layer.
#[derive(Clone, Debug)]
pub enum Signal {
    /// An event to deliver.
    Event(Event),
    /// An event that names its receivers itself.
    Emission(Emission),
    /// Members to be taken out of a room.
    Eviction(Eviction),
    /// A message to the node itself, on its [`Layer::reply_channel`].
    Message(Value),
    /// Events may be missing.
    Gap(Gap),
}

/// What a layer refuses, and how long the caller should wait before another try.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LayerError {
    /// Redis is out of reach; joins and publishes cannot be promised now.
    #[error("the channel layer is not reachable: {reason}")]
    Unavailable {
        /// What went wrong, without secrets.
        reason: String,
        /// When another try makes sense.
        retry_after: Duration,
    },
    /// What is to be published is larger than `layer.max_message`.
    #[error("it would be larger than {0} bytes (layer.max_message)")]
    TooLarge(usize),
    /// Redis answered with an error.
    #[error("the channel layer refused: {0}")]
    Refused(String),
}

/// Finds the group for a message of a mapped Redis channel: given the channel and the JSON object; `None` drops it.
pub type ToGroup = Arc<dyn Fn(&str, &Value) -> Option<GroupName> + Send + Sync>;

/// What a mapping listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappedFrom {
    /// An exact Redis channel.
    Channel(String),
    /// A pattern, as PSUBSCRIBE reads it.
    Pattern(String),
}

/// A Redis channel or pattern whose messages go to groups.
#[derive(Clone)]
pub struct Mapping {
    /// Where the messages are.
    pub from: MappedFrom,
    /// Whose they are.
    pub group: ToGroup,
}

/// A source of events for groups, and a way to publish to them.
pub trait Layer: Send + Sync + 'static {
    /// Begins to hand signals to `sink`, which must be ready for the first one now. Once in a layer's life; until then it
    /// hands on nothing and loses nothing.
    ///
    /// # Errors
    /// When it has been started before, or the operating system gives no thread.
    fn start(&self, sink: Sink) -> io::Result<()>;

    /// Asks for a group's events. When it resolves with `Ok`, every event published from then on arrives at the sink.
    /// Joining a joined group is free.
    fn join<'a>(&'a self, group: &'a GroupName) -> BoxFuture<'a, Result<(), LayerError>>;

    /// The last connection of this node left the group. The layer may linger before it stops listening.
    fn leave(&self, group: &GroupName);

    /// Publishes an event to a group on every node.
    fn publish<'a>(&'a self, group: &'a GroupName, body: &'a Value) -> BoxFuture<'a, Result<(), LayerError>>;

    /// `channel_layer.send(channel, body)`: one message for one worker of Channels, or whoever has the channel.
    fn send<'a>(&'a self, channel: &'a str, body: &'a Value) -> BoxFuture<'a, Result<(), LayerError>>;

    /// The node's own channel: what others `send` to it arrives as [`Signal::Message`]. `None` where there is no way to it.
    fn reply_channel(&self) -> Option<String>;

    /// Whether events arrive now, proven and not assumed.
    fn readiness(&self) -> Readiness;

    /// Why the events of this group cannot be promised now, or with `None` those of any group at all.
    fn outage(&self, _group: Option<&GroupName>) -> Option<LayerError> {
        None
    }

    /// Takes this node's registrations away and stops; bounded in time.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// The error of a second start.
fn started_before() -> io::Error {
    io::Error::other("the channel layer has been started before")
}

/// Whether a layer delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Events arrive.
    Ready,
    /// Those of some groups arrive, those of others do not, for this reason.
    Degraded(String),
    /// They do not, for this reason.
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
