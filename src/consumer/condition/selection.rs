//! Which of its members get a message: what is left of a condition once its event is known.
//!
//! In: the prepared values of a connection. Out: yes, no, or no answer. It takes no interpreter and no allocation.

use std::sync::{Arc, OnceLock};

use super::{
    super::{
        ConsumerId,
        expression::{Fact, NoAnswer, Verdict},
    },
    index::{Chosen, Key, MemberIndex, Query},
    split::Operator,
    traits::Traits,
};
use crate::{
    event::{Event, GroupName},
    warn_bounded,
};

/// Which members of a consumer get a message.
#[derive(Clone, Debug)]
pub struct Selection(Arc<Asked>);

#[derive(Debug)]
struct Asked {
    consumer: ConsumerId,
    test: Test,
    /// The same, for an index.
    query: OnceLock<Query>,
    subject: Subject,
}

/// What a condition is about, for the log.
#[derive(Clone, Debug)]
struct Subject {
    consumer: Arc<str>,
    group: GroupName,
    kind: Box<str>,
    source: Arc<str>,
}

/// A condition over a connection's prepared values, which it names by their positions.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Is(bool),
    /// The event lacks something, for this reason.
    Failed(Arc<str>),
    Truth(u16),
    /// A value of the event, then one of the connection; or the other way round.
    Compare {
        operator: Operator,
        event: Fact,
        own: u16,
        swapped: bool,
    },
    Not(Box<Test>),
    All(Box<[Test]>),
    Any(Box<[Test]>),
}

#[cfg(test)]
thread_local! {
    static ASKED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

impl PartialEq for Selection {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Selection {}

impl Selection {
    pub(super) fn new(
        (consumer, name): (ConsumerId, &Arc<str>),
        event: &Event,
        (test, source): (Test, &Arc<str>),
    ) -> Self {
        let (kind, source) = (event.kind().unwrap_or_default().into(), Arc::clone(source));
        let subject = Subject { consumer: Arc::clone(name), group: event.group.clone(), kind, source };
        Self(Arc::new(Asked { consumer, test, query: OnceLock::new(), subject }))
    }

    /// Those that both select.
    pub(in super::super) fn and(&self, other: &Self) -> Self {
        let Asked { consumer, test, subject, .. } = &*self.0;
        let test = Test::All([test.clone(), other.0.test.clone()].into());
        let source = format!("{} and {}", subject.source, other.0.subject.source).into();
        let subject = Subject { source, ..subject.clone() };
        Self(Arc::new(Asked { consumer: *consumer, test, query: OnceLock::new(), subject }))
    }

    /// Whether a connection with these values gets the message. One without values of this consumer gets nothing.
    #[inline]
    pub fn is_for(&self, traits: Option<&Traits>) -> Verdict {
        #[cfg(test)]
        ASKED.set(ASKED.get() + 1);
        let Asked { consumer, test, .. } = &*self.0;
        match traits {
            Some(own) if own.consumer == *consumer => test.of(own),
            others => test.of(others.and_then(|others| others.of(*consumer)).ok_or(NoAnswer)?),
        }
    }

    /// The members of a block of a group that get the message; `traits` are the values of the member at a position.
    pub fn choose<'a>(
        &self,
        index: &mut MemberIndex,
        block: usize,
        traits: impl Fn(usize) -> Option<&'a Traits>,
    ) -> Chosen {
        let Asked { consumer, test, query, .. } = &*self.0;
        index.choose((*consumer, query.get_or_init(|| test.query())), block, traits)
    }

    /// How often a member was asked on this thread.
    #[cfg(test)]
    pub fn asked() -> u64 {
        ASKED.get()
    }

    /// The consumer whose members it selects.
    pub fn consumer(&self) -> ConsumerId {
        self.0.consumer
    }

    /// Logs that there is no answer for a member, which does not get the message.
    #[cold]
    pub fn unanswered(&self) {
        let Asked { test, subject: Subject { consumer, group, kind, source }, .. } = &*self.0;
        let reason = test.reason().unwrap_or("a value of the connection is missing, or cannot be compared so");
        warn_bounded!(
            "{consumer}: a member of group {group} does not get an event of type {kind:?}: its condition `{source}` has no \
             answer: {reason}"
        );
    }
}

impl Test {
    #[inline]
    fn of(&self, traits: &Traits) -> Verdict {
        // The most frequent conditions by far: everybody but the sender, and the recipient only.
        if let Self::Compare { operator: operator @ (Operator::Equal | Operator::Unequal), event, own, .. } = self
            && let Some(hash) = traits.hash(*own)
            && hash != event.hash()
            && hash != Fact::FAILED
        {
            return Ok(*operator == Operator::Unequal);
        }
        self.of_any(&traits.facts.borrow())
    }

    fn of_any(&self, facts: &[Fact]) -> Verdict {
        let own = |own: &u16| facts.get(usize::from(*own)).ok_or(NoAnswer);
        match self {
            Self::Is(known) => Ok(*known),
            Self::Failed(_) => Err(NoAnswer),
            Self::Truth(at) => own(at)?.is_true(),
            Self::Not(test) => test.of_any(facts).map(|is_true| !is_true),
            Self::All(tests) => {
                for test in tests {
                    if !test.of_any(facts)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(tests) => {
                for test in tests {
                    if test.of_any(facts)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Compare { operator, event, own: at, swapped } => {
                let own = own(at)?;
                let (left, right) = if *swapped { (own, event) } else { (event, own) };
                match operator {
                    Operator::Equal => left.equals(right),
                    Operator::Unequal => left.equals(right).map(|equal| !equal),
                    Operator::In => right.contains(left),
                    Operator::NotIn => right.contains(left).map(|contained| !contained),
                    Operator::Intersects => left.intersects(right),
                    Operator::SameId => left.is_same_id(right),
                }
            }
        }
    }

    /// The same, for an index. What has no code is left to the members.
    fn query(&self) -> Query {
        let all = |tests: &[Self]| tests.iter().map(Self::query).collect();
        match self {
            Self::Is(known) => Query::Is(*known),
            Self::Failed(_) => Query::Unsure,
            Self::Truth(own) => Query::has(*own, Key::Whole, Fact::truth(&true.into()).code()),
            Self::Not(test) => Query::Not(Box::new(test.query())),
            Self::All(tests) => Query::All(all(tests)),
            Self::Any(tests) => Query::Any(all(tests)),
            Self::Compare { operator, event, own, swapped } => {
                let one = || event.code().map(|code| vec![code]);
                let (key, codes) = match (operator, swapped) {
                    // What is missing on either side is not the same.
                    (Operator::SameId, _) if event.is_true() == Ok(false) => (Key::Whole, Some(Vec::new())),
                    (Operator::Equal | Operator::Unequal | Operator::SameId, _) => (Key::Whole, one()),
                    (Operator::In | Operator::NotIn, true) => (Key::Whole, event.item_codes()),
                    (Operator::In | Operator::NotIn, false) => (Key::Items, one()),
                    (Operator::Intersects, _) => (Key::Items, event.item_codes()),
                };
                let query = codes.map_or(Query::Unsure, |codes| Query::has(*own, key, codes));
                match operator {
                    Operator::Unequal | Operator::NotIn => Query::Not(Box::new(query)),
                    _ => query,
                }
            }
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Failed(reason) => Some(reason),
            Self::Not(test) => test.reason(),
            Self::All(tests) | Self::Any(tests) => tests.iter().find_map(Self::reason),
            Self::Is(_) | Self::Truth(_) | Self::Compare { .. } => None,
        }
    }
}
