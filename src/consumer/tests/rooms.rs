//! Rooms: which a client may name, which group one is, and who gets what is sent to it.

use super::{
    setup::{SOCKETIO, ann, effects, group_of, hear, joined, socketio},
    *,
};
use crate::event::EmissionTarget;

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
        [r#"to work_order_1 but "socket-of-connection": ["typing",7]"#]
    );
    assert_eq!(effects(&hear(&chat, &ann(), "leave_room", json!(["ticket_3"]))), ["leave ticket_3"]);
    assert_eq!(effects(&hear(&chat, &ann(), "mixed", json!([3]))), ["join lobby ticket_3"]);
    assert_eq!(hear(&chat, &ann(), "mixed", json!(["x"])).problem, Some(MessageProblem::Denied));
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

#[test]
fn one_message_is_sent_to_at_most_max_rooms_rooms_that_a_client_chooses() {
    let consumer = one(&format!(
        "{SOCKETIO}max_rooms = 3\n[consumer.on_message.join]\nallow = \"order_<int>\"\n\
         room = {{ to = \"{{{{ args }}}}\", event = \"e\" }}\n"
    ));
    let sent = joined(&consumer, json!(["order_1", "order_2", "order_3", "order_1"]));
    assert!(matches!(sent.effects.as_slice(), [Effect::Emit { groups, .. }] if groups.len() == 3), "{sent:?}");
    let reaction = joined(&consumer, json!(["order_1", "order_2", "order_3", "order_4", "user_7"]));
    assert_eq!(reaction.effects, []);
    assert!(matches!(reaction.problem, Some(MessageProblem::Room(reason)) if reason.contains("at most 3 groups")));
    assert_eq!(joined(&consumer, json!(["order_1", "user_7"])).problem, Some(MessageProblem::Denied));
}

#[test]
fn a_room_is_matched_by_the_pattern_with_the_most_text() {
    let consumer = one(&format!(
        "{SOCKETIO}[consumer.on_message.join]\njoin = \"{{{{ args[0] }}}}\"\nallow = [\"dm:<str>\", \"order_<int>\"]\n\
         [consumer.on_message.leave]\nleave = \"{{{{ args[0] }}}}\"\n[consumer.on_message.staff]\njoin = \"dm:{{{{ user.id }}}}:staff\"\n"
    ));
    for (room, group) in
        [("dm:анна", "dm.-xd0-xb0-xd0-xbd-xd0-xbd-xd0-xb0"), ("dm:a:b", "dm.a-x3ab"), ("order_007", "order_007")]
    {
        assert_eq!(group_of(&joined(&consumer, json!([room]))).as_deref(), Some(group));
        let args = Arc::new(value(json!([room])));
        let left = on(&consumer, &Context::default(), Incoming::Event { name: "leave", args: &args, ack: None });
        assert_eq!(left.effects, [Effect::Leave(vec![GroupName::new(group).unwrap()])]);
    }
    assert_eq!(joined(&consumer, json!(["dm"])).problem, Some(MessageProblem::Denied));
    // It would be `dm.7.staff`.
    assert!(matches!(joined(&consumer, json!(["dm:7.staff"])).problem, Some(MessageProblem::Room(_))));
}

#[test]
fn an_emitters_room_is_matched_by_the_templates_of_its_namespace() {
    let text = format!(
        "[[consumer]]\nname = \"a\"\npath = \"/\"\n{SOCKETIO}groups = [\"user_{{{{ user.id }}}}\"]\n\
         [consumer.on_message.join]\njoin = \"{{{{ args[0] }}}}\"\nallow = \"dm:<str>\"\n\
         [[consumer]]\nname = \"b\"\npath = \"/\"\n{SOCKETIO}\
         [consumer.on_message.join]\njoin = \"session:{{{{ args[0] }}}}:x\"\n\
         [[consumer]]\nname = \"c\"\npath = \"/\"\nnamespace = \"/c\"\n{SOCKETIO}groups = [\"{{{{ claims.tenant }}}}\"]\n"
    );
    let consumers = Consumers::new(set(&text));
    let known = consumers.now();
    let group = |namespace: &str, room: &str| {
        known.group(&EmissionTarget::Namespace(namespace.into()), room).unwrap().as_str().to_owned()
    };
    for (room, expected) in [
        ("user_7", "user_7"),
        ("user_a:b", "user_a-x3ab"),
        ("user_a-x2b", "user_a-x2dx2b"),
        ("dm:a:b", "dm.a-x3ab"),
        ("session:a b:x", "session.a-x20b.x"),
        ("other:7", "other.7"),
        ("other:a b", "other.a-x20b"),
    ] {
        assert_eq!(group("/", room), expected);
    }
    assert_eq!(group("/c", "tenant:1"), "tenant-x3a1");
    // Rooms in emissions of consumers are groups already.
    assert_eq!(known.group(&EmissionTarget::Consumer("a".into()), "user_a-x2b").unwrap().as_str(), "user_a-x2b");
    assert!(known.group(&EmissionTarget::Namespace("/".into()), &"я".repeat(20)).is_err());
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
