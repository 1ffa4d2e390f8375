//! Conditions that name the connection: every shape, and that they say what the interpreter would.

use minijinja::Value as Jinja;
use proptest::{prelude::*, sample::select, test_runner::TestCaseError};

use super::*;
use crate::consumer::{
    BLOCK, MemberIndex, Positions, Selection, Traits,
    expression::{Root, Var, encodings, functions},
};

fn with_condition(when: &str) -> Arc<Consumer> {
    let when = toml::Value::from(when);
    let consumer =
        "[[consumer]]\npath = '/x/<str:room>/<int:n>/'\nauth = ['jwt']\n[consumer.on_event.'*']\nsend = '1'\n";
    set(&format!("{consumer}when = {when}\n")).get(ConsumerId(0)).unwrap().clone()
}

/// What a condition says about an event and a connection.
fn prepared(consumer: &Consumer, event: &Arc<Event>, context: &Context) -> Result<bool, String> {
    let mapped = consumer.on_event(event).map_err(|error| error.to_string())?;
    let Some(message) = mapped.messages.first() else { return Ok(false) };
    let Some(selection) = &message.selection else { return Ok(true) };
    selection.is_for(consumer.traits(context).as_ref()).map_err(|_| "no answer".to_owned())
}

fn context(user: Json) -> Context {
    Context {
        user: value(user),
        route: value(json!({"room": "5", "n": 5})),
        query: value(json!({"q": "x"})),
        claims: value(json!({"scopes": ["read", "write"]})),
        vars: value(json!({"muted": [3, 4], "level": 2})),
        id: Some(crate::event::ConnectionId::parse("AAAAAAAAAAAAAAAan-id").unwrap()),
        channel_name: "specific.n!an-id".into(),
        host: "a.example.org".into(),
        ..Context::default()
    }
}

#[test]
fn a_condition_compares_the_event_with_the_connection() {
    let user = json!({"id": 7, "name": "ann", "groups": [1, 2], "perms": {"see": true}, "staff": false});
    for (when, body, expected) in [
        ("event.by != user.id", json!({"by": 7}), Some(false)),
        ("event.by != user.id", json!({"by": 8}), Some(true)),
        ("user.id == event.to", json!({"to": 7}), Some(true)),
        ("user.id == event.to", json!({"to": 7.0}), Some(true)),
        // As in Python: a number is not its text, and true is 1.
        ("user.id == event.to", json!({"to": "7"}), Some(false)),
        ("user.id | same_id(event.to)", json!({"to": "7"}), Some(true)),
        ("user.id | same_id(event.to)", json!({"to": "07"}), Some(false)),
        ("user.gone | same_id(event.gone)", json!({}), Some(false)),
        ("user.staff == event.n", json!({"n": 0}), Some(true)),
        ("event.by not in vars.muted", json!({"by": 3}), Some(false)),
        ("event.by not in vars.muted", json!({"by": 5}), Some(true)),
        ("user.id in event.members", json!({"members": [1, 7]}), Some(true)),
        ("user.id in event.members", json!({"members": (0..100).collect::<Vec<_>>()}), Some(true)),
        ("user.id in event.members", json!({"members": (10..100).collect::<Vec<_>>()}), Some(false)),
        ("user.id in event.names", json!({"names": {"7": 1}}), Some(true)),
        ("event.perm in user.perms", json!({"perm": "see"}), Some(true)),
        ("event.part in user.name", json!({"part": "nn"}), Some(true)),
        // Python refuses to look for a number in a text, too.
        ("user.id in event.text", json!({"text": "17"}), None),
        ("user.id in event.to", json!({"to": 7}), None),
        ("event.groups | intersects(user.groups)", json!({"groups": [2, 3]}), Some(true)),
        ("user.groups | intersects(event.groups)", json!({"groups": [3]}), Some(false)),
        ("user.groups | intersects(event.groups)", json!({"groups": null}), None),
        ("event.host == host", json!({"host": "a.example.org"}), Some(true)),
        ("event.channel != channel_name", json!({"channel": "specific.n!an-id"}), Some(false)),
        ("event.room == route.n and 'write' in claims.scopes", json!({"room": 5}), Some(true)),
        ("event.q == query.q or user.staff", json!({"q": "y"}), Some(false)),
        ("not (event.by == user.id or event.quiet)", json!({"by": 8, "quiet": false}), Some(true)),
        ("user and event.open", json!({"open": true}), Some(true)),
        (
            "user.staff or event.owner == user.id or user.id in event.users",
            json!({"owner": 1, "users": [7]}),
            Some(true),
        ),
        ("(event.owner or 0) == (user.id if user else none)", json!({"owner": 7}), Some(true)),
        // What is missing is an error, but only where it matters.
        ("event.gone != user.id", json!({}), None),
        ("event.by != user.gone", json!({"by": 1}), None),
        ("event.ok or user.gone", json!({"ok": true}), Some(true)),
        ("event.ok and event.gone == user.id", json!({"ok": false}), Some(false)),
        ("user.staff and event.gone == user.id", json!({}), Some(false)),
        ("not user.staff and event.gone == user.id", json!({}), None),
        ("event.by != user.gone | default(none)", json!({"by": 1}), Some(true)),
    ] {
        let answer = prepared(&with_condition(when), &event(body.clone()), &context(user.clone()));
        assert_eq!(answer.clone().ok(), expected, "{when} {body}: {answer:?}");
    }
}

