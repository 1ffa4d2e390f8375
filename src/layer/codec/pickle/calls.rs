//! The few classes and functions that plain data needs. They are recognised by name and imitated, never called.

use std::borrow::Cow;

use super::{
    PickleError,
    tree::{Callable, Id, Node, Tree},
};

const BAD_ARGUMENTS: PickleError = PickleError::Malformed("unexpected arguments");
const BAD_DATE: PickleError = PickleError::Malformed("a date out of range");
const MICROS: i64 = 1_000_000;
/// Python's bound on a timedelta.
const MAX_DAYS: i64 = 999_999_999;

/// Imitates a call with the arguments of REDUCE or NEWOBJ.
pub(super) fn call<'a>(callable: Callable, arguments: &[Id], tree: &Tree<'a>) -> Result<Node<'a>, PickleError> {
    let nodes: Vec<&Node<'a>> = arguments.iter().map(|id| tree.get(*id)).collect();
    Ok(match (callable, nodes.as_slice()) {
        (Callable::Datetime, [Node::Bytes(state)]) => Node::Str(datetime(state, None)?.into()),
        (Callable::Datetime, [Node::Bytes(state), Node::Zone(zone)]) => Node::Str(datetime(state, Some(*zone))?.into()),
        (Callable::Date, [Node::Bytes(state)]) => Node::Str(date(state)?.into()),
        (Callable::Timedelta, [Node::Int(days), Node::Int(seconds), Node::Int(micros)]) => {
            Node::Delta(delta(*days, *seconds, *micros)?)
        }
        (Callable::Timezone, [Node::Delta(offset)] | [Node::Delta(offset), Node::Str(_)])
            if offset.abs() < 86_400 * MICROS =>
        {
            Node::Zone(*offset)
        }
        (Callable::Utc, []) => Node::Zone(0),
        (Callable::Decimal | Callable::SafeString, [Node::Str(text)]) => {
            // The same text of the pickle may be passed to many calls.
            tree.work(text.len())?;
            Node::Str(text.clone())
        }
        (Callable::Uuid, []) => Node::Uuid,
        (Callable::Dict, []) | (Callable::DefaultDict, [] | [Node::Null | Node::Callable(_)]) => Node::Dict(Vec::new()),
        (Callable::Dict, [Node::Dict(entries)]) => {
            tree.link(entries.len())?;
            Node::Dict(entries.clone())
        }
        (Callable::Set, []) => Node::List(Vec::new()),
        (Callable::Set, [Node::List(items) | Node::Tuple(items)]) => {
            tree.link(items.len())?;
            Node::List(items.clone())
        }
        (Callable::Bytes, []) => Node::Bytes(Cow::Borrowed(&[])),
        (Callable::Encode, [Node::Str(text), Node::Str(encoding)]) if matches!(&**encoding, "latin1" | "latin-1") => {
            tree.work(text.len())?;
            Node::Bytes(Cow::Owned(latin1(text)?))
        }
        _ => return Err(BAD_ARGUMENTS),
    })
}

/// Imitates BUILD, which fills an object after its creation: only a UUID needs it.
pub(super) fn build(object: Id, state: Id, tree: &mut Tree<'_>) -> Result<(), PickleError> {
    let (Node::Uuid, Node::Dict(entries)) = (tree.get(object), tree.get(state)) else {
        return Err(PickleError::Forbidden("an object with attributes".to_owned()));
    };
    let is_int = |key: Id| matches!(tree.get(key), Node::Str(text) if text == "int");
    let number = entries.iter().find(|(key, _)| is_int(*key)).and_then(|(_, value)| match tree.get(*value) {
        Node::Int(number) => u128::try_from(*number).ok(),
        Node::UInt(number) => Some((*number).into()),
        Node::Huge(bytes) => unsigned(bytes),
        _ => None,
    });
    let number = number.ok_or(PickleError::Malformed("a UUID without its number"))?;
    *tree.get_mut(object)? = Node::Str(uuid::Uuid::from_u128(number).to_string().into());
    Ok(())
}

fn latin1(text: &str) -> Result<Vec<u8>, PickleError> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)))
        .collect::<Result<_, _>>()
        .map_err(|_| PickleError::Malformed("bytes that are not latin-1"))
}

fn unsigned(bytes: &[u8]) -> Option<u128> {
    let (top, rest) = bytes.split_last()?;
    let mut buffer = [0; 16];
    if *top == 0 && rest.len() <= 16 {
        buffer[..rest.len()].copy_from_slice(rest);
    } else if *top < 0x80 && bytes.len() <= 16 {
        buffer[..bytes.len()].copy_from_slice(bytes);
    } else {
        return None;
    }
    Some(u128::from_le_bytes(buffer))
}

fn delta(days: i64, seconds: i64, micros: i64) -> Result<i64, PickleError> {
    if days.abs() > MAX_DAYS {
        return Err(BAD_DATE);
    }
    // Beyond about 292,000 years the microseconds exceed 64 bits.
    let seconds = days.checked_mul(86_400).and_then(|whole| whole.checked_add(seconds)).ok_or(BAD_DATE)?;
    seconds.checked_mul(MICROS).and_then(|whole| whole.checked_add(micros)).ok_or(BAD_DATE)
}

/// Four bytes: year u16be, month, day.
fn date(state: &[u8]) -> Result<String, PickleError> {
    let &[high, low, month, day] = state else { return Err(BAD_ARGUMENTS) };
    let year = u16::from_be_bytes([high, low]);
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(BAD_DATE);
    }
    Ok(format!("{year:04}-{month:02}-{day:02}"))
}

/// Ten bytes: the date, hour, minute, second, microseconds u24be. The month's top bit is `fold`, which ISO text cannot
/// express.
fn datetime(state: &[u8], zone: Option<i64>) -> Result<String, PickleError> {
    let &[year_high, year_low, month, day, hour, minute, second, a, b, c] = state else { return Err(BAD_ARGUMENTS) };
    let micros = u32::from_be_bytes([0, a, b, c]);
    if hour > 23 || minute > 59 || second > 59 || micros > 999_999 {
        return Err(BAD_DATE);
    }
    let mut text = date(&[year_high, year_low, month & 0x7f, day])?;
    text.push_str(&format!("T{hour:02}:{minute:02}:{second:02}"));
    if micros > 0 {
        text.push_str(&format!(".{micros:06}"));
    }
    if let Some(zone) = zone {
        text.push_str(&utc_offset(zone));
    }
    Ok(text)
}

/// `+02:00`, with seconds and microseconds only if they are not zero.
fn utc_offset(micros: i64) -> String {
    let sign = if micros < 0 { '-' } else { '+' };
    let micros = micros.unsigned_abs();
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let mut text = format!("{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
    if seconds % 60 > 0 || micros > 0 {
        text.push_str(&format!(":{:02}", seconds % 60));
    }
    if micros > 0 {
        text.push_str(&format!(".{micros:06}"));
    }
    text
}
