//! Messages as they wait for clients that do not read: in one piece of bytes for all of a worker's clients, counted once.
//!
//! In: encoded frames, and how they may be lost. Out: what an outbox holds a pointer to. It never copies a frame.

use std::{cell::OnceCell, rc::Rc, sync::Arc};

use bytes::Bytes;

use super::pressure::Pressure;

/// How a message may be lost while it waits for a client that is behind with reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Loss {
    /// Not at all: the connection is closed instead.
    #[default]
    Never,
    /// When it is the oldest that waits, and a newer one needs its room.
    Oldest,
    /// When a newer one with the same key comes.
    Superseded(Arc<str>),
}

/// Messages on their way to a worker's connections: written as they are, or kept for those that do not read.
pub struct Piece {
    bytes: Bytes,
    messages: u32,
    loss: Loss,
    /// Made when the first client is behind, and shared by all that are.
    waiting: OnceCell<Rc<Parcel>>,
}

impl Piece {
    /// So many messages as frames, one behind the other. Several together are never lost.
    pub fn new(bytes: Bytes, messages: u32, loss: Loss) -> Self {
        debug_assert!(messages <= 1 || loss == Loss::Never);
        Self { bytes, messages, loss, waiting: OnceCell::new() }
    }

    /// What keeps the connection going and is nobody's message: pings, pongs.
    pub fn control(bytes: Bytes) -> Self {
        Self::new(bytes, 0, Loss::Never)
    }

    pub(super) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many bytes it is.
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// How many messages it is.
    pub const fn messages(&self) -> u32 {
        self.messages
    }

    /// The same, as it waits in outboxes.
    pub(super) fn parcel(&self, pressure: &Rc<Pressure>) -> &Rc<Parcel> {
        self.waiting.get_or_init(|| Parcel::new(self.bytes.clone(), self.messages, self.loss.clone(), pressure))
    }
}

/// What waits in one outbox or in many.
pub(super) struct Parcel {
    pub bytes: Bytes,
    pub messages: u32,
    pub loss: Loss,
    pressure: Rc<Pressure>,
}

impl Parcel {
    pub fn new(bytes: Bytes, messages: u32, loss: Loss, pressure: &Rc<Pressure>) -> Rc<Self> {
        pressure.more(size_of::<Self>() + bytes.len());
        Rc::new(Self { bytes, messages, loss, pressure: Rc::clone(pressure) })
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        self.pressure.less(size_of::<Self>() + self.bytes.len());
    }
}
