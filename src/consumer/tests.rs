//! The consumer engine on small consumers of every kind; `presets` tests the built-in ones.

mod actions;
mod bridge;
mod calls;
mod collisions;
mod conditions;
mod each;
mod groups;
mod growth;
mod hello;
mod outcomes;
mod present;
mod presets;
mod rooms;
mod setup;
mod socketio_presets;
mod values;

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    config::{Environment, RejectClose, load_text},
    event::{ConnectionId, Event, GapReason, Incoming, Source, listed},
};

/// The processor time of this thread so far, to a hundredth of a second: on a busy machine the clock says little about
/// what something costs.
pub(super) fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    // The name may have spaces; after it, the times are the twelfth and the thirteenth field.
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
    Duration::from_millis(10 * fields.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>())
}

fn value(json: Json) -> Value {
    serde_json::from_value(json).unwrap()
}

fn event(body: Json) -> Arc<Event> {
    Arc::new(Event {
        group: GroupName::new("g").unwrap(),
        body: value(body),
        source: Source::Memory,
        received: Instant::now(),
    })
}

fn set(text: &str) -> ConsumerSet {
    let (config, errors) = load_text(Some((std::path::Path::new("test.toml"), text)), &Environment::default());
    assert_eq!(errors, []);
    ConsumerSet::compile(&config).unwrap_or_else(|errors| panic!("{errors}"))
}

fn one(text: &str) -> Arc<Consumer> {
    set(&format!("[[consumer]]\npath = \"/x/\"\n{text}")).get(ConsumerId(0)).unwrap().clone()
}

fn preset(path: &str) -> Arc<Consumer> {
    let (_, set) = load(None, &Environment::default()).unwrap();
    set.route(path).unwrap().0.clone()
}

