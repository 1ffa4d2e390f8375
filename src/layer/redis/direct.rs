//! A node's messages to the connections of another, which it gets as it gets events: by a plain PUBLISH on a channel of its
//! own, as `{"channel": …, "message": {…}}`.

use crate::event::Value;

const CHANNEL: &str = "channel";
const MESSAGE: &str = "message";

/// The channel of a node's messages to the connections of another; every node subscribes to its own on every host.
pub(super) fn channel(publish_prefix: &str, node: &str) -> String {
    format!("{publish_prefix}direct:{node}")
}

/// The message for the connection with this channel.
pub(super) fn write(channel: &str, body: &Value) -> Value {
    [(CHANNEL, Value::from(channel)), (MESSAGE, body.clone())].into_iter().collect()
}

/// The channel and the message again.
pub(super) fn read(message: Value) -> Option<(Box<str>, Value)> {
    let Value::Map(mut parts) = message else { return None };
    let body = parts.swap_remove(MESSAGE).filter(|body| body.as_map().is_some())?;
    match parts.swap_remove(CHANNEL)? {
        Value::Str(channel) => Some((channel.into_string().into(), body)),
        _ => None,
    }
}
