//! Reads what a client sends: from bytes in any chunks to complete messages and control frames (RFC 6455 §5, RFC 7692
//! §6).
//!
//! An idle connection keeps two words; a buffer exists only while a frame or a message is incomplete. A message that is
//! complete in the bytes just read is unmasked in place and passed on without a copy. An invalid byte is an error as
//! soon as it arrives, and never a panic; nothing is allocated because of a header alone.

mod header;
mod message;

use std::ops::ControlFlow;

use super::{
    close::{CloseCode, ProtocolError},
    inbox::Held,
};
use header::{Header, MAX_HEADER, Opcode};
use message::PartialMessage;

/// Maximum payload of a control frame (RFC 6455 §5.5).
pub const CONTROL_LIMIT: usize = 125;

/// Limits for a client's messages.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Maximum size of a message, in bytes, inflated.
    pub max_message: usize,
}

impl ReadLimits {
    /// Maximum number of bytes of a message on the wire.
    const fn on_the_wire(&self, compressed: bool) -> usize {
        let max = self.max_message;
        // Deflate makes data larger by one eighth at worst (fixed codes), plus a few bytes for each flush.
        if compressed { max.saturating_add(max / 8).saturating_add(1024) } else { max }
    }
}

/// A message or control frame of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A ping, to be answered with [`super::frame::pong`].
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// A close frame, to be answered with [`super::frame::close_reply`]; nothing follows it.
    Close(Option<CloseFrame<'a>>),
}

/// The body of a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// The code.
    pub code: CloseCode,
    /// The reason text.
    pub reason: &'a str,
}

