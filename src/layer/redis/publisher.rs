//! Writes the node's own messages: events for groups, emissions, and messages for Channels workers.
//!
//! In: an event or message, from any thread. Out: few commands on serving connections, within a deadline. A key that is
//! written has a TTL.
//!
//! An event for a group reaches the nodes by a plain PUBLISH, which no queue's capacity limits, and Channels' own
//! consumers as `group_send` does (decision 0021). No receiver has two copies: receive queues of nodes get none, and nodes
//! recognise the copy on the channel of the pub/sub layer. Emissions, and events that no consumer can have a method for,
//! are only for nodes. All that nodes get from one publisher goes over one connection to the group's host, in order.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::{join, join_all};
use indexmap::IndexMap;
use redis::{Cmd, FromRedisValue};
use tokio::time::timeout;

use super::{
    direct,
    naming::{GroupNaming, rooms_channel},
};
use crate::{
    config::{self, LayerKind},
    event::{Emission, GroupName, Value},
    layer::{
        LayerError,
        codec::{
            capacity::Capacity,
            envelope::{Addressee, EnvelopeError, LayerCodec},
            msgpack,
            names::{LayerNames, has_handler_name, is_channel_name, non_local_name},
            ring,
        },
    },
    limited::{self, WriteError},
    redis::{Connection, RESPONSE, query},
    telemetry::{DropReason, Metrics},
    warn_bounded,
};

/// An event of more bytes is written to nodes first, and then to consumers.
const LARGE: usize = 64 << 10;

/// The writes of `RedisChannelLayer.send` and `group_send` in one round trip: expired messages are removed, a full queue
/// accepts none. Each queue has its message and its capacity; returns the number of full ones.
const SEND: &str = "
    local full = 0
    for i = 1, #KEYS do
        redis.call('ZREMRANGEBYSCORE', KEYS[i], 0, ARGV[1])
        if redis.call('ZCOUNT', KEYS[i], '-inf', '+inf') < tonumber(ARGV[3 + 2 * i]) then
            redis.call('ZADD', KEYS[i], ARGV[2], ARGV[2 + 2 * i])
            redis.call('EXPIRE', KEYS[i], ARGV[3])
        else
            full = full + 1
        end
    end
    return full
";

/// Why a message was not written.
pub(super) enum Failure {
    /// Redis does not answer.
    Unavailable,
    /// It is larger than this limit.
    TooLarge(usize),
    /// It answered with an error, or the message is invalid.
    Refused(String),
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::TooLarge(limit) => Self::TooLarge(limit),
            WriteError::Invalid(reason) => Self::Refused(reason),
        }
    }
}

impl From<EnvelopeError> for Failure {
    fn from(error: EnvelopeError) -> Self {
        match error {
            EnvelopeError::Write(error) => error.into(),
            error => Self::refused(error),
        }
    }
}

impl Failure {
    fn refused(reason: impl fmt::Display) -> Self {
        Self::Refused(format!("{reason}"))
    }

    /// Converts it for callers outside, who need to know why Redis does not answer.
    pub fn into_error(self, unavailable: impl FnOnce() -> LayerError) -> LayerError {
        match self {
            Self::Unavailable => unavailable(),
            Self::TooLarge(limit) => LayerError::TooLarge(limit),
            Self::Refused(reason) => LayerError::Refused(reason),
        }
    }
}

/// A message for a receive queue of the core layer.
struct Queue {
    key: String,
    message: Vec<u8>,
    capacity: usize,
}

/// Writes on the serving connections, in the layer's formats.
pub(super) struct Publisher {
    /// One per serving host.
    connections: Mutex<Vec<Option<Connection>>>,
    kind: LayerKind,
    codec: LayerCodec,
    names: LayerNames,
    publish_prefix: String,
    rooms_channel: String,
    max_message: usize,
    capacity: Capacity,
    expiry: Duration,
    group_expiry: Duration,
    metrics: Metrics,
    /// Plain channels have no host of their own: their messages are spread over all.
    turn: AtomicUsize,
}

impl Publisher {
    pub fn new(layer: &config::Layer, capacity: Capacity, hosts: usize, metrics: Metrics) -> Self {
        Self {
            connections: Mutex::new(vec![None; hosts]),
            kind: layer.kind,
            codec: LayerCodec::new(layer),
            names: LayerNames::new(&layer.prefix),
            publish_prefix: layer.publish_prefix.clone(),
            rooms_channel: rooms_channel(layer),
            max_message: layer.max_message,
            capacity,
            expiry: layer.expiry.0,
            group_expiry: layer.group_expiry.0,
            metrics,
            turn: AtomicUsize::new(0),
        }
    }

