//! Writes results of expressions for clients: compact JSON, keys in the order they were written, numbers exact, NaN as
//! null. Bytes become base64 text, or stay bytes if the format carries them beside the JSON.

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use bytes::Bytes;
use minijinja::{Value as Jinja, value::ValueKind};
use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap, SerializeSeq},
};

use super::View;
use crate::{
    event::{MAX_DEPTH, Raw, Value, surrogate},
    limited::{self, Allowance, WriteError},
};

/// A value as JSON text of at most `limit` bytes; an error names the key without a value.
pub fn json(value: &Jinja, limit: usize) -> Result<Vec<u8>, WriteError> {
    if value.is_undefined() {
        return Err("the result is undefined: a key is missing".to_owned().into());
    }
    limited::json(&Json::<false>(value), limit)
}

/// A value to write; with `BYTES`, bytes stay bytes.
pub struct Json<'a, const BYTES: bool>(pub &'a Jinja);

impl<const BYTES: bool> Serialize for Json<'_, BYTES> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.0;
        // Most of a frame is an unchanged part of the event.
        if let Some(view) = value.downcast_object_ref::<View>() {
            return if BYTES { Raw(view.target()).serialize(serializer) } else { view.target().serialize(serializer) };
        }
        match value.kind() {
            ValueKind::None => serializer.serialize_unit(),
            ValueKind::Bool => serializer.serialize_bool(value.is_true()),
            ValueKind::Number => number(value, serializer),
            ValueKind::String => serializer.serialize_str(&surrogate::tighten(value.as_str().unwrap_or_default())),
            ValueKind::Bytes if BYTES => serializer.serialize_bytes(value.as_bytes().unwrap_or_default()),
            ValueKind::Bytes => {
                serializer.collect_str(&Base64Display::new(value.as_bytes().unwrap_or_default(), &STANDARD))
            }
            ValueKind::Seq | ValueKind::Iterable => {
                let mut list = serializer.serialize_seq(value.len())?;
                for item in value.try_iter().map_err(S::Error::custom)? {
                    if item.is_undefined() {
                        return Err(S::Error::custom("an item of a list is undefined: a key is missing"));
                    }
                    list.serialize_element(&Json::<BYTES>(&item))?;
                }
                list.end()
            }
            ValueKind::Map => {
                let mut map = serializer.serialize_map(value.len())?;
                let pairs = value.as_object().and_then(|object| object.try_iter_pairs());
                for (key, item) in pairs.into_iter().flatten() {
                    if item.is_undefined() {
                        return Err(S::Error::custom(format_args!("\"{key}\" is undefined: a key is missing")));
                    }
                    match key.as_str() {
                        Some(name) => map.serialize_entry(&*surrogate::tighten(name), &Json::<BYTES>(&item))?,
                        None => map.serialize_entry(&key.to_string(), &Json::<BYTES>(&item))?,
                    }
                }
                map.end()
            }
            kind => Err(S::Error::custom(format_args!("{kind} cannot be sent as JSON"))),
        }
    }
}

/// A value as plain data; an error names the key without a value. What is made is counted against `room` while it is
/// made, by [`Value::weight`]: lists may be lazy, so a small result can be many values.
pub fn value(value: &Jinja, room: &Allowance) -> Result<Value, WriteError> {
    convert(value, room, MAX_DEPTH)
}

fn convert(value: &Jinja, room: &Allowance, levels: usize) -> Result<Value, WriteError> {
    if let Some(view) = value.downcast_object_ref::<View>() {
        count(view.target(), room, levels)?;
        return Ok(view.target().clone());
    }
    take(room, size_of::<Value>())?;
    Ok(match value.kind() {
        ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => match value.as_i64() {
            Some(number) if value.is_integer() => Value::Int(number),
            _ if value.is_integer() => {
                Value::integer(&value.to_string()).ok_or_else(|| "the result is not an integer".to_owned())?
            }
            _ => Value::Float(f64::try_from(value.clone()).map_err(|error| error.to_string())?),
        },
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            take(room, text.len())?;
            Value::Str(surrogate::tighten(text).into())
        }
        ValueKind::Bytes => {
            let bytes = value.as_bytes().unwrap_or_default();
            take(room, bytes.len())?;
            Value::Bytes(Bytes::copy_from_slice(bytes))
        }
        ValueKind::Undefined => return Err("a key is missing".to_owned().into()),
        ValueKind::Seq | ValueKind::Iterable => {
            let levels = below(levels)?;
            let item = |item: Jinja| convert(present(&item)?, room, levels);
            let items = value.try_iter().map_err(|error| error.to_string())?;
            Value::List(items.map(item).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            let levels = below(levels)?;
            let pairs = value.as_object().and_then(|object| object.try_iter_pairs());
            let entry = |(key, item): (Jinja, Jinja)| {
                let name = key.as_str().map_or_else(|| key.to_string(), |name| surrogate::tighten(name).into_owned());
                take(room, Value::ENTRY + name.len())?;
                match item.is_undefined() {
                    true => Err(format!("\"{name}\" is undefined: a key is missing").into()),
                    false => Ok((name, convert(&item, room, levels)?)),
                }
            };
            pairs.into_iter().flatten().map(entry).collect::<Result<_, WriteError>>()?
        }
        kind => return Err(format!("{kind} is not plain data").into()),
    })
}

/// Counts what a copy of the data takes.
fn count(value: &Value, room: &Allowance, levels: usize) -> Result<(), WriteError> {
    take(room, size_of::<Value>())?;
    match value {
        Value::Str(text) | Value::Big(text) => take(room, text.len()),
        Value::Bytes(bytes) => take(room, bytes.len()),
        Value::List(items) => {
            let levels = below(levels)?;
            items.iter().try_for_each(|item| count(item, room, levels))
        }
        Value::Map(entries) => {
            let levels = below(levels)?;
            entries.iter().try_for_each(|(key, item)| {
                take(room, Value::ENTRY + key.len())?;
                count(item, room, levels)
            })
        }
        _ => Ok(()),
    }
}

fn take(room: &Allowance, bytes: usize) -> Result<(), WriteError> {
    room.take(bytes).map_err(|error| room.reason(&error))
}

/// The levels that are left inside a list or an object.
fn below(levels: usize) -> Result<usize, WriteError> {
    levels.checked_sub(1).ok_or_else(|| format!("the result has more than {MAX_DEPTH} levels").into())
}

fn present(item: &Jinja) -> Result<&Jinja, String> {
    match item.is_undefined() {
        true => Err("an item of a list is undefined: a key is missing".to_owned()),
        false => Ok(item),
    }
}

/// The items of a list, together at most `limit` bytes without what they refer to.
pub fn items(value: &Jinja, limit: usize) -> Result<Vec<Jinja>, WriteError> {
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(format!("{} is not a list", value.kind()).into());
    }
    let room = Allowance::new(limit);
    let item = |item: Jinja| {
        take(&room, size_of::<Jinja>())?;
        present(&item)?;
        Ok(item)
    };
    value.try_iter().map_err(|error| error.to_string())?.map(item).collect()
}

fn number<S: Serializer>(value: &Jinja, serializer: S) -> Result<S::Ok, S::Error> {
    if !value.is_integer() {
        return serializer.serialize_f64(f64::try_from(value.clone()).map_err(S::Error::custom)?);
    }
    if let Some(number) = value.as_i64() {
        return serializer.serialize_i64(number);
    }
    match Value::integer(&value.to_string()) {
        Some(number) => number.serialize(serializer),
        None => Err(S::Error::custom("the result is not an integer")),
    }
}
