//! permessage-deflate (RFC 7692) without context takeover, in both directions.
//!
//! Out: one compressor per thread and window size, reset for every message, so a broadcast is compressed once for all.
//! In: an [`Inflater`] is borrowed from the thread's pool for one message and returned afterwards. No connection keeps
//! a zlib state (about 44 KiB in, 256 KiB out) between messages.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::close::ProtocolError;

/// The end of a flush; RFC 7692 §7.2.1 removes it from every message.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// [`TAIL`], then an empty final block. Only data that is complete after the tail reads it as the end of the stream.
const TAIL_AND_END: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];

/// The output size per step of inflating.
const STEP: usize = 8 << 10;

/// Idle inflaters kept per thread.
const POOL: usize = 4;

thread_local! {
    static COMPRESSORS: RefCell<[Option<(u32, Compress)>; 7]> = const { RefCell::new([const { None }; 7]) };
    static INFLATERS: RefCell<Vec<Box<State>>> = const { RefCell::new(Vec::new()) };
}

/// Appends `payload` to `out`, compressed with a window of 2^`window_bits` bytes (9 to 15) at `level` (1 to 9).
/// `false`, with `out` as it was, if that would not be smaller than `payload`.
pub fn compress(payload: &[u8], window_bits: u8, level: u32, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let window_bits = window_bits.clamp(9, 15);
    let level = level.clamp(1, 9);
    let whole = COMPRESSORS.with_borrow_mut(|compressors| {
        let index = &mut compressors[usize::from(window_bits - 9)];
        let (_, mut compressor) = index
            .take()
            .filter(|(of_level, _)| *of_level == level)
            .unwrap_or_else(|| (level, Compress::new_with_window_bits(Compression::new(level), false, window_bits)));
        let whole = run(&mut compressor, payload, out);
        if whole {
            // Not earlier: resetting zlib-rs in the middle of a message makes it unusable for the next one.
            compressor.reset();
            *index = Some((level, compressor));
        }
        whole
    });
    let smaller = whole && out.ends_with(&TAIL) && out.len() - start < payload.len() + TAIL.len();
    out.truncate(if smaller { out.len() - TAIL.len() } else { start });
    smaller
}

/// Compresses and flushes all of `payload`; `false` if zlib fails.
fn run(compressor: &mut Compress, mut payload: &[u8], out: &mut Vec<u8>) -> bool {
    // Enough for the worst case (nine-bit codes for each byte), so that one call suffices.
    out.reserve(payload.len() + payload.len() / 8 + 64);
    loop {
        let (taken, room) = (compressor.total_in(), out.capacity() - out.len());
        let before = out.len();
        if compressor.compress_vec(payload, out, FlushCompress::Sync).is_err() {
            return false;
        }
        payload = &payload[(compressor.total_in() - taken) as usize..];
        // zlib has flushed everything when it leaves room unused.
        if payload.is_empty() && out.len() - before < room {
            return true;
        }
        out.reserve(payload.len() + 64);
    }
}

struct State {
    zlib: Decompress,
    out: [u8; STEP],
}

/// Inflates one message, chunk by chunk.
pub struct Inflater {
    /// `None` only while it is being dropped.
    state: Option<Box<State>>,
    /// Data was pushed.
    begun: bool,
    /// A block marked as the last one has ended; another may follow it (RFC 7692 §7.2.3.4).
    ended: bool,
}

impl Inflater {
    /// An inflater from the thread's pool, or a new one.
    pub fn take() -> Self {
        let state = INFLATERS.with_borrow_mut(Vec::pop);
        // An inflater with a window of 2^15 bytes can read any window of the client.
        let state = state.unwrap_or_else(|| Box::new(State { zlib: Decompress::new(false), out: [0; STEP] }));
        Self { state: Some(state), begun: false, ended: false }
    }

    /// Inflates `input` and passes the output to `sink`, in chunks of at most 8 KiB; stops at the sink's first error,
    /// which bounds the size.
    pub fn push(
        &mut self,
        input: &[u8],
        sink: &mut dyn FnMut(&[u8]) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        self.begun |= !input.is_empty();
        self.inflate(input, sink)
    }

    /// The message is complete: passes the rest to `sink`.
    pub fn finish(mut self, sink: &mut dyn FnMut(&[u8]) -> Result<(), ProtocolError>) -> Result<(), ProtocolError> {
        // Some compressors write nothing for an empty message.
        if !self.begun || self.ended {
            return Ok(());
        }
        self.inflate(&TAIL_AND_END, sink)?;
        if self.ended { Ok(()) } else { Err(ProtocolError::Deflate) }
    }

