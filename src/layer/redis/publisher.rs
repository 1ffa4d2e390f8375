//! Writes the node's own messages: events for groups, and messages for Channels workers.
//!
//! In: an event or message, from any thread. Out: one or two commands on a serving connection, within a deadline. A key
//! that is written has a TTL.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redis::{Cmd, FromRedisValue, aio::MultiplexedConnection};
use tokio::time::timeout;

use crate::{
    config::{self, LayerKind},
    event::{GroupName, Value},
    layer::{
        LayerError,
        codec::{
            envelope::{Addressee, EnvelopeError, LayerCodec},
            msgpack,
            names::{LayerNames, is_channel_name},
            ring,
        },
    },
    limited::{self, WriteError},
    redis::{RESPONSE, query},
};

/// `RedisChannelLayer.send` in one round trip: expired messages are removed, a full channel accepts none.
const SEND: &str = "
    redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, ARGV[1])
    if redis.call('ZCOUNT', KEYS[1], '-inf', '+inf') >= tonumber(ARGV[2]) then
        return 0
    end
    redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
    redis.call('EXPIRE', KEYS[1], ARGV[5])
    return 1
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

/// Writes on the serving connections, in the layer's formats.
pub(super) struct Publisher {
    /// One per serving host.
    connections: Mutex<Vec<Option<MultiplexedConnection>>>,
    kind: LayerKind,
    codec: LayerCodec,
    names: LayerNames,
    publish_prefix: String,
    max_message: usize,
    capacity: usize,
    expiry: Duration,
    /// Plain channels have no host of their own: their messages are spread over all.
    turn: AtomicUsize,
}

impl Publisher {
    pub fn new(layer: &config::Layer, hosts: usize) -> Self {
        Self {
            connections: Mutex::new(vec![None; hosts]),
            kind: layer.kind,
            codec: LayerCodec::new(layer),
            names: LayerNames::new(&layer.prefix),
            publish_prefix: layer.publish_prefix.clone(),
            max_message: layer.max_message,
            capacity: layer.capacity,
            expiry: layer.expiry.0,
            turn: AtomicUsize::new(0),
        }
    }

    /// Sets the connection on which a host serves; `None` if it does not.
    pub fn set(&self, host: usize, connection: Option<MultiplexedConnection>) {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)[host] = connection;
    }

    /// Publishes an event to a group's plain channel, which every node receives: JSON, or msgpack if it contains bytes.
    pub async fn publish(&self, group: &GroupName, body: &Value) -> Result<(), Failure> {
        if body.as_map().is_none() {
            return Err(Failure::refused(format_args!("an event must be an object, not {}", body.kind())));
        }
        let payload = match body.holds_bytes() {
            true => msgpack::encode_for_nodes(body, self.max_message)?,
            false => limited::json(body, self.max_message)?,
        };
        let channel = format!("{}{group}", self.publish_prefix);
        // Every node subscribes on every host; the group requires this one in any case.
        let home = match self.kind {
            LayerKind::Pubsub => self.host_of(&self.names.pubsub_group_channel(group.as_str())),
            LayerKind::Core | LayerKind::Both => self.host_of(group.as_str()),
        };
        self.run(home, redis::cmd("PUBLISH").arg(channel).arg(payload)).await
    }

    /// `channel_layer.send(channel, body)`. If either layer of channels_redis may be in use, the existing subscribers
    /// decide.
    pub async fn send(&self, channel: &str, body: &Value) -> Result<(), Failure> {
        if !is_channel_name(channel) {
            return Err(Failure::refused(format_args!("{channel:?} is not a valid channel name")));
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
            (Addressee::Channel(channel), self.host_of(channel))
        } else {
            (Addressee::Plain, self.turn.fetch_add(1, Ordering::Relaxed) % self.hosts())
        };
        let now = SystemTime::now();
        let member = self.codec.encode_core(body, address, now)?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut command = redis::cmd("EVAL");
        command.arg(SEND).arg(1).arg(self.names.core_queue_key(channel));
        command.arg(now.as_secs().saturating_sub(self.expiry.as_secs())).arg(self.capacity);
        command.arg(now.as_secs_f64()).arg(member).arg(self.expiry.as_secs().max(1));
        match self.run(host, &command).await? {
            1 => Ok(()),
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
