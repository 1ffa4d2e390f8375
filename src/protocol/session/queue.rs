//! Messages from a client, and events for its session, during a wait.
//!
//! Messages wait undecoded, because their values take many times as much memory. Waiting and handled messages count
//! towards the node's limit for all clients (`socket.inbox_total`).

use std::{collections::VecDeque, rc::Rc, time::Instant};

use tokio::sync::Notify;

use crate::{
    consumer::{Continuation, Effect, Outcome},
    event::{Incoming, Value},
    hub::EventCall,
    packet::RawEvent,
    socket::{Held, Inbox},
};

/// Up to this number of bytes a session is not counted: most sessions never keep more.
pub(super) const UNCOUNTED: usize = 4096;

/// Memory of a waiting message in addition to its bytes.
const OVERHEAD: usize = 128;

/// A waiting message, with its bytes.
pub(super) enum Buffered {
    Text(Box<str>),
    Binary(Box<[u8]>),
    Event { source: RawEvent, ack: Option<u64> },
}

impl Buffered {
    pub fn new(incoming: Incoming<'_>, source: Option<&RawEvent>) -> Self {
        match (incoming, source) {
            (Incoming::Event { ack, .. }, Some(source)) => Self::Event { source: source.copy(), ack },
            (Incoming::Text(text), _) => Self::Text(text.into()),
            (Incoming::Binary(bytes), _) => Self::Binary(bytes.into()),
            (Incoming::Event { .. }, None) => Self::Binary(Box::default()),
        }
    }

    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Event { source, .. } => source.text().len() + source.attached(),
        }
    }

    /// The approximate memory of its values once decoded.
    pub fn weight(&self) -> usize {
        match self {
            Self::Text(text) => weight(text, 0),
            Self::Binary(bytes) => weight("", bytes.len()),
            Self::Event { source, .. } => weight(source.text(), source.attached()),
        }
    }
}

/// The approximate memory of a message while it is handled.
pub(super) fn weight_of(incoming: Incoming<'_>, source: Option<&RawEvent>) -> usize {
    match incoming {
        Incoming::Text(text) => weight(text, 0),
        Incoming::Binary(bytes) => weight("", bytes.len()),
        Incoming::Event { .. } => source.map_or(0, |source| weight(source.text(), source.attached())),
    }
}

/// The memory of its values, and of the handler's copies for a backend call or a publish, which is encoded, becomes a
/// command, and waits as bytes for Redis. A value begins at the start of the text, or after one of these characters.
fn weight(text: &str, attached: usize) -> usize {
    // A list or an object has room for four, even if it has one.
    let values = text.bytes().map(|byte| match byte {
        b',' | b':' => 1,
        b'[' => 4,
        b'{' => 8,
        _ => 0,
    });
    8 * (text.len() + attached + values.sum::<usize>() * size_of::<Value>())
}

/// Work of an event for the session of one member.
pub(super) enum EventWork {
    /// Its consumer handles the event itself.
    Call(EventCall),
    /// What the event asks of the connection, by the index of the binding.
    Outcome(usize, Vec<Effect>),
}

/// An item that waits for its turn.
pub(super) enum Item {
    Message(Buffered),
    Resume {
        index: usize,
        then: Continuation,
        outcome: Outcome,
    },
    /// Work of an event. It waits with the member's other events, never here.
    Event(EventWork),
    Gone,
}

impl Item {
    fn bytes(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Message(message) => message.bytes(),
                Self::Resume { then, outcome, .. } => then.weight() + outcome.weight(),
                Self::Event(_) | Self::Gone => 0,
            }
    }
}

/// Counts the bytes of a session, from a minimum on.
#[derive(Default)]
pub(super) struct Counted(Option<Held>);

impl Counted {
    pub fn set(&mut self, bytes: usize, held: impl FnOnce() -> Option<Held>) {
        if self.0.is_none() && bytes > UNCOUNTED {
            self.0 = held();
        }
        if let Some(held) = &self.0 {
            held.set(bytes);
        }
    }
}

/// The waiting items, in order of arrival.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Item>,
    bytes: usize,
    /// Bytes of the message being handled.
    pub handled: usize,
    pub counted: Counted,
    /// The worker's inbox; `None` if the client has gone.
    pub inbox: Option<Rc<Inbox>>,
    /// Ends the current wait.
    pub stop: Rc<Notify>,
    /// Whether `stop` ends what the handler waits for, which frees its memory.
    pub can_stop: bool,
    /// It waits for a call that another connection makes.
    pub follows: bool,
    /// The current handler has joined a group.
    pub has_joined: bool,
    /// When the current handler first called the backend.
    pub asked: Option<Instant>,
}

impl Queue {
    /// A queue for the time during which a message of this size is handled.
    pub fn new(handled: usize, inbox: Option<Rc<Inbox>>) -> Self {
        Self { handled, inbox, ..Self::default() }
    }

    pub fn push(&mut self, waiting: Item) {
        self.bytes += waiting.bytes();
        self.waiting.push_back(waiting);
    }

    pub fn pop(&mut self) -> Option<Item> {
        let waiting = self.waiting.pop_front()?;
        self.bytes -= waiting.bytes();
        Some(waiting)
    }

    /// Whether the next message must not be decoded yet, because the node holds too much.
    pub fn lacks_room(&self) -> bool {
        let is_large = self.waiting.front().is_some_and(|next| next.bytes() > UNCOUNTED);
        is_large && self.inbox.as_ref().is_some_and(|inbox| !inbox.has_room())
    }

    /// Drops all items except the end of the connection; returns how many.
    pub fn clear(&mut self) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| matches!(waiting, Item::Gone));
        self.waiting.shrink_to_fit();
        self.bytes = self.waiting.len() * OVERHEAD;
        before - self.waiting.len()
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes of waiting messages and of the message being handled.
    pub fn bytes(&self) -> usize {
        self.bytes + self.handled
    }
}
