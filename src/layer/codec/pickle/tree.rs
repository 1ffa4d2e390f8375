//! The objects built by a pickle: nodes that refer to each other by number, because pickled objects are shared and
//! filled later.
//!
//! A node is made once, however often it is referenced; `cost` computes the size of the value before it is made, so
//! that a few bytes with many references cannot become gigabytes.

use std::{borrow::Cow, cell::Cell, collections::HashMap, fmt};

use bytes::Bytes;
use indexmap::IndexMap;

use super::PickleError;
use crate::{
    event::Value,
    layer::codec::{MAX_VALUES, json::python_float},
};

/// A node's number.
pub(super) type Id = u32;

/// One object of a pickle. Text and bytes stay in the pickle if possible.
#[derive(Clone, Debug)]
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    /// An integer beyond 64 bits, little-endian two's complement.
    Huge(&'a [u8]),
    /// The same in decimal digits.
    Digits(&'a str),
    Float(f64),
    Str(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// A list or set.
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A duration in microseconds.
    Delta(i64),
    /// A time zone, as its distance from UTC in microseconds.
    Zone(i64),
    /// A UUID without its number yet.
    Uuid,
    /// A class or function that the machine knows.
    Callable(Callable),
}

/// A supported name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callable {
    Datetime,
    Date,
    Timedelta,
    Timezone,
    Utc,
    Decimal,
    Uuid,
    Dict,
    DefaultDict,
    Set,
    Bytes,
    Encode,
    SafeString,
    /// A built-in type used only as the default of a defaultdict.
    Factory,
}

impl Callable {
    /// Finds a name; an unknown one is refused.
    pub(super) fn find(module: &str, name: &str) -> Result<Self, PickleError> {
        Ok(match (module, name) {
            ("datetime", "datetime") => Self::Datetime,
            ("datetime", "date") => Self::Date,
            ("datetime", "timedelta") => Self::Timedelta,
            ("datetime", "timezone") => Self::Timezone,
            // django.utils.timezone.utc of Django 2 and 3
            ("pytz", "_UTC") => Self::Utc,
            ("decimal", "Decimal") => Self::Decimal,
            ("uuid", "UUID") => Self::Uuid,
            ("collections", "OrderedDict") | ("builtins" | "__builtin__", "dict") => Self::Dict,
            ("collections", "defaultdict") => Self::DefaultDict,
            ("builtins" | "__builtin__", "set" | "frozenset") => Self::Set,
            ("builtins" | "__builtin__", "bytes") => Self::Bytes,
            ("builtins" | "__builtin__", "list" | "int" | "float" | "str" | "bool" | "tuple")
            | ("__builtin__", "unicode" | "long") => Self::Factory,
            ("_codecs", "encode") => Self::Encode,
            ("django.utils.safestring", "SafeString" | "SafeText") => Self::SafeString,
            _ => return Err(PickleError::Forbidden(shown(module, name))),
        })
    }
}

impl fmt::Display for Callable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the class or function {self:?}")
    }
}

/// A name from a pickle, escaped for the log.
fn shown(module: &str, name: &str) -> String {
    format!("{module}.{name}").chars().take(100).flat_map(char::escape_debug).collect()
}

/// All nodes of a pickle.
#[derive(Debug, Default)]
pub(super) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    /// The number of references inside collections.
    links: Cell<usize>,
    /// Work and bytes of calls and huge integers, besides the pickle's own.
    work: Cell<usize>,
}

/// The maximum work on one pickle: bytes made from others, and steps of long division.
const MAX_WORK: usize = 16 << 20;

impl<'a> Tree<'a> {
    pub(super) fn add(&mut self, node: Node<'a>) -> Result<Id, PickleError> {
        if self.nodes.len() >= MAX_VALUES {
            return Err(PickleError::TooLarge);
        }
        let id = Id::try_from(self.nodes.len()).map_err(|_| PickleError::TooLarge)?;
        self.nodes.push(node);
        Ok(id)
    }

