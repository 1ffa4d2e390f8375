//! msgpack, the default serializer of both channel layers.
//!
//! Decoding is one pass over the bytes, recursive to [`MAX_DEPTH`]. A length field is trusted only up to the bytes that
//! are there, and the number of values is bounded, because a value takes far more memory than its byte.

use std::io::{self, Write as _};

use bytes::Bytes;
use indexmap::IndexMap;
use rmp::{Marker, encode};

use super::{MAX_DEPTH, MAX_VALUES, json::python_float};
use crate::{
    event::{Value, surrogate},
    limited::{self, WriteError, Writer},
};

/// Why bytes are not msgpack that the node accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MsgpackError {
    /// The bytes end inside a value.
    #[error("the msgpack ends too early")]
    Truncated,
    /// Bytes follow the value.
    #[error("{0} bytes follow the msgpack value")]
    Trailing(usize),
    /// Text that is not UTF-8.
    #[error("msgpack text is not UTF-8")]
    Utf8,
    /// The byte 0xc1, which msgpack never uses.
    #[error("the byte 0xc1 is not msgpack")]
    Reserved,
    /// An extension type other than the timestamp.
    #[error("msgpack extension type {0} is not supported")]
    Extension(i8),
    /// A malformed timestamp.
    #[error("a msgpack timestamp is out of range")]
    Timestamp,
    /// A map key that JSON cannot write.
    #[error("a msgpack map key is {0}")]
    Key(&'static str),
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("the msgpack is nested too deeply")]
    TooDeep,
    /// More values than [`MAX_VALUES`].
    #[error("the msgpack has more than {MAX_VALUES} values")]
    TooMany,
}

/// One msgpack value, all of `bytes`.
///
/// Map keys that are not text are converted as in Python's `json.dumps` (`1`, `1.5`, `true`, `null`); a later equal key
/// wins. A timestamp (extension type -1) becomes text as JavaScript writes a `Date`, `2025-10-09T08:53:20.500Z`. So do
/// the types that emitters of Socket.IO used before (0: a `Date`, `undefined` and an `ArrayBuffer`); other extension types
/// are errors, because no consumer could write them to a client either.
pub fn decode(bytes: &[u8]) -> Result<Value, MsgpackError> {
    let mut reader = Cursor { rest: bytes, values: MAX_VALUES, undefined: false };
    let value = reader.value(0)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(MsgpackError::Trailing(reader.rest.len())) }
}

