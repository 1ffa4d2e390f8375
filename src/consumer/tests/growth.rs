//! Expressions on hostile data: what they make is bounded in bytes, levels and time.

use super::{
    setup::{ann, hear, socketio},
    *,
};
use crate::event::{self, MAX_DEPTH};

fn label(reaction: &Reaction) -> Option<&'static str> {
    reaction.problem.as_ref().map(MessageProblem::label)
}

fn publishing(event: &str) -> Arc<Consumer> {
    socketio(&format!(
        "[consumer.on_message.say]\npublish = {{ group = \"g\", event = {} }}\n",
        toml::Value::from(event)
    ))
}

fn many(length: usize, item: impl Fn(usize) -> Json) -> Json {
    (0..length).map(item).collect()
}

#[test]
fn an_expression_does_not_repeat_text_or_lists() {
    let chat = publishing("{'total': args[0].qty * args[0].price}");
    for (qty, price) in
        [(json!([0]), json!(1000)), (json!(1000), json!([0])), (json!("0"), json!(3)), (json!(3), json!("0"))]
    {
        let reaction = hear(&chat, &ann(), "say", json!([{"qty": qty, "price": price}]));
        assert_eq!(label(&reaction), Some("failed_message"), "{qty} * {price}");
        assert!(reaction.problem.unwrap().to_string().contains("only numbers can be multiplied"));
    }
    let reaction = hear(&chat, &ann(), "say", json!([{"qty": 3, "price": 1.5}]));
    assert_eq!(setup::effects(&reaction), [r#"publish g: {"total":4.5}"#]);
}

#[test]
fn the_result_of_an_expression_is_counted_while_it_is_converted() {
    for event in ["{'all': args}", "{'all': args | list}", "{'all': args | map('string')}"] {
        let chat = publishing(event);
        assert_eq!(label(&hear(&chat, &ann(), "say", many(100_000, |_| json!(1)))), None, "{event}");
        assert_eq!(label(&hear(&chat, &ann(), "say", many(300_000, |_| json!(1)))), Some("too_large"), "{event}");
    }
    for step in [
        "room = { to = \"r\", event = \"said\", args = \"args + args + args\" }",
        "call = { action = \"a\", data = \"args\" }",
        "set = { all = \"args\" }",
        "ack_args = \"args + args + args\"",
    ] {
        let chat = set(&format!(
            "[backend]\nurl = \"http://127.0.0.1:9/\"\n[[consumer]]\npath = \"/socket.io/\"\nprotocol = \"socket.io\"\n[consumer.on_message.say]\n{step}\n"
        ));
        let chat = chat.get(ConsumerId(0)).unwrap();
        assert_eq!(label(&hear(chat, &ann(), "say", many(300_000, |_| json!(1)))), Some("too_large"), "{step}");
    }
}

#[test]
fn text_of_an_expression_is_counted_before_it_is_made() {
    let commas = ",".repeat(10_000);
    for event in [
        "{'t': args[0].replace(',', args[1])}",
        "{'t': args[0] | replace(',', args[1])}",
        "{'t': args[0] | list | join(args[1])}",
        "{'t': args[0] | list | join(d=args[1])}",
        "{'t': args[0] | list | map('replace', ',', args[1]) | join}",
        "{'t': [args[1], args[1]] | map('tojson') | join | replace('x', args[1])}",
    ] {
        let chat = publishing(event);
        let reaction = hear(&chat, &ann(), "say", json!([commas, "x".repeat(10_000)]));
        assert_eq!(label(&reaction), Some("too_large"), "{event}");
        let reaction = hear(&chat, &ann(), "say", json!(["a,b", "xy"]));
        assert_eq!(label(&reaction), None, "{event}");
    }
}

#[test]
fn the_limit_on_text_is_that_of_a_message() {
    let consumer = "[layer]\nmax_message = 1000\n[[consumer]]\npath = \"/socket.io/\"\nprotocol = \"socket.io\"\n\
                    [consumer.on_message.say]\nack = \"args[0].replace(',', args[1]) | length\"\n";
    let set = set(consumer);
    let chat = set.get(ConsumerId(0)).unwrap();
    assert_eq!(label(&hear(chat, &ann(), "say", json!([",".repeat(50), "x".repeat(10)]))), None);
    assert_eq!(label(&hear(chat, &ann(), "say", json!([",".repeat(50), "x".repeat(30)]))), Some("too_large"));
}

#[test]
fn the_result_of_an_expression_has_at_most_as_many_levels_as_a_message() {
    let set = set("[limits]\nconnection_state = 0\n[[consumer]]\npath = \"/socket.io/\"\nprotocol = \"socket.io\"\n\
                   [consumer.on_message.keep]\nset = { last = \"{'text': args[0], 'before': vars.last}\" }\n");
    let chat = set.get(ConsumerId(0)).unwrap();
    let mut context = ann();
    context.vars = value(json!({"last": null}));
    let mut kept = 0;
    for _ in 0..2 * MAX_DEPTH {
        let reaction = hear(chat, &context, "keep", json!(["x"]));
        let Some(Effect::Set(vars)) = reaction.effects.first() else {
            assert!(reaction.problem.unwrap().to_string().contains("1000 levels"));
            break;
        };
        context.vars = vars.clone();
        kept += 1;
    }
    assert_eq!(kept, MAX_DEPTH);
}

#[test]
fn the_deepest_message_can_be_used_in_every_expression() {
    let used = || {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |inner: &str| format!("{}{inner}{}", open.repeat(MAX_DEPTH - 1), close.repeat(MAX_DEPTH - 1));
            let args = event::json::read(format!("[{},{}]", nested("1"), nested("2")).as_bytes()).unwrap();
            for data in [
                "args[0]",
                "[args[0]]",
                "args[0] == args[1]",
                "args[0] < args[1]",
                "args[0] in [args[1]]",
                "[args[0], args[1]] | sort",
                "[args[0], args[1]] | max",
                "min(args[0], args[1])",
                "args[0] ~ ''",
                "args[0] | string",
                "args[0] | length",
                "args[0] | list",
                "args[0] | tojson",
                "args[0] | first",
                "args[0] | join(',')",
                "args[0] | default('x')",
                "{'x': args[0]} | without('y')",
                "{'x': 1} | without(args[0])",
                "{args[0]: 1}",
                "[{'k': args[0]}, {'k': args[1]}] | groupby('k') | length",
                "[{'k': args[0]}, {'k': args[1]}] | sort(attribute='k') | length",
                "args[0] | reverse",
                "args[0] + args[1]",
            ] {
                let toml = format!(
                    "[[consumer]]\npath = \"/socket.io/\"\nprotocol = \"socket.io\"\n[consumer.on_message.say]\n\
                     set = {{ a = \"{data}\" }}\nack = \"{data}\"\n"
                );
                let set = set(&toml);
                let chat = set.get(ConsumerId(0)).unwrap();
                let args = std::sync::Arc::new(args.clone());
                // Some of them fail; none may overflow the stack, which ends the process.
                on(chat, &ann(), Incoming::Event { name: "say", args: &args, ack: Some(5) });
            }
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(used).unwrap().join().unwrap();
}

#[test]
fn keys_left_out_cost_little() {
    let chat = publishing("args[0] | without(args[1])");
    let object: Json =
        (0..30_000).map(|index| (format!("key{index}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let names = many(30_000, |index| json!(format!("name{index}")));
    let started = cpu_time();
    assert_eq!(label(&hear(&chat, &ann(), "say", json!([object, names]))), None);
    let took = cpu_time() - started;
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_list_of_too_many_rooms_is_refused_at_the_first_beyond_the_limit() {
    let chat = socketio(
        "[consumer.on_message.say]\nroom = { to = \"{{ args[0] }}\", event = \"said\" }\nallow = [\"r<int>\"]\n",
    );
    // The last one would be refused for another reason.
    let rooms = many(40_000, |index| json!(if index < 39_999 { format!("r{index}") } else { "x".to_owned() }));
    let reaction = hear(&chat, &ann(), "say", json!([rooms]));
    assert!(reaction.problem.unwrap().to_string().contains("max_rooms"));
}

#[test]
fn filters_that_multiply_are_not_offered() {
    for filter in ["unique", "format", "indent", "pprint", "batch", "slice"] {
        let text = format!("[[consumer]]\npath = \"/x/\"\n[consumer.on_event.\"*\"]\nsend = \"event | {filter}(3)\"\n");
        let (config, errors) = load_text(Some((std::path::Path::new("test.toml"), &text)), &Environment::default());
        assert_eq!(errors, []);
        let Err(errors) = ConsumerSet::compile(&config) else { panic!("{filter}") };
        assert!(errors.to_string().contains("unknown filter"), "{errors}");
    }
}

#[test]
fn a_room_too_long_for_a_name_is_not_matched() {
    let patterns = many(100, |index| json!(format!("r{index}_<str>_<str>_<str>"))).to_string();
    let chat = socketio(&format!(
        "[consumer.on_message.go]\njoin = \"{{{{ args[0] }}}}\"\nallow = {patterns}\nleave = \"{{{{ args[0] }}}}\"\n"
    ));
    let rooms = many(200, |index| json!(format!("r{}_{}/", index % 100, "_".repeat(1000))));
    let started = cpu_time();
    for room in rooms.as_array().unwrap() {
        let reaction = hear(&chat, &ann(), "go", json!([room]));
        assert!(reaction.problem.unwrap().to_string().contains("must be shorter than 100 characters"));
    }
    let took = cpu_time() - started;
    assert!(took < Duration::from_secs(2), "{took:?}");
}