    /// The node; null for a number that was never assigned, which cannot happen.
    pub(super) fn get(&self, id: Id) -> &Node<'a> {
        self.nodes.get(id as usize).unwrap_or(&Node::Null)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Result<&mut Node<'a>, PickleError> {
        self.nodes.get_mut(id as usize).ok_or(PickleError::Malformed("a reference to nothing"))
    }

    /// Counts references before they are put into a collection.
    pub(super) fn link(&self, count: usize) -> Result<(), PickleError> {
        self.links.set(self.links.get().saturating_add(count));
        if self.links.get() > 2 * MAX_VALUES { Err(PickleError::TooLarge) } else { Ok(()) }
    }

    /// Counts work before it is done, besides that of each opcode.
    pub(super) fn work(&self, count: usize) -> Result<(), PickleError> {
        self.work.set(self.work.get().saturating_add(count));
        if self.work.get() > MAX_WORK { Err(PickleError::TooLarge) } else { Ok(()) }
    }

    /// The number of nodes.
    pub(super) const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The plain data under `root`, after [`cost::check`](super::cost::check) has accepted it.
    pub(super) fn to_value(&self, root: Id) -> Result<Value, PickleError> {
        self.convert(root, &mut HashMap::new())
    }

    /// The text keys of a dict with tuples as values.
    pub(super) fn tuples_in(&self, root: Id) -> Vec<Box<str>> {
        let Node::Dict(entries) = self.get(root) else { return Vec::new() };
        let tuples = entries.iter().filter(|(_, value)| matches!(self.get(*value), Node::Tuple(_)));
        let key = |(key, _): &(Id, Id)| match self.get(*key) {
            Node::Str(text) => Some((**text).into()),
            _ => None,
        };
        tuples.filter_map(key).collect()
    }

    // The functions that call each other need little stack, because a value may be nested deeply.
    fn convert(&self, id: Id, digits: &mut Digits) -> Result<Value, PickleError> {
        match self.get(id) {
            Node::List(items) | Node::Tuple(items) => self.list(items, digits),
            Node::Dict(entries) => self.map(entries, digits),
            _ => self.scalar(id, digits),
        }
    }

    fn list(&self, ids: &[Id], digits: &mut Digits) -> Result<Value, PickleError> {
        let mut items = Vec::with_capacity(ids.len());
        for id in ids {
            items.push(self.convert(*id, digits)?);
        }
        Ok(Value::List(items))
    }

    fn map(&self, pairs: &[(Id, Id)], digits: &mut Digits) -> Result<Value, PickleError> {
        let mut entries = IndexMap::new();
        for (key, value) in pairs {
            let key = self.key(*key, digits)?;
            entries.insert(key, self.convert(*value, digits)?);
        }
        Ok(Value::Map(entries))
    }

    /// Everything but lists and maps.
    fn scalar(&self, id: Id, digits: &mut Digits) -> Result<Value, PickleError> {
        Ok(match self.get(id) {
            Node::List(_) | Node::Tuple(_) | Node::Dict(_) => Value::Null,
            Node::Null => Value::Null,
            Node::Bool(value) => Value::Bool(*value),
            Node::Int(number) => Value::Int(*number),
            Node::UInt(number) => Value::UInt(*number),
            Node::Float(number) => Value::Float(*number),
            Node::Bytes(bytes) => Value::Bytes(Bytes::copy_from_slice(bytes)),
            Node::Callable(callable) => return Err(PickleError::Forbidden(callable.to_string())),
            Node::Zone(_) => return Err(PickleError::Forbidden("a bare time zone".to_owned())),
            Node::Uuid => return Err(PickleError::Malformed("a UUID without its number")),
            Node::Huge(_) | Node::Digits(_) => Value::integer(&self.text(id, digits)).ok_or(PickleError::TooLarge)?,
            Node::Str(_) | Node::Delta(_) => Value::Str(self.text(id, digits)),
        })
    }

    /// A dict key as `json.dumps` writes it.
    fn key(&self, id: Id, digits: &mut Digits) -> Result<Box<str>, PickleError> {
        Ok(match self.get(id) {
            Node::Null => "null".into(),
            Node::Bool(true) => "true".into(),
            Node::Bool(false) => "false".into(),
            Node::Int(number) => number.to_string().into(),
            Node::UInt(number) => number.to_string().into(),
            Node::Float(number) => python_float(*number).into(),
            Node::Str(_) | Node::Huge(_) | Node::Digits(_) | Node::Delta(_) => self.text(id, digits),
            _ => return Err(PickleError::Malformed("a dict key that JSON cannot write")),
        })
    }

    fn text(&self, id: Id, digits: &mut Digits) -> Box<str> {
        match self.get(id) {
            Node::Str(text) => (**text).into(),
            Node::Digits(digits) => (*digits).into(),
            Node::Huge(bytes) => digits.entry(id).or_insert_with(|| decimal(bytes).into()).clone(),
            Node::Delta(micros) => iso_duration(*micros).into(),
            _ => "".into(),
        }
    }
}

/// The digits of huge integers: each is computed once.
type Digits = HashMap<Id, Box<str>>;

/// The steps to compute the digits of a huge integer, which grow with the square of its length.
pub(super) const fn digit_work(bytes: usize) -> usize {
    let limbs = bytes.div_ceil(size_of::<u32>());
    limbs * limbs
}

/// The decimal digits of a little-endian two's complement number.
fn decimal(bytes: &[u8]) -> String {
    let negative = bytes.last().is_some_and(|top| top & 0x80 != 0);
    let filler = if negative { 0xff } else { 0 };
    let mut limbs: Vec<u32> = bytes
        .chunks(size_of::<u32>())
        .map(|chunk| {
            let mut limb = [filler; size_of::<u32>()];
            limb[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(limb)
        })
        .collect();
    if negative {
        let mut carry = true;
        for limb in &mut limbs {
            (*limb, carry) = (!*limb).overflowing_add(u32::from(carry));
        }
    }
    // Nine digits at a time, starting with the lowest.
    let mut groups = Vec::new();
    while let Some(top) = limbs.iter().rposition(|limb| *limb != 0) {
        limbs.truncate(top + 1);
        let mut rest = 0u64;
        for limb in limbs.iter_mut().rev() {
            let dividend = (rest << 32) | u64::from(*limb);
            // The quotient fits: the remainder is less than the divisor.
            *limb = (dividend / 1_000_000_000) as u32;
            rest = dividend % 1_000_000_000;
        }
        groups.push(rest);
    }
    let mut text = String::from(if negative { "-" } else { "" });
    text.push_str(&groups.pop().unwrap_or(0).to_string());
    for group in groups.iter().rev() {
        text.push_str(&format!("{group:09}"));
    }
    text
}

/// `django.utils.duration.duration_iso_string`.
fn iso_duration(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let (days, hours) = (hours / 24, hours % 24);
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    format!("{sign}P{days}DT{hours:02}H{minutes:02}M{seconds:02}{fraction}S")
}
