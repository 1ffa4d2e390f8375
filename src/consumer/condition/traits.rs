//! What the conditions of a consumer compare of a connection: expressions over the connection, evaluated when it opens and
//! whenever its user, variables or claims change.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use super::{
    super::{
        ConsumerId,
        context::Context,
        expression::{Expression, Fact, VarSet},
        input::of_connection,
    },
    of_connections,
    part::Part,
    split::Operator,
};

/// The prepared values of a connection.
#[derive(Debug)]
pub struct Traits {
    pub(super) consumer: ConsumerId,
    /// Whether a handler of the connection may change them.
    may_change: bool,
    /// The hashes of `facts`, which decide nearly all comparisons.
    hashes: Box<[Cell<u32>]>,
    pub(super) facts: RefCell<Box<[Fact]>>,
    /// The values that messages contain, as text.
    parts: RefCell<Box<[Arc<str>]>>,
    /// Those for another consumer of its namespace.
    pub(super) next: Option<Box<Traits>>,
}

/// The expressions over the connection in a consumer's conditions.
#[derive(Debug, Default)]
pub(in super::super) struct Questions {
    all: Vec<Question>,
    parts: Vec<Part>,
    names: VarSet,
}

#[derive(Debug)]
struct Question {
    expression: Expression,
    kind: Kind,
}

/// What is compared of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Value,
    /// Only whether it is true.
    Truth,
    /// Its decimal text.
    Id,
}

impl Kind {
    /// What an operator compares.
    pub fn of(operator: Operator) -> Self {
        if operator == Operator::SameId { Self::Id } else { Self::Value }
    }

    /// The prepared form of a value.
    pub fn fact(self, value: &minijinja::Value) -> Fact {
        match self {
            Self::Value => Fact::of(value),
            Self::Truth => Fact::truth(value),
            Self::Id => Fact::id(value),
        }
    }
}

impl Traits {
    /// Those of a connection for one more consumer.
    pub fn with(self, next: Option<Box<Self>>) -> Box<Self> {
        Box::new(Self { next, ..self })
    }

    /// The same, for a consumer whose handlers may change them, or not.
    pub fn that_may_change(self, may_change: bool) -> Self {
        Self { may_change, ..self }
    }

    /// Whether a handler of the connection may change them.
    pub fn may_change(&self) -> bool {
        self.may_change || self.next.as_ref().is_some_and(|next| next.may_change())
    }

    /// The values that a message contains.
    pub(in super::super) fn part(&self, at: u16) -> Option<Arc<str>> {
        self.parts.borrow().get(usize::from(at)).cloned()
    }

    /// The hash of a value.
    #[inline]
    pub(super) fn hash(&self, at: u16) -> Option<u32> {
        self.hashes.get(usize::from(at)).map(Cell::get)
    }

    /// Those for this consumer.
    pub(super) fn of(&self, consumer: ConsumerId) -> Option<&Self> {
        if self.consumer == consumer { Some(self) } else { self.next.as_ref()?.of(consumer) }
    }

    /// Replaces those for the same consumer.
    pub fn replace(&self, new: Self) {
        if self.consumer == new.consumer {
            self.hashes.iter().zip(&new.hashes).for_each(|(own, new)| own.set(new.get()));
            self.facts.swap(&new.facts);
            self.parts.swap(&new.parts);
        } else if let Some(next) = &self.next {
            next.replace(new);
        }
    }
}

impl Questions {
    /// The position of an expression's value; `None` if there are too many.
    pub(super) fn add(&mut self, expression: Expression, kind: Kind) -> Option<u16> {
        let known = |one: &Question| one.kind == kind && one.expression.source() == expression.source();
        let at = self.all.iter().position(known).unwrap_or(self.all.len());
        if at == self.all.len() {
            self.names.add(expression.names());
            self.all.push(Question { expression, kind });
        }
        u16::try_from(at).ok()
    }

    /// The position of what these expressions read of a connection; `None` if there are too many.
    pub fn add_part(&mut self, expressions: &[&Expression]) -> Option<u16> {
        let part = Part::of(expressions, of_connections());
        let at = self.parts.iter().position(|known| *known == part).unwrap_or(self.parts.len());
        if at == self.parts.len() {
            self.names.add(part.names());
            self.parts.push(part);
        }
        u16::try_from(at).ok()
    }

    /// Whether nothing is asked of a connection.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.parts.is_empty()
    }

    /// The names that they use.
    pub const fn names(&self) -> VarSet {
        self.names
    }

    /// The values of a connection; `None` if nothing is asked.
    pub fn traits(&self, consumer: ConsumerId, context: &Context) -> Option<Traits> {
        if self.is_empty() {
            return None;
        }
        let scope = of_connection(context, self.names).into_jinja();
        let fact = |question: &Question| {
            question.expression.value(&scope).map_or_else(|_| Fact::failed(), |value| question.kind.fact(&value))
        };
        let parts = self.parts.iter().map(|part| part.text(context).into()).collect();
        let facts: Box<[Fact]> = self.all.iter().map(fact).collect();
        let hashes = facts.iter().map(|fact| Cell::new(fact.hash())).collect();
        let (facts, parts) = (RefCell::new(facts), RefCell::new(parts));
        Some(Traits { consumer, may_change: false, hashes, facts, parts, next: None })
    }
}
