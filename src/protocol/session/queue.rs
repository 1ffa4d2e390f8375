//! What came from a client, or for it, while its session waits for something else.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use crate::{
    consumer::{Continuation, Outcome},
    event::{Incoming, Value},
};

/// A message that waits, with its bytes.
pub(super) enum Message {
    Text(Box<str>),
    Binary(Box<[u8]>),
    Event { name: Box<str>, args: Arc<Value>, ack: Option<u64> },
}

impl Message {
    pub fn as_incoming(&self) -> Incoming<'_> {
        match self {
            Self::Text(text) => Incoming::Text(text),
            Self::Binary(bytes) => Incoming::Binary(bytes),
            Self::Event { name, args, ack } => Incoming::Event { name, args, ack: *ack },
        }
    }
}

/// Something that waits for its turn.
pub(super) enum Waiting {
    Message(Message),
    Resume { place: usize, then: Continuation, outcome: Outcome },
    Gone,
}

impl Waiting {
    pub fn message(incoming: Incoming<'_>) -> Self {
        Self::Message(match incoming {
            Incoming::Text(text) => Message::Text(text.into()),
            Incoming::Binary(bytes) => Message::Binary(bytes.into()),
            Incoming::Event { name, args, ack } => Message::Event { name: name.into(), args: Arc::clone(args), ack },
        })
    }
}

/// In the order in which they came.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    /// When the handler at work asked the backend first.
    pub asked: Option<Instant>,
}

impl Queue {
    pub fn push(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
    }

    pub fn pop(&mut self) -> Option<Waiting> {
        self.waiting.pop_front()
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }
}
