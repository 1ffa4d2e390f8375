//! The consumers of one configuration.
//!
//! In: the path of a request, or an id. Out: the consumer.

use std::sync::{Arc, OnceLock};

use minijinja::Value as Jinja;

use super::{Consumer, ConsumerId, decode_path};
use crate::event::Value;

/// The name of the node, which is known when it starts: later than its consumers.
#[derive(Clone, Debug, Default)]
pub(super) struct NodeName(Arc<OnceLock<Arc<str>>>);

impl NodeName {
    /// Sets it. A second call changes nothing.
    pub fn set(&self, name: &str) {
        let _ = self.0.set(name.into());
    }

    /// As a value of expressions; empty before the start.
    pub fn value(&self) -> Jinja {
        self.0.get().map_or_else(|| Jinja::from(""), |name| Jinja::from(Arc::clone(name)))
    }
}

/// All consumers, in the order in which paths are tried.
#[derive(Clone, Debug, Default)]
pub struct ConsumerSet {
    pub(super) consumers: Vec<Arc<Consumer>>,
    /// The id of the next new consumer.
    pub(super) next: u32,
    /// The name of the node that they are on.
    pub(super) node: NodeName,
}

impl ConsumerSet {
    /// The first consumer for a request's raw path (percent-encoded, without the query), and the path's parameters.
    pub fn route(&self, path: &str) -> Option<(&Arc<Consumer>, Value)> {
        let path = decode_path(path);
        self.consumers.iter().find_map(|consumer| Some((consumer, consumer.matches(&path)?)))
    }

    /// Names the node that they are on, for its consumers of now and after each reload. Call it once, at the start.
    pub fn on_node(&self, name: &str) {
        self.node.set(name);
    }

    /// The consumer with this id.
    pub fn get(&self, id: ConsumerId) -> Option<&Arc<Consumer>> {
        self.consumers.iter().find(|consumer| consumer.id == id)
    }

    /// The existing consumer with the same name and the same configuration.
    pub(super) fn same(&self, other: &Consumer) -> Option<&Arc<Consumer>> {
        let mine = self.consumers.iter().find(|consumer| consumer.name == other.name)?;
        let alike = serde_json::to_value(&mine.spec).ok()? == serde_json::to_value(&other.spec).ok()?;
        (alike && mine.forms.has_same_others(&other.forms)).then_some(mine)
    }

    /// All consumers.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<Consumer>> {
        self.consumers.iter()
    }

    /// The number of consumers.
    pub fn len(&self) -> usize {
        self.consumers.len()
    }

    /// Whether there are no consumers.
    pub fn is_empty(&self) -> bool {
        self.consumers.is_empty()
    }
}
