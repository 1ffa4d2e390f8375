//! The built-in presets against the contracts of the systems that they replace.

use super::*;

#[test]
fn the_feed_sends_event_and_data_and_nothing_else() {
    let feed = preset("/ws/");
    let data =
        json!({"id": 1, "score": 0.5, "name": "Ada \u{e9}", "big": u64::MAX, "none": null, "list": [1, {"a": true}]});
    let sent = frames(&feed, json!({"type": "send_event", "event": "client_create", "data": data}));
    assert_eq!(
        sent,
        [
            r#"{"event":"client_create","data":{"id":1,"score":0.5,"name":"Ada é","big":18446744073709551615,"none":null,"list":[1,{"a":true}]}}"#
        ]
    );
    assert_eq!(
        frames(&feed, json!({"type": "send.event", "event": "e", "data": null})),
        [r#"{"event":"e","data":null}"#]
    );
    // A plain PUBLISH without a type is sent unchanged.
    assert_eq!(frames(&feed, json!({"b": 1, "a": 2})), [r#"{"b":1,"a":2}"#]);
    let lacking = feed.on_event(&event(json!({"type": "send_event", "event": "e"})));
    assert!(matches!(&lacking, Err(MapError::Mapping(reason)) if reason.contains("\"data\"")), "{lacking:?}");
    assert_eq!(feed.groups(&Context::default()).unwrap(), [GroupName::new("broadcast").unwrap()]);
    let ignored = on(&feed, &Context::default(), Incoming::Text("hello"));
    assert_eq!(ignored.effects, []);
}

#[test]
fn only_a_parking_user_joins_groups_and_exactly_three() {
    let parking = preset("/ws/notifications/?token=x".split('?').next().unwrap());
    assert_eq!(parking.auth(), [AuthMethod::WsToken]);
    let context = Context { user: value(json!({"id": 7})), ..Context::default() };
    let names: Vec<_> = parking.groups(&context).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["notifications", "user_7", "user_7_notifications"]);
    for user in
        [json!(null), json!({}), json!({"id": null}), json!({"id": ""}), json!({"id": [1]}), json!({"id": true})]
    {
        let context = Context { user: value(user.clone()), ..Context::default() };
        assert!(parking.groups(&context).is_err(), "{user}");
    }
}

/// The frames of an event for a client of the parking system with this query.
fn parking_frames(query: Json, body: Json) -> Vec<String> {
    let parking = preset("/ws/notifications/");
    let traits = parking.traits(&asking(query));
    let messages = parking.on_event(&event(body)).unwrap().messages;
    let own = messages.iter().filter(|one| {
        assert!(one.personal.is_none(), "encoded once for all of its members");
        one.selection.as_ref().unwrap().is_for(traits.as_ref()).unwrap()
    });
    own.map(|one| text(&one.payload).to_owned()).collect()
}

#[test]
fn parking_frames_carry_message_and_data_under_the_events_own_type() {
    let parking = preset("/ws/notifications");
    for kind in ["new_reservation", "reservation_expired", "reservation_cancelled", "upcoming_reservation"] {
        let body = json!({"type": kind, "message": "m", "data": {"reservation_id": 1}});
        let frame = r#"{"type":"notification","message":"m","data":{"reservation_id":1}}"#;
        assert_eq!(parking_frames(json!({}), body.clone()), [frame]);
        let outgoing = parking.on_event(&event(body)).unwrap().messages;
        assert!(outgoing.iter().all(|one| one.topic.as_deref() == Some(kind)));
    }
    let named =
        json!({"type": "send_notification", "notification_type": "new_reservation", "message": "m", "data": {}});
    assert_eq!(parking.on_event(&event(named)).unwrap().messages[0].topic.as_deref(), Some("new_reservation"));
    let frame = |body| parking_frames(json!({}), body);
    assert_eq!(frame(json!({"type": "t", "message": "m"})), [r#"{"type":"notification","message":"m","data":{}}"#]);
    assert_eq!(frame(json!({"type": "t", "data": 1})), [r#"{"type":"notification","message":"","data":1}"#]);
    for lacking in [json!({"type": "send_notification", "content": {}}), json!({"message": "m"})] {
        assert!(matches!(parking.on_event(&event(lacking)), Err(MapError::Mapping(_))));
    }
}

#[test]
fn a_parking_client_that_asks_learns_the_topic_and_another_one_gets_the_same_bytes_as_ever() {
    let body = json!({"type": "send_notification", "notification_type": "new_reservation", "message": "m", "data": {"topic": 1}});
    let plain = r#"{"type":"notification","message":"m","data":{"topic":1}}"#;
    for query in [json!({}), json!({"cg": ""}), json!({"cg": "0"}), json!({"cg": "true"}), json!({"gaps": "1"})] {
        assert_eq!(parking_frames(query.clone(), body.clone()), [plain], "{query}");
    }
    let named =
        |topic: &str| format!(r#"{{"type":"notification","message":"m","data":{{"topic":1}},"topic":"{topic}"}}"#);
    assert_eq!(parking_frames(json!({"cg": "1"}), body), [named("new_reservation")]);
    let numbered = json!({"type": "t", "notification_type": 7, "message": "m", "data": {"topic": 1}});
    assert_eq!(parking_frames(json!({"cg": "1"}), numbered), [named("7")]);
    let parking = preset("/ws/notifications/");
    assert!(!parking.needs_context() && parking.keep(asking(json!({"cg": "1"}))).is_none());
}

#[test]
fn what_the_file_sends_for_an_event_replaces_all_that_a_preset_sends() {
    let adjusted = |handler: &str| {
        let text = format!("presets = [\"parking\"]\n[preset.parking.on_event.\"*\"]\n{handler}\n");
        let parking = set(&text).route("/ws/notifications/").unwrap().0.clone();
        parking.on_event(&event(json!({"type": "t", "message": "m"}))).unwrap().messages
    };
    for handler in ["send = \"event.message\"", "emit = { send = \"event.message\" }"] {
        let messages = adjusted(handler);
        assert_eq!(messages.iter().map(|one| text(&one.payload)).collect::<Vec<_>>(), ["\"m\""], "{handler}");
        assert_eq!(messages[0].topic.as_deref(), Some("t"), "the other keys stay");
    }
    assert_eq!(adjusted("send_text = \"event.message\"").len(), 1);
    assert_eq!(adjusted("throttle = \"1/1s\"").len(), 2);
}

#[test]
fn parking_clients_subscribe_and_are_never_answered() {
    let parking = preset("/ws/notifications/");
    let hear = |text: &str| on(&parking, &Context::default(), Incoming::Text(text));
    let subscribed =
        hear(r#"{"type": "subscribe", "notification_types": ["reservation", "parking_lot", "reservation"]}"#);
    assert_eq!(subscribed.effects, [Effect::Subscribe(vec!["reservation".into(), "parking_lot".into()])]);
    assert_eq!(subscribed.problem, None);
    for malformed in [
        "",
        "subscribe",
        "[]",
        "1",
        "{}",
        r#"{"type": "subscribe"}"#,
        r#"{"type": "subscribe", "notification_types": {"a": 1}}"#,
        r#"{"type": "subscribe", "notification_types": [null]}"#,
        r#"{"type": ["subscribe"]}"#,
        r#"{"type": "other"}"#,
    ] {
        let reaction = hear(malformed);
        assert_eq!(reaction.effects, [], "{malformed}");
        assert!(reaction.problem.is_some(), "{malformed}");
    }
    let many: Vec<_> = (0..10_000).map(|n| n.to_string()).collect();
    let flooded = hear(&json!({"type": "subscribe", "notification_types": many}).to_string());
    assert!(matches!(&flooded.effects[..], [Effect::Subscribe(names)] if names.len() == 101));
    assert!(!parking.needs_context());
}

#[test]
fn attendance_says_hello_answers_ping_and_ignores_the_rest() {
    let attendance = preset("/ws/attendance/");
    let hello = attendance.on_connect(&Context::default());
    assert_eq!(replies(&hello), [r#"{"type":"connection_established","message":"Connected to attendance updates"}"#]);
    let hear = |text: &str| on(&attendance, &Context::default(), Incoming::Text(text));
    assert_eq!(
        replies(&hear(r#"{"type":"ping","timestamp":1700000000123}"#)),
        [r#"{"type":"pong","timestamp":1700000000123}"#]
    );
    assert_eq!(replies(&hear(r#"{"timestamp":"2026","type":"ping"}"#)), [r#"{"type":"pong","timestamp":"2026"}"#]);
    assert_eq!(replies(&hear(r#"{"type":"ping"}"#)), [r#"{"type":"pong","timestamp":null}"#]);
    for ignored in [r#"{"type":"get_attendance"}"#, r#"{"type":"authenticate"}"#, "{", "PING", "ping "] {
        assert_eq!(hear(ignored).effects, [], "{ignored}");
    }
    let update = json!({"type": "attendance_update", "data": {"id": "1", "action": "created"}});
    assert_eq!(frames(&attendance, update.clone()), [update.to_string()]);
    assert_eq!(attendance.on_event(&event(json!({"type": "other"}))), Err(MapError::NoHandler));
    assert_eq!(attendance.groups(&Context::default()).unwrap()[0].as_str(), "attendance_updates");
}

/// What a client of a plain preset asks for with its query.
fn asking(query: Json) -> Context {
    Context { query: value(query), id: ConnectionId::parse("socket-of-connection"), ..Context::default() }
}

const PLAIN: [&str; 3] = ["/ws/", "/ws/notifications/", "/ws/attendance/"];

#[test]
fn a_plain_client_that_asks_is_greeted_and_another_one_is_not() {
    let (_, set) = load(None, &Environment::default()).unwrap();
    set.on_node("node-1");
    for path in PLAIN {
        let consumer = set.route(path).unwrap().0;
        let hello = consumer.hello(&asking(json!({"cg": "1"}))).unwrap();
        assert_eq!(text(&hello), r#"{"type":"hello","node":"node-1","id":"socket-of-connection","v":1}"#, "{path}");
        for query in [json!({}), json!({"cg": ""}), json!({"cg": "2"}), json!({"cg": "true"}), json!({"gaps": "1"})] {
            assert_eq!(consumer.hello(&asking(query.clone())), None, "{path}: {query}");
        }
        assert!(consumer.hello_names() && !consumer.needs_id(), "{path}: only greeted clients need an id");
        assert!(!consumer.needs_context() && consumer.keep(asking(json!({"cg": "1"}))).is_none(), "{path}");
    }
}

#[test]
fn a_plain_client_that_asks_is_told_gaps_in_the_form_of_its_system() {
    let groups = GroupName::new("broadcast").unwrap();
    for (path, whole, of_groups) in [
        (
            "/ws/",
            r#"{"event":"gap","data":{"reason":"reconnected"}}"#,
            r#"{"event":"gap","data":{"reason":"reconnected"}}"#,
        ),
        (
            "/ws/notifications/",
            r#"{"type":"gap","reason":"reconnected","groups":null}"#,
            r#"{"type":"gap","reason":"reconnected","groups":["broadcast"]}"#,
        ),
        (
            "/ws/attendance/",
            r#"{"type":"gap","reason":"reconnected","groups":null}"#,
            r#"{"type":"gap","reason":"reconnected","groups":["broadcast"]}"#,
        ),
    ] {
        let consumer = preset(path);
        let notice = |groups: Option<&[&GroupName]>| consumer.gap_notice(GapReason::Reconnected, groups).unwrap();
        assert_eq!((text(&notice(None)), text(&notice(Some(&[&groups])))), (whole, of_groups), "{path}");
        for (query, asks) in [
            (json!({"cg": "1"}), true),
            (json!({"gaps": "1"}), true),
            (json!({"gaps": "0", "cg": "1"}), true),
            (json!({}), false),
            (json!({"cg": "0"}), false),
        ] {
            assert_eq!(consumer.asks_for_gaps(&asking(query.clone())), asks, "{path}: {query}");
        }
    }
}

#[test]
fn the_plain_presets_answer_a_raw_ping_with_a_raw_pong() {
    for path in PLAIN {
        let heard = on(&preset(path), &Context::default(), Incoming::Text("ping"));
        assert_eq!((replies(&heard), &heard.problem), (vec!["pong"], &None), "{path}");
    }
}

#[test]
fn only_a_client_that_asks_is_accepted_and_closed_when_it_is_refused() {
    let close = Some(RejectClose::Code(4401));
    for path in PLAIN {
        let consumer = preset(path);
        assert_eq!((consumer.reject().close, &*consumer.reject().reason), (close, "no valid token"), "{path}");
        assert!(consumer.closes_refused(&asking(json!({"cg": "1"}))), "{path}");
        for query in [json!({}), json!({"cg": "0"}), json!({"gaps": "1"})] {
            assert!(!consumer.closes_refused(&asking(query)), "{path}");
        }
    }
}

#[test]
fn a_close_code_of_the_file_replaces_the_refusal_of_a_preset_for_every_client() {
    let reject = |text: &str| {
        let text = format!("presets = [\"parking\"]\n[preset.parking]\n{text}");
        let parking = set(&text).route("/ws/notifications/").unwrap().0.clone();
        let Reject { close, reason, .. } = parking.reject();
        (*close, reason.clone(), parking.closes_refused(&Context::default()))
    };
    assert_eq!(reject(""), (Some(RejectClose::Code(4401)), "no valid token".to_owned(), false));
    assert_eq!(reject("reject.close = 4003"), (Some(RejectClose::Code(4003)), String::new(), true));
    assert!(!reject("reject = { close = 4003, when = 'false' }").2);
    assert_eq!(reject("reject.reason = 'who?'"), (Some(RejectClose::Code(4401)), "who?".to_owned(), false));
    assert_eq!(reject("protocol = 'engine.io'").0, None);
}

#[test]
fn the_samples_of_every_preset_reach_a_client() {
    let (_, set) = load(None, &Environment::default()).unwrap();
    for consumer in set.iter() {
        assert!(consumer.samples().count() > 0, "{}", consumer.name());
        for (name, group, body) in consumer.samples() {
            let event = Event { group: GroupName::new(group).unwrap(), ..(*event(body)).clone() };
            assert!(!consumer.on_event(&Arc::new(event)).unwrap().messages.is_empty(), "{name}");
        }
    }
}

#[test]
fn all_presets_together_are_one_configuration() {
    let text = "presets = [\"feed\", \"parking\", \"attendance\", \"dashboard\", \"repair-shop\", \"tracker\"]\n";
    let (config, errors) = load_text(Some((std::path::Path::new("test.toml"), text)), &Environment::default());
    assert_eq!(errors, []);
    match ConsumerSet::compile(&config) {
        Ok(set) => assert_eq!(set.len(), 6),
        Err(errors) => panic!("{errors}"),
    }
}