#[test]
fn a_client_without_a_user_has_no_id() {
    let (everybody, recipient) =
        (with_condition("event.by != user.id"), with_condition("user and event.to == user.id"));
    let anonymous = context(json!(null));
    assert_eq!(prepared(&everybody, &event(json!({"by": 7})), &anonymous), Err("no answer".to_owned()));
    assert_eq!(prepared(&recipient, &event(json!({"to": null})), &anonymous), Ok(false));
    let everybody = with_condition("event.by != user.id | default(none)");
    assert_eq!(prepared(&everybody, &event(json!({"by": 7})), &anonymous), Ok(true));
}

#[test]
fn a_connection_without_values_gets_nothing() {
    let consumer = with_condition("event.by != user.id");
    let mapped = consumer.on_event(&event(json!({"by": 7}))).unwrap();
    let selection = mapped.messages[0].selection.as_ref().unwrap();
    assert!(selection.is_for(None).is_err());
    let consumers = set("[[consumer]]\npath = '/a/'\n[[consumer]]\npath = '/b/'\nauth = ['jwt']\n\
         on_event.'*' = { when = 'user.id == event.to', send = '1' }\n");
    let other = consumers.get(ConsumerId(1)).unwrap().traits(&context(json!({"id": 1}))).unwrap();
    assert!(selection.is_for(Some(&other)).is_err(), "the values are for another consumer");
    let both = consumer.traits(&context(json!({"id": 8}))).unwrap().with(Some(other.with(None)));
    assert_eq!(selection.is_for(Some(&both)), Ok(true));
}

#[test]
fn a_condition_of_the_event_alone_is_decided_once() {
    let consumer = with_condition("event.a == 1 and event.b");
    assert!(!consumer.has_traits());
    assert!(!consumer.needs_context());
    let mapped = consumer.on_event(&event(json!({"a": 1, "b": 2}))).unwrap();
    assert_eq!(mapped.messages[0].selection, None);
}

