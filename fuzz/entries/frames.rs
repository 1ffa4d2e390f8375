//! A client's frames, its offers of compression, and what is compressed for it.

use std::ops::ControlFlow;

use channelgate::socket::{
    close::ProtocolError,
    deflate,
    negotiate::{self, Start},
    reader::{ReadLimits, Reader, Received},
};

const START: Start = Start { is_get: true, is_http_1_1: true };

/// A small limit, so that a fuzzer reaches it.
const LIMITS: ReadLimits = ReadLimits { max_message: 1 << 12 };

/// More than an incomplete message may hold: its body, compressed bytes that wait, and the parts around them.
const MOST_HELD: usize = (1 << 12) + (8 << 10) + 512;

type Outcome = (Vec<String>, Result<(), ProtocolError>);

/// Any bytes: nothing panics, memory is bounded, and how the bytes are cut changes nothing. The first byte chooses
/// whether compression is negotiated and how the bytes are cut.
pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let deflate = choice & 1 != 0;
    let step = usize::from(choice >> 1) + 1;
    let whole = read(bytes, bytes.len().max(1), deflate);
    assert_eq!(read(bytes, step, deflate), whole, "in steps of {step}");
    assert_eq!(read(bytes, 1, deflate), whole, "byte by byte");

    let mut compressed = Vec::new();
    if deflate::compress(bytes, 9 + choice % 7, 1 + u32::from(choice / 32), &mut compressed) {
        assert!(compressed.len() < bytes.len());
        let (mut inflater, mut inflated) = (deflate::Inflater::take(), Vec::new());
        let mut sink = |piece: &[u8]| {
            inflated.extend_from_slice(piece);
            Ok(())
        };
        let ended = inflater.push(&compressed, &mut sink).and_then(|()| inflater.finish(&mut sink));
        assert!(ended.is_ok() && inflated == bytes, "what is compressed here is inflated here");
    }

    let headers = [
        ("Upgrade", &b"websocket"[..]),
        ("Connection", b"upgrade"),
        ("Sec-WebSocket-Version", b"13"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Extensions", bytes),
    ];
    if let Ok(agreed) = negotiate::handshake(START, headers.into_iter(), true) {
        assert_eq!(agreed.deflate.is_some(), agreed.extensions.is_some());
    }
}

fn read(bytes: &[u8], step: usize, deflate: bool) -> Outcome {
    let mut reader = Reader::new(deflate);
    let mut got = Vec::new();
    let mut closed = false;
    for piece in bytes.chunks(step) {
        let result = reader.read(&mut piece.to_vec(), &LIMITS, &mut |received| {
            if let Received::Text(text) = received {
                assert!(text.len() <= LIMITS.max_message);
            }
            if let Received::Binary(bytes) = received {
                assert!(bytes.len() <= LIMITS.max_message);
            }
            closed |= matches!(received, Received::Close(_));
            got.push(format!("{received:?}"));
            ControlFlow::Continue(())
        });
        assert!(reader.held() <= MOST_HELD, "{} bytes held", reader.held());
        if result.is_err() || closed {
            assert_eq!(reader.held(), 0);
            // Compressed data may be wrong in several ways at once; which is seen first depends on how it is cut.
            let several = [ProtocolError::Deflate, ProtocolError::Utf8, ProtocolError::TooBig];
            let result = result.map_err(|error| if deflate && several.contains(&error) { several[0] } else { error });
            return (got, result);
        }
    }
    (got, Ok(()))
}
