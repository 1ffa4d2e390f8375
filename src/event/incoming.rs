//! A client's message on its way from the connection to the consumer.

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
