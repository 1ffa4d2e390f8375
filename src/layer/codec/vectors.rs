//! Runs every byte vector of the real libraries (tests/fixtures/wire-vectors.json) through the codec.
//!
//! Each vector goes to exactly one check by its family and kind, and the number of runs per check is asserted, so that
//! none is silently skipped.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value as Json;

use super::{
    cache_value,
    envelope::{Addressee, EnvelopeError, LayerCodec, Serializer},
    fernet::{FernetError, Keyring},
    json, msgpack,
    names::{LayerNames, non_local_name, specific_channel},
    pickle::PickleError,
    ring,
};
use crate::{
    config::{Layer, Secret},
    event::{GroupName, Value},
};

const VECTORS: &str = include_str!("../../../tests/fixtures/wire-vectors.json");

/// The plaintext of all messages in the pub/sub vectors, including the encrypted ones, for which no plaintext is
/// recorded.
const PUBSUB_PLAINTEXT: &str = "83a474797065ac636861742e6d657373616765a474657874a668c3a96c6c6fa16e01";

/// The clock of the deterministic vectors.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_760_000_000)
}

struct Vector(Json);

impl Vector {
    fn id(&self) -> &str {
        self.0["id"].as_str().unwrap()
    }
    fn name(&self) -> &str {
        self.0["redis_key_or_channel"].as_str().unwrap()
    }
    fn kind(&self) -> &str {
        self.0["redis_type_or_command"].as_str().unwrap()
    }
    fn family(&self) -> &str {
        self.id().split('/').next().unwrap()
    }
    fn bytes(&self) -> Vec<u8> {
        hex::decode(self.0["bytes_hex"].as_str().unwrap()).unwrap()
    }
    fn decoded(&self) -> &Json {
        &self.0["decoded"]
    }
    fn passphrases(&self) -> Vec<&str> {
        let keys = self.0["config"]["symmetric_encryption_keys"].as_array();
        keys.into_iter().flatten().map(|key| key.as_str().unwrap()).collect()
    }
    /// The layer's options of the vector's publisher.
    fn layer(&self) -> Layer {
        let old = self.family() == "core24";
        let config = &self.0["config"];
        Layer {
            prefix: config["prefix"].as_str().unwrap_or(if old { "asgi:" } else { "asgi" }).to_owned(),
            random_prefix_length: match config["random_prefix_length"].as_u64() {
                Some(length) => length as usize,
                None if old => 0,
                None => 12,
            },
            keys: self.passphrases().into_iter().map(Secret::new).collect(),
            ..Layer::default()
        }
    }
    fn codec(&self) -> LayerCodec {
        let json = self.0["config"]["serializer_format"] == "json" && !self.id().ends_with("serializer_format_ignored");
        let serializer = if json { Serializer::Json } else { Serializer::Msgpack };
        LayerCodec::new(&Layer { serializer, ..self.layer() })
    }
}

fn vectors() -> Vec<Vector> {
    let all: Vec<Json> = serde_json::from_str(VECTORS).unwrap();
    all.into_iter().map(Vector).collect()
}

/// The expected value for a `decoded` of the fixture, which tags values that JSON cannot express.
fn expected(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => number.as_u64().map_or_else(|| Value::Float(number.as_f64().unwrap()), Value::from),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => Value::List(items.iter().map(expected).collect()),
        Json::Object(entries) => match entries.iter().next() {
            Some((tag, inner)) if tag.starts_with('$') => tagged(tag, inner),
            _ => entries.iter().map(|(key, value)| (key.as_str(), expected(value))).collect(),
        },
    }
}

fn tagged(tag: &str, inner: &Json) -> Value {
    let text = inner.as_str().unwrap_or_default();
    match tag {
        "$bytes_hex" => Value::Bytes(hex::decode(text).unwrap().into()),
        "$int" => match (text.parse::<i64>(), text.parse::<u64>()) {
            (Ok(number), _) => Value::Int(number),
            (_, Ok(number)) => Value::UInt(number),
            _ => Value::Big(text.into()),
        },
        "$float" => Value::Float(text.parse().unwrap()),
        "$tuple" | "$set" => Value::List(inner.as_array().unwrap().iter().map(expected).collect()),
        "$map" => {
            let pair = |pair: &Json| (pair[0].to_string(), expected(&pair[1]));
            inner.as_array().unwrap().iter().map(pair).collect()
        }
        "$datetime" | "$date" | "$decimal" | "$uuid" => text.into(),
        "$repr" => match text {
            "Timestamp(seconds=1760000000, nanoseconds=500)" => "2025-10-09T08:53:20.0000005Z".into(),
            "datetime.timedelta(days=1, seconds=2)" => "P1DT00H00M02S".into(),
            other => panic!("no reading of {other}"),
        },
        other => panic!("unknown tag {other}"),
    }
}

