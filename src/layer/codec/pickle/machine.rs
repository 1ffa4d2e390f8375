//! The stack machine: the opcodes of protocols 0 to 5 that build plain data.

use std::{borrow::Cow, collections::HashMap};

use super::{
    PickleError, calls,
    tree::{Callable, Id, Node, Tree, digit_work},
};
use crate::{
    event::{
        MAX_DIGITS,
        surrogate::{self, TextBuilder},
    },
    layer::codec::MAX_VALUES,
};

const UNDERFLOW: PickleError = PickleError::Malformed("the stack is empty");
const NOT_TEXT: PickleError = PickleError::Malformed("text that is not UTF-8");
/// The longest integer, in bytes: it has up to [`MAX_DIGITS`] digits.
const MAX_INTEGER: usize = 1786;

/// Runs a pickle up to its STOP; the second of the pair is the value left on the stack.
pub(super) fn run(bytes: &[u8]) -> Result<(Tree<'_>, Id), PickleError> {
    let mut machine =
        Machine { rest: bytes, tree: Tree::default(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    while !machine.step()? {}
    let root = machine.pop()?;
    Ok((machine.tree, root))
}

struct Machine<'a> {
    rest: &'a [u8],
    tree: Tree<'a>,
    stack: Vec<Id>,
    /// Stack heights at each MARK.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    /// One opcode; true after STOP.
    fn step(&mut self) -> Result<bool, PickleError> {
        let [opcode] = self.array()?;
        match opcode {
            b'.' => return Ok(true),
            0x80 => {
                let [protocol] = self.array()?;
                if protocol > 5 {
                    return Err(PickleError::Malformed("a protocol above 5"));
                }
            }
            // A frame is only a hint for buffering.
            0x95 => drop(self.array::<8>()?),

            b'N' => self.push(Node::Null)?,
            0x88 => self.push(Node::Bool(true))?,
            0x89 => self.push(Node::Bool(false))?,
            b'K' => {
                let [number] = self.array()?;
                self.push(Node::Int(number.into()))?;
            }
            b'M' => {
                let number = u16::from_le_bytes(self.array()?);
                self.push(Node::Int(number.into()))?;
            }
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Node::Int(number.into()))?;
            }
            0x8a => {
                let length = self.length1()?;
                self.integer(length)?;
            }
            0x8b => {
                let length = self.length4()?;
                self.integer(length)?;
            }
            b'G' => {
                let number = f64::from_be_bytes(self.array()?);
                self.push(Node::Float(number))?;
            }
            b'I' | b'L' | b'F' | b'V' => self.textual(opcode)?,

            0x8c => {
                let length = self.length1()?;
                self.text(length)?;
            }
            b'X' => {
                let length = self.length4()?;
                self.text(length)?;
            }
            0x8d => {
                let length = self.length8()?;
                self.text(length)?;
            }
            b'C' => {
                let length = self.length1()?;
                self.bytes(length)?;
            }
            b'B' => {
                let length = self.length4()?;
                self.bytes(length)?;
            }
            // BINBYTES8 and BYTEARRAY8
            0x8e | 0x96 => {
                let length = self.length8()?;
                self.bytes(length)?;
            }

            b']' | 0x8f => self.push(Node::List(Vec::new()))?,
            b'}' => self.push(Node::Dict(Vec::new()))?,
            b')' => self.push(Node::Tuple(Vec::new()))?,
            b'(' => {
                within(self.marks.len())?;
                self.marks.push(self.stack.len());
            }
            b'l' | 0x91 => {
                let items = self.pop_mark()?;
                self.push(Node::List(items))?;
            }
            b't' => {
                let items = self.pop_mark()?;
                self.push(Node::Tuple(items))?;
            }
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Node::Dict(Vec::new()))?;
                self.set_items(&items)?;
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.push(Node::Tuple(items))?;
            }
            b'a' => {
                let items = self.pop_many(1)?;
                self.append(items)?;
            }
            // APPENDS and ADDITEMS
            b'e' | 0x90 => {
                let items = self.pop_mark()?;
                self.append(items)?;
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.set_items(&items)?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set_items(&items)?;
            }

            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => self.hold(self.top()?)?,

            0x94 => self.memoize(u32::try_from(self.memo.len()).map_err(|_| PickleError::TooLarge)?)?,
            b'q' => {
                let [index] = self.array()?;
                self.memoize(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.array()?);
                self.memoize(index)?;
            }
            b'p' => {
                let index = self.line_number()?;
                self.memoize(index)?;
            }
            b'h' => {
                let [index] = self.array()?;
                self.recall(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.array()?);
                self.recall(index)?;
            }
            b'g' => {
                let index = self.line_number()?;
                self.recall(index)?;
            }

            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Node::Callable(Callable::find(module, name)?))?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Node::Str(module), Node::Str(name)) = (self.tree.get(module), self.tree.get(name)) else {
                    return Err(PickleError::Malformed("a name that is not text"));
                };
                self.push(Node::Callable(Callable::find(module, name)?))?;
            }
            // REDUCE and NEWOBJ
            b'R' | 0x81 => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                let Node::Callable(callable) = *self.tree.get(callable) else {
                    return Err(PickleError::Malformed("a call of something that is not a function"));
                };
                let Node::Tuple(arguments) = self.tree.get(arguments) else {
                    return Err(PickleError::Malformed("arguments that are not a tuple"));
                };
                // No supported call has more than three.
                if arguments.len() > 3 {
                    return Err(PickleError::Malformed("unexpected arguments"));
                }
                let arguments = arguments.clone();
                let result = calls::call(callable, &arguments, &self.tree)?;
                self.push(result)?;
            }
            b'b' => {
                let state = self.pop()?;
                calls::build(self.top()?, state, &mut self.tree)?;
            }
            other => return Err(PickleError::Opcode(other)),
        }
        Ok(false)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(PickleError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], PickleError> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(PickleError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    fn length1(&mut self) -> Result<usize, PickleError> {
        Ok(usize::from(u8::from_le_bytes(self.array()?)))
    }

    // A length that does not fit is longer than any slice, and therefore truncated.
    fn length4(&mut self) -> Result<usize, PickleError> {
        Ok(usize::try_from(u32::from_le_bytes(self.array()?)).unwrap_or(usize::MAX))
    }

    fn length8(&mut self) -> Result<usize, PickleError> {
        Ok(usize::try_from(u64::from_le_bytes(self.array()?)).unwrap_or(usize::MAX))
    }

    /// Text to the end of the line, as protocol 0 writes it.
    fn line(&mut self) -> Result<&'a str, PickleError> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or(PickleError::Truncated)?;
        let line = self.slice(end)?;
        self.slice(1)?;
        std::str::from_utf8(line).map_err(|_| NOT_TEXT)
    }

    fn line_number(&mut self) -> Result<u32, PickleError> {
        self.line()?.parse().map_err(|_| PickleError::Malformed("a memo index that is not a number"))
    }

    fn push(&mut self, node: Node<'a>) -> Result<(), PickleError> {
        let id = self.tree.add(node)?;
        self.hold(id)
    }

    /// Pushes a node on the stack.
    fn hold(&mut self, id: Id) -> Result<(), PickleError> {
        within(self.stack.len())?;
        self.stack.push(id);
        Ok(())
    }

    fn text(&mut self, length: usize) -> Result<(), PickleError> {
        let bytes = self.slice(length)?;
        self.push(Node::Str(match std::str::from_utf8(bytes) {
            Ok(text) if !surrogate::is_marked(text) => Cow::Borrowed(text),
            // Python's pickles have lone surrogates as any other code point.
            _ => Cow::Owned(surrogate::of_wide_utf8(bytes).ok_or(NOT_TEXT)?.into()),
        }))
    }

    fn bytes(&mut self, length: usize) -> Result<(), PickleError> {
        let bytes = self.slice(length)?;
        self.push(Node::Bytes(Cow::Borrowed(bytes)))
    }

    /// An integer in as few little-endian bytes as its sign permits.
    fn integer(&mut self, length: usize) -> Result<(), PickleError> {
        let bytes = self.slice(length)?;
        if length > MAX_INTEGER {
            return Err(PickleError::TooLarge);
        }
        let negative = bytes.last().is_some_and(|top| top & 0x80 != 0);
        let mut buffer = [if negative { 0xff } else { 0 }; 8];
        self.push(match bytes {
            [low @ .., 0] if low.len() == 8 => {
                buffer.copy_from_slice(low);
                let number = u64::from_le_bytes(buffer);
                i64::try_from(number).map_or(Node::UInt(number), Node::Int)
            }
            _ if length <= 8 => {
                buffer[..length].copy_from_slice(bytes);
                Node::Int(i64::from_le_bytes(buffer))
            }
            _ => {
                self.tree.work(digit_work(length))?;
                Node::Huge(bytes)
            }
        })
    }

    /// The textual opcodes of protocol 0.
    fn textual(&mut self, opcode: u8) -> Result<(), PickleError> {
        const BAD_NUMBER: PickleError = PickleError::Malformed("an invalid number");
        if opcode == b'V' {
            let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or(PickleError::Truncated)?;
            let line = self.slice(end)?;
            self.slice(1)?;
            return self.push(Node::Str(Cow::Owned(raw_unicode_escape(line)?)));
        }
        let line = self.line()?;
        self.push(match (opcode, line) {
            (b'I', "01") => Node::Bool(true),
            (b'I', "00") => Node::Bool(false),
            (b'F', text) => Node::Float(text.parse().map_err(|_| BAD_NUMBER)?),
            (_, text) => {
                let text = text.strip_suffix('L').unwrap_or(text);
                let unsigned = text.strip_prefix('-').unwrap_or(text);
                if let Ok(number) = text.parse() {
                    Node::Int(number)
                } else if let Ok(number) = text.parse() {
                    Node::UInt(number)
                } else if (1..=MAX_DIGITS).contains(&unsigned.len())
                    && unsigned.bytes().all(|byte| byte.is_ascii_digit())
                {
                    Node::Digits(text)
                } else {
                    return Err(BAD_NUMBER);
                }
            }
        })
    }

    /// The bottom of the stack above the current mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id, PickleError> {
        if self.stack.len() <= self.floor() { Err(UNDERFLOW) } else { self.stack.last().copied().ok_or(UNDERFLOW) }
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, PickleError> {
        let at = self.stack.len().checked_sub(count).filter(|at| *at >= self.floor()).ok_or(UNDERFLOW)?;
        self.tree.link(count)?;
        Ok(self.stack.split_off(at))
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let at = self.marks.pop().ok_or(PickleError::Malformed("no mark"))?;
        self.tree.link(self.stack.len() - at)?;
        Ok(self.stack.split_off(at))
    }

    fn append(&mut self, mut items: Vec<Id>) -> Result<(), PickleError> {
        match self.tree.get_mut(self.top()?)? {
            Node::List(list) => {
                list.append(&mut items);
                Ok(())
            }
            _ => Err(PickleError::Malformed("items for something that is not a list")),
        }
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let top = self.top()?;
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err(PickleError::Malformed("a key without a value"));
        };
        match self.tree.get_mut(top)? {
            Node::Dict(entries) => {
                entries.extend(pairs.iter().map(|[key, value]| (*key, *value)));
                Ok(())
            }
            _ => Err(PickleError::Malformed("entries for something that is not a dict")),
        }
    }

    fn memoize(&mut self, index: u32) -> Result<(), PickleError> {
        let top = self.top()?;
        within(self.memo.len())?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), PickleError> {
        let id = *self.memo.get(&index).ok_or(PickleError::Malformed("a missing memo entry"))?;
        self.hold(id)
    }
}

/// Checks that the stack, the marks or the memo may grow by one, which a one-byte opcode can do.
const fn within(length: usize) -> Result<(), PickleError> {
    if length >= MAX_VALUES { Err(PickleError::TooLarge) } else { Ok(()) }
}

/// Python's raw-unicode-escape: latin-1 with `\u` and four, or `\U` and eight, hexadecimal digits.
fn raw_unicode_escape(line: &[u8]) -> Result<String, PickleError> {
    let mut text = TextBuilder::default();
    let mut rest = line;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        let length = match (byte, tail.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push_point(u32::from(*byte));
                continue;
            }
        };
        let digits = tail.get(1..=length).and_then(|digits| std::str::from_utf8(digits).ok());
        let point = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).filter(|point| *point <= 0x10_ffff);
        text.push_point(point.ok_or(NOT_TEXT)?);
        rest = &tail[1 + length..];
    }
    Ok(text.finish().into())
}
