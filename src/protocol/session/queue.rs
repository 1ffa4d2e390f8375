//! What came from a client, or for it, while its session waits for something else.
//!
//! Messages wait as the bytes that they came in, because their values take many times as much. What waits and what is being
//! handled counts among all that the node's clients have sent (`socket.inbox_total`).

use std::{collections::VecDeque, rc::Rc, time::Instant};

use tokio::sync::Notify;

use crate::{
    consumer::{Continuation, Outcome},
    event::{Incoming, Value},
    packet::RawEvent,
    socket::{Held, Inbox},
};

/// Bytes of a session that are not counted: most sessions never keep more.
pub(super) const UNCOUNTED: usize = 4096;

/// What a message that waits takes beside its bytes.
const OVERHEAD: usize = 128;

/// A message that waits, with its bytes.
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

    /// About how many bytes its values take once it is read.
    pub fn weight(&self) -> usize {
        match self {
            Self::Text(text) => weight(text, 0),
            Self::Binary(bytes) => weight("", bytes.len()),
            Self::Event { source, .. } => weight(source.text(), source.attached()),
        }
    }
}

/// About how many bytes a message takes while it is handled.
pub(super) fn weight_of(incoming: Incoming<'_>, source: Option<&RawEvent>) -> usize {
    match incoming {
        Incoming::Text(text) => weight(text, 0),
        Incoming::Binary(bytes) => weight("", bytes.len()),
        Incoming::Event { .. } => source.map_or(0, |source| weight(source.text(), source.attached())),
    }
}

/// Its values, and what a handler makes of them: what it publishes, or asks the backend with. A value begins the text, or
/// follows one of these characters.
fn weight(text: &str, attached: usize) -> usize {
    let values = text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{' | b':')).count();
    2 * (text.len() + attached + values * size_of::<Value>())
}

/// Something that waits for its turn.
pub(super) enum Item {
    Message(Buffered),
    Resume { index: usize, then: Continuation, outcome: Outcome },
    Gone,
}

impl Item {
    fn bytes(&self) -> usize {
        OVERHEAD
            + match self {
                Self::Message(message) => message.bytes(),
                Self::Resume { then, outcome, .. } => then.weight() + outcome.weight(),
                Self::Gone => 0,
            }
    }
}

/// Counts what a session keeps, once it is worth it.
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

/// In the order in which they came.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Item>,
    bytes: usize,
    /// Bytes of what is being handled.
    pub handled: usize,
    pub counted: Counted,
    /// The worker's; a client that has gone sends nothing more.
    pub inbox: Option<Rc<Inbox>>,
    /// What is waited for is waited for no longer.
    pub stop: Rc<Notify>,
    /// When the handler at work asked the backend first.
    pub asked: Option<Instant>,
}

impl Queue {
    /// While something of so many bytes is handled.
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

    /// Whether what is next must not be read yet, because the node holds too much.
    pub fn lacks_room(&self) -> bool {
        let is_large = self.waiting.front().is_some_and(|next| next.bytes() > UNCOUNTED);
        is_large && self.inbox.as_ref().is_some_and(|inbox| !inbox.has_room())
    }

    /// Drops all but the end of the connection; how many.
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

    /// Bytes of what waits and of what is being handled.
    pub fn bytes(&self) -> usize {
        self.bytes + self.handled
    }
}
