//! Values of Django's cache, as written by Django's RedisCache and django-redis with any serializer.

use super::{
    compress::{self, CompressError},
    json::{self, JsonError},
    msgpack::{self, MsgpackError},
    pickle::{self, PickleError},
};
use crate::{event::Value, telemetry::DropReason};

/// Larger values are refused, compressed or not, in bytes.
pub const MAX_CACHE_VALUE: usize = 4 << 20;

/// Why a cache value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CacheValueError {
    /// The value is empty.
    #[error("the cache value is empty")]
    Empty,
    /// Larger than [`MAX_CACHE_VALUE`].
    #[error("{0} bytes are too large for a cache value")]
    TooLarge(usize),
    /// A damaged or oversized compressed stream.
    #[error(transparent)]
    Compress(#[from] CompressError),
    /// A pickle that is refused.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// Bad JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Bad msgpack.
    #[error(transparent)]
    Msgpack(#[from] MsgpackError),
}

impl CacheValueError {
    /// The reason under which it is counted.
    pub const fn drop_reason(&self) -> DropReason {
        match self {
            Self::TooLarge(_)
            | Self::Compress(CompressError::TooLarge(..))
            | Self::Pickle(PickleError::TooLarge)
            | Self::Json(JsonError::TooMany)
            | Self::Msgpack(MsgpackError::TooMany) => DropReason::TooLarge,
            _ => DropReason::Decode,
        }
    }
}

/// The plain data of a cache value: digits, or a pickle, JSON or msgpack, possibly compressed.
///
/// The bytes determine the format: a pickle of protocol 2 or later begins with `80` and its protocol, while msgpack's
/// `80` is an empty map with nothing after it; the first bytes of JSON and of compressed data are msgpack integers,
/// which the cache would have written as digits.
pub fn decode(bytes: &[u8]) -> Result<Value, CacheValueError> {
    if bytes.len() > MAX_CACHE_VALUE {
        return Err(CacheValueError::TooLarge(bytes.len()));
    }
    if let Some(number) = integer(bytes) {
        return Ok(number);
    }
    let plain = compress::decompress(bytes, MAX_CACHE_VALUE)?;
    Ok(match &*plain {
        [] => return Err(CacheValueError::Empty),
        [0x80, 2..=5, ..] => pickle::decode(&plain)?,
        b"NaN" | b"Infinity" => json::decode(&plain)?,
        [b'{' | b'[' | b'"' | b't' | b'f' | b'n' | b'-' | b'0'..=b'9', ..] => json::decode(&plain)?,
        // Protocols 0 and 1 have no header; their opcodes are ASCII, which in msgpack only integers are.
        [0..=0x7f, _, ..] => pickle::decode(&plain)?,
        _ => msgpack::decode(&plain)?,
    })
}

/// `^[+-]?[0-9]+$`, which both backends first try to read as an integer.
fn integer(bytes: &[u8]) -> Option<Value> {
    let digits = bytes.strip_prefix(b"-").or_else(|| bytes.strip_prefix(b"+")).unwrap_or(bytes);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    Value::integer(text)
}

/// The bytes that Django's RedisCache would store, readable by its `cache.get`: digits for an integer, else a pickle.
pub fn encode(value: &Value) -> Vec<u8> {
    match value {
        Value::Int(number) => number.to_string().into_bytes(),
        Value::UInt(number) => number.to_string().into_bytes(),
        Value::Big(digits) => digits.as_bytes().to_vec(),
        other => pickle::encode(other),
    }
}

/// [`encode`] for text.
pub fn encode_cache_str(text: &str) -> Vec<u8> {
    encode(&Value::from(text))
}
