//! Reads JSON in one pass, without recursion.

use indexmap::IndexMap;

use crate::event::{
    MAX_DEPTH, MAX_DIGITS, MAX_VALUES, Value,
    surrogate::{self, TextBuilder},
};

/// Why bytes are not JSON that the node accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not UTF-8.
    #[error("the JSON is not UTF-8")]
    Utf8,
    /// Not JSON: what was expected, and at which byte.
    #[error("not JSON: {0} at byte {1}")]
    Syntax(&'static str, usize),
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("the JSON is nested too deeply: more than {MAX_DEPTH} levels")]
    TooDeep,
    /// More values than [`MAX_VALUES`].
    #[error("the JSON has more than {MAX_VALUES} values")]
    TooMany,
    /// An integer of more than [`MAX_DIGITS`] digits.
    #[error("the JSON has an integer of more than {MAX_DIGITS} digits")]
    TooLong,
}

/// One JSON value, all of `bytes`, as Python's `json.loads` reads it: `NaN`, `Infinity` and `-Infinity` are numbers, and
/// a later equal key wins.
///
/// # Errors
/// It is not JSON, or beyond a limit.
pub fn read(bytes: &[u8]) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::Utf8)?;
    Reader { text, at: 0, values: MAX_VALUES, named: true }.whole()
}

/// The same as JavaScript's `JSON.parse` reads it: a number has digits.
///
/// # Errors
/// It is not JSON, or beyond a limit.
pub fn read_strict(text: &str) -> Result<Value, JsonError> {
    Reader { text, at: 0, values: MAX_VALUES, named: false }.whole()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// How many more values are permitted.
    values: usize,
    /// Whether `NaN` and `Infinity` are numbers.
    named: bool,
}

/// A list or object whose end was not read yet.
enum Open {
    List(Vec<Value>),
    /// With the key of the next value.
    Map(IndexMap<Box<str>, Value>, Box<str>),
}

/// From this length on a list grows in large steps: each step leaves the memory of the one before it behind.
const LARGE_LIST: usize = 1024;

/// Makes room in a large list for as many items as the rest of the text can have, or for seven times as many as it has.
fn make_room(items: &mut Vec<Value>, rest: usize) {
    if items.len() >= LARGE_LIST && items.len() == items.capacity() {
        // An item and its comma are at least two bytes.
        items.reserve_exact((rest / 2 + 1).min(7 * items.len()));
    }
}

impl<'a> Reader<'a> {
    fn whole(&mut self) -> Result<Value, JsonError> {
        let mut open = Vec::new();
        loop {
            let Some(mut value) = self.begin(&mut open)? else { continue };
            loop {
                self.skip_space();
                let next = self.peek();
                match open.last_mut() {
                    None if next.is_none() => return Ok(value),
                    None => return Err(self.unexpected("the end was expected")),
                    Some(Open::List(items)) => {
                        make_room(items, self.text.len() - self.at);
                        items.push(value);
                        match next {
                            Some(b',') => {
                                self.at += 1;
                                break;
                            }
                            Some(b']') => {}
                            _ => return Err(self.unexpected("`,` or `]` was expected")),
                        }
                    }
                    Some(Open::Map(entries, key)) => {
                        entries.insert(std::mem::take(key), value);
                        match next {
                            Some(b',') => {
                                self.at += 1;
                                *key = self.key()?;
                                break;
                            }
                            Some(b'}') => {}
                            _ => return Err(self.unexpected("`,` or `}` was expected")),
                        }
                    }
                }
                self.at += 1;
                value = match open.pop() {
                    Some(Open::List(mut items)) => {
                        if items.len() >= LARGE_LIST {
                            items.shrink_to_fit();
                        }
                        Value::List(items)
                    }
                    Some(Open::Map(entries, _)) => Value::Map(entries),
                    None => Value::Null,
                };
            }
        }
    }

    /// A complete value; `None` after the beginning of a list or object that is not empty.
    fn begin(&mut self, open: &mut Vec<Open>) -> Result<Option<Value>, JsonError> {
        self.values = self.values.checked_sub(1).ok_or(JsonError::TooMany)?;
        self.skip_space();
        let Some(byte) = self.peek() else { return Err(self.unexpected("a value was expected")) };
        Ok(Some(match byte {
            b'"' => {
                self.at += 1;
                Value::Str(self.string()?)
            }
            b'{' | b'[' => {
                self.at += 1;
                if open.len() >= MAX_DEPTH {
                    return Err(JsonError::TooDeep);
                }
                self.skip_space();
                match (byte, self.peek()) {
                    (b'{', Some(b'}')) => {
                        self.at += 1;
                        Value::Map(IndexMap::new())
                    }
                    (b'[', Some(b']')) => {
                        self.at += 1;
                        Value::List(Vec::new())
                    }
                    (b'{', _) => {
                        let key = self.key()?;
                        open.push(Open::Map(IndexMap::new(), key));
                        return Ok(None);
                    }
                    _ => {
                        open.push(Open::List(Vec::new()));
                        return Ok(None);
                    }
                }
            }
            b'-' | b'0'..=b'9' => self.number()?,
            b'n' => self.word("null", Value::Null)?,
            b't' => self.word("true", Value::Bool(true))?,
            b'f' => self.word("false", Value::Bool(false))?,
            b'N' if self.named => self.word("NaN", Value::Float(f64::NAN))?,
            b'I' if self.named => self.word("Infinity", Value::Float(f64::INFINITY))?,
            _ => return Err(self.unexpected("a value was expected")),
        }))
    }

