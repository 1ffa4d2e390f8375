//! Decodes typed structs from [`TreeNode`]s with serde; every error is recorded with its key, the value is removed, and
//! decoding continues.

use std::{borrow::Cow, fmt, vec};

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, Unexpected, Visitor,
        value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

use super::{
    error::{ConfigError, Key, KeyPath, did_you_mean},
    names::Names,
    tree::{NodeValue, TreeNode},
};

/// More errors than this do not help.
const MAX_ERRORS: usize = 100;

/// Keys of earlier versions, and what each is called now.
const RENAMED: &[(&str, &str)] = &[("socket.user_timeout", "tcp_user_timeout")];

/// Decodes `node` as a `T`. Errors are added to `errors` and wrong values removed from `node`; `None` if nothing is
/// left.
pub(super) fn decode<T: DeserializeOwned>(node: &mut TreeNode, errors: &mut Vec<ConfigError>) -> Option<T> {
    let mut removed: Vec<Vec<Key>> = Vec::new();
    while errors.len() < MAX_ERRORS {
        let mut fault = match T::deserialize(&*node) {
            Ok(value) => return Some(value),
            Err(fault) => fault,
        };
        fault.path.reverse();
        let mut key = fault.path.clone();
        let mut silent = false;
        match &fault.kind {
            Kind::Unknown { name, .. } => key.push(Key::Name(name.clone())),
            Kind::Missing(name) => {
                // A key that was removed because its value was wrong is not reported a second time as missing.
                key.push(Key::Name((*name).to_owned()));
                silent = removed.contains(&key);
                key.pop();
            }
            // Neither is a value if its wrong part was removed.
            Kind::Other(_) => silent = removed.iter().any(|gone| gone.starts_with(&key)),
        }
        if !silent {
            let path = KeyPath(key.clone());
            let location = node.location_of(&path).clone();
            let now = RENAMED.iter().find(|(was, _)| path.to_string() == *was);
            let reason = now.map_or_else(|| fault.to_string(), |(_, now)| format!("this key is called {now:?} now"));
            errors.push(ConfigError { location: Some(location), key: path, reason });
        }
        let gone = node.remove(&key);
        removed.push(key);
        if !gone {
            return None;
        }
    }
    None
}

/// The first error, with its path from the outside in; for a test that lists the known keys.
#[cfg(test)]
pub(super) fn decode_once<T: DeserializeOwned>(node: &TreeNode) -> Result<T, Fault> {
    T::deserialize(node).map_err(|mut fault| {
        fault.path.reverse();
        fault
    })
}

/// An error of serde. The path is collected from the inside out.
#[derive(Debug)]
pub(super) struct Fault {
    pub path: Vec<Key>,
    pub kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Unknown { name: String, expected: &'static [&'static str] },
    Missing(&'static str),
    Other(String),
}

impl Fault {
    fn inside(mut self, key: impl Into<Key>) -> Self {
        self.path.push(key.into());
        self
    }

    fn other(reason: String) -> Self {
        Self { path: Vec::new(), kind: Kind::Other(reason) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Unknown { name, expected } => {
                let near = did_you_mean(name, expected.iter().copied());
                write!(f, "unknown key{near}")?;
                if near.is_empty() {
                    write!(f, "; known: {}", expected.join(", "))?;
                }
                Ok(())
            }
            Kind::Missing(name) => write!(f, "the key {name:?} is missing"),
            Kind::Other(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::other(message.to_string())
    }
    fn unknown_field(name: &str, expected: &'static [&'static str]) -> Self {
        Self { path: Vec::new(), kind: Kind::Unknown { name: name.to_owned(), expected } }
    }
    fn unknown_variant(name: &str, expected: &'static [&'static str]) -> Self {
        let near = did_you_mean(name, expected.iter().copied());
        Self::other(format!("unknown value {name:?}; known: {}{near}", expected.join(", ")))
    }
    fn missing_field(name: &'static str) -> Self {
        Self { path: Vec::new(), kind: Kind::Missing(name) }
    }
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        // Without the value: it may be a secret under the wrong key.
        let found = match found {
            Unexpected::Bool(_) => "true or false",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
            Unexpected::Float(_) => "a number",
            Unexpected::Str(_) => "text",
            Unexpected::Seq => "a list",
            Unexpected::Map => "a table",
            _ => "something else",
        };
        Self::other(format!("expected {}, found {found}", plain(expected)))
    }
    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match found {
            Unexpected::Signed(number) => {
                Self::other(format!("{number} is out of range, expected {}", plain(expected)))
            }
            Unexpected::Unsigned(number) => {
                Self::other(format!("{number} is out of range, expected {}", plain(expected)))
            }
            _ => Self::other(format!("expected {}", plain(expected))),
        }
    }
}

