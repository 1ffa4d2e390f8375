//! The stamped text: `@W`, eight hexadecimal digits of number, sixteen of time, and words up to the size.

use memchr::memmem;

const MARK: &[u8] = b"@W";
/// The shortest stamped text.
pub const SHORTEST: usize = 2 + 8 + 16;
const WORDS: [&str; 16] = [
    "visit",
    "client",
    "terminal",
    "employee",
    "door",
    "ticket",
    "order",
    "parking",
    "session",
    "paid",
    "left",
    "arrived",
    "cancelled",
    "moscow",
    "north",
    "spare",
];

/// One stamped text. The words differ between messages, so that compression has real work.
pub fn text(seq: u32, time: u64, size: usize) -> Vec<u8> {
    let mut text = format!("@W{seq:08x}{time:016x}").into_bytes();
    let mut state = u64::from(seq).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while text.len() < size {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push(b' ');
        text.extend_from_slice(WORDS[(state >> 60) as usize].as_bytes());
    }
    text.truncate(size.max(SHORTEST));
    text
}

/// Number and time of the stamp anywhere in a message; `hint` is the position of the last one.
#[inline]
pub fn find(message: &[u8], hint: &mut usize) -> Option<(u32, u64)> {
    if message.get(*hint..*hint + 2) != Some(MARK) {
        *hint = memmem::find(message, MARK)?;
    }
    let at = *hint + 2;
    let seq = hexadecimal(message.get(at..at + 8)?)?;
    Some((u32::try_from(seq).ok()?, hexadecimal(message.get(at + 8..at + 24)?)?))
}

#[inline]
fn hexadecimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, &digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_wherever_it_stands() {
        let text = text(7, 99, 200);
        assert_eq!(text.len(), 200);
        let mut hint = 0;
        assert_eq!(find(&text, &mut hint), Some((7, 99)));
        let wrapped = [b"42[\"x\",\"", &text[..], b"\"]"].concat();
        assert_eq!(find(&wrapped, &mut hint), Some((7, 99)));
        assert_eq!(hint, 8);
        assert_eq!(find(b"no stamp at all", &mut hint), None);
    }
}
