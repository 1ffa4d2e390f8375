//! What handlers do, for both protocols.

use super::{
    setup::{ann, effects, hear, socketio},
    *,
};
use crate::telemetry::DropReason;

/// A consumer of a node with this message limit in bytes.
fn small(limit: usize, consumer: &str) -> Arc<Consumer> {
    let set = set(&format!("[layer]\nmax_message = {limit}\n[[consumer]]\npath = \"/x/\"\n{consumer}"));
    set.get(ConsumerId(0)).unwrap().clone()
}

#[test]
fn a_handler_cannot_send_beyond_the_message_limit() {
    let plain = small(
        100,
        r#"
        [consumer.on_message.echo]
        reply = "message.data"
        "#,
    );
    // Eighteen characters each in JSON.
    let numbers = |count: usize| Json::Array(vec![json!(1e15); count]);
    let echo = |count: usize| {
        let text = json!({"type": "echo", "data": numbers(count)}).to_string();
        on(&plain, &Context::default(), Incoming::Text(&text))
    };
    assert_eq!(echo(5).problem, None);
    assert_eq!(echo(6).problem.map(|problem| problem.label()), Some("too_large"));

    let chat = small(
        100,
        r#"
        protocol = "socket.io"
        [consumer.on_message.say]
        reply = { event = "said", args = "args" }
        [consumer.on_message.echo]
        ack_args = "args"
        [consumer.on_message.ack]
        ack = "args"
        [consumer.on_event."*"]
        emit = { event = "news", data = "event.data" }
        "#,
    );
    for name in ["say", "echo", "ack"] {
        assert_eq!(hear(&chat, &ann(), name, numbers(4)).problem, None, "{name}");
        let reaction = hear(&chat, &ann(), name, numbers(6));
        assert_eq!(reaction.problem.map(|problem| problem.label()), Some("too_large"), "{name}");
        assert_eq!(reaction.effects, [], "{name}");
        // An attachment counts, too.
        let args = Arc::new(Value::List(vec![Value::Bytes(vec![0; 100].into())]));
        let reaction = on(&chat, &ann(), Incoming::Event { name, args: &args, ack: Some(5) });
        assert_eq!(reaction.problem.map(|problem| problem.label()), Some("too_large"), "{name}");
    }
    assert!(chat.on_event(&event(json!({"type": "t", "data": numbers(4)}))).is_ok());
    let Err(error) = chat.on_event(&event(json!({"type": "t", "data": numbers(6)}))) else { panic!() };
    assert_eq!(error.drop_reason(), DropReason::TooLarge);
    let args = vec![Value::from("e"), value(numbers(6))];
    assert_eq!(chat.encode(&Content::Event(args)), Err(error));
}

#[test]
fn the_keys_of_a_step_run_in_order() {
    let chat = socketio(
        "[consumer.on_message.go]\ndisconnect = true\nall = { event = 'e8' }\nto_role = { to = '{{ user.role }}', event = 'e7' }\n\
         to_user = { to = '{{ args[0] }}', event = 'e6' }\nroom = { to = 'lobby', event = 'e5', data = 'now() is string' }\n\
         others = { event = 'e4', args = '[user.id, args[0]]', volatile = true }\nack = 'vars.n'\nreply = { event = 'e1' }\n\
         unsubscribe = '\"a\"'\nsubscribe = '[\"a\", \"b\"]'\njoin = 'room:{{ vars.n }}'\nleave = 'old'\nset = { n = 'args[0] + 1' }\n\
         require = 'args[0] > 0'\nwhen = 'args[0] > -1'\npublish = { group = 'audit', event = \"{'type': 'seen', 'by': user.id}\" }\n",
    );
    let reaction = hear(&chat, &ann(), "go", json!([1]));
    assert_eq!(reaction.problem, None);
    assert_eq!(
        effects(&reaction),
        [
            r#"set {"n":2}"#,
            "leave old",
            "join room.2",
            "subscribe a b",
            "unsubscribe a",
            r#"42["e1"]"#,
            "435[2]",
            r#"to room.2 but "socket-of-connection" if it can: ["e4",7,1]"#,
            r#"to lobby: ["e5",true]"#,
            r#"to user_1: ["e6"]"#,
            r#"to role_user: ["e7"]"#,
            r#"to namespace.main: ["e8"]"#,
            r#"publish audit: {"type":"seen","by":7}"#,
            "close 1000",
        ]
    );
    assert_eq!(hear(&chat, &ann(), "go", json!([-1])), Reaction::default());
    let denied = hear(&chat, &ann(), "go", json!([0]));
    assert_eq!((denied.effects, denied.problem), (vec![], Some(MessageProblem::Denied)));
}

