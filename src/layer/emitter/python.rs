//! python-socketio's messages between servers (`socketio/pubsub_manager.py`), of every version since 4.
//!
//! | version | form | `data` |
//! | --- | --- | --- |
//! | up to 5.13 | pickle | as passed; a tuple is several arguments |
//! | 5.14.0, 5.14.1 | JSON | as passed; a tuple has become a list and is read as one, as in that version's own server |
//! | 5.14.2 to 5.15.0 | JSON with `binary` | as passed; if binary `[data with placeholders, base64…]` |
//! | 5.15.1 and later | JSON with `binary` | the list of arguments; if binary `[[arguments with placeholders], base64…]` |
//!
//! `close_room` and `leave_room` are supported, too. `enter_room` is not, because the configuration decides who may be
//! in a room; `disconnect` is not, and no write-only manager since 5.10 publishes it.

use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;

use super::{EmitterError, Parts, room, rooms};
use crate::{
    config::PythonList,
    event::{Emission, EmissionTarget, Eviction, Value},
    layer::{
        Signal,
        codec::{json, pickle},
    },
    packet::fill_placeholders,
};

use EmitterError::Malformed;

/// The signal of a message; `None` for messages that only servers need among themselves.
pub fn decode(payload: &[u8], list: PythonList) -> Result<Option<Signal>, EmitterError> {
    // Every pickle since protocol 2 begins with this byte, and no JSON does.
    let (message, data_is_tuple) = if payload.first() == Some(&0x80) {
        let entries = pickle::decode_entries(payload)?;
        let data_is_tuple = entries.tuples.iter().any(|key| &**key == "data");
        (entries.values, Some(data_is_tuple))
    } else {
        (json::decode(payload)?, None)
    };
    if message.as_map().is_none() {
        return Err(Malformed("not a dict"));
    }
    match message.get("method").and_then(Value::as_str) {
        Some("emit") => emission(message, data_is_tuple, list).map(Signal::Emission).map(Some),
        Some("close_room") => eviction(&message, None).map(Some),
        Some("leave_room") => {
            let id = message.get("sid").and_then(Value::as_str).ok_or(Malformed("the id is not text"))?;
            eviction(&message, Some(id.into())).map(Some)
        }
        Some("callback") => Ok(None),
        Some(other) => Err(EmitterError::Unsupported(format!("the method {other:?} of python-socketio"))),
        None => Err(Malformed("the method is missing")),
    }
}

fn emission(mut message: Value, data_is_tuple: Option<bool>, list: PythonList) -> Result<Emission, EmitterError> {
    let Value::Map(entries) = &mut message else { return Err(Malformed("not a dict")) };
    let data = entries.swap_remove("data").unwrap_or_default();
    let name = match entries.swap_remove("event") {
        Some(name @ Value::Str(_)) => name,
        _ => return Err(Malformed("the event's name is not text")),
    };
    let args = match (data_is_tuple, message.get("binary")) {
        (Some(is_tuple), _) => arguments(data, is_tuple),
        (None, None) => arguments(data, false),
        (None, Some(Value::Bool(true))) => {
            let data = with_attachments(data)?;
            arguments(data, list == PythonList::Arguments)
        }
        (None, Some(_)) => arguments(data, list == PythonList::Arguments),
    };
    let namespace = namespace(&message)?;
    let rooms = match message.get("room") {
        None | Some(Value::Null) => Vec::new(),
        // Without a room an emission would reach every client.
        Some(Value::List(list)) if list.is_empty() => return Err(Malformed("an empty list of rooms")),
        Some(room) => names(room).ok_or(Malformed("a room is not text"))?,
    };
    let except = match message.get("skip_sid") {
        None | Some(Value::Null) => Vec::new(),
        Some(ids) => names(ids).ok_or(Malformed("an id to skip is not text"))?,
    };
    let event = std::iter::once(name).chain(args).collect();
    Ok(Parts { namespace, rooms, except, event, volatile: false }.emission())
}

fn eviction(message: &Value, id: Option<Arc<str>>) -> Result<Signal, EmitterError> {
    let room = message.get("room").and_then(room).ok_or(Malformed("the room is not text"))?;
    Ok(Signal::Eviction(Eviction { target: EmissionTarget::Namespace(namespace(message)?), room, id }))
}

fn namespace(message: &Value) -> Result<Arc<str>, EmitterError> {
    match message.get("namespace") {
        None | Some(Value::Null) => Ok("/".into()),
        Some(Value::Str(namespace)) => Ok((**namespace).into()),
        Some(_) => Err(Malformed("the namespace is not text")),
    }
}

/// One name or a list of them.
fn names(value: &Value) -> Option<Vec<Arc<str>>> {
    match value {
        Value::List(list) => rooms(list),
        one => room(one).map(|room| vec![room]),
    }
}

