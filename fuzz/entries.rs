//! What each fuzz target does with its bytes. `tests/fuzz_smoke.rs` runs the same functions on the corpus and on
//! mutations of it, so every `cargo test` includes a short fuzz run.
//!
//! Each decoder must return an error or data; data that is written and read again must not change.

#![allow(dead_code)]

use std::time::{Duration, SystemTime};

use channelgate::{
    event::{Payload, Raw, Value},
    layer::codec::{
        cache_value,
        envelope::{Addressee, LayerCodec},
        fernet::Keyring,
        json, msgpack, pickle,
    },
    limited::WriteError,
    packet::{self, PacketDecoder, engine},
};

use channelgate::{config::PythonList, layer::emitter};

#[path = "entries/frames.rs"]
mod client_frames;
#[path = "entries/names.rs"]
mod group_names;
#[path = "entries/heads.rs"]
mod request_heads;

pub use client_frames::run as frames;
pub use group_names::run as names;
pub use request_heads::run as heads;

/// The passphrase of the corpus.
const PASSPHRASE: &str = "wire-reference-encryption-key-one-0123456789";

/// Small limits, so that a fuzzer can reach them.
const PACKETS: packet::PacketLimits = packet::PacketLimits { attachments: 8, bytes: 256 };

/// The encoder's output. It must fit into exactly its own length, and no smaller limit.
fn within(value: &Value, encode: impl Fn(&Value, usize) -> Result<Vec<u8>, WriteError>) -> Vec<u8> {
    let written = encode(value, usize::MAX).expect("plain data is written");
    assert_eq!(encode(value, written.len()).as_ref(), Ok(&written));
    for limit in [written.len() - 1, written.len() / 2, 0] {
        assert_eq!(encode(value, limit), Err(WriteError::TooLarge(limit)));
    }
    written
}

/// A msgpack value, alone and as an event of both layers.
pub fn msgpack(data: &[u8]) {
    if let Ok(value) = msgpack::decode(data) {
        let written = within(&value, msgpack::encode);
        let again = msgpack::decode(&written).expect("own msgpack is read");
        assert_eq!(msgpack::encode(&again, written.len()).as_ref(), Ok(&written));
    }
    envelope(data);
}

/// A JSON value, alone and as an event of both layers.
pub fn json(data: &[u8]) {
    if let Ok(value) = json::decode(data) {
        let written = within(&value, json::encode);
        let again = json::decode(&written).expect("own JSON is read");
        assert_eq!(json::encode(&again, written.len()).as_ref(), Ok(&written));
    }
    envelope(data);
}

/// A message of a Socket.IO emitter: msgpack, JSON or a pickle.
fn emission(data: &[u8]) {
    let _ = emitter::decode_node(data);
    for list in [PythonList::Arguments, PythonList::Argument] {
        let _ = emitter::decode_python(data, list);
    }
}

fn envelope(data: &[u8]) {
    emission(data);
    let codec = LayerCodec::new(&channelgate::config::Layer { random_prefix_length: 0, ..Default::default() });
    let now = SystemTime::now();
    let _ = codec.decode_pubsub(data);
    if let Ok(envelope) = codec.decode_core(data, now) {
        let address = Addressee::Members(&envelope.channels);
        let written = codec.encode_core(&envelope.body, address, now).expect("an event is written");
        let again = codec.decode_core(&written, now).expect("an own event is read");
        assert_eq!(again.channels, envelope.channels);
    }
}

/// Messages of a Socket.IO client, separated by zero bytes: text where they are UTF-8, otherwise attachments.
pub fn packets(data: &[u8]) {
    let mut decoder = PacketDecoder::default();
    for message in data.split(|byte| *byte == 0) {
        let read = match std::str::from_utf8(message) {
            Ok(text) => match engine::parse(text) {
                Ok(engine::EnginePacket::Message(text)) => decoder.text(text, &PACKETS),
                Ok(engine::EnginePacket::Binary(bytes)) => decoder.binary(bytes, &PACKETS),
                Ok(_) | Err(_) => continue,
            },
            Err(_) => decoder.binary(message.to_vec().into(), &PACKETS),
        };
        if let Ok(Some(packet::ClientPacket::Event { namespace, name, args, ack, source })) = read {
            assert!(size(&args).bytes <= data.len(), "attachments are no more than was sent");
            let again = source.copy().read().expect("a decoded event can be decoded again");
            assert!(again == (name.clone(), args.clone()), "the copy has the same name and arguments");
            event(&namespace, &name, args, ack);
        }
    }
}

