//! Plain data as MiniJinja sees it, without copying: a position in a shared value, converted only when it is read.

use std::{fmt, sync::Arc};

use minijinja::{
    Value as Jinja,
    value::{DynObject, Enumerator, Object, ObjectRepr, ValueKind},
};

use crate::event::{Event, Value, surrogate};

/// The root value of a [`View`].
#[derive(Clone, Debug)]
pub enum Root {
    Event(Arc<Event>),
    Data(Arc<Value>),
}

/// A list or a map somewhere inside a shared value.
#[derive(Clone, Debug)]
pub struct View {
    root: Root,
    /// Indices in lists and maps from the root on; the data never changes, so they stay valid.
    path: Box<[u32]>,
}

impl Root {
    /// The whole value, for expressions.
    pub fn into_jinja(self) -> Jinja {
        View { root: self, path: Box::default() }.into_jinja()
    }

    fn value(&self) -> &Value {
        match self {
            Self::Event(event) => &event.body,
            Self::Data(value) => value,
        }
    }
}

impl View {
    /// The value at its position.
    pub fn target(&self) -> &Value {
        let mut value = self.root.value();
        for index in &self.path {
            let index = *index as usize;
            value = match value {
                Value::List(items) => items.get(index),
                Value::Map(entries) => entries.get_index(index).map(|(_, value)| value),
                _ => None,
            }
            .unwrap_or(&Value::Null);
        }
        value
    }

    fn into_jinja(self) -> Jinja {
        match scalar(self.target()) {
            Some(value) => value,
            None => Jinja::from_object(self),
        }
    }

    /// Whether it is a map with this key.
    pub fn has_key(&self, key: &str) -> bool {
        self.target().as_map().is_some_and(|entries| entries.contains_key(&*surrogate::tighten(key)))
    }

    fn child(&self, index: usize, value: &Value) -> Jinja {
        scalar(value).unwrap_or_else(|| {
            let path = self.path.iter().copied().chain(u32::try_from(index).ok()).collect();
            Jinja::from_object(Self { root: self.root.clone(), path })
        })
    }

    fn entry(&self, key: &str) -> Option<Jinja> {
        let (index, _, value) = self.target().as_map()?.get_full(&*surrogate::tighten(key))?;
        Some(self.child(index, value))
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        self.target().as_map().into_iter().flat_map(|entries| entries.keys().map(|key| &**key))
    }
}

/// Everything but lists and maps.
fn scalar(value: &Value) -> Option<Jinja> {
    Some(match value {
        Value::Null => Jinja::from(()),
        Value::Bool(value) => Jinja::from(*value),
        Value::Int(value) => Jinja::from(*value),
        Value::UInt(value) => Jinja::from(*value),
        Value::Float(value) => Jinja::from(*value),
        Value::Big(digits) => return digits.parse::<i128>().ok().map(Jinja::from),
        Value::Str(text) => Jinja::from(&*surrogate::loosen(text)),
        Value::Bytes(bytes) => Jinja::from_bytes(bytes.to_vec()),
        Value::List(_) | Value::Map(_) => return None,
    })
}

/// Whether a value is an integer of any size.
pub fn is_integer(value: &Jinja) -> bool {
    value.is_integer() || value.downcast_object_ref::<View>().is_some_and(|view| matches!(view.target(), Value::Big(_)))
}

/// The text of a value that is text. Bytes are not, although MiniJinja takes them for it if they are valid UTF-8.
pub fn as_text(value: &Jinja) -> Option<&str> {
    value.as_str().filter(|_| value.kind() == ValueKind::String)
}

/// A value as MiniJinja writes it inside text, with as little stack for each level as possible.
fn show(value: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Value::Big(digits) => f.write_str(digits),
        Value::List(items) => {
            f.write_str("[")?;
            for (index, item) in items.iter().enumerate() {
                f.write_str(if index > 0 { ", " } else { "" })?;
                show(item, f)?;
            }
            f.write_str("]")
        }
        Value::Map(entries) => {
            f.write_str("{")?;
            for (index, (key, item)) in entries.iter().enumerate() {
                f.write_str(if index > 0 { ", " } else { "" })?;
                fmt::Debug::fmt(&*surrogate::loosen(key), f)?;
                f.write_str(": ")?;
                show(item, f)?;
            }
            f.write_str("}")
        }
        small => fmt::Debug::fmt(&scalar(small).unwrap_or_default(), f),
    }
}

impl Object for View {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match self.target() {
            Value::List(_) => ObjectRepr::Seq,
            Value::Map(_) => ObjectRepr::Map,
            _ => ObjectRepr::Plain,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        match (self.target(), key.as_str()) {
            (Value::Map(_), Some(name)) => self.entry(name),
            // Integer keys of a Python dict arrive as text.
            (Value::Map(_), None) if key.is_integer() => self.entry(&key.to_string()),
            (Value::List(items), None) => {
                let index = key.as_usize()?;
                items.get(index).map(|item| self.child(index, item))
            }
            _ => None,
        }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        self.entry(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.target() {
            Value::List(items) => Enumerator::Seq(items.len()),
            Value::Map(_) => Enumerator::Values(self.keys().map(|key| Jinja::from(&*surrogate::loosen(key))).collect()),
            _ => Enumerator::NonEnumerable,
        }
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        match self.target() {
            Value::List(items) => Some(items.len()),
            Value::Map(entries) => Some(entries.len()),
            _ => None,
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.target(), f)
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<std::cmp::Ordering> {
        let other = other.downcast_ref::<Self>()?;
        (self.target() == other.target()).then_some(std::cmp::Ordering::Equal)
    }
}
