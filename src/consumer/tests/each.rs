//! `each`: a step that sends for every item of a list.

use super::{
    setup::{SOCKETIO, ann, answer, effects, hear, refused, socketio, then},
    *,
};

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
