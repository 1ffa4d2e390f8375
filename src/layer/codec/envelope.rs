//! Opens and writes the messages of channels_redis' two layers.
//!
//! ```text
//! core layer, queue member: random(12) ‖ body          body = msgpack | JSON | Fernet(msgpack | JSON)
//! pub/sub layer, PUBLISH:   body
//! ```
//! The serializer is recognised from the bytes: an event is a map, and no msgpack map begins like a JSON object.

use std::{
    borrow::Cow,
    io::{self, Write as _},
    time::{Duration, SystemTime},
};

use indexmap::IndexMap;

use super::{
    copy,
    fernet::{FernetError, Keyring},
    json::{self, JsonError},
    msgpack::{self, MsgpackError, Reader},
};
use crate::{
    config::Layer,
    event::Value,
    limited::{self, WriteError, Writer},
    telemetry::DropReason,
};

/// A decoded message of the core layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The full channel names of the receivers (`__asgi_channel__`): several from `group_send`, one from `send`, none if
    /// it was sent to a plain channel.
    pub channels: Vec<String>,
    /// The publisher's dict; always [`Value::Map`].
    pub body: Value,
}

/// The receivers of a core layer message, which determine its `__asgi_channel__`.
#[derive(Clone, Copy, Debug)]
pub enum Addressee<'a> {
    /// A plain channel such as a worker's: no `__asgi_channel__`.
    Plain,
    /// `send` to one process-local channel: the text.
    Channel(&'a str),
    /// `group_send`: the list of this queue's members.
    Members(&'a [String]),
}

pub use crate::config::Serializer;

/// Why a message could not be decoded, or an event not encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Larger than `max_message`.
    #[error("{0} bytes are too large for a message")]
    TooLarge(usize),
    /// The encoded event would be larger than `max_message`.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Shorter than the random prefix.
    #[error("the message is shorter than its random prefix")]
    Truncated,
    /// Not encrypted with a key of this layer.
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
    /// The event to encode is not a dict.
    #[error("an event must be a dict, not {0}")]
    NotADict(&'static str),
    /// `__asgi_channel__` is neither text nor a list of texts.
    #[error("__asgi_channel__ is neither text nor a list of texts")]
    Address,
}

impl EnvelopeError {
    /// The reason under which it is counted.
    pub const fn drop_reason(&self) -> DropReason {
        match self {
            Self::TooLarge(_) | Self::Write(_) => DropReason::TooLarge,
            Self::Decrypt(_) => DropReason::Decrypt,
            Self::Msgpack(MsgpackError::TooMany) | Self::Json(JsonError::TooMany) => DropReason::TooLarge,
            _ => DropReason::Decode,
        }
    }
}

/// Decodes and encodes the messages of both layers for one configuration.
#[derive(Clone, Debug)]
pub struct LayerCodec {
    keyring: Keyring,
    serializer: Serializer,
    random_prefix_length: usize,
    expiry: Duration,
    max_message: usize,
}

impl LayerCodec {
    /// The codec for a layer's options; it reads both serializers, whichever it writes.
    pub fn new(layer: &Layer) -> Self {
        Self {
            keyring: Keyring::new(layer.keys.iter().map(|key| key.expose())),
            serializer: layer.serializer,
            random_prefix_length: layer.random_prefix_length,
            expiry: layer.expiry.0,
            max_message: layer.max_message,
        }
    }

    /// Decodes a queue member of the core layer, popped at `now`.
    pub fn decode_core(&self, member: &[u8], now: SystemTime) -> Result<Envelope, EnvelopeError> {
        self.check_size(member)?;
        self.addressed(member.get(self.random_prefix_length..).ok_or(EnvelopeError::Truncated)?, now)
    }

    /// Decodes a message of channels_redis 2, which has no random prefix.
    pub fn decode_old(&self, message: &[u8], now: SystemTime) -> Result<Envelope, EnvelopeError> {
        self.check_size(message)?;
        self.addressed(message, now)
    }

    fn addressed(&self, wire: &[u8], now: SystemTime) -> Result<Envelope, EnvelopeError> {
        let mut body = decode_map(&self.decrypt(wire, Some(self.expiry + FERNET_GRACE), now)?)?;
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

    /// Decodes a message of the pub/sub layer: the event, always [`Value::Map`]; `None` for a node's copy, which is only
    /// for Channels' own consumers.
    pub fn decode_pubsub(&self, payload: &[u8]) -> Result<Option<Value>, EnvelopeError> {
        self.check_size(payload)?;
        // Without a TTL the clock is not used.
        let plain = self.decrypt(payload, None, SystemTime::UNIX_EPOCH)?;
        if copy::is_copy(&plain) { Ok(None) } else { decode_map(&plain).map(Value::Map).map(Some) }
    }

    /// A queue member of the core layer, for ZADD.
    pub fn encode_core(&self, body: &Value, address: Addressee<'_>, now: SystemTime) -> Result<Vec<u8>, EnvelopeError> {
        let mut prefix = vec![0; self.random_prefix_length];
        rand::fill(prefix.as_mut_slice());
        self.seal(body, address, now, &prefix, false)
    }

    /// A message of the pub/sub layer, for PUBLISH.
    pub fn encode_pubsub(&self, body: &Value, now: SystemTime) -> Result<Vec<u8>, EnvelopeError> {
        self.seal(body, Addressee::Plain, now, &[], false)
    }

    /// The same for Channels' own consumers only; nodes recognise it.
    pub fn encode_copy(&self, body: &Value, now: SystemTime) -> Result<Vec<u8>, EnvelopeError> {
        self.seal(body, Addressee::Plain, now, &[], true)
    }

    /// Whether it writes JSON, which has no bytes.
    pub fn writes_json(&self) -> bool {
        self.serializer == Serializer::Json
    }

    fn check_size(&self, wire: &[u8]) -> Result<(), EnvelopeError> {
        if wire.len() > self.max_message { Err(EnvelopeError::TooLarge(wire.len())) } else { Ok(()) }
    }

    fn decrypt<'a>(
        &self,
        wire: &'a [u8],
        ttl: Option<Duration>,
        now: SystemTime,
    ) -> Result<Cow<'a, [u8]>, EnvelopeError> {
        if self.keyring.is_empty() {
            return Ok(Cow::Borrowed(wire));
        }
        Ok(Cow::Owned(self.keyring.decrypt(wire, ttl, now)?))
    }

    /// The serialized and possibly encrypted event, after `prefix`.
    fn seal(
        &self,
        body: &Value,
        address: Addressee<'_>,
        now: SystemTime,
        prefix: &[u8],
        is_copy: bool,
    ) -> Result<Vec<u8>, EnvelopeError> {
        let Value::Map(entries) = body else { return Err(EnvelopeError::NotADict(body.kind())) };
        // The plaintext to encrypt has no prefix; the limit for it is chosen so that its token fits the message.
        let (prefix_of_plain, limit) = match self.keyring.is_empty() {
            true => (prefix, self.max_message),
            false => (&[][..], self.keyring.longest_plaintext(self.max_message.saturating_sub(prefix.len()))),
        };
        let plain = limited::write(limit, |out| {
            out.write_all(prefix_of_plain)?;
            let mark = is_copy.then_some(copy::MARK).map(Value::from);
            match self.serializer {
                Serializer::Msgpack => write_msgpack(entries, address, mark.as_ref(), out),
                Serializer::Json => write_json(entries, address, mark.as_ref(), out),
            }
        });
        let plain = plain.map_err(|error| match error {
            WriteError::TooLarge(_) => WriteError::TooLarge(self.max_message),
            error @ WriteError::Invalid(_) => error,
        })?;
        Ok(match self.keyring.encrypt(&plain, now) {
            Some(token) => [prefix, &token].concat(),
            None => plain,
        })
    }
}

