//! Redis: the channel layer that Django publishes through, and the Django cache.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Secret, Span, redis_address};

/// The channel layer of channels_redis that publishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerKind {
    /// `channels_redis.core.RedisChannelLayer`.
    Core,
    /// `channels_redis.pubsub.RedisPubSubChannelLayer`.
    Pubsub,
    /// Both.
    #[default]
    Both,
}

/// The format of events written to Redis; both are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Serializer {
    /// channels_redis' default.
    #[default]
    Msgpack,
    /// `serializer_format="json"`.
    Json,
}

/// The Redis channels on which other programs publish Socket.IO events, on the layer's servers; an empty name is not
/// subscribed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Emitters {
    /// The `channel` of python-socketio's `RedisManager`.
    pub python: String,
    /// How a list is read in the data that python-socketio 5.14.2 or later publishes.
    pub python_list: PythonList,
    /// The `key` of `@socket.io/redis-emitter` and `@socket.io/redis-adapter`.
    pub node: String,
}

impl Emitters {
    /// No emitter is listened to.
    pub fn off() -> Self {
        Self { python: String::new(), python_list: PythonList::default(), node: String::new() }
    }
}

impl Default for Emitters {
    fn default() -> Self {
        Self { python: "socketio".to_owned(), python_list: PythonList::default(), node: "socket.io".to_owned() }
    }
}

/// How a list in the data of a python-socketio message is read; its messages do not show its version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PythonList {
    /// The arguments of the event: 5.15.1 and later.
    #[default]
    Arguments,
    /// One argument that is a list: 5.14.2 to 5.15.0.
    Argument,
}

/// Redis and the options of `CHANNEL_LAYERS`; the same values as in Django's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Layer {
    /// A URL or another form of one of Django's `hosts`; unset: the embedded in-process layer.
    #[serde(deserialize_with = "redis_address::one")]
    pub url: Option<Secret>,
    /// Several Redis servers, in the order and in the forms of Django's `hosts`; overrides `url`.
    #[serde(deserialize_with = "redis_address::several")]
    pub hosts: Vec<Secret>,
    /// The layer that Django uses.
    pub kind: LayerKind,
    /// Django's `prefix`.
    pub prefix: String,
    /// Django's `symmetric_encryption_keys`; the first encrypts, all decrypt.
    pub keys: Vec<Secret>,
    /// Django's `serializer_format`, for messages to workers; received messages may have either format.
    pub serializer: Serializer,
    /// Django's `expiry`.
    pub expiry: Span,
    /// Django's `group_expiry`.
    pub group_expiry: Span,
    /// Django's `capacity`; a receive queue found this full is a gap.
    pub capacity: usize,
    /// Django's `channel_capacity`: globs of channel names and their capacities; the first that matches counts.
    pub channel_capacity: IndexMap<String, usize>,
    /// Django's `random_prefix_length`.
    pub random_prefix_length: usize,
    /// Receive queues of this node (core layer); groups are spread over them.
    pub queues: usize,
    /// Plain `PUBLISH` channels are this prefix and the group.
    pub publish_prefix: String,
    /// Larger messages in Redis are dropped, in bytes.
    pub max_message: usize,
    /// How long a group stays subscribed after its last client left, in case another joins.
    pub linger: Span,
    /// How often the node publishes a probe to itself.
    pub probe_interval: Span,
    /// Number of missed probes after which the node reports not ready and guarantees nothing new.
    pub probe_failures: u32,
    /// Number of good probes in a row after an outage that make it ready again.
    pub probe_successes: u32,
    /// A connection without a probe for this long is closed and made anew; events published meanwhile may be lost.
    pub probe_timeout: Span,
    /// Publishers of Socket.IO events; subscribed to if a consumer speaks Socket.IO.
    pub emitters: Emitters,
}

impl Default for Layer {
    fn default() -> Self {
        Self {
            url: None,
            hosts: Vec::new(),
            kind: LayerKind::Both,
            prefix: "asgi".to_owned(),
            keys: Vec::new(),
            serializer: Serializer::Msgpack,
            expiry: Span::seconds(60),
            group_expiry: Span::seconds(86_400),
            capacity: 100,
            channel_capacity: IndexMap::new(),
            random_prefix_length: 12,
            queues: 4,
            publish_prefix: "channelgate:".to_owned(),
            max_message: 16 << 20,
            linger: Span::seconds(5),
            probe_interval: Span::seconds(1),
            probe_failures: 3,
            probe_successes: 3,
            probe_timeout: Span::seconds(10),
            emitters: Emitters::default(),
        }
    }
}

/// The Redis of Django's `CACHES["default"]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// In the forms of `Layer::url`. Unset: the first Redis of the layer.
    #[serde(deserialize_with = "redis_address::one")]
    pub url: Option<Secret>,
    /// Django's `KEY_PREFIX:VERSION:`.
    pub prefix: String,
    /// Connections of the pool.
    pub pool: usize,
    /// How long one command may take.
    pub timeout: Span,
}

impl Default for Cache {
    fn default() -> Self {
        Self { url: None, prefix: ":1:".to_owned(), pool: 8, timeout: Span::seconds(2) }
    }
}

/// A Redis channel or pattern with JSON messages for a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceMapping {
    /// An exact Redis channel.
    #[serde(default)]
    pub channel: Option<String>,
    /// A Redis pattern, as PSUBSCRIBE reads it.
    #[serde(default)]
    pub pattern: Option<String>,
    /// A template for the group over `channel` and `event`.
    pub group: String,
}
