//! How large an .xz container is, before lzma-rs allocates it: LZMA2 states the size of each chunk in its header.
//!
//! Accepted is what Python's `lzma.compress` writes: one block, one filter (LZMA2), no sizes in the block header.

use super::CompressError;

const STREAM_HEADER: usize = 12;
const DAMAGED: CompressError = CompressError::Damaged("xz");

/// Refuses a container of more than `limit` bytes, or of another form.
pub(super) fn measure(bytes: &[u8], limit: usize) -> Result<(), CompressError> {
    let check_size = match bytes.get(7) {
        Some(0) => 0,
        Some(1) => 4,
        Some(4) => 8,
        _ => return Err(DAMAGED),
    };
    // Block header: size / 4 - 1, flags, filter id, size of its properties.
    let Some(&[size, 0, 0x21, 1]) = bytes.get(STREAM_HEADER..STREAM_HEADER + 4) else { return Err(DAMAGED) };
    let mut at = STREAM_HEADER + (usize::from(size) + 1) * 4;
    let mut total = 0usize;
    loop {
        let number = |offset: usize| {
            let bytes = bytes.get(at + offset..at + offset + 2).and_then(|pair| pair.try_into().ok());
            bytes.map(|pair| usize::from(u16::from_be_bytes(pair))).ok_or(DAMAGED)
        };
        let control = *bytes.get(at).ok_or(DAMAGED)?;
        let (unpacked, length) = match control {
            0 => break,
            1 | 2 => (number(1)? + 1, 3 + number(1)? + 1),
            0x80.. => {
                let properties = usize::from(control >= 0xc0);
                let unpacked = (usize::from(control & 0x1f) << 16) + number(1)? + 1;
                (unpacked, 5 + properties + number(3)? + 1)
            }
            _ => return Err(DAMAGED),
        };
        total += unpacked;
        at += length;
        if total > limit {
            return Err(CompressError::TooLarge("xz", limit));
        }
    }
    // After the end mark: padding to four bytes, the check, and the index, which begins with a zero.
    let index = (at + 1).next_multiple_of(4) + check_size;
    if bytes.get(index) == Some(&0) { Ok(()) } else { Err(DAMAGED) }
}
