//! msgpack, the default serializer of both channel layers.
//!
//! Decoding is one pass over the bytes, recursive to [`MAX_DEPTH`]. A length field is trusted only up to the bytes that
//! are there, and the number of values is bounded, because a value takes far more memory than its byte.

use std::io;

use bytes::Bytes;
use indexmap::IndexMap;
use rmp::{Marker, encode};

use super::{MAX_DEPTH, MAX_VALUES, json::python_float};
use crate::{
    event::Value,
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
    /// A timestamp that is malformed or outside the years -9999 to 9999.
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
/// wins. A timestamp (extension type -1) becomes RFC 3339 text in UTC, `2025-10-09T08:53:20.0000005Z`; other extension
/// types are errors, because no consumer could write them to a client either.
pub fn decode(bytes: &[u8]) -> Result<Value, MsgpackError> {
    let mut reader = Cursor { rest: bytes, values: MAX_VALUES };
    let value = reader.value(0)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(MsgpackError::Trailing(reader.rest.len())) }
}

struct Cursor<'a> {
    rest: &'a [u8],
    /// How many more values are permitted.
    values: usize,
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
    fn text(&mut self, length: usize) -> Result<&'a str, MsgpackError> {
        std::str::from_utf8(self.slice(length)?).map_err(|_| MsgpackError::Utf8)
    }

    fn value(&mut self, depth: usize) -> Result<Value, MsgpackError> {
        self.values = self.values.checked_sub(1).ok_or(MsgpackError::TooMany)?;
        let marker = self.marker()?;
        if let Some(length) = self.text_length(marker)? {
            return Ok(Value::Str(self.text(length)?.into()));
        }
        Ok(match marker {
            Marker::FixMap(length) => self.map(usize::from(length), depth)?,
            Marker::Map16 => {
                let length = self.length16()?;
                self.map(length, depth)?
            }
            Marker::Map32 => {
                let length = self.length32()?;
                self.map(length, depth)?
            }
            Marker::FixArray(length) => self.list(usize::from(length), depth)?,
            Marker::Array16 => {
                let length = self.length16()?;
                self.list(length, depth)?
            }
            Marker::Array32 => {
                let length = self.length32()?;
                self.list(length, depth)?
            }
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
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => {
                let length = self.length8()?;
                self.extension(length)?
            }
            Marker::Ext16 => {
                let length = self.length16()?;
                self.extension(length)?
            }
            Marker::Ext32 => {
                let length = self.length32()?;
                self.extension(length)?
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
        Ok(Value::List(items))
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<Value, MsgpackError> {
        self.enter(length, 2, depth)?;
        let mut entries = IndexMap::with_capacity(length.min(PREALLOCATED));
        for _ in 0..length {
            let key = self.key()?;
            let value = self.value(depth + 1)?;
            entries.insert(key, value);
        }
        Ok(Value::Map(entries))
    }

    /// Refuses a collection that is longer than the remaining bytes.
    fn enter(&self, length: usize, bytes_each: usize, depth: usize) -> Result<(), MsgpackError> {
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
            return Ok(self.text(length)?.into());
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
    fn extension(&mut self, length: usize) -> Result<Value, MsgpackError> {
        let kind = i8::from_be_bytes(self.array()?);
        let data = self.slice(length)?;
        if kind == -1 { timestamp(data) } else { Err(MsgpackError::Extension(kind)) }
    }
}

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
    let nanos = i32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000).ok_or(MsgpackError::Timestamp)?;
    let instant = jiff::Timestamp::new(seconds, nanos).map_err(|_| MsgpackError::Timestamp)?;
    Ok(instant.to_string().into())
}

/// The output of Python's `msgpack.packb`: the shortest form of each integer, floats as float64. At most `limit` bytes.
pub fn encode(value: &Value, limit: usize) -> Result<Vec<u8>, WriteError> {
    limited::write(limit, |out| encode_into(value, out))
}

/// Like [`encode()`], appended to `out`.
pub(super) fn encode_into(value: &Value, out: &mut Writer<'_>) -> io::Result<()> {
    match value {
        Value::Null => encode::write_nil(out),
        Value::Bool(value) => encode::write_bool(out, *value),
        Value::Int(number) => Ok(encode::write_sint(out, *number).map(drop)?),
        Value::UInt(number) => Ok(encode::write_uint(out, *number).map(drop)?),
        Value::Float(number) => Ok(encode::write_f64(out, *number)?),
        Value::Str(text) => write_text(text, out),
        Value::Bytes(bytes) => Ok(encode::write_bin(out, bytes)?),
        Value::List(items) => {
            encode::write_array_len(out, u32::try_from(items.len()).unwrap_or(u32::MAX))?;
            items.iter().try_for_each(|item| encode_into(item, out))
        }
        Value::Map(entries) => {
            map_header(entries.len(), out)?;
            entries.iter().try_for_each(|(key, value)| {
                write_text(key, out)?;
                encode_into(value, out)
            })
        }
    }
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
pub(super) fn write_text(text: &str, out: &mut Writer<'_>) -> io::Result<()> {
    Ok(encode::write_str(out, text)?)
}
