//! The rules of RFC 6455 for a client's frames, in the order of the Autobahn|Testsuite's sections.

use super::*;
use crate::socket::deflate;

/// Maximum message size in these tests.
const MAX: usize = 1 << 16;
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// A client's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len());
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A client's frame up to its length.
fn head(first: u8, length: usize) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..126 => head.push(0x80 | length as u8),
        126..=0xFFFF => {
            head.push(0xFE);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(0xFF);
            head.extend((length as u64).to_be_bytes());
        }
    }
    head
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Received<'_>> for Got {
    fn from(received: Received<'_>) -> Self {
        match received {
            Received::Text(text) => Self::Text(text.to_owned()),
            Received::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Received::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Received::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Received::Close(frame) => Self::Close(frame.map(|frame| (frame.code.get(), frame.reason.to_owned()))),
        }
    }
}

fn text(text: &str) -> Got {
    Got::Text(text.to_owned())
}

type Outcome = (Vec<Got>, Result<(), ProtocolError>);

/// Reads `bytes` in chunks of `step`; returns also after how many bytes it stopped.
fn read_in_steps(bytes: &[u8], step: usize, deflate: bool) -> (Vec<Got>, Result<(), ProtocolError>, usize) {
    let mut reader = Reader::new(deflate);
    let mut got = Vec::new();
    let mut taken = 0;
    for piece in bytes.chunks(step) {
        taken += piece.len();
        let result = reader.read(&mut piece.to_vec(), &ReadLimits { max_message: MAX }, &mut |received| {
            got.push(received.into());
            ControlFlow::Continue(())
        });
        assert!(reader.held() <= 2 * MAX + 1024, "{} bytes held", reader.held());
        if result.is_err() {
            return (got, result, taken);
        }
    }
    (got, Ok(()), taken)
}

/// Reads frames in one chunk and byte by byte, with the same result.
fn read_all(frames: &[Vec<u8>], deflate: bool) -> Outcome {
    let bytes = frames.concat();
    let (got, result, _) = read_in_steps(&bytes, bytes.len().max(1), deflate);
    for step in [1, 2, 7, 1300] {
        let (stepped, stepped_result, _) = read_in_steps(&bytes, step, deflate);
        assert_eq!((&stepped, stepped_result), (&got, result), "in steps of {step}");
    }
    (got, result)
}

fn read(frames: &[Vec<u8>]) -> Outcome {
    read_all(frames, false)
}

fn deflated(payload: &[u8], window_bits: u8) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(deflate::compress(payload, window_bits, 6, &mut out), "does not compress");
    out
}

#[test]
fn an_idle_connection_keeps_two_words() {
    assert!(size_of::<Reader>() <= 16, "{}", size_of::<Reader>());
    let mut reader = Reader::new(true);
    for piece in frame(FIN | TEXT, &[b'a'; 5000]).chunks(512) {
        reader.read(&mut piece.to_vec(), &ReadLimits { max_message: MAX }, &mut |_| ControlFlow::Continue(())).unwrap();
    }
    assert_eq!(reader.held(), 0);
}

// 1: framing

#[test]
fn messages_of_every_length_form_arrive() {
    for length in [0, 1, 125, 126, 127, 128, 1000, 65535, 65536] {
        let payload = "*".repeat(length);
        let (got, result) = read(&[frame(FIN | TEXT, payload.as_bytes()), frame(FIN | BINARY, payload.as_bytes())]);
        assert_eq!(got, [text(&payload), Got::Binary(payload.into_bytes())]);
        assert_eq!(result, Ok(()));
    }
}

#[test]
fn a_frame_without_a_mask_is_an_error_at_its_second_byte() {
    let (got, result, taken) = read_in_steps(&[FIN | TEXT, 5, b'h', b'e'], 1, false);
    assert_eq!((got, result, taken), (vec![], Err(ProtocolError::Unmasked), 2));
}

