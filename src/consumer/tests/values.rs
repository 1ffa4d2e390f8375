//! Expressions on values that other readers would change: text with lone surrogates, large integers, deep nesting.

use super::*;
use sha2::{Digest, Sha256};

use crate::event::json;

fn said(send: &str, body: &str) -> String {
    let consumer = one(&format!("[consumer.on_event.\"*\"]\nsend = {}\n", toml::Value::from(send)));
    let event = Event {
        group: GroupName::new("g").unwrap(),
        body: json::read(body.as_bytes()).unwrap(),
        source: Source::Memory,
        received: Instant::now(),
    };
    match &consumer.on_event(&Arc::new(event)) {
        Ok(mapped) => text(&mapped.messages[0].payload).to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn half_an_emoji_is_text_like_any_other_in_expressions() {
    let event = r#"{"half": "\ud83d", "other": "\ude00", "x": "x\ud83dy", "\ud83d": {"\ud83dk": 1}, "real": "\udbfa\udc00\udbf8\udc3d"}"#;
    for (send, frame) in [
        ("event.half", r#""\ud83d""#),
        ("event.half | length", "1"),
        ("event.x | length", "3"),
        ("event.half ~ '!'", r#""\ud83d!""#),
        ("'<' ~ event.x ~ '>'", r#""<x\ud83dy>""#),
        ("{'a': [event.half, event.x]}", r#"{"a":["\ud83d","x\ud83dy"]}"#),
        ("event.half == event.x[1]", "true"),
        ("event.half == event.other", "false"),
        ("event.half in event.x", "true"),
        ("event.x.split(event.half)", r#"["x","y"]"#),
        ("event.x.replace(event.half, event.other)", r#""x\ude00y""#),
        ("event.x.upper()", r#""X\ud83dY""#),
        ("event[event.half]", r#"{"\ud83dk":1}"#),
        ("event[event.half][event.half ~ 'k']", "1"),
        ("event[event.half].keys() | first", r#""\ud83dk""#),
        ("event[event.half].items()", r#"[["\ud83dk",1]]"#),
        ("{event.half: event.other}", r#"{"\ud83d":"\ude00"}"#),
        ("dict(event[event.half], a=1)", r#"{"\ud83dk":1,"a":1}"#),
        ("{'a': event | without('half', 'other', 'x', 'real')}", r#"{"a":{"\ud83d":{"\ud83dk":1}}}"#),
        ("[event.half, event.x, event.other] | sort", r#"["x\ud83dy","\ud83d","\ude00"]"#),
        ("event.half | tojson", r#""\"\\ud83d\"""#),
        ("event.real", "\"\u{10e800}\u{10e03d}\""),
        ("event.real ~ event.half", "\"\u{10e800}\u{10e03d}\\ud83d\""),
        ("{event.real: event.real | tojson}", "{\"\u{10e800}\u{10e03d}\":\"\\\"\u{10e800}\u{10e03d}\\\"\"}"),
        ("event.real == event.half", "false"),
        ("event.x | slug", r#""x-y""#),
    ] {
        assert_eq!(said(send, event), frame, "{send}");
    }
    let raw = one("[consumer.on_event.\"*\"]\nsend_text = \"event.x\"\n");
    let event = Event { body: json::read(event.as_bytes()).unwrap(), ..(*super::event(json!({}))).clone() };
    let outgoing = raw.on_event(&Arc::new(event)).unwrap();
    assert_eq!(text(&outgoing.messages[0].payload), "x\u{fffd}y", "a frame has no form for it outside JSON");
}

#[test]
fn bytes_stay_bytes_whether_they_are_text_or_not() {
    let bytes = |bytes: &'static [u8]| Value::Map([("x".into(), Value::Bytes(bytes.into()))].into_iter().collect());
    let consumer = one("[consumer.on_event.\"*\"]\nsend_text = 'event.x'\n");
    let hashed = one("[consumer.on_event.\"*\"]\nsend_text = 'event.x | sha256'\n");
    let named = one("[consumer.on_event.\"*\"]\nsend = \"'x'\"\ntopic = 'event.x'\n");
    let group = SourceGroup::compile("room_{{ event.x }}").unwrap();
    for content in [&b"\0"[..], b"{}", b"\xff", "\u{10e800}\u{10e03d}".as_bytes()] {
        let event = || Arc::new(Event { body: bytes(content), ..(*event(json!({}))).clone() });
        let sent = consumer.on_event(&event()).unwrap();
        assert_eq!(sent.messages[0].payload, Payload::Binary(content.into()), "{content:?}");
        let digest: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text(&hashed.on_event(&event()).unwrap().messages[0].payload), digest, "{content:?}");
        assert!(named.on_event(&event()).is_err(), "{content:?} is not a topic");
        assert!(group.groups("c", &Arc::new(bytes(content))).is_err(), "{content:?} is not part of a name");
    }
}

#[test]
fn large_integers_keep_their_digits_in_expressions() {
    let hundred = "9".repeat(100);
    let event = format!(r#"{{"n": {hundred}, "same": {hundred}, "m": 18446744073709551616, "f": 1.0, "z": -0.0}}"#);
    for (send, frame) in [
        ("event.n", &*hundred),
        ("{'a': [event.n, event.m]}", &format!(r#"{{"a":[{hundred},18446744073709551616]}}"#)),
        ("event.m + 1", "18446744073709551617"),
        // 2^127 - 1 is the largest for arithmetic.
        ("170141183460469231731687303715884105726 + 1", "170141183460469231731687303715884105727"),
        ("event.m > 5", "true"),
        ("event.m == 18446744073709551616", "true"),
        ("event.n == event.same", "true"),
        ("event.n == event.m", "false"),
        ("'n' ~ event.n", &format!("\"n{hundred}\"")),
        ("'m' ~ event.m", "\"m18446744073709551616\""),
        ("event.n | tojson", &format!("\"{hundred}\"")),
        ("event.n | string", &format!("\"{hundred}\"")),
        ("[event.f, event.z]", "[1.0,-0.0]"),
    ] {
        assert_eq!(said(send, &event), frame, "{send}");
    }
}

#[test]
fn a_name_may_have_half_an_emoji_or_a_large_integer() {
    let chat = setup::socketio(
        "[consumer.on_message.go]\njoin = \"room_{{ args[0] }}\"\n[consumer.on_message.say]\nreply = { event = \"{{ args[0] }}\", data = \"args\" }\n",
    );
    let hear = |name: &str, args: &str| {
        let args = Arc::new(json::read(args.as_bytes()).unwrap());
        on(&chat, &setup::ann(), Incoming::Event { name, args: &args, ack: None })
    };
    let joined = |args: &str| setup::effects(&hear("go", args)).join(" ");
    let names =
        [r#"["\ud83d"]"#, r#"["\ude00"]"#, r#"["\udbf8\udc3d"]"#, r#"["\udbfa\udc00\udbf8\udc3d"]"#].map(joined);
    assert!(names.iter().all(|name| name.starts_with("join room_-xf4")), "{names:?}");
    assert!((1..4).all(|at| !names[at..].contains(&names[at - 1])), "two values are never written alike: {names:?}");
    assert_eq!(joined("[18446744073709551616]"), "join room_18446744073709551616");
    assert_eq!(joined(&format!("[{}]", "9".repeat(50))), format!("join room_{}", "9".repeat(50)));
    assert_eq!(setup::effects(&hear("say", r#"["\ud83d"]"#)), [r#"42["\ud83d",["\ud83d"]]"#]);
}

#[test]
fn a_message_as_deep_as_python_writes_it_is_passed_on() {
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [130, 990] {
        assert_eq!(said("event.data", &format!(r#"{{"data": {}}}"#, deep(depth))), deep(depth));
        assert_eq!(
            said("{'a': event.data}", &format!(r#"{{"data": {}}}"#, deep(depth))),
            format!(r#"{{"a":{}}}"#, deep(depth))
        );
    }
}
