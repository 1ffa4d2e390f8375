//! Values as conditions compare them: prepared once, so that a comparison takes no interpreter and no allocation.
//!
//! In: the value of an expression. Out: a fact, and what MiniJinja would say about two of them. Most comparisons end with
//! the hashes. What cannot be answered, for instance because a key is missing, is an error and never a yes.

use std::{
    hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState},
    sync::{Arc, LazyLock, OnceLock},
};

use minijinja::{Value as Jinja, value::ValueKind};

use super::view::{Root, View, as_text, is_integer};
use crate::event::{Value, surrogate};

/// Lists with more items are searched by hash.
const SHORT: usize = 8;

/// The hash of a value that could not be evaluated. No other value has it.
const FAILED: u32 = 0;

/// A secret of the process.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Stands for a value: two values have the same code only if they are equal. Numbers and short texts are contained in
/// theirs. Of a longer text it has 112 bits of a hash with a secret key, so nobody can make two texts with the same. Its
/// lowest 8 bits are free for its users.
pub type Code = u128;

/// A prepared value.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Equal values have equal hashes.
    hash: u32,
    is_true: bool,
    data: Data,
}

#[derive(Clone, Debug)]
enum Data {
    /// A key is missing, or the expression failed.
    Failed,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Box<str>),
    List(Box<List>),
    /// Objects, bytes, and integers beyond 64 bits.
    Other(Box<Jinja>),
}

#[derive(Clone, Debug)]
struct List {
    is_tuple: bool,
    items: Box<[Fact]>,
    /// The positions of its items, by their hashes, once a long list is searched.
    by_hash: OnceLock<Box<[u32]>>,
}

/// An answer about facts: an error if one of them is missing, or of a kind that has no answer.
pub type Verdict = Result<bool, NoAnswer>;

/// A key is missing, or two values of these kinds cannot be compared so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

impl Fact {
    /// The hash of what has no value.
    pub const FAILED: u32 = FAILED;

    /// The value of an expression that has none.
    pub const fn failed() -> Self {
        Self { hash: FAILED, is_true: false, data: Data::Failed }
    }

    /// Only whether the value is true.
    pub fn truth(value: &Jinja) -> Self {
        match value.is_undefined() {
            true => Self::failed(),
            false => Self::new(Data::Bool(value.is_true()), value.is_true()),
        }
    }

    /// The value as an id, which is compared as decimal text. What is not text or an integer, or is missing, is the same
    /// as nothing.
    pub fn id(value: &Jinja) -> Self {
        let text = match as_text(value) {
            Some(text) => Some(text.into()),
            None => is_integer(value).then(|| value.to_string().into()),
        };
        text.map_or_else(|| Self::new(Data::Null, false), |text| Self::new(Data::Text(text), true))
    }

    /// The value.
    pub fn of(value: &Jinja) -> Self {
        let data = match value.kind() {
            ValueKind::Undefined | ValueKind::Invalid => Data::Failed,
            ValueKind::None => Data::Null,
            ValueKind::Bool => Data::Bool(value.is_true()),
            ValueKind::Number => match (value.is_integer(), value.as_i64(), f64::try_from(value.clone())) {
                (true, Some(number), _) => Data::Int(number),
                (false, _, Ok(number)) => Data::Float(number),
                _ => Data::Other(Box::new(value.clone())),
            },
            ValueKind::String => Data::Text(value.as_str().unwrap_or_default().into()),
            ValueKind::Seq | ValueKind::Iterable => match value.try_iter() {
                Ok(items) => {
                    Data::List(Box::new(List::new(value.is_tuple(), items.map(|item| Self::of(&item)).collect())))
                }
                Err(_) => Data::Failed,
            },
            _ => Data::Other(Box::new(alone(value))),
        };
        Self::new(data, value.is_true())
    }

    /// The same for a value that MiniJinja need not convert.
    pub fn of_plain(value: &Value) -> Option<Self> {
        let data = match value {
            Value::Null => Data::Null,
            Value::Bool(value) => Data::Bool(*value),
            Value::Int(number) => Data::Int(*number),
            Value::Str(text) => Data::Text((*surrogate::loosen(text)).into()),
            Value::List(items) => {
                let items = items.iter().map(Self::of_plain).collect::<Option<_>>()?;
                Data::List(Box::new(List::new(false, items)))
            }
            _ => return None,
        };
        let is_true = match &data {
            Data::Bool(value) => *value,
            Data::Int(number) => *number != 0,
            Data::Text(text) => !text.is_empty(),
            Data::List(list) => !list.items.is_empty(),
            _ => false,
        };
        Some(Self::new(data, is_true))
    }