/// Translates what serde expects into words of the file.
fn plain(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "a string" => "text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        "usize" | "u64" | "u32" | "u16" | "u8" => {
            let most = match text.as_str() {
                "u8" => u64::from(u8::MAX),
                "u16" => u64::from(u16::MAX),
                "u32" => u64::from(u32::MAX),
                _ => return "an integer from 0".to_owned(),
            };
            format!("an integer from 0 to {most}")
        }
        text if text.starts_with("struct ") => "a table".to_owned(),
        text if text.starts_with("enum ") || text.starts_with("variant ") => "one of its words".to_owned(),
        text => text.to_owned(),
    }
}

impl<'de> Deserializer<'de> for &TreeNode {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            NodeValue::Table(entries) => visitor.visit_map(Entries {
                rest: entries.iter().map(|(name, entry)| (name.as_str(), &entry.node)).collect::<Vec<_>>().into_iter(),
                value: None,
            }),
            NodeValue::Array(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            NodeValue::String(text) => visitor.visit_str(text),
            NodeValue::Integer(number) => visitor.visit_i64(*number),
            NodeValue::Float(number) => visitor.visit_f64(*number),
            NodeValue::Boolean(value) => visitor.visit_bool(*value),
            NodeValue::Raw { parsed: Some(node), .. } => node.deserialize_any(visitor),
            NodeValue::Raw { text, .. } => visitor.visit_str(text),
            NodeValue::Removed => visitor.visit_unit(),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            // A variable may have one name in quotation marks, several, and one that looks like a number.
            NodeValue::Raw { parsed, .. } if name == Names::TYPE => match parsed {
                Some(node) if matches!(node.value, NodeValue::String(_)) => visitor.visit_newtype_struct(&**node),
                _ => self.deserialize_seq(visitor),
            },
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            NodeValue::Raw { text, parsed } => match parsed.as_ref().map(|node| &node.value) {
                Some(NodeValue::String(quoted)) => visitor.visit_str(quoted),
                _ => visitor.visit_str(text),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.value {
            NodeValue::Raw { parsed: Some(node), .. } if matches!(node.value, NodeValue::Array(_)) => {
                node.deserialize_any(visitor)
            }
            NodeValue::Raw { text, parsed } => match parsed.as_deref() {
                // An item that is a table may stand alone, like any other.
                Some(node @ TreeNode { value: NodeValue::Table(_), .. }) => {
                    visitor.visit_seq(Items(std::slice::from_ref(node).iter().enumerate()))
                }
                // Files for containers keep quotation marks around the whole.
                Some(TreeNode { value: NodeValue::String(quoted), .. }) => visitor.visit_seq(Words::of(quoted)?),
                _ => visitor.visit_seq(Words::of(text)?),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.value {
            NodeValue::String(word) => visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(word.as_str())),
            NodeValue::Raw { parsed: Some(node), .. } if !matches!(node.value, NodeValue::Raw { .. }) => {
                node.deserialize_enum("", &[], visitor)
            }
            NodeValue::Raw { text, .. } => {
                visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(text.as_str()))
            }
            NodeValue::Table(entries) if entries.len() == 1 => match entries.iter().next() {
                Some((name, entry)) => visitor.visit_enum(Variant { name, node: &entry.node }),
                None => Err(Fault::other("expected one key".to_owned())),
            },
            NodeValue::Table(_) => Err(Fault::other("expected one word, or a table with one key".to_owned())),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        tuple tuple_struct map struct identifier ignored_any
    }
}

struct Items<'a>(std::iter::Enumerate<std::slice::Iter<'a, TreeNode>>);

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        match self.0.find(|(_, item)| !item.is_removed()) {
            Some((index, item)) => seed.deserialize(item).map(Some).map_err(|fault| fault.inside(index)),
            None => Ok(None),
        }
    }
}

