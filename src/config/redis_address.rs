//! The address of a Redis in every form that channels_redis takes in `hosts`: a URL, a pair of host and port, a table of
//! redis-py's keywords.
//!
//! In: one of them. Out: a [`Secret`] with the URL, or with the pair or table as JSON; `redis::Host` reads both. The
//! keywords are checked there.

use serde::{
    Deserialize, Deserializer,
    de::{
        self, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use serde_json::Value as Json;

use super::Secret;

const EXPECTED: &str = "a Redis URL, a pair [\"10.0.0.1\", 6379], or a table { host = \"10.0.0.1\", port = 6379 }";

struct RedisAddress(Secret);

impl<'de> Deserialize<'de> for RedisAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AddressVisitor)
    }
}

/// Reads one address.
pub(super) fn one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Option::<RedisAddress>::deserialize(deserializer).map(|address| address.map(|address| address.0))
}

/// Reads a list of addresses.
pub(super) fn several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
    let addresses = Vec::<RedisAddress>::deserialize(deserializer)?;
    Ok(addresses.into_iter().map(|address| address.0).collect())
}

struct AddressVisitor;

impl<'de> Visitor<'de> for AddressVisitor {
    type Value = RedisAddress;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RedisAddress, E> {
        // A variable that was left empty must not become an address.
        if text.trim().is_empty() {
            return Err(E::custom("is empty; write a value, or leave it out"));
        }
        Ok(RedisAddress(Secret::new(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<RedisAddress, A::Error> {
        let pair = Json::deserialize(SeqAccessDeserializer::new(items))?;
        Ok(RedisAddress(Secret::new(pair.to_string())))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<RedisAddress, A::Error> {
        let table = Json::deserialize(MapAccessDeserializer::new(entries))?;
        Ok(RedisAddress(Secret::new(table.to_string())))
    }
}
