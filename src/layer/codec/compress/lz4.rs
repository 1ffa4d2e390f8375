//! The LZ4 frame format (LZ4 Frame Format Description 1.6.2), as `lz4.frame.compress` writes it.
//!
//! Checksums are skipped: what follows is parsed in full and shows damage as well as they would.

use super::CompressError;

const DAMAGED: CompressError = CompressError::Damaged("lz4");
const BLOCK_CHECKSUM: u8 = 0x10;
const CONTENT_SIZE: u8 = 0x08;
const DICTIONARY: u8 = 0x01;
const STORED: u32 = 0x8000_0000;
const SHORTEST_MATCH: usize = 4;

/// A frame without its magic number.
pub(super) fn decompress(frame: &[u8], limit: usize) -> Result<Vec<u8>, CompressError> {
    let mut input = Input(frame);
    let flags = input.byte()?;
    let version = flags >> 6;
    if version != 1 || flags & DICTIONARY != 0 {
        return Err(DAMAGED);
    }
    // Block sizes, perhaps the content's size, and the header's checksum.
    input.take(2 + if flags & CONTENT_SIZE == 0 { 0 } else { 8 })?;
    let mut out = Vec::new();
    loop {
        let size = u32::from_le_bytes(input.array()?);
        if size == 0 {
            return Ok(out);
        }
        let block = input.take(usize::try_from(size & !STORED).map_err(|_| DAMAGED)?)?;
        if size & STORED == 0 {
            decompress_block(block, &mut out, limit)?;
        } else {
            push(block, &mut out, limit)?;
        }
        if flags & BLOCK_CHECKSUM != 0 {
            input.take(4)?;
        }
    }
}

/// A block's sequences: literals, then a match that may reach back into earlier blocks.
fn decompress_block(block: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), CompressError> {
    let mut input = Input(block);
    loop {
        let token = input.byte()?;
        let literals = input.length(token >> 4)?;
        push(input.take(literals)?, out, limit)?;
        if input.0.is_empty() {
            return Ok(());
        }
        let offset = usize::from(u16::from_le_bytes(input.array()?));
        let length = input.length(token & 0x0f)? + SHORTEST_MATCH;
        let start = out.len().checked_sub(offset).filter(|_| offset > 0).ok_or(DAMAGED)?;
        if out.len() + length > limit {
            return Err(CompressError::TooLarge("lz4", limit));
        }
        // A match may run into what it writes, so that it is copied in steps of what is there.
        let mut left = length;
        while left > 0 {
            let step = left.min(out.len() - start);
            out.extend_from_within(start..start + step);
            left -= step;
        }
    }
}

fn push(bytes: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), CompressError> {
    if out.len() + bytes.len() > limit {
        return Err(CompressError::TooLarge("lz4", limit));
    }
    out.extend_from_slice(bytes);
    Ok(())
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], CompressError> {
        let (head, rest) = self.0.split_at_checked(length).ok_or(DAMAGED)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CompressError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(DAMAGED)?;
        self.0 = rest;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, CompressError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// A length whose first four bits stand in the token; 15 means that bytes follow, to the first that is not 255.
    fn length(&mut self, nibble: u8) -> Result<usize, CompressError> {
        let mut length = usize::from(nibble);
        if nibble == 15 {
            loop {
                let byte = self.byte()?;
                length += usize::from(byte);
                if byte != 255 {
                    break;
                }
            }
        }
        Ok(length)
    }
}
