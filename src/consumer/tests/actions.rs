//! What handlers do, for both protocols.

use super::{
    groups::{SOCKETIO, refused},
    *,
};
use crate::telemetry::DropReason;

pub(super) fn socketio(text: &str) -> Arc<Consumer> {
    set(&format!("[[consumer]]\nname = \"chat\"\npath = \"/socket.io/\"\nprotocol = \"socket.io\"\n{text}"))
        .get(ConsumerId(0))
        .unwrap()
        .clone()
}

/// A connection of the user 7.
pub(super) fn ann() -> Context {
    Context {
        user: value(json!({"id": 7, "name": "Ann", "role": "user"})),
        id: "socket-1".into(),
        ..Context::default()
    }
}

pub(super) fn hear(consumer: &Consumer, context: &Context, name: &str, args: Json) -> Reaction {
    on(consumer, context, Incoming::Event { name, args: &Arc::new(value(args)), ack: Some(5) })
}

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
fn several_rooms_are_one_emission_and_a_room_named_twice_is_one_room() {
    let chat = socketio(
        "[consumer.on_message.say]\nroom = { to = \"{{ args[0] }}\", event = \"said\", data = \"args[1]\" }\nallow = [\"r<int>\"]\n",
    );
    let reaction = hear(&chat, &ann(), "say", json!([["r1", "r2", "r3"], "hi"]));
    assert_eq!(effects(&reaction), [r#"to r1 r2 r3: ["said","hi"]"#]);
    let [Effect::Emit { body, .. }] = reaction.effects.as_slice() else { panic!("{reaction:?}") };
    assert_eq!(body.get("rooms"), Some(&value(json!(["r1", "r2", "r3"]))));
    let once = hear(&chat, &ann(), "say", json!([["r1", "r1"], "hi"]));
    assert_eq!(effects(&once), [r#"to r1: ["said","hi"]"#]);
    assert_eq!(effects(&hear(&chat, &ann(), "say", json!([[], "hi"]))), [""; 0]);
}

/// Effects as short text.
pub(super) fn effects(reaction: &Reaction) -> Vec<String> {
    reaction.effects.iter().map(say).collect()
}

fn say(effect: &Effect) -> String {
    let names = |groups: &[GroupName]| groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let text = |value: &Value| serde_json::to_string(value).unwrap();
    match effect {
        Effect::Reply(payload) => super::text(payload).to_owned(),
        Effect::Join { groups, .. } => format!("join {}", names(groups)),
        Effect::Leave(groups) => format!("leave {}", names(groups)),
        Effect::Emit { groups, body, .. } => {
            let content = body.get("event").or(body.get("message")).unwrap();
            let except = match body.get("except") {
                Some(Value::List(except)) if !except.is_empty() => format!(" but {}", text(&except[0])),
                _ => String::new(),
            };
            let volatile = if body.get("volatile") == Some(&Value::Bool(true)) { " if it can" } else { "" };
            format!("to {}{except}{volatile}: {}", names(groups), text(content))
        }
        Effect::Publish { group, body, .. } => format!("publish {group}: {}", text(body)),
        Effect::Set(vars) => format!("set {}", text(vars)),
        Effect::User(user) => format!("user {}", text(user)),
        Effect::Call { request, .. } => format!(
            "call {} {} as {}{}",
            request.action,
            text(&request.data),
            text(&request.user),
            if request.idempotent { " again" } else { "" }
        ),
        Effect::Ask { args, timeout, .. } => format!("ask {} for {timeout:?}", text(&Value::List(args.clone()))),
        Effect::Refuse(denial) => format!("refuse {}", denial.text),
        Effect::Close { code, reason } => format!("close {code} {reason}").trim_end().to_owned(),
        Effect::Refresh { token, .. } => format!("refresh {}", token.expose()),
        Effect::Subscribe(names) => format!("subscribe {}", names.join(" ")),
        Effect::Unsubscribe(names) => format!("unsubscribe {}", names.join(" ")),
    }
}

pub(super) fn then(reaction: &Reaction) -> &Continuation {
    match reaction.effects.last() {
        Some(Effect::Call { then, .. } | Effect::Ask { then, .. } | Effect::Refresh { then, .. }) => then,
        other => panic!("{other:?}"),
    }
}

pub(super) fn answer(status: u16, body: Json) -> Outcome {
    Outcome::Answer { status, body: value(body), retry_after: None }
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
            r#"to room.2 but "socket-1" if it can: ["e4",7,1]"#,
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
        ["join session.7", "435[true]", r#"to session.7 but "socket-1": ["joined","7"]"#]
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
fn clients_may_name_only_permitted_rooms() {
    let chat = socketio(
        "[consumer.on_message.join_room]\njoin = '{{ args[0] }}'\nallow = ['work_order_<int>', 'ticket_<int>']\n\
         denied = { event = 'error', data = \"{'message': 'Not allowed'}\" }\n\
         [consumer.on_message.typing]\nothers = { to = '{{ args[0].room }}', event = 'typing', data = 'user.id' }\nallow = 'work_order_<int>'\n\
         [consumer.on_message.leave_room]\nleave = '{{ args[0] }}'\nallow = 'ticket_<int>'\n\
         [consumer.on_message.mixed]\njoin = ['lobby', 'ticket_{{ args[0] }}']\nallow = 'ticket_<int>'\n",
    );
    assert_eq!(effects(&hear(&chat, &ann(), "join_room", json!(["work_order_12"]))), ["join work_order_12"]);
    for room in ["user_7", "role_admin", "admin_room", "work_order_", "work_order_1x", "ticket_-1", "namespace.main"] {
        let reaction = hear(&chat, &ann(), "join_room", json!([room]));
        assert_eq!(effects(&reaction), [r#"42["error",{"message":"Not allowed"}]"#], "{room}");
        assert_eq!(reaction.problem, Some(MessageProblem::Denied), "{room}");
        assert_eq!(hear(&chat, &ann(), "typing", json!([{"room": room}])).effects, [], "{room}");
        assert_eq!(hear(&chat, &ann(), "leave_room", json!([room])).effects, [], "{room}");
    }
    assert_eq!(
        effects(&hear(&chat, &ann(), "typing", json!([{"room": "work_order_1"}]))),
        [r#"to work_order_1 but "socket-1": ["typing",7]"#]
    );
    assert_eq!(effects(&hear(&chat, &ann(), "leave_room", json!(["ticket_3"]))), ["leave ticket_3"]);
    assert_eq!(effects(&hear(&chat, &ann(), "mixed", json!([3]))), ["join lobby ticket_3"]);
    assert_eq!(hear(&chat, &ann(), "mixed", json!(["x"])).problem, Some(MessageProblem::Denied));
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
fn one_django_event_reaches_rooms_under_different_names() {
    let chat = socketio(
        "[consumer.on_event.update]\nwhen = \"group == 'g'\"\nemit = [\n  { to = 'employee:{{ event.data.id }}', event = 'update', data = 'event.data' },\n\
         { to = 'all', event = 'general_{{ event.type }}', data = 'event.data', volatile = true, when = 'event.data.id > 1' },\n  { event = 'own' },\n]\n\
         [consumer.on_event.\"*\"]\nemit = { event = '{{ event.type }}', args = 'event.args' }\n",
    );
    let sent = chat.on_event(&event(json!({"type": "update", "data": {"id": 2}}))).unwrap().messages;
    let lines: Vec<_> =
        sent.iter().map(|one| (text(&one.payload), one.to.as_deref().map(listed), one.volatile)).collect();
    let room = |name: &str| Some(name.to_owned());
    assert_eq!(
        lines,
        [
            (r#"42["update",{"id":2}]"#, room("employee.2"), false),
            (r#"42["general_update",{"id":2}]"#, room("all"), true),
            (r#"42["own"]"#, None, false)
        ]
    );
    assert_eq!(chat.on_event(&event(json!({"type": "update", "data": {"id": 1}}))).unwrap().messages.len(), 2);
    assert_eq!(frames(&chat, json!({"type": "x", "args": [1, null]})), [r#"42["x",1,null]"#]);
    // A name that would make every client disconnect is not sent.
    for kind in ["connect", "disconnect", "newListener"] {
        let mapped = chat.on_event(&event(json!({"type": kind, "args": []})));
        assert!(matches!(mapped, Err(MapError::Mapping(_))), "{kind}");
        assert!(chat.encode(&Content::Event(vec![kind.into()])).is_err(), "{kind}");
    }
}

#[test]
fn a_room_without_a_name_keeps_no_message_from_other_rooms() {
    let chat = socketio(
        "[consumer.on_event.update]\nemit = [\n  { to = 'employee:{{ event.data.id }}', event = 'update', data = 'event.data' },\n\
         { to = 'all', event = 'general', data = 'event.data' },\n]\n\
         [consumer.on_event.one]\nemit = { to = 'employee:{{ event.data.id }}', event = 'update' }\n",
    );
    let long = "x".repeat(100);
    for id in [json!(null), json!(""), json!(1.5), json!([1]), json!({}), json!(true), json!(long)] {
        let data = json!({"id": id});
        let mapped = chat.on_event(&event(json!({"type": "update", "data": data}))).unwrap();
        let sent: Vec<_> = mapped.messages.iter().map(|one| one.to.as_deref().map(listed)).collect();
        assert_eq!(sent, [Some("all".to_owned())], "{data}");
        assert!(matches!(mapped.unsent, Some(MapError::Mapping(_))), "{data}");
        let mapped = chat.on_event(&event(json!({"type": "one", "data": data})));
        assert!(matches!(mapped, Err(MapError::Mapping(_))), "{data}");
    }
    let missing = chat.on_event(&event(json!({"type": "update", "data": {}}))).unwrap();
    assert_eq!((missing.messages.len(), missing.unsent.is_some()), (1, true));
}

const EACH: &str = "max_items = 3\n[consumer.on_message.list]\neach = 'args[0]'\nallow = ['r<int>']\n\
     reply = [{ event = 'row', data = \"[item.n, args[1]]\" }, { event = 'even', when = 'item.n % 2 == 0' }]\n\
     room = { to = '{{ args[1] }}', event = 'told', data = 'item' }\n\
     publish = { group = 'g', event = \"{'type': 'row', 'n': item.n}\" }\n";

#[test]
fn each_item_of_a_list_is_sent_by_each_key_in_order() {
    let chat = socketio(EACH);
    let rows = |most: i64| (1..=most).map(|n| json!({"n": n})).collect::<Vec<_>>();
    let sent = hear(&chat, &ann(), "list", json!([rows(2), "r1"]));
    assert_eq!(
        effects(&sent),
        [
            r#"42["row",[1,"r1"]]"#,
            r#"42["row",[2,"r1"]]"#,
            r#"42["even"]"#,
            r#"to r1: ["told",{"n":1}]"#,
            r#"to r1: ["told",{"n":2}]"#,
            r#"publish g: {"type":"row","n":1}"#,
            r#"publish g: {"type":"row","n":2}"#,
        ]
    );
    assert_eq!(hear(&chat, &ann(), "list", json!([[], "r1"])), Reaction::default());
    // One too many, no list, an item without the key: nothing at all is sent, and the handler has failed.
    for list in [json!(rows(4)), json!(7), json!("abc"), json!({"n": 1}), json!(null), json!([{"n": 1}, {"m": 2}])] {
        let reaction = hear(&chat, &ann(), "list", json!([list, "r1"]));
        assert_eq!(reaction.effects, [], "{list}");
        assert_eq!(reaction.problem.map(|problem| problem.label()), Some("failed_message"), "{list}");
    }
    let denied = hear(&chat, &ann(), "list", json!([rows(2), "s1"]));
    assert_eq!(denied.problem, Some(MessageProblem::Denied));
}

#[test]
fn what_is_sent_for_all_items_is_bounded_like_one_message() {
    let chat = socketio(
        "[consumer.on_message.list]\neach = 'args[0]'\nreply = { event = 'row', data = \"args[1] ~ item\" }\n",
    );
    let text = "x".repeat(1 << 20);
    assert_eq!(hear(&chat, &ann(), "list", json!([[1, 2, 3], text])).effects.len(), 3);
    let items: Vec<_> = (0..17).collect();
    let reaction = hear(&chat, &ann(), "list", json!([items, text]));
    assert_eq!((reaction.effects.len(), reaction.problem.map(|problem| problem.label())), (0, Some("too_large")));
}

#[test]
fn a_backends_list_is_sent_after_its_answer() {
    let chat = socketio(
        "[consumer.on_message.list]\ncall = { action = 'rows', ok = { each = 'result.body.items', reply = { event = 'row', data = \"[item, result.status]\" } } }\n",
    );
    let asked = hear(&chat, &ann(), "list", json!([]));
    let answered = chat.resume(&ann(), then(&asked), answer(200, json!({"items": [1, "two"]})));
    assert_eq!(effects(&answered), [r#"42["row",[1,200]]"#, r#"42["row",["two",200]]"#]);
    let answered = chat.resume(&ann(), then(&asked), answer(200, json!({"items": null})));
    assert_eq!((answered.effects.len(), answered.problem.is_some()), (0, true));
}

#[test]
fn an_each_that_makes_no_sense_is_refused() {
    for (step, reason) in [
        ("each = 'args[0]'", "each: the step sends nothing"),
        ("each = 'args[0]'\nack = 'args[0]'", "each: the step sends nothing"),
        ("each = 'args[0]'\nreply = { event = 'row' }", "each: nothing that the step sends uses \"item\""),
        ("reply = { event = 'row', data = 'item' }", "\"item\" is not known here"),
        ("each = 'item'\nreply = { event = 'row', data = 'item' }", "each: bad expression: \"item\" is not known here"),
        ("each = 'args'\nroom = { to = 'r{{ item }}', event = 'row', data = 'item' }", "\"item\" is not known here"),
        ("each = 'args'\nack = 'item'\nreply = { event = 'row', data = 'item' }", "ack: bad expression: \"item\""),
        ("each = 'args'\nreply = { event = 'row', data = 'item', expect = {} }", "expect: is for a single event"),
    ] {
        let errors = refused(&format!("[[consumer]]\npath = \"/\"\n{SOCKETIO}[consumer.on_message.list]\n{step}\n"));
        assert!(errors.contains(reason), "{step}: {errors}");
    }
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
            r#"to room_5 but "socket-1": {"type":"said","by":7}"#,
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
        "presence = { member = 'user.id', grace = '3s' }\nmax_rooms = 3\n\
         [consumer.on_connect]\nreply = { event = 'auth', data = 'auth' }\n\
         [consumer.on_online]\nto_role = { to = '{{ user.role }}', event = 'online', data = 'user.id' }\n\
         [consumer.on_offline]\nto_role = { to = '{{ user.role }}', event = 'offline', data = 'user.id' }\nset = { a = 'user.id' }\n\
         [consumer.on_disconnect]\nroom = { to = 'r', event = 'left', data = 'id' }\n[consumer.reject]\nmissing = 'No token'\n",
    );
    let context = Context { auth: value(json!({"token": "x"})), ..ann() };
    assert_eq!(effects(&chat.on_connect(&context)), [r#"42["auth",{"token":"x"}]"#]);
    assert_eq!(effects(&chat.on_online(&context)), [r#"to role_user: ["online",7]"#]);
    let facts = Context { user: context.user.clone(), ..Context::default() };
    assert_eq!(effects(&chat.on_offline(&facts)), [r#"set {"a":7}"#, r#"to role_user: ["offline",7]"#]);
    assert_eq!(effects(&chat.on_disconnect(&context)), [r#"to r: ["left","socket-1"]"#]);
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
        ("presence = { member = 'user.id' }\n", true),
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
    let context = Context { auth: value(json!({"token": "123"})), ..Context::default() };
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
