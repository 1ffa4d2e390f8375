//! The prepared values of a group's members, by value: so a condition finds the members for which it is true without
//! looking at each.
//!
//! In: the values of the members at some positions, and a condition as a [`Query`]. Out: the positions for which its
//! answer is yes, and those for which it must be asked of the member itself. What the index does not know, it leaves to
//! the member: it never says yes or no without knowing.

use super::{
    super::{ConsumerId, expression::Code},
    positions::{BLOCK, Positions},
    traits::Traits,
};

/// Longer lists of a member are not indexed.
const MAX_ITEMS: usize = 128;

/// So many values are looked for one by one; more, in one pass over the index.
const FEW: usize = 32;

/// So many members of a block with one value are kept as a set.
const MANY: usize = 16;

/// The values of a group's members that conditions of one consumer ask for.
#[derive(Debug)]
pub struct MemberIndex {
    consumer: ConsumerId,
    blocks: Vec<Block>,
}

/// The members of a block that a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// They get it.
    pub yes: Positions,
    /// Their own values say whether they get it.
    pub unsure: Positions,
}

/// A condition as it is asked of an index.
#[derive(Debug)]
pub(super) enum Query {
    Is(bool),
    /// Only the member's own values can tell.
    Unsure,
    /// Whether a value, or an item of it, is one of these; in order.
    Has {
        question: u16,
        key: Key,
        codes: Box<[Code]>,
    },
    Not(Box<Query>),
    All(Box<[Query]>),
    Any(Box<[Query]>),
}

/// What of a value is indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Whole,
    /// The items of a list.
    Items,
}

/// Members with neighbouring positions.
#[derive(Debug, Default)]
struct Block(Vec<Column>);

/// The values of a block's members for one question.
#[derive(Debug)]
struct Column {
    question: u16,
    key: Key,
    /// Those whose values are here; of the others, what is here is out of date.
    known: Positions,
    /// Those whose value has no code.
    unsure: Positions,
    /// Values of few members: codes with a position in their lowest bits, in order.
    few: Vec<Code>,
    /// Values of many members, in order.
    many: Vec<(Code, Positions)>,
}

/// The values of the member at a position.
type Members<'a> = &'a dyn Fn(u8) -> Option<&'a Traits>;

impl Chosen {
    /// Every member.
    pub const ALL: Self = Self { yes: Positions::ALL, unsure: Positions::NONE };
    /// No member.
    pub const NONE: Self = Self { yes: Positions::NONE, unsure: Positions::NONE };
    /// Each member is asked.
    pub const UNSURE: Self = Self { yes: Positions::NONE, unsure: Positions::ALL };
}

impl MemberIndex {
    /// One of members whose values are those for this consumer.
    pub const fn new(consumer: ConsumerId) -> Self {
        Self { consumer, blocks: Vec::new() }
    }

    /// The values of the member at this position have changed, or it has another member.
    pub fn forget(&mut self, position: usize) {
        if let (Some(block), Ok(at)) = (self.blocks.get_mut(position / BLOCK), u8::try_from(position % BLOCK)) {
            block.0.iter_mut().for_each(|column| column.known.remove(at));
        }
    }

    /// The members of a block for which the condition of a consumer is true; `traits` are the values of the member at a
    /// position.
    pub(super) fn choose<'a>(
        &mut self,
        (consumer, query): (ConsumerId, &Query),
        block: usize,
        traits: impl Fn(usize) -> Option<&'a Traits>,
    ) -> Chosen {
        if consumer != self.consumer {
            return Chosen::UNSURE;
        }
        if self.blocks.len() <= block {
            self.blocks.resize_with(block + 1, Block::default);
        }
        query.answer(&mut self.blocks[block], &|at| traits(block * BLOCK + usize::from(at))?.of(consumer))
    }
}

