//! A message that arrives in several parts, or compressed: collected, bounded, and checked as it arrives.
//!
//! A compressed one is inflated and checked when its last part has arrived: a client that does not end its message must
//! not turn a few bytes into a thousand times as many.

use std::ops::ControlFlow;

use super::{Header, On, Opcode, ProtocolError, ReadLimits, ReadResult, Received};
use crate::socket::{deflate::Inflater, utf8::Incomplete};

/// Memory is allocated in steps, never by the header alone: this much at first, then doubled.
const FIRST_ROOM: usize = 4 << 10;

/// The received part of a message.
pub struct PartialMessage {
    body: Body,
    /// The bytes from the wire, if compressed.
    compressed: Option<Vec<u8>>,
    /// The number of bytes from the wire.
    wire: usize,
}

enum Body {
    Text(String, Incomplete),
    Binary(Vec<u8>),
}

impl PartialMessage {
    /// A message that begins with this frame.
    pub fn new(header: &Header) -> Self {
        let body = match header.opcode {
            Opcode::Text => Body::Text(String::new(), Incomplete::default()),
            _ => Body::Binary(Vec::new()),
        };
        Self { body, compressed: header.compressed.then(Vec::new), wire: 0 }
    }

    /// Bytes from the wire so far.
    pub const fn length(&self) -> usize {
        self.wire
    }

    /// Whether it must be inflated.
    pub const fn is_compressed(&self) -> bool {
        self.compressed.is_some()
    }

    /// Bytes of heap.
    pub fn held(&self) -> usize {
        let body = match &self.body {
            Body::Text(text, _) => text.capacity(),
            Body::Binary(bytes) => bytes.capacity(),
        };
        body + self.compressed.as_ref().map_or(0, Vec::capacity)
    }

    /// Adds a part of a frame, unmasked; the frame still had `expected` bytes to come, including these.
    pub fn push(&mut self, piece: &[u8], expected: usize, limits: &ReadLimits) -> Result<(), ProtocolError> {
        self.wire += piece.len();
        match &mut self.compressed {
            None => self.body.push(piece, expected, limits),
            Some(bytes) => {
                let more = room((bytes.len(), bytes.capacity()), piece, expected, limits.on_the_wire(true))?;
                bytes.reserve_exact(more);
                bytes.extend_from_slice(piece);
                Ok(())
            }
        }
    }

    /// Adds the last part and passes the message on.
    pub fn finish(mut self, piece: &[u8], limits: &ReadLimits, on: On<'_>) -> ReadResult {
        match self.compressed.take() {
            None => self.body.push(piece, piece.len(), limits)?,
            Some(bytes) => {
                let sink = &mut |out: &[u8]| self.body.push(out, out.len(), limits);
                let mut inflater = Inflater::take();
                inflater.push(&bytes, sink)?;
                inflater.push(piece, sink)?;
                inflater.finish(sink)?;
            }
        }
        match &self.body {
            Body::Text(_, incomplete) if !incomplete.is_complete() => Err(ProtocolError::Utf8),
            Body::Text(text, _) => Ok::<ControlFlow<()>, _>(on(Received::Text(text))),
            Body::Binary(bytes) => Ok(on(Received::Binary(bytes))),
        }
    }
}

/// How much to allocate beyond `length` for `piece`, part of a frame that had `expected` bytes to come, so that there
/// are never more than `max`.
fn room((length, capacity): (usize, usize), piece: &[u8], expected: usize, max: usize) -> Result<usize, ProtocolError> {
    let needed = length + piece.len();
    if needed > max {
        return Err(ProtocolError::TooBig);
    }
    if needed <= capacity {
        return Ok(0);
    }
    let wanted = (length + expected).min((2 * capacity).max(FIRST_ROOM));
    Ok(wanted.clamp(needed, max) - length)
}

impl Body {
    fn push(&mut self, piece: &[u8], expected: usize, limits: &ReadLimits) -> Result<(), ProtocolError> {
        let (length, capacity) = match self {
            Self::Text(text, incomplete) => (text.len() + incomplete.length(), text.capacity()),
            Self::Binary(bytes) => (bytes.len(), bytes.capacity()),
        };
        let more = room((length, capacity), piece, expected, limits.max_message)?;
        match self {
            _ if more == 0 => {}
            Self::Text(text, incomplete) => text.reserve_exact(more + incomplete.length()),
            Self::Binary(bytes) => bytes.reserve_exact(more),
        }
        match self {
            Self::Text(text, incomplete) => incomplete.push(piece, text).map_err(|_| ProtocolError::Utf8),
            Self::Binary(bytes) => {
                bytes.extend_from_slice(piece);
                Ok(())
            }
        }
    }
}
