//! For `#[serde(with = "as_text")]`: plain data inside a message as JSON text, for formats that would change its values.

use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

use super::{read, text};
use crate::event::Value;

/// Writes a list as JSON text.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(values: &[Value], serializer: S) -> Result<S::Ok, S::Error> {
    text(&values).serialize(serializer)
}

/// Reads a list from JSON text.
///
/// # Errors
/// Other data, or those of the deserializer.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Value>, D::Error> {
    match read(String::deserialize(deserializer)?.as_bytes()) {
        Ok(Value::List(values)) => Ok(values),
        Ok(other) => Err(D::Error::custom(format_args!("a list was expected, not {}", other.kind()))),
        Err(error) => Err(D::Error::custom(error)),
    }
}
