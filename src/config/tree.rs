//! A configuration before it is typed: what was written, and the position of each key.
//!
//! In: TOML text, or one environment variable. Out: [`TreeNode`]s, merged; `decode` makes the typed structs.

use std::sync::Arc;

use indexmap::IndexMap;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::error::{ConfigError, ConfigSource, Key, KeyLocation, KeyPath};

/// A value and its position.
#[derive(Clone, Debug)]
pub(super) struct TreeNode {
    pub location: KeyLocation,
    pub value: NodeValue,
}

#[derive(Clone, Debug)]
pub(super) enum NodeValue {
    Table(IndexMap<String, TreeEntry>),
    Array(Vec<TreeNode>),
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// Text from the environment, read as the type that the key wants; `parsed` if it is also a TOML value.
    Raw {
        text: String,
        parsed: Option<Box<TreeNode>>,
    },
    /// Removed because it was wrong, so that the rest can be decoded; its index in a list stays.
    Removed,
}

/// A value under a key, and the key's position.
#[derive(Clone, Debug)]
pub(super) struct TreeEntry {
    pub key: KeyLocation,
    pub node: TreeNode,
}

/// Parses TOML text; returns what could be read, and every error.
pub(super) fn parse(text: &str, source: ConfigSource) -> (TreeNode, Vec<ConfigError>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let reader = TreeReader { lines: Lines::of(text), source: Arc::new(source) };
    let mut errors: Vec<_> = errors
        .into_iter()
        .map(|error| ConfigError {
            location: Some(reader.location(error.span().map_or(0, |span| span.start))),
            key: KeyPath::ROOT,
            reason: error.message().to_owned(),
        })
        .collect();
    // After the first error of a line the others are mostly its consequences.
    errors.dedup_by(|next, first| next.location == first.location);
    (reader.table(table.span().start, table.into_inner()), errors)
}

/// Parses an environment variable: a TOML value if it is one, or the items of a list, each in quotation marks, else text.
pub(super) fn parse_variable(name: &str, text: &str) -> TreeNode {
    let reader = TreeReader { lines: Lines(Vec::new()), source: Arc::new(ConfigSource::Variable(name.to_owned())) };
    let text_of_list = format!("[{text}]");
    let value = DeValue::parse(text.trim()).ok();
    let value = value.or_else(|| {
        let is_list = text.trim_start().starts_with(['"', '\'']);
        is_list.then(|| DeValue::parse(&text_of_list).ok()).flatten()
    });
    let parsed = value.map(|value| Box::new(reader.node(value)));
    TreeNode { location: reader.location(0), value: NodeValue::Raw { text: text.to_owned(), parsed } }
}

struct TreeReader {
    lines: Lines,
    source: Arc<ConfigSource>,
}

impl TreeReader {
    fn location(&self, offset: usize) -> KeyLocation {
        KeyLocation { source: self.source.clone(), line: self.lines.at(offset) }
    }

    fn table(&self, offset: usize, table: DeTable<'_>) -> TreeNode {
        let entries = table
            .into_iter()
            .map(|(key, value)| {
                let location = self.location(key.span().start);
                (key.into_inner().into_owned(), TreeEntry { key: location, node: self.node(value) })
            })
            .collect();
        TreeNode { location: self.location(offset), value: NodeValue::Table(entries) }
    }

    fn node(&self, value: Spanned<DeValue<'_>>) -> TreeNode {
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
        TreeNode { location: self.location(offset), value }
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

impl TreeNode {
    /// An empty table that was not written anywhere.
    pub fn empty(source: ConfigSource) -> Self {
        Self { location: KeyLocation { source: Arc::new(source), line: 0 }, value: NodeValue::Table(IndexMap::new()) }
    }

    pub fn table_mut(&mut self) -> Option<&mut IndexMap<String, TreeEntry>> {
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
        let location = self.location.clone();
        let entry = self.table_mut()?.entry(key.to_owned()).or_insert_with(|| TreeEntry {
            key: location.clone(),
            node: Self { location, value: NodeValue::Array(Vec::new()) },
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
            *self = Self { location: node.location.clone(), value: NodeValue::Table(IndexMap::new()) };
        }
        if let Some(entries) = self.table_mut() {
            let location = node.location.clone();
            let blank = Self { location: location.clone(), value: NodeValue::Table(IndexMap::new()) };
            let entry = entries.entry(name.clone()).or_insert_with(|| TreeEntry { key: location.clone(), node: blank });
            if rest.is_empty() {
                entry.key = location;
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
            let index = match (node.map(|node| &node.value), key) {
                (Some(NodeValue::Array(items)), Key::Index(index)) => {
                    let mut kept = items.iter().enumerate().filter(|(_, item)| !item.is_removed());
                    kept.nth(*index).map(|(index, _)| Key::Index(index))
                }
                _ => None,
            };
            let key = index.unwrap_or_else(|| key.clone());
            node = node.and_then(|node| node.step(&key)).map(|(_, node)| node);
            written.push(key);
        }
        KeyPath(written)
    }

    /// The position of the key at `path`, as written; else of the nearest table around it.
    pub fn location_of(&self, path: &KeyPath) -> &KeyLocation {
        let mut found = (&self.location, self);
        for key in &path.0 {
            match found.1.step(key) {
                Some(next) => found = next,
                None => break,
            }
        }
        found.0
    }

    fn step(&self, key: &Key) -> Option<(&KeyLocation, &Self)> {
        match (&self.value, key) {
            (NodeValue::Table(entries), Key::Name(name)) => entries.get(name).map(|entry| (&entry.key, &entry.node)),
            (NodeValue::Array(items), Key::Index(index)) => items.get(*index).map(|item| (&item.location, item)),
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
