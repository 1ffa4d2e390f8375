//! Packets as in the protocol's documents, in both directions, and hostile input.

use bytes::Bytes;
use proptest::prelude::*;

use super::{engine::EnginePacket, *};
use crate::{
    event::{Raw, Value},
    limited::WriteError,
};

const LIMITS: PacketLimits = PacketLimits { attachments: 4, bytes: 64 };

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn written(payload: &Payload) -> String {
    match payload {
        Payload::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Parses one text packet, without the Engine.IO type.
fn read(text: &str) -> Result<Option<ClientPacket>, PacketError> {
    checked(PacketDecoder::default().text(Text::copy_from_slice(text), &LIMITS))
}

fn event_in(namespace: &str, name: &str, args: Value, ack: Option<u64>) -> ClientPacket {
    let source = RawEvent::default();
    ClientPacket::Event { namespace: Text::copy_from_slice(namespace), name: name.into(), args, ack, source }
}

/// The packet; an event without its source, which must decode to the same name and arguments.
fn checked(packet: Result<Option<ClientPacket>, PacketError>) -> Result<Option<ClientPacket>, PacketError> {
    let Ok(Some(ClientPacket::Event { namespace, name, args, ack, source })) = packet else { return packet };
    assert_eq!(source.copy().read(), Ok((name.clone(), args.clone())));
    Ok(Some(ClientPacket::Event { namespace, name, args, ack, source: RawEvent::default() }))
}

#[test]
fn packets_of_a_server_are_written_as_the_protocol_says() {
    let args = value(r#"["message",1.5,{"b":18446744073709551615,"a":[]}]"#);
    let event = |namespace, id| written(&event(namespace, id, &Raw(&args), 100).unwrap());
    assert_eq!(event("/", None), r#"42["message",1.5,{"b":18446744073709551615,"a":[]}]"#);
    assert_eq!(event("/", Some(0)), r#"420["message",1.5,{"b":18446744073709551615,"a":[]}]"#);
    assert_eq!(event("/admin", Some(13)), r#"42/admin,13["message",1.5,{"b":18446744073709551615,"a":[]}]"#);
    assert_eq!(written(&ack("/", 7, &Vec::<u8>::new(), 2).unwrap()), "437[]");
    assert_eq!(written(&connected("/", "abc")), r#"40{"sid":"abc"}"#);
    assert_eq!(written(&refused("/x", "not \"you\"")), r#"44/x,{"message":"not \"you\""}"#);
    assert_eq!(written(&disconnect("/")), "41");
    assert_eq!(written(&disconnect("/admin")), "41/admin,");
}

#[test]
fn bytes_become_attachments_wherever_they_stand() {
    let bytes = |byte: u8| Value::Bytes(Bytes::copy_from_slice(&[byte]));
    let map: Value = [("x", Value::List(vec![bytes(2)])), ("y", bytes(3))].into_iter().collect();
    let args = Value::List(vec!["file".into(), bytes(1), map]);
    let packet = Payload::Packet {
        text: Bytes::from_static(
            br#"453-/a,7["file",{"_placeholder":true,"num":0},{"x":[{"_placeholder":true,"num":1}],"y":{"_placeholder":true,"num":2}}]"#,
        ),
        attachments: [&[1u8][..], &[2], &[3]].map(Bytes::copy_from_slice).into(),
    };
    assert_eq!(event("/a", Some(7), &Raw(&args), 1000).unwrap(), packet);
    assert_eq!(
        ack("/", 9, &Raw(&Value::List(vec![bytes(5)])), 1000).unwrap(),
        Payload::Packet {
            text: Bytes::from_static(br#"461-9[{"_placeholder":true,"num":0}]"#),
            attachments: [Bytes::from_static(&[5])].into(),
        }
    );
}

#[test]
fn arguments_that_are_not_a_list_are_refused() {
    for wrong in ["\"text\"", "{}", "7", "null"] {
        assert!(matches!(event("/", None, &Raw(&value(wrong)), 1000), Err(WriteError::Invalid(_))), "{wrong}");
    }
    let empty: [u8; 0] = [];
    assert!(matches!(ack("/", u64::MAX, &empty, 1000), Err(WriteError::Invalid(_))));
}

#[test]
fn packets_of_a_client_are_read() {
    let connect = |namespace: &str, auth| ClientPacket::Connect { namespace: Text::copy_from_slice(namespace), auth };
    for (text, packet) in [
        ("0", connect("/", Value::Null)),
        (r#"0{"token":"123"}"#, connect("/", value(r#"{"token":"123"}"#))),
        ("0/custom,", connect("/custom", Value::Null)),
        (r#"0/custom,{"a":1}"#, connect("/custom", value(r#"{"a":1}"#))),
        ("1", ClientPacket::Disconnect { namespace: "/".into() }),
        ("1/custom,", ClientPacket::Disconnect { namespace: "/custom".into() }),
        (r#"2["hi"]"#, event_in("/", "hi", value("[]"), None)),
        (r#"20["hi",1]"#, event_in("/", "hi", value("[1]"), Some(0))),
        (r#"2/a,456["hi",{"b":[2]}]"#, event_in("/a", "hi", value(r#"[{"b":[2]}]"#), Some(456))),
        ("2[7,8]", event_in("/", "7", value("[8]"), None)),
        ("317[]", ClientPacket::Ack { namespace: "/".into(), id: 17, args: value("[]") }),
        ("3/a,4[false]", ClientPacket::Ack { namespace: "/a".into(), id: 4, args: value("[false]") }),
        (r#"50-["hi"]"#, event_in("/", "hi", value("[]"), None)),
    ] {
        assert_eq!(read(text), Ok(Some(packet)), "{text}");
    }
}

#[test]
fn an_invalid_packet_is_an_error() {
    for wrong in [
        "",
        "a",
        "abc",
        "7",
        "é",
        "2",
        "2{}",
        "2[]",
        "2[null]",
        "2[1.5]",
        "2[[]]",
        "2\"hi\"",
        "2[\"hi\"",
        "2[\"hi\"]x",
        "2abc[\"hi\"]",
        "3[]",
        "3",
        "3x[]",
        "0[]",
        "0\"x\"",
        "0{",
        "4{\"message\":\"no\"}",
        "5",
        "5[\"hi\"]",
        "5x-[\"hi\"]",
        "5-[\"hi\"]",
        "55-[\"hi\"]",
        "599999999999999999999999-[\"hi\"]",
        "2[\"connect\"]",
        "2[\"disconnect\"]",
        "2/a[\"hi\"]",
        "6-1[]",
    ] {
        assert!(read(wrong).is_err(), "{wrong}: {:?}", read(wrong));
    }
    let deep = format!("2[\"hi\",{}{}]", "[".repeat(5000), "]".repeat(5000));
    assert!(read(&deep).is_err());
}

#[test]
fn attachments_replace_their_placeholders() {
    let mut decoder = PacketDecoder::default();
    // The order is the client's own, and keys may be escaped as Python's clients write them.
    let text = r#"52-["up",{"pr\u00e9nom":{"_placeholder":true,"num":1}},{"num":0,"_placeholder":true},{"_placeholder":false}]"#;
    assert_eq!(decoder.text(text.into(), &LIMITS), Ok(None));
    assert_eq!(decoder.binary(Bytes::from_static(b"one"), &LIMITS), Ok(None));
    let named: Value = [("prénom", Value::Bytes(Bytes::from_static(b"two")))].into_iter().collect();
    let args = vec![named, Value::Bytes(Bytes::from_static(b"one")), value(r#"{"_placeholder":false}"#)];
    let whole = checked(decoder.binary(Bytes::from_static(b"two"), &LIMITS));
    assert_eq!(whole, Ok(Some(event_in("/", "up", Value::List(args), None))));
    assert_eq!(decoder.text("1".into(), &LIMITS), Ok(Some(ClientPacket::Disconnect { namespace: "/".into() })));
}

#[test]
fn attachments_are_bounded_and_required() {
    assert_eq!(read("55-[\"hi\"]"), Err(PacketError::TooManyAttachments(4)));
    let waiting = |text: &'static str| {
        let mut decoder = PacketDecoder::default();
        assert_eq!(decoder.text(text.into(), &LIMITS), Ok(None));
        decoder
    };
    let one = r#"51-["hi",{"_placeholder":true,"num":0}]"#;
    let large = Bytes::from(vec![0; 65]);
    assert_eq!(waiting(one).binary(large, &LIMITS), Err(PacketError::AttachmentsTooLarge(64)));
    assert_eq!(waiting(one).text("2[\"hi\"]".into(), &LIMITS), Err(PacketError::AttachmentDue));
    assert_eq!(PacketDecoder::default().binary(Bytes::new(), &LIMITS), Err(PacketError::UnexpectedBinary));
    for wrong in [r#"{"_placeholder":true}"#, r#"{"_placeholder":true,"num":1}"#, r#"{"_placeholder":true,"num":-1}"#] {
        let mut decoder = PacketDecoder::default();
        assert_eq!(decoder.text(format!("51-[\"hi\",{wrong}]").into(), &LIMITS), Ok(None));
        assert_eq!(decoder.binary(Bytes::new(), &LIMITS), Err(PacketError::Placeholder), "{wrong}");
    }
    assert_eq!(
        read(r#"2["hi",{"_placeholder":true,"num":0}]"#),
        Ok(Some(event_in("/", "hi", value(r#"[{"_placeholder":true,"num":0}]"#), None))),
        "without attachments it is ordinary data"
    );
}

#[test]
fn an_attachment_named_twice_or_not_at_all_is_malformed() {
    let read = |text: &str, attachments: usize| {
        let mut decoder = PacketDecoder::default();
        let mut read = decoder.text(Text::copy_from_slice(text), &LIMITS);
        for _ in 0..attachments {
            assert_eq!(read, Ok(None), "{text}");
            read = decoder.binary(Bytes::from_static(b"x"), &LIMITS);
        }
        read
    };
    let place = |number: usize| format!(r#"{{"_placeholder":true,"num":{number}}}"#);
    for kind in ["5", "6"] {
        let packet = |count: usize, rest: &str| read(&format!("{kind}{count}-7[\"hi\",{rest}]"), count);
        assert!(matches!(packet(2, &format!("{{\"a\":{}}},[{}]", place(1), place(0))), Ok(Some(_))));
        let twice = format!("{},{}", place(0), place(0));
        assert_eq!(packet(1, &twice), Err(PacketError::Placeholder));
        assert_eq!(packet(2, &format!("{twice},{}", place(1))), Err(PacketError::Placeholder));
        assert_eq!(packet(2, &format!("[[{}]],{{\"a\":{}}}", place(1), place(1))), Err(PacketError::Placeholder));
        assert_eq!(packet(1, "1"), Err(PacketError::UnusedAttachment));
        assert_eq!(packet(3, &format!("{},{}", place(0), place(2))), Err(PacketError::UnusedAttachment));
    }
    let twice = r#"[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]"#;
    assert!(matches!(read(&format!("2[\"hi\",{twice}]"), 0), Ok(Some(_))), "without attachments it is data");
}

#[test]
fn a_packet_with_its_attachments_stops_at_its_limit() {
    let bytes = |length| Value::Bytes(vec![0; length].into());
    for (args, size) in [
        (value(r#"["e",1e15,"\u0001"]"#), 33),
        (Value::List(vec![bytes(0)]), 31),
        (Value::List(vec![bytes(1000)]), 1031),
        (Value::List((0..30).map(|_| bytes(500)).collect()), 31 + 10 * 529 + 20 * 530),
    ] {
        assert!(event("/admin", Some(1), &Raw(&args), size).is_ok(), "{args:?}");
        assert!(ack("/admin", 1, &Raw(&args), size).is_ok(), "{args:?}");
        for limit in [size - 1, size / 2, 0] {
            assert_eq!(event("/", None, &Raw(&args), limit), Err(WriteError::TooLarge(limit)), "{args:?}");
            assert_eq!(ack("/", 1, &Raw(&args), limit), Err(WriteError::TooLarge(limit)), "{args:?}");
        }
    }
}

#[test]
fn packets_of_engine_io_are_read() {
    for (text, packet) in [
        ("4", EnginePacket::Message("".into())),
        ("4hellé", EnginePacket::Message("hellé".into())),
        ("bAQIDBA==", EnginePacket::Binary(Bytes::from_static(&[1, 2, 3, 4]))),
        ("1", EnginePacket::Close),
        ("3", EnginePacket::Pong),
        ("2probe", EnginePacket::Probe),
        ("5", EnginePacket::Upgrade),
        ("6", EnginePacket::Noop),
    ] {
        assert_eq!(engine::parse(text), Ok(packet), "{text}");
    }
    for wrong in ["", "abc", "2", "0{}", "7", "é"] {
        assert_eq!(engine::parse(wrong), Err(PacketError::EngineType), "{wrong}");
    }
    assert_eq!(engine::parse("b*"), Err(PacketError::Base64));
}

#[test]
fn a_session_is_opened_as_the_protocol_says() {
    let open = engine::OpenPacket {
        sid: "a.b",
        upgrade: true,
        ping_interval: std::time::Duration::from_millis(300),
        ping_timeout: std::time::Duration::from_millis(200),
        max_payload: 1_000_000,
    };
    let packet = r#"0{"sid":"a.b","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#;
    assert_eq!(open.packet(), packet);
}

/// Plain data that contains bytes.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(Value::Float),
        ".*".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..16).prop_map(|bytes| Value::Bytes(bytes.into())),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::vec((".{0,6}", inner), 0..6).prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn written_packets_are_read_again(
        args in prop::collection::vec(any_value(), 0..4),
        name in "[a-z]{1,8} ?é?",
        namespace in "/[a-z/:]{0,8}",
        id in prop::option::of(0..i64::MAX as u64),
    ) {
        prop_assume!(!["connect", "disconnect"].contains(&&*name));
        let mut all = vec![Value::from(name.clone())];
        all.extend(args.iter().cloned());
        let limits = PacketLimits { attachments: 1000, bytes: 1 << 20 };
        let mut decoder = PacketDecoder::default();
        let (text, attachments) = match event(&namespace, id, &Raw(&Value::List(all)), usize::MAX).unwrap() {
            Payload::Text(text) => (text, Vec::new()),
            Payload::Packet { text, attachments } => (text, attachments.to_vec()),
            Payload::Binary(_) => unreachable!(),
        };
        let Ok(EnginePacket::Message(text)) = engine::parse(std::str::from_utf8(&text).unwrap()) else { panic!("{text:?}") };
        let mut read = decoder.text(text, &limits).unwrap();
        for bytes in attachments {
            prop_assert_eq!(read, None);
            read = decoder.binary(bytes, &limits).unwrap();
        }
        prop_assert_eq!(checked(Ok(read)).unwrap(), Some(event_in(&namespace, &name, Value::List(args), id)));
    }

    #[test]
    fn any_text_and_bytes_are_a_packet_or_an_error(pieces in prop::collection::vec(prop_oneof![
        "[0-6]?[0-9]{0,3}-?(/[a-z]{0,3},?)?[0-9]{0,3}[\\[{\"a-z0-9:,\\]}]{0,12}".prop_map(Ok),
        ".*".prop_map(Ok),
        prop::collection::vec(any::<u8>(), 0..80).prop_map(Err),
    ], 0..12)) {
        let mut decoder = PacketDecoder::default();
        for piece in pieces {
            let _ = match piece {
                Ok(text) => {
                    let _ = engine::parse(&text);
                    decoder.text(text.into(), &LIMITS)
                }
                Err(bytes) => decoder.binary(bytes.into(), &LIMITS),
            };
        }
    }
}

#[test]
fn a_packet_moves_to_another_namespace_as_it_is() {
    let form = "/workspace-<int:id>";
    for args in [r#"["told"]"#, r#"["told","a,/b"]"#, r#"["told",{"/":","}]"#] {
        let args: serde_json::Value = serde_json::from_str(args).unwrap();
        let there = |namespace| event(namespace, None, &args, 1000).unwrap();
        assert_eq!(in_namespace(&there(form), "/workspace-7"), there("/workspace-7"));
        let question = |namespace| event(namespace, Some(12), &args, 1000).unwrap();
        assert_eq!(in_namespace(&question(form), "/w-9"), question("/w-9"));
        assert_eq!(in_namespace(&ack(form, 3, &args, 1000).unwrap(), "/w-9"), ack("/w-9", 3, &args, 1000).unwrap());
    }
    let file = [Value::from("file"), Value::Bytes(Bytes::from_static(b"/,")), Value::Bytes(Bytes::from_static(b"b"))];
    let there = |namespace| event(namespace, None, &file.each_ref().map(Raw), 1000).unwrap();
    assert_eq!(in_namespace(&there(form), "/w-9"), there("/w-9"));
}
