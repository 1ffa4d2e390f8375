//! What an event asks of a connection besides frames.

use super::*;

/// What an event asks of a connection with this context, as text; or why that cannot be said.
fn asked(consumer: &Consumer, body: Json, context: &Context) -> Result<Vec<String>, String> {
    let mapped = consumer.on_event(&event(body)).map_err(|error| error.to_string())?;
    let Some(outcome) = mapped.outcome else { return Ok(Vec::new()) };
    let outcome = outcome.map_err(|error| format!("for all: {error}"))?;
    let effects = consumer.outcome(&outcome, context).map_err(|error| error.to_string())?;
    let say = |effect: &Effect| match effect {
        Effect::Leave(groups) => format!("leave {}", listed(groups)),
        Effect::Join { groups, failed: None } => format!("join {}", listed(groups)),
        Effect::Close { code, reason } => format!("close {code} {reason}").trim_end().to_owned(),
        other => panic!("{other:?}"),
    };
    Ok(effects.iter().map(say).collect())
}

fn handler(keys: &str) -> Arc<Consumer> {
    one(&format!("auth = [\"jwt\"]\ngroups = [\"g\"]\n[consumer.on_event.\"*\"]\n{keys}\n"))
}

#[test]
fn an_outcome_says_what_to_leave_and_join_and_how_to_close() {
    let user = Context { user: value(json!({"id": 7, "role": "dev"})), ..Context::default() };
    for (keys, body, expected) in [
        ("send = \"event\"", json!({}), Ok(&[][..])),
        ("close = 4001", json!({}), Ok(&["close 4001"][..])),
        ("disconnect = false\nclose = 'event.code'", json!({"code": 4002}), Ok(&["close 4002"])),
        (
            "close = { code = 'event.code', reason = 'out of {{ event.of }}' }",
            json!({"code": 3000, "of": "time"}),
            Ok(&["close 3000 out of time"]),
        ),
        ("close = { code = 4000, reason = 'bye {{ user.id }}' }", json!({}), Ok(&["close 4000 bye 7"])),
        ("leave = '{{ group }}'", json!({}), Ok(&["leave g"])),
        ("leave = ['{{ group }}', 'g', 'a_{{ event.n }}']", json!({"n": 3}), Ok(&["leave g, a_3"])),
        (
            "join = '{{ event.rooms }}'\nleave = 'x'\nclose = 1000",
            json!({"rooms": ["a", "b", "a"]}),
            Ok(&["leave x", "join a, b", "close 1000"]),
        ),
        ("join = '{{ event.rooms }}'", json!({"rooms": []}), Ok(&[])),
        ("join = 'u_{{ user.id }}_{{ event.n }}'", json!({"n": 1}), Ok(&["join u_7_1"])),
        ("when = 'event.n == 1'\nclose = 4001", json!({"n": 2}), Ok(&[])),
        // What cannot be said of any connection is known at once.
        ("close = 'event.code'", json!({"code": "4001"}), Err("for all: `event.code` is string, not a close code")),
        ("close = 'event.code'", json!({"code": 1005}), Err("for all: `event.code` is 1005, not a close code")),
        ("close = 'event.code'", json!({"code": 70000}), Err("for all: `event.code` is 70000, not a close code")),
        ("close = 'event.code'", json!({"code": 4001.0}), Err("for all: `event.code` is number, not a close code")),
        // As `close(code=None)` in Channels.
        ("close = 'event.code'", json!({"code": null}), Ok(&["close 1000"])),
        // A reason is only a text: without it the connection is closed, too.
        ("close = { code = 4001, reason = '{{ event.why }}' }", json!({"why": ""}), Ok(&["close 4001"])),
        ("close = { code = 4001, reason = 'by {{ event.why }}.' }", json!({"why": null}), Ok(&["close 4001 by ."])),
        ("close = { code = 4001, reason = 'by {{ event.why }}' }", json!({"why": 1.5}), Ok(&["close 4001"])),
        ("close = { code = 4001, reason = 'by {{ event.why }}' }", json!({}), Ok(&["close 4001"])),
        ("close = { code = 4001, reason = 'by {{ user.gone }}' }", json!({}), Ok(&["close 4001"])),
        ("join = 'a_{{ event.n }}'", json!({}), Err("for all: `event.n` is undefined")),
        ("join = '{{ event.n }}'", json!({"n": ""}), Err("for all: `event.n` is empty")),
        ("join = '{{ event.n }}'", json!({"n": "a".repeat(100)}), Err("for all: ")),
        // The rest depends on the connection.
        ("join = 'r_{{ user.rank }}'", json!({}), Err("`user.rank` is undefined")),
    ] {
        let told = asked(&handler(keys), body, &user);
        match (told, expected) {
            (Ok(told), Ok(expected)) => assert_eq!(told, expected, "{keys}"),
            (Err(told), Err(expected)) => assert!(told.starts_with(expected), "{keys}: {told}"),
            (told, _) => panic!("{keys}: {told:?}"),
        }
    }
}

