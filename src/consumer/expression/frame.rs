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
    event::{Raw, Value},
    limited::{self, WriteError},
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
            ValueKind::String => serializer.serialize_str(value.as_str().unwrap_or_default()),
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
                        Some(name) => map.serialize_entry(name, &Json::<BYTES>(&item))?,
                        None => map.serialize_entry(&key.to_string(), &Json::<BYTES>(&item))?,
                    }
                }
                map.end()
            }
            kind => Err(S::Error::custom(format_args!("{kind} cannot be sent as JSON"))),
        }
    }
}

/// A value as plain data; an error names the key without a value.
pub fn value(value: &Jinja) -> Result<Value, String> {
    if let Some(view) = value.downcast_object_ref::<View>() {
        return Ok(view.target().clone());
    }
    Ok(match value.kind() {
        ValueKind::None => Value::Null,
        ValueKind::Bool => Value::Bool(value.is_true()),
        ValueKind::Number => match value.as_i64() {
            Some(number) if value.is_integer() => Value::Int(number),
            _ if value.is_integer() => u64::try_from(value.clone()).map_err(|error| error.to_string())?.into(),
            _ => Value::Float(f64::try_from(value.clone()).map_err(|error| error.to_string())?),
        },
        ValueKind::String => value.as_str().unwrap_or_default().into(),
        ValueKind::Bytes => Value::Bytes(Bytes::copy_from_slice(value.as_bytes().unwrap_or_default())),
        ValueKind::Undefined => return Err("a key is missing".to_owned()),
        ValueKind::Seq | ValueKind::Iterable => {
            Value::List(items(value)?.iter().map(self::value).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            let pairs = value.as_object().and_then(|object| object.try_iter_pairs());
            let entry = |(key, item): (Jinja, Jinja)| {
                let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                match item.is_undefined() {
                    true => Err(format!("\"{name}\" is undefined: a key is missing")),
                    false => Ok((name, self::value(&item)?)),
                }
            };
            pairs.into_iter().flatten().map(entry).collect::<Result<_, _>>()?
        }
        kind => return Err(format!("{kind} is not plain data")),
    })
}

/// The items of a list.
pub fn items(value: &Jinja) -> Result<Vec<Jinja>, String> {
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(format!("{} is not a list", value.kind()));
    }
    let items: Vec<Jinja> = value.try_iter().map_err(|error| error.to_string())?.collect();
    match items.iter().any(Jinja::is_undefined) {
        true => Err("an item of a list is undefined: a key is missing".to_owned()),
        false => Ok(items),
    }
}

fn number<S: Serializer>(value: &Jinja, serializer: S) -> Result<S::Ok, S::Error> {
    if !value.is_integer() {
        return serializer.serialize_f64(f64::try_from(value.clone()).map_err(S::Error::custom)?);
    }
    if let Some(number) = value.as_i64() {
        return serializer.serialize_i64(number);
    }
    serializer.serialize_u64(u64::try_from(value.clone()).map_err(S::Error::custom)?)
}