#[test]
fn lengths_are_in_their_shortest_form() {
    for bad in [
        &[FIN | BINARY, 0xFE, 0, 125][..],
        &[FIN | BINARY, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
        &[FIN | BINARY, 0xFF, 0x80],
    ] {
        let (got, result, taken) = read_in_steps(bad, 1, false);
        assert_eq!((got, result, taken), (vec![], Err(ProtocolError::Length), bad.len()), "{bad:x?}");
    }
}

// 2: pings and pongs

#[test]
fn pings_and_pongs_arrive_with_up_to_125_bytes() {
    let payload = vec![0xfe; 125];
    let (got, result) = read(&[frame(FIN | PING, b""), frame(FIN | PING, &payload), frame(FIN | PONG, b"unasked")]);
    assert_eq!(got, [Got::Ping(vec![]), Got::Ping(payload), Got::Pong(b"unasked".to_vec())]);
    assert_eq!(result, Ok(()));
}

#[test]
fn a_control_frame_of_126_bytes_is_an_error_at_its_second_byte() {
    for opcode in [PING, PONG, CLOSE] {
        let (got, result, taken) = read_in_steps(&frame(FIN | opcode, &[0; 126]), 1, false);
        assert_eq!((got, result, taken), (vec![], Err(ProtocolError::LongControl), 2));
    }
}

// 3: reserved bits

#[test]
fn reserved_bits_are_an_error_after_earlier_messages_were_delivered() {
    for bits in [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70] {
        for opcode in [TEXT, BINARY, PING, CLOSE] {
            let (got, result) = read(&[frame(FIN | TEXT, b"before"), frame(FIN | bits | opcode, b"x")]);
            assert_eq!((got, result), (vec![text("before")], Err(ProtocolError::ReservedBit)), "{bits:x} {opcode}");
        }
    }
}

#[test]
fn with_deflate_only_the_first_data_frame_may_have_rsv1() {
    for wrong in [0x60 | TEXT, 0x50 | BINARY, 0x20 | TEXT, RSV1 | PING, RSV1 | CLOSE, RSV1 | CONTINUATION] {
        let (got, result) = read_all(&[frame(FIN | wrong, b"x")], true);
        assert_eq!((got, result), (vec![], Err(ProtocolError::ReservedBit)), "{wrong:x}");
    }
    let compressed = deflated(&[b'a'; 100], 15);
    let (begin, end) = compressed.split_at(2);
    let good = read_all(&[frame(RSV1 | TEXT, begin), frame(FIN | CONTINUATION, end)], true);
    assert_eq!(good, (vec![text(&"a".repeat(100))], Ok(())));
    let bad = read_all(&[frame(RSV1 | TEXT, begin), frame(FIN | RSV1 | CONTINUATION, end)], true);
    assert_eq!(bad, (vec![], Err(ProtocolError::ReservedBit)));
}

// 4: opcodes

#[test]
fn reserved_opcodes_are_an_error_at_their_first_byte() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        let (got, result, taken) = read_in_steps(&frame(FIN | opcode, b""), 1, false);
        assert_eq!((got, result, taken), (vec![], Err(ProtocolError::Opcode), 1));
    }
}

// 5: fragmentation

#[test]
fn control_frames_are_not_fragmented() {
    for opcode in [PING, PONG, CLOSE] {
        let (got, result, taken) = read_in_steps(&frame(opcode, b"frag"), 1, false);
        assert_eq!((got, result, taken), (vec![], Err(ProtocolError::FragmentedControl), 1));
    }
}

#[test]
fn fragments_become_one_message_with_pings_delivered_in_between() {
    let (got, result) = read(&[
        frame(TEXT, b"frag"),
        frame(FIN | PING, b"1"),
        frame(CONTINUATION, b""),
        frame(CONTINUATION, b"men"),
        frame(FIN | PONG, b"2"),
        frame(FIN | CONTINUATION, b"t"),
        frame(BINARY, b""),
        frame(FIN | CONTINUATION, b""),
    ]);
    assert_eq!(got, [Got::Ping(b"1".to_vec()), Got::Pong(b"2".to_vec()), text("fragment"), Got::Binary(vec![])]);
    assert_eq!(result, Ok(()));
}

#[test]
fn a_continuation_of_nothing_is_an_error() {
    for first in [CONTINUATION, FIN | CONTINUATION] {
        let (got, result) = read(&[frame(FIN | TEXT, b"whole"), frame(first, b"x")]);
        assert_eq!((got, result), (vec![text("whole")], Err(ProtocolError::UnexpectedContinuation)));
    }
}

#[test]
fn a_message_inside_a_fragmented_one_is_an_error() {
    for first in [TEXT, FIN | TEXT, BINARY, FIN | BINARY] {
        let (got, result) = read(&[frame(TEXT, b"begun"), frame(first, b"x")]);
        assert_eq!((got, result), (vec![], Err(ProtocolError::ExpectedContinuation)));
    }
}