struct Cursor<'a> {
    rest: &'a [u8],
    /// How many more values are permitted.
    values: usize,
    /// Whether the value just read is JavaScript's `undefined`.
    undefined: bool,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], MsgpackError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(MsgpackError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    #[inline]
    fn slice(&mut self, length: usize) -> Result<&'a [u8], MsgpackError> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(MsgpackError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    fn marker(&mut self) -> Result<Marker, MsgpackError> {
        let [byte] = self.array()?;
        Ok(Marker::from_u8(byte))
    }

    #[inline]
    fn length8(&mut self) -> Result<usize, MsgpackError> {
        Ok(usize::from(u8::from_be_bytes(self.array()?)))
    }

    #[inline]
    fn length16(&mut self) -> Result<usize, MsgpackError> {
        Ok(usize::from(u16::from_be_bytes(self.array()?)))
    }

    #[inline]
    fn length32(&mut self) -> Result<usize, MsgpackError> {
        // A length that does not fit is longer than any slice, and therefore truncated.
        Ok(usize::try_from(u32::from_be_bytes(self.array()?)).unwrap_or(usize::MAX))
    }

    #[inline]
    fn text(&mut self, length: usize) -> Result<Box<str>, MsgpackError> {
        let bytes = self.slice(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(surrogate::pack(text)),
            // JavaScript's writers encode lone surrogates like other code points.
            Err(_) => surrogate::of_wide_utf8(bytes).ok_or(MsgpackError::Utf8),
        }
    }

    // The functions that call each other need little stack, because a value may be nested deeply.
    fn value(&mut self, depth: usize) -> Result<Value, MsgpackError> {
        self.values = self.values.checked_sub(1).ok_or(MsgpackError::TooMany)?;
        let marker = self.marker()?;
        match marker {
            Marker::FixMap(length) => self.map(usize::from(length), depth),
            Marker::FixArray(length) => self.list(usize::from(length), depth),
            Marker::Map16 | Marker::Map32 => {
                let length = self.collection_length(marker)?;
                self.map(length, depth)
            }
            Marker::Array16 | Marker::Array32 => {
                let length = self.collection_length(marker)?;
                self.list(length, depth)
            }
            _ => self.leaf(marker),
        }
    }

    fn collection_length(&mut self, marker: Marker) -> Result<usize, MsgpackError> {
        match marker {
            Marker::Map16 | Marker::Array16 => self.length16(),
            _ => self.length32(),
        }
    }

    /// Everything but lists and maps.
    #[inline]
    fn leaf(&mut self, marker: Marker) -> Result<Value, MsgpackError> {
        if let Some(length) = self.text_length(marker)? {
            return Ok(Value::Str(self.text(length)?));
        }
        Ok(match marker {
            Marker::Bin8 => {
                let length = self.length8()?;
                Value::Bytes(Bytes::copy_from_slice(self.slice(length)?))
            }
            Marker::Bin16 => {
                let length = self.length16()?;
                Value::Bytes(Bytes::copy_from_slice(self.slice(length)?))
            }
            Marker::Bin32 => {
                let length = self.length32()?;
                Value::Bytes(Bytes::copy_from_slice(self.slice(length)?))
            }
            Marker::FixExt1 => self.extension(1, true)?,
            Marker::FixExt2 => self.extension(2, true)?,
            Marker::FixExt4 => self.extension(4, true)?,
            Marker::FixExt8 => self.extension(8, true)?,
            Marker::FixExt16 => self.extension(16, true)?,
            Marker::Ext8 => {
                let length = self.length8()?;
                self.extension(length, false)?
            }
            Marker::Ext16 => {
                let length = self.length16()?;
                self.extension(length, false)?
            }
            Marker::Ext32 => {
                let length = self.length32()?;
                self.extension(length, false)?
            }
            scalar => self.scalar(scalar)?,
        })
    }

    /// The length of a text, if `marker` begins one.
    #[inline]
    fn text_length(&mut self, marker: Marker) -> Result<Option<usize>, MsgpackError> {
        Ok(Some(match marker {
            Marker::FixStr(length) => usize::from(length),
            Marker::Str8 => self.length8()?,
            Marker::Str16 => self.length16()?,
            Marker::Str32 => self.length32()?,
            _ => return Ok(None),
        }))
    }

    /// Null, booleans and numbers, which may also be map keys.
    #[inline]
    fn scalar(&mut self, marker: Marker) -> Result<Value, MsgpackError> {
        Ok(match marker {
            Marker::Null => Value::Null,
            Marker::False => Value::Bool(false),
            Marker::True => Value::Bool(true),
            Marker::FixPos(number) => Value::Int(number.into()),
            Marker::FixNeg(number) => Value::Int(number.into()),
            Marker::U8 => Value::Int(u8::from_be_bytes(self.array()?).into()),
            Marker::U16 => Value::Int(u16::from_be_bytes(self.array()?).into()),
            Marker::U32 => Value::Int(u32::from_be_bytes(self.array()?).into()),
            Marker::U64 => Value::from(u64::from_be_bytes(self.array()?)),
            Marker::I8 => Value::Int(i8::from_be_bytes(self.array()?).into()),
            Marker::I16 => Value::Int(i16::from_be_bytes(self.array()?).into()),
            Marker::I32 => Value::Int(i32::from_be_bytes(self.array()?).into()),
            Marker::I64 => Value::Int(i64::from_be_bytes(self.array()?)),
            Marker::F32 => Value::Float(f32::from_be_bytes(self.array()?).into()),
            Marker::F64 => Value::Float(f64::from_be_bytes(self.array()?)),
            _ => return Err(MsgpackError::Reserved),
        })
    }

    fn list(&mut self, length: usize, depth: usize) -> Result<Value, MsgpackError> {
        self.enter(length, 1, depth)?;
        let mut items = Vec::with_capacity(length.min(PREALLOCATED));
        for _ in 0..length {
            items.push(self.value(depth + 1)?);
        }
        self.undefined = false;
        Ok(Value::List(items))
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<Value, MsgpackError> {
        self.enter(length, 2, depth)?;
        let mut entries = IndexMap::with_capacity(length.min(PREALLOCATED));
        for _ in 0..length {
            let key = self.key()?;
            let value = self.value(depth + 1)?;
            // JavaScript omits what is undefined.
            if !std::mem::take(&mut self.undefined) {
                entries.insert(key, value);
            }
        }
        Ok(Value::Map(entries))
    }

    /// Refuses a collection that is longer than the remaining bytes.
    const fn enter(&self, length: usize, bytes_each: usize, depth: usize) -> Result<(), MsgpackError> {
        if depth >= MAX_DEPTH {
            Err(MsgpackError::TooDeep)
        } else if length > self.rest.len() / bytes_each {
            Err(MsgpackError::Truncated)
        } else {
            Ok(())
        }
    }

    #[inline]
    fn key(&mut self) -> Result<Box<str>, MsgpackError> {
        let marker = self.marker()?;
        if let Some(length) = self.text_length(marker)? {
            return self.text(length);
        }
        self.other_key(marker)
    }

    #[cold]
    fn other_key(&mut self, marker: Marker) -> Result<Box<str>, MsgpackError> {
        use Marker::{
            Array16, Array32, Bin8, Bin16, Bin32, Ext8, Ext16, Ext32, FixArray, FixExt1, FixExt2, FixExt4, FixExt8,
            FixExt16, FixMap, Map16, Map32,
        };
        match marker {
            FixMap(_) | Map16 | Map32 => return Err(MsgpackError::Key("a map")),
            FixArray(_) | Array16 | Array32 => return Err(MsgpackError::Key("a list")),
            Bin8 | Bin16 | Bin32 => return Err(MsgpackError::Key("bytes")),
            FixExt1 | FixExt2 | FixExt4 | FixExt8 | FixExt16 | Ext8 | Ext16 | Ext32 => {
                return Err(MsgpackError::Key("an extension"));
            }
            _ => {}
        }
        Ok(match self.scalar(marker)? {
            Value::Bool(true) => "true".into(),
            Value::Bool(false) => "false".into(),
            Value::Int(number) => number.to_string().into(),
            Value::UInt(number) => number.to_string().into(),
            Value::Float(number) => python_float(number).into(),
            _ => "null".into(),
        })
    }

    #[cold]
    fn extension(&mut self, length: usize, fixed: bool) -> Result<Value, MsgpackError> {
        let kind = i8::from_be_bytes(self.array()?);
        let data = self.slice(length)?;
        Ok(match (kind, data) {
            (-1, _) => timestamp(data)?,
            // The types of notepack.io 2, which emitters of Socket.IO up to 4 use.
            (0, [_]) if fixed => {
                self.undefined = true;
                Value::Null
            }
            (0, _) if fixed && length == 8 => {
                let millis = i64::from_be_bytes(data.try_into().map_err(|_| MsgpackError::Timestamp)?);
                date(i128::from(millis) * 1_000_000)
            }
            (0, _) if !fixed => Value::Bytes(Bytes::copy_from_slice(data)),
            (BIG, digits) => {
                let number = std::str::from_utf8(digits).ok().and_then(Value::integer);
                number.ok_or(MsgpackError::Extension(BIG))?
            }
            _ => return Err(MsgpackError::Extension(kind)),
        })
    }
}