#[test]
fn a_message_may_contain_what_connections_have_in_common() {
    let consumer = set("[[consumer]]\npath = '/x/<str:room>/'\nauth = ['jwt']\n[consumer.on_event.'*']\n\
         send = [\"{'n': event.n, 'to': user.name, 'room': route.room, 'all': user.get('x')}\", \"event.n\", \"user.a.b | default(0)\"]\n\
         send_text = \"user.name ~ group\"\n");
    let consumer = consumer.get(ConsumerId(0)).unwrap();
    let messages = consumer.on_event(&event(json!({"n": 1}))).unwrap().messages;
    let said = |index: usize, user: Json| {
        let traits = consumer.traits(&context(user)).unwrap();
        let personal = messages[index].personal.as_ref().unwrap();
        let values = personal.values(&traits).unwrap();
        (
            values.to_string(),
            personal.payload(&values).map(|payload| text(&payload).to_owned()).map_err(|error| error.to_string()),
        )
    };
    assert_eq!(said(0, json!({"id": 1, "name": "ann", "x": 2})).1.unwrap(), r#"{"n":1,"to":"ann","room":"5","all":2}"#);
    assert_eq!((text(&messages[1].payload), messages[1].personal.is_none()), ("1", true));
    for (user, expected) in [
        (json!({"a": {"b": 3, "c": 4}}), Some("3")),
        (json!({"a": {}}), Some("0")),
        (json!({"a": null}), Some("0")),
        (json!({}), None),
        (json!(null), None),
    ] {
        assert_eq!(said(2, user.clone()).1.ok().as_deref(), expected, "{user}: as without the cut");
    }
    assert_eq!(said(3, json!({"name": "ann"})).1.as_deref(), Ok("anng"));
    // Only what the message reads tells members apart.
    assert_eq!(said(3, json!({"name": "ann", "id": 1})).0, said(3, json!({"name": "ann", "id": 2})).0);
    assert_ne!(said(3, json!({"name": "7"})).0, said(3, json!({"name": 7})).0);
}

/// A condition as written, and as the interpreter is asked: there a number in a text is not an error.
type Written = (String, String);

fn plain(source: impl Into<String>) -> Written {
    let source = source.into();
    (source.clone(), source)
}

fn event_values() -> BoxedStrategy<Written> {
    const SOURCES: &[&str] = &[
        "event.a",
        "event.b",
        "event.c",
        "event.a.k",
        "event.b.gone",
        "event.gone",
        "group",
        "7",
        "'7'",
        "true",
        "none",
        "[event.a, event.b, 1, 'a']",
        "(1, 'a')",
        "event.a | default(none)",
        "{'a': 1, '7': 2}",
        "{7: 1, true: 2}",
        "1.0",
        "[1, [2, 3]]",
    ];
    select(SOURCES).prop_map(plain).boxed()
}

fn own_values() -> BoxedStrategy<Written> {
    const SOURCES: &[&str] = &[
        "user",
        "user.id",
        "user.name",
        "user.groups",
        "user.gone",
        "user.gone.k",
        "vars.x",
        "vars.y",
        "route.n",
        "query.q",
        "claims.c",
        "channel_name",
        "id",
        "user.id | default(0)",
        "user.get('id')",
        "[user.id, vars.x]",
        "(user is none)",
        "(vars.x, vars.y)",
        "vars | length",
    ];
    select(SOURCES).prop_map(plain).boxed()
}

fn conditions() -> impl Strategy<Value = Written> {
    let comparison = |(left, right, how): (Written, Written, &'static str)| {
        let write = |left: &str, right: &str| match how {
            "intersects" | "same_id" => format!("{left} | {how}({right})"),
            _ => format!("{left} {how} {right}"),
        };
        // What names only the connection is evaluated by the interpreter itself.
        let is_of_event = |side: &Written| side.0.contains("event") || side.0 == "group";
        let is_compared = is_of_event(&left) || is_of_event(&right);
        let asked = match how {
            "in" | "not in" if is_compared => {
                let (asked, left, right) = (write(&left.1, &right.1), &left.1, &right.1);
                format!("({asked} if {right} is not string or {left} is string else ('' | intersects('')))")
            }
            _ => write(&left.1, &right.1),
        };
        (write(&left.0, &right.0), asked)
    };
    let how = select(&["==", "!=", "in", "not in", "intersects", "same_id"][..]);
    let sides = prop_oneof![(event_values(), own_values()), (own_values(), event_values())];
    let compared = (sides, how).prop_map(move |((left, right), how)| comparison((left, right, how)));
    let leaf = prop_oneof![6 => compared, 1 => event_values(), 1 => own_values()];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let both = |joined: &'static str| {
            move |(one, other): (Written, Written)| {
                (format!("({}) {joined} ({})", one.0, other.0), format!("({}) {joined} ({})", one.1, other.1))
            }
        };
        prop_oneof![
            inner.clone().prop_map(|(one, asked)| (format!("not ({one})"), format!("not ({asked})"))),
            (inner.clone(), inner.clone()).prop_map(both("and")),
            (inner.clone(), inner).prop_map(both("or")),
        ]
    })
}

