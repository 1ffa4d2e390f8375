//! Computes the size of a pickle's value before any of it is made.
//!
//! In: the tree, and the length of the pickle. Out: nothing, or that it is too large. Each node is visited once,
//! however often it is referenced, so the work depends on the pickle and not on the size of the result.

use super::{
    PickleError,
    tree::{Id, Node, Tree},
};
use crate::layer::codec::{MAX_DEPTH, MAX_VALUES};

/// Text and bytes that a pickle may contain, counting every repeated reference.
const MAX_TEXT: usize = 16 << 20;

/// The result that a pickle of any length may have through repeated references: values, and bytes of text.
const SPARE: (usize, usize) = (1 << 16, 4 << 20);

/// The same per byte of the pickle: Python references equal keys repeatedly.
const PER_BYTE: (usize, usize) = (4, 16);

/// The longest number written as text, among those of up to 64 bits.
const NUMBER: usize = 24;

/// The longest duration written as text.
const DURATION: usize = 48;

/// The size of a node's value, with everything in it.
#[derive(Clone, Copy, Default)]
struct Cost {
    values: usize,
    text: usize,
    /// How deeply lists and maps are nested in it; none if it was not visited yet, or contains nothing.
    depth: usize,
}

/// Checks the value under `root` for a pickle of this length.
pub(super) fn check(tree: &Tree<'_>, root: Id, length: usize) -> Result<(), PickleError> {
    let most = |all: usize, spare: usize, each: usize| all.min(length.saturating_mul(each).saturating_add(spare));
    let costs = vec![Cost::default(); tree.len()];
    let (values, text) = (most(MAX_VALUES, SPARE.0, PER_BYTE.0), most(MAX_TEXT, SPARE.1, PER_BYTE.1));
    Costs { tree, costs, values, text }.of(root, 0).map(drop)
}

/// The visited nodes, and the limits.
struct Costs<'t, 'a> {
    tree: &'t Tree<'a>,
    costs: Vec<Cost>,
    values: usize,
    text: usize,
}

impl Costs<'_, '_> {
    /// The cost of a node, `depth` levels down. A node inside itself exceeds any depth.
    fn of(&mut self, id: Id, depth: usize) -> Result<Cost, PickleError> {
        let tree = self.tree;
        let node = tree.get(id);
        let mut cost = Cost { values: 1, text: text(node), depth: 0 };
        if !matches!(node, Node::List(_) | Node::Tuple(_) | Node::Dict(_)) {
            return self.within(cost);
        }
        let known = self.costs.get(id as usize).copied().unwrap_or_default();
        if known.depth > 0 {
            return if depth + known.depth > MAX_DEPTH { Err(PickleError::TooDeep) } else { Ok(known) };
        }
        if depth >= MAX_DEPTH {
            return Err(PickleError::TooDeep);
        }
        match node {
            Node::Dict(entries) => {
                for (key, value) in entries {
                    cost.text = cost.text.saturating_add(text(tree.get(*key)));
                    cost = self.and(cost, *value, depth)?;
                }
            }
            Node::List(items) | Node::Tuple(items) => {
                for item in items {
                    cost = self.and(cost, *item, depth)?;
                }
            }
            _ => {}
        }
        cost.depth += 1;
        if let Some(known) = self.costs.get_mut(id as usize) {
            *known = cost;
        }
        Ok(cost)
    }

    fn and(&mut self, cost: Cost, item: Id, depth: usize) -> Result<Cost, PickleError> {
        let more = self.of(item, depth + 1)?;
        self.within(Cost {
            values: cost.values.saturating_add(more.values),
            text: cost.text.saturating_add(more.text),
            depth: cost.depth.max(more.depth),
        })
    }

    const fn within(&self, cost: Cost) -> Result<Cost, PickleError> {
        if cost.values > self.values || cost.text > self.text { Err(PickleError::TooLarge) } else { Ok(cost) }
    }
}

/// The maximum text length of a node, as a value or as a key.
fn text(node: &Node<'_>) -> usize {
    match node {
        Node::Str(text) => text.len(),
        Node::Digits(text) => text.len(),
        Node::Bytes(bytes) => bytes.len(),
        // A byte has less than two and a half decimal digits.
        Node::Huge(bytes) => bytes.len() * 5 / 2 + 2,
        Node::Delta(_) => DURATION,
        Node::Int(_) | Node::UInt(_) | Node::Float(_) => NUMBER,
        _ => 0,
    }
}
