//! The Socket.IO presets against the contracts of the systems that they replace.

use super::{
    setup::{ann, answer, effects, hear, then},
    *,
};

fn named(name: &str, environment: &Environment) -> Arc<Consumer> {
    let (_, set) = load(None, environment).unwrap();
    set.iter().find(|consumer| consumer.name() == name).unwrap().clone()
}

fn tracker() -> Arc<Consumer> {
    named("tracker", &Environment::from([("CHANNELGATE_BACKEND_URL", "http://127.0.0.1:9/gate")]))
}

fn somebody(role: &str) -> Context {
    Context { user: value(json!({"id": 7, "name": "Ann", "role": role})), ..ann() }
}

/// Effects without the time, which is checked to be one.
fn timeless(reaction: &Reaction) -> Vec<String> {
    assert_eq!(reaction.problem, None);
    effects(reaction).iter().map(|line| without_time(line)).collect()
}

fn without_time(line: &str) -> String {
    let Some((before, after)) = line.split_once(r#""timestamp":""#) else { return line.to_owned() };
    let (time, after) = after.split_once('"').unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok() && time.len() == 24 && time.ends_with('Z'), "{time}");
    format!(r#"{before}"timestamp":T{after}"#)
}

fn sent(consumer: &Consumer, group: &str, body: Json) -> Vec<(String, Option<String>)> {
    let event = Event { group: GroupName::new(group).unwrap(), ..(*event(body)).clone() };
    let sent = consumer.on_event(&Arc::new(event)).unwrap().messages;
    sent.iter().map(|one| (text(&one.payload).to_owned(), one.to.as_deref().map(listed))).collect()
}

fn groups(consumer: &Consumer, user: Json) -> Vec<String> {
    let context = Context { user: value(user), ..Context::default() };
    consumer.groups(&context).unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn the_presets_share_a_namespace_from_the_strictest_to_the_most_open() {
    let (_, set) = load(None, &Environment::default()).unwrap();
    let shared: Vec<_> = set.iter().filter(|consumer| consumer.namespace() == Some("/")).collect();
    let names: Vec<_> = shared.iter().map(|consumer| (consumer.name(), consumer.auth())).collect();
    let (node, anybody) = (|kind: &str| [AuthMethod::JwtKind(kind.into())], [AuthMethod::Jwt, AuthMethod::Anonymous]);
    let (tracker, shop) = (node("tracker"), node("repair_shop"));
    assert_eq!(names, [("tracker", &tracker[..]), ("repair-shop", &shop), ("dashboard", &anybody)]);
    assert!(shared.iter().all(|consumer| consumer.spec().first_path() == "/socket.io/"));
    // Each message of a client or of Django is handled by one of them, so no client receives duplicates.
    let mut events: Vec<_> = shared.iter().flat_map(|consumer| consumer.spec().on_message.keys()).collect();
    let all = events.len();
    events.sort();
    events.dedup();
    assert_eq!(events.len(), all);
    let in_user_group = |body: &Json| {
        let mapped = |consumer: &&Arc<Consumer>| {
            let event = Event { group: GroupName::new("user_7").unwrap(), ..(*event(body.clone())).clone() };
            consumer.on_event(&Arc::new(event)).map_or(0, |sent| sent.messages.len())
        };
        shared.iter().map(mapped).sum::<usize>()
    };
    for kind in ["notification_received", "notification_count_updated", "work_order_assignment_update"] {
        assert_eq!(in_user_group(&json!({"type": kind, "data": 1})), 1, "{kind}");
    }
    assert_eq!(in_user_group(&json!({"type": "emit", "event": "notification", "data": 1})), 1);
}

#[test]
fn a_socket_that_asks_is_greeted_once_and_told_gaps() {
    let (_, set) = load(None, &Environment::default()).unwrap();
    set.on_node("node-1");
    let asking = |auth: Json| Context { auth: Some(Box::new(value(auth))), ..ann() };
    for consumer in set.iter().filter(|consumer| consumer.namespace() == Some("/")) {
        let name = consumer.name();
        let hello = r#"42["hello",{"node":"node-1","id":"socket-of-connection","v":1}]"#;
        for cg in [json!(1), json!("1"), json!(true), json!(1.0)] {
            let asking = asking(json!({"token": "t", "cg": cg}));
            assert_eq!(text(&consumer.hello(&asking).unwrap()), hello, "{name}: {cg}");
            assert!(consumer.asks_for_gaps(&asking), "{name}: {cg}");
            assert!(consumer.keep(asking).is_none_or(|kept| kept.auth.is_none()), "{name}: the token is not kept");
        }
        let others =
            [json!({"cg": null}), json!({"cg": 0}), json!({"cg": 2}), json!({"cg": [1]}), json!({}), json!(["cg"])];
        for other in others.map(asking).into_iter().chain([ann()]) {
            assert_eq!(consumer.hello(&other), None, "{name}: {:?}", other.auth);
            assert!(!consumer.asks_for_gaps(&other), "{name}: {:?}", other.auth);
        }
        let group = GroupName::new("user_7").unwrap();
        let notice = consumer.gap_notice(GapReason::Reconnected, Some(&[&group])).unwrap();
        assert_eq!(text(&notice), r#"42["gap",{"reason":"reconnected","groups":["user_7"]}]"#, "{name}");
    }
}

#[test]
fn a_preset_with_a_hyphen_is_adjusted_by_a_variable() {
    let environment = Environment::from([("CHANNELGATE__PRESET__REPAIR_SHOP__MAX_ROOMS", "7")]);
    assert_eq!(named("repair-shop", &environment).max_rooms(), 7);
}

#[test]
fn the_tracker_asks_the_backend_for_the_user() {
    let tracker = tracker();
    let asked = tracker.admit(&ann());
    let Some(Effect::Call { request, .. }) = asked.effects.last() else { panic!("{asked:?}") };
    assert_eq!((&*request.action, &request.data, &request.user), ("findUser", &Value::Null, &ann().user));
    let after = |outcome| effects(&tracker.resume(&ann(), then(&asked), outcome));
    let found = after(answer(200, json!({"id": 7, "name": "Ann Archer", "role": "admin"})));
    assert_eq!(found.last().unwrap(), r#"user {"id":7,"name":"Ann Archer","role":"admin"}"#);
    assert_eq!(after(answer(404, json!({"message": "User not found"}))), ["refuse User not found"]);
    for outcome in [answer(403, json!(null)), Outcome::NotAsked("the client sent too much".to_owned())] {
        assert_eq!(after(outcome), ["refuse Authentication error"]);
    }
    let large = Outcome::Unusable("too large".to_owned());
    for outcome in [answer(500, json!(null)), answer(301, json!(null)), Outcome::Failed("down".to_owned()), large] {
        let reaction = tracker.resume(&ann(), then(&asked), outcome);
        assert_eq!(reaction.effects, [], "its token is good");
        assert!(matches!(reaction.problem, Some(MessageProblem::Unavailable { .. })));
    }
    assert_eq!(
        (tracker.rejection_text(Rejected::Missing), tracker.rejection_text(Rejected::Invalid)),
        ("Authentication error", "Authentication error")
    );
}

#[test]
fn without_a_backend_the_claims_are_the_trackers_user() {
    let tracker = named("tracker", &Environment::default());
    for (user, name, role) in [
        (json!({"id": 7, "name": "Ann", "role": "admin"}), json!("Ann"), json!("admin")),
        (json!({"id": 7, "username": "ann"}), json!("ann"), json!(null)),
        (json!({"id": 7}), json!(null), json!(null)),
    ] {
        let admitted = tracker.admit(&Context { user: value(user.clone()), ..ann() });
        let [Effect::User(user)] = &admitted.effects[..] else { panic!("{admitted:?}") };
        let user = serde_json::to_value(user).unwrap();
        assert_eq!((&user["id"], &user["name"], &user["role"]), (&json!(7), &name, &role));
    }
    let failed = hear(&tracker, &ann(), "markAttendance", json!([{"sessionId": 3}]));
    let effects = effects(&tracker.resume(&ann(), then(&failed), Outcome::Failed("no backend".to_owned())));
    assert_eq!(effects, [r#"42["error",{"message":"Failed to mark attendance"}]"#]);
}

#[test]
fn tracker_sessions_are_joined_and_left_and_announced() {
    let tracker = tracker();
    for id in [json!("12"), json!(12)] {
        let joined = hear(&tracker, &ann(), "joinSession", json!([id]));
        assert_eq!(
            timeless(&joined),
            [
                "join session.12",
                r#"to session.12 but "socket-of-connection": ["userJoined",{"userId":7,"userName":"Ann","timestamp":T}]"#
            ]
        );
    }
    let left = hear(&tracker, &ann(), "leaveSession", json!(["12"]));
    assert_eq!(
        timeless(&left),
        ["leave session.12", r#"to session.12 but "socket-of-connection": ["userLeft",{"userId":7,"timestamp":T}]"#]
    );
    for bad in [json!([]), json!([null]), json!([{}]), json!([""]), json!(["x".repeat(81)]), json!([1.5])] {
        let reaction = hear(&tracker, &ann(), "joinSession", bad.clone());
        assert_eq!(effects(&reaction), [r#"42["error",{"message":"Failed to join session"}]"#], "{bad}");
    }
    assert_eq!(tracker.on_disconnect(&ann()), Reaction::default());
}

#[test]
fn tracker_attendance_is_answered_first_and_then_sent_to_the_room() {
    let tracker = tracker();
    let data = json!([{"sessionId": 12, "location": {"lat": 1.5}, "userId": 1, "userName": "x"}]);
    let asked = hear(&tracker, &ann(), "markAttendance", data);
    let Some(Effect::Call { request, .. }) = asked.effects.last() else { panic!() };
    assert_eq!(request.data, value(json!({"sessionId": 12, "location": {"lat": 1.5}})));
    assert!(request.idempotent && &*request.action == "markAttendance");
    let record =
        json!({"id": 1, "sessionId": 12, "userId": 7, "status": "present", "checkInTime": "C", "location": null});
    let marked = tracker.resume(&ann(), then(&asked), answer(200, json!({"attendance": record, "created": true})));
    assert_eq!(
        effects(&marked),
        [
            r#"42["attendanceMarked",{"success":true,"attendance":{"id":1,"sessionId":12,"userId":7,"status":"present","checkInTime":"C","location":null},"message":"Attendance marked successfully"}]"#,
            r#"to session.12: ["attendanceUpdate",{"userId":7,"userName":"Ann","status":"present","checkInTime":"C","sessionId":12}]"#,
        ]
    );
    let error = |message: &str| [format!(r#"42["error",{{"message":"{message}"}}]"#)];
    for status in [404, 409] {
        let refused = tracker.resume(&ann(), then(&asked), answer(status, json!(null)));
        assert_eq!(effects(&refused), error("Invalid or inactive session"));
    }
    let failed = tracker.resume(&ann(), then(&asked), Outcome::Failed("late".to_owned()));
    assert_eq!(effects(&failed), error("Failed to mark attendance"));
    for bad in [json!([]), json!(["12"]), json!([{}])] {
        assert_eq!(effects(&hear(&tracker, &ann(), "markAttendance", bad)), error("Failed to mark attendance"));
    }
    let without = hear(&tracker, &ann(), "markAttendance", json!([{"sessionId": "12"}]));
    let Some(Effect::Call { request, .. }) = without.effects.last() else { panic!() };
    assert_eq!(request.data, value(json!({"sessionId": "12", "location": null})));
}

#[test]
fn tracker_statistics_go_to_the_asking_client_only() {
    let tracker = tracker();
    let asked = hear(&tracker, &ann(), "getAttendanceStats", json!(["12"]));
    let Some(Effect::Call { request, .. }) = asked.effects.last() else { panic!() };
    assert_eq!(request.data, value(json!({"sessionId": "12"})));
    let stats = answer(200, json!({"stats": [{"status": "present", "count": 2}]}));
    assert_eq!(
        timeless(&tracker.resume(&ann(), then(&asked), stats)),
        [r#"42["attendanceStats",{"sessionId":"12","stats":[{"status":"present","count":2}],"timestamp":T}]"#]
    );
    let error = [r#"42["error",{"message":"Failed to get attendance stats"}]"#];
    assert_eq!(effects(&tracker.resume(&ann(), then(&asked), answer(400, json!(null)))), error);
    assert_eq!(effects(&hear(&tracker, &ann(), "getAttendanceStats", json!([]))), error);
}

#[test]
fn tracker_sessions_are_updated_by_admins_and_moderators_only() {
    let tracker = tracker();
    let change = json!([{"sessionId": 12, "title": "T", "updatedBy": 1, "timestamp": "never"}]);
    for role in ["admin", "moderator"] {
        let updated = hear(&tracker, &somebody(role), "sessionUpdate", change.clone());
        assert_eq!(
            timeless(&updated),
            [r#"to session.12: ["sessionUpdated",{"sessionId":12,"title":"T","updatedBy":7,"timestamp":T}]"#]
        );
        let failed = hear(&tracker, &somebody(role), "sessionUpdate", json!(["12"]));
        assert_eq!(effects(&failed), [r#"42["error",{"message":"Failed to update session"}]"#]);
    }
    for user in [json!({"id": 7, "name": "Ann", "role": "user"}), json!({"id": 7, "name": "Ann", "role": null})] {
        let context = Context { user: value(user), ..ann() };
        let reaction = hear(&tracker, &context, "sessionUpdate", change.clone());
        assert_eq!(effects(&reaction), [r#"42["error",{"message":"Unauthorized"}]"#]);
    }
    assert_eq!(effects(&hear(&tracker, &ann(), "ping", json!([]))), [r#"42["pong"]"#]);
}

#[test]
fn django_reaches_a_trackers_session_with_any_event() {
    let tracker = tracker();
    let own = |text: &str| [(text.to_owned(), None)];
    let stats = json!({"type": "session-stats-update", "data": {"n": 1}});
    assert_eq!(sent(&tracker, "session.7", stats.clone()), own(r#"42["session-stats-update",{"n":1}]"#));
    assert_eq!(sent(&tracker, "user_7", stats), []);
    for kind in ["emit", "session_event"] {
        let body = json!({"type": kind, "event": "attendance-update", "data": {"n": 1}});
        for group in ["session.7", "user_7"] {
            assert_eq!(sent(&tracker, group, body.clone()), own(r#"42["attendance-update",{"n":1}]"#));
        }
    }
    assert_eq!(groups(&tracker, json!({"id": 7})), ["user_7"]);
}

#[test]
fn the_dashboard_receives_one_employee_or_all() {
    let dashboard = named("dashboard", &Environment::default());
    assert_eq!(groups(&dashboard, json!(null)), ["attendance_updates"]);
    for id in [json!("EMP014"), json!({"employee_id": "EMP014"})] {
        assert_eq!(effects(&hear(&dashboard, &ann(), "join_attendance_room", json!([id]))), ["join attendance_EMP014"]);
        assert_eq!(
            effects(&hear(&dashboard, &ann(), "leave_attendance_room", json!([id]))),
            ["leave attendance_EMP014"]
        );
    }
    assert_eq!(effects(&hear(&dashboard, &ann(), "join_attendance_room", json!([14]))), ["join attendance_14"]);
    assert_eq!(
        effects(&hear(&dashboard, &ann(), "join_attendance_room", json!([{"employee_id": 14}]))),
        ["join attendance_14"]
    );
    assert_eq!(effects(&hear(&dashboard, &ann(), "join_general_attendance", json!([]))), ["join general_attendance"]);
    assert_eq!(effects(&hear(&dashboard, &ann(), "leave_general_attendance", json!([]))), ["leave general_attendance"]);
    for bad in [json!([]), json!([{}]), json!([null])] {
        assert_eq!(hear(&dashboard, &ann(), "join_attendance_room", bad).effects, []);
    }
    let deployed = json!({"id": "1", "user_name": "Meera", "employee_id": "E1", "office": "T", "date": "D", "check_in_time": "I",
        "check_out_time": null, "status": "present", "device": "Desk", "created_at": "C", "updated_at": "U", "action": "created"});
    let data = r#"{"employee_id":"E1","employee_name":"Meera","status":"present","date":"D","timestamp":"U","device":"Desk","isLate":null}"#;
    let both = |data: &str| {
        [("attendance_update", "attendance_E1"), ("general_attendance_update", "general_attendance")]
            .map(|(event, room)| (format!(r#"42["{event}",{data}]"#), Some(room.to_owned())))
    };
    let update =
        |data: Json| sent(&dashboard, "attendance_updates", json!({"type": "attendance_update", "data": data}));
    assert_eq!(update(deployed), both(data));
    let documented: Json = serde_json::from_str(&data.replace("\"isLate\":null", "\"isLate\":true")).unwrap();
    assert_eq!(update(documented), both(&data.replace("\"isLate\":null", "\"isLate\":true")));
    let deleted = json!({"id": "1", "user_name": "Meera", "employee_id": "E1", "action": "deleted"});
    let gone = r#"{"employee_id":"E1","employee_name":"Meera","status":null,"date":null,"timestamp":null,"device":null,"isLate":null}"#;
    assert_eq!(update(deleted), both(gone));
    // Without an employee there is no employee's room, and only the general room gets the update.
    for (id, shown) in [
        (None, "null"),
        (Some(json!(null)), "null"),
        (Some(json!("")), "\"\""),
        (Some(json!(1.5)), "1.5"),
        (Some(json!("\u{5458}".repeat(40))), ""),
    ] {
        let mut data = json!({"user_name": "Meera", "status": "present"});
        id.into_iter().for_each(|id| data["employee_id"] = id);
        let all = update(data);
        assert_eq!((all.len(), all[0].1.as_deref()), (1, Some("general_attendance")), "{all:?}");
        assert!(all[0].0.starts_with(&format!(r#"42["general_attendance_update",{{"employee_id":{shown}"#)), "{all:?}");
    }
}

#[test]
fn a_repair_shops_rooms_follow_from_id_and_role() {
    let shop = named("repair-shop", &Environment::default());
    assert_eq!(groups(&shop, json!({"id": 7, "role": "technician"})), ["user_7", "role_technician"]);
    for role in ["admin", "manager"] {
        assert_eq!(groups(&shop, json!({"id": 7, "role": role})), ["user_7", &format!("role_{role}"), "admin_room"]);
    }
    let admitted = shop.admit(&Context { user: value(json!({"id": 7})), ..Context::default() });
    let [Effect::User(user)] = &admitted.effects[..] else { panic!("{admitted:?}") };
    assert_eq!(groups(&shop, serde_json::to_value(user).unwrap()), ["user_7"]);
    assert_eq!(
        (shop.rejection_text(Rejected::Missing), shop.rejection_text(Rejected::Invalid)),
        ("Authentication token required", "Invalid authentication token")
    );
    for room in ["work_order_12", "ticket_3"] {
        assert_eq!(effects(&hear(&shop, &ann(), "join_room", json!([room]))), [format!("join {room}")]);
        assert_eq!(effects(&hear(&shop, &ann(), "leave_room", json!([room]))), [format!("leave {room}")]);
    }
    for room in [
        "admin_room",
        "role_admin",
        "user_7",
        "namespace.main",
        "session:1",
        "general_attendance",
        "work_order_",
        "work_order_x",
        "work_order_1x",
        "work_order_-1",
        "work_order_1 ",
        "xwork_order_1",
        "work_order_1\n",
        "ticket_1.5",
        "",
    ] {
        for (event, data) in
            [("join_room", json!(room)), ("leave_room", json!(room)), ("typing_start", json!({"roomName": room}))]
        {
            let reaction = hear(&shop, &ann(), event, json!([data]));
            assert_eq!(reaction.effects, [], "{event} {room}");
            assert!(reaction.problem.is_some());
        }
    }
    for room in
        [json!(7), json!(null), json!({"roomName": "admin_room"}), json!(["work_order_1"]), json!("x".repeat(300))]
    {
        assert_eq!(hear(&shop, &ann(), "join_room", json!([room])).effects, [], "{room}");
    }
}

#[test]
fn a_repair_shop_shows_typing_and_presence() {
    let shop = named("repair-shop", &Environment::default());
    let lie = json!([{"roomName": "work_order_12", "message": "m", "userId": 1, "userName": "x"}]);
    assert_eq!(
        timeless(&hear(&shop, &ann(), "typing_start", lie.clone())),
        [
            r#"to work_order_12 but "socket-of-connection": ["user_typing_start",{"userId":7,"userName":"Ann","message":"m"}]"#
        ]
    );
    assert_eq!(
        timeless(&hear(&shop, &ann(), "typing_stop", lie)),
        [r#"to work_order_12 but "socket-of-connection": ["user_typing_stop",{"userId":7,"userName":"Ann"}]"#]
    );
    let presence = json!([{"status": "viewing", "workOrderId": 12, "userId": 1, "userName": "x"}]);
    assert_eq!(
        timeless(&hear(&shop, &ann(), "user_presence", presence)),
        [
            r#"to work_order_12 but "socket-of-connection": ["user_presence_update",{"userId":7,"userName":"Ann","status":"viewing","workOrderId":12,"timestamp":T}]"#
        ]
    );
    assert_eq!(hear(&shop, &ann(), "user_presence", json!([{"workOrderId": "1_admin"}])).effects, []);
    assert_eq!(hear(&shop, &ann(), "heartbeat", json!([])), Reaction::default());
}

#[test]
fn a_repair_shops_user_is_online_for_the_role_and_for_admins() {
    let shop = named("repair-shop", &Environment::default());
    let context = somebody("technician");
    assert_eq!(shop.presence_member(&context).as_deref(), Some("7"));
    assert_eq!(shop.presence_grace(), Some(Duration::from_secs(2)));
    let facts = Context { user: context.user.clone(), ..Context::default() };
    for (reaction, state) in [(shop.on_online(&context), "online"), (shop.on_offline(&facts), "offline")] {
        assert_eq!(
            timeless(&reaction),
            [
                format!(r#"to role_technician: ["user_{state}",{{"userId":7,"userName":"Ann","timestamp":T}}]"#),
                format!(
                    r#"to admin_room: ["user_activity_update",{{"userId":7,"userName":"Ann","userRole":"technician","status":"{state}","timestamp":T}}]"#
                ),
            ]
        );
    }
    let nobody = Context { user: value(json!({"id": 7, "name": null, "role": null})), ..Context::default() };
    assert_eq!(timeless(&shop.on_online(&nobody)).len(), 1);
}

#[test]
fn djangos_repair_events_reach_their_room_unchanged() {
    let shop = named("repair-shop", &Environment::default());
    for kind in [
        "notification_received",
        "notification_count_updated",
        "work_order_updated",
        "work_order_assignment_update",
        "repair_ticket_updated",
        "repair_ticket_update",
    ] {
        let body = json!({"type": kind, "workOrderId": 12, "data": {"a": [1]}, "timestamp": "T"});
        let expected = format!(r#"42["{kind}",{{"workOrderId":12,"data":{{"a":[1]}},"timestamp":"T"}}]"#);
        assert_eq!(sent(&shop, "work_order_12", body), [(expected, None)]);
    }
    assert_eq!(shop.on_event(&event(json!({"type": "other"}))), Err(MapError::NoHandler));
}

#[test]
fn ordinary_clients_never_meet_the_limits_of_the_presets_and_storms_do() {
    type Message = (&'static str, &'static str, fn(usize) -> Json);
    let (shop, dashboard) =
        (named("repair-shop", &Environment::default()), named("dashboard", &Environment::default()));
    let messages: [(&Arc<Consumer>, Message); 10] = [
        (&shop, ("join_room", "join", |n| json!([format!("work_order_{n}")]))),
        (&shop, ("leave_room", "leave", |n| json!([format!("ticket_{n}")]))),
        (&shop, ("typing_start", "to", |n| json!([{"roomName": format!("ticket_{n}")}]))),
        (&shop, ("typing_stop", "to", |n| json!([{"roomName": format!("ticket_{n}")}]))),
        (&shop, ("user_presence", "to", |n| json!([{"workOrderId": n}]))),
        (&dashboard, ("join_attendance_room", "join", |n| json!([n]))),
        (&dashboard, ("leave_attendance_room", "leave", |n| json!([n]))),
        (&dashboard, ("join_general_attendance", "join", |_| json!([]))),
        (&tracker(), ("joinSession", "join", |n| json!([n]))),
        (&tracker(), ("leaveSession", "leave", |n| json!([n]))),
    ];
    for (consumer, (name, what, args)) in messages {
        let (mut limits, start) = (Quotas::default(), Instant::now());
        let mut at = |seconds: u64, n: usize| {
            let args = Arc::new(value(args(n)));
            let now = start + Duration::from_secs(seconds);
            let reaction = consumer.on_message(
                &somebody("user"),
                Incoming::Event { name, args: &args, ack: None },
                &mut limits,
                now,
            );
            match reaction.problem {
                None => assert!(effects(&reaction)[0].starts_with(what), "{name}: {reaction:?}"),
                Some(problem) => {
                    assert_eq!((problem, &*reaction.effects), (MessageProblem::Limited, &[][..]), "{name}");
                    return false;
                }
            }
            true
        };
        // Fifty at the start, a React component that mounts twice, and then one per second forever.
        assert!((0..100).all(|n| at(0, n)), "{name}");
        assert!((1..200).all(|n| at(n as u64, n)), "{name}");
        let storm = (0..2000).filter(|n| at(300 + n / 1000, *n as usize)).count();
        assert!((100..120).contains(&storm), "{name}: {storm}");
    }
}
