//! Every byte vector of the real emitters (tests/fixtures/emitter-vectors.json), with the expected result of each.
//!
//! The expectations are written here by the name of the vector; the bytes of every version must give the same.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{EmitterError, decode_node, decode_python};
use crate::{
    config::PythonList,
    event::{Content, Emission, EmissionTarget, Eviction, Source, Value},
    layer::Signal,
};

const VECTORS: &str = include_str!("../../../tests/fixtures/emitter-vectors.json");

/// Namespace, rooms, except, event with its arguments, volatile. Bytes are `{"$bytes": hex}`; values without a JSON
/// form are text.
type Expected = (&'static str, &'static [&'static str], &'static [&'static str], Json, bool);

fn python(name: &str) -> Option<Expected> {
    Some(match name {
        "emit_dict_room" => ("/", &["room_1"], &[], json!(["chat message", {"text": "héllo", "n": 1}]), false),
        "emit_all" => ("/", &[], &[], json!(["notify", "hi"]), false),
        "emit_ns" => ("/admin", &["r"], &[], json!(["notify", 5]), false),
        "emit_none" => ("/", &[], &[], json!(["tick"]), false),
        "emit_tuple" => ("/", &[], &[], json!(["two", "a", {"b": 2}]), false),
        "emit_list" => ("/", &[], &[], json!(["list", ["a", "b"]]), false),
        "emit_empty_tuple" => ("/", &[], &[], json!(["zero"]), false),
        "emit_room_list" => ("/", &["a", "b"], &[], json!(["notify", 1]), false),
        "emit_skip_sid" => ("/", &["r"], &["SID1"], json!(["notify", 1]), false),
        "emit_skip_sid_list" => ("/", &["r"], &["SID1", "SID2"], json!(["notify", 1]), false),
        "emit_to_sid" => ("/", &["SID1"], &[], json!(["notify", 1]), false),
        "emit_bytes" => ("/", &[], &[], json!(["bin", {"$bytes": "00ff"}]), false),
        "emit_nested_bytes" => ("/", &["r"], &[], json!(["bin", {"f": {"$bytes": "6162"}, "n": 1}]), false),
        "emit_datetime" => ("/", &[], &[], json!(["t", "2025-10-09T00:00:00"]), false),
        "emit_nan" => ("/", &[], &[], json!(["t", "NaN"]), false),
        "channel_custom" => ("/", &[], &[], json!(["notify", 1]), false),
        _ => return None,
    })
}

fn node(name: &str) -> Option<Expected> {
    Some(match name {
        "node_emitter/emit_all" => ("/", &[], &[], json!(["notify", {"text": "héllo", "n": 1}]), false),
        "node_adapter/emit_all" => ("/", &[], &[], json!(["notify", {"n": 1}]), false),
        "node_emitter/emit_room" | "node_adapter/emit_room" => ("/", &["room_1"], &[], json!(["notify", 1]), false),
        "node_emitter/emit_two_rooms" => ("/", &["a", "b"], &[], json!(["notify", 1]), false),
        "node_emitter/emit_except" => ("/", &["a"], &["b"], json!(["notify", 1]), false),
        "node_emitter/emit_flags" => ("/", &[], &[], json!(["notify", 1]), true),
        "node_emitter/emit_ns" => ("/admin", &["r"], &[], json!(["notify", 1]), false),
        "node_emitter/emit_many_args" => {
            ("/", &[], &[], json!(["m", 1, "two", null, null, true, 1.5, [1], {"a": {}}]), false)
        }
        "node_emitter/emit_buffer" | "node_adapter/emit_buffer" => {
            ("/", &[], &[], json!(["bin", {"$bytes": "00ff"}]), false)
        }
        "node_emitter/emit_date" => ("/", &[], &[], json!(["d", "2025-10-09T08:53:20.123Z"]), false),
        "node_emitter/emit_big" => {
            ("/", &[], &[], json!(["n", 4_294_967_296_i64, -2_147_483_649_i64, 9_007_199_254_740_991_i64]), false)
        }
        "node_emitter/key" => ("/", &["r"], &[], json!(["notify", 1]), false),
        "node_emitter/json_parser" => ("/", &[], &[], json!(["notify", 1]), false),
        "node_adapter/emit_two_rooms_except" => ("/", &["a", "b"], &["c"], json!(["notify", 1]), false),
        "node_adapter/emit_ns" => ("/admin", &[], &[], json!(["notify", 1]), false),
        "node_adapter/emit_to_sid" => ("/", &["_6BYvgzIYRciYaO6AAAA"], &[], json!(["notify", 1]), false),
        "node_adapter/emit_volatile" => ("/", &[], &[], json!(["notify", 1]), true),
        _ => return None,
    })
}

fn value(json: &Json) -> Value {
    match json {
        Json::Object(entries) => match entries.get("$bytes").and_then(Json::as_str) {
            Some(text) => Value::Bytes(hex::decode(text).unwrap().into()),
            None => entries.iter().map(|(key, entry)| (key.as_str(), value(entry))).collect(),
        },
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        other => serde_json::from_value(other.clone()).unwrap(),
    }
}

#[track_caller]
fn check(id: &str, emission: &Emission, (namespace, rooms, except, event, volatile): &Expected) {
    assert_eq!(emission.target, EmissionTarget::Namespace((*namespace).into()), "{id}");
    assert_eq!(emission.rooms.iter().map(|room| &**room).collect::<Vec<_>>(), *rooms, "{id}");
    assert_eq!(emission.except.iter().map(|id| &**id).collect::<Vec<_>>(), *except, "{id}");
    assert_eq!((emission.volatile, emission.source), (*volatile, Source::Emitter), "{id}");
    match (&emission.content, value(event)) {
        // NaN is not equal to anything.
        (Content::Event(args), Value::List(want)) if want.get(1) == Some(&"NaN".into()) => {
            assert!(matches!(args.as_slice(), [_, Value::Float(number)] if number.is_nan()), "{id}");
        }
        (Content::Event(args), Value::List(want)) => assert_eq!(*args, want, "{id}"),
        other => panic!("{id}: {other:?}"),
    }
}

#[test]
fn every_message_of_the_real_emitters_is_read_correctly() {
    let vectors: Vec<Json> = serde_json::from_str(VECTORS).unwrap();
    let mut runs: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for vector in &vectors {
        let id = vector["id"].as_str().unwrap();
        let (family, name) = id.split_once('/').unwrap();
        let bytes = hex::decode(vector["bytes_hex"].as_str().unwrap()).unwrap();
        let kind = if family.starts_with("sio") {
            check_python(id, family, name, &bytes)
        } else {
            check_node(id, vector["redis_key_or_channel"].as_str().unwrap(), &bytes)
        };
        *runs.entry((family.to_owned(), kind)).or_default() += 1;
    }
    let runs: Vec<(&str, &str, usize)> =
        runs.iter().map(|((family, kind), count)| (family.as_str(), *kind, *count)).collect();
    assert_eq!(
        runs,
        [
            ("node_adapter", "elsewhere", 11),
            ("node_adapter", "emission", 7),
            ("node_emitter", "elsewhere", 4),
            ("node_emitter", "emission", 12),
            ("sio461", "emission", 16),
            ("sio461", "eviction", 1),
            ("sio513", "emission", 16),
            ("sio513", "eviction", 2),
            ("sio513", "unsupported", 1),
            ("sio5140", "emission", 13),
            ("sio5140", "eviction", 2),
            ("sio5140", "unsupported", 1),
            ("sio5150", "emission", 15),
            ("sio5150", "eviction", 2),
            ("sio5150", "unsupported", 1),
            ("sio518", "emission", 15),
            ("sio518", "eviction", 2),
            ("sio518", "unsupported", 1),
        ]
    );
}

fn check_python(id: &str, family: &str, name: &str, bytes: &[u8]) -> &'static str {
    let list = if family == "sio5150" { PythonList::Argument } else { PythonList::Arguments };
    let decoded = decode_python(bytes, list);
    let evicted = |room: &str, id: Option<&str>| Eviction {
        target: EmissionTarget::Namespace("/".into()),
        room: room.into(),
        id: id.map(Into::into),
    };
    let decoded = match (name, decoded) {
        ("enter_room", Err(EmitterError::Unsupported(_))) => return "unsupported",
        ("close_room", Ok(Some(Signal::Eviction(eviction)))) => {
            assert_eq!(eviction, evicted("room_1", None), "{id}");
            return "eviction";
        }
        ("leave_room", Ok(Some(Signal::Eviction(eviction)))) => {
            assert_eq!(eviction, evicted("room_2", Some("SID1")), "{id}");
            return "eviction";
        }
        (_, Ok(Some(Signal::Emission(emission)))) => emission,
        (_, other) => panic!("{id}: {other:?}"),
    };
    let mut expected = python(name).unwrap();
    // These versions write a tuple like a list.
    if ["sio5140", "sio5150"].contains(&family) {
        match name {
            "emit_tuple" => expected.3 = json!(["two", ["a", {"b": 2}]]),
            "emit_empty_tuple" => expected.3 = json!(["zero", []]),
            _ => {}
        }
    }
    check(id, &decoded, &expected);
    "emission"
}

fn check_node(id: &str, channel: &str, bytes: &[u8]) -> &'static str {
    let Some(expected) = node(id) else {
        // Requests and responses have their own channels, to which the node does not subscribe.
        assert!(channel.contains("-request#") || channel.contains("-response#"), "{id}");
        return "elsewhere";
    };
    check(id, &decode_node(bytes).unwrap(), &expected);
    "emission"
}