    /// A key with its colon.
    fn key(&mut self) -> Result<Box<str>, JsonError> {
        self.skip_space();
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes was expected"));
        }
        self.at += 1;
        let key = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.unexpected("`:` was expected"));
        }
        self.at += 1;
        Ok(key)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        match self.rest().starts_with(word) {
            true => {
                self.at += word.len();
                Ok(value)
            }
            false => Err(self.unexpected("a value was expected")),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    const fn unexpected(&self, wanted: &'static str) -> JsonError {
        JsonError::Syntax(wanted, self.at)
    }

    /// Skips digits, at least one.
    fn digits(&mut self) -> Result<(), JsonError> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == from { Err(self.unexpected("a digit was expected")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let from = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
            if self.named && self.peek() == Some(b'I') {
                return self.word("Infinity", Value::Float(f64::NEG_INFINITY));
            }
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        let mut is_float = false;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
            is_float = true;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
            is_float = true;
        }
        let number = self.text.get(from..self.at).unwrap_or_default();
        if is_float {
            return number.parse().map(Value::Float).map_err(|_| self.unexpected("a number was expected"));
        }
        // The text has only digits after its sign, and does not begin with a zero.
        Value::integer(number).ok_or(JsonError::TooLong)
    }

    /// Text up to its quote.
    fn string(&mut self) -> Result<Box<str>, JsonError> {
        let from = self.at;
        self.skip_plain();
        if self.peek() == Some(b'"') {
            let text = self.text.get(from..self.at).unwrap_or_default();
            self.at += 1;
            return Ok(surrogate::pack(text));
        }
        let mut built = TextBuilder::after(self.text.get(from..self.at).unwrap_or_default());
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(built.finish());
                }
                Some(b'\\') => {
                    self.at += 1;
                    let point = self.escape()?;
                    built.push_point(point);
                }
                Some(_) => return Err(self.unexpected("a control character must be escaped")),
                None => return Err(self.unexpected("a text has no end")),
            }
            let from = self.at;
            self.skip_plain();
            built.push_str(self.text.get(from..self.at).unwrap_or_default());
        }
    }

    /// Skips to the next quote, backslash or control character, eight bytes at a time.
    #[inline]
    fn skip_plain(&mut self) {
        const ONES: u64 = 0x0101_0101_0101_0101;
        // The highest bit of each byte that is zero; lower ones are exact, and only the lowest is used.
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
        let bytes = self.text.as_bytes();
        let (chunks, _) = bytes.get(self.at..).unwrap_or_default().as_chunks::<8>();
        for (index, chunk) in chunks.iter().enumerate() {
            let word = u64::from_le_bytes(*chunk);
            let control = word.wrapping_sub(ONES * 0x20) & !word;
            let quote = zeros(word ^ (ONES * u64::from(b'"')));
            let backslash = zeros(word ^ (ONES * u64::from(b'\\')));
            let found = (control | quote | backslash) & (ONES << 7);
            if found != 0 {
                self.at += index * 8 + (found.trailing_zeros() / 8) as usize;
                return;
            }
        }
        let mut at = self.at + chunks.len() * 8;
        while let Some(byte) = bytes.get(at) {
            if matches!(byte, b'"' | b'\\' | 0..=0x1f) {
                break;
            }
            at += 1;
        }
        self.at = at;
    }

    /// The code point of an escape, after its backslash.
    fn escape(&mut self) -> Result<u32, JsonError> {
        let Some(byte) = self.peek() else { return Err(self.unexpected("a text has no end")) };
        self.at += 1;
        let character = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x8,
            b'f' => 0xc,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode(),
            _ => return Err(JsonError::Syntax("an escape was expected", self.at - 1)),
        };
        Ok(character.into())
    }

    /// The code point of `\u` and four digits, or of the two that together are one character; a surrogate that is alone stays.
    fn unicode(&mut self) -> Result<u32, JsonError> {
        let first = self.hex()?;
        if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
            let before = self.at;
            self.at += 2;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                return Ok(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            }
            self.at = before;
        }
        Ok(first)
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let mut number = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            number = number << 4 | digit.ok_or_else(|| self.unexpected("four hexadecimal digits were expected"))?;
            self.at += 1;
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests;