// 6: UTF-8

#[test]
fn text_cut_inside_a_character_arrives_whole() {
    let word = "κόσμε \u{10ffff} 日本";
    for cut in 0..=word.len() {
        let (begin, end) = word.as_bytes().split_at(cut);
        let (got, result) = read(&[
            frame(TEXT, begin),
            frame(FIN | PING, b""),
            frame(CONTINUATION, b""),
            frame(FIN | CONTINUATION, end),
        ]);
        assert_eq!((got, result), (vec![Got::Ping(vec![]), text(word)], Ok(())));
    }
}

#[test]
fn the_first_wrong_byte_of_a_text_is_an_error_before_the_rest_is_there() {
    // Autobahn 6.4: the invalid byte is the 13th of the payload, in a frame, and in a fragment.
    let bad = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80\x65\x64";
    let (got, result, taken) = read_in_steps(&frame(FIN | TEXT, bad), 1, false);
    assert_eq!((got, result, taken), (vec![], Err(ProtocolError::Utf8), 6 + 13));
    let fragments = [frame(TEXT, &bad[..12]), frame(CONTINUATION, &bad[12..13]), frame(FIN | CONTINUATION, &bad[13..])];
    let (got, result, taken) = read_in_steps(&fragments.concat(), 1, false);
    assert_eq!((got, result, taken), (vec![], Err(ProtocolError::Utf8), (6 + 12) + (6 + 1)));
}

#[test]
fn text_that_ends_inside_a_character_is_an_error() {
    for bad in ["\u{20ac}", "é", "\u{10ffff}"] {
        let cut = &bad.as_bytes()[..bad.len() - 1];
        assert_eq!(read(&[frame(FIN | TEXT, cut)]), (vec![], Err(ProtocolError::Utf8)));
        let fragments = [frame(TEXT, cut), frame(FIN | CONTINUATION, b"")];
        assert_eq!(read(&fragments), (vec![], Err(ProtocolError::Utf8)));
    }
}

#[test]
fn binary_is_not_checked() {
    let (got, result) = read(&[frame(FIN | BINARY, b"\xff\xfe")]);
    assert_eq!((got, result), (vec![Got::Binary(b"\xff\xfe".to_vec())], Ok(())));
}

// 7: closing

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

#[test]
fn nothing_is_read_after_a_close() {
    let (got, result) = read(&[frame(FIN | CLOSE, b""), frame(FIN | PING, b""), frame(FIN | 0xF, b"garbage")]);
    assert_eq!((got, result), (vec![Got::Close(None)], Ok(())));
    let (got, result) = read(&[frame(TEXT, b"begun"), close(1000, "bye é".as_bytes()), frame(FIN | CONTINUATION, b"")]);
    assert_eq!((got, result), (vec![Got::Close(Some((1000, "bye é".to_owned())))], Ok(())));
}

#[test]
fn a_close_of_one_byte_is_an_error() {
    assert_eq!(read(&[frame(FIN | CLOSE, b"a")]), (vec![], Err(ProtocolError::CloseLength)));
}

#[test]
fn a_close_reason_is_utf8_of_at_most_123_bytes() {
    let longest = "*".repeat(123);
    assert_eq!(read(&[close(1000, longest.as_bytes())]), (vec![Got::Close(Some((1000, longest.clone())))], Ok(())));
    assert_eq!(read(&[close(1000, &[b'*'; 124])]), (vec![], Err(ProtocolError::LongControl)));
    assert_eq!(read(&[close(1000, b"\xed\xa0\x80")]), (vec![], Err(ProtocolError::CloseReason)));
    assert_eq!(read(&[close(1000, b"\xce")]), (vec![], Err(ProtocolError::CloseReason)));
}

#[test]
fn close_codes_that_must_not_be_on_the_wire_are_an_error() {
    for good in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        assert_eq!(read(&[close(good, b"")]), (vec![Got::Close(Some((good, String::new())))], Ok(())));
    }
    for bad in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        assert_eq!(read(&[close(bad, b"")]), (vec![], Err(ProtocolError::CloseCode)), "{bad}");
    }
}