/// Bit-for-bit equality: the order of keys counts, NaN is NaN and -0.0 is not 0.0.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Float(left), Value::Float(right)) => {
            left.to_bits() == right.to_bits() || (left.is_nan() && right.is_nan())
        }
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Map(left), Value::Map(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| left.0 == right.0 && same(left.1, right.1))
        }
        _ => left == right,
    }
}

#[track_caller]
fn assert_same(id: &str, got: &Value, want: &Value) {
    assert!(same(got, want), "{id}: got {got:?}, want {want:?}");
}

/// A message of the core layer: decoded, compared, and if the publisher's form is ours, encoded again byte for byte.
fn check_core_message(vector: &Vector) {
    let decoded = vector.decoded();
    let message = if decoded["message"].is_object() { &decoded["message"] } else { decoded };
    let mut want = expected(message);
    let Value::Map(entries) = &mut want else { panic!("{}", vector.id()) };
    let address = entries.shift_remove("__asgi_channel__");
    let channels: Vec<String> = match &address {
        None => Vec::new(),
        Some(Value::Str(channel)) => vec![channel.to_string()],
        Some(Value::List(channels)) => channels.iter().map(|channel| channel.as_str().unwrap().to_owned()).collect(),
        Some(other) => panic!("{other:?}"),
    };

    let codec = vector.codec();
    let bytes = vector.bytes();
    // The checked parts of live vectors do not depend on the time of recording.
    let envelope = codec.decode_core(&bytes, now()).unwrap();
    assert_same(vector.id(), &envelope.body, &want);
    assert_eq!(envelope.channels, channels, "{}", vector.id());

    let names = LayerNames::new(&vector.layer().prefix);
    if let Some(channel) = channels.first() {
        assert_eq!(names.core_queue_key(channel), vector.name(), "{}", vector.id());
    }

    let address = match &address {
        None => Addressee::Plain,
        Some(Value::Str(channel)) => Addressee::Channel(channel),
        Some(_) => Addressee::Members(&channels),
    };
    let prefix = vector.layer().random_prefix_length;
    let written = codec.encode_core(&envelope.body, address, now()).unwrap();
    if !vector.passphrases().is_empty() {
        assert_token(vector, &bytes[prefix..]);
        let again = codec.decode_core(&written, now()).unwrap();
        assert_same(vector.id(), &again.body, &want);
        assert_eq!(again.channels, channels);
    } else if !["msgpack_intkeys", "msgpack_datetime_ext"].iter().any(|own| vector.id().ends_with(own)) {
        assert_eq!(hex::encode(&written[prefix..]), hex::encode(&bytes[prefix..]), "{}", vector.id());
    }
}

/// Checks the token's plaintext, its age, a wrong key, and the token made again from its IV.
fn assert_token(vector: &Vector, token: &[u8]) {
    let decoded = vector.decoded();
    let keyring = Keyring::new(vector.passphrases());
    let plaintext = hex::decode(decoded["plaintext_hex"].as_str().unwrap_or(PUBSUB_PLAINTEXT)).unwrap();
    assert_eq!(token, decoded["token"].as_str().unwrap().as_bytes());
    let ttl = Some(Duration::from_secs(70));
    assert_eq!(keyring.decrypt(token, ttl, now()).unwrap(), plaintext);
    let at = |seconds: u64| UNIX_EPOCH + Duration::from_secs(seconds);
    assert!(keyring.decrypt(token, ttl, at(1_760_000_070)).is_ok());
    assert_eq!(keyring.decrypt(token, ttl, at(1_760_000_071)), Err(FernetError::Expired));
    assert!(keyring.decrypt(token, ttl, at(1_759_999_940)).is_ok());
    assert_eq!(keyring.decrypt(token, ttl, at(1_759_999_939)), Err(FernetError::Future));
    assert!(keyring.decrypt(token, None, at(1_999_999_999)).is_ok());
    assert_eq!(Keyring::new(["another"]).decrypt(token, None, now()), Err(FernetError::NoKey));
    for key in vector.0["keys"].as_array().unwrap() {
        // A key that only decrypts comes after another one in the ring.
        let ring = Keyring::new(["another", key["passphrase"].as_str().unwrap()]);
        let opens = ring.decrypt(token, None, now()).is_ok();
        assert_eq!(opens, key["passphrase"] == vector.passphrases()[0], "{}", vector.id());
    }
    let iv = hex::decode(decoded["fernet"]["iv_hex"].as_str().unwrap()).unwrap();
    let again = keyring.encrypt_with_iv(&plaintext, now(), iv.try_into().unwrap()).unwrap();
    assert_eq!(again, token, "{}", vector.id());
}

