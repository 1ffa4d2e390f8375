//! The data that one connection is sent at once.

use std::sync::Arc;

use bytes::Bytes;

/// The content of one WebSocket message, or of a few that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// UTF-8 text (the constructor of a text is always a `String`, so it is).
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
    /// A Socket.IO packet with binary attachments: a text message, then a binary one for each, and nothing in between.
    Packet {
        /// The packet's text, with the Engine.IO type in front.
        text: Bytes,
        /// Its attachments, in order.
        attachments: Arc<[Bytes]>,
    },
}

impl Payload {
    /// Its bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes.len(),
            Self::Packet { text, attachments } => text.len() + attachments.iter().map(Bytes::len).sum::<usize>(),
        }
    }
}
