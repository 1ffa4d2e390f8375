//! Encodes frames as the server sends them (RFC 6455 §5.2): unmasked, never fragmented; and [`Frame`], one message for
//! many connections, encoded once and compressed once per window size.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::{config::Compression, event::Payload};

use super::{
    close::CloseCode,
    deflate,
    encoded::Loss,
    negotiate::Deflate,
    reader::{CONTROL_LIMIT, CloseFrame},
};

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// The longest header of a server frame.
const HEADER_ROOM: usize = 10;

/// A text message, uncompressed. `payload` is UTF-8.
pub fn text(payload: &[u8]) -> Bytes {
    plain(TEXT, payload)
}

/// A binary message, uncompressed.
pub fn binary(payload: &[u8]) -> Bytes {
    plain(BINARY, payload)
}

/// A ping; bytes beyond 125 are cut.
pub fn ping(payload: &[u8]) -> Bytes {
    plain(PING, &payload[..payload.len().min(CONTROL_LIMIT)])
}

/// A pong; bytes beyond 125 are cut.
pub fn pong(payload: &[u8]) -> Bytes {
    plain(PONG, &payload[..payload.len().min(CONTROL_LIMIT)])
}

/// A close frame; a reason beyond 123 bytes is cut at a character.
pub fn close(code: CloseCode, reason: &str) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(CONTROL_LIMIT - 2)];
    let mut body = Vec::with_capacity(CONTROL_LIMIT);
    body.extend_from_slice(&code.get().to_be_bytes());
    body.extend_from_slice(reason.as_bytes());
    plain(CLOSE, &body)
}

/// The answer to a client's close frame: the same code (RFC 6455 §5.5.1), or none if it had none.
pub fn close_reply(received: Option<CloseFrame<'_>>) -> Bytes {
    received.map_or_else(|| Bytes::from_static(&[FIN | CLOSE, 0]), |frame| close(frame.code, ""))
}

fn plain(opcode: u8, payload: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(header_length(payload.len()) + payload.len());
    put(opcode, payload, &mut frame);
    frame.into()
}

fn put(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    put_header(FIN | opcode, payload.len(), out);
    out.extend_from_slice(payload);
}

const fn header_length(payload: usize) -> usize {
    match payload {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    }
}

fn put_header(first: u8, length: usize, out: &mut Vec<u8>) {
    match length {
        0..=125 => out.extend_from_slice(&[first, length as u8]),
        126..=0xFFFF => {
            out.extend_from_slice(&[first, 126]);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[first, 127]);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// The frame with its payload compressed, or `None` if that is not smaller.
fn compressed(opcode: u8, payload: &[u8], window_bits: u8, level: u32) -> Option<Bytes> {
    // The header's length depends on the result's, so it is written into room left before it.
    let mut frame = Vec::with_capacity(HEADER_ROOM + payload.len() + 4);
    frame.resize(HEADER_ROOM, 0);
    if !deflate::compress(payload, window_bits, level, &mut frame) {
        return None;
    }
    let length = frame.len() - HEADER_ROOM;
    let start = HEADER_ROOM - header_length(length);
    let mut header = Vec::with_capacity(HEADER_ROOM);
    put_header(FIN | RSV1 | opcode, length, &mut header);
    frame[start..HEADER_ROOM].copy_from_slice(&header);
    // It may wait in many outboxes, so it must not keep the unused capacity.
    frame.shrink_to_fit();
    Some(Bytes::from(frame).slice(start..))
}

/// Frames that belong together, each compressed separately if that is worth it; `None` if it is for none of them.
fn compressed_parts(parts: &[u8], window_bits: u8, settings: &Compression) -> Option<Bytes> {
    let squeeze = |part: EncodedFrame<'_>| {
        let worthwhile = part.payload.len() >= settings.threshold;
        worthwhile.then(|| compressed(part.opcode, part.payload, window_bits, settings.level)).flatten()
    };
    let first = EncodedFrames(parts).next()?;
    if first.frame.len() == parts.len() {
        return squeeze(first);
    }
    let mut all = Vec::with_capacity(parts.len());
    let mut smaller = false;
    for part in EncodedFrames(parts) {
        match squeeze(part) {
            Some(frame) => {
                smaller = true;
                all.extend_from_slice(&frame);
            }
            None => all.extend_from_slice(part.frame),
        }
    }
    smaller.then(|| all.into())
}

/// Reads frames that were encoded here, uncompressed.
pub(super) struct EncodedFrames<'a>(pub &'a [u8]);

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct EncodedFrame<'a> {
    opcode: u8,
    /// The payload.
    pub payload: &'a [u8],
    /// The whole frame.
    pub frame: &'a [u8],
}

