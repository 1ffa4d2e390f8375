//! Conditions in `on_event` that may name the connection.
//!
//! In: the source of a `when`. What names only the event is evaluated once per event, what names only the connection once
//! per connection, and what compares the two for each member, on prepared values. A condition that cannot be divided so is
//! an error. Out, for an event: the [`Selection`] of its members. An index of a group's members answers it for many at once.

mod index;
mod part;
mod positions;
mod selection;
mod split;
mod traits;

use std::sync::Arc;

use minijinja::Value as Jinja;

pub use self::{
    index::{Chosen, MemberIndex},
    positions::{BLOCK, Positions},
    selection::Selection,
    traits::Traits,
};
use self::{
    selection::Test,
    split::{Operator, Shape, split},
    traits::Kind,
};
use super::{
    ConsumerId,
    compiler::Compiler,
    expression::{Allowed, Expression, Fact, VarSet, after_text},
    kind::OF_EVENTS,
};
use crate::{config::KeyPath, event::Event, limited::WriteError};

pub(super) use self::traits::Questions;

/// What an error says that a condition can be.
const FORMS: &str = "with values of the event and of the connection write `a == b`, `a != b`, `a in b`, `a not in b`, \
                     `a | intersects(b)` or `a | same_id(b)`, joined by and, or, not: one side names `event` or `group`, the \
                     other only the connection";

/// A compiled `when`.
#[derive(Debug)]
pub(super) struct Condition {
    node: Node,
    source: Arc<str>,
}

#[derive(Debug)]
enum Node {
    /// True as it is for the event.
    Event(Expression),
    /// True as a value of the connection is.
    Own(u16),
    Compare {
        operator: Operator,
        event: OfEvent,
        own: u16,
        swapped: bool,
    },
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
}

/// An expression over the event.
#[derive(Debug)]
struct OfEvent {
    expression: Expression,
    /// Its keys below `event`, if it is nothing else: then the interpreter is not needed.
    path: Option<Box<[Box<str>]>>,
}

impl OfEvent {
    fn new(expression: Expression) -> Self {
        let is_name = |key: &str| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            !key.starts_with(|c: char| c.is_ascii_digit()) && !key.is_empty() && key.chars().all(is_part)
        };
        let keys = expression.source().strip_prefix("event.").map(|keys| keys.split('.'));
        let path = keys.filter(|keys| keys.clone().all(is_name)).map(|keys| keys.map(Box::from).collect());
        Self { expression, path }
    }

    fn fact(&self, kind: Kind, event: &Event, scope: &Jinja) -> Result<Fact, WriteError> {
        let value = || self.path.as_ref()?.iter().try_fold(&event.body, |value, key| value.get(key));
        if let (Kind::Value, Some(fact)) = (kind, value().and_then(Fact::of_plain)) {
            return Ok(fact);
        }
        let fact = kind.fact(&self.expression.value(scope)?);
        if fact.is_failed() { Err(self.expression.undefined()) } else { Ok(fact) }
    }
}

/// The answer of a condition for an event.
pub(super) enum Decision {
    /// The same for all members.
    All(bool),
    Some(Selection),
}

impl Condition {
    /// Compiles a condition; what it asks of a connection is added to `questions`.
    pub fn compile(
        source: &str,
        allowed: Allowed<'_>,
        key: &KeyPath,
        (compiler, questions): (&mut Compiler<'_>, &mut Questions),
    ) -> Option<Self> {
        // All errors of the whole are found before it is divided.
        let whole = compiler.expression(source, allowed, key)?;
        if !whole.names().meets(of_connections()) {
            return Some(Self { node: Node::Event(whole), source: source.into() });
        }
        let mut dividing = Dividing { compiler, questions, allowed, key };
        match dividing.node(source) {
            Ok(node) => Some(Self { node, source: source.into() }),
            Err(reason) => {
                compiler.note(key, format!("bad expression: {reason}"));
                None
            }
        }
    }

    /// Which members get a message of this event.
    pub fn decide(
        &self,
        consumer: (ConsumerId, &Arc<str>),
        event: &Event,
        scope: &Jinja,
    ) -> Result<Decision, WriteError> {
        match self.node.decide(event, scope) {
            Test::Is(known) => Ok(Decision::All(known)),
            Test::Failed(reason) => Err(reason.to_string().into()),
            test => Ok(Decision::Some(Selection::new(consumer, event, (test, &self.source)))),
        }
    }
}

/// The names that depend on the connection.
pub(super) const fn of_connections() -> VarSet {
    VarSet::ALL.without(VarSet::of(OF_EVENTS))
}

struct Dividing<'a, 'b, 'c> {
    compiler: &'a mut Compiler<'b>,
    questions: &'a mut Questions,
    allowed: Allowed<'c>,
    key: &'a KeyPath,
}

