//! Binary data beside JSON: `{"_placeholder": true, "num": 0}` stands for an attachment.
//!
//! In: data from JSON, and its attachments. Out: the same data with [`Value::Bytes`]; or the reverse. Both packets of
//! clients and messages of python-socketio use this form.

use std::{collections::VecDeque, io};

use bytes::Bytes;
use serde_json::ser::{CharEscape, Formatter};

use super::PacketError;
use crate::{
    event::{Value, json},
    limited::Allowance,
};

/// Replaces placeholders by their attachments. They are named by number, in any order, each exactly once.
///
/// Every writer of such data gives each piece of binary data its own attachment and number. So an attachment that is
/// named twice, or not at all, is malformed: the result is never larger than the message.
///
/// The crate's own decoder takes them in order of arrival, and fails on a key with an escape (`"pr\u00e9nom"`, as
/// Python's clients write it). The data is at most as deep as the JSON parser allows.
pub fn fill_placeholders(
    values: &mut [Value],
    attachments: impl IntoIterator<Item = Bytes>,
) -> Result<(), PacketError> {
    let mut attachments: Vec<Option<Bytes>> = attachments.into_iter().map(Some).collect();
    fill_all(values, &mut attachments)?;
    if attachments.iter().any(Option::is_some) { Err(PacketError::UnusedAttachment) } else { Ok(()) }
}

fn fill_all(values: &mut [Value], attachments: &mut [Option<Bytes>]) -> Result<(), PacketError> {
    values.iter_mut().try_for_each(|value| fill(value, attachments))
}

fn fill(value: &mut Value, attachments: &mut [Option<Bytes>]) -> Result<(), PacketError> {
    match value {
        Value::List(items) => fill_all(items, attachments),
        Value::Map(entries) if entries.get("_placeholder") == Some(&Value::Bool(true)) => {
            let number = match entries.get("num") {
                Some(Value::Int(number)) => usize::try_from(*number).ok(),
                _ => None,
            };
            let attachment = number.and_then(|number| attachments.get_mut(number)).and_then(Option::take);
            *value = Value::Bytes(attachment.ok_or(PacketError::Placeholder)?);
            Ok(())
        }
        Value::Map(entries) => entries.values_mut().try_for_each(|item| fill(item, attachments)),
        _ => Ok(()),
    }
}

/// Writes JSON with placeholders for bytes, which it collects.
pub(super) struct Placeholders<'a> {
    /// The limit shared by the text and its attachments.
    pub room: &'a Allowance,
    pub attachments: &'a mut VecDeque<Bytes>,
    pub text: json::Text,
}

impl Formatter for Placeholders<'_> {
    #[inline]
    fn begin_string<W: ?Sized + io::Write>(&mut self, text: &mut W) -> io::Result<()> {
        self.text.begin_string(text)
    }

    #[inline]
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, text: &mut W, fragment: &str) -> io::Result<()> {
        self.text.write_string_fragment(text, fragment)
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, text: &mut W, escape: CharEscape) -> io::Result<()> {
        self.text.write_char_escape(text, escape)
    }

    fn write_byte_array<W: ?Sized + io::Write>(&mut self, text: &mut W, bytes: &[u8]) -> io::Result<()> {
        self.room.take(bytes.len())?;
        write!(text, r#"{{"_placeholder":true,"num":{}}}"#, self.attachments.len())?;
        self.attachments.push_back(Bytes::copy_from_slice(bytes));
        Ok(())
    }
}
