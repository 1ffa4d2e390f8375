//! The first message of a connection, and the name of the node in expressions.

use super::{
    setup::{ann, compiled, hear, socketio},
    *,
};

const HELLO: &str = r#"
auth = ["jwt"]
[consumer.hello]
when = "user.id != 9"
send = "{'type': 'hello', 'node': node, 'id': id, 'for': user.name}"
"#;

#[test]
fn it_is_made_once_and_needs_nothing_afterwards() {
    let consumer = one(HELLO);
    let hello = consumer.hello(&ann()).unwrap();
    assert_eq!(text(&hello), r#"{"type":"hello","node":"","id":"socket-of-connection","for":"Ann"}"#);
    assert!(consumer.hello_names(), "it says the id, so that others must know it");
    assert!(!consumer.needs_id() && !consumer.needs_context() && consumer.keep(ann()).is_none());
    assert_eq!(consumer.hello(&Context { user: value(json!({"id": 9})), ..ann() }), None);
}

#[test]
fn a_client_for_which_it_cannot_be_made_gets_none() {
    let consumer = one(HELLO);
    assert_eq!(consumer.hello(&Context { user: value(json!({"id": 7})), ..ann() }), None);
    assert_eq!(consumer.hello(&Context::default()), None);
}

#[test]
fn without_the_id_in_it_nothing_must_know_the_connection() {
    let consumer = one("hello = { send = \"{'node': node}\" }");
    assert_eq!(text(&consumer.hello(&Context::default()).unwrap()), r#"{"node":""}"#);
    assert!(!consumer.hello_names() && !consumer.reads_channel_name());
    assert!(!one("groups = [\"a\"]").hello_names());
    let named = one("hello = { send = \"channel_name\" }");
    assert!(named.hello_names() && named.reads_channel_name() && !named.needs_id());
    assert!(one("hello = { send = \"host\" }").reads_host());
}

#[test]
fn a_socket_gets_it_as_an_event() {
    let consumer = socketio("hello = { emit = { event = \"hello_{{ id }}\", args = \"[node, auth.cg]\" } }");
    let context = Context { auth: Some(Box::new(value(json!({"cg": 1, "token": "secret"})))), ..ann() };
    assert_eq!(text(&consumer.hello(&context).unwrap()), r#"42["hello_socket-of-connection","",1]"#);
    assert!(consumer.keep(context).is_none(), "what the client sent is not kept");
}

const NODE: &str = r#"
[[consumer]]
name = "chat"
path = "/socket.io/"
protocol = "socket.io"
auth = ["jwt"]
groups = ["a"]
on_admit = { set = { home = "node" } }
on_connect = { reply = { event = "on", data = "node" } }
on_message.where = { ack = "node" }
on_gap = { emit = { event = "gap", data = "node" } }
[consumer.on_event.same]
emit = { event = "same", data = "[node, event.n]" }
[consumer.on_event.here]
when = "event.node == node and user.id == 7"
emit = { event = "here", to = "{{ node }}" }
[consumer.on_event.own]
emit = { event = "own", data = "[node, user.id]" }
"#;

#[test]
fn events_are_for_one_node() {
    let set = compiled(NODE).unwrap();
    set.on_node("node-1");
    let consumer = set.iter().next().unwrap();
    let mapped = |node: &str| consumer.on_event(&event(json!({"type": "here", "node": node}))).unwrap().messages;
    assert_eq!(mapped("node-2"), []);
    let sent = mapped("node-1");
    assert!(matches!(&sent[..], [one] if one.selection.is_some()), "{sent:?}");
    assert_eq!(sent[0].to.as_deref().map(listed).as_deref(), Some("node-1"));
}

/// Everything that says the node's name.
fn said(set: &ConsumerSet) -> Vec<String> {
    let consumer = set.iter().next().unwrap();
    let mut all = setup::effects(&consumer.on_connect(&ann()));
    all.extend(setup::effects(&hear(consumer, &ann(), "where", json!([]))));
    all.extend(setup::effects(&consumer.admit(&ann())));
    all.push(text(&consumer.gap_notice(GapReason::Reconnected, None).unwrap()).to_owned());
    all.extend(frames(consumer, json!({"type": "same", "n": 1})));
    let mapped = consumer.on_event(&event(json!({"type": "own"}))).unwrap();
    let personal = mapped.messages[0].personal.as_ref().unwrap();
    let values = personal.values(&consumer.traits(&ann()).unwrap()).unwrap();
    all.push(text(&personal.payload(&values).unwrap()).to_owned());
    all
}

#[test]
fn expressions_know_the_node_from_its_start_on_and_after_a_reload() {
    let set = compiled(NODE).unwrap();
    set.on_node("node-1");
    let expected = [
        r#"42["on","node-1"]"#,
        r#"435["node-1"]"#,
        r#"set {"home":"node-1"}"#,
        r#"42["gap","node-1"]"#,
        r#"42["same",["node-1",1]]"#,
        r#"42["own",["node-1",7]]"#,
    ];
    assert_eq!(said(&set), expected);
    // Each reload, also one that changes the consumer, keeps the name.
    let changed = format!("{NODE}[consumer.on_event.more]\nemit = {{ event = \"more\" }}\n");
    let (config, _) = load_text(Some((std::path::Path::new("test.toml"), &changed)), &Environment::default());
    assert_eq!(said(&set.followed_by(&config).unwrap()), expected);
    // Another name of the same node cannot come later.
    set.on_node("node-2");
    assert_eq!(said(&set), expected);
    assert_eq!(said(&compiled(NODE).unwrap())[0], r#"42["on",""]"#, "each set has its own");
}