    /// Equal values have equal hashes; [`Self::FAILED`] without a value.
    #[inline]
    pub const fn hash(&self) -> u32 {
        self.hash
    }

    /// Stands for the value in an index; `None` for a list, an object, bytes, a number that is not exact, and without a
    /// value.
    pub fn code(&self) -> Option<Code> {
        let (tag, bytes) = match &self.data {
            Data::Null => (1, [0; 14]),
            Data::Bool(value) => (2, padded(&i64::from(*value).to_le_bytes())),
            Data::Int(value) => (2, padded(&value.to_le_bytes())),
            Data::Text(text) if text.len() <= 14 => (16 + text.len(), padded(text.as_bytes())),
            Data::Text(text) => {
                let [one, two] = [0_u8, 1].map(|half| KEY.hash_one((half, text)).to_le_bytes());
                let mut bytes = padded(&one);
                bytes[8..].copy_from_slice(&two[..6]);
                (3, bytes)
            }
            Data::Failed | Data::Float(_) | Data::List(_) | Data::Other(_) => return None,
        };
        let mut all = [0; 16];
        all[1..15].copy_from_slice(&bytes);
        all[15] = u8::try_from(tag).unwrap_or_default();
        Some(u128::from_le_bytes(all))
    }

    /// The codes of a list's items; `None` if it is not a list, or an item has no code.
    pub fn item_codes(&self) -> Option<Vec<Code>> {
        let Data::List(list) = &self.data else { return None };
        list.items.iter().map(Self::code).collect()
    }

    fn new(data: Data, is_true: bool) -> Self {
        Self { hash: data.hash(), is_true, data }
    }

    /// Whether there is no value.
    pub const fn is_failed(&self) -> bool {
        self.hash == FAILED
    }

    /// Whether it is true, as `if` would say.
    pub fn is_true(&self) -> Verdict {
        if self.is_failed() { Err(NoAnswer) } else { Ok(self.is_true) }
    }

    /// `self == other`.
    #[inline]
    pub fn equals(&self, other: &Self) -> Verdict {
        if self.hash == other.hash {
            return if self.is_failed() { Err(NoAnswer) } else { Ok(self.data.equals(&other.data)) };
        }
        if self.is_failed() || other.is_failed() { Err(NoAnswer) } else { Ok(false) }
    }

    /// `item in self`. In a text only text is looked for.
    pub fn contains(&self, item: &Self) -> Verdict {
        if item.is_failed() {
            return Err(NoAnswer);
        }
        match (&self.data, &item.data) {
            (Data::List(list), _) => Ok(list.contains(item)),
            (Data::Text(text), Data::Text(part)) => Ok(text.contains(&**part)),
            (Data::Other(whole), _) if matches!(whole.kind(), ValueKind::Map | ValueKind::Plain) => {
                Ok(has_key(whole, item))
            }
            _ => Err(NoAnswer),
        }
    }

    /// `self | intersects(other)`: whether two lists have an item in common.
    pub fn intersects(&self, other: &Self) -> Verdict {
        let (Data::List(one), Data::List(other)) = (&self.data, &other.data) else { return Err(NoAnswer) };
        let (few, many) = if one.items.len() < other.items.len() { (one, other) } else { (other, one) };
        Ok(few.items.iter().any(|item| many.contains(item)))
    }

    /// `self | same_id(other)`, for two made by [`Self::id`].
    pub fn is_same_id(&self, other: &Self) -> Verdict {
        Ok(self.equals(other)? && self.is_true)
    }
}