fn check_core_membership(vector: &Vector) {
    let decoded = vector.decoded();
    assert_eq!(vector.bytes(), decoded["channel"].as_str().unwrap().as_bytes());
    let names = LayerNames::new(&vector.layer().prefix);
    let group = vector.name().rsplit(':').next().unwrap();
    assert_eq!(names.core_group_key(group), vector.name(), "{}", vector.id());
}

fn check_pubsub_message(vector: &Vector) {
    let decoded = vector.decoded();
    let want = match decoded["token"].as_str() {
        None => expected(decoded),
        Some(_) => msgpack::decode(&hex::decode(PUBSUB_PLAINTEXT).unwrap()).unwrap(),
    };
    let bytes = vector.bytes();
    let mut codec = vector.codec();
    if vector.id().ends_with("symmetric_encryption_keys_ignored") {
        // Before 4.2.1 this layer ignored its keys. A node with keys refuses the plaintext and reports what it is.
        let refused = codec.decode_pubsub(&bytes);
        assert_eq!(refused, Err(EnvelopeError::Decrypt(FernetError::Malformed)));
        codec = LayerCodec::new(&Layer::default());
    }
    assert_same(vector.id(), &codec.decode_pubsub(&bytes).unwrap().unwrap(), &want);
    let written = codec.encode_pubsub(&want, now()).unwrap();
    if decoded["token"].is_string() {
        assert_token(vector, &bytes);
        assert_same(vector.id(), &codec.decode_pubsub(&written).unwrap().unwrap(), &want);
    } else {
        assert_eq!(hex::encode(written), hex::encode(&bytes), "{}", vector.id());
    }
    let names = LayerNames::new(&vector.layer().prefix);
    match names.group_of_pubsub_channel(vector.name()) {
        Some(group) => assert_eq!(names.pubsub_group_channel(group), vector.name()),
        None => {
            assert!(["send_plain", "send_specific"].iter().any(|own| vector.id().ends_with(own)), "{}", vector.id());
        }
    }
}

fn check_group_name(vector: &Vector) {
    let decoded = vector.decoded();
    let name = decoded["name"].as_str().unwrap();
    // Python's `\d` and `$` accept these two; no project has such groups, and the node stays with ASCII.
    let stricter = ["\u{661}", "room\n"].contains(&name);
    assert_eq!(GroupName::new(name).is_ok(), decoded["result"] == "valid" && !stricter, "{}", vector.id());
}

fn check_worker(vector: &Vector) {
    if vector.id() != "worker/gateway_to_consumer" {
        return check_core_message(vector);
    }
    // Its `decoded` is the browser's message; the message itself names one member of the queue.
    let envelope = vector.codec().decode_core(&vector.bytes(), now()).unwrap();
    let client = json::decode(decoded_text(vector).as_bytes()).unwrap();
    assert_same(vector.id(), &envelope.body, &client);
    assert_eq!(envelope.channels.len(), 1);
    assert_eq!(LayerNames::new("asgi").core_queue_key(&envelope.channels[0]), vector.name());
    let written = vector.codec().encode_core(&envelope.body, Addressee::Members(&envelope.channels), now()).unwrap();
    assert_eq!(written[12..], vector.bytes()[12..]);
}

fn decoded_text(vector: &Vector) -> &str {
    vector.decoded()["client_received"]["text"].as_str().unwrap()
}

/// A plain PUBLISH is JSON if it decodes as such; else it is the bare text or bytes of the vector.
fn check_plain(vector: &Vector) {
    let bytes = vector.bytes();
    let want = expected(vector.decoded());
    match json::decode(&bytes) {
        Ok(got) => assert_same(vector.id(), &got, &want),
        Err(_) => match &want {
            Value::Str(text) => assert_eq!(text.as_bytes(), bytes),
            Value::Bytes(raw) => assert_eq!(*raw, bytes),
            other => panic!("{}: {other:?}", vector.id()),
        },
    }
}