/// The extension type of an integer beyond 64 bits between nodes: its digits.
const BIG: i8 = 0x42;

/// Maximum number of elements allocated at once for a collection's stated length.
const PREALLOCATED: usize = 64;

/// The timestamp extension in its three lengths (msgpack specification, "Timestamp extension type").
fn timestamp(data: &[u8]) -> Result<Value, MsgpackError> {
    let (seconds, nanos) = if let Ok(data) = <[u8; 4]>::try_from(data) {
        (i64::from(u32::from_be_bytes(data)), 0)
    } else if let Ok(data) = <[u8; 8]>::try_from(data) {
        let packed = u64::from_be_bytes(data);
        ((packed & 0x3_FFFF_FFFF).cast_signed(), packed >> 34)
    } else if let Some((nanos, seconds)) = data.split_first_chunk::<4>() {
        let seconds = <[u8; 8]>::try_from(seconds).map_err(|_| MsgpackError::Timestamp)?;
        (i64::from_be_bytes(seconds), u64::from(u32::from_be_bytes(*nanos)))
    } else {
        return Err(MsgpackError::Timestamp);
    };
    if nanos >= 1_000_000_000 {
        return Err(MsgpackError::Timestamp);
    }
    Ok(date(i128::from(seconds) * 1_000_000_000 + i128::from(nanos)))
}

