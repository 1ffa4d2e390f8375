//! JSON as Python's `json` reads and writes it, including `NaN` and `Infinity`.

use std::io::{self, Write as _};

use base64::{display::Base64Display, engine::general_purpose::STANDARD};

use super::{MAX_DEPTH, MAX_VALUES};
use crate::{
    event::Value,
    limited::{self, WriteError, Writer},
};

/// Why bytes are not JSON that the node accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not UTF-8.
    #[error("the JSON is not UTF-8")]
    Utf8,
    /// Not JSON; the text has position and reason, and quotes no data.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("the JSON is nested too deeply")]
    TooDeep,
    /// More values than [`MAX_VALUES`].
    #[error("the JSON has more than {MAX_VALUES} values")]
    TooMany,
}

/// One JSON value, all of `bytes`. Integers beyond 64 bits become floats; a later equal key wins.
pub fn decode(bytes: &[u8]) -> Result<Value, JsonError> {
    // A value takes at least two bytes (`0,`), so a shorter text needs no count.
    if bytes.len() / 2 > MAX_VALUES {
        let outline = Outline::of(bytes);
        if outline.values > MAX_VALUES {
            return Err(JsonError::TooMany);
        }
    }
    let error = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::Utf8)?;
    let outline = Outline::of(bytes);
    if outline.depth > MAX_DEPTH {
        return Err(JsonError::TooDeep);
    }
    if outline.python_only {
        // json5 reads `NaN` and `Infinity` but has no limit on depth, so the outline is checked first.
        return json5::from_str(text).map_err(|error| JsonError::Syntax(error.to_string()));
    }
    Err(JsonError::Syntax(error.to_string()))
}

/// The result of scanning a JSON text without parsing it.
struct Outline {
    /// The deepest nesting of brackets outside texts.
    depth: usize,
    /// An upper bound on the number of values.
    values: usize,
    /// `NaN` or `Infinity` is outside texts, and no other syntax that JSON does not have.
    python_only: bool,
}

impl Outline {
    fn of(bytes: &[u8]) -> Self {
        let (mut depth, mut deepest, mut values) = (0usize, 0usize, 1usize);
        let (mut special, mut foreign) = (false, false);
        let mut rest = bytes.iter().copied().enumerate();
        while let Some((at, byte)) = rest.next() {
            match byte {
                b'"' => {
                    while let Some((_, byte)) = rest.next() {
                        match byte {
                            b'"' => break,
                            b'\\' => drop(rest.next()),
                            _ => {}
                        }
                    }
                }
                b'[' | b'{' => {
                    depth += 1;
                    values += 1;
                    deepest = deepest.max(depth);
                }
                b']' | b'}' => depth = depth.saturating_sub(1),
                b',' => values += 1,
                b'N' => special |= bytes[at..].starts_with(b"NaN"),
                b'I' => special |= bytes[at..].starts_with(b"Infinity"),
                // Comments and other quotes are JSON5, not Python; they would also hide brackets from this scan.
                b'\'' | b'/' | b'\\' => foreign = true,
                _ => {}
            }
        }
        Self { depth: deepest, values, python_only: special && !foreign }
    }
}

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
    for character in text.chars() {
        match character {
            '"' => out.write_all(b"\\\"")?,
            '\\' => out.write_all(b"\\\\")?,
            '\n' => out.write_all(b"\\n")?,
            '\r' => out.write_all(b"\\r")?,
            '\t' => out.write_all(b"\\t")?,
            '\u{8}' => out.write_all(b"\\b")?,
            '\u{c}' => out.write_all(b"\\f")?,
            ' '..='~' => out.write_all(&[character as u8])?,
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
    }
    out.write_all(b"\"")
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

    #[test]
    fn pythons_extensions_are_read_and_json5_is_not() {
        let value =
            decode(b"{\"a\": NaN, \"b\": [-Infinity, \"\\ud83d\\ude00 NaN\"], \"c\": 18446744073709551615}").unwrap();
        assert!(matches!(value.get("a"), Some(Value::Float(number)) if number.is_nan()));
        assert_eq!(value.get("b"), Some(&Value::List(vec![Value::Float(f64::NEG_INFINITY), "😀 NaN".into()])));
        assert_eq!(value.get("c"), Some(&Value::UInt(u64::MAX)));
        for json5 in ["{a: 1}", "['a']", "[NaN, 'a']", "[1,]", "// NaN\n1", "[NaN] x", "NaN NaN", "[\"\\ud800\"]", ""] {
            assert!(decode(json5.as_bytes()).is_err(), "{json5}");
        }
        assert_eq!(decode(b"\"\xff\""), Err(JsonError::Utf8));
    }
}