    /// Sets the connection on which a host serves; `None` if it does not.
    pub fn set(&self, host: usize, connection: Option<Connection>) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)[host] = connection;
    }

    /// `channel_layer.group_send(group, body)`.
    pub async fn publish(&self, group: &GroupName, body: &Value) -> Result<(), Failure> {
        if body.as_map().is_none() {
            return Err(Failure::refused(format_args!("an event must be an object, not {}", body.kind())));
        }
        if !has_handler_name(body) || Emission::is_relayed(body) {
            return self.plain(group, self.group_channel(group), body).await;
        }
        let nodes = self.plain(group, self.group_channel(group), body);
        let channels = self.channels(group, body);
        // One round trip, unless Channels' consumers are in the group. A large event is in memory once at a time.
        let (nodes, channels) = match body.weight() > LARGE {
            true => (nodes.await, channels.await),
            false => join(nodes, channels).await,
        };
        nodes.and(channels)
    }

    /// Publishes to Channels' own consumers.
    async fn channels(&self, group: &GroupName, body: &Value) -> Result<(), Failure> {
        let copy = match self.kind {
            LayerKind::Core => None,
            LayerKind::Pubsub | LayerKind::Both => {
                self.for_channels(group, body, self.codec.encode_copy(body, SystemTime::now()))?
            }
        };
        let has_queues = self.kind == LayerKind::Core || self.kind == LayerKind::Both && copy.is_some();
        let channel = self.names.pubsub_group_channel(group.as_str());
        let subscribers = async {
            match copy {
                Some(copy) => self.run(self.host_of(&channel), redis::cmd("PUBLISH").arg(&channel).arg(copy)).await,
                None => Ok(()),
            }
        };
        let queues = async {
            let queues = if has_queues { self.queues(group, body).await? } else { BTreeMap::new() };
            let filled = join_all(queues.into_iter().map(|(host, queues)| self.fill(host, group, queues))).await;
            filled.into_iter().collect()
        };
        let (subscribers, queues) = join(subscribers, queues).await;
        subscribers.and(queues)
    }

    /// Sends an emission to the nodes: over the channel of its group, or once over that of all emissions to several.
    pub async fn emit(&self, groups: &[GroupName], body: &Value) -> Result<(), Failure> {
        match groups {
            [] => Ok(()),
            [group] => self.plain(group, self.group_channel(group), body).await,
            [first, ..] => self.plain(first, self.rooms_channel.clone(), body).await,
        }
    }

    fn group_channel(&self, group: &GroupName) -> String {
        format!("{}{group}", self.publish_prefix)
    }

    /// The host over which nodes get a group's events from other nodes. They subscribe to plain channels on every host,
    /// and the group requires this one in any case.
    fn home(&self, group: &GroupName) -> usize {
        match self.kind {
            LayerKind::Pubsub => self.host_of(&self.names.pubsub_group_channel(group.as_str())),
            LayerKind::Core | LayerKind::Both => self.host_of(group.as_str()),
        }
    }

    /// Publishes to the nodes only: JSON, or msgpack if it contains bytes.
    async fn plain(&self, group: &GroupName, channel: String, body: &Value) -> Result<(), Failure> {
        self.to_nodes(self.home(group), channel, body).await
    }

    async fn to_nodes(&self, host: usize, channel: String, body: &Value) -> Result<(), Failure> {
        let payload = match body.holds_bytes() {
            true => msgpack::encode_for_nodes(body, self.max_message)?,
            false => limited::json(body, self.max_message)?,
        };
        self.run(host, redis::cmd("PUBLISH").arg(channel).arg(payload)).await
    }

    /// The encoded event, or `None` if the layer's serializer cannot carry it: then only the nodes get it.
    fn for_channels<T>(
        &self,
        group: &GroupName,
        body: &Value,
        encoded: Result<T, EnvelopeError>,
    ) -> Result<Option<T>, Failure> {
        match encoded {
            Ok(_) if self.codec.writes_json() && body.holds_bytes() => {
                self.missed(1, group, &"layer.serializer is json, which cannot carry bytes");
                Ok(None)
            }
            Ok(encoded) => Ok(Some(encoded)),
            Err(EnvelopeError::Write(WriteError::Invalid(reason))) => {
                self.missed(1, group, &format_args!("layer.serializer cannot carry it: {reason}"));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The receive queues of Channels' own consumers in a group, by host, each with its message and capacity.
    async fn queues(&self, group: &GroupName, body: &Value) -> Result<BTreeMap<usize, Vec<Queue>>, Failure> {
        let now = SystemTime::now();
        let oldest = seconds(now).saturating_sub(self.group_expiry.as_secs());
        let key = self.names.core_group_key(group.as_str());
        let command = redis::cmd("ZRANGEBYSCORE").arg(key).arg(format!("({oldest}")).arg("+inf").to_owned();
        let members: Vec<Vec<u8>> = self.run(self.host_of(group.as_str()), &command).await?;
        let mut by_queue: IndexMap<&str, Vec<String>> = IndexMap::new();
        for member in members.iter().filter_map(|member| std::str::from_utf8(member).ok()) {
            if !GroupNaming::is_of_a_node(member) {
                by_queue.entry(non_local_name(member)).or_default().push(member.to_owned());
            }
        }
        let mut by_host: BTreeMap<usize, Vec<Queue>> = BTreeMap::new();
        for (name, members) in by_queue {
            let encoded = self.codec.encode_core(body, Addressee::Members(&members), now);
            let Some(message) = self.for_channels(group, body, encoded)? else { break };
            let capacity = members.first().map_or(0, |member| self.capacity.of(member));
            let queue = Queue { key: self.names.core_queue_key(name), message, capacity };
            by_host.entry(self.host_of(name)).or_default().push(queue);
        }
        Ok(by_host)
    }

    async fn fill(&self, host: usize, group: &GroupName, queues: Vec<Queue>) -> Result<(), Failure> {
        let full = self.write(host, &queues).await?;
        if full > 0 {
            self.missed(full, group, &"the queue of a process with consumers is full (layer.capacity)");
        }
        Ok(())
    }

    /// Channels' own consumers that do not get an event of this node; `group_send` does not fail then, either.
    fn missed(&self, count: u64, group: &GroupName, why: &dyn fmt::Display) {
        self.metrics.lost(DropReason::Channels, count, Some(group.as_str()), None, why);
        warn_bounded!("an event for group {group} does not reach consumers of Channels: {why}");
    }

    /// Adds messages to receive queues of one host; returns how many are full.
    async fn write(&self, host: usize, queues: &[Queue]) -> Result<u64, Failure> {
        let now = SystemTime::now();
        let mut command = redis::cmd("EVAL");
        command.arg(SEND).arg(queues.len());
        for queue in queues {
            command.arg(&queue.key);
        }
        command.arg(seconds(now).saturating_sub(self.expiry.as_secs()));
        command.arg(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        command.arg(self.expiry.as_secs().max(1));
        for queue in queues {
            command.arg(&queue.message).arg(queue.capacity);
        }
        self.run(host, &command).await
    }

    /// `channel_layer.send(channel, body)`. A connection of a node gets it as it gets events. Otherwise, if either layer of channels_redis may be in use, the existing subscribers
    /// decide.
    pub async fn send(&self, channel: &str, body: &Value) -> Result<(), Failure> {
        if !is_channel_name(channel) {
            return Err(Failure::refused(format_args!("{channel:?} is not a valid channel name")));
        }
        if body.as_map().is_none() {
            return Err(Failure::refused(format_args!("a message must be an object, not {}", body.kind())));
        }
        if let Some((node, _)) = GroupNaming::connection_of(channel) {
            // As events reach it: over one connection to its host, in order.
            let (to, message) = (direct::channel(&self.publish_prefix, node), direct::write(channel, body));
            return self.to_nodes(self.host_of(channel), to, &message).await;
        }
        let by_pubsub = match self.kind {
            LayerKind::Core => false,
            LayerKind::Pubsub => true,
            LayerKind::Both => self.is_heard(channel).await?,
        };
        if by_pubsub { self.send_pubsub(channel, body).await } else { self.send_core(channel, body).await }
    }

    /// Whether the channel has a subscriber; pattern subscribers do not count.
    async fn is_heard(&self, channel: &str) -> Result<bool, Failure> {
        let command = redis::cmd("PUBSUB").arg("NUMSUB").arg(channel).to_owned();
        let (_, listeners): (String, u64) = self.run(self.host_of(channel), &command).await?;
        Ok(listeners > 0)
    }

    async fn send_pubsub(&self, channel: &str, body: &Value) -> Result<(), Failure> {
        let payload = self.codec.encode_pubsub(body, SystemTime::now())?;
        self.run(self.host_of(channel), redis::cmd("PUBLISH").arg(channel).arg(payload)).await
    }

    async fn send_core(&self, channel: &str, body: &Value) -> Result<(), Failure> {
        let (address, host) = if channel.contains('!') {
            // Where its process reads. channels_redis itself writes to the host of the full name: with several hosts,
            // most of what it sends there is never read.
            (Addressee::Channel(channel), self.host_of(non_local_name(channel)))
        } else {
            (Addressee::Plain, self.turn.fetch_add(1, Ordering::Relaxed) % self.hosts())
        };
        let message = self.codec.encode_core(body, address, SystemTime::now())?;
        let queue = Queue { key: self.names.core_queue_key(channel), message, capacity: self.capacity.of(channel) };
        match self.write(host, &[queue]).await? {
            0 => Ok(()),
            _ => Err(Failure::refused(format_args!("the channel {channel:?} is full: no worker reads its messages"))),
        }
    }

    fn hosts(&self) -> usize {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn host_of(&self, channel: &str) -> usize {
        ring::index(channel, self.hosts())
    }

    async fn run<T: FromRedisValue>(&self, host: usize, command: &Cmd) -> Result<T, Failure> {
        let connection = self.connections.lock().unwrap_or_else(PoisonError::into_inner)[host].clone();
        let Some(mut connection) = connection else { return Err(Failure::Unavailable) };
        match timeout(RESPONSE, query(&mut connection, command)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.code().is_some() => Err(Failure::refused(error)),
            _ => Err(Failure::Unavailable),
        }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