/// A time since 1970 in nanoseconds as JavaScript writes a `Date` (`toISOString`), with more digits if it is not in whole
/// milliseconds. Outside the range of `Date` it is null, as in JavaScript.
fn date(nanos: i128) -> Value {
    const DAY: i128 = 86_400_000_000_000;
    // 100 million days in each direction.
    if nanos.abs() > 100_000_000 * DAY {
        return Value::Null;
    }
    let (days, time) = (nanos.div_euclid(DAY), nanos.rem_euclid(DAY));
    // Days from 0000-03-01 in eras of 400 years; a year begins in March, so that the leap day is its last.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + i128::from(month <= 2);
    let year = if (0..=9999).contains(&year) { format!("{year:04}") } else { format!("{year:+07}") };
    let (seconds, nanos) = (time / 1_000_000_000, time % 1_000_000_000);
    let (minutes, second) = (seconds / 60, seconds % 60);
    let (hour, minute) = (minutes / 60, minutes % 60);
    let fraction = format!("{nanos:09}");
    let length = fraction.trim_end_matches('0').len().max(3);
    let fraction = &fraction[..length];
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction}Z").into()
}

/// The output of Python's `msgpack.packb`: the shortest form of each integer, floats as float64. At most `limit` bytes.
///
/// Python refuses text with lone surrogates and integers beyond 64 bits, and so does this.
pub fn encode(value: &Value, limit: usize) -> Result<Vec<u8>, WriteError> {
    limited::write(limit, |out| encode_into(value, Reader::Any, out))
}

/// The same for other nodes, which read every value.
pub fn encode_for_nodes(value: &Value, limit: usize) -> Result<Vec<u8>, WriteError> {
    limited::write(limit, |out| encode_into(value, Reader::Node, out))
}

/// Who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Any program.
    Any,
    /// Only nodes.
    Node,
}

/// Like [`encode()`], appended to `out`.
pub(super) fn encode_into(value: &Value, reader: Reader, out: &mut Writer<'_>) -> io::Result<()> {
    match value {
        Value::Null => encode::write_nil(out),
        Value::Bool(value) => encode::write_bool(out, *value),
        Value::Int(number) => Ok(encode::write_sint(out, *number).map(drop)?),
        Value::UInt(number) => Ok(encode::write_uint(out, *number).map(drop)?),
        Value::Big(digits) => write_big(digits, reader, out),
        Value::Float(number) => Ok(encode::write_f64(out, *number)?),
        Value::Str(text) => write_text(text, reader, out),
        Value::Bytes(bytes) => Ok(encode::write_bin(out, bytes)?),
        Value::List(items) => {
            encode::write_array_len(out, u32::try_from(items.len()).unwrap_or(u32::MAX))?;
            items.iter().try_for_each(|item| encode_into(item, reader, out))
        }
        Value::Map(entries) => {
            map_header(entries.len(), out)?;
            entries.iter().try_for_each(|(key, value)| {
                write_text(key, reader, out)?;
                encode_into(value, reader, out)
            })
        }
    }
}

#[cold]
fn write_big(digits: &str, reader: Reader, out: &mut Writer<'_>) -> io::Result<()> {
    if reader == Reader::Any {
        return Err(io::Error::other("msgpack has no integers beyond 64 bits"));
    }
    encode::write_ext_meta(out, u32::try_from(digits.len()).unwrap_or(u32::MAX), BIG)?;
    out.write_all(digits.as_bytes())
}

/// The header of a map with `length` entries.
pub(super) fn map_header(length: usize, out: &mut Writer<'_>) -> io::Result<()> {
    Ok(encode::write_map_len(out, u32::try_from(length).unwrap_or(u32::MAX)).map(drop)?)
}

/// Whether these are the bytes of a map; no JSON text begins like one.
pub fn begins_map(bytes: &[u8]) -> bool {
    // fixmap, map 16, map 32
    matches!(bytes.first(), Some(0x80..=0x8f | 0xde | 0xdf))
}

/// A text.
pub(super) fn write_text(text: &str, reader: Reader, out: &mut Writer<'_>) -> io::Result<()> {
    if surrogate::is_marked(text) { write_marked(text, reader, out) } else { Ok(encode::write_str(out, text)?) }
}

#[cold]
fn write_marked(text: &str, reader: Reader, out: &mut Writer<'_>) -> io::Result<()> {
    if reader == Reader::Any && surrogate::has_lone(text) {
        return Err(io::Error::other("msgpack has no lone surrogates, and a text has one: half an emoji"));
    }
    let bytes = surrogate::wide_utf8(text);
    encode::write_str_len(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX))?;
    out.write_all(&bytes)
}
