//! Broadcasts of `@socket.io/redis-emitter` and `@socket.io/redis-adapter` on `<key>#<namespace>#…`: msgpack, or JSON
//! if configured with such a parser.
//!
//! ```text
//! [uid, {type: 2, data: [event, ...args], nsp}, {rooms: […], except: […], flags: {volatile, …}}]
//! ```

use super::{EmitterError, Parts, rooms};
use crate::{
    event::{Emission, Value},
    layer::codec::{json, msgpack},
};

use EmitterError::Malformed;

/// `EVENT` and `BINARY_EVENT` of socket.io-parser; the emitter writes the first for any arguments.
const EVENTS: [Value; 2] = [Value::Int(2), Value::Int(5)];

/// Decodes the emission of a broadcast.
pub fn decode(payload: &[u8]) -> Result<Emission, EmitterError> {
    let message = match payload.first() {
        Some(b'[' | b'{' | b' ') => json::decode(payload)?,
        _ => msgpack::decode(payload)?,
    };
    let Value::List(mut parts) = message else {
        // Requests of the streams adapter; their sender waits for answers.
        return Err(EmitterError::Unsupported("a message that is not a broadcast".to_owned()));
    };
    let (options, packet) = match (parts.pop(), parts.pop(), parts.len()) {
        (Some(options @ Value::Map(_)), Some(Value::Map(packet)), 1) => (options, packet),
        _ => return Err(Malformed("not [uid, packet, options]")),
    };
    let mut packet = packet;
    if !packet.get("type").is_some_and(|kind| EVENTS.contains(kind)) {
        return Err(Malformed("the packet is not an event"));
    }
    let namespace = match packet.get("nsp") {
        Some(Value::Str(namespace)) => (**namespace).into(),
        None | Some(Value::Null) => "/".into(),
        Some(_) => return Err(Malformed("the namespace is not text")),
    };
    let event = match packet.swap_remove("data") {
        Some(Value::List(event)) if matches!(event.first(), Some(Value::Str(_))) => event,
        _ => return Err(Malformed("the event's name is not text")),
    };
    let list = |key: &str| match options.get(key) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::List(list)) => rooms(list),
        Some(_) => None,
    };
    let rooms = list("rooms").ok_or(Malformed("the rooms are not a list of texts"))?;
    let except = list("except").ok_or(Malformed("the exceptions are not a list of texts"))?;
    let volatile = options.get("flags").and_then(|flags| flags.get("volatile")) == Some(&Value::Bool(true));
    Ok(Parts { namespace, rooms, except, event, volatile }.emission())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EmissionTarget;

    #[test]
    fn a_broadcast_may_omit_every_optional_part() {
        let emission = decode(br#"["u", {"type": 2, "data": ["e"]}, {}]"#).unwrap();
        assert_eq!(emission.target, EmissionTarget::Namespace("/".into()));
        assert!(emission.rooms.is_empty() && emission.except.is_empty() && !emission.volatile);
    }

    #[test]
    fn malformed_broadcasts_are_errors() {
        for bad in [
            "[]",
            r#"["u", {"type": 2, "data": ["e"]}]"#,
            r#"["u", {"type": 2, "data": ["e"]}, {}, {}]"#,
            r#"["u", {"type": 3, "data": ["e"]}, {}]"#,
            r#"["u", {"type": 2, "data": []}, {}]"#,
            r#"["u", {"type": 2, "data": [1]}, {}]"#,
            r#"["u", {"type": 2, "data": ["e"], "nsp": 1}, {}]"#,
            r#"["u", {"type": 2, "data": ["e"]}, {"rooms": "r"}]"#,
            r#"["u", {"type": 2, "data": ["e"]}, {"except": [null]}]"#,
        ] {
            assert!(matches!(decode(bad.as_bytes()), Err(Malformed(_))), "{bad}");
        }
        assert!(matches!(decode(b"{}"), Err(EmitterError::Unsupported(_))));
        assert!(matches!(decode(&[0x80]), Err(EmitterError::Unsupported(_))), "a map");
        assert!(matches!(decode(&[0xc1]), Err(EmitterError::Msgpack(_))));
        assert!(decode(b"").is_err());
    }
}