type On<'a> = &'a mut dyn FnMut(Received<'_>) -> ControlFlow<()>;
type ReadResult = Result<ControlFlow<()>, ProtocolError>;

/// The reading side of one connection.
#[derive(Default)]
pub struct Reader {
    partial: Option<Box<Partial>>,
    deflate: bool,
    done: bool,
    /// Frames begun since the last query.
    frames: u32,
}

/// The received part of something incomplete.
#[derive(Default)]
struct Partial {
    /// The beginning of a frame's header.
    header: [u8; MAX_HEADER],
    header_length: u8,
    /// The frame with an incomplete payload.
    frame: Option<OpenFrame>,
    /// The received payload, if it is a control frame.
    control: Vec<u8>,
    /// The message that a data frame began.
    message: Option<PartialMessage>,
    /// Counts the received bytes.
    begun: Option<Held>,
    /// The part counted at the last look is complete: this is a new one.
    renewed: bool,
}

#[derive(Clone, Copy)]
struct OpenFrame {
    header: Header,
    left: usize,
}

impl Reader {
    /// A reader for a new connection; `deflate` says whether permessage-deflate was negotiated.
    pub fn new(deflate: bool) -> Self {
        Self { partial: None, deflate, done: false, frames: 0 }
    }

    /// Reads `input`, the bytes after those of the last call, and passes complete items to `on`, in order. `input` is
    /// overwritten.
    ///
    /// Nothing more is read after a close frame, after `on` stopped it, and after an error (which ends the connection
    /// with [`ProtocolError::code`]); items before an error have been passed on.
    pub fn read(
        &mut self,
        input: &mut [u8],
        limits: &ReadLimits,
        on: &mut dyn FnMut(Received<'_>) -> ControlFlow<()>,
    ) -> Result<(), ProtocolError> {
        if self.done {
            return Ok(());
        }
        let step = self.frames(input, limits, on);
        if !matches!(step, Ok(ControlFlow::Continue(()))) {
            self.stop();
        } else if self.partial.as_deref().is_some_and(Partial::is_empty) {
            self.partial = None;
        }
        step.map(|_| ())
    }

    /// Whether something is incomplete.
    pub const fn is_incomplete(&self) -> bool {
        self.partial.is_some()
    }

    /// Counts the received bytes of something incomplete, in this second, until it is complete or dropped.
    pub(super) fn weigh(&mut self, now: u32, begun: impl FnOnce() -> Held) {
        let held = self.held();
        let Some(partial) = self.partial.as_deref_mut() else { return };
        let renewed = std::mem::take(&mut partial.renewed);
        let begun = partial.begun.get_or_insert_with(begun);
        begun.set(held);
        if renewed {
            begun.restart(now);
        }
    }

    /// Stops reading and drops what is incomplete.
    pub(super) fn stop(&mut self) {
        self.done = true;
        self.partial = None;
    }

    /// The number of frames begun since the last call, including fragments and control frames.
    pub fn take_frames(&mut self) -> u32 {
        std::mem::take(&mut self.frames)
    }

    /// Bytes of heap held for something incomplete, without those of a pooled inflater.
    pub fn held(&self) -> usize {
        self.partial.as_deref().map_or(0, |partial| {
            size_of::<Partial>() + partial.control.capacity() + partial.message.as_ref().map_or(0, PartialMessage::held)
        })
    }

    fn frames(&mut self, mut input: &mut [u8], limits: &ReadLimits, on: On<'_>) -> ReadResult {
        loop {
            let open = match self.partial.as_deref_mut().and_then(|partial| partial.frame.take()) {
                Some(open) => open,
                None => {
                    let Some((header, length)) = self.header(input, limits)? else {
                        return Ok(ControlFlow::Continue(()));
                    };
                    input = &mut input[length..];
                    OpenFrame { header, left: header.length }
                }
            };
            let (payload, rest) = input.split_at_mut(open.left.min(input.len()));
            input = rest;
            open.header.unmask(payload);
            let left = open.left - payload.len();
            if left > 0 {
                self.begin_or_continue(open, payload, limits)?;
                let header = open.header.after(payload.len());
                self.partial.get_or_insert_default().frame = Some(OpenFrame { header, left });
                return Ok(ControlFlow::Continue(()));
            }
            let step = if open.header.opcode.is_control() {
                self.control(open, payload, on)?
            } else {
                self.data(open, payload, limits, on)?
            };
            if step.is_break() {
                return Ok(step);
            }
            if let Some(partial) = self.partial.as_deref_mut() {
                partial.renewed |= partial.message.is_none();
            }
        }
    }

    /// The next header and the number of bytes of `input` it used; `None` if it is incomplete, and `input` is used up.
    fn header(&mut self, input: &[u8], limits: &ReadLimits) -> Result<Option<(Header, usize)>, ProtocolError> {
        let message = self.partial.as_deref().and_then(|partial| partial.message.as_ref());
        let so_far = message.map(PartialMessage::length);
        let kept = self.partial.as_deref().map_or(0, |partial| usize::from(partial.header_length));
        let parsed = if kept == 0 {
            Header::parse(input, self.deflate, so_far.is_some())?
        } else {
            let partial = self.partial.get_or_insert_default();
            let more = input.len().min(MAX_HEADER - kept);
            partial.header[kept..kept + more].copy_from_slice(&input[..more]);
            let parsed = Header::parse(&partial.header[..kept + more], self.deflate, so_far.is_some())?;
            partial.header_length = if parsed.is_some() { 0 } else { (kept + more) as u8 };
            parsed.map(|(header, length)| (header, length - kept))
        };
        match &parsed {
            Some((header, _)) => {
                self.frames = self.frames.saturating_add(1);
                let compressed = header.compressed || message_is_compressed(self.partial.as_deref());
                header.check_size(so_far.unwrap_or(0), compressed, limits)?;
            }
            None if kept == 0 && !input.is_empty() => {
                let partial = self.partial.get_or_insert_default();
                partial.header[..input.len()].copy_from_slice(input);
                partial.header_length = input.len() as u8;
            }
            None => {}
        }
        Ok(parsed)
    }

    /// Keeps a part of an incomplete frame.
    fn begin_or_continue(&mut self, open: OpenFrame, payload: &[u8], limits: &ReadLimits) -> Result<(), ProtocolError> {
        let partial = self.partial.get_or_insert_default();
        if open.header.opcode.is_control() {
            partial.control.extend_from_slice(payload);
            return Ok(());
        }
        let message = partial.message.get_or_insert_with(|| PartialMessage::new(&open.header));
        message.push(payload, open.left, limits)
    }

    /// A control frame is complete with `payload`.
    fn control(&mut self, open: OpenFrame, payload: &[u8], on: On<'_>) -> ReadResult {
        let kept = self.partial.as_deref_mut().map(|partial| std::mem::take(&mut partial.control));
        let whole = match kept {
            Some(mut kept) if !kept.is_empty() => {
                kept.extend_from_slice(payload);
                kept
            }
            _ => return control(open.header.opcode, payload, on),
        };
        control(open.header.opcode, &whole, on)
    }

    /// A data frame is complete with `payload`.
    fn data(&mut self, open: OpenFrame, payload: &[u8], limits: &ReadLimits, on: On<'_>) -> ReadResult {
        let Header { opcode, fin, compressed, .. } = open.header;
        let begun = self.partial.as_deref_mut().and_then(|partial| partial.message.take());
        if begun.is_none() && fin && !compressed {
            return match opcode {
                Opcode::Text => {
                    let text = std::str::from_utf8(payload).map_err(|_| ProtocolError::Utf8)?;
                    Ok(on(Received::Text(text)))
                }
                _ => Ok(on(Received::Binary(payload))),
            };
        }
        let mut message = begun.unwrap_or_else(|| PartialMessage::new(&open.header));
        if fin {
            return message.finish(payload, limits, on);
        }
        message.push(payload, open.left, limits)?;
        self.partial.get_or_insert_default().message = Some(message);
        Ok(ControlFlow::Continue(()))
    }
}

fn message_is_compressed(partial: Option<&Partial>) -> bool {
    partial.and_then(|partial| partial.message.as_ref()).is_some_and(PartialMessage::is_compressed)
}

impl Partial {
    fn is_empty(&self) -> bool {
        self.header_length == 0 && self.frame.is_none() && self.message.is_none()
    }
}

fn control(opcode: Opcode, payload: &[u8], on: On<'_>) -> ReadResult {
    match opcode {
        Opcode::Ping => Ok(on(Received::Ping(payload))),
        Opcode::Pong => Ok(on(Received::Pong(payload))),
        _ => {
            let frame = match payload {
                [] => None,
                [_] => return Err(ProtocolError::CloseLength),
                [high, low, reason @ ..] => Some(CloseFrame {
                    code: CloseCode::new(u16::from_be_bytes([*high, *low])).ok_or(ProtocolError::CloseCode)?,
                    reason: std::str::from_utf8(reason).map_err(|_| ProtocolError::CloseReason)?,
                }),
            };
            let _ = on(Received::Close(frame));
            Ok(ControlFlow::Break(()))
        }
    }
}

#[cfg(test)]
mod tests;
