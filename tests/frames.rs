//! Properties of the frame codec: any message, in any chunks, arrives; any input bytes are handled. The other side is
//! tungstenite and zlib itself, which are independent of this code.

#![allow(clippy::unwrap_used)]

use std::{io::Cursor, ops::ControlFlow};

use channelgate::{
    config::Compression,
    socket::{
        close::CloseCode,
        frame::{self, Frame},
        negotiate::Deflate,
        reader::{ReadLimits, Reader, Received},
    },
};
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress};
use proptest::prelude::*;
use tokio_tungstenite::tungstenite::{
    Message, WebSocket,
    protocol::{
        Role,
        frame::{
            Frame as ClientFrame, FrameHeader, FrameSocket,
            coding::{Control, Data, OpCode},
        },
    },
};

#[path = "../fuzz/entries/frames.rs"]
mod fuzz;

const LIMITS: ReadLimits = ReadLimits { max_message: 1 << 16 };

/// What a client sends, and what must arrive.
#[derive(Clone, Debug, PartialEq)]
enum Sent {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Received<'_>> for Sent {
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

/// A message and its form on the wire.
#[derive(Clone, Debug)]
struct Travel {
    message: Sent,
    /// The window and level it is compressed with.
    compressed: Option<(u8, u32)>,
    /// The positions at which it is fragmented, as fractions of its length on the wire.
    cuts: Vec<f64>,
    /// A control frame after each fragment but the last.
    between: Vec<Option<Sent>>,
    mask: [u8; 4],
}

fn client_frame(opcode: OpCode, fin: bool, rsv1: bool, mask: [u8; 4], payload: &[u8], out: &mut Vec<u8>) {
    let header = FrameHeader { is_final: fin, rsv1, opcode, mask: Some(mask), ..FrameHeader::default() };
    ClientFrame::from_payload(header, payload.to_vec().into()).format(out).unwrap();
}

fn zlib(payload: &[u8], (window_bits, level): (u8, u32)) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() * 2 + 100);
    let mut zlib = Compress::new_with_window_bits(flate2::Compression::new(level), false, window_bits);
    zlib.compress_vec(payload, &mut out, FlushCompress::Sync).unwrap();
    assert_eq!((zlib.total_in() as usize, &out[out.len() - 4..]), (payload.len(), &b"\x00\x00\xff\xff"[..]));
    out.truncate(out.len() - 4);
    out
}

impl Travel {
    /// Appends its frames to `wire` and what must arrive to `arrives`.
    fn send(&self, wire: &mut Vec<u8>, arrives: &mut Vec<Sent>) {
        let (opcode, payload) = match &self.message {
            Sent::Text(text) => (Data::Text, text.as_bytes()),
            Sent::Binary(bytes) => (Data::Binary, &bytes[..]),
            control => return control.send_control(self.mask, wire, arrives),
        };
        let payload = self.compressed.map_or_else(|| payload.to_vec(), |how| zlib(payload, how));
        let mut ends: Vec<usize> = self.cuts.iter().map(|share| (share * payload.len() as f64) as usize).collect();
        ends.sort_unstable();
        ends.push(payload.len());
        let mut start = 0;
        for (number, end) in ends.iter().enumerate() {
            let opcode = OpCode::Data(if number == 0 { opcode } else { Data::Continue });
            let last = number + 1 == ends.len();
            let rsv1 = number == 0 && self.compressed.is_some();
            client_frame(opcode, last, rsv1, self.mask, &payload[start..*end], wire);
            start = *end;
            if let (false, Some(Some(control))) = (last, self.between.get(number)) {
                control.send_control(self.mask, wire, arrives);
            }
        }
        arrives.push(self.message.clone());
    }
}

impl Sent {
    fn send_control(&self, mask: [u8; 4], wire: &mut Vec<u8>, arrives: &mut Vec<Self>) {
        let (opcode, payload) = match self {
            Self::Ping(payload) => (Control::Ping, payload.clone()),
            Self::Pong(payload) => (Control::Pong, payload.clone()),
            Self::Close(None) => (Control::Close, Vec::new()),
            Self::Close(Some((code, reason))) => (Control::Close, [&code.to_be_bytes(), reason.as_bytes()].concat()),
            Self::Text(_) | Self::Binary(_) => unreachable!("no control frame"),
        };
        client_frame(OpCode::Control(opcode), true, false, mask, &payload, wire);
        arrives.push(self.clone());
    }
}

fn control() -> impl Strategy<Value = Sent> {
    let payload = || prop::collection::vec(any::<u8>(), 0..=125);
    prop_oneof![payload().prop_map(Sent::Ping), payload().prop_map(Sent::Pong)]
}

fn message() -> impl Strategy<Value = Sent> {
    prop_oneof![
        4 => any::<String>().prop_map(Sent::Text),
        2 => ("[a-z€\u{10ffff}]{1,6}", 1usize..2500).prop_map(|(word, times)| Sent::Text(word.repeat(times))),
        3 => prop::collection::vec(any::<u8>(), 0..400).prop_map(Sent::Binary),
        2 => (prop::collection::vec(any::<u8>(), 1..40), 1usize..1600).prop_map(|(part, n)| Sent::Binary(part.repeat(n))),
        1 => control(),
    ]
}

