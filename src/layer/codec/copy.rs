//! A node's copy of an event for Channels' own consumers, on a channel to which nodes subscribe as well.
//!
//! Nodes get the event by another way, so they have to recognise the copy, and Channels must not see a difference: the
//! copy begins with its first key twice, the first time with [`MARK`] as the value. Python keeps the last value of a key,
//! at the place of the first. No dict of a publisher is written with a key twice, whatever its values are.
//!
//! ```text
//! {"type": "channelgate.copy", "type": "send_event", "data": 1}
//! ```

use crate::event::Value;

/// The first value of a copy.
pub const MARK: &str = "channelgate.copy";

/// The entries of an event with the mark before them, if there is one.
pub fn marked<'a>(
    entries: impl Iterator<Item = (&'a str, &'a Value)> + Clone,
    mark: Option<&'a Value>,
) -> impl Iterator<Item = (&'a str, &'a Value)> + Clone {
    let first = entries.clone().next().map(|(key, _)| key);
    first.zip(mark).into_iter().chain(entries)
}

/// Whether a serialized event is a copy.
pub fn is_copy(event: &[u8]) -> bool {
    match event.first() {
        Some(b'{') => is_copy_of_json(&event[1..]),
        Some(0x80..=0x8f) => is_copy_of_msgpack(&event[1..]),
        Some(0xde) => event.get(3..).is_some_and(is_copy_of_msgpack),
        Some(0xdf) => event.get(5..).is_some_and(is_copy_of_msgpack),
        _ => false,
    }
}

/// The text of the first key, the mark, and the key again.
fn is_copy_of_msgpack(entries: &[u8]) -> bool {
    let length = match (entries.first(), entries.get(1), entries.get(2)) {
        (Some(short @ 0xa0..=0xbf), ..) => 1 + usize::from(short & 0x1f),
        (Some(0xd9), Some(length), _) => 2 + usize::from(*length),
        (Some(0xda), Some(high), Some(low)) => 3 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => return false,
    };
    let Some((key, rest)) = entries.split_at_checked(length) else { return false };
    // A fixstr, as its length is below 32.
    let Some((header, rest)) = rest.split_first() else { return false };
    usize::from(*header) == 0xa0 + MARK.len()
        && rest.strip_prefix(MARK.as_bytes()).is_some_and(|rest| rest.starts_with(key))
}

fn is_copy_of_json(entries: &[u8]) -> bool {
    let Some(length) = key_of_json(entries) else { return false };
    let (key, rest) = entries.split_at(length);
    // Written with spaces, as Python does.
    let rest = rest.strip_prefix(b": \"").and_then(|rest| rest.strip_prefix(MARK.as_bytes()));
    rest.and_then(|rest| rest.strip_prefix(b"\", "))
        .and_then(|rest| rest.strip_prefix(key))
        .is_some_and(|rest| rest.starts_with(b":"))
}

/// The length of a JSON text with its quotes.
fn key_of_json(text: &[u8]) -> Option<usize> {
    let mut bytes = text.iter().enumerate();
    bytes.next().filter(|(_, quote)| **quote == b'"')?;
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(at + 1),
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{
        config::{Layer, Secret, Serializer},
        layer::codec::{envelope::LayerCodec, json, msgpack},
    };

    fn codecs() -> impl Iterator<Item = LayerCodec> {
        let keys = [Vec::new(), vec![Secret::new("key")]];
        let layers = keys.into_iter().flat_map(|keys| {
            [Serializer::Msgpack, Serializer::Json].map(|serializer| Layer {
                serializer,
                keys: keys.clone(),
                ..Layer::default()
            })
        });
        layers.map(|layer| LayerCodec::new(&layer))
    }

    fn events() -> Vec<Value> {
        let wide: Value =
            (0..70_000).map(|n| (format!("k{n}"), Value::Int(n))).collect::<Vec<_>>().into_iter().collect();
        let texts = [
            r#"{"type": "a"}"#.to_owned(),
            r#"{"data": {"type": "b"}, "type": "a"}"#.to_owned(),
            r#"{"k\"\\\u00e9": 1, "type": "a"}"#.to_owned(),
            format!(r#"{{"{}": 1, "type": "a"}}"#, "k".repeat(40)),
            format!(r#"{{"{}": 1, "type": "a"}}"#, "k".repeat(400)),
            format!(r#"{{"type": "{MARK}", "data": "{MARK}"}}"#),
        ];
        texts.iter().map(|text| json::decode(text.as_bytes()).unwrap()).chain([wide]).collect()
    }

    #[test]
    fn a_copy_is_recognised_and_an_event_is_not_one() {
        for codec in codecs() {
            for event in events() {
                let now = SystemTime::now();
                let copy = codec.encode_copy(&event, now).unwrap();
                assert_eq!(codec.decode_pubsub(&copy), Ok(None));
                let own = codec.encode_pubsub(&event, now).unwrap();
                assert_eq!(codec.decode_pubsub(&own), Ok(Some(event)));
            }
        }
    }

    /// Like Python: the last value of a key, in the place of the first.
    #[test]
    fn a_reader_that_knows_nothing_of_copies_gets_the_event() {
        for event in events() {
            for (serializer, decode) in [(Serializer::Msgpack, 0), (Serializer::Json, 1)] {
                let codec = LayerCodec::new(&Layer { serializer, ..Layer::default() });
                let copy = codec.encode_copy(&event, SystemTime::now()).unwrap();
                let read = if decode == 0 { msgpack::decode(&copy).unwrap() } else { json::decode(&copy).unwrap() };
                assert_eq!(read, event);
                let keys = |value: &Value| value.as_map().unwrap().keys().cloned().collect::<Vec<_>>();
                assert_eq!(keys(&read), keys(&event));
            }
        }
    }

    #[test]
    fn no_beginning_of_a_message_is_a_copy() {
        for codec in codecs().take(2) {
            let copy = codec.encode_copy(&events()[1], SystemTime::now()).unwrap();
            let key_again = copy.windows(4).rposition(|four| four == b"data").unwrap();
            for end in 0..key_again {
                assert!(!is_copy(&copy[..end]), "{end}");
            }
            for at in 0..key_again {
                let mut other = copy.clone();
                other[at] ^= 1;
                // No panic, whatever the bytes are.
                is_copy(&other);
            }
        }
    }
}
