//! What a client sent, on its way from its connection to its consumer.

use std::sync::Arc;

use super::Value;

/// A message from a client.
#[derive(Clone, Copy, Debug)]
pub enum Incoming<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A Socket.IO event.
    Event {
        /// Its name.
        name: &'a str,
        /// Its arguments: a list.
        args: &'a Arc<Value>,
        /// The id of the acknowledgement that the client waits for.
        ack: Option<u64>,
    },
}
