//! Parses the header of a client's frame (RFC 6455 §5.2) byte by byte, and removes the mask.

use super::{CONTROL_LIMIT, ProtocolError, ReadLimits};

/// Two bytes, eight of length, four of mask.
pub const MAX_HEADER: usize = 14;

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A continuation of the current message.
    Continuation,
    /// A text message, or its beginning.
    Text,
    /// A binary message, or its beginning.
    Binary,
    /// A close frame.
    Close,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
}

impl Opcode {
    /// Whether it is permitted inside a fragmented message.
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A valid header.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// The opcode.
    pub opcode: Opcode,
    /// Whether the message ends with this frame.
    pub fin: bool,
    /// Whether the message that begins here is compressed (RSV1).
    pub compressed: bool,
    /// Bytes of payload.
    pub length: usize,
    mask: [u8; 4],
}

impl Header {
    /// The header at the beginning of `bytes` and its length; `None` if more bytes are needed. `deflate` says that RSV1
    /// has a meaning, `in_message` that a fragmented message is open.
    pub fn parse(bytes: &[u8], deflate: bool, in_message: bool) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let (fin, rsv1, rsv23) = (first & 0x80 != 0, first & 0x40 != 0, first & 0x30 != 0);
        let opcode = match first & 0x0F {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xA => Opcode::Pong,
            _ => return Err(ProtocolError::Opcode),
        };
        if rsv23 || rsv1 && !(deflate && matches!(opcode, Opcode::Text | Opcode::Binary)) {
            return Err(ProtocolError::ReservedBit);
        }
        match opcode {
            Opcode::Continuation if !in_message => return Err(ProtocolError::UnexpectedContinuation),
            Opcode::Text | Opcode::Binary if in_message => return Err(ProtocolError::ExpectedContinuation),
            Opcode::Close | Opcode::Ping | Opcode::Pong if !fin => return Err(ProtocolError::FragmentedControl),
            _ => {}
        }
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        if second & 0x80 == 0 {
            return Err(ProtocolError::Unmasked);
        }
        let short = second & 0x7F;
        if opcode.is_control() && usize::from(short) > CONTROL_LIMIT {
            return Err(ProtocolError::LongControl);
        }
        // RFC 6455 §5.2: "the minimal number of bytes MUST be used to encode the length".
        let (length, mask) = match (short, &bytes[2..]) {
            (126, [a, b, mask @ ..]) => match u64::from(u16::from_be_bytes([*a, *b])) {
                ..=125 => return Err(ProtocolError::Length),
                length => (length, mask),
            },
            (127, [a, b, c, d, e, f, g, h, mask @ ..]) => match u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) {
                ..=0xFFFF | 0x8000_0000_0000_0000.. => return Err(ProtocolError::Length),
                length => (length, mask),
            },
            (127, [high, ..]) if *high >= 0x80 => return Err(ProtocolError::Length),
            (126 | 127, _) => return Ok(None),
            (length, mask) => (u64::from(length), mask),
        };
        let Some(key) = mask.first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(length).map_err(|_| ProtocolError::TooBig)?;
        let used = bytes.len() - mask.len() + 4;
        Ok(Some((Self { opcode, fin, compressed: rsv1, length, mask: *key }, used)))
    }

    /// Refuses a frame with which its message, after `so_far` bytes on the wire, exceeds the limit.
    pub fn check_size(&self, so_far: usize, compressed: bool, limits: &ReadLimits) -> Result<(), ProtocolError> {
        if self.opcode.is_control() {
            return Ok(());
        }
        let max = limits.on_the_wire(compressed);
        if so_far.checked_add(self.length).is_none_or(|sum| sum > max) { Err(ProtocolError::TooBig) } else { Ok(()) }
    }

    /// Unmasks the beginning of the payload (RFC 6455 §5.3).
    pub fn unmask(&self, payload: &mut [u8]) {
        let [a, b, c, d] = self.mask;
        let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
        let (words, rest) = payload.as_chunks_mut::<8>();
        for bytes in words {
            *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
        }
        for (byte, mask) in rest.iter_mut().zip(self.mask.into_iter().cycle()) {
            *byte ^= mask;
        }
    }

    /// The header for the payload after its first `taken` bytes.
    pub fn after(mut self, taken: usize) -> Self {
        self.mask.rotate_left(taken % 4);
        self
    }
}
