//! What the two layers of channels_redis put around an event.
//!
//! ```text
//! core layer, queue member: random(12) ‖ body          body = msgpack | JSON | Fernet(msgpack | JSON)
//! pub/sub layer, PUBLISH:   body
//! ```
//! The serializer is recognised from the bytes: an event is a map, and no msgpack map begins as a JSON object does.

use std::time::{Duration, SystemTime};

use indexmap::IndexMap;

use super::{
    fernet::{FernetError, Keyring},
    json::{self, JsonError},
    msgpack::{self, MsgpackError},
};
use crate::{config::Layer, event::Value, telemetry::DropReason};

/// A message of the core layer, opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The full channel names it is for (`__asgi_channel__`): several from `group_send`, one from `send`, none when it was
    /// sent to a plain channel.
    pub channels: Vec<String>,
    /// The dict that the publisher gave; always [`Value::Map`].
    pub body: Value,
}

/// Whom a message of the core layer is for, and so what its `__asgi_channel__` says.
#[derive(Clone, Copy, Debug)]
pub enum Address<'a> {
    /// A plain channel such as a worker's: no `__asgi_channel__`.
    Plain,
    /// `send` to one process-local channel: the text.
    Channel(&'a str),
    /// `group_send`: the list of this queue's members.
    Members(&'a [String]),
}

pub use crate::config::Serializer;

/// Why a message could not be opened, or an event not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Larger than `max_message`.
    #[error("{0} bytes are more than a message may have")]
    TooLarge(usize),
    /// Shorter than the random prefix.
    #[error("the message is shorter than its random prefix")]
    Truncated,
    /// Encrypted otherwise than with this layer's keys.
    #[error(transparent)]
    Decrypt(#[from] FernetError),
    /// Bad msgpack.
    #[error(transparent)]
    Msgpack(#[from] MsgpackError),
    /// Bad JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Neither a msgpack map nor a JSON object.
    #[error("an event must be a dict, not bytes that begin with 0x{0:02x}")]
    Unrecognised(u8),
    /// An event to write that is no dict.
    #[error("an event must be a dict, not {0}")]
    NotADict(&'static str),
    /// `__asgi_channel__` is neither text nor a list of texts.
    #[error("__asgi_channel__ is neither text nor a list of texts")]
    Address,
}

impl EnvelopeError {
    /// How it is counted.
    pub const fn drop_reason(&self) -> DropReason {
        match self {
            Self::TooLarge(_) => DropReason::TooLarge,
            Self::Decrypt(_) => DropReason::Decrypt,
            Self::Msgpack(MsgpackError::TooMany) | Self::Json(JsonError::TooMany) => DropReason::TooLarge,
            _ => DropReason::Decode,
        }
    }
}

/// Opens and writes the messages of both layers under one configuration.
#[derive(Clone, Debug)]
pub struct LayerCodec {
    keyring: Keyring,
    serializer: Serializer,
    random_prefix_length: usize,
    expiry: Duration,
    max_message: usize,
}

impl LayerCodec {
    /// The codec for a layer's options; reads either serializer, whichever it writes.
    pub fn new(layer: &Layer) -> Self {
        Self {
            keyring: Keyring::new(layer.keys.iter().map(|key| key.expose())),
            serializer: layer.serializer,
            random_prefix_length: layer.random_prefix_length,
            expiry: layer.expiry.0,
            max_message: layer.max_message,
        }
    }

    /// Opens a queue member of the core layer, popped at `now`.
    pub fn decode_core(&self, member: &[u8], now: SystemTime) -> Result<Envelope, EnvelopeError> {
        self.check_size(member)?;
        let wire = member.get(self.random_prefix_length..).ok_or(EnvelopeError::Truncated)?;
        let mut body = self.open(wire, Some(self.expiry + FERNET_GRACE), now)?;
        let channels = match body.shift_remove(ASGI_CHANNEL) {
            None => Vec::new(),
            Some(Value::Str(channel)) => vec![channel.into_string()],
            Some(Value::List(channels)) => {
                let text = |channel| match channel {
                    Value::Str(channel) => Ok(channel.into_string()),
                    _ => Err(EnvelopeError::Address),
                };
                channels.into_iter().map(text).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(EnvelopeError::Address),
        };
        Ok(Envelope { channels, body: Value::Map(body) })
    }

    /// Opens a message of the pub/sub layer: the event, always [`Value::Map`].
    pub fn decode_pubsub(&self, payload: &[u8]) -> Result<Value, EnvelopeError> {
        self.check_size(payload)?;
        // Without a TTL the clock is not asked.
        self.open(payload, None, SystemTime::UNIX_EPOCH).map(Value::Map)
    }

    /// A queue member of the core layer, for ZADD.
    pub fn encode_core(&self, body: &Value, address: Address<'_>, now: SystemTime) -> Result<Vec<u8>, EnvelopeError> {
        let mut wire = vec![0; self.random_prefix_length];
        rand::fill(wire.as_mut_slice());
        self.seal(body, address, now, wire)
    }

    /// A message of the pub/sub layer, for PUBLISH.
    pub fn encode_pubsub(&self, body: &Value, now: SystemTime) -> Result<Vec<u8>, EnvelopeError> {
        self.seal(body, Address::Plain, now, Vec::new())
    }

    fn check_size(&self, wire: &[u8]) -> Result<(), EnvelopeError> {
        if wire.len() > self.max_message { Err(EnvelopeError::TooLarge(wire.len())) } else { Ok(()) }
    }

    fn open(&self, wire: &[u8], ttl: Option<Duration>, now: SystemTime) -> Result<Entries, EnvelopeError> {
        if self.keyring.is_empty() { decode_map(wire) } else { decode_map(&self.keyring.decrypt(wire, ttl, now)?) }
    }

    /// Appends the serialized and perhaps encrypted event to `wire`.
    fn seal(
        &self,
        body: &Value,
        address: Address<'_>,
        now: SystemTime,
        mut wire: Vec<u8>,
    ) -> Result<Vec<u8>, EnvelopeError> {
        let Value::Map(entries) = body else { return Err(EnvelopeError::NotADict(body.kind())) };
        let plain_at = wire.len();
        match self.serializer {
            Serializer::Msgpack => write_msgpack(entries, address, &mut wire),
            Serializer::Json => {
                let mut entries = entries.clone();
                entries.shift_remove(ASGI_CHANNEL);
                if let Some(address) = address.to_value() {
                    entries.insert(ASGI_CHANNEL.into(), address);
                }
                wire.extend_from_slice(&json::encode(&Value::Map(entries)));
            }
        }
        if let Some(token) = self.keyring.encrypt(&wire[plain_at..], now) {
            wire.truncate(plain_at);
            wire.extend_from_slice(&token);
        }
        Ok(wire)
    }
}

impl Address<'_> {
    fn to_value(self) -> Option<Value> {
        match self {
            Self::Plain => None,
            Self::Channel(channel) => Some(channel.into()),
            Self::Members(members) => {
                Some(Value::List(members.iter().map(|member| Value::from(member.as_str())).collect()))
            }
        }
    }
}

/// The reserved key of the core layer, last in the map.
const ASGI_CHANNEL: &str = "__asgi_channel__";

/// What the core layer adds to `expiry` for the TTL of an encrypted message.
const FERNET_GRACE: Duration = Duration::from_secs(10);

type Entries = IndexMap<Box<str>, Value>;

fn decode_map(bytes: &[u8]) -> Result<Entries, EnvelopeError> {
    let value = match bytes.first().copied().ok_or(EnvelopeError::Truncated)? {
        _ if msgpack::begins_map(bytes) => msgpack::decode(bytes)?,
        b'{' | b' ' | b'\t' | b'\r' | b'\n' => json::decode(bytes)?,
        other => return Err(EnvelopeError::Unrecognised(other)),
    };
    match value {
        Value::Map(entries) => Ok(entries),
        other => Err(EnvelopeError::NotADict(other.kind())),
    }
}

/// The event with its address as last entry, without building that map first.
fn write_msgpack(entries: &Entries, address: Address<'_>, out: &mut Vec<u8>) {
    // A reserved key given by the publisher is replaced, as Python's dict assignment does.
    let own = entries.iter().filter(|(key, _)| &***key != ASGI_CHANNEL);
    let address = address.to_value();
    msgpack::map_header(own.clone().count() + usize::from(address.is_some()), out);
    for (key, value) in own {
        msgpack::write_text(key, out);
        msgpack::encode_into(value, out);
    }
    if let Some(address) = address {
        msgpack::write_text(ASGI_CHANNEL, out);
        msgpack::encode_into(&address, out);
    }
}