/// What an expression depends on.
enum Side {
    Event(Expression),
    Own(Expression),
    Both,
}

impl Dividing<'_, '_, '_> {
    fn node(&mut self, source: &str) -> Result<Node, String> {
        match self.side(source)? {
            Side::Event(expression) => return Ok(Node::Event(expression)),
            Side::Own(expression) => return self.ask(expression, Kind::Truth).map(Node::Own),
            Side::Both => {}
        }
        match split(source) {
            Shape::Any(parts) => self.nodes(&parts).map(Node::Any),
            Shape::All(parts) => self.nodes(&parts).map(Node::All),
            Shape::Not(inner) => self.node(inner).map(|node| Node::Not(Box::new(node))),
            Shape::Inner(inner) => self.node(inner),
            Shape::Compare(operator, left, right) => {
                let (event, own, swapped) = match (self.side(left)?, self.side(right)?) {
                    (Side::Event(event), Side::Own(own)) => (event, own, false),
                    (Side::Own(own), Side::Event(event)) => (event, own, true),
                    _ => return Err(format!("`{source}` mixes both on one side; {FORMS}")),
                };
                Ok(Node::Compare {
                    operator,
                    event: OfEvent::new(event),
                    own: self.ask(own, Kind::of(operator))?,
                    swapped,
                })
            }
            Shape::Other => Err(format!("`{source}` cannot be prepared; {FORMS}")),
        }
    }

    fn nodes(&mut self, parts: &[&str]) -> Result<Vec<Node>, String> {
        parts.iter().map(|part| self.node(part)).collect()
    }

    fn side(&self, source: &str) -> Result<Side, String> {
        let expression = Expression::compile(source, self.allowed)?.within(self.compiler.config.layer.max_message);
        if expression.lacks_else() {
            return Err(format!("`{source}` needs an `else`"));
        }
        let (own, event) = (of_connections(), VarSet::of(OF_EVENTS));
        Ok(match (expression.names().meets(own), expression.names().meets(event)) {
            (true, true) => Side::Both,
            (true, false) => Side::Own(expression),
            (false, _) => Side::Event(expression),
        })
    }

    fn ask(&mut self, expression: Expression, kind: Kind) -> Result<u16, String> {
        if expression.paths().any(|path| path == "now") {
            let source = expression.source();
            return Err(format!(
                "`{source}` is evaluated when the connection opens, and now() would be that time; put now() on the event's side"
            ));
        }
        self.compiler.check_null(&expression, self.key);
        self.questions.add(expression, kind).ok_or_else(|| "there are too many conditions".to_owned())
    }
}

impl Node {
    fn decide(&self, of: &Event, scope: &Jinja) -> Test {
        let failed = |error: WriteError| Test::Failed(Arc::from(error.to_string()));
        match self {
            Self::Event(expression) => match expression.evaluate(scope) {
                Ok(value) => Test::Is(value.is_true()),
                Err(error) => failed(error),
            },
            Self::Own(at) => Test::Truth(*at),
            Self::Compare { operator, event, own, swapped } => match event.fact(Kind::of(*operator), of, scope) {
                Ok(event) => Test::Compare { operator: *operator, event, own: *own, swapped: *swapped },
                Err(error) => failed(error),
            },
            Self::Not(node) => match node.decide(of, scope) {
                Test::Is(known) => Test::Is(!known),
                test @ Test::Failed(_) => test,
                test => Test::Not(Box::new(test)),
            },
            Self::All(nodes) => joined(nodes, of, scope, true),
            Self::Any(nodes) => joined(nodes, of, scope, false),
        }
    }
}

/// The parts of `and` (`neutral` is true) or `or`. As in Python, what comes after a part that decides is not evaluated.
fn joined(nodes: &[Node], of: &Event, scope: &Jinja, neutral: bool) -> Test {
    let mut tests = Vec::new();
    for node in nodes {
        match node.decide(of, scope) {
            Test::Is(known) if known == neutral => {}
            last @ (Test::Is(_) | Test::Failed(_)) => {
                tests.push(last);
                break;
            }
            test => tests.push(test),
        }
    }
    match tests.len() {
        0 => Test::Is(neutral),
        1 => tests.remove(0),
        _ if neutral => Test::All(tests.into()),
        _ => Test::Any(tests.into()),
    }
}
