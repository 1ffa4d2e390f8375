//! Hostile input: false lengths, bombs, unlimited nesting. Each gives a clear error, quickly and with little memory.

use std::{
    io::Write as _,
    time::{Duration, Instant, SystemTime},
};

use super::{
    MAX_DEPTH, MAX_VALUES,
    cache_value::{self, CacheValueError, MAX_CACHE_VALUE},
    compress::{CompressError, decompress},
    envelope::{Addressee, EnvelopeError, LayerCodec, Serializer},
    fernet::{FernetError, Keyring},
    json::{self, JsonError},
    msgpack::{self, MsgpackError},
    pickle::{self, PickleError},
};
use crate::{
    config::{Layer, Secret},
    event::{Raw, Value},
    limited::{self, WriteError},
    packet,
    telemetry::DropReason,
};

#[test]
fn a_length_is_not_trusted_before_its_bytes_are_read() {
    for lie in ["dbffffffff61", "c6ffffffff00", "ddffffffffc0", "dfffffffffa161", "c9ffffffffff", "dcffff00", "8f"] {
        assert_eq!(msgpack::decode(&hex::decode(lie).unwrap()), Err(MsgpackError::Truncated), "{lie}");
    }
    for lie in ["58ffffffff61", "8dffffffffffffffff61", "42ffffffff", "8effffffffffffffff", "8bffffffff01", "8c0561"] {
        assert_eq!(pickle::decode(&hex::decode(lie).unwrap()), Err(PickleError::Truncated), "{lie}");
    }
}

#[test]
fn nesting_is_bounded_alike_in_every_format() {
    let nested = |depth: usize, open: &[u8], middle: &[u8], close: &[u8]| {
        [open.repeat(depth), middle.to_vec(), close.repeat(depth)].concat()
    };
    assert!(msgpack::decode(&nested(MAX_DEPTH, &[0x91], &[0xc0], &[])).is_ok());
    assert_eq!(msgpack::decode(&nested(MAX_DEPTH + 1, &[0x91], &[0xc0], &[])), Err(MsgpackError::TooDeep));
    assert_eq!(msgpack::decode(&nested(1 << 20, &[0x81, 0xa0], &[0xc0], &[])), Err(MsgpackError::TooDeep));

    assert!(json::decode(&nested(MAX_DEPTH, b"[", b"1", b"]")).is_ok());
    assert!(json::decode(&nested(MAX_DEPTH, b"[", b"NaN", b"]")).is_ok());
    assert_eq!(json::decode(&nested(MAX_DEPTH + 1, b"[", b"1", b"]")), Err(JsonError::TooDeep));
    assert_eq!(json::decode(&nested(1 << 19, b"[", b"1", b"]")), Err(JsonError::TooDeep));

    let pickled = |depth| [b"\x80\x04".to_vec(), nested(depth, b"]", b"N", b"a"), b".".to_vec()].concat();
    assert!(pickle::decode(&pickled(MAX_DEPTH)).is_ok());
    assert_eq!(pickle::decode(&pickled(MAX_DEPTH + 1)), Err(PickleError::TooDeep));
    assert_eq!(pickle::decode(&pickled(1 << 18)), Err(PickleError::TooDeep));
}

