//! What waits for one slow client: shared frames, bounded in bytes, written with one `writev`.
//!
//! Empty for nearly every connection nearly always, so it costs nothing then: the queue's memory is given back once it
//! is drained.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
};

use bytes::Bytes;

use super::frame::{Content, Parts};

/// How many frames one system call takes.
const BATCH: usize = 32;

/// Frames that the kernel has not taken yet.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Bytes>,
    /// Bytes of the first frame that are already written.
    written: usize,
    bytes: usize,
}

impl Outbox {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes that wait.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// All that waits, for tests.
    #[cfg(test)]
    pub fn contents(&self) -> Vec<u8> {
        self.queue.iter().flatten().copied().skip(self.written).collect()
    }

    /// Adds a frame, of which `written` bytes are already out (only where nothing waited before).
    pub fn push(&mut self, frame: Bytes, written: usize) {
        debug_assert!(written == 0 || self.queue.is_empty());
        self.bytes += frame.len() - written;
        if self.queue.is_empty() {
            self.written = written;
        }
        self.queue.push_back(frame);
    }

    /// Forgets what waits, but for a frame that is partly written: without its rest the stream would be broken.
    pub fn discard(&mut self) {
        let keep = usize::from(self.written > 0);
        self.queue.truncate(keep);
        self.bytes = self.queue.front().map_or(0, |frame| frame.len() - self.written);
    }

    /// Writes with `write` until all is out (`Ok(true)`) or the kernel takes no more (`Ok(false)`).
    pub fn flush(&mut self, mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<bool> {
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); BATCH];
            let mut count = 0;
            for (slice, frame) in slices.iter_mut().zip(&self.queue) {
                let start = if count == 0 { self.written } else { 0 };
                *slice = IoSlice::new(&frame[start..]);
                count += 1;
            }
            match write(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => self.take(taken),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.queue = VecDeque::new();
        Ok(true)
    }

    /// Takes whole messages out of their frames, in order, for as long as `want` takes them; it gets what they carry. Only
    /// where nothing is written to a socket, so that all frames are whole and uncompressed.
    pub fn take_messages(&mut self, mut want: impl FnMut(Content<'_>) -> bool) {
        loop {
            let Some(piece) = self.queue.front().cloned() else { break };
            for part in Parts(&piece[self.written..]) {
                if part.content().is_some_and(|content| !want(content)) {
                    return;
                }
                self.take(part.frame.len());
            }
        }
        self.queue = VecDeque::new();
    }

    fn take(&mut self, mut taken: usize) {
        self.bytes -= taken;
        while let Some(first) = self.queue.front() {
            let rest = first.len() - self.written;
            if taken < rest {
                self.written += taken;
                return;
            }
            taken -= rest;
            self.written = 0;
            self.queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::frame;

    fn written(outbox: &mut Outbox, mut room: usize, chunk: usize) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let done = outbox
            .flush(|slices| {
                if room == 0 {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                let taken = all.len().min(room).min(chunk);
                room -= taken;
                out.extend_from_slice(&all[..taken]);
                Ok(taken)
            })
            .unwrap();
        (out, done)
    }

    #[test]
    fn every_byte_leaves_once_and_in_order_however_little_the_kernel_takes() {
        for chunk in 1..9 {
            let mut outbox = Outbox::default();
            outbox.push(Bytes::from_static(b"xxabc"), 2);
            for frame in ["defg", "h", "ijkl"] {
                outbox.push(Bytes::from_static(frame.as_bytes()), 0);
            }
            let (first, done) = written(&mut outbox, 5, chunk);
            assert_eq!((first.as_slice(), done, outbox.bytes()), (&b"abcde"[..], false, 7));
            let (rest, done) = written(&mut outbox, usize::MAX, chunk);
            assert_eq!((rest.as_slice(), done, outbox.bytes()), (&b"fghijkl"[..], true, 0));
        }
    }

    #[test]
    fn messages_are_taken_one_by_one_out_of_pieces_of_several_frames() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from([frame::text(b"one"), frame::binary(b"\x02")].concat()), 0);
        outbox.push(frame::text(b"three"), 0);
        let take = |outbox: &mut Outbox, mut count: usize| {
            let mut taken = Vec::new();
            outbox.take_messages(|content| {
                count = count.wrapping_sub(1);
                let wanted = count != usize::MAX;
                if wanted {
                    taken.push(format!("{content:?}"));
                }
                wanted
            });
            taken
        };
        assert_eq!(take(&mut outbox, 1), [format!("{:?}", Content::Text(b"one"))]);
        assert_eq!(outbox.bytes(), 3 + 7);
        let rest = [format!("{:?}", Content::Binary(b"\x02")), format!("{:?}", Content::Text(b"three"))];
        assert_eq!(take(&mut outbox, 9), rest);
        assert!(outbox.is_empty() && outbox.bytes() == 0);
    }

    #[test]
    fn discarding_keeps_the_rest_of_a_frame_that_is_partly_out() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"abcd"), 1);
        outbox.push(Bytes::from_static(b"efgh"), 0);
        outbox.discard();
        assert_eq!(outbox.bytes(), 3);
        outbox.push(Bytes::from_static(b"close"), 0);
        assert_eq!(written(&mut outbox, usize::MAX, 99).0, b"bcdclose");
    }

    #[test]
    fn discarding_an_untouched_queue_leaves_nothing() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"abcd"), 0);
        outbox.discard();
        assert!(outbox.is_empty());
        assert_eq!(outbox.bytes(), 0);
    }
}
