//! Messages that wait for slow clients: one piece of bytes for all of a worker's clients, counted once.
//!
//! In: encoded frames, and how they may be lost. Out: the message that outboxes point to. It never copies a frame.

use std::{cell::OnceCell, rc::Rc, sync::Arc};

use bytes::Bytes;

use super::pressure::Pressure;

/// How a message may be lost while it waits for a slow client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// Never: the connection is closed instead.
    #[default]
    Never,
    /// When it is the oldest in the outbox, and a newer one needs its room.
    Oldest,
    /// When a newer one with the same key arrives.
    Superseded(Arc<str>),
}

/// Messages on their way to a worker's connections: written directly, or kept for slow clients.
pub struct EncodedMessage {
    bytes: Bytes,
    messages: u32,
    loss: Loss,
    /// It is made of the same bytes again, for other clients of the worker.
    recurs: bool,
    /// Created for the first slow client, and shared by all of them.
    waiting: OnceCell<Rc<QueuedMessage>>,
}

impl EncodedMessage {
    /// Frames with this many messages, one after the other. Several together are never lost.
    pub fn new(bytes: Bytes, messages: u32, loss: Loss) -> Self {
        debug_assert!(messages <= 1 || loss == Loss::Never);
        Self { bytes, messages, loss, recurs: false, waiting: OnceCell::new() }
    }

    /// A message that is made anew for each client, of the same bytes; where they wait, they count once for a worker.
    pub fn recurring(bytes: Bytes, loss: Loss) -> Self {
        Self { recurs: true, ..Self::new(bytes, 1, loss) }
    }

    /// Control frames, which are not messages: pings, pongs.
    pub fn control(bytes: Bytes) -> Self {
        Self::new(bytes, 0, Loss::Never)
    }

    pub(super) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The number of bytes.
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The number of messages.
    pub const fn messages(&self) -> u32 {
        self.messages
    }

    /// The same, in the form in which it waits in outboxes.
    pub(super) fn queued(&self, pressure: &Rc<Pressure>) -> &Rc<QueuedMessage> {
        let make = || QueuedMessage::of(self.bytes.clone(), self.messages, self.loss.clone(), self.recurs, pressure);
        self.waiting.get_or_init(make)
    }
}

/// Messages that wait in one outbox or in many.
pub(super) struct QueuedMessage {
    pub bytes: Bytes,
    pub messages: u32,
    pub loss: Loss,
    recurs: bool,
    pressure: Rc<Pressure>,
}

impl QueuedMessage {
    pub fn new(bytes: Bytes, messages: u32, loss: Loss, pressure: &Rc<Pressure>) -> Rc<Self> {
        Self::of(bytes, messages, loss, false, pressure)
    }

    fn of(bytes: Bytes, messages: u32, loss: Loss, recurs: bool, pressure: &Rc<Pressure>) -> Rc<Self> {
        let is_first = !recurs || pressure.waits_again(&bytes);
        pressure.more(size_of::<Self>() + if is_first { bytes.len() } else { 0 });
        Rc::new(Self { bytes, messages, loss, recurs, pressure: Rc::clone(pressure) })
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Drop for QueuedMessage {
    fn drop(&mut self) {
        let is_last = !self.recurs || self.pressure.waits_no_longer(&self.bytes);
        self.pressure.less(size_of::<Self>() + if is_last { self.bytes.len() } else { 0 });
    }
}