/// A decoded event is written and read again.
fn event(namespace: &str, name: &str, args: Value, ack: Option<u64>) {
    let Value::List(args) = args else { panic!("arguments are a list") };
    let all = Value::List(std::iter::once(name.into()).chain(args.iter().cloned()).collect());
    let written = packet::event(namespace, ack, &Raw(&all), usize::MAX).expect("what was read can be written");
    stops_at_its_limit(namespace, ack, &all, &written);
    let (text, attachments) = match written {
        Payload::Text(text) => (text, Vec::new()),
        Payload::Packet { text, attachments } => (text, attachments.to_vec()),
        Payload::Binary(_) => panic!("a packet begins with text"),
    };
    // A map that looks like a placeholder may occur where placeholders have no meaning: it is plain data, until it is
    // written beside attachments.
    if !attachments.is_empty() && text.windows(12).filter(|part| part == b"_placeholder").count() > attachments.len() {
        return;
    }
    let text = std::str::from_utf8(&text).expect("text is UTF-8");
    let Ok(engine::EnginePacket::Message(text)) = engine::parse(text) else { panic!("own packets are read: {text}") };
    let mut decoder = PacketDecoder::default();
    let mut again = decoder.text(text, &PACKETS);
    for bytes in attachments {
        assert_eq!(again, Ok(None));
        again = decoder.binary(bytes, &PACKETS);
    }
    let Ok(Some(packet::ClientPacket::Event { name: name_again, args: args_again, ack: ack_again, .. })) = again else {
        panic!("an own event is read: {again:?}")
    };
    assert_eq!((&*name_again, args_again, ack_again), (name, Value::List(args), ack));
}

/// The same event must fit into its own length, and fail with less.
fn stops_at_its_limit(namespace: &str, ack: Option<u64>, all: &Value, written: &Payload) {
    let (Payload::Text(text) | Payload::Packet { text, .. }) = written else { panic!("a packet begins with text") };
    let attachments: usize = match written {
        Payload::Packet { attachments, .. } => attachments.iter().map(|bytes| bytes.len()).sum(),
        _ => 0,
    };
    let length = text.len() + attachments;
    assert_eq!(packet::event(namespace, ack, &Raw(all), length).as_ref(), Ok(written));
    for limit in [0, attachments, length / 4] {
        let within = packet::event(namespace, ack, &Raw(all), limit);
        assert!(within.as_ref() == Ok(written) || within == Err(WriteError::TooLarge(limit)));
    }
}

/// Counts the parts of a value.
#[derive(Default)]
struct Size {
    values: usize,
    text: usize,
    bytes: usize,
}

fn size(value: &Value) -> Size {
    let mut size = Size { values: 1, ..Size::default() };
    let mut add = |more: Size| {
        size.values += more.values;
        size.text += more.text;
        size.bytes += more.bytes;
    };
    match value {
        Value::Str(text) => size.text = text.len(),
        Value::Bytes(bytes) => size.bytes = bytes.len(),
        Value::List(items) => items.iter().for_each(|item| add(self::size(item))),
        Value::Map(entries) => entries.iter().for_each(|(key, item)| {
            add(Size { text: key.len(), ..Size::default() });
            add(self::size(item));
        }),
        _ => {}
    }
    size
}

/// A pickle; its value never becomes much larger than its bytes.
pub fn pickle(data: &[u8]) {
    emission(data);
    if let Ok(value) = pickle::decode(data) {
        let Size { values, text, bytes } = size(&value);
        assert!(values <= (1 << 16) + 4 * data.len(), "{values} values");
        assert!(text + bytes <= (4 << 20) + 16 * data.len(), "{text} + {bytes} bytes");
        let written = pickle::encode(&value);
        let again = pickle::decode(&written).expect("own pickles are read");
        assert_eq!(pickle::encode(&again), written);
    }
}

/// A token, tried with a known key, with and without a TTL.
pub fn fernet(data: &[u8]) {
    let keyring = Keyring::new(["another", PASSPHRASE]);
    let now = SystemTime::now();
    let _ = keyring.decrypt(data, Some(Duration::from_secs(70)), now);
    if let Ok(plaintext) = keyring.decrypt(data, None, now) {
        let token = keyring.encrypt(&plaintext, now).expect("there is a key");
        assert_eq!(keyring.decrypt(&token, Some(Duration::ZERO), now).as_deref(), Ok(&*plaintext));
    }
}

/// A cache value: digits, compressed or not, pickle, JSON or msgpack.
pub fn cache_value(data: &[u8]) {
    if let Ok(value) = cache_value::decode(data) {
        let written = cache_value::encode(&value);
        if written.len() <= cache_value::MAX_CACHE_VALUE {
            let again = cache_value::decode(&written).expect("own cache values are read");
            assert_eq!(cache_value::encode(&again), written);
        }
    }
}
