//! A configuration before it is typed: what was written, and the position of each key.
//!
//! In: TOML text, or one environment variable. Out: [`Node`]s, merged; `decode` makes the typed structs.

use std::sync::Arc;

use indexmap::IndexMap;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::error::{ConfigError, Key, KeyPath, Origin, Source};

/// A value and its position.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub origin: Origin,
    pub value: NodeValue,
}

#[derive(Clone, Debug)]
pub(super) enum NodeValue {
    Table(IndexMap<String, Entry>),
    Array(Vec<Node>),
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// Text from the environment, read as the type that the key wants; `parsed` if it is also a TOML value.
    Raw {
        text: String,
        parsed: Option<Box<Node>>,
    },
    /// Removed because it was wrong, so that the rest can be decoded; its index in a list stays.
    Removed,
}

/// A value under a key, and the key's position.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: Origin,
    pub node: Node,
}

/// Parses TOML text; returns what could be read, and every error.
pub(super) fn parse(text: &str, source: Source) -> (Node, Vec<ConfigError>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let reader = Reader { lines: Lines::of(text), source: Arc::new(source) };
    let mut errors: Vec<_> = errors
        .into_iter()
        .map(|error| ConfigError {
            origin: Some(reader.origin(error.span().map_or(0, |span| span.start))),
            key: KeyPath::ROOT,
            reason: error.message().to_owned(),
        })
        .collect();
    // After the first error of a line the others are mostly its consequences.
    errors.dedup_by(|next, first| next.origin == first.origin);
    (reader.table(table.span().start, table.into_inner()), errors)
}

/// Parses an environment variable: a TOML value if it is one, else text.
pub(super) fn parse_variable(name: &str, text: &str) -> Node {
    let reader = Reader { lines: Lines(Vec::new()), source: Arc::new(Source::Variable(name.to_owned())) };
    let parsed = DeValue::parse(text.trim()).ok().map(|value| Box::new(reader.node(value)));
    Node { origin: reader.origin(0), value: NodeValue::Raw { text: text.to_owned(), parsed } }
}

struct Reader {
    lines: Lines,
    source: Arc<Source>,
}

impl Reader {
    fn origin(&self, offset: usize) -> Origin {
        Origin { source: self.source.clone(), line: self.lines.at(offset) }
    }

    fn table(&self, offset: usize, table: DeTable<'_>) -> Node {
        let entries = table
            .into_iter()
            .map(|(key, value)| {
                let origin = self.origin(key.span().start);
                (key.into_inner().into_owned(), Entry { key: origin, node: self.node(value) })
            })
            .collect();
        Node { origin: self.origin(offset), value: NodeValue::Table(entries) }
    }

    fn node(&self, value: Spanned<DeValue<'_>>) -> Node {
        let offset = value.span().start;
        let value = match value.into_inner() {
            DeValue::Table(table) => return self.table(offset, table),
            DeValue::Array(items) => NodeValue::Array(items.into_iter().map(|item| self.node(item)).collect()),
            DeValue::String(text) => NodeValue::String(text.into_owned()),
            DeValue::Boolean(value) => NodeValue::Boolean(value),
            DeValue::Datetime(value) => NodeValue::String(value.to_string()),
            DeValue::Float(value) => NodeValue::Float(value.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Integer(value) => match i64::from_str_radix(value.as_str(), value.radix()) {
                Ok(number) => NodeValue::Integer(number),
                // Beyond 64 bits: no key accepts it, and as text the error shows what was written.
                Err(_) => NodeValue::String(value.to_string()),
            },
        };
        Node { origin: self.origin(offset), value }
    }
}

/// The offsets at which lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}

impl Node {
    /// An empty table that was not written anywhere.
    pub fn empty(source: Source) -> Self {
        Self { origin: Origin { source: Arc::new(source), line: 0 }, value: NodeValue::Table(IndexMap::new()) }
    }

    pub fn table_mut(&mut self) -> Option<&mut IndexMap<String, Entry>> {
        match &mut self.value {
            NodeValue::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value under `key` in a table.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            NodeValue::Table(entries) => entries.get(key).map(|entry| &entry.node),
            _ => None,
        }
    }

