//! Round trips of any plain data, and changes of any byte: nothing panics, and encoded values are decoded unchanged.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    cache_value,
    envelope::{Addressee, LayerCodec, Serializer},
    fernet::Keyring,
    json, msgpack,
    names::{LayerNames, is_channel_name, local_name, non_local_name, specific_channel},
    pickle, ring,
};
use crate::{
    config::{Layer, Secret},
    event::Value,
};

/// Any value; `bytes` permits bytes, which JSON cannot return.
fn value(bytes: bool) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-70_000i64..70_000).prop_map(Value::Int),
        any::<u64>().prop_map(Value::from),
        // NaN is not equal to itself; the vectors cover it.
        any::<f64>().prop_filter("a number", |number| !number.is_nan()).prop_map(Value::Float),
        ".{0,40}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(move |raw| match bytes {
            true => Value::Bytes(Bytes::from(raw)),
            false => Value::Int(raw.len() as i64),
        }),
    ];
    leaf.prop_recursive(4, 64, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::List),
            prop::collection::vec((".{0,12}", inner), 0..20).prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

fn event() -> impl Strategy<Value = Value> {
    prop::collection::vec(("[a-z_]{0,8}", value(false)), 0..6).prop_map(|entries| entries.into_iter().collect())
}

/// Bytes that some decoder might expect, then changed.
fn changed() -> impl Strategy<Value = Vec<u8>> {
    let written = (value(true), 0..4u8).prop_map(|(value, format)| match format {
        0 => msgpack::encode(&value, usize::MAX).unwrap(),
        1 => pickle::encode(&value),
        2 => json::encode(&value, usize::MAX).unwrap(),
        _ => cache_value::encode(&value),
    });
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 0..8);
    (written, changes).prop_map(|(mut bytes, changes)| {
        for (at, byte, kind) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn msgpack_returns_what_it_was_given(value in value(true)) {
        prop_assert_eq!(msgpack::decode(&msgpack::encode(&value, usize::MAX).unwrap()).unwrap(), value);
    }

    #[test]
    fn json_returns_what_it_was_given(value in value(false)) {
        let text = json::encode(&value, usize::MAX).unwrap();
        prop_assert!(text.is_ascii());
        prop_assert_eq!(json::decode(&text).unwrap(), value);
    }

    #[test]
    fn pickles_and_cache_values_return_what_they_were_given(value in value(true)) {
        prop_assert_eq!(&pickle::decode(&pickle::encode(&value)).unwrap(), &value);
        prop_assert_eq!(cache_value::decode(&cache_value::encode(&value)).unwrap(), value);
    }

    #[test]
    fn text_is_cached_as_django_reads_it(text in ".{0,300}") {
        let value = cache_value::decode(&cache_value::encode_cache_str(&text)).unwrap();
        prop_assert_eq!(value.as_str(), Some(text.as_str()));
    }

    #[test]
    fn an_event_passes_both_layers_with_any_option(
        body in event(),
        channels in prop::collection::vec("specific\\.[a-z0-9]{1,8}![a-z0-9]{0,8}", 1..4),
        keys in prop::collection::vec("[ -~]{1,20}", 0..3),
        json in any::<bool>(),
        random_prefix_length in 0usize..20,
    ) {
        let serializer = if json { Serializer::Json } else { Serializer::Msgpack };
        let keys = keys.iter().map(Secret::new).collect();
        let layer = Layer { random_prefix_length, keys, serializer, ..Layer::default() };
        let codec = LayerCodec::new(&layer);
        let now = SystemTime::now();
        let member = codec.encode_core(&body, Addressee::Members(&channels), now).unwrap();
        let envelope = codec.decode_core(&member, now).unwrap();
        prop_assert_eq!(&envelope.body, &body);
        prop_assert_eq!(&envelope.channels, &channels);
        let direct = codec.encode_core(&body, Addressee::Channel(&channels[0]), now).unwrap();
        prop_assert_eq!(&codec.decode_core(&direct, now).unwrap().channels, &channels[..1]);
        let plain = codec.encode_core(&body, Addressee::Plain, now).unwrap();
        prop_assert!(codec.decode_core(&plain, now).unwrap().channels.is_empty());
        let message = codec.encode_pubsub(&body, now).unwrap();
        prop_assert_eq!(codec.decode_pubsub(&message).unwrap(), Some(body));
        if !layer.keys.is_empty() {
            let late = now + layer.expiry.0 + Duration::from_secs(12);
            prop_assert!(codec.decode_core(&member, late).is_err());
            prop_assert!(codec.decode_pubsub(&message).is_ok());
        }
    }

    #[test]
    fn a_token_is_decrypted_with_its_key_at_any_position(
        plaintext in prop::collection::vec(any::<u8>(), 0..100),
        keys in prop::collection::hash_set("[ -~]{1,20}", 2..5),
    ) {
        let keys: Vec<String> = keys.into_iter().collect();
        let now = SystemTime::now();
        for key in &keys {
            let token = Keyring::new([key]).encrypt(&plaintext, now).unwrap();
            prop_assert_eq!(&Keyring::new(&keys).decrypt(&token, Some(Duration::ZERO), now).unwrap(), &plaintext);
            let others: Vec<_> = keys.iter().filter(|other| *other != key).collect();
            prop_assert!(Keyring::new(others).decrypt(&token, None, now).is_err());
        }
    }

    #[test]
    fn changed_bytes_never_panic(bytes in changed()) {
        let _ = msgpack::decode(&bytes);
        let _ = json::decode(&bytes);
        let _ = pickle::decode(&bytes);
        let _ = cache_value::decode(&bytes);
        let codec = LayerCodec::new(&Layer::default());
        let _ = codec.decode_core(&bytes, SystemTime::now());
        let _ = codec.decode_pubsub(&bytes);
    }

    #[test]
    fn a_name_has_one_host_and_it_exists(name in ".{0,40}", hosts in 1usize..200) {
        prop_assert!(ring::index(&name, hosts) < hosts);
    }

    #[test]
    fn the_names_of_a_layer_lead_back(client in "[a-z0-9]{1,20}", local in "[a-z0-9.]{1,20}", prefix in "[a-z:]{0,6}") {
        let channel = specific_channel(&client, &local);
        prop_assert!(is_channel_name(&channel));
        prop_assert_eq!(local_name(&channel), Some(local.as_str()));
        let names = LayerNames::new(&prefix);
        prop_assert_eq!(names.core_queue_key(&channel), format!("{prefix}{}", non_local_name(&channel)));
        let redis_channel = names.pubsub_group_channel(&local);
        prop_assert_eq!(names.group_of_pubsub_channel(&redis_channel), Some(local.as_str()));
    }
}
