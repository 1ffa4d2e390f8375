//! JSON as Python's `json` writes it, including `NaN` and `Infinity`.

use std::io::{self, Write as _};

use base64::{display::Base64Display, engine::general_purpose::STANDARD};

use crate::{
    event::{Value, json, surrogate},
    limited::{self, WriteError, Writer},
};

pub use json::{JsonError, read as decode};

/// The output of Python's `json.dumps`: `, ` and `: `, ASCII escapes, `NaN`. For Python readers, not for browsers.
/// Bytes, which Python would refuse, become base64 text. At most `limit` bytes.
pub fn encode(value: &Value, limit: usize) -> Result<Vec<u8>, WriteError> {
    limited::write(limit, |out| encode_into(value, out))
}

fn encode_into(value: &Value, out: &mut Writer<'_>) -> io::Result<()> {
    match value {
        Value::Null => out.write_all(b"null"),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Int(number) => write!(out, "{number}"),
        Value::UInt(number) => write!(out, "{number}"),
        Value::Big(digits) => out.write_all(digits.as_bytes()),
        Value::Float(number) => out.write_all(python_float(*number).as_bytes()),
        Value::Str(text) => write_text(text, out),
        Value::Bytes(bytes) => write!(out, "\"{}\"", Base64Display::new(bytes, &STANDARD)),
        Value::List(items) => {
            out.write_all(b"[")?;
            for (index, item) in items.iter().enumerate() {
                separate(index, out)?;
                encode_into(item, out)?;
            }
            out.write_all(b"]")
        }
        Value::Map(entries) => write_map(entries.iter().map(|(key, value)| (&**key, value)), out),
    }
}

/// A map of these entries.
pub(super) fn write_map<'a>(
    entries: impl Iterator<Item = (&'a str, &'a Value)>,
    out: &mut Writer<'_>,
) -> io::Result<()> {
    out.write_all(b"{")?;
    for (index, (key, value)) in entries.enumerate() {
        separate(index, out)?;
        write_text(key, out)?;
        out.write_all(b": ")?;
        encode_into(value, out)?;
    }
    out.write_all(b"}")
}

fn separate(index: usize, out: &mut Writer<'_>) -> io::Result<()> {
    if index > 0 { out.write_all(b", ") } else { Ok(()) }
}

fn write_text(text: &str, out: &mut Writer<'_>) -> io::Result<()> {
    out.write_all(b"\"")?;
    if surrogate::is_marked(text) {
        surrogate::points(text).try_for_each(|point| match char::from_u32(point) {
            Some(character) => write_character(character, out),
            None => write!(out, "\\u{point:04x}"),
        })?;
    } else {
        text.chars().try_for_each(|character| write_character(character, out))?;
    }
    out.write_all(b"\"")
}

#[inline]
fn write_character(character: char, out: &mut Writer<'_>) -> io::Result<()> {
    match character {
        '"' => out.write_all(b"\\\""),
        '\\' => out.write_all(b"\\\\"),
        '\n' => out.write_all(b"\\n"),
        '\r' => out.write_all(b"\\r"),
        '\t' => out.write_all(b"\\t"),
        '\u{8}' => out.write_all(b"\\b"),
        '\u{c}' => out.write_all(b"\\f"),
        ' '..='~' => out.write_all(&[character as u8]),
        _ => character.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}")),
    }
}

/// A float as Python's `json.dumps` writes it: the shortest digits that read back, `1e-05`, `1e+16`, `NaN`.
pub(super) fn python_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    // Rust's debug form has Python's digits and exponent limits, but a shorter exponent.
    let text = format!("{number:?}");
    match text.split_once('e') {
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => format!("{digits}e-{exponent:0>2}"),
            None => format!("{digits}e+{exponent:0>2}"),
        },
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_written_as_in_python() {
        let value =
            decode("{\"a\": 1, \"é\": [1.5, null], \"t\": \"\\\"\\\\\\n\\u0000\\u007f😀\"}".as_bytes()).unwrap();
        let text = String::from_utf8(encode(&value, 100).unwrap()).unwrap();
        assert_eq!(text, r#"{"a": 1, "\u00e9": [1.5, null], "t": "\"\\\n\u0000\u007f\ud83d\ude00"}"#);
    }

    #[test]
    fn floats_have_the_digits_of_python() {
        for (number, text) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-0.0, "-0.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(python_float(number), text);
        }
    }
}