/// The items of a list in an environment variable.
struct Words<'a>(std::iter::Enumerate<vec::IntoIter<Cow<'a, str>>>);

impl<'a> Words<'a> {
    /// Those of a list in JSON, one table in JSON, or what is separated by commas. A comma between the Sentinels of one
    /// URL does not separate.
    fn of(text: &'a str) -> Result<Self, Fault> {
        if let Ok(json) = serde_json::from_str(text)
            && let Some(items) = of_json(json)
        {
            return Ok(Self(items.into_iter().map(Cow::Owned).collect::<Vec<_>>().into_iter().enumerate()));
        }
        let mut words: Vec<Cow<'_, str>> = Vec::new();
        for word in text.split(',').map(str::trim) {
            match words.last_mut() {
                Some(last) if last.contains("+sentinel://") && !word.contains("://") && !word.is_empty() => {
                    last.to_mut().push_str(&format!(",{word}"));
                }
                // As an item it could never be meant.
                _ if is_part_of_a_value(word) => {
                    let reason = "is no list; write it as a,b or as [\"a\", \"b\"]";
                    return Err(Fault::other(reason.to_owned()));
                }
                _ => words.push(word.into()),
            }
        }
        Ok(Self(words.into_iter().enumerate()))
    }
}

fn of_json(json: serde_json::Value) -> Option<Vec<String>> {
    let text = |item: serde_json::Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
    match json {
        serde_json::Value::Array(items) => Some(items.into_iter().map(text).collect()),
        table @ serde_json::Value::Object(_) => Some(vec![table.to_string()]),
        _ => None,
    }
}

/// Whether a word has a quotation mark or bracket of TOML or JSON whose other end is missing, or is not understood.
fn is_part_of_a_value(word: &str) -> bool {
    word.starts_with(['"', '\'', '{'])
        || word.ends_with(['"', '\''])
        || word.starts_with("[\"")
        || word.starts_with("['")
}

impl<'de> de::SeqAccess<'de> for Words<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((index, word)) = self.0.next() else { return Ok(None) };
        if word.is_empty() {
            return Err(Fault::other("is empty; write a list as a,b and an empty list as []".to_owned()).inside(index));
        }
        seed.deserialize(StrDeserializer::new(&word)).map(Some).map_err(|fault: Fault| fault.inside(index))
    }
}

struct Entries<'a> {
    rest: vec::IntoIter<(&'a str, &'a TreeNode)>,
    value: Option<(&'a str, &'a TreeNode)>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.value = self.rest.find(|(_, node)| !node.is_removed());
        match self.value {
            Some((name, _)) => seed.deserialize(StrDeserializer::new(name)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        match self.value.take() {
            Some((name, node)) => seed.deserialize(node).map_err(|fault| fault.inside(name)),
            None => Err(Fault::other("a value without a key".to_owned())),
        }
    }
}

struct Variant<'a> {
    name: &'a str,
    node: &'a TreeNode,
}

impl<'de, 'a> de::EnumAccess<'de> for Variant<'a> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let variant = seed.deserialize(StrDeserializer::<Fault>::new(self.name))?;
        Ok((variant, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Err(Fault::other(format!("{:?} has no value", self.name)))
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self.node).map_err(|fault| fault.inside(self.name))
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.node.deserialize_any(visitor)
    }
    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        self.node.deserialize_any(visitor)
    }
}