/// The arguments of `emit(data)`: the items of a tuple, nothing for None, else one argument.
fn arguments(data: Value, list_is_arguments: bool) -> Vec<Value> {
    match data {
        // Since 5.15.1 `emit(None)` is written as `[null]`.
        Value::List(items) if list_is_arguments && items == [Value::Null] => Vec::new(),
        Value::List(items) if list_is_arguments => items,
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// Replaces the placeholders in `[data, base64…]` by the attachments.
fn with_attachments(data: Value) -> Result<Value, EmitterError> {
    let Value::List(mut parts) = data else { return Err(Malformed("binary data is not a list")) };
    if parts.is_empty() {
        return Err(Malformed("binary data is empty"));
    }
    let attachments = parts.split_off(1).into_iter().map(|part| match part {
        Value::Str(text) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(text.as_bytes());
            bytes.map(Bytes::from).map_err(|_| Malformed("an attachment is not base64"))
        }
        _ => Err(Malformed("an attachment is not text")),
    });
    let attachments: Vec<Bytes> = attachments.collect::<Result<_, _>>()?;
    fill_placeholders(&mut parts, attachments)
        .map_err(|_| Malformed("placeholders that do not match the attachments"))?;
    Ok(parts.pop().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Content;

    fn args(text: &str, list: PythonList) -> Result<Vec<Value>, EmitterError> {
        decode(text.as_bytes(), list).map(|signal| match signal {
            Some(Signal::Emission(Emission { content: Content::Event(args), .. })) => args[1..].to_vec(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_meaning_of_a_list_depends_on_the_version() {
        let (list, nested) =
            (Value::List(vec![1.into_value(), 2.into_value()]), r#"{"method":"emit","event":"e","data":[1,2]"#);
        let with = |rest: &str, meaning| args(&format!("{nested}{rest}}}"), meaning).unwrap();
        assert_eq!(with("", PythonList::Arguments), std::slice::from_ref(&list), "5.14.0 writes no `binary`");
        assert_eq!(with(r#","binary":false"#, PythonList::Arguments), [1.into_value(), 2.into_value()]);
        assert_eq!(with(r#","binary":false"#, PythonList::Argument), [list]);
    }

    #[test]
    fn an_attachment_of_an_emitter_is_named_once() {
        let place = |number: usize| format!(r#"{{"_placeholder":true,"num":{number}}}"#);
        let read = |data: &str, attachments: &str| {
            let message = format!(r#"{{"method":"emit","event":"e","binary":true,"data":[[{data}]{attachments}]}}"#);
            args(&message, PythonList::Arguments)
        };
        let bytes = |byte: u8| Value::Bytes(vec![byte].into());
        let two = r#","AQ==","Ag==""#;
        assert_eq!(read(&format!("{},{}", place(1), place(0)), two).unwrap(), [bytes(2), bytes(1)]);
        for bad in [format!("{},{}", place(0), place(0)), place(0), "1".to_owned()] {
            assert!(matches!(read(&bad, two), Err(Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn none_means_no_arguments_in_every_form() {
        for (data, list) in [
            (r#""data":null"#, PythonList::Arguments),
            (r#""data":null,"binary":false"#, PythonList::Argument),
            (r#""data":[null],"binary":false"#, PythonList::Arguments),
            (r#""data":[],"binary":false"#, PythonList::Arguments),
        ] {
            assert_eq!(args(&format!(r#"{{"method":"emit","event":"e",{data}}}"#), list).unwrap(), [], "{data}");
        }
    }

    #[test]
    fn rooms_are_texts_or_numbers_and_an_empty_list_is_invalid() {
        let rooms = |room: &str| {
            let message = format!(r#"{{"method":"emit","event":"e","data":1,"room":{room}}}"#);
            decode(message.as_bytes(), PythonList::Arguments).map(|signal| match signal {
                Some(Signal::Emission(emission)) => emission.rooms.join(","),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(rooms("7").unwrap(), "7");
        assert_eq!(rooms(r#"["a", 7]"#).unwrap(), "a,7");
        assert_eq!(rooms("null").unwrap(), "");
        for bad in ["[]", "{}", "1.5", r#"["a", null]"#, "true"] {
            assert!(matches!(rooms(bad), Err(Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn malformed_messages_are_errors() {
        for bad in [
            "[]",
            "{}",
            r#"{"method":"emit","data":1}"#,
            r#"{"method":"emit","event":1}"#,
            r#"{"method":"emit","event":"e","namespace":1}"#,
            r#"{"method":"emit","event":"e","skip_sid":{}}"#,
            r#"{"method":"close_room"}"#,
            r#"{"method":"close_room","room":null}"#,
            r#"{"method":"leave_room","room":"r"}"#,
            r#"{"method":"emit","event":"e","binary":true,"data":1}"#,
            r#"{"method":"emit","event":"e","binary":true,"data":[]}"#,
            r#"{"method":"emit","event":"e","binary":true,"data":[1,2]}"#,
            r#"{"method":"emit","event":"e","binary":true,"data":[1,"?"]}"#,
            r#"{"method":"emit","event":"e","binary":true,"data":[{"_placeholder":true,"num":1},"AA=="]}"#,
            r#"{"method":"emit","event":"e","binary":true,"data":[{"_placeholder":true,"num":-1},"AA=="]}"#,
            r#"{"method":"emit","event":"e","binary":true,"data":[{"_placeholder":true},"AA=="]}"#,
        ] {
            assert!(matches!(decode(bad.as_bytes(), PythonList::Arguments), Err(Malformed(_))), "{bad}");
        }
        assert!(matches!(decode(b"\x80\x04.", PythonList::Arguments), Err(EmitterError::Pickle(_))));
        assert!(matches!(decode(b"", PythonList::Arguments), Err(EmitterError::Json(_))));
        let other = decode(br#"{"method":"frobnicate"}"#, PythonList::Arguments);
        assert!(matches!(other, Err(EmitterError::Unsupported(_))));
    }

    trait IntoValue {
        fn into_value(self) -> Value;
    }

    impl IntoValue for i32 {
        fn into_value(self) -> Value {
            Value::Int(self.into())
        }
    }
}
