//! Values of layer messages as JSON, with what JSON cannot express: bytes are `{"$b": "<base64>"}`, NaN and the infinities
//! `{"$f": "nan" | "inf" | "-inf"}`, and an object of one key that begins with `$` is `{"$d": {…}}`.

use base64::{Engine as _, display::Base64Display, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::event::Value;

/// Bytes.
const BYTES: &str = "$b";
/// A float that is not a number of JSON.
const FLOAT: &str = "$f";
/// An object that looks like one of these.
const DICT: &str = "$d";

/// A value as it is sent to Django.
pub(super) struct Tagged<'a>(pub &'a Value);

impl Serialize for Tagged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Bytes(bytes) => one(serializer, BYTES, &Base64(bytes)),
            Value::Float(number) if !number.is_finite() => one(serializer, FLOAT, name(*number)),
            Value::List(items) => serializer.collect_seq(items.iter().map(Tagged)),
            Value::Map(_) if tag(self.0).is_some() => one(serializer, DICT, &Entries(self.0)),
            Value::Map(_) => Entries(self.0).serialize(serializer),
            plain => plain.serialize(serializer),
        }
    }
}

/// The entries of a map, without a look at what the map is.
struct Entries<'a>(&'a Value);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self.0.as_map().into_iter().flatten();
        serializer.collect_map(entries.map(|(key, value)| (key, Tagged(value))))
    }
}

/// Bytes as base64 text, written piece by piece.
pub(super) struct Base64<'a>(pub &'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

fn one<S: Serializer>(serializer: S, key: &str, value: &(impl Serialize + ?Sized)) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}

const fn name(number: f64) -> &'static str {
    if number.is_nan() {
        "nan"
    } else if number > 0.0 {
        "inf"
    } else {
        "-inf"
    }
}

/// The only key of an object, if it begins with `$`.
fn tag(value: &Value) -> Option<&str> {
    let mut keys = value.as_map()?.keys();
    let key = keys.next().filter(|key| key.starts_with('$'))?;
    keys.next().is_none().then_some(key)
}

/// A value as Django has sent it.
pub(super) fn plain(value: Value) -> Result<Value, String> {
    let Some(key) = tag(&value).map(str::to_owned) else {
        return match value {
            Value::List(items) => Ok(Value::List(items.into_iter().map(plain).collect::<Result<_, _>>()?)),
            Value::Map(_) => entries(value),
            other => Ok(other),
        };
    };
    let inner = match value {
        Value::Map(entries) => entries.into_values().next().unwrap_or_default(),
        _ => Value::Null,
    };
    match (&*key, inner) {
        (BYTES, Value::Str(text)) => Ok(Value::Bytes(bytes(&text)?.into())),
        (FLOAT, Value::Str(text)) => match &*text {
            "nan" => Ok(Value::Float(f64::NAN)),
            "inf" => Ok(Value::Float(f64::INFINITY)),
            "-inf" => Ok(Value::Float(f64::NEG_INFINITY)),
            other => Err(format!("{other:?} is not a float")),
        },
        (DICT, inner @ Value::Map(_)) => entries(inner),
        (_, inner) => Err(format!("an object of the one key {key:?} cannot be {}", inner.kind())),
    }
}

fn entries(value: Value) -> Result<Value, String> {
    match value {
        Value::Map(entries) => {
            let plain = entries.into_iter().map(|(key, value)| Ok((key, plain(value)?)));
            Ok(Value::Map(plain.collect::<Result<_, String>>()?))
        }
        other => Ok(other),
    }
}

/// Base64 as Python writes it.
pub(super) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| format!("bytes that are not base64: {error}"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::event::json::{read, text};

    #[test]
    fn every_value_survives_the_way_to_django_and_back() {
        let map = |key: &str, value: Value| [(key, value)].into_iter().collect::<Value>();
        for (value, written) in [
            (Value::Bytes(Bytes::from_static(b"\0\xff")), r#"{"$b":"AP8="}"#),
            (Value::Float(f64::INFINITY), r#"{"$f":"inf"}"#),
            (Value::Float(f64::NEG_INFINITY), r#"{"$f":"-inf"}"#),
            (Value::Float(1.0), "1.0"),
            (map("$b", "AP8=".into()), r#"{"$d":{"$b":"AP8="}}"#),
            (map("$d", map("$d", Value::Null)), r#"{"$d":{"$d":{"$d":{"$d":null}}}}"#),
            (map("$x", Value::Null), r#"{"$d":{"$x":null}}"#),
            (map("plain", map("$", Value::Int(1))), r#"{"plain":{"$d":{"$":1}}}"#),
            ([("$a", Value::Int(1)), ("b", Value::Int(2))].into_iter().collect(), r#"{"$a":1,"b":2}"#),
            (
                Value::List(vec![Value::Big("9".repeat(30).into()), "\u{e9}".into()]),
                "[999999999999999999999999999999,\"é\"]",
            ),
        ] {
            assert_eq!(text(&Tagged(&value)), written);
            assert_eq!(plain(read(written.as_bytes()).unwrap()), Ok(value));
        }
        let nan = plain(read(text(&Tagged(&Value::Float(f64::NAN))).as_bytes()).unwrap());
        assert!(matches!(nan, Ok(Value::Float(number)) if number.is_nan()));
    }

    #[test]
    fn a_wrong_tag_is_an_error() {
        for wrong in [json!({"$b": "?"}), json!({"$b": 1}), json!({"$f": "1"}), json!({"$d": 1}), json!([{"$t": []}])] {
            assert!(plain(read(wrong.to_string().as_bytes()).unwrap()).is_err(), "{wrong}");
        }
    }
}
