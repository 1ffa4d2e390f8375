//! One event of one connection, as it is sent to Django.

use std::sync::{Arc, atomic::AtomicUsize};

use bytes::Bytes;

use crate::{
    config::PythonPer,
    event::{Event, Incoming, Value},
};

/// One event of one connection.
#[derive(Clone, Debug)]
pub struct BridgeCall {
    /// The connection's public id.
    pub connection: Arc<str>,
    /// The number of this call of the connection, from 0.
    pub seq: u64,
    /// The channel of the connection.
    pub channel_name: Arc<str>,
    /// The consumer's name in the configuration.
    pub consumer: Arc<str>,
    /// What the previous call left; absent at a connect.
    pub state: Option<Arc<str>>,
    /// What has happened.
    pub event: CallEvent,
    /// Attributes whose values the answer is to contain.
    pub export: Arc<[String]>,
}

impl CallEvent {
    /// A client's message; `None` for one of Socket.IO.
    pub fn of(incoming: Incoming<'_>) -> Option<Self> {
        match incoming {
            Incoming::Text(text) => Some(Self::Text(text.into())),
            Incoming::Binary(bytes) => Some(Self::Binary(Bytes::copy_from_slice(bytes))),
            Incoming::Event { .. } => None,
        }
    }
}

/// The connections that share a call.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// Those for which the configuration says so.
    pub per: PythonPer,
    /// How many there are so far.
    pub sharers: Arc<AtomicUsize>,
}

/// What has happened to a connection.
#[derive(Clone, Debug)]
pub enum CallEvent {
    /// A client connects; with the scope of ASGI.
    Connect(Box<Value>),
    /// It has sent text.
    Text(Box<str>),
    /// It has sent bytes.
    Binary(Bytes),
    /// A group event, or a message to the connection's channel.
    Event(Arc<Event>),
    /// A group event, for all connections that share the call.
    Shared(Arc<Event>, Sharing),
    /// It has gone, with this close code and reason.
    Disconnect {
        /// The close code; 1006 without a close frame.
        code: u16,
        /// The close reason.
        reason: Arc<str>,
    },
}