#[test]
fn a_failed_handler_does_nothing_and_sends_nothing() {
    let chat = socketio(
        "[consumer.on_message.join]\njoin = 'session:{{ args[0] }}'\nack = 'true'\nothers = { event = 'joined', data = 'args[0]' }\n",
    );
    assert_eq!(
        effects(&hear(&chat, &ann(), "join", json!(["7"]))),
        ["join session.7", "435[true]", r#"to session.7 but "socket-of-connection": ["joined","7"]"#]
    );
    for malformed in [json!([]), json!([null]), json!([{}]), json!([""]), json!([1.5])] {
        let reaction = hear(&chat, &ann(), "join", malformed.clone());
        assert_eq!(reaction.effects, [], "{malformed}");
        assert!(matches!(reaction.problem, Some(MessageProblem::Failed(_))), "{malformed}");
    }
    let long = hear(&chat, &ann(), "join", json!(["x".repeat(200)]));
    assert!(matches!(long.problem, Some(MessageProblem::Room(_))) && long.effects.is_empty());
    let unknown = hear(&chat, &ann(), "nothing", json!([]));
    assert_eq!((unknown.effects, unknown.problem), (vec![], Some(MessageProblem::Unknown)));
    assert!(!chat.handles(&Incoming::Event { name: "nothing", args: &Arc::default(), ack: None }));
    assert!(chat.handles(&Incoming::Event { name: "join", args: &Arc::default(), ack: None }));
}

#[test]
fn a_client_that_sends_too_fast_is_stopped_and_informed() {
    let chat = socketio(
        "[consumer.on_message.say]\nlimit = '2/10s'\nlimited = { event = 'error', data = \"'slow down'\" }\nreply = { event = 'said' }\n\
         [consumer.on_message.other]\nlimit = '1/10s'\nreply = { event = 'other' }\n",
    );
    let (mut limits, now) = (Quotas::default(), Instant::now());
    let mut say = |name: &str, seconds: u64| {
        let args = Arc::new(value(json!([])));
        let event = Incoming::Event { name, args: &args, ack: None };
        let reaction = chat.on_message(&ann(), event, &mut limits, now + Duration::from_secs(seconds));
        (effects(&reaction), reaction.problem)
    };
    let said = (vec![r#"42["said"]"#.to_owned()], None);
    let limited = (vec![r#"42["error","slow down"]"#.to_owned()], Some(MessageProblem::Limited));
    assert_eq!([0, 0, 1].map(|seconds| say("say", seconds)), [said.clone(), said.clone(), limited]);
    assert_eq!(say("other", 1).1, None);
    assert_eq!(say("other", 1), (vec![], Some(MessageProblem::Limited)));
    assert_eq!(say("say", 6), said);
}

#[test]
fn bytes_stay_bytes_for_socketio_and_become_text_elsewhere() {
    let chat = socketio(
        "[consumer.on_message.message]\nreply = { event = 'message-back', args = 'args' }\n[consumer.on_message.with-ack]\nack_args = 'args'\n\
         [consumer.on_message.both]\nreply = { event = 'one', data = \"{'event': message.event, 'file': args[0]}\" }\n\
         room = { to = 'r', event = 'file', args = 'args' }\n\
         [consumer.on_event.file]\nemit = { event = 'file', data = \"[event.data, 1]\" }\n",
    );
    let bytes = || Value::Bytes(bytes::Bytes::from_static(&[0, 255]));
    let args = Arc::new(Value::List(vec![bytes(), Value::Int(1)]));
    let send = |name| on(&chat, &ann(), Incoming::Event { name, args: &args, ack: Some(3) });
    let packet = |reaction: &Reaction, place: usize| match &reaction.effects[place] {
        Effect::Reply(Payload::Packet { text, attachments }) => {
            (String::from_utf8(text.to_vec()).unwrap(), attachments.iter().map(|one| one.to_vec()).collect::<Vec<_>>())
        }
        other => panic!("{other:?}"),
    };
    let attached = vec![vec![0, 255]];
    let back = r#"451-["message-back",{"_placeholder":true,"num":0},1]"#.to_owned();
    assert_eq!(packet(&send("message"), 0), (back, attached.clone()));
    let ack = r#"461-3[{"_placeholder":true,"num":0},1]"#.to_owned();
    assert_eq!(packet(&send("with-ack"), 0), (ack, attached.clone()));
    let both = send("both");
    let first = r#"451-["one",{"event":"both","file":{"_placeholder":true,"num":0}}]"#.to_owned();
    assert_eq!(packet(&both, 0), (first, attached));
    let Effect::Emit { body, .. } = &both.effects[1] else { panic!() };
    assert_eq!(body.get("event"), Some(&Value::List(vec!["file".into(), bytes(), Value::Int(1)])));
    let mut event = (*event(json!({"type": "file"}))).clone();
    if let Value::Map(body) = &mut event.body {
        body.insert("data".into(), bytes());
    }
    let sent = chat.on_event(&Arc::new(event)).unwrap().messages;
    assert!(matches!(&sent[0].payload, Payload::Packet { attachments, .. } if attachments.len() == 1));
    let content = Content::Event(vec!["f".into(), bytes()]);
    assert!(matches!(chat.encode(&content), Ok(Payload::Packet { .. })));
    let plain = one("[consumer.on_raw.\"*\"]\nreply = \"{'got': message}\"\n");
    assert_eq!(replies(&on(&plain, &ann(), Incoming::Binary(&[0, 255]))), [r#"{"got":"AP8="}"#]);
}

#[test]
fn plain_consumers_do_the_same_with_json_frames() {
    let plain = one(
        "name = 'notes'\n[consumer.on_message.say]\njoin = 'room_{{ message.room }}'\nset = { last = 'message.room' }\nothers = \"{'type': 'said', 'by': user.id}\"\n\
         room = [{ to = 'log', send = 'message', volatile = true }]\nreply = [\"{'ok': true}\", { send = \"'maybe'\", when = 'false' }]\n\
         [consumer.on_event.said]\nemit = { to = 'room_{{ event.n }}', send = 'event.n' }\n",
    );
    assert!(plain.needs_context());
    let said = on(&plain, &ann(), Incoming::Text(r#"{"type":"say","room":5}"#));
    assert_eq!(
        effects(&said),
        [
            r#"set {"last":5}"#,
            "join room_5",
            r#"{"ok":true}"#,
            r#"to room_5 but "socket-of-connection": {"type":"said","by":7}"#,
            r#"to log if it can: {"type":"say","room":5}"#,
        ]
    );
    let sent = plain.on_event(&event(json!({"type": "said", "n": 4}))).unwrap().messages;
    assert_eq!((text(&sent[0].payload), &*listed(sent[0].to.as_ref().unwrap())), ("4", "room_4"));
    assert_eq!(plain.encode(&Content::Message(value(json!({"a": 1})))), Ok(Payload::Text("{\"a\":1}".into())));
    assert!(plain.encode(&Content::Event(vec!["e".into()])).is_err());
}

#[test]
fn engine_io_messages_carry_their_type() {
    let echo = one(
        "protocol = 'engine.io'\n[consumer.on_raw.\"*\"]\nreply_raw = 'message'\n[consumer.on_event.\"*\"]\nsend = 'event.n'\n",
    );
    assert_eq!(replies(&on(&echo, &ann(), Incoming::Text("hello"))), ["4hello"]);
    let back = on(&echo, &ann(), Incoming::Binary(&[1]));
    assert_eq!(back.effects, [Effect::Reply(Payload::Binary(vec![1].into()))]);
    assert_eq!(frames(&echo, json!({"n": 1})), ["41"]);
}

#[test]
fn opening_and_closing_have_their_own_handlers() {
    let chat = socketio(
        "auth = ['jwt']\npresence = { member = 'user.id', grace = '3s' }\nmax_rooms = 3\n\
         [consumer.on_connect]\nreply = { event = 'auth', data = 'auth' }\n\
         [consumer.on_online]\nto_role = { to = '{{ user.role }}', event = 'online', data = 'user.id' }\n\
         [consumer.on_offline]\nto_role = { to = '{{ user.role }}', event = 'offline', data = 'user.id' }\nset = { a = 'user.id' }\n\
         [consumer.on_disconnect]\nroom = { to = 'r', event = 'left', data = 'id' }\n[consumer.reject]\nmissing = 'No token'\n",
    );
    let context = Context { auth: Some(Box::new(value(json!({"token": "x"})))), ..ann() };
    assert_eq!(effects(&chat.on_connect(&context)), [r#"42["auth",{"token":"x"}]"#]);
    assert_eq!(effects(&chat.on_online(&context)), [r#"to role_user: ["online",7]"#]);
    let facts = Context { user: context.user.clone(), ..Context::default() };
    assert_eq!(effects(&chat.on_offline(&facts)), [r#"set {"a":7}"#, r#"to role_user: ["offline",7]"#]);
    assert_eq!(effects(&chat.on_disconnect(&context)), [r#"to r: ["left","socket-of-connection"]"#]);
    assert_eq!(chat.presence_member(&context).as_deref(), Some("7"));
    for user in [json!(null), json!({}), json!({"id": null}), json!({"id": ""}), json!({"id": [1]})] {
        assert_eq!(chat.presence_member(&Context { user: value(user), ..Context::default() }), None);
    }
    assert_eq!((chat.presence_grace(), chat.max_rooms(), chat.has_presence()), (Some(Duration::from_secs(3)), 3, true));
    assert_eq!(
        (chat.rejection_text(Rejected::Missing), chat.rejection_text(Rejected::Invalid)),
        ("No token", "Authentication error")
    );
}

#[test]
fn a_context_is_kept_only_if_a_handler_reads_it() {
    for (handlers, needs) in [
        (
            "[consumer.on_message.a]\nreply = { event = 'e', data = 'args[0]' }\n[consumer.on_admit]\nset = { a = 'user.id' }\n",
            false,
        ),
        ("[consumer.on_message.a]\njoin = 'r{{ args[0] }}'\nroom = { to = 'r', event = 'e' }\n", false),
        ("[consumer.on_message.a]\nothers = { to = 'r', event = 'e' }\n", true),
        ("[consumer.on_message.a]\ncall = { action = 'x' }\n", true),
        ("[consumer.on_message.a]\nset = { a = '1' }\n", true),
        ("[consumer.on_connect]\nreply = { event = 'e', data = 'auth' }\n", true),
        ("[consumer.on_disconnect]\nroom = { to = 'r{{ user.id }}', event = 'e' }\n", true),
        ("auth = ['jwt']\npresence = { member = 'user.id' }\n", true),
    ] {
        assert_eq!(socketio(handlers).needs_context(), needs, "{handlers}");
    }
}

#[test]
fn clients_cannot_forge_messages_between_nodes() {
    let plain = one("[consumer.on_message.p]\npublish = { group = 'g', event = 'message.event' }\n");
    let publish = |event: Json| on(&plain, &ann(), Incoming::Text(&json!({"type": "p", "event": event}).to_string()));
    assert_eq!(effects(&publish(json!({"type": "note", "n": 1}))), [r#"publish g: {"type":"note","n":1}"#]);
    for forged in [json!({"type": "channelgate.emit", "consumer": "x", "event": ["e"]}), json!("text"), json!([1])] {
        assert!(matches!(publish(forged).problem, Some(MessageProblem::Failed(_))));
    }
}

#[test]
fn the_application_of_the_official_suite_is_configuration() {
    let handlers = "[consumer.on_connect]\nreply = { event = 'auth', data = 'auth or {}' }\n\
        [consumer.on_message.message]\nreply = { event = 'message-back', args = 'args' }\n\
        [consumer.on_message.message-with-ack]\nack_args = 'args'\n";
    let consumer = |namespace: &str| {
        format!("[[consumer]]\npath = '/socket.io/'\nprotocol = 'socket.io'\nnamespace = '{namespace}'\n{handlers}")
    };
    let set = set(&format!("{}{}", consumer("/"), consumer("/custom")));
    let [main, custom] = [0, 1].map(|place| set.get(ConsumerId(place)).unwrap());
    assert_eq!((main.name(), main.namespace()), ("/socket.io/", Some("/")));
    assert_eq!((custom.name(), custom.namespace()), ("/socket.io/custom", Some("/custom")));
    let context = Context { auth: Some(Box::new(value(json!({"token": "123"})))), ..Context::default() };
    assert_eq!(effects(&main.on_connect(&context)), [r#"42["auth",{"token":"123"}]"#]);
    assert_eq!(effects(&custom.on_connect(&context)), [r#"42/custom,["auth",{"token":"123"}]"#]);
    assert_eq!(effects(&main.on_connect(&Context::default())), [r#"42["auth",{}]"#]);
    let args = json!([1, "2", {"3": [true]}]);
    assert_eq!(
        effects(&hear(custom, &context, "message", args.clone())),
        [r#"42/custom,["message-back",1,"2",{"3":[true]}]"#]
    );
    assert_eq!(effects(&hear(custom, &context, "message-with-ack", args)), [r#"43/custom,5[1,"2",{"3":[true]}]"#]);
    assert_eq!(effects(&hear(main, &context, "message", json!([]))), [r#"42["message-back"]"#]);
}

#[test]
fn a_missing_requirement_is_denied() {
    let chat = socketio(
        "[consumer.on_message.go]\nrequire = \"user.role == 'admin'\"\ndenied = { event = 'error', data = \"'no'\" }\nreply = { event = 'yes' }\n",
    );
    for user in [json!(null), json!({}), json!({"role": "user"})] {
        let context = Context { user: value(user), ..Context::default() };
        assert_eq!(effects(&hear(&chat, &context, "go", json!([]))), [r#"42["error","no"]"#]);
    }
}
