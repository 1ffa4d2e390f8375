//! What a consumer is: compiled once from the configuration, then pure. No I/O, no async, no connection.
//!
//! In: an [`Event`] or a client's message. Out: frames, or [`Effect`]s for somebody else to carry out.

use std::sync::Arc;

use bytes::Bytes;

use crate::event::Value;

/// Which consumer, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerId(pub u16);

/// The content of one WebSocket message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// UTF-8 text (the constructor of a text is always a `String`, so it is).
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
}

/// One message for the members of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// What is sent.
    pub payload: Payload,
    /// Only to connections subscribed to this topic.
    pub topic: Option<Arc<str>>,
}

/// What a consumer asks for, in order, for one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send to this connection.
    Reply(Payload),
    /// Add topics.
    Subscribe(Vec<Arc<str>>),
    /// Take topics away.
    Unsubscribe(Vec<Arc<str>>),
    /// Close the connection.
    Close {
        /// Close code.
        code: u16,
        /// Close reason.
        reason: String,
    },
}

/// What expressions know of a connection.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Parameters of the path.
    pub route: Value,
    /// The query string, last value of a name.
    pub query: Value,
    /// The user, as authentication gave it; null for the anonymous.
    pub user: Value,
    /// All claims of the token.
    pub claims: Value,
}

/// A message from a client.
#[derive(Clone, Copy, Debug)]
pub enum Incoming<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}