/// The content of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameContent<'a> {
    /// A text message; encoded from UTF-8.
    Text(&'a [u8]),
    /// A binary message.
    Binary(&'a [u8]),
    /// The Close.
    Close,
}

impl<'a> EncodedFrame<'a> {
    /// The content, if it is a message or a Close.
    pub fn content(self) -> Option<FrameContent<'a>> {
        match self.opcode {
            TEXT => Some(FrameContent::Text(self.payload)),
            BINARY => Some(FrameContent::Binary(self.payload)),
            CLOSE => Some(FrameContent::Close),
            _ => None,
        }
    }
}

impl<'a> Iterator for EncodedFrames<'a> {
    type Item = EncodedFrame<'a>;

    fn next(&mut self) -> Option<EncodedFrame<'a>> {
        let (header, length) = match self.0 {
            [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
            [_, 127, rest @ ..] => {
                let length = u64::from_be_bytes(*rest.first_chunk::<8>()?);
                (10, usize::try_from(length).ok()?)
            }
            [_, length, ..] => (2, usize::from(*length)),
            _ => return None,
        };
        let (frame, rest) = self.0.split_at_checked(header + length)?;
        self.0 = rest;
        Some(EncodedFrame { opcode: frame[0] & 0x0F, payload: &frame[header..], frame })
    }
}

/// One message for many connections, or a few that belong together. It crosses threads in an `Arc`; the first
/// connection that needs a compressed form makes it.
#[derive(Debug)]
pub struct Frame {
    plain: Bytes,
    loss: Loss,
    compressed: OnceLock<Box<[OnceLock<Option<Bytes>>; 7]>>,
}

impl Frame {
    /// Nothing.
    pub const fn empty() -> Self {
        Self { plain: Bytes::new(), loss: Loss::Never, compressed: OnceLock::new() }
    }

    /// From a consumer's payload.
    pub fn new(payload: &Payload) -> Self {
        match payload {
            Payload::Text(text) => Self::text(text),
            Payload::Binary(bytes) => Self::binary(bytes),
            Payload::Packet { text, attachments } => {
                let room = |payload: &Bytes| HEADER_ROOM + payload.len();
                let mut parts = Vec::with_capacity(room(text) + attachments.iter().map(room).sum::<usize>());
                put(TEXT, text, &mut parts);
                for bytes in attachments.iter() {
                    put(BINARY, bytes, &mut parts);
                }
                Self::of(parts.into())
            }
        }
    }

    /// A text message; `payload` is UTF-8.
    pub fn text(payload: &[u8]) -> Self {
        Self::of(text(payload))
    }

    /// A binary message.
    pub fn binary(payload: &[u8]) -> Self {
        Self::of(binary(payload))
    }

    fn of(plain: Bytes) -> Self {
        Self { plain, loss: Loss::default(), compressed: OnceLock::new() }
    }