impl Block {
    fn column(&mut self, question: u16, key: Key) -> &mut Column {
        let at = self.0.iter().position(|column| column.question == question && column.key == key);
        let at = at.unwrap_or_else(|| {
            let (known, unsure) = (Positions::NONE, Positions::NONE);
            self.0.push(Column { question, key, known, unsure, few: Vec::new(), many: Vec::new() });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

impl Column {
    /// Adds the values that are not known.
    fn refresh(&mut self, members: Members<'_>) {
        let missing = Positions::ALL.without(self.known);
        if missing.is_empty() {
            return;
        }
        self.few.retain(|entry| !missing.has(position(*entry)));
        self.many.iter_mut().for_each(|(_, positions)| *positions = positions.without(missing));
        self.many.retain(|(_, positions)| !positions.is_empty());
        self.unsure = self.unsure.without(missing);
        missing.each(|at| self.add(at, members(at)));
        self.few.sort();
        self.gather();
        self.known = Positions::ALL;
    }

    /// Keeps the values that many members have by now as sets.
    fn gather(&mut self) {
        let mut gathered = Vec::new();
        for same in self.few.chunk_by(|one, other| value(*one) == value(*other)).filter(|same| same.len() >= MANY) {
            let mut positions = Positions::NONE;
            same.iter().for_each(|entry| positions.add(position(*entry)));
            gathered.push((value(same[0]), positions));
        }
        if !gathered.is_empty() {
            self.few.retain(|entry| gathered.binary_search_by_key(&value(*entry), |(code, _)| *code).is_err());
            self.few.shrink_to_fit();
            self.many.append(&mut gathered);
            self.many.sort_by_key(|(code, _)| *code);
        }
    }

    fn add(&mut self, at: u8, traits: Option<&Traits>) {
        let facts = traits.map(|traits| traits.facts.borrow());
        let fact = facts.as_deref().and_then(|facts| facts.get(usize::from(self.question)));
        let codes = fact.and_then(|fact| match self.key {
            Key::Whole => fact.code().map(|code| vec![code]),
            Key::Items => fact.item_codes().filter(|codes| codes.len() <= MAX_ITEMS),
        });
        let Some(codes) = codes else { return self.unsure.add(at) };
        for code in codes {
            match self.many.binary_search_by_key(&code, |(known, _)| *known) {
                Ok(found) => self.many[found].1.add(at),
                Err(_) => self.few.push(code | Code::from(at)),
            }
        }
    }

    /// The members that have one of these values.
    fn find(&self, codes: &[Code]) -> Positions {
        let mut found = Positions::NONE;
        if codes.len() > FEW {
            for (_, positions) in self.many.iter().filter(|(code, _)| codes.binary_search(code).is_ok()) {
                found = found.or(*positions);
            }
            let mut rest = codes;
            for entry in &self.few {
                let value = value(*entry);
                while let [code, others @ ..] = rest
                    && *code < value
                {
                    rest = others;
                }
                match rest {
                    [] => break,
                    [code, ..] if *code == value => found.add(position(*entry)),
                    _ => {}
                }
            }
            return found;
        }
        let mut rest = self.few.as_slice();
        for code in codes {
            if let Ok(at) = self.many.binary_search_by_key(code, |(known, _)| *known) {
                found = found.or(self.many[at].1);
                continue;
            }
            rest = from(rest, *code);
            for entry in rest.iter().take_while(|entry| value(**entry) == *code) {
                found.add(position(*entry));
            }
        }
        found
    }
}

/// The entries from this value on, which is probably near.
fn from(entries: &[Code], code: Code) -> &[Code] {
    let mut end = 1;
    while entries.get(end - 1).is_some_and(|entry| *entry < code) {
        end *= 2;
    }
    let (begin, end) = (end / 2, entries.len().min(end));
    &entries[begin + entries[begin..end].partition_point(|entry| *entry < code)..]
}

/// The value of an entry.
const fn value(entry: Code) -> Code {
    entry & !0xff
}

/// The position of an entry.
const fn position(entry: Code) -> u8 {
    entry.to_le_bytes()[0]
}

impl Query {
    /// The members whose value, or an item of it, is one of these.
    pub fn has(question: u16, key: Key, codes: impl IntoIterator<Item = Code>) -> Self {
        let mut codes: Vec<Code> = codes.into_iter().collect();
        codes.sort_unstable();
        codes.dedup();
        Self::Has { question, key, codes: codes.into() }
    }

    fn answer(&self, block: &mut Block, members: Members<'_>) -> Chosen {
        match self {
            Self::Is(true) => Chosen::ALL,
            Self::Is(false) => Chosen::NONE,
            Self::Unsure => Chosen::UNSURE,
            Self::Has { question, key, codes } => {
                let column = block.column(*question, *key);
                column.refresh(members);
                Chosen { yes: column.find(codes).without(column.unsure), unsure: column.unsure }
            }
            Self::Not(query) => {
                let Chosen { yes, unsure } = query.answer(block, members);
                Chosen { yes: Positions::ALL.without(yes.or(unsure)), unsure }
            }
            // As in Python, the first part that decides is the last one that is asked.
            Self::All(queries) => {
                let mut all = Chosen::ALL;
                for query in queries {
                    if all.yes.is_empty() {
                        break;
                    }
                    let Chosen { yes, unsure } = query.answer(block, members);
                    all = Chosen { yes: all.yes.and(yes), unsure: all.unsure.or(all.yes.and(unsure)) };
                }
                all
            }
            Self::Any(queries) => {
                let (mut any, mut open) = (Chosen::NONE, Positions::ALL);
                for query in queries {
                    if open.is_empty() {
                        break;
                    }
                    let Chosen { yes, unsure } = query.answer(block, members);
                    any = Chosen { yes: any.yes.or(open.and(yes)), unsure: any.unsure.or(open.and(unsure)) };
                    open = open.without(yes.or(unsure));
                }
                any
            }
        }
    }
}