    /// The list under `key`, created if missing; `None` if it is not a list.
    pub fn list_mut(&mut self, key: &str) -> Option<&mut Vec<Self>> {
        let origin = self.origin.clone();
        let entry = self.table_mut()?.entry(key.to_owned()).or_insert_with(|| Entry {
            key: origin.clone(),
            node: Self { origin, value: NodeValue::Array(Vec::new()) },
        });
        match &mut entry.node.value {
            NodeValue::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Puts `node` at `path`, replacing what was there.
    pub fn insert(&mut self, path: &[String], node: Self) {
        let Some((name, rest)) = path.split_first() else {
            *self = node;
            return;
        };
        if let (NodeValue::Array(items), Ok(index)) = (&mut self.value, name.parse::<usize>())
            && let Some(item) = items.get_mut(index)
        {
            return item.insert(rest, node);
        }
        if self.table_mut().is_none() {
            *self = Self { origin: node.origin.clone(), value: NodeValue::Table(IndexMap::new()) };
        }
        if let Some(entries) = self.table_mut() {
            let origin = node.origin.clone();
            let blank = Self { origin: origin.clone(), value: NodeValue::Table(IndexMap::new()) };
            let entry = entries.entry(name.clone()).or_insert_with(|| Entry { key: origin.clone(), node: blank });
            if rest.is_empty() {
                entry.key = origin;
            }
            entry.node.insert(rest, node);
        }
    }

    /// Merges the tables of `over` into this one; anything but a table is replaced whole.
    pub fn overlay(&mut self, over: &Self) {
        match (&mut self.value, &over.value) {
            (NodeValue::Table(entries), NodeValue::Table(others)) => {
                for (name, other) in others {
                    match entries.get_mut(name) {
                        Some(entry) => {
                            entry.key = other.key.clone();
                            entry.node.overlay(&other.node);
                        }
                        None => {
                            entries.insert(name.clone(), other.clone());
                        }
                    }
                }
            }
            _ => *self = over.clone(),
        }
    }

    /// `path` with list indices as written, counting removed items.
    pub fn as_written(&self, path: &KeyPath) -> KeyPath {
        let mut node = Some(self);
        let mut written = Vec::with_capacity(path.0.len());
        for key in &path.0 {
            let place = match (node.map(|node| &node.value), key) {
                (Some(NodeValue::Array(items)), Key::Index(index)) => {
                    let mut kept = items.iter().enumerate().filter(|(_, item)| !item.is_removed());
                    kept.nth(*index).map(|(place, _)| Key::Index(place))
                }
                _ => None,
            };
            let key = place.unwrap_or_else(|| key.clone());
            node = node.and_then(|node| node.step(&key)).map(|(_, node)| node);
            written.push(key);
        }
        KeyPath(written)
    }

    /// The position of the key at `path`, as written; else of the nearest table around it.
    pub fn origin_of(&self, path: &KeyPath) -> &Origin {
        let mut found = (&self.origin, self);
        for key in &path.0 {
            match found.1.step(key) {
                Some(next) => found = next,
                None => break,
            }
        }
        found.0
    }

    fn step(&self, key: &Key) -> Option<(&Origin, &Self)> {
        match (&self.value, key) {
            (NodeValue::Table(entries), Key::Name(name)) => entries.get(name).map(|entry| (&entry.key, &entry.node)),
            (NodeValue::Array(items), Key::Index(index)) => items.get(*index).map(|item| (&item.origin, item)),
            _ => None,
        }
    }

    pub fn is_removed(&self) -> bool {
        matches!(self.value, NodeValue::Removed)
    }

    /// Removes the node at `path` (indices as written); returns whether it was there.
    pub fn remove(&mut self, path: &[Key]) -> bool {
        match (path, &mut self.value) {
            ([], NodeValue::Removed) => false,
            ([], value) => {
                *value = NodeValue::Removed;
                true
            }
            ([Key::Name(name)], NodeValue::Table(entries)) => entries.shift_remove(name).is_some(),
            ([Key::Name(name), rest @ ..], NodeValue::Table(entries)) => {
                entries.get_mut(name).is_some_and(|entry| entry.node.remove(rest))
            }
            ([Key::Index(index), rest @ ..], NodeValue::Array(items)) => {
                items.get_mut(*index).is_some_and(|item| item.remove(rest))
            }
            // Inside a variable's own value: the variable is removed as a whole.
            (_, value @ NodeValue::Raw { .. }) => {
                *value = NodeValue::Removed;
                true
            }
            _ => false,
        }
    }
}
