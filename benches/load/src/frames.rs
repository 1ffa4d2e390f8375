//! WebSocket frames, on the client's side.

/// The fixed key of every handshake; the matching answer follows.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// RFC 6455, section 1.3.
pub const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A masked frame of a client.
pub fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37u8, 0xfa, 0x21, 0x3d];
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | length as u8),
        length @ ..65536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&key);
    frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at & 3]));
    frame
}

/// The first complete frame of a server: its first byte, and where the payload begins and ends.
#[inline]
pub fn first(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&flags, &length) = (bytes.first()?, bytes.get(1)?);
    let (head, length) = match length & 127 {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        length => (2, usize::from(length)),
    };
    (bytes.len() >= head + length).then_some((flags, head, head + length))
}

/// Inflates messages that were deflated without context takeover. A broadcast is the same bytes for every client, so
/// the last message is cached.
pub struct Inflater {
    state: flate2::Decompress,
    last: (Vec<u8>, Vec<u8>),
}

impl Inflater {
    pub fn new() -> Self {
        Self { state: flate2::Decompress::new(false), last: Default::default() }
    }

    /// The message, or None if the bytes are not a valid message.
    pub fn inflate(&mut self, compressed: &[u8]) -> Option<&[u8]> {
        if self.last.0 != compressed {
            let mut text = Vec::with_capacity(compressed.len() * 8 + 1024);
            let mut input = compressed.to_vec();
            input.extend_from_slice(&[0, 0, 0xff, 0xff]);
            self.state.reset(false);
            loop {
                let used = self.state.total_in() as usize;
                let status = self.state.decompress_vec(&input[used..], &mut text, flate2::FlushDecompress::Sync);
                match status {
                    Err(_) => return None,
                    Ok(_) if text.len() == text.capacity() && text.len() < 1 << 24 => text.reserve(text.len()),
                    Ok(_) => break,
                }
            }
            self.last = (compressed.to_vec(), text);
        }
        Some(&self.last.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_only_when_it_is_whole() {
        let mut bytes = vec![0x81, 126, 0, 200];
        bytes.extend_from_slice(&[b'x'; 199]);
        assert_eq!(first(&bytes), None);
        bytes.push(b'x');
        assert_eq!(first(&bytes), Some((0x81, 4, 204)));
        assert_eq!(first(&[0x81]), None);
        assert_eq!(first(&[0x89, 0]), Some((0x89, 2, 2)));
    }

    #[test]
    fn what_was_deflated_comes_back() {
        let text = "one word and one word and one word ".repeat(100);
        let mut compress = flate2::Compress::new(flate2::Compression::fast(), false);
        let mut bytes = Vec::with_capacity(8192);
        compress.compress_vec(text.as_bytes(), &mut bytes, flate2::FlushCompress::Sync).unwrap();
        bytes.truncate(bytes.len() - 4);
        let mut inflater = Inflater::new();
        assert_eq!(inflater.inflate(&bytes), Some(text.as_bytes()));
        assert_eq!(inflater.inflate(&bytes), Some(text.as_bytes()));
        assert_eq!(inflater.inflate(&[0xff; 9]), None);
    }
}