#[test]
fn frames_are_sent_also_if_what_comes_after_them_cannot_be_said() {
    let consumer = handler("send = 'event.n'\njoin = '{{ event.room }}'");
    let mapped = consumer.on_event(&event(json!({"n": 1}))).unwrap();
    assert_eq!(mapped.messages.len(), 1);
    assert!(matches!(mapped.outcome, Some(Err(MapError::Mapping(_)))));
    // But not the other way round: as after an exception in Channels.
    let consumer = handler("send = 'event.missing.key'\nclose = 4001");
    assert!(consumer.on_event(&event(json!({}))).is_err());
}

#[test]
fn a_connection_keeps_what_the_outcomes_of_its_consumer_read_and_nothing_else() {
    let claims = || Context { claims: value(json!({"a": 1})), route: value(json!({"r": 1})), ..Context::default() };
    for (keys, keeps) in
        [("close = 4001", false), ("leave = '{{ group }}'", false), ("join = 'c_{{ claims.a }}'", true)]
    {
        let consumer = handler(keys);
        assert!(consumer.has_outcomes());
        let kept = consumer.keep(claims());
        assert_eq!((kept.is_some(), consumer.needs_id()), (keeps, keeps), "{keys}");
        assert!(kept.is_none_or(|kept| kept.route == Value::Null && kept.claims != Value::Null));
    }
    assert!(!handler("send = 'event'\nthrottle = '1/5s'").has_outcomes());
}

#[test]
fn a_client_chooses_the_group_of_an_outcome_only_as_allow_permits() {
    let keys = |more: &str| {
        format!("groups = [\"{{{{ query.room }}}}\"]\nallow = [\"room_<int>\"]\n[consumer.on_event.\"*\"]\n{more}\n")
    };
    let consumer = one(&keys("leave = '{{ query.room }}'\njoin = '{{ query.next }}'"));
    let context =
        |room: &str, next: &str| Context { query: value(json!({"room": room, "next": next})), ..Context::default() };
    assert_eq!(asked(&consumer, json!({}), &context("room_1", "room_2")).unwrap(), ["leave room_1", "join room_2"]);
    assert!(asked(&consumer, json!({}), &context("room_1", "user_2")).is_err());
}

#[test]
fn a_handler_with_a_throttle_has_one_of_its_own() {
    let consumer = one(
        "groups = [\"g\"]\n[consumer.on_event]\na = { send = 'event', throttle = '1/5s' }\nb = { send = 'event', throttle = '1/5s' }\nc = { send = 'event' }\n",
    );
    let throttle = |kind: &str| consumer.on_event(&event(json!({"type": kind}))).unwrap().throttle;
    let [one, again, other] = ["a", "a", "b"].map(|kind| throttle(kind).unwrap());
    assert!(Arc::ptr_eq(&one, &again) && !Arc::ptr_eq(&one, &other));
    assert_eq!((one.to_string(), throttle("c")), ("1/5s".to_owned(), None));
}
