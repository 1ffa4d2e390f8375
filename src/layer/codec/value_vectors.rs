//! Values that a reader could change (tests/fixtures/value-vectors.json): what Python's and JavaScript's own readers give,
//! the node's give, too.

use serde::Deserialize;

use super::{json, msgpack, pickle};
use crate::{
    event::{self, Value},
    limited,
};

#[derive(Deserialize)]
struct Vector {
    id: String,
    format: String,
    bytes: String,
    python: Option<String>,
    javascript: Option<String>,
}

fn vectors(format: &str) -> Vec<Vector> {
    let all: Vec<Vector> = serde_json::from_str(include_str!("../../../tests/fixtures/value-vectors.json")).unwrap();
    all.into_iter().filter(|vector| vector.format == format).collect()
}

fn bytes(vector: &Vector) -> Vec<u8> {
    hex::decode(&vector.bytes).unwrap()
}

/// What a client gets.
fn client(value: &Value) -> String {
    String::from_utf8(limited::json(value, usize::MAX).unwrap()).unwrap()
}

/// What a Python reader gets, in its own form.
fn python(value: &Value) -> String {
    String::from_utf8(json::encode(value, usize::MAX).unwrap()).unwrap()
}

/// Whether JavaScript writes every number in it with the same digits.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Float(_) | Value::UInt(_) | Value::Big(_) => false,
        Value::Int(number) => number.unsigned_abs() <= 1 << 53,
        Value::List(items) => items.iter().all(is_plain),
        Value::Map(entries) => entries.values().all(is_plain),
        _ => true,
    }
}

/// Checks every writer on a value that Python wrote as this text.
#[track_caller]
fn check(id: &str, value: &Value, text: &str) {
    assert_eq!(python(value), text, "{id}");
    let again = |what: &str, read: Value| assert_eq!(python(&read), text, "{id}: {what}");
    again("Python", json::decode(text.as_bytes()).unwrap());
    again("pickle", pickle::decode(&pickle::encode(value)).unwrap());
    again("nodes", msgpack::decode(&msgpack::encode_for_nodes(value, usize::MAX).unwrap()).unwrap());
    // A client's JSON has no NaN.
    if !text.contains("NaN") && !text.contains("Infinity") {
        again("client", json::decode(client(value).as_bytes()).unwrap());
    }
}

#[test]
fn json_is_read_as_python_and_javascript_read_it() {
    let all = vectors("json");
    assert_eq!(all.len(), 31);
    for Vector { id, python, javascript, .. } in &all {
        let bytes = bytes(all.iter().find(|vector| vector.id == *id).unwrap());
        let read = json::decode(&bytes);
        assert_eq!(read.is_ok(), python.is_some(), "{id}: {read:?}");
        let strict = event::json::read_strict(std::str::from_utf8(&bytes).unwrap());
        assert_eq!(strict.is_ok(), python.is_some() && javascript.is_some(), "{id}: {strict:?}");
        let (Ok(value), Some(python)) = (read, python) else { continue };
        check(id, &value, python);
        let (Ok(strict), Some(javascript)) = (strict, javascript) else { continue };
        assert_eq!(strict, value, "{id}");
        if is_plain(&value) {
            assert_eq!(client(&value), *javascript, "{id}");
        }
    }
}

#[test]
fn pickles_are_read_as_python_reads_them() {
    let all = vectors("pickle");
    assert_eq!(all.len(), 51);
    for vector in &all {
        check(&vector.id, &pickle::decode(&bytes(vector)).unwrap(), vector.python.as_ref().unwrap());
    }
}

#[test]
fn msgpack_is_read_as_python_and_every_emitter_of_javascript_read_it() {
    let all = vectors("msgpack");
    let mut compared = 0;
    for vector in &all {
        let value = msgpack::decode(&bytes(vector)).unwrap_or_else(|error| panic!("{}: {error}", vector.id));
        if let Some(python) = &vector.python {
            check(&vector.id, &value, python);
            compared += 1;
        }
        if let Some(javascript) = &vector.javascript
            && (is_plain(&value) || vector.id.ends_with("numbers"))
        {
            assert_eq!(client(&value), *javascript, "{}", vector.id);
            compared += 1;
        }
    }
    assert_eq!(compared, all.len());
    assert!(compared > 45, "{compared}");
}

#[test]
fn msgpack_for_python_is_refused_where_python_refuses_it() {
    for (text, refused) in [
        (r#"{"a": "\ud83d"}"#, true),
        (r#"{"\ud83d": 1}"#, true),
        (r#"["\udbfa\udc00"]"#, false),
        (r#"{"\udbfa\udc00\udbf8\udc00": 1}"#, false),
        ("[18446744073709551616]", true),
        ("[-9223372036854775809]", true),
        ("[18446744073709551615]", false),
    ] {
        let value = json::decode(text.as_bytes()).unwrap();
        let written = msgpack::encode(&value, usize::MAX);
        assert_eq!(written.is_err(), refused, "{text}: {written:?}");
        if let Ok(written) = written {
            assert_eq!(msgpack::decode(&written), Ok(value), "{text}");
        }
    }
}