#[test]
fn nothing_is_read_after_the_receiver_stops_or_an_error() {
    let limits = ReadLimits { max_message: MAX };
    let mut reader = Reader::new(false);
    let mut count = 0;
    let mut two = [frame(FIN | TEXT, b"1"), frame(FIN | TEXT, b"2")].concat();
    let mut on = |_: Received<'_>| {
        count += 1;
        ControlFlow::Break(())
    };
    assert_eq!(reader.read(&mut two, &limits, &mut on), Ok(()));
    assert_eq!(reader.read(&mut frame(FIN | TEXT, b"3"), &limits, &mut on), Ok(()));
    assert_eq!((count, reader.done), (1, true));

    let mut reader = Reader::new(false);
    let mut nothing = |_: Received<'_>| unreachable!();
    assert_eq!(reader.read(&mut [0x83], &limits, &mut nothing), Err(ProtocolError::Opcode));
    assert_eq!(reader.read(&mut frame(FIN | TEXT, b"3"), &limits, &mut nothing), Ok(()));
    assert!(reader.done);
}

// 9: limits

#[test]
fn a_message_over_the_limit_is_an_error_at_its_header() {
    assert_eq!(read(&[frame(FIN | BINARY, &[0; MAX])]).1, Ok(()));
    for length in [MAX + 1, 1 << 40, i64::MAX as usize] {
        let bytes = [head(FIN | BINARY, length), vec![1, 2, 3, 4]].concat();
        let (got, result, taken) = read_in_steps(&bytes, 1, false);
        assert_eq!((got, result, taken), (vec![], Err(ProtocolError::TooBig), bytes.len()));
    }
}

#[test]
fn fragments_over_the_limit_are_an_error_at_the_header_that_exceeds_it() {
    let half = frame(CONTINUATION, &[0; MAX / 2]);
    let begin = frame(BINARY, b"1");
    let bytes = [begin, half, head(FIN | CONTINUATION, MAX / 2), vec![1, 2, 3, 4]].concat();
    let (got, result, taken) = read_in_steps(&bytes, 1, false);
    assert_eq!((got, result, taken), (vec![], Err(ProtocolError::TooBig), bytes.len()));
}

#[test]
fn a_header_alone_costs_no_memory() {
    for first in [FIN | BINARY, FIN | TEXT, FIN | RSV1 | BINARY] {
        let mut reader = Reader::new(true);
        let mut bytes = [head(first, 1 << 29), vec![1, 2, 3, 4, 5]].concat();
        reader.read(&mut bytes, &ReadLimits { max_message: 1 << 30 }, &mut |_| ControlFlow::Continue(())).unwrap();
        assert!(reader.held() < 5000, "{}", reader.held());
    }
}

// 12, 13: compression

#[test]
fn compressed_messages_arrive_in_any_window() {
    let payload = "{\"event\":\"client_create\",\"data\":{\"name\":\"Ж\"}}".repeat(300);
    for window_bits in 9..=15 {
        let compressed = deflated(payload.as_bytes(), window_bits);
        let (begin, end) = compressed.split_at(compressed.len() / 3);
        let (got, result) = read_all(
            &[
                frame(FIN | RSV1 | TEXT, &compressed),
                frame(RSV1 | BINARY, begin),
                frame(FIN | PING, b"between"),
                frame(FIN | CONTINUATION, end),
                frame(FIN | TEXT, b"plain"),
            ],
            true,
        );
        assert_eq!(result, Ok(()));
        let binary = Got::Binary(payload.clone().into_bytes());
        assert_eq!(got, [text(&payload), Got::Ping(b"between".to_vec()), binary, text("plain")]);
    }
}