fn text(payload: &Payload) -> &str {
    match payload {
        Payload::Text(text) => std::str::from_utf8(text).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn on(consumer: &Consumer, context: &Context, incoming: Incoming<'_>) -> Reaction {
    consumer.on_message(context, incoming, &mut Quotas::default(), Instant::now())
}

fn frames(consumer: &Consumer, body: Json) -> Vec<String> {
    consumer
        .on_event(&event(body))
        .unwrap()
        .messages
        .iter()
        .map(|outgoing| text(&outgoing.payload).to_owned())
        .collect()
}

fn replies(reaction: &Reaction) -> Vec<&str> {
    reaction
        .effects
        .iter()
        .map(|effect| match effect {
            Effect::Reply(payload) => text(payload),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn expressions_cover_what_python_consumers_do() {
    let cases = [
        // (send, event, frame)
        ("event", json!({"type": "t", "b": [1.5, 2]}), r#"{"type":"t","b":[1.5,2]}"#),
        ("event.data", json!({"data": {"z": 1, "a": 2}}), r#"{"z":1,"a":2}"#),
        ("event.data", json!({"data": "text"}), r#""text""#),
        ("event['data']", json!({"data": 18446744073709551615u64}), "18446744073709551615"),
        ("event.data[0].x", json!({"data": [{"x": -9223372036854775808i64}]}), "-9223372036854775808"),
        (
            "{'type': 'order', 'data': event.order.table | default('none')}",
            json!({"order": {}}),
            r#"{"type":"order","data":"none"}"#,
        ),
        ("{'a': event.get('a'), 'b': event.get('b', 5)}", json!({}), r#"{"a":null,"b":5}"#),
        ("{'a': event.data.get('a')}", json!({"data": {"a": {"b": []}}}), r#"{"a":{"b":[]}}"#),
        ("event | without('type')", json!({"type": "t", "x": {"y": 1}, "z": 2}), r#"{"x":{"y":1},"z":2}"#),
        ("event | without(['type', 'z'])", json!({"type": "t", "x": 1, "z": 2}), r#"{"x":1}"#),
        ("dict(event.data, type='c')", json!({"data": {"a": 1, "type": "x"}}), r#"{"a":1,"type":"c"}"#),
        (
            "dict(event.a, event.b, x=1)",
            json!({"a": {"k": 1, "x": 0}, "b": {"y": 2, "k": 3}}),
            r#"{"k":3,"x":1,"y":2}"#,
        ),
        ("dict(event.a, {'b': 2}, event.gone, **event.c)", json!({"a": {}, "c": {"c": 3}}), r#"{"b":2,"c":3}"#),
        ("dict()", json!({}), "{}"),
        ("event.a | same_id(event.b)", json!({"a": 7, "b": "7"}), "true"),
        ("event.a | same_id('07')", json!({"a": 7}), "false"),
        ("event.a | same_id(7)", json!({"a": 7.0}), "false"),
        ("event.a | same_id(1)", json!({"a": true}), "false"),
        ("event.a | same_id(event.b)", json!({"a": "x-1", "b": "x-1"}), "true"),
        ("event.a | same_id(event.b)", json!({"a": null, "b": null}), "false"),
        ("event.gone | same_id(event.lost)", json!({}), "false"),
        ("not event.a | same_id(event.b)", json!({"a": 7, "b": "7"}), "false"),
        ("dict(event, kind='c')", json!({"type": "t", "a": null}), r#"{"type":"t","a":null,"kind":"c"}"#),
        ("event.items()", json!({"a": 1}), r#"[["a",1]]"#),
        ("event.data | length", json!({"data": [1, 2, 3]}), "3"),
        ("{'n': event.n + 1, 'big': event.level != 'low'}", json!({"n": 1, "level": "high"}), r#"{"n":2,"big":true}"#),
        ("'x' if event.user_id in [1, 2] else 'y'", json!({"user_id": 2}), r#""x""#),
        ("event.name.upper() ~ '!'", json!({"name": "ada"}), r#""ADA!""#),
        ("max(event.a, event.b)", json!({"a": 3, "b": 10}), "10"),
        ("[event.a, event.b] | sort", json!({"a": 3, "b": 1}), "[1,3]"),
        ("event.data | tojson", json!({"data": {"html": "<b>&"}}), r#""{\"html\":\"<b>&\"}""#),
        ("event.page | slug", json!({"page": "/a b/é?x"}), r#""a-b-x""#),
        ("{'k': event['1']}", json!({"1": "one"}), r#"{"k":"one"}"#),
    ];
    for (send, body, frame) in cases {
        let consumer = one(&format!("[consumer.on_event.\"*\"]\nsend = {}\n", toml::Value::from(send)));
        assert_eq!(frames(&consumer, body), [frame], "{send}");
    }
}

#[test]
fn times_are_iso_with_milliseconds_or_epochs() {
    let consumer = one("[consumer.on_event.\"*\"]\nsend = \"[now(), now('epoch'), now('epoch_ms')]\"\n");
    let times: (String, i64, i64) = serde_json::from_str(&frames(&consumer, json!({}))[0]).unwrap();
    let stamp: jiff::Timestamp = times.0.parse().unwrap();
    assert_eq!(times.0.len(), "2026-03-02T09:15:00.123Z".len());
    assert!(times.0.ends_with('Z') && times.1 > 1_700_000_000 && times.2 / 1000 - stamp.as_second() <= 1);
}

#[test]
fn values_without_json_form_are_written_as_in_python() {
    let consumer =
        one("[consumer.on_event.\"*\"]\nsend = [\"event\", \"{'d': event.d}\", \"[event.d.nan, event.d.b]\"]\n");
    let inner: Value = [
        ("nan", Value::Float(f64::NAN)),
        ("inf", Value::Float(f64::INFINITY)),
        ("b", Value::Bytes(Bytes::from_static(b"\0\x01"))),
    ]
    .into_iter()
    .collect();
    let body: Value = [("d", inner)].into_iter().collect();
    let mut event =
        Event { group: GroupName::new("g").unwrap(), body, source: Source::Memory, received: Instant::now() };
    event.body = event.body.clone();
    let sent = consumer.on_event(&Arc::new(event)).unwrap().messages;
    let texts: Vec<_> = sent.iter().map(|outgoing| text(&outgoing.payload)).collect();
    let object = r#"{"d":{"nan":null,"inf":null,"b":"AAE="}}"#;
    assert_eq!(texts, [object, object, r#"[null,"AAE="]"#]);
}

#[test]
fn handlers_are_found_as_channels_finds_methods() {
    let consumer = one(
        "[consumer.on_event.\"chat.message\"]\nsend = \"1\"\n[consumer.on_event.a_b]\nsend = \"2\"\n[consumer.on_event.\"*\"]\nsend = \"3\"\n",
    );
    for (kind, sent) in
        [("chat.message", "1"), ("chat_message", "1"), ("a.b", "2"), ("a_b", "2"), ("other", "3"), ("", "3")]
    {
        assert_eq!(frames(&consumer, json!({"type": kind})), [sent], "{kind}");
    }
    for kind in ["_private", ".private"] {
        assert_eq!(consumer.on_event(&event(json!({"type": kind}))), Err(MapError::NoHandler), "{kind}");
    }
    for untyped in [json!({}), json!({"type": 1})] {
        assert_eq!(frames(&consumer, untyped), ["3"]);
    }
}

#[test]
fn conditions_topics_raw_text_and_several_frames() {
    let consumer = one("[consumer.on_event.note]\nwhen = \"event.level != 'low'\"\ntopic = \"event.topic\"\n\
         send = [\"{'n': event.n}\", \"{'count': event.count}\"]\nsend_text = \"event.html\"\n");
    let note = |level: &str| json!({"type": "note", "level": level, "topic": 5, "n": 1, "count": 2, "html": "<b>"});
    let sent = consumer.on_event(&event(note("high"))).unwrap().messages;
    let texts: Vec<_> = sent.iter().map(|outgoing| text(&outgoing.payload)).collect();
    assert_eq!(texts, [r#"{"n":1}"#, r#"{"count":2}"#, "<b>"]);
    assert!(sent.iter().all(|outgoing| outgoing.topic.as_deref() == Some("5")));
    assert_eq!(consumer.on_event(&event(note("low"))), Ok(Mapped::default()));
    assert!(matches!(consumer.on_event(&event(json!({"type": "note"}))), Err(MapError::Mapping(_))));
}

#[test]
fn groups_come_from_route_user_query_and_claims() {
    let set = set(
        "[[consumer]]\npath = \"/ws/<str:room>/<int:id>/\"\nauth = [\"jwt\"]\ngroups = [\"chat_{{ route.room }}\", \"o.{{route.id}}\", \
         \"c{{ min(user.id, route.id) }}_{{ max(user.id, route.id) }}\", \"page.{{ query.page | slug }}\", \"{{ query.orders.split(',') }}\", \
         \"{{ ['admins'] if claims.role == 'admin' else [] }}\", \"chat_{{ route.room }}\"]\n\
         allow = [\"chat_<str>\", \"o.<int>\", \"c<int>_<int>\", \"page.<str>\", \"order_<int>\"]\n",
    );
    let (consumer, route) = set.route("/ws/lobby/4").unwrap();
    let mut context = Context {
        route,
        user: value(json!({"id": 9})),
        query: value(json!({"page": "/a/b?c", "orders": "order_1,order_2"})),
        claims: value(json!({"role": "admin"})),
        ..Context::default()
    };
    let names = |context: &Context| {
        consumer.groups(context).map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(names(&context).unwrap(), ["chat_lobby", "o.4", "c4_9", "page.a-b-c", "order_1", "order_2", "admins"]);
    context.claims = value(json!({"role": "user"}));
    assert_eq!(names(&context).unwrap(), ["chat_lobby", "o.4", "c4_9", "page.a-b-c", "order_1", "order_2"]);
    context.query = value(json!({"page": "x"}));
    assert!(names(&context).is_err());
    assert_eq!(set.route("/ws/lobby/x/").map(|(consumer, _)| consumer.id()), None);
    let (_, route) = set.route("/ws/caf%C3%A9/1/").unwrap();
    let query = value(json!({"page": "x", "orders": "order_1"}));
    let context = Context { route, query, ..context };
    assert_eq!(names(&context).unwrap(), ["chat_caf-xc3-xa9", "o.1", "c1_9", "page.x", "order_1"]);
}

#[test]
fn messages_meet_raw_handlers_then_json_handlers_then_policies() {
    let consumer = one("message_key = \"action\"\non_bad_json = { reply = \"{'type': 'error', 'message': 'bad'}\" }\n\
         on_failed = { reply = \"{'type': 'error', 'message': 'failed'}\" }\n\
         on_unknown_message = { reply = \"{'error': message.action | default('?')}\" }\n\
         [consumer.on_raw.ping]\nreply_raw = \"'pong'\"\n\
         [consumer.on_message.hello]\nreply = [\"{'you': user.id, 'q': query.q}\", \"message\"]\n\
         [consumer.on_message.bye]\nreply = \"{'bye': true}\"\nclose = 4001\n\
         [consumer.on_message.leave]\nunsubscribe = \"message.topic\"\n");
    assert!(consumer.needs_context());
    let context = Context { user: value(json!({"id": 3})), query: value(json!({"q": "x"})), ..Context::default() };
    let hear = |text: &str| on(&consumer, &context, Incoming::Text(text));
    assert_eq!(replies(&hear("ping")), ["pong"]);
    assert_eq!(replies(&hear(r#"{"action":"hello"}"#)), [r#"{"you":3,"q":"x"}"#, r#"{"action":"hello"}"#]);
    let bye = hear(r#"{"action":"bye"}"#);
    assert_eq!(bye.effects[1..], [Effect::Close { code: 4001, reason: String::new() }]);
    assert_eq!(hear(r#"{"action":"leave","topic":7}"#).effects, [Effect::Unsubscribe(vec!["7".into()])]);
    let bad = hear("{");
    assert_eq!(replies(&bad), [r#"{"type":"error","message":"bad"}"#]);
    assert!(matches!(bad.problem, Some(MessageProblem::BadJson(_))));
    let unknown = hear(r#"{"action":"fly"}"#);
    assert_eq!((replies(&unknown), &unknown.problem), (vec![r#"{"error":"fly"}"#], &Some(MessageProblem::Unknown)));
    assert_eq!(replies(&hear("[1]")), [r#"{"error":"?"}"#]);
    let failed = hear(r#"{"action":"leave"}"#);
    assert_eq!(replies(&failed), [r#"{"type":"error","message":"failed"}"#]);
    assert!(matches!(failed.problem, Some(MessageProblem::Failed(_))));
    let binary = on(&consumer, &context, Incoming::Binary(b"{}"));
    assert!(matches!(binary.problem, Some(MessageProblem::BadJson(_))));
    let deep = "[".repeat(100_000);
    assert!(matches!(hear(&deep).problem, Some(MessageProblem::BadJson(_))));
}

#[test]
fn an_echo_returns_text_and_bytes_unchanged() {
    let echo = one("[consumer.on_raw.\"*\"]\nreply_raw = \"message\"\n");
    assert!(!echo.needs_context());
    let context = Context::default();
    let text = "\u{20ac}".repeat(1000);
    let Effect::Reply(Payload::Text(back)) = &on(&echo, &context, Incoming::Text(&text)).effects[0] else { panic!() };
    assert_eq!(back, text.as_bytes());
    let Effect::Reply(Payload::Binary(back)) = &on(&echo, &context, Incoming::Binary(&[0, 255])).effects[0] else {
        panic!()
    };
    assert_eq!(back[..], [0, 255]);
}

#[test]
fn a_source_names_its_group_from_channel_and_event() {
    let group = SourceGroup::compile("orders_{{ event.order.id }}").unwrap();
    let body = Arc::new(value(json!({"order": {"id": 5}})));
    assert_eq!(group.groups("redis-channel", &body).unwrap()[0].as_str(), "orders_5");
    let group = SourceGroup::compile("{{ channel | replace(':', '.') }}").unwrap();
    assert_eq!(group.groups("plane:realtime", &body).unwrap()[0].as_str(), "plane.realtime");
    assert!(SourceGroup::compile("{{ user.id }}").is_err());
}

/// Not a benchmark: a guard against an accidental factor of ten. Run with `--release -- --ignored --nocapture` to see
/// the figure.
#[test]
#[ignore = "prints a figure; run it by hand"]
fn the_cost_of_mapping_one_event() {
    let data = json!({"id": 12, "first_name": "Ada", "last_name": "Lovelace", "image": "/media/clients/12.jpg", "visit_count": 3,
        "score": 0.97, "visit_histories": [{"datetime": "2026-03-02T09:15:00+00:00", "device_id": 3}], "last_visit": "2026-03-02T09:15:00+00:00"});
    let feed = (preset("/ws/"), event(json!({"type": "send_event", "event": "client_update", "data": data})));
    let plain = (preset("/ws/"), event(json!({"event": "client_update", "data": data})));
    let parking =
        (preset("/ws/notifications/"), event(json!({"type": "new_reservation", "message": "m", "data": data})));
    for (name, (consumer, event)) in [("feed", feed), ("feed, unchanged", plain), ("parking", parking)] {
        let started = Instant::now();
        for _ in 0..20_000 {
            std::hint::black_box(consumer.on_event(&event).unwrap().messages);
        }
        println!("{name}: {:?} per event", started.elapsed() / 20_000);
    }
}

#[test]
fn a_failed_mapping_names_the_missing_key() {
    for (send, reason) in [
        ("event.data.x", "`event.data` is undefined"),
        ("{'a': event.data.x.y}", "`event.data` is undefined"),
        ("event.nope | upper", "`event.nope` is undefined"),
        ("event.n + 1", "`event.n` is undefined"),
        ("{'a': [event.nope]}", "an item of a list is undefined"),
        ("{'a': event.nope}", "\"a\" is undefined"),
        ("event.nope", "`event.nope` is undefined"),
        ("event.s.upper(*[1])", "too many arguments"),
        ("now('week' ~ '')", "known: 'iso'"),
    ] {
        let consumer = one(&format!("[consumer.on_event.\"*\"]\nsend = {}\n", toml::Value::from(send)));
        let Err(MapError::Mapping(error)) = consumer.on_event(&event(json!({"s": "x"}))) else { panic!("{send}") };
        assert!(error.contains(reason), "{send}: {error}");
    }
}