    /// The same, with a policy for losing it while it waits for a slow client.
    pub fn losable(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// How it may be lost while it waits.
    pub const fn loss(&self) -> &Loss {
        &self.loss
    }

    /// The bytes for a connection: compressed if it negotiated that, the payload has at least `compression.threshold`
    /// bytes, and compression makes it smaller.
    pub fn bytes(&self, deflate: Option<Deflate>, compression: &Compression) -> &Bytes {
        // A frame is longer than its payload; the exact length of the payload is checked once, below.
        let Some(deflate) = deflate.filter(|_| self.plain.len() > compression.threshold) else { return &self.plain };
        let window_bits = deflate.server_window_bits.clamp(9, 15);
        let forms = self.compressed.get_or_init(Box::default);
        forms[usize::from(window_bits - 9)]
            .get_or_init(|| compressed_parts(&self.plain, window_bits, compression))
            .as_ref()
            .unwrap_or(&self.plain)
    }

    /// Its bytes, uncompressed.
    pub fn into_bytes(self) -> Bytes {
        self.plain
    }

    /// Its length, uncompressed.
    pub fn size(&self) -> usize {
        self.plain.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Compression = Compression { enabled: true, threshold: 512, level: 1 };
    const WINDOW_15: Option<Deflate> = Some(Deflate { server_window_bits: 15 });

    #[test]
    fn lengths_take_their_shortest_form() {
        for (length, header) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65535, &[0x81, 126, 0xFF, 0xFF]),
            (65536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let payload = vec![b'x'; length];
            assert_eq!(text(&payload), [header, &payload].concat());
            let parts = Frame::text(&payload).plain;
            assert_eq!(EncodedFrames(&parts).map(|part| part.payload.to_vec()).collect::<Vec<_>>(), [payload]);
        }
        assert_eq!(binary(b"\xff")[..], [0x82, 1, 0xFF]);
    }

    #[test]
    fn control_frames_never_carry_more_than_125_bytes() {
        assert_eq!(ping(b"a")[..], [0x89, 1, b'a']);
        assert_eq!(pong(&[0; 200]).len(), 2 + 125);
        assert_eq!(close(CloseCode::NORMAL, "bye")[..], *b"\x88\x05\x03\xe8bye");
        assert_eq!(close(CloseCode::NORMAL, &"x".repeat(200)).len(), 2 + 125);
        // 122 bytes and a character of three: the character is cut as a whole.
        let cut = close(CloseCode::NORMAL, &format!("{}€", "x".repeat(122)));
        assert_eq!(cut[..], [&b"\x88\x7c\x03\xe8"[..], &[b'x'; 122]].concat());
    }

    #[test]
    fn a_close_is_answered_with_its_own_code() {
        assert_eq!(close_reply(None)[..], [0x88, 0]);
        let received = CloseFrame { code: CloseCode::GOING_AWAY, reason: "tab closed" };
        assert_eq!(close_reply(Some(received))[..], [0x88, 2, 0x03, 0xE9]);
    }

    #[test]
    fn a_frame_is_compressed_once_and_only_for_clients_that_agreed() {
        let frame = Frame::text(&[b'a'; 2000]);
        assert_eq!(frame.bytes(None, &SETTINGS), &text(&[b'a'; 2000]));
        let compressed = frame.bytes(WINDOW_15, &SETTINGS);
        assert_eq!(compressed[0], 0xC1);
        assert!(compressed.len() < 60 && usize::from(compressed[1]) == compressed.len() - 2);
        assert_eq!(compressed.as_ptr(), frame.bytes(WINDOW_15, &SETTINGS).as_ptr());
        let narrow = frame.bytes(Some(Deflate { server_window_bits: 9 }), &SETTINGS);
        assert_ne!(compressed.as_ptr(), narrow.as_ptr());
        assert_eq!(Frame::binary(&[b'a'; 2000]).bytes(WINDOW_15, &SETTINGS)[0], 0xC2);
    }

    #[test]
    fn a_packet_is_one_piece_of_several_separately_compressed_frames() {
        let attachments = [Bytes::from_static(b"\x01"), Bytes::from(vec![b'a'; 2000])];
        let packet = Payload::Packet { text: Bytes::from_static(b"452-[]"), attachments: attachments.into() };
        let frame = Frame::new(&packet);
        let plain = frame.bytes(None, &SETTINGS);
        assert_eq!(plain, &[&text(b"452-[]")[..], &binary(b"\x01"), &binary(&[b'a'; 2000])].concat());
        let contents: Vec<_> = EncodedFrames(plain).filter_map(EncodedFrame::content).collect();
        assert_eq!(contents[..2], [FrameContent::Text(b"452-[]"), FrameContent::Binary(b"\x01")]);
        let squeezed = frame.bytes(WINDOW_15, &SETTINGS);
        assert_eq!(squeezed[..11], plain[..11], "a small message stays unchanged");
        assert!(squeezed[11] == 0xC2 && squeezed.len() < 80);
    }

    #[test]
    fn small_and_incompressible_frames_go_out_plain() {
        assert_eq!(Frame::text(&[b'a'; 511]).bytes(WINDOW_15, &SETTINGS)[0], 0x81);
        assert_eq!(Frame::text(&[b'a'; 512]).bytes(WINDOW_15, &SETTINGS)[0], 0xC1);
        let noise: Vec<u8> = (0..600).map(|_| rand::random()).collect();
        assert_eq!(Frame::binary(&noise).bytes(WINDOW_15, &SETTINGS), &binary(&noise));
    }

    #[test]
    fn a_compressed_frame_may_need_each_form_of_length() {
        for length in [700, 30_000, 300_000] {
            let payload: Vec<u8> = (0..length).map(|_| rand::random_range(b'a'..=b'd')).collect();
            let frame = Frame::text(&payload);
            let bytes = frame.bytes(WINDOW_15, &SETTINGS);
            let rest = match bytes[1] {
                126 => &bytes[4..],
                127 => &bytes[10..],
                _ => &bytes[2..],
            };
            let mut again = Vec::new();
            put_header(0xC1, rest.len(), &mut again);
            assert_eq!(again, &bytes[..bytes.len() - rest.len()]);
            let mut inflated = Vec::new();
            let mut inflater = deflate::Inflater::take();
            let mut sink = |piece: &[u8]| {
                inflated.extend_from_slice(piece);
                Ok(())
            };
            inflater.push(rest, &mut sink).unwrap();
            inflater.finish(&mut sink).unwrap();
            assert!(inflated == payload);
        }
    }
}