impl Data {
    /// The value for MiniJinja; only for what is rare.
    fn as_jinja(&self) -> Jinja {
        match self {
            Self::Failed => Jinja::UNDEFINED,
            Self::Null => Jinja::from(()),
            Self::Bool(value) => Jinja::from(*value),
            Self::Int(number) => Jinja::from(*number),
            Self::Float(number) => Jinja::from(*number),
            Self::Text(text) => Jinja::from(&**text),
            Self::List(list) => list.items.iter().map(|item| item.data.as_jinja()).collect(),
            Self::Other(value) => (**value).clone(),
        }
    }

    fn hash(&self) -> u32 {
        let hash = match self {
            Self::Failed => return FAILED,
            Self::Null => 1,
            // Whatever can be equal: true is 1, and 1 is 1.0.
            Self::Bool(value) => number(f64::from(u8::from(*value))),
            #[expect(clippy::cast_precision_loss, reason = "equal numbers lose the same")]
            Self::Int(value) => number(*value as f64),
            Self::Float(value) => number(*value),
            Self::Text(text) => {
                let mut hasher = DefaultHasher::new();
                text.hash(&mut hasher);
                hasher.finish()
            }
            Self::List(_) => 2,
            Self::Other(value) => match (value.kind(), f64::try_from((**value).clone())) {
                (ValueKind::Number, Ok(value)) => number(value),
                _ => 3,
            },
        };
        let [a, b, c, d, ..] = hash.to_le_bytes();
        u32::from_le_bytes([a, b, c, d]).max(FAILED + 1)
    }

    /// Whether two values with one hash are equal.
    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Failed, Self::Failed) | (Self::Null, Self::Null) => true,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Int(one), Self::Int(other)) => one == other,
            (Self::Bool(one), Self::Int(other)) | (Self::Int(other), Self::Bool(one)) => i64::from(*one) == *other,
            (Self::List(one), Self::List(other)) => {
                let pairs = || one.items.iter().zip(&other.items);
                let equal = |(one, other): (&Fact, &Fact)| one.hash == other.hash && one.data.equals(&other.data);
                one.is_tuple == other.is_tuple && one.items.len() == other.items.len() && pairs().all(equal)
            }
            (Self::Float(_) | Self::Other(_), _) | (_, Self::Float(_) | Self::Other(_)) => {
                self.as_jinja() == other.as_jinja()
            }
            _ => false,
        }
    }
}

impl List {
    const fn new(is_tuple: bool, items: Box<[Fact]>) -> Self {
        Self { is_tuple, items, by_hash: OnceLock::new() }
    }

    /// Whether it has the item; one that failed is equal to none.
    fn contains(&self, item: &Fact) -> bool {
        let is_it = |other: &Fact| other.hash == item.hash && !item.is_failed() && other.data.equals(&item.data);
        if self.items.len() <= SHORT {
            return self.items.iter().any(is_it);
        }
        let hash = |index: &u32| self.items.get(*index as usize).map_or(FAILED, |item| item.hash);
        let by_hash = self.by_hash.get_or_init(|| {
            let mut all: Box<[u32]> = (0..u32::try_from(self.items.len()).unwrap_or(u32::MAX)).collect();
            all.sort_by_key(hash);
            all
        });
        let first = by_hash.partition_point(|index| hash(index) < item.hash);
        let alike = by_hash.iter().skip(first).take_while(|index| hash(index) == item.hash);
        alike.filter_map(|index| self.items.get(*index as usize)).any(is_it)
    }
}

fn padded(bytes: &[u8]) -> [u8; 14] {
    let mut all = [0; 14];
    all[..bytes.len()].copy_from_slice(bytes);
    all
}

/// The hash of a number.
fn number(value: f64) -> u64 {
    // 0.0 and -0.0 are equal.
    let bits = (if value == 0.0 { 0.0 } else { value }).to_bits();
    (bits ^ (bits >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// The value without what it is a part of.
fn alone(value: &Jinja) -> Jinja {
    match value.downcast_object_ref::<View>() {
        Some(view) => Root::Data(Arc::new(view.target().clone())).into_jinja(),
        None => value.clone(),
    }
}

/// `item in object`: whether an object has the key.
fn has_key(object: &Jinja, item: &Fact) -> bool {
    match (object.downcast_object_ref::<View>(), &item.data) {
        (Some(view), Data::Text(name)) => view.has_key(name),
        _ => object.as_object().is_some_and(|object| object.get_value(&item.data.as_jinja()).is_some()),
    }
}
