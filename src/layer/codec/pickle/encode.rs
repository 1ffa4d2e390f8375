//! Writes pickles for Django, protocol 4, like CPython's `pickle.dumps(value, 4)` except that repeated texts are not
//! shared.

use crate::event::{Value, surrogate};

/// The number of items that CPython writes between a mark and APPENDS or SETITEMS.
const BATCH: usize = 1000;
/// CPython writes larger bodies as several frames; frames are optional, so here they have none.
const MAX_FRAME: usize = 64 << 10;

/// A pickle of protocol 4, which every Python since 3.4 reads.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut body = Vec::with_capacity(64);
    write(value, &mut body);
    body.push(b'.');
    let mut out = vec![0x80, 4];
    if (4..MAX_FRAME).contains(&body.len()) {
        out.push(0x95);
        out.extend_from_slice(&(body.len() as u64).to_le_bytes());
    }
    out.append(&mut body);
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(b'N'),
        Value::Bool(value) => out.push(if *value { 0x88 } else { 0x89 }),
        Value::Int(number) => write_int(*number, out),
        Value::UInt(number) => {
            out.extend_from_slice(&[0x8a, 9]);
            out.extend_from_slice(&number.to_le_bytes());
            out.push(0);
        }
        Value::Float(number) => {
            out.push(b'G');
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Big(digits) => write_big(digits, out),
        Value::Str(text) => write_text(text, out),
        Value::Bytes(bytes) => {
            write_length([b'C', b'B', 0x8e], bytes.len(), out);
            out.extend_from_slice(bytes);
            out.push(MEMOIZE);
        }
        Value::List(items) => {
            out.extend_from_slice(&[b']', MEMOIZE]);
            for batch in items.chunks(BATCH) {
                if let [item] = batch {
                    write(item, out);
                    out.push(b'a');
                } else {
                    out.push(b'(');
                    batch.iter().for_each(|item| write(item, out));
                    out.push(b'e');
                }
            }
        }
        Value::Map(entries) => {
            out.extend_from_slice(&[b'}', MEMOIZE]);
            let mut rest = entries.iter().peekable();
            while rest.peek().is_some() {
                let batch: Vec<_> = rest.by_ref().take(BATCH).collect();
                let single = batch.len() == 1;
                if !single {
                    out.push(b'(');
                }
                for (key, value) in batch {
                    write_text(key, out);
                    write(value, out);
                }
                out.push(if single { b's' } else { b'u' });
            }
        }
    }
}

const MEMOIZE: u8 = 0x94;

fn write_text(text: &str, out: &mut Vec<u8>) {
    let bytes = surrogate::wide_utf8(text);
    write_length([0x8c, b'X', 0x8d], bytes.len(), out);
    out.extend_from_slice(&bytes);
    out.push(MEMOIZE);
}

/// An integer as protocol 0 writes it, in digits.
#[cold]
fn write_big(digits: &str, out: &mut Vec<u8>) {
    out.push(b'L');
    out.extend_from_slice(digits.as_bytes());
    out.extend_from_slice(b"L\n");
}

/// An opcode with a length of one, four or eight bytes.
fn write_length([short, long, longest]: [u8; 3], length: usize, out: &mut Vec<u8>) {
    if let Ok(length) = u8::try_from(length) {
        out.extend_from_slice(&[short, length]);
    } else if let Ok(length) = u32::try_from(length) {
        out.push(long);
        out.extend_from_slice(&length.to_le_bytes());
    } else {
        out.push(longest);
        out.extend_from_slice(&(length as u64).to_le_bytes());
    }
}

fn write_int(number: i64, out: &mut Vec<u8>) {
    if let Ok(number) = u8::try_from(number) {
        out.extend_from_slice(&[b'K', number]);
    } else if let Ok(number) = u16::try_from(number) {
        out.push(b'M');
        out.extend_from_slice(&number.to_le_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        out.push(b'J');
        out.extend_from_slice(&number.to_le_bytes());
    } else {
        let bytes = number.to_le_bytes();
        // The fewest bytes that keep the sign.
        let negative = number < 0;
        let spare = |top: u8, next: u8| if negative { top == 0xff && next >= 0x80 } else { top == 0 && next < 0x80 };
        let length = (1..8).rev().find(|last| !spare(bytes[*last], bytes[last - 1])).map_or(1, |last| last + 1);
        out.extend_from_slice(&[0x8a, length as u8]);
        out.extend_from_slice(&bytes[..length]);
    }
}
