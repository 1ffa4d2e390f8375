//! JSON as Python's `json` writes and reads it, `NaN` and `Infinity` included.

use crate::event::Value;

/// Why bytes are no JSON that the node accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not UTF-8.
    #[error("the JSON is not UTF-8")]
    Utf8,
    /// Not JSON; the text says where and why.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// Nested deeper than [`super::MAX_DEPTH`].
    #[error("the JSON is nested too deeply")]
    TooDeep,
}

/// One JSON value, all of `bytes`. Integers beyond 64 bits become floats.
pub fn decode(bytes: &[u8]) -> Result<Value, JsonError> {
    let _ = bytes;
    Err(JsonError::Utf8)
}

/// The text that Python's `json.dumps` would give: `, ` and `: `, ASCII escapes, `NaN`. For Python readers, not for browsers.
/// Bytes become base64 text.
pub fn encode(value: &Value) -> Vec<u8> {
    let _ = value;
    Vec::new()
}
