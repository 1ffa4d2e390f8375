//! Right lines, and what is said of wrong ones.

use super::*;

fn said(line: &str) -> Said {
    parse(line.as_bytes()).unwrap().said.unwrap()
}

fn done(line: &str) -> Command {
    match said(line) {
        Said::Line(Line::Command(command)) => command,
        other => panic!("{other:?}"),
    }
}

fn ended(line: &str) -> End {
    match said(line) {
        Said::Line(Line::End(end)) => end,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_command_is_read() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let group = || GroupName::new("room.7").unwrap();
    for (line, command) in [
        (r#"{"do":"accept"}"#, Command::Accept { subprotocol: None, headers: vec![] }),
        (
            r#"{"do":"accept","subprotocol":"v2","headers":[["x-a","é"]]}"#,
            Command::Accept { subprotocol: Some("v2".to_owned()), headers: vec![pair("x-a", "é")] },
        ),
        (r#"{"do":"accept","subprotocol":null,"headers":[]}"#, Command::Accept { subprotocol: None, headers: vec![] }),
        (r#"{"do":"send","text":"a\nb\u0000"}"#, Command::Send(Payload::Text("a\nb\0".into()))),
        (r#"{"do":"send","text":""}"#, Command::Send(Payload::Text(Bytes::new()))),
        (r#"{"do":"send","text":"\udbfa\udc00x"}"#, Command::Send(Payload::Text("\u{10e800}x".into()))),
        (r#"{"do":"send","bytes":"AP8="}"#, Command::Send(Payload::Binary(Bytes::from_static(b"\0\xff")))),
        (r#"{"do":"close"}"#, Command::Close { code: 1000, reason: String::new() }),
        (r#"{"do":"close","code":4001,"reason":"no"}"#, Command::Close { code: 4001, reason: "no".to_owned() }),
        (r#"{"do":"close","code":-1}"#, Command::Close { code: 0, reason: String::new() }),
        (r#"{"do":"group_add","group":"room.7"}"#, Command::GroupAdd(group())),
        (r#"{"do":"group_discard","group":"room.7"}"#, Command::GroupDiscard(group())),
        (
            r#"{"do":"group_send","group":"room.7","message":{"type":"t","b":{"$b":"AA=="},"f":NaN}}"#,
            Command::GroupSend { group: group(), message: Value::Null },
        ),
        (
            r#"{"do":"send_channel","channel":"specific.a!c.b","message":{"type":"t"}}"#,
            Command::SendChannel {
                channel: "specific.a!c.b".to_owned(),
                message: [("type", Value::from("t"))].into_iter().collect(),
            },
        ),
        (
            r#"{"do":"deny","status":429,"headers":[["a","b"]]}"#,
            Command::Deny { status: 429, headers: vec![pair("a", "b")] },
        ),
        (r#"{"do":"deny_body","bytes":""}"#, Command::DenyBody(Bytes::new())),
    ] {
        match (done(line), command) {
            (Command::GroupSend { message, .. }, Command::GroupSend { .. }) => {
                assert_eq!(message.get("b"), Some(&Value::Bytes(Bytes::from_static(b"\0"))));
                assert!(matches!(message.get("f"), Some(Value::Float(number)) if number.is_nan()));
            }
            (read, command) => assert_eq!(read, command, "{line}"),
        }
    }
}

#[test]
fn every_end_is_read_and_what_is_absent_has_not_changed() {
    let open = |line: &str| match ended(line) {
        End::Open { state, user, expires, vars, .. } => (state.into_string(), user, expires, vars),
        other => panic!("{other:?}"),
    };
    let user: Value = [("id", Value::Int(7))].into_iter().collect();
    assert_eq!(open(r#"{"end":"open","state":"s"}"#), ("s".to_owned(), None, None, None));
    assert_eq!(
        open(r#"{"end":"open","state":"","user":null,"expires":null}"#),
        (String::new(), Some(Value::Null), Some(None), None)
    );
    assert_eq!(
        open(r#"{"end":"open","state":"s","user":{"id":7},"expires":1.5,"vars":{"id":7}}"#),
        ("s".to_owned(), Some(user.clone()), Some(Some(1.5)), Some(user))
    );
    let End::Open { class, .. } = ended(r#"{"end":"open","state":"","class":"chat.Chat"}"#) else { panic!() };
    assert_eq!(class.as_deref(), Some("chat.Chat"));
    assert_eq!(ended(r#"{"end":"stopped"}"#), End::Stopped);
    let (kind, text) = ("k".to_owned(), "t".to_owned());
    assert_eq!(
        ended(r#"{"end":"error","type":"k","text":"t"}"#),
        End::Error { kind: kind.clone(), text: text.clone() }
    );
    assert_eq!(ended(r#"{"end":"refused","kind":"k","text":"t"}"#), End::Refused { kind, text });
    assert_eq!(ended(r#"{"end":"restart","text":"t"}"#), End::Restart("t".to_owned()));
    let note = Said::Note { kind: "shared".to_owned(), text: "t".to_owned() };
    assert_eq!(
        parse(br#"{"n":3,"do":"note","kind":"shared","text":"t"}"#),
        Ok(Parsed { call: Some(3), said: Ok(note) })
    );
}

#[test]
fn a_wrong_line_says_what_is_wrong() {
    for (line, wrong) in [
        ("", "not JSON: a value was expected at byte 0"),
        ("[]", "it is not an object"),
        ("{}", "it has neither do nor end"),
        (r#"{"do":"close","end":"open"}"#, "it has both do and end"),
        (r#"{"do":7}"#, "it: do is an integer"),
        (r#"{"do":"explode"}"#, "the command \"explode\" is unknown"),
        (r#"{"end":"explode"}"#, "the end \"explode\" is unknown"),
        (r#"{"n":-1,"end":"stopped"}"#, "it: n is negative"),
        (r#"{"n":"1","end":"stopped"}"#, "it: n is text"),
        (r#"{"do":"send"}"#, "send has neither text nor bytes"),
        (r#"{"do":"send","text":"a","bytes":""}"#, "send has both text and bytes"),
        (r#"{"do":"send","text":1}"#, "send: text is an integer"),
        (r#"{"do":"send","text":"\ud83d"}"#, "send: text is text with a lone surrogate"),
        (r#"{"do":"send","bytes":"?"}"#, "send: bytes is bytes that are not base64: Invalid symbol 63, offset 0."),
        (r#"{"do":"send","text":"a","loud":true}"#, "send has the unknown key \"loud\""),
        (r#"{"do":"accept","headers":{}}"#, "accept: headers is an object"),
        (r#"{"do":"accept","headers":[["a"]]}"#, "accept: headers is not a list of pairs"),
        (r#"{"do":"accept","headers":[["a",1]]}"#, "accept: headers is an integer"),
        (r#"{"do":"accept","subprotocol":[]}"#, "accept: subprotocol is a list"),
        (r#"{"do":"close","code":"4000"}"#, "close: code is text"),
        (r#"{"do":"close","code":true}"#, "close: code is a boolean"),
        (r#"{"do":"group_add"}"#, "group_add has no group"),
        (r#"{"do":"group_add","group":""}"#, "group_add: group is wrong: a group name must not be empty"),
        (
            r#"{"do":"group_add","group":"a b"}"#,
            "group_add: group is wrong: a group name holds only ASCII letters, digits, '-', '_' and '.', not ' '",
        ),
        (r#"{"do":"group_send","group":"a","message":[]}"#, "group_send: message is a list"),
        (r#"{"do":"group_send","group":"a","message":{"$b":""}}"#, "group_send: message is bytes"),
        (
            r#"{"do":"group_send","group":"a","message":{"a":{"$x":1}}}"#,
            "group_send: message is an object of the one key \"$x\" cannot be an integer",
        ),
        (r#"{"do":"send_channel","channel":"a b","message":{}}"#, "send_channel: channel is not a channel name"),
        (r#"{"do":"deny","status":101,"headers":[]}"#, "deny: status is 101, not 200 to 599"),
        (r#"{"do":"deny_body","bytes":null}"#, "deny_body has no bytes"),
        (r#"{"end":"open"}"#, "open has no state"),
        (r#"{"end":"open","state":"s","user":7}"#, "open: user is an integer"),
        (r#"{"end":"open","state":"s","expires":"soon"}"#, "open: expires is text"),
        (r#"{"end":"open","state":"s","expires":NaN}"#, "open: expires is a number"),
        (r#"{"end":"open","state":"s","vars":[]}"#, "open: vars is a list"),
        (r#"{"end":"stopped","state":"s"}"#, "stopped has the unknown key \"state\""),
        (r#"{"end":"error","text":"t"}"#, "error has no type"),
    ] {
        let said = parse(line.as_bytes()).and_then(|parsed| parsed.said);
        assert_eq!(said, Err(wrong.to_owned()), "{line}");
    }
    let of_a_call = parse(br#"{"n":2,"do":"explode"}"#).unwrap();
    assert_eq!(of_a_call, Parsed { call: Some(2), said: Err("the command \"explode\" is unknown".to_owned()) });
    assert_eq!(parse(b"\xff"), Err("the JSON is not UTF-8".to_owned()));
}
