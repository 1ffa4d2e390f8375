//! Plain data from a publisher: everything that msgpack and JSON can express, with the order of keys kept.

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use bytes::Bytes;
use indexmap::IndexMap;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::value::RawValue;
use std::fmt;

/// Longer integers are refused, as by Python (`sys.get_int_max_str_digits`).
pub const MAX_DIGITS: usize = 4300;

/// Plain data. Map keys are text: other keys are written like Python's `json.dumps` does (`1`, `true`, `null`).
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Value {
    /// `None`
    #[default]
    Null,
    /// `True`, `False`
    Bool(bool),
    /// An integer of at most 64 signed bits.
    Int(i64),
    /// An integer above [`i64::MAX`].
    UInt(u64),
    /// An integer beyond 64 bits: its decimal digits, with `-` if it is negative.
    Big(Box<str>),
    /// A float; may be NaN or infinite, which JSON frames carry as `null`.
    Float(f64),
    /// Text, packed as in [`surrogate`](super::surrogate).
    Str(Box<str>),
    /// Bytes (msgpack's bin family); JSON frames carry them as base64 text.
    Bytes(Bytes),
    /// A list or tuple.
    List(Vec<Value>),
    /// A dict, in the publisher's order; its keys are packed texts.
    Map(IndexMap<Box<str>, Value>),
}

impl Value {
    /// Memory of a map's entry, in addition to its key's text and its value.
    pub const ENTRY: usize = 40;

    /// An integer from its decimal digits; `None` for other text, and for more digits than [`MAX_DIGITS`].
    #[inline]
    pub fn integer(digits: &str) -> Option<Self> {
        digits.parse().map(Self::Int).ok().or_else(|| Self::large_integer(digits))
    }

    #[cold]
    fn large_integer(text: &str) -> Option<Self> {
        let text = text.strip_prefix('+').unwrap_or(text);
        let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
        if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let canonical = format!("{sign}{}", digits.trim_start_matches('0'));
        let small = canonical.parse().map(Self::Int).or_else(|_| canonical.parse().map(Self::UInt));
        Some(small.unwrap_or_else(|_| Self::Big(canonical.into())))
    }

    /// The value under `key`, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// The text, if this is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The map, if this is one.
    pub fn as_map(&self) -> Option<&IndexMap<Box<str>, Self>> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// Whether it contains bytes anywhere, which JSON cannot express.
    pub fn holds_bytes(&self) -> bool {
        match self {
            Self::Bytes(_) => true,
            Self::List(items) => items.iter().any(Self::holds_bytes),
            Self::Map(entries) => entries.values().any(Self::holds_bytes),
            _ => false,
        }
    }

    /// The approximate memory of the value in bytes.
    pub fn weight(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Str(text) | Self::Big(text) => text.len(),
                Self::Bytes(bytes) => bytes.len(),
                // A list of one has room for four.
                Self::List(items) => {
                    let unused = items.capacity().saturating_sub(items.len()) * size_of::<Self>();
                    unused + items.iter().map(Self::weight).sum::<usize>()
                }
                Self::Map(entries) => {
                    let unused = entries.capacity().saturating_sub(entries.len()) * (Self::ENTRY + size_of::<Self>());
                    unused + entries.iter().map(|(key, value)| Self::ENTRY + key.len() + value.weight()).sum::<usize>()
                }
                _ => 0,
            }
    }

    /// The kind of data, for error messages.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::UInt(_) => "an integer",
            Self::Big(_) => "an integer beyond 64 bits",
            Self::Float(_) => "a number",
            Self::Str(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into_boxed_str())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or(Self::UInt(number), Self::Int)
    }
}

impl<K: Into<Box<str>>> FromIterator<(K, Value)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(pairs: I) -> Self {
        Self::Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }
}

// Most of a node's memory for data is values: `docs/operations/limits.md` and `MAX_VALUES` count with this size.
const _: () = assert!(size_of::<Value>() == 72);

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::UInt(value) => serializer.serialize_u64(*value),
            Self::Big(digits) => big(digits, serializer),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Str(value) => serializer.serialize_str(value),
            Self::Bytes(value) if serializer.is_human_readable() => {
                // Chunk by chunk, so that the writer's limit holds during writing.
                serializer.collect_str(&Base64Display::new(value, &STANDARD))
            }
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::List(items) => list(items, serializer),
            Self::Map(entries) => map(entries, serializer),
        }
    }
}

// Functions of their own: what they need is on the stack once for each level.
#[cold]
fn big<S: Serializer>(digits: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<&RawValue>(digits) {
        Ok(number) => number.serialize(serializer),
        Err(_) => serializer.serialize_str(digits),
    }
}

fn list<S: Serializer>(items: &[Value], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(items.len()))?;
    for item in items {
        list.serialize_element(item)?;
    }
    list.end()
}

fn map<S: Serializer>(entries: &IndexMap<Box<str>, Value>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(entries.len()))?;
    for (key, value) in entries {
        map.serialize_entry(key, value)?;
    }
    map.end()
}

/// The same data for a format that carries bytes beside it, like Socket.IO's packets: they stay bytes.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a>(pub &'a Value);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Value::List(items) => serializer.collect_seq(items.iter().map(Raw)),
            Value::Map(entries) => serializer.collect_map(entries.iter().map(|(key, value)| (key, Raw(value)))),
            plain => plain.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain data")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(Bytes::copy_from_slice(value)))
    }
    fn visit_byte_buf<E>(self, value: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(value.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1024));
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = IndexMap::with_capacity(map.size_hint().unwrap_or(0).min(1024));
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            entries.insert(key.into_boxed_str(), value);
        }
        Ok(Value::Map(entries))
    }
}
