//! Decompresses the formats of django-redis, recognised by their first bytes, with bounded output.
//!
//! | compressor | first bytes | by |
//! | --- | --- | --- |
//! | zlib | `78 01/5e/9c/da` | flate2 |
//! | gzip | `1f 8b 08` | flate2 |
//! | lzma | `fd 37 7a 58 5a 00`, an .xz container | lzma-rust2 |
//! | lz4 | `04 22 4d 18`, an LZ4 frame | lz4_flex |
//! | zstd | `28 b5 2f fd` | ruzstd |

use std::{
    borrow::Cow,
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
};

use lz4_flex::frame::FrameDecoder;

/// The largest zstd stream that is decompressed. Unlike the others, ruzstd cannot be stopped within a block, and a
/// hostile block grows by a factor of about 65,000; django-redis compresses a ws-token or a user to a few hundred
/// bytes.
const MAX_ZSTD_STREAM: usize = 16 << 10;

/// Why a compressed value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompressError {
    /// The stream is damaged or ends too early.
    #[error("the {0} stream is damaged")]
    Damaged(&'static str),
    /// Its output would exceed the limit.
    #[error("the {0} stream has more than {1} bytes")]
    TooLarge(&'static str, usize),
}

/// The decompressed content, at most `limit` bytes; `bytes` themselves if no format is recognised.
pub fn decompress(bytes: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, CompressError> {
    let plain = match bytes {
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => drain("zlib", flate2::read::ZlibDecoder::new(bytes), limit)?,
        [0x1f, 0x8b, 0x08, ..] => drain("gzip", flate2::read::GzDecoder::new(bytes), limit)?,
        // Its window grows with its output, whatever size the container states.
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            guarded("xz", || drain("xz", lzma_rust2::XzReader::new(bytes, false), limit))?
        }
        [0x04, 0x22, 0x4d, 0x18, ..] => guarded("lz4", || drain("lz4", FrameDecoder::new(bytes), limit))?,
        [0x28, 0xb5, 0x2f, 0xfd, ..] if bytes.len() > MAX_ZSTD_STREAM => {
            return Err(CompressError::TooLarge("compressed zstd", MAX_ZSTD_STREAM));
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => guarded("zstd", || {
            let decoder = ruzstd::decoding::StreamingDecoder::new(bytes).map_err(|_| CompressError::Damaged("zstd"))?;
            drain("zstd", decoder, limit)
        })?,
        _ => return Ok(Cow::Borrowed(bytes)),
    };
    Ok(Cow::Owned(plain))
}

/// Reads a decoder to its end, or to one byte beyond the limit.
fn drain(name: &'static str, decoder: impl Read, limit: usize) -> Result<Vec<u8>, CompressError> {
    let mut plain = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(bound).read_to_end(&mut plain).map_err(|_| CompressError::Damaged(name))?;
    if plain.len() > limit { Err(CompressError::TooLarge(name, limit)) } else { Ok(plain) }
}

/// Runs a decoder that uses assertions; a damaged stream may fail one.
fn guarded(
    name: &'static str,
    decode: impl FnOnce() -> Result<Vec<u8>, CompressError>,
) -> Result<Vec<u8>, CompressError> {
    // Only the result survives the closure, so no inconsistent state is visible.
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or(Err(CompressError::Damaged(name)))
}
