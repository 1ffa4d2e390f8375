//! Binary data beside JSON: `{"_placeholder": true, "num": 0}` stands where an attachment belongs.
//!
//! In: data as the JSON has it, and its attachments. Out: the same data with [`Value::Bytes`]. Both packets of clients and
//! messages of python-socketio are written so.

use bytes::Bytes;

use super::PacketError;
use crate::event::Value;

/// Puts attachments where their placeholders stand. They are named by number and may stand in any order.
///
/// The crate's own decoder takes them in the order in which they come, and fails on a key with an escape (`"pr\u00e9nom"`,
/// as Python's clients write it). The data is no deeper than JSON's reader allows.
pub fn fill_placeholders(values: &mut [Value], attachments: &[Bytes]) -> Result<(), PacketError> {
    values.iter_mut().try_for_each(|value| fill(value, attachments))
}

fn fill(value: &mut Value, attachments: &[Bytes]) -> Result<(), PacketError> {
    match value {
        Value::List(items) => fill_placeholders(items, attachments),
        Value::Map(entries) if entries.get("_placeholder") == Some(&Value::Bool(true)) => {
            let number = match entries.get("num") {
                Some(Value::Int(number)) => usize::try_from(*number).ok(),
                _ => None,
            };
            let bytes = number.and_then(|number| attachments.get(number)).ok_or(PacketError::Placeholder)?;
            *value = Value::Bytes(bytes.clone());
            Ok(())
        }
        Value::Map(entries) => entries.values_mut().try_for_each(|item| fill(item, attachments)),
        _ => Ok(()),
    }
}
