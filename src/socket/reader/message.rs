//! A message that arrives in more than one piece, or compressed: collected, bounded, and checked as it comes.

use std::ops::ControlFlow;

use super::{
    super::{deflate::Inflater, utf8::Incomplete},
    Header, Limits, On, Opcode, ProtocolError, Received, Step,
};

/// Room is made in steps, never on the word of a header: this much at first, then twice what there is.
const FIRST_ROOM: usize = 4 << 10;

/// Compressed bytes that wait for their message's end. Beyond that an inflater (some 50 KiB) is worth its memory;
/// a few bytes of a client must not cost that much.
const WAITING: usize = 4 << 10;

/// What has arrived of a message.
pub struct Message {
    body: Body,
    source: Source,
    /// Bytes on the wire.
    wire: usize,
}

/// How the wire's bytes become the body.
enum Source {
    Plain,
    Waiting(Vec<u8>),
    Inflating(Inflater),
}

enum Body {
    Text(String, Incomplete),
    Binary(Vec<u8>),
}

impl Message {
    /// A message that begins with this frame.
    pub fn new(header: &Header) -> Self {
        let body = match header.opcode {
            Opcode::Text => Body::Text(String::new(), Incomplete::default()),
            _ => Body::Binary(Vec::new()),
        };
        Self { body, source: if header.compressed { Source::Waiting(Vec::new()) } else { Source::Plain }, wire: 0 }
    }

    /// Bytes on the wire so far.
    pub const fn length(&self) -> usize {
        self.wire
    }

    /// Whether it is inflated.
    pub const fn is_compressed(&self) -> bool {
        !matches!(self.source, Source::Plain)
    }

    /// Bytes of heap.
    pub const fn held(&self) -> usize {
        let waiting = match &self.source {
            Source::Waiting(bytes) => bytes.capacity(),
            _ => 0,
        };
        match &self.body {
            Body::Text(text, _) => waiting + text.capacity(),
            Body::Binary(bytes) => waiting + bytes.capacity(),
        }
    }

    /// Adds a piece of a frame, unmasked; the frame still had `expected` bytes to come, these included.
    pub fn push(&mut self, piece: &[u8], expected: usize, limits: &Limits) -> Result<(), ProtocolError> {
        self.wire += piece.len();
        match &mut self.source {
            Source::Plain => self.body.push(piece, expected, limits),
            Source::Waiting(bytes) if bytes.len() + piece.len() <= WAITING => {
                bytes.extend_from_slice(piece);
                Ok(())
            }
            Source::Waiting(_) => self.inflate(piece, limits).map(|inflater| self.source = Source::Inflating(inflater)),
            Source::Inflating(inflater) => inflater.push(piece, &mut |out| self.body.push(out, out.len(), limits)),
        }
    }

    /// Adds the last piece and hands the message on.
    pub fn finish(mut self, piece: &[u8], limits: &Limits, on: On<'_>) -> Step {
        if self.is_compressed() {
            self.wire += piece.len();
            let inflater = self.inflate(piece, limits)?;
            inflater.finish(&mut |out| self.body.push(out, out.len(), limits))?;
        } else {
            self.push(piece, piece.len(), limits)?;
        }
        match &self.body {
            Body::Text(_, incomplete) if !incomplete.is_complete() => Err(ProtocolError::Utf8),
            Body::Text(text, _) => Ok::<ControlFlow<()>, _>(on(Received::Text(text))),
            Body::Binary(bytes) => Ok(on(Received::Binary(bytes))),
        }
    }

    /// Inflates what has waited, then `piece`, and leaves the rest to the inflater.
    fn inflate(&mut self, piece: &[u8], limits: &Limits) -> Result<Inflater, ProtocolError> {
        let body = &mut self.body;
        let sink = &mut |out: &[u8]| body.push(out, out.len(), limits);
        let mut inflater = match std::mem::replace(&mut self.source, Source::Plain) {
            Source::Inflating(inflater) => inflater,
            Source::Waiting(bytes) => {
                let mut inflater = Inflater::take();
                inflater.push(&bytes, sink)?;
                inflater
            }
            Source::Plain => Inflater::take(),
        };
        inflater.push(piece, sink)?;
        Ok(inflater)
    }
}

impl Body {
    fn push(&mut self, piece: &[u8], expected: usize, limits: &Limits) -> Result<(), ProtocolError> {
        let (length, capacity) = match self {
            Self::Text(text, incomplete) => (text.len() + incomplete.length(), text.capacity()),
            Self::Binary(bytes) => (bytes.len(), bytes.capacity()),
        };
        let needed = length + piece.len();
        if needed > limits.max_message {
            return Err(ProtocolError::TooBig);
        }
        if needed > capacity {
            let wanted = (length + expected).min((2 * capacity).max(FIRST_ROOM));
            let more = wanted.clamp(needed, limits.max_message) - length;
            match self {
                Self::Text(text, incomplete) => text.reserve_exact(more + incomplete.length()),
                Self::Binary(bytes) => bytes.reserve_exact(more),
            }
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