#[test]
fn the_examples_of_rfc_7692_arrive() {
    let hello = || text("Hello");
    for (what, payload, expected) in [
        ("7.2.3.1, fixed codes", &b"\xf2\x48\xcd\xc9\xc9\x07\x00"[..], hello()),
        ("7.2.3.3, stored", b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", hello()),
        ("7.2.3.4, a final block", b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", hello()),
        ("7.2.3.4, without its empty block", b"\xf3\x48\xcd\xc9\xc9\x07\x00", hello()),
        ("7.2.3.5, two blocks", b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", hello()),
        ("7.2.3.6, nothing", b"\x00", text("")),
        ("nothing, as no bytes at all", b"", text("")),
    ] {
        assert_eq!(read_all(&[frame(FIN | RSV1 | TEXT, payload)], true), (vec![expected], Ok(())), "{what}");
    }
}

#[test]
fn corrupt_and_cut_compressed_data_is_an_error() {
    let whole = deflated("some text, some more text, some more text".as_bytes(), 15);
    for (what, payload) in [
        ("a reserved block type", &b"\xff\xff\xff"[..]),
        ("a distance before the beginning", b"\x02\x06\x00"),
        ("the tail left on", &[&whole[..], b"\x00\x00\xff\xff"].concat()),
    ] {
        assert_eq!(
            read_all(&[frame(FIN | RSV1 | BINARY, payload)], true),
            (vec![], Err(ProtocolError::Deflate)),
            "{what}"
        );
    }
}

#[test]
fn compressed_data_cut_anywhere_is_an_error() {
    for payload in [&b"some text, some more text, some more text"[..], &[b'a'; 1000], &[0; 20_000]] {
        let whole = deflated(payload, 15);
        for length in 1..whole.len() {
            let cut = frame(FIN | RSV1 | BINARY, &whole[..length]);
            assert_eq!(read_all(&[cut], true), (vec![], Err(ProtocolError::Deflate)), "{length} of {}", whole.len());
        }
    }
}

#[test]
fn a_compressed_message_is_inflated_when_complete() {
    let noise: String = (0..20_000).map(|_| rand::random_range('a'..='z')).collect();
    let compressed = deflated(&[b"\xff", noise.as_bytes()].concat(), 15);
    let whole = frame(FIN | RSV1 | TEXT, &compressed);
    let (got, result, taken) = read_in_steps(&whole, 100, true);
    assert_eq!((got, result), (vec![], Err(ProtocolError::Utf8)));
    assert!(taken + 100 >= whole.len(), "inflated after {taken} bytes");
}

#[test]
fn inflated_text_is_checked() {
    let bad = deflated(&[&[b'a'; 200][..], b"\xed\xa0\x80"].concat(), 15);
    assert_eq!(read_all(&[frame(FIN | RSV1 | TEXT, &bad)], true), (vec![], Err(ProtocolError::Utf8)));
    let cut = deflated(&[&[b'a'; 200][..], b"\xed"].concat(), 15);
    assert_eq!(read_all(&[frame(FIN | RSV1 | TEXT, &cut)], true), (vec![], Err(ProtocolError::Utf8)));
}

#[test]
fn a_bomb_is_an_error_when_it_passes_the_limit() {
    let fits = deflated(&vec![0; MAX], 15);
    assert_eq!(read_all(&[frame(FIN | RSV1 | BINARY, &fits)], true).1, Ok(()));
    let one_more = deflated(&vec![0; MAX + 1], 15);
    assert_eq!(read_all(&[frame(FIN | RSV1 | BINARY, &one_more)], true), (vec![], Err(ProtocolError::TooBig)));
    let bomb = deflated(&vec![0; 20 * MAX], 15);
    assert!(bomb.len() < MAX);
    assert_eq!(read_all(&[frame(FIN | RSV1 | BINARY, &bomb)], true), (vec![], Err(ProtocolError::TooBig)));
    let mut fragments = vec![frame(RSV1 | BINARY, b"")];
    fragments.extend(bomb.chunks(100).map(|piece| frame(CONTINUATION, piece)));
    fragments.push(frame(FIN | CONTINUATION, b""));
    assert_eq!(read_all(&fragments, true), (vec![], Err(ProtocolError::TooBig)));
}

#[test]
fn endless_compressed_nothing_is_an_error() {
    // Empty stored blocks inflate to nothing, so only the bytes on the wire can be bounded.
    let piece = b"\x00\x00\x00\xff\xff".repeat(1000);
    let fragments: Vec<_> = std::iter::once(frame(RSV1 | BINARY, b""))
        .chain(std::iter::repeat_n(frame(CONTINUATION, &piece), 20))
        .collect();
    assert_eq!(read_all(&fragments, true), (vec![], Err(ProtocolError::TooBig)));
}

#[test]
fn an_unfinished_compressed_message_holds_only_the_bytes_sent() {
    let mut reader = Reader::new(true);
    let bomb = deflated(&vec![0; MAX], 15);
    for piece in [frame(RSV1 | BINARY, &bomb[..bomb.len() / 2]), frame(CONTINUATION, &bomb[bomb.len() / 2..])] {
        reader.read(&mut piece.clone(), &ReadLimits { max_message: MAX }, &mut |_| ControlFlow::Continue(())).unwrap();
    }
    assert!(reader.held() >= bomb.len() && reader.held() < 5000, "{} bytes for {}", reader.held(), bomb.len());
}