fn check_ring(vector: &Vector) {
    let decoded = vector.decoded();
    match vector.kind() {
        "hash" => {
            for (hosts, index) in decoded["index"].as_object().unwrap() {
                let got = ring::index(vector.name(), hosts.parse().unwrap());
                assert_eq!(got as u64, index.as_u64().unwrap(), "{} over {hosts}", vector.id());
            }
        }
        "observation" if vector.family() == "core43" => {
            let (group, channel) = ("room_1", specific_channel("gw1", "abc"));
            let hosts = |name: &str| {
                let entries = decoded[name].as_array().unwrap().iter();
                entries.map(|entry| entry["host_index"].as_u64().unwrap() as usize).collect::<Vec<_>>()
            };
            let names = LayerNames::new("asgi");
            assert_eq!(hosts(&names.core_group_key(group)), [ring::index(group, 3)]);
            let mut queue = [ring::index(non_local_name(&channel), 3), ring::index(&channel, 3)];
            queue.sort_unstable();
            assert_eq!(hosts(&names.core_queue_key(&channel)), queue);
        }
        "observation" => {
            // The library divides floats; no slot of any ring up to 64 hosts differs.
            for (slot, hosts) in (0..4096u32).flat_map(|slot| (1..=64u32).map(move |hosts| (slot, hosts))) {
                let float = (f64::from(slot) / (4096.0 / f64::from(hosts))) as u32;
                assert_eq!((slot * hosts) >> 12, float);
            }
            assert_eq!(decoded["differences"], Json::Array(Vec::new()));
        }
        _ => {
            let hosts: usize = vector.id().split('_').rev().nth(1).unwrap().parse().unwrap();
            for (key, index) in decoded.as_object().unwrap() {
                let hashed = key.strip_prefix("asgi:group:").unwrap_or(key);
                assert_eq!(ring::index(hashed, hosts) as u64, index.as_u64().unwrap(), "{} {key}", vector.id());
            }
        }
    }
}

fn check_cache(vector: &Vector) {
    let bytes = vector.bytes();
    if vector.id().ends_with("/user_model") {
        let refused = cache_value::decode(&bytes);
        let model = cache_value::CacheValueError::Pickle(PickleError::Forbidden(
            "django.db.models.base.model_unpickle".to_owned(),
        ));
        assert_eq!(refused, Err(model));
        return;
    }
    let want = expected(vector.decoded());
    let got = cache_value::decode(&bytes).unwrap_or_else(|error| panic!("{}: {error}", vector.id()));
    assert_same(vector.id(), &got, &want);
}

#[test]
fn every_vector_of_the_real_libraries_decodes_as_recorded() {
    let mut runs: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut total = 0;
    for vector in vectors() {
        let family = vector.family().to_owned();
        let kind = vector.kind();
        type Check = fn(&Vector);
        let (name, check): (&str, Check) = match family.as_str() {
            "core43" if kind == "name validation" => ("group name", check_group_name),
            "core43" if kind == "observation" => ("ring", check_ring),
            "core24" | "core34" | "core42" | "core43" => match kind {
                "zset member (ZADD score=time of group_add)" => ("membership", check_core_membership),
                _ => ("message", check_core_message),
            },
            "pubsub34" | "pubsub42" | "pubsub43" => ("message", check_pubsub_message),
            "worker" => ("message", check_worker),
            "plain" => ("payload", check_plain),
            "shard" => ("ring", check_ring),
            "cache" | "cache42" | "session" => ("value", check_cache),
            other => panic!("no check for the family {other}"),
        };
        check(&vector);
        *runs.entry((family, name)).or_default() += 1;
        total += 1;
    }
    let runs: Vec<(&str, &str, usize)> =
        runs.iter().map(|((family, name), count)| (family.as_str(), *name, *count)).collect();
    assert_eq!(
        runs,
        [
            ("cache", "value", 179),
            ("cache42", "value", 24),
            ("core24", "membership", 4),
            ("core24", "message", 17),
            ("core34", "membership", 4),
            ("core34", "message", 17),
            ("core42", "membership", 4),
            ("core42", "message", 17),
            ("core43", "group name", 10),
            ("core43", "membership", 4),
            ("core43", "message", 31),
            ("core43", "ring", 1),
            ("plain", "payload", 12),
            ("pubsub34", "message", 7),
            ("pubsub42", "message", 7),
            ("pubsub43", "message", 8),
            ("session", "value", 5),
            ("shard", "ring", 27),
            ("worker", "message", 4),
        ]
    );
    assert_eq!(total, 382);
}