fn values() -> impl Strategy<Value = Value> {
    let text = |text: &str| Value::from(text);
    let small = vec![
        Value::Null,
        Value::Bool(true),
        Value::Bool(false),
        Value::Int(0),
        Value::Int(1),
        Value::Int(7),
        Value::Int(i64::MAX),
        Value::UInt(1 << 63),
        Value::Big("18446744073709551616".into()),
        Value::Big("1".repeat(60).into()),
        Value::Float(7.0),
        Value::Float(1.5),
        Value::Float(-0.0),
        Value::Float(9_223_372_036_854_775_808.0),
        Value::Float(f64::NAN),
        text(""),
        text("7"),
        text("a"),
        text("1"),
        Value::Bytes(Bytes::from_static(b"a")),
    ];
    select(small).prop_recursive(2, 24, 12, |inner| {
        let key = select(&["a", "7", "k", "1"][..]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..12).prop_map(Value::List),
            prop::collection::vec((key, inner), 0..4).prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

/// What an index says of the members of a block, and what it leaves to them.
fn indexed(selection: &Selection, index: &mut MemberIndex, members: &[Option<Traits>]) -> (Vec<Option<bool>>, usize) {
    let chosen = selection.choose(index, 0, |at| members.get(at)?.as_ref());
    assert!(chosen.yes.and(chosen.unsure).is_empty());
    let here = Positions::between(0, members.len());
    let says = |at: u8| if chosen.unsure.has(at) { None } else { Some(chosen.yes.has(at)) };
    ((0..members.len()).map(|at| says(u8::try_from(at).unwrap())).collect(), chosen.unsure.and(here).len())
}

/// An index says nothing else than the members' own values.
fn agree(selection: &Selection, index: &mut MemberIndex, members: &[Option<Traits>]) -> Result<(), TestCaseError> {
    for (said, traits) in indexed(selection, index, members).0.into_iter().zip(members) {
        if let Some(said) = said
            && Ok(said) != selection.is_for(traits.as_ref())
        {
            return Err(TestCaseError::fail(format!("{said} for {traits:?}")));
        }
    }
    Ok(())
}

#[test]
fn an_index_leaves_nearly_nobody_to_ask() {
    let numbers = |range: std::ops::Range<usize>| range.collect::<Vec<_>>();
    let long = |n: usize| format!("a name of more than fourteen bytes {n}");
    // Of the condition: an event, the members that get it, and how many are asked themselves.
    for (when, body, gets, asked) in [
        ("event.by != user.id", json!({"by": 5}), 199, 0),
        ("event.by == user.id", json!({"by": 5}), 1, 0),
        ("not event.by == user.id", json!({"by": 5}), 199, 0),
        ("event.by != user.big", json!({"by": (1_u64 << 60) + 5}), 199, 0),
        ("event.name != user.name", json!({"name": long(5)}), 199, 0),
        ("event.channel != channel_name", json!({"channel": "specific.n!an-id-5"}), 199, 0),
        ("user.id | same_id(event.by)", json!({"by": "5"}), 1, 0),
        ("event.team == user.team", json!({"team": long(0)}), 200, 0),
        ("user.id in event.users", json!({"users": numbers(0..20)}), 20, 0),
        ("user.id in event.users", json!({"users": numbers(0..1000)}), 200, 0),
        ("user.name not in event.users", json!({"users": [long(1), long(2)]}), 198, 0),
        ("event.group in user.groups", json!({"group": 1}), 200, 0),
        ("event.group in user.groups", json!({"group": 2}), 100, 0),
        ("event.group not in user.groups", json!({"group": 1007}), 199, 0),
        ("event.groups | intersects(user.groups)", json!({"groups": [2, 1001, 7]}), 101, 0),
        ("event.role in user.roles", json!({"role": long(0)}), 200, 0),
        (
            "user.is_superuser or event.owner == user.id or event.group in user.groups",
            json!({"owner": 5, "group": 1006}),
            // Every tenth is a superuser.
            22,
            0,
        ),
        ("user.is_superuser and event.group in user.groups", json!({"group": 2}), 20, 0),
        ("(event.owner == user.id or not user.is_superuser) and event.on", json!({"owner": 0, "on": true}), 181, 0),
        // Members without a value for the condition are asked, and so are all about a part of a text or a key.
        ("event.by != user.odd", json!({"by": 5}), 0, 100),
        ("event.part in user.name", json!({"part": "14"}), 12, 200),
        ("event.key in user.keys", json!({"key": "k5"}), 1, 200),
        ("event.share == user.share", json!({"share": 0.5}), 200, 200),
    ] {
        let consumer = with_condition(when);
        let user = |n: usize| {
            let mut user = json!({
                "id": n, "big": (1_u64 << 60) + n as u64, "name": long(n), "team": long(0), "is_superuser": n.is_multiple_of(10),
                "groups": [1, 1000 + n, if n.is_multiple_of(2) { 2 } else { 3 }], "roles": [long(n + 1), long(0)],
                "keys": {format!("k{n}"): true}, "share": 0.5,
            });
            if n.is_multiple_of(2) {
                user["odd"] = json!(5);
            }
            user
        };
        let context = |n: usize| Context { channel_name: format!("specific.n!an-id-{n}").into(), ..context(user(n)) };
        let members: Vec<_> = (0..200).map(|n| consumer.traits(&context(n))).collect();
        let selection = consumer.on_event(&event(body)).unwrap().messages.remove(0).selection.unwrap();
        let mut index = MemberIndex::new(selection.consumer());
        let (said, left) = indexed(&selection, &mut index, &members);
        assert_eq!(left, asked, "{when}");
        let gets_it = |at: usize| said[at].unwrap_or_else(|| selection.is_for(members[at].as_ref()) == Ok(true));
        assert_eq!((0..200).filter(|at| gets_it(*at)).count(), gets, "{when}");
        agree(&selection, &mut index, &members).unwrap();
    }
}

fn map(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop::collection::vec(prop::option::weighted(0.9, values()), names.len())
        .prop_map(|values| names.iter().zip(values).filter_map(|(name, value)| Some((*name, value?))).collect())
}

fn asked(source: &str, event: &Arc<Event>, context: &Context) -> Result<bool, String> {
    let mut environment = functions::environment();
    encodings::add_to(&mut environment);
    let scope = of_connection(context, VarSet::ALL)
        .with(Var::Event, Root::Event(Arc::clone(event)).into_jinja())
        .with(Var::Group, event.group.as_str().into())
        .into_jinja();
    functions::allow_text(1 << 20);
    let said: Jinja = environment
        .compile_expression(source)
        .and_then(|compiled| compiled.eval(scope))
        .map_err(|error| error.to_string())?;
    if said.is_undefined() { Err("undefined".to_owned()) } else { Ok(said.is_true()) }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn a_prepared_condition_says_what_the_interpreter_says(
        (source, oracle) in conditions(),
        body in map(&["a", "b", "c"]),
        user in prop_oneof![1 => Just(Value::Null), 5 => map(&["id", "name", "groups"])],
        vars in map(&["x", "y"]),
        claims in map(&["c"]),
    ) {
        let event = Arc::new(Event { body, ..(*event(json!({}))).clone() });
        let context = Context { user, vars, claims, ..context(json!(null)) };
        // As in Python, `in` has no answer for text and bytes; MiniJinja reads bytes as text.
        let has_bytes = |value: &Value| format!("{value:?}").contains("Bytes(");
        if source.contains(" in ") && [&event.body, &context.user, &context.vars, &context.claims].into_iter().any(has_bytes) {
            return Ok(());
        }
        let consumer = with_condition(&source);
        let (said, expected) = (prepared(&consumer, &event, &context), asked(&oracle, &event, &context));
        if said.clone().ok() != expected.clone().ok() {
            return Err(TestCaseError::fail(format!("{source}: {said:?} instead of {expected:?}")));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn an_index_says_what_each_member_says(
        (source, _) in conditions(),
        bodies in prop::collection::vec(map(&["a", "b", "c"]), 1..4),
        users in prop::collection::vec(map(&["id", "name", "groups"]), 1..6),
        vars in prop::collection::vec(map(&["x", "y"]), 1..4),
        claims in map(&["c"]),
        // Which of these a member has, first and later.
        which in prop::collection::vec((0..20_usize, prop::option::weighted(0.2, 0..20_usize)), 1..BLOCK),
    ) {
        let consumer = with_condition(&source);
        let traits = |n: usize| {
            // Some are anonymous, and of some nothing is known.
            let user = users.get(n % (users.len() + 1)).cloned().unwrap_or_default();
            let vars = vars[n % vars.len()].clone();
            if n == 0 { None } else { consumer.traits(&Context { user, vars, claims: claims.clone(), ..context(json!(null)) }) }
        };
        let mut members: Vec<_> = which.iter().map(|(first, _)| traits(*first)).collect();
        let mut index = MemberIndex::new(consumer.id());
        for body in bodies {
            let event = Arc::new(Event { body, ..(*event(json!({}))).clone() });
            let Ok(mapped) = consumer.on_event(&event) else { continue };
            let Some(selection) = mapped.messages.first().and_then(|message| message.selection.clone()) else { continue };
            agree(&selection, &mut index, &members)?;
            for (at, (_, later)) in which.iter().enumerate() {
                if let Some(later) = later {
                    members[at] = traits(later + at % 3);
                    index.forget(at);
                }
            }
            agree(&selection, &mut index, &members)?;
        }
    }
}