fn travel(deflate: bool) -> impl Strategy<Value = Travel> {
    let compressed = if deflate { prop::option::of((9u8..=15, 1u32..=9)).boxed() } else { Just(None).boxed() };
    let cuts = prop::collection::vec(0.0..1.0f64, 0..5);
    let between = prop::collection::vec(prop::option::of(control()), 4);
    (message(), compressed, cuts, between, any::<[u8; 4]>())
        .prop_map(|(message, compressed, cuts, between, mask)| Travel { message, compressed, cuts, between, mask })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_message_arrives_as_sent_in_any_chunks(
        (deflate, travels) in any::<bool>().prop_flat_map(|deflate| (Just(deflate), prop::collection::vec(travel(deflate), 0..6))),
        close in prop::option::of(prop::option::of((prop::sample::select(vec![1000u16, 1001, 3000, 4999]), "[a-zé]{0,40}"))),
        steps in prop::collection::vec(prop_oneof![3 => 1usize..20, 2 => 1usize..2000, 1 => Just(usize::MAX)], 1..20),
    ) {
        let (mut wire, mut arrives) = (Vec::new(), Vec::new());
        for travel in &travels {
            travel.send(&mut wire, &mut arrives);
        }
        if let Some(close) = close {
            Sent::Close(close).send_control([1, 2, 3, 4], &mut wire, &mut arrives);
            wire.extend_from_slice(b"what follows a close is not read");
        }
        let mut reader = Reader::new(deflate);
        let mut got: Vec<Sent> = Vec::new();
        let mut rest = &mut wire[..];
        for step in steps.iter().cycle() {
            let (piece, left) = rest.split_at_mut((*step).min(rest.len()));
            rest = left;
            reader.read(piece, &LIMITS, &mut |received| {
                got.push(received.into());
                ControlFlow::Continue(())
            }).unwrap();
            // A body grows to twice its size at most, and never beyond the limit.
            prop_assert!(reader.held() <= LIMITS.max_message + (8 << 10));
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(got, arrives);
        prop_assert_eq!(reader.held(), 0);
    }

    #[test]
    fn random_bytes_are_handled(data in prop::collection::vec(any::<u8>(), 0..600)) {
        fuzz::run(&data);
    }

    #[test]
    fn nearly_valid_bytes_are_handled(
        choice in any::<u8>(),
        travels in prop::collection::vec(travel(true), 1..4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        end in any::<prop::sample::Index>(),
    ) {
        let mut wire = vec![choice];
        for travel in &travels {
            travel.send(&mut wire, &mut Vec::new());
        }
        for (place, value) in &changes {
            let place = place.index(wire.len());
            wire[place] = *value;
        }
        // The fuzz entry also reads byte by byte, so a part of a long message is enough.
        wire.truncate(end.index(wire.len()) + 1);
        wire.truncate(20_000);
        fuzz::run(&wire);
    }

    #[test]
    fn an_independent_client_reads_every_frame_of_the_server(
        messages in prop::collection::vec(message(), 1..8),
        code in prop::sample::select(vec![CloseCode::NORMAL, CloseCode::SERVICE_RESTART, CloseCode::TRY_AGAIN_LATER]),
        reason in any::<String>(),
    ) {
        let mut wire = Vec::new();
        for message in &messages {
            wire.extend_from_slice(&match message {
                Sent::Text(text) => frame::text(text.as_bytes()),
                Sent::Binary(bytes) => frame::binary(bytes),
                Sent::Ping(payload) => frame::ping(payload),
                Sent::Pong(payload) => frame::pong(payload),
                Sent::Close(_) => unreachable!("closes come last"),
            });
        }
        wire.extend_from_slice(&frame::close(code, &reason));
        let mut client = WebSocket::from_raw_socket(Wire(Cursor::new(wire)), Role::Client, None);
        for message in messages {
            let expected = match message {
                Sent::Text(text) => Message::text(text),
                Sent::Binary(bytes) => Message::binary(bytes),
                Sent::Ping(payload) => Message::Ping(payload.into()),
                Sent::Pong(payload) => Message::Pong(payload.into()),
                Sent::Close(_) => unreachable!("closes come last"),
            };
            prop_assert_eq!(client.read().unwrap(), expected);
        }
        let Message::Close(Some(close)) = client.read().unwrap() else { panic!("no close") };
        prop_assert_eq!(u16::from(close.code), code.get());
        prop_assert!(reason.starts_with(close.reason.as_str()));
    }

    #[test]
    fn an_independent_client_inflates_every_shared_frame(message in message(), window_bits in 9u8..=15, level in 1u32..=9) {
        let (shared, payload) = match &message {
            Sent::Text(text) => (Frame::text(text.as_bytes()), text.as_bytes()),
            Sent::Binary(bytes) => (Frame::binary(bytes), &bytes[..]),
            _ => return Ok(()),
        };
        let settings = Compression { enabled: true, threshold: 16, level };
        prop_assert!(shared.bytes(None, &settings).ends_with(payload));
        let bytes = shared.bytes(Some(Deflate { server_window_bits: window_bits }), &settings);
        prop_assert!(bytes.len() <= shared.bytes(None, &settings).len());
        let mut socket = FrameSocket::new(Cursor::new(bytes.to_vec()));
        let frame = socket.read(None).unwrap().unwrap();
        prop_assert!(socket.read(None).unwrap().is_none(), "nothing after the frame");
        prop_assert!(frame.header().is_final && frame.header().mask.is_none());
        let received = if frame.header().rsv1 {
            let mut out = Vec::with_capacity(payload.len() + 64);
            let mut zlib = Decompress::new_with_window_bits(false, window_bits);
            let input = [frame.payload(), b"\x00\x00\xff\xff"].concat();
            zlib.decompress_vec(&input, &mut out, FlushDecompress::Sync).unwrap();
            out
        } else {
            frame.payload().to_vec()
        };
        prop_assert!(received == payload);
    }
}

/// Reads from memory; writes (a client's pongs) are discarded.
struct Wire(Cursor<Vec<u8>>);

impl std::io::Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl std::io::Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
