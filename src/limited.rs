//! Writes bytes up to a limit; every encoder of a client's data writes through this module.
//!
//! In: a limit, and an encoder's writes. Out: the bytes, or [`WriteError::TooLarge`] at the first write that does not
//! fit. It never allocates beyond the limit, so an oversized result is never built first and judged afterwards.

use std::{
    cell::Cell,
    io::{self, Write},
};

use serde::Serialize;
use serde_json::Serializer;

use crate::event::json;

/// Why something was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// It is larger than this limit.
    #[error("it would be larger than {0} bytes")]
    TooLarge(usize),
    /// It cannot be written at all.
    #[error("{0}")]
    Invalid(String),
}

impl From<WriteError> for String {
    fn from(error: WriteError) -> Self {
        error.to_string()
    }
}

impl From<String> for WriteError {
    fn from(reason: String) -> Self {
        Self::Invalid(reason)
    }
}

/// A limit and the bytes left within it. Several writers may share it.
#[derive(Debug)]
pub struct Allowance {
    limit: usize,
    left: Cell<usize>,
}

impl Allowance {
    /// The whole limit is left.
    pub const fn new(limit: usize) -> Self {
        Self { limit, left: Cell::new(limit) }
    }

    /// Takes bytes from the limit.
    ///
    /// # Errors
    /// When fewer bytes are left.
    pub fn take(&self, bytes: usize) -> io::Result<()> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }

    /// An empty buffer that grows within the limit.
    pub const fn writer(&self) -> Writer<'_> {
        Writer { room: self, bytes: Vec::new() }
    }

    /// Converts an encoder's error.
    pub fn reason(&self, error: &io::Error) -> WriteError {
        match error.kind() {
            io::ErrorKind::FileTooLarge => WriteError::TooLarge(self.limit),
            _ => WriteError::Invalid(error.to_string()),
        }
    }
}

/// A buffer that refuses bytes beyond the limit.
#[derive(Debug)]
pub struct Writer<'a> {
    room: &'a Allowance,
    bytes: Vec<u8>,
}

impl Writer<'_> {
    /// The bytes written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Makes room for the next write: doubles the buffer, but never beyond the limit.
    #[cold]
    fn grow(&mut self, more: usize) {
        let most = self.bytes.len() + more + self.room.left.get();
        let wanted = (self.bytes.len() + more).max(2 * self.bytes.capacity()).max(FIRST).min(most);
        self.bytes.reserve_exact(wanted - self.bytes.len());
    }
}

/// First allocation of a buffer.
const FIRST: usize = 256;

impl Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.room.take(bytes.len())?;
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            self.grow(bytes.len());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The output of `encode`, at most `limit` bytes.
///
/// # Errors
/// When the output is larger, or the encoder fails.
pub fn write(limit: usize, encode: impl FnOnce(&mut Writer<'_>) -> io::Result<()>) -> Result<Vec<u8>, WriteError> {
    let room = Allowance::new(limit);
    let mut writer = room.writer();
    match encode(&mut writer) {
        Ok(()) => Ok(writer.into_bytes()),
        Err(error) => Err(room.reason(&error)),
    }
}

/// A value as JSON, at most `limit` bytes.
///
/// # Errors
/// When it is larger, or cannot be written.
pub fn json(value: &impl Serialize, limit: usize) -> Result<Vec<u8>, WriteError> {
    write(limit, |writer| Ok(value.serialize(&mut Serializer::with_formatter(writer, json::Text::default()))?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_fits_is_written_and_what_does_not_fit_stops() {
        assert_eq!(json(&"abc", 5), Ok(b"\"abc\"".to_vec()));
        assert_eq!(json(&"abc", 4), Err(WriteError::TooLarge(4)));
        assert_eq!(write(0, |_| Ok(())), Ok(Vec::new()));
        let reason = write(9, |_| Err(io::Error::other("no"))).unwrap_err();
        assert_eq!(reason, WriteError::Invalid("no".to_owned()));
    }

    #[test]
    fn an_endless_encoder_is_stopped() {
        let mut written = 0;
        let endless = |writer: &mut Writer<'_>| loop {
            writer.write_all(b"more")?;
            written += 1;
        };
        assert_eq!(write(1000, endless), Err(WriteError::TooLarge(1000)));
        assert_eq!(written, 250);
    }

    proptest! {
        #[test]
        fn a_buffer_never_takes_more_than_the_limit(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40),
            limit in 0usize..4000,
            taken in 0usize..500,
        ) {
            let room = Allowance::new(limit);
            let taken = room.take(taken).map_or(0, |()| taken);
            let mut writer = room.writer();
            let mut whole = Vec::new();
            for piece in &pieces {
                let fits = taken + whole.len() + piece.len() <= limit;
                prop_assert_eq!(writer.write_all(piece).is_ok(), fits);
                if fits {
                    whole.extend_from_slice(piece);
                }
                prop_assert!(writer.bytes.capacity() <= limit);
            }
            prop_assert_eq!(writer.into_bytes(), whole);
        }
    }
}
