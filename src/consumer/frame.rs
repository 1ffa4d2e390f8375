//! JSON for browsers: compact, keys in the order they were written, numbers exact, NaN as null, bytes as base64.

use bytes::Bytes;
use minijinja::{Value as Jinja, value::ValueKind};
use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap, SerializeSeq},
};

use super::view::View;
use crate::event::Value;

/// A value as JSON text; an error names the key that has no value.
pub(super) fn json(value: &Jinja) -> Result<Bytes, String> {
    if value.is_undefined() {
        return Err("the result is undefined: a key is missing".to_owned());
    }
    write(&Json(value)).map_err(|error| error.to_string())
}

/// Plain data as JSON text.
pub(super) fn plain_json(value: &Value) -> Result<Bytes, String> {
    write(value).map_err(|error| error.to_string())
}

fn write(value: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    let mut text = Vec::with_capacity(256);
    serde_json::to_writer(&mut text, value)?;
    Ok(text.into())
}

struct Json<'a>(&'a Jinja);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.0;
        // Most of a frame is a part of the event as it came.
        if let Some(view) = value.downcast_object_ref::<View>() {
            return view.target().serialize(serializer);
        }
        match value.kind() {
            ValueKind::None => serializer.serialize_unit(),
            ValueKind::Bool => serializer.serialize_bool(value.is_true()),
            ValueKind::Number => number(value, serializer),
            ValueKind::String => serializer.serialize_str(value.as_str().unwrap_or_default()),
            ValueKind::Bytes => {
                Value::Bytes(Bytes::copy_from_slice(value.as_bytes().unwrap_or_default())).serialize(serializer)
            }
            ValueKind::Seq | ValueKind::Iterable => {
                let mut list = serializer.serialize_seq(value.len())?;
                for item in value.try_iter().map_err(S::Error::custom)? {
                    if item.is_undefined() {
                        return Err(S::Error::custom("an item of a list is undefined: a key is missing"));
                    }
                    list.serialize_element(&Json(&item))?;
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
                        Some(name) => map.serialize_entry(name, &Json(&item))?,
                        None => map.serialize_entry(&key.to_string(), &Json(&item))?,
                    }
                }
                map.end()
            }
            kind => Err(S::Error::custom(format_args!("{kind} cannot be sent as JSON"))),
        }
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