    fn inflate(
        &mut self,
        mut input: &[u8],
        sink: &mut dyn FnMut(&[u8]) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        let Some(state) = self.state.as_deref_mut() else { return Err(ProtocolError::Deflate) };
        loop {
            if self.ended {
                if input.is_empty() {
                    return Ok(());
                }
                state.zlib.reset(false);
                self.ended = false;
            }
            let (taken, made) = (state.zlib.total_in(), state.zlib.total_out());
            let status = state
                .zlib
                .decompress(input, &mut state.out, FlushDecompress::None)
                .map_err(|_| ProtocolError::Deflate)?;
            let taken = (state.zlib.total_in() - taken) as usize;
            let made = (state.zlib.total_out() - made) as usize;
            input = &input[taken..];
            if made > 0 {
                sink(&state.out[..made])?;
            }
            self.ended = status == Status::StreamEnd;
            if !self.ended && made < STEP && (input.is_empty() || taken == 0) {
                return if input.is_empty() { Ok(()) } else { Err(ProtocolError::Deflate) };
            }
        }
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        let Some(mut state) = self.state.take() else { return };
        // The pool no longer exists when the thread ends.
        let _ = INFLATERS.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < POOL {
                state.zlib.reset(false);
                pool.push(state);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

    /// The message as a client reads it, with zlib only.
    fn client_reads(compressed: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 << 20);
        let mut zlib = Decompress::new(false);
        zlib.decompress_vec(&[compressed, &TAIL].concat(), &mut out, FlushDecompress::Sync).unwrap();
        assert_eq!(zlib.total_in() as usize, compressed.len() + TAIL.len());
        out
    }

    fn inflate(pieces: &[&[u8]]) -> Result<Vec<u8>, ProtocolError> {
        let mut out = Vec::new();
        let mut sink = |piece: &[u8]| {
            out.extend_from_slice(piece);
            Ok(())
        };
        let mut inflater = Inflater::take();
        pieces.iter().try_for_each(|piece| inflater.push(piece, &mut sink))?;
        inflater.finish(&mut sink)?;
        Ok(out)
    }

    /// Text with many repetitions, at near and far distances.
    fn sample(length: usize) -> Vec<u8> {
        let mut random = StdRng::seed_from_u64(7);
        let words: Vec<String> = (0..500).map(|_| format!("\"word{}\":{},", random.random::<u16>(), length)).collect();
        let mut out = Vec::new();
        while out.len() < length {
            out.extend_from_slice(words[random.random_range(0..words.len())].as_bytes());
        }
        out.truncate(length);
        out
    }

    #[test]
    fn a_client_reads_every_message() {
        for window_bits in 9..=15 {
            for level in [1, 6] {
                for length in [64, 100, 513, 4096, 70_000] {
                    let payload = sample(length);
                    let mut out = b"before".to_vec();
                    // Twice: the second message must not refer to the first.
                    for _ in 0..2 {
                        out.truncate(6);
                        if compress(&payload, window_bits, level, &mut out) {
                            let compressed = &out[6..];
                            assert!(compressed.len() < payload.len());
                            assert!(client_reads(compressed) == payload, "{window_bits} {level} {length}");
                            assert!(inflate(&[compressed]) == Ok(payload.clone()), "{window_bits} {level} {length}");
                        } else {
                            assert!(length < 4096, "{window_bits} {level} {length} did not compress");
                        }
                    }
                    assert!(out.starts_with(b"before"));
                }
            }
        }
    }

    #[test]
    fn no_reference_exceeds_the_agreed_window() {
        for window_bits in 9..=14 {
            // Noise, twice: only a window larger than the distance between the two can make it smaller.
            let mut noise = vec![0; 1 << window_bits];
            StdRng::seed_from_u64(3).fill(&mut noise[..]);
            let twice = noise.repeat(2);
            for level in [1, 6, 9] {
                assert!(!compress(&twice, window_bits, level, &mut Vec::new()), "{window_bits} at {level}");
                assert!(compress(&twice, window_bits + 1, level, &mut Vec::new()), "{} at {level}", window_bits + 1);
            }
        }
    }

    #[test]
    fn data_that_does_not_shrink_is_left_uncompressed() {
        let mut random = StdRng::seed_from_u64(1);
        let mut noise = vec![0; 20_000];
        random.fill(&mut noise[..]);
        for payload in [&b""[..], b"a", b"abcdefgh", &noise[..600], &noise] {
            for level in 1..=9 {
                let mut out = b"before".to_vec();
                assert!(!compress(payload, 15, level, &mut out), "{} bytes at {level}", payload.len());
                assert_eq!(out, b"before");
            }
        }
    }

    #[test]
    fn a_compressor_works_after_data_that_did_not_shrink() {
        let mut noise = vec![0; 120_000];
        StdRng::seed_from_u64(9).fill(&mut noise[..]);
        for level in [1, 6] {
            for payload in
                [&noise[..], &sample(90_000), &noise[..60_000], &noise, &sample(600), &noise, &sample(90_000)]
            {
                let mut out = Vec::new();
                if compress(payload, 15, level, &mut out) {
                    assert!(client_reads(&out) == payload);
                } else {
                    assert!(noise.starts_with(payload));
                }
            }
        }
    }

    #[test]
    fn an_error_of_the_sink_ends_the_inflating() {
        let mut bomb = Vec::new();
        assert!(compress(&vec![0; 2 << 20], 15, 6, &mut bomb));
        let mut seen = 0;
        let result = Inflater::take().push(&bomb, &mut |piece| {
            seen += piece.len();
            if seen > 100_000 { Err(ProtocolError::TooBig) } else { Ok(()) }
        });
        assert_eq!(result, Err(ProtocolError::TooBig));
        assert!(seen <= 100_000 + STEP);
    }

    #[test]
    fn inflaters_are_reused_clean_and_few_are_kept() {
        let mut compressed = Vec::new();
        assert!(compress(&sample(5000), 15, 6, &mut compressed));
        let mut many: Vec<Inflater> = (0..2 * POOL).map(|_| Inflater::take()).collect();
        for inflater in &mut many {
            inflater.push(&compressed[..compressed.len() / 2], &mut |_| Ok(())).unwrap();
        }
        drop(many);
        INFLATERS.with_borrow(|pool| assert_eq!(pool.len(), POOL));
        for _ in 0..2 * POOL {
            let pieces: Vec<&[u8]> = compressed.chunks(100).collect();
            assert_eq!(inflate(&pieces), Ok(sample(5000)));
            assert_eq!(inflate(&[b"\xff"]), Err(ProtocolError::Deflate));
        }
        INFLATERS.with_borrow(|pool| assert_eq!(pool.len(), POOL));
    }
}
