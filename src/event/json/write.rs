//! Writes JSON through `serde_json`: compact, and lone surrogates as the escapes that Python and JavaScript read.

use std::io;

use serde::Serialize;
use serde_json::{
    Serializer,
    ser::{CharEscape, CompactFormatter, Formatter},
};

use crate::event::surrogate;

/// Writes packed text; everything else is `serde_json`'s compact form.
#[derive(Clone, Copy, Debug, Default)]
pub struct Text(State);

/// Where in a text the writer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Begin,
    Ordinary,
    Marked,
}

impl Formatter for Text {
    #[inline]
    fn begin_string<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0 = State::Begin;
        writer.write_all(b"\"")
    }

    #[inline]
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if surrogate::may_be_marked(fragment) || self.0 == State::Marked {
            return self.special(writer, fragment);
        }
        self.0 = State::Ordinary;
        writer.write_all(fragment.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        if self.0 == State::Begin {
            self.0 = State::Ordinary;
        }
        CompactFormatter.write_char_escape(writer, escape)
    }
}

impl Text {
    #[cold]
    fn special<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        match self.0 {
            State::Marked => points(&surrogate::tighten(fragment), writer),
            State::Begin if surrogate::is_marked(fragment) => {
                self.0 = State::Marked;
                points(fragment, writer)
            }
            State::Begin | State::Ordinary => {
                self.0 = State::Ordinary;
                writer.write_all(fragment.as_bytes())
            }
        }
    }
}

fn points<W: ?Sized + io::Write>(packed: &str, writer: &mut W) -> io::Result<()> {
    surrogate::points(packed).try_for_each(|point| match char::from_u32(point) {
        Some(character) => writer.write_all(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => write!(writer, "\\u{point:04x}"),
    })
}

/// A value as JSON text, without a limit: for what is bounded already.
pub fn text(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    // Plain data can always be written.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut bytes, Text::default()));
    String::from_utf8(bytes).unwrap_or_default()
}