impl Addressee<'_> {
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

/// Added by the core layer to `expiry` for the TTL of an encrypted message.
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

/// The event with its address as the last entry and the mark of a copy as the first, without building that map first.
fn write_msgpack(
    entries: &Entries,
    address: Addressee<'_>,
    mark: Option<&Value>,
    out: &mut Writer<'_>,
) -> io::Result<()> {
    let address = address.to_value();
    let (own, address) = (copy::marked(own(entries), mark), address.as_ref());
    msgpack::map_header(own.clone().count() + usize::from(address.is_some()), out)?;
    for (key, value) in own.chain(address.map(|address| (ASGI_CHANNEL, address))) {
        msgpack::write_text(key, Reader::Any, out)?;
        msgpack::encode_into(value, Reader::Any, out)?;
    }
    Ok(())
}

/// The same as JSON.
fn write_json(entries: &Entries, address: Addressee<'_>, mark: Option<&Value>, out: &mut Writer<'_>) -> io::Result<()> {
    let address = address.to_value();
    json::write_map(copy::marked(own(entries), mark).chain(address.iter().map(|address| (ASGI_CHANNEL, address))), out)
}

/// A reserved key from the publisher is replaced, as in Python's dict assignment.
fn own(entries: &Entries) -> impl Iterator<Item = (&str, &Value)> + Clone {
    entries.iter().map(|(key, value)| (&**key, value)).filter(|(key, _)| *key != ASGI_CHANNEL)
}
