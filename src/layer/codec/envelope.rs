//! What the two layers of channels_redis put around an event.
//!
//! ```text
//! core layer, queue member: random(12) ‖ body          body = msgpack | JSON | Fernet(msgpack | JSON)
//! pub/sub layer, PUBLISH:   body
//! ```
//! The serializer is recognised from the bytes: an event is a map, and no msgpack map begins as a JSON object does.

use std::time::{Duration, SystemTime};

use super::{
    fernet::{FernetError, Keyring},
    json::JsonError,
    msgpack::MsgpackError,
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

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serializer {
    /// channels_redis' default.
    #[default]
    Msgpack,
    /// `serializer_format="json"`.
    Json,
}

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
    /// The codec for a layer's options; writes msgpack, reads either serializer.
    pub fn new(layer: &Layer) -> Self {
        Self {
            keyring: Keyring::new(layer.keys.iter().map(|key| key.expose())),
            serializer: Serializer::Msgpack,
            random_prefix_length: layer.random_prefix_length,
            expiry: layer.expiry.0,
            max_message: layer.max_message,
        }
    }

    /// The same, writing with another serializer.
    pub fn with_serializer(self, serializer: Serializer) -> Self {
        Self { serializer, ..self }
    }

    /// Opens a queue member of the core layer, popped at `now`.
    pub fn decode_core(&self, member: &[u8], now: SystemTime) -> Result<Envelope, EnvelopeError> {
        let _ = (member, now, &self.expiry, self.max_message, self.random_prefix_length);
        Err(EnvelopeError::Truncated)
    }

    /// Opens a message of the pub/sub layer: the event, always [`Value::Map`].
    pub fn decode_pubsub(&self, payload: &[u8]) -> Result<Value, EnvelopeError> {
        let _ = (payload, &self.keyring, self.serializer);
        Err(EnvelopeError::Truncated)
    }

    /// A queue member of the core layer, for ZADD.
    pub fn encode_core(&self, body: &Value, address: Address<'_>, now: SystemTime) -> Result<Vec<u8>, EnvelopeError> {
        let _ = (body, address, now);
        Err(EnvelopeError::Truncated)
    }

    /// A message of the pub/sub layer, for PUBLISH.
    pub fn encode_pubsub(&self, body: &Value, now: SystemTime) -> Result<Vec<u8>, EnvelopeError> {
        let _ = (body, now);
        Err(EnvelopeError::Truncated)
    }
}