#[test]
fn the_deepest_value_can_be_used_on_the_stack_of_a_worker() {
    // Workers have Rust's default, and this build needs several times the stack of a release.
    let used = || {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{\"a\":[", "]}")] {
            let depth = if open.len() > 5 { MAX_DEPTH / 2 } else { MAX_DEPTH };
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let value = json::decode(text.as_bytes()).unwrap();
            assert_eq!(value.clone(), value);
            assert!(!value.holds_bytes() && value.weight() > 0);
            assert_eq!(limited::json(&value, usize::MAX).unwrap(), text.as_bytes());
            assert_eq!(limited::json(&Raw(&value), usize::MAX).unwrap(), text.as_bytes());
            let mut values = [value];
            packet::fill_placeholders(&mut values, []).unwrap();
            let [value] = values;
            let list = Value::List(vec!["e".into(), value.clone()]);
            assert!(packet::event("/", None, &Raw(&list), usize::MAX).is_ok());
            for written in [msgpack::encode(&value, usize::MAX), msgpack::encode_for_nodes(&value, usize::MAX)] {
                assert_eq!(msgpack::decode(&written.unwrap()).unwrap(), value);
            }
            assert_eq!(json::decode(&json::encode(&value, usize::MAX).unwrap()).unwrap(), value);
            assert_eq!(pickle::decode(&pickle::encode(&value)).unwrap(), value);
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(used).unwrap().join().unwrap();
}

#[test]
fn the_number_of_values_is_bounded() {
    let count = u32::try_from(MAX_VALUES).unwrap();
    let mut bytes = vec![0xdd];
    bytes.extend_from_slice(&count.to_be_bytes());
    bytes.resize(bytes.len() + MAX_VALUES, 0xc0);
    // The list itself counts as one more.
    assert_eq!(msgpack::decode(&bytes), Err(MsgpackError::TooMany));
    let text = format!("[{}0]", "0,".repeat(MAX_VALUES));
    assert_eq!(json::decode(text.as_bytes()), Err(JsonError::TooMany));
    // Commas in text are not values.
    let text = format!("\"{}\"", ",".repeat(3 * MAX_VALUES));
    assert!(json::decode(text.as_bytes()).is_ok());
    let pickled = [b"\x80\x04](".to_vec(), b"N".repeat(MAX_VALUES), b"e.".to_vec()].concat();
    assert_eq!(pickle::decode(&pickled), Err(PickleError::TooLarge));
}

#[test]
fn a_pickle_that_refers_to_itself_or_multiplies_is_refused() {
    // l = []; l.append(l)
    assert_eq!(pickle::decode(b"\x80\x04]\x94h\x00a."), Err(PickleError::TooDeep));
    // d = {}; d['a'] = d
    assert_eq!(pickle::decode(b"\x80\x04}\x94\x8c\x01ah\x00s."), Err(PickleError::TooDeep));
    // Twenty lists, each ten times in the next: 10^20 values in 500 bytes.
    let mut laughs = b"\x80\x04]\x94".to_vec();
    for level in 0..20u8 {
        laughs.extend_from_slice(b"](");
        laughs.extend_from_slice(&[b'h', level].repeat(10));
        laughs.extend_from_slice(b"e\x94");
    }
    laughs.push(b'.');
    assert_eq!(pickle::decode(&laughs), Err(PickleError::TooLarge));
    // One megabyte of text, a thousand times.
    let mut text = b"\x80\x04X\x00\x00\x10\x00".to_vec();
    text.resize(text.len() + (1 << 20), b'x');
    text.extend_from_slice(b"\x940](");
    text.extend_from_slice(&b"h\x00".repeat(1000));
    text.extend_from_slice(b"e.");
    assert_eq!(pickle::decode(&text), Err(PickleError::TooLarge));
    // dict(dict(…)) of the same 1000 entries, repeatedly.
    let mut copies = b"\x80\x04cbuiltins\ndict\n\x940}(".to_vec();
    (0..1000u16).for_each(|key| copies.extend_from_slice(&[b'M', key as u8, (key >> 8) as u8, b'N']));
    copies.extend_from_slice(b"u\x940");
    copies.extend_from_slice(&b"h\x00h\x01\x85R0".repeat(10_000));
    copies.extend_from_slice(b"N.");
    assert_eq!(pickle::decode(&copies), Err(PickleError::TooLarge));
}

/// The value of a pickle, after checking its maximum size and its time.
#[track_caller]
fn quick(pickled: &[u8]) -> Result<Value, PickleError> {
    let began = Instant::now();
    let decoded = pickle::decode(pickled);
    // A hundred times the time on an idle machine.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    decoded
}

#[test]
fn a_small_pickle_costs_little_time_and_memory() {
    let of_list = |first: &[u8], again: usize| [b"\x80\x04](", first, &b"2".repeat(again), b"e."].concat();
    // An integer of a thousand bytes, repeatedly.
    let huge = [&b"\x8b\xe8\x03\0\0"[..], &[0x7f; 1000]].concat();
    let Ok(Value::List(some)) = quick(&of_list(&huge, 99)) else { panic!() };
    assert!(some.len() == 100 && some.iter().all(|one| matches!(one, Value::Big(digits) if digits.len() == 2408)));
    assert_eq!(quick(&of_list(&huge, 6000)), Err(PickleError::TooLarge));
    // The same as distinct integers, each of which is converted separately.
    assert!(quick(&of_list(&huge.repeat(200), 0)).is_ok());
    assert_eq!(quick(&of_list(&huge.repeat(300), 0)), Err(PickleError::TooLarge));
    // Short integers, as in a UUID, cost almost nothing.
    let short = [&b"\x8a\x11"[..], &[0x7f; 16], b"\0"].concat();
    assert!(quick(&of_list(&short.repeat(100_000), 0)).is_ok());
    // [value] * 10, nested ten times: a billion values, and a hundred thousand of them.
    for (levels, most) in [(9, false), (5, false), (4, true)] {
        let nested = [&b"\x80\x04"[..], &b"](".repeat(levels), b"N", &b"222222222e".repeat(levels), b"."].concat();
        assert_eq!(quick(&nested).is_ok(), most, "{levels}");
    }
    // A text that calls create anew each time.
    for call in ["_codecs\nencode", "django.utils.safestring\nSafeString"] {
        let text = [&b"X\0\0\x10\0"[..], &[b'x'; 1 << 20]].concat();
        let arguments = if call.starts_with('_') { &b"\x8c\x06latin1\x86"[..] } else { b"\x85" };
        let head = [b"\x80\x04c", call.as_bytes(), b"\n\x940", &text, arguments, b"\x940"].concat();
        let made = |times: usize| [&head[..], &b"h\0h\x01R0".repeat(times), b"N."].concat();
        assert!(quick(&made(10)).is_ok(), "{call}");
        assert_eq!(quick(&made(10_000)), Err(PickleError::TooLarge), "{call}");
    }
    // One-byte opcodes that only fill the stack, the marks or the memo.
    for opcode in [b'2', b'(', 0x94] {
        let fill = |times: usize| [&b"\x80\x04N"[..], &[opcode].repeat(times), b"N."].concat();
        assert!(quick(&fill(1000)).is_ok());
        assert_eq!(quick(&fill(MAX_VALUES + 1)), Err(PickleError::TooLarge), "{opcode}");
    }
}

#[test]
fn values_shared_in_a_pickle_are_read() {
    // Rows with the same keys, and the same texts as values: protocol 4 writes each once.
    let mut rows = b"\x80\x04]\x94(".to_vec();
    rows.extend_from_slice(b"}\x94(\x8c\x0adepartment\x94\x8c\x15the third floor, west\x94u");
    for _ in 0..20_000 {
        rows.extend_from_slice(b"}\x94(h\x02h\x03u");
    }
    rows.extend_from_slice(b"e.");
    let Ok(Value::List(rows)) = quick(&rows) else { panic!() };
    assert!(rows.len() == 20_001 && rows.iter().all(|row| row.get("department").is_some()));
}

#[test]
fn nothing_is_encoded_beyond_the_message_limit() {
    let now = SystemTime::now();
    let bodies: [Value; 4] = [
        [("type", Value::from("t")), ("text", "\u{1}".repeat(1000).into())].into_iter().collect(),
        [("numbers", Value::List(vec![Value::Float(1e15); 200]))].into_iter().collect(),
        [("bytes", Value::Bytes(vec![0; 3000].into()))].into_iter().collect(),
        [("same", Value::List(vec![Value::Bytes(vec![0; 300].into()); 10]))].into_iter().collect(),
    ];
    for serializer in [Serializer::Msgpack, Serializer::Json] {
        for keys in [vec![], vec![Secret::new("key")]] {
            let codec = |max_message: usize| {
                LayerCodec::new(&Layer { max_message, keys: keys.clone(), serializer, ..Layer::default() })
            };
            for body in &bodies {
                let core = |limit: usize| codec(limit).encode_core(body, Addressee::Channel("specific.a!b"), now);
                let pubsub = |limit: usize| codec(limit).encode_pubsub(body, now);
                for encode in [&core as &dyn Fn(usize) -> _, &pubsub] {
                    let whole = encode(usize::MAX).unwrap().len();
                    assert_eq!(encode(whole).unwrap().len(), whole);
                    for limit in [whole - 1, whole / 2, 12, 0] {
                        assert_eq!(encode(limit), Err(EnvelopeError::Write(WriteError::TooLarge(limit))));
                    }
                }
            }
        }
    }
}

#[test]
fn a_pickle_calls_nothing_and_its_error_names_the_function() {
    let forbidden = |name: &str| Err(PickleError::Forbidden(name.to_owned()));
    assert_eq!(pickle::decode(b"cos\nsystem\n(S'id'\ntR."), forbidden("os.system"));
    assert_eq!(pickle::decode(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R."), forbidden("posix.system"));
    assert_eq!(pickle::decode(b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R."), forbidden("__builtin__.eval"));
    assert_eq!(pickle::decode(b"\x80\x02cbuiltins\ngetattr\n."), forbidden("builtins.getattr"));
    // A name is escaped for the log.
    assert_eq!(pickle::decode(b"\x80\x02ca\x1b[31m\nb\n."), forbidden("a\\u{1b}[31m.b"));
    // Known names are not values and accept no other arguments.
    assert!(matches!(pickle::decode(b"\x80\x02cdatetime\ndatetime\n."), Err(PickleError::Forbidden(_))));
    assert!(matches!(
        pickle::decode(b"\x80\x02cdatetime\ndate\nC\x04\x00\x00\x0d\x01\x85R."),
        Err(PickleError::Malformed(_))
    ));
    assert!(matches!(pickle::decode(b"\x80\x02cdatetime\ndate\nK\x01\x85R."), Err(PickleError::Malformed(_))));
    // State for a value that is not an object.
    assert!(matches!(pickle::decode(b"\x80\x02}}b."), Err(PickleError::Forbidden(_))));
    // Persistent ids, extensions, instances, out-of-band buffers.
    for opcode in [b'P', b'Q', b'i', b'o', 0x82, 0x83, 0x84, 0x92, 0x97, 0x98, b'S', b'T', b'U', 0xff] {
        assert_eq!(pickle::decode(&[0x80, 5, opcode]), Err(PickleError::Opcode(opcode)));
    }
}

#[test]
fn a_broken_stack_is_an_error() {
    for broken in [
        "",
        "80",
        "8005",
        "80062e",
        "2e",
        "80042e",
        "80044e",
        "8004302e",
        "8004282e",
        "8004612e",
        "80045d612e",
        "80044e4e612e",
        "80047d4e732e",
        "80047d284e752e",
        "8004652e",
        "8004945d2e",
        "800468002e",
        "80046a000000002e",
        "8004522e",
        "80044e29522e",
        "8004932e",
        "80044e4e932e",
        "8004622e",
        "80048a01",
        "670a2e",
        "49780a2e",
        "4c0a2e",
        "565c75643830670a2e",
        "565c75ff",
    ] {
        assert!(pickle::decode(&hex::decode(broken).unwrap()).is_err(), "{broken}");
    }
}

#[test]
fn compressed_bombs_stop_at_the_limit() {
    const LIMIT: usize = 1 << 16;
    let zeros = vec![0; LIMIT + 1];
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(&zeros).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&zeros).unwrap();
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(6)).unwrap();
    xz.write_all(&zeros).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(zeros.as_slice(), ruzstd::encoding::CompressionLevel::Fastest);
    // A frame with one block: one literal, then a match of itself with length 255 * 300.
    let mut block = vec![0x1f, b'a', 1, 0];
    block.extend_from_slice(&[255; 300]);
    block.extend_from_slice(&[0, 0]);
    let mut lz4 = hex::decode("04224d186050fb").unwrap();
    lz4.extend_from_slice(&u32::try_from(block.len()).unwrap().to_le_bytes());
    lz4.extend_from_slice(&block);
    lz4.extend_from_slice(&[0; 4]);
    for (name, bomb) in [
        ("zlib", zlib.finish().unwrap()),
        ("gzip", gzip.finish().unwrap()),
        ("xz", xz.finish().unwrap()),
        ("zstd", zstd),
        ("lz4", lz4),
    ] {
        assert_eq!(decompress(&bomb, LIMIT), Err(CompressError::TooLarge(name, LIMIT)));
        let plain = decompress(&bomb, 2 * LIMIT).unwrap();
        assert!(plain.len() > LIMIT && plain.len() < 2 * LIMIT, "{name}");
        for cut in 0..bomb.len().min(200) {
            let cut = decompress(&bomb[..cut], LIMIT);
            assert!(cut.is_err() || cut.unwrap().len() < 7, "{name}");
        }
    }
    let huge_zstd = [hex::decode("28b52ffd").unwrap(), vec![0; 1 << 20]].concat();
    assert!(matches!(decompress(&huge_zstd, usize::MAX), Err(CompressError::TooLarge(..))));
}

#[test]
fn a_hundred_megabytes_are_refused_unread() {
    let huge = vec![b'['; 100 << 20];
    let error = cache_value::decode(&huge).unwrap_err();
    assert_eq!(error, CacheValueError::TooLarge(huge.len()));
    assert_eq!(error.drop_reason(), DropReason::TooLarge);
    let codec = LayerCodec::new(&Layer::default());
    let error = codec.decode_core(&huge, SystemTime::now()).unwrap_err();
    assert_eq!(error, EnvelopeError::TooLarge(huge.len()));
    assert_eq!(error.drop_reason(), DropReason::TooLarge);
    assert_eq!(codec.decode_pubsub(&huge), Err(error));
}

#[test]
fn a_message_that_is_not_a_dict_is_refused_with_a_reason() {
    let codec = LayerCodec::new(&Layer { random_prefix_length: 2, ..Layer::default() });
    let core = |body: &[u8]| codec.decode_core(&[b"rr", body].concat(), SystemTime::now()).unwrap_err();
    assert_eq!(codec.decode_core(b"r", SystemTime::now()), Err(EnvelopeError::Truncated));
    assert_eq!(core(b""), EnvelopeError::Truncated);
    assert_eq!(core(b"\x93\x01\x02\x03"), EnvelopeError::Unrecognised(0x93));
    assert_eq!(core(b" [1]"), EnvelopeError::NotADict("a list"));
    assert_eq!(core(b"\x80\x80"), EnvelopeError::Msgpack(MsgpackError::Trailing(1)));
    assert_eq!(core(b"\x81\xb0__asgi_channel__\x01"), EnvelopeError::Address);
    assert_eq!(core(b"\x81\xb0__asgi_channel__\x91\x01"), EnvelopeError::Address);
    assert_eq!(core(b"{").drop_reason(), DropReason::Decode);
    assert_eq!(codec.encode_pubsub(&Value::Null, SystemTime::now()), Err(EnvelopeError::NotADict("null")));

    let encrypted = LayerCodec::new(&Layer { keys: vec![crate::config::Secret::new("k")], ..Layer::default() });
    let error = encrypted.decode_pubsub(b"\x80").unwrap_err();
    assert_eq!(error, EnvelopeError::Decrypt(FernetError::Malformed));
    assert_eq!(error.drop_reason(), DropReason::Decrypt);
}

#[test]
fn every_changed_byte_of_a_token_is_detected() {
    let keyring = Keyring::new(["first", "second"]);
    let token = keyring.encrypt(b"hello", SystemTime::now()).unwrap();
    assert_eq!(keyring.decrypt(&token, None, SystemTime::now()).unwrap(), b"hello");
    for at in 0..token.len() {
        for bit in 0..8 {
            let mut changed = token.clone();
            changed[at] ^= 1 << bit;
            assert!(keyring.decrypt(&changed, None, SystemTime::now()).is_err(), "byte {at}, bit {bit}");
        }
    }
    for cut in 0..token.len() {
        assert!(keyring.decrypt(&token[..cut], None, SystemTime::now()).is_err());
    }
    assert_eq!(format!("{keyring:?}"), "Keyring(2 keys)");
}

#[test]
fn a_value_over_the_limit_after_decompression_is_counted_as_too_large() {
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(&vec![b' '; MAX_CACHE_VALUE + 1]).unwrap();
    let error = cache_value::decode(&zlib.finish().unwrap()).unwrap_err();
    assert_eq!(error.drop_reason(), DropReason::TooLarge);
}
