//! An event that names its receivers itself: rooms of a Socket.IO namespace, or the connections of one consumer.
//!
//! Socket.IO emitters write them to Redis, and connections make them with the actions `room`, `others`, `user`, `role` and
//! `all`; those travel through the channel layer as events of the reserved type [`Emission::TYPE`].

use std::{sync::Arc, time::Instant};

use super::{Source, Value};

/// Whose connections an emission is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Every consumer that serves this Socket.IO namespace, `/` or `/admin`.
    Namespace(Arc<str>),
    /// One consumer, by its name.
    Consumer(Arc<str>),
}

/// What is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A Socket.IO event: its name first, then its arguments. Binary data stays [`Value::Bytes`].
    Event(Vec<Value>),
    /// A message of a plain WebSocket consumer.
    Message(Value),
}

/// One event with its receivers.
#[derive(Clone, Debug)]
pub struct Emission {
    /// Whose connections.
    pub audience: Audience,
    /// Rooms or socket ids, as they were written; the union of them. None: everybody of the audience.
    pub rooms: Vec<Arc<str>>,
    /// Rooms or socket ids whose members get nothing.
    pub except: Vec<Arc<str>>,
    /// What is sent.
    pub content: Content,
    /// Dropped for clients that are behind with reading.
    pub volatile: bool,
    /// Which source it came from.
    pub source: Source,
    /// When this node had its bytes.
    pub received: Instant,
}

impl Emission {
    /// The type of the events that carry emissions through the channel layer; no handler of a consumer ever sees it.
    pub const TYPE: &str = "channelgate.emit";
}
