//! Calls of the backend and questions to the client, and what follows their answers.

use super::{
    setup::{ann, answer, effects, hear, socketio, then},
    *,
};

#[test]
fn a_call_stops_the_handler_until_its_answer() {
    let chat = socketio(
        "[[consumer.on_message.mark]]\nset = { asked = 'args[0].id' }\n\
         call = { action = 'mark', data = 'args[0]', idempotent = true, timeout = '2s', ok = { reply = { event = 'marked', data = 'result.body.n' } }, \
         status.404 = { reply = { event = 'error', data = \"'unknown'\" } }, error = { reply = { event = 'error', data = 'result.status' } } }\n\
         reply = { event = 'after', data = 'vars.asked' }\n\
         [[consumer.on_message.mark]]\nroom = { to = 'r{{ args[0].id }}', event = 'update', data = 'user.id' }\nack = \"'done'\"\n",
    );
    let mut context = ann();
    let asked = hear(&chat, &context, "mark", json!([{"id": 4}]));
    assert_eq!(
        effects(&asked),
        [r#"set {"asked":4}"#, r#"call mark {"id":4} as {"id":7,"name":"Ann","role":"user"} again"#]
    );
    let Some(Effect::Call { request, .. }) = asked.effects.last() else { panic!() };
    assert_eq!((&*request.connection, &*request.consumer), ("socket-of-connection", "chat"));
    assert_eq!(request.timeout, Some(Duration::from_secs(2)));
    let Effect::Set(vars) = &asked.effects[0] else { panic!() };
    context.vars = vars.clone();
    let after = |outcome| {
        let reaction = chat.resume(&context, then(&asked), outcome);
        (effects(&reaction), reaction.problem)
    };
    let good = [r#"42["marked",9]"#, r#"42["after",4]"#, r#"435["done"]"#, r#"to r4: ["update",7]"#];
    let (effects, problem) = after(answer(201, json!({"n": 9})));
    assert_eq!((effects, problem), (good.map(str::to_owned).to_vec(), None));
    // Any status without success ends the handler.
    assert_eq!(after(answer(404, json!(null))), (vec![r#"42["error","unknown"]"#.to_owned()], None));
    assert_eq!(after(answer(500, json!(null))), (vec![r#"42["error",500]"#.to_owned()], None));
    assert_eq!(after(Outcome::Failed("no time".to_owned())), (vec![r#"42["error",null]"#.to_owned()], None));
    let (effects, problem) = after(answer(200, json!({})));
    assert_eq!(effects, [""; 0]);
    assert!(matches!(problem, Some(MessageProblem::Failed(_))));
}

#[test]
fn a_call_without_an_error_branch_ends_in_a_problem() {
    let chat =
        socketio("[consumer.on_message.enter]\ncall = { action = 'may', ok = { join = 'vip' } }\nack = 'true'\n");
    let asked = hear(&chat, &ann(), "enter", json!([]));
    let large = [Outcome::Unusable, Outcome::NotAsked].map(|outcome| outcome("larger than 1 byte".to_owned()));
    for outcome in [403, 302, 500].map(|status| answer(status, json!({}))).into_iter().chain(large) {
        let reaction = chat.resume(&ann(), then(&asked), outcome);
        assert_eq!(reaction.effects, []);
        assert!(matches!(reaction.problem, Some(MessageProblem::Unanswered(_))));
    }
    for outcome in [answer(503, json!({})), Outcome::Failed("no url".to_owned())] {
        let reaction = chat.resume(&ann(), then(&asked), outcome);
        assert!(matches!(reaction.problem, Some(MessageProblem::Unavailable { .. })));
    }
    assert_eq!(effects(&chat.resume(&ann(), then(&asked), answer(204, json!(null)))), ["join vip", "435[true]"]);
}

#[test]
fn calls_nest_and_each_branch_sees_its_own_answer() {
    let chat = socketio(
        "[consumer.on_message.go.call]\naction = 'one'\n[[consumer.on_message.go.call.ok]]\nset = { one = 'result.body' }\n\
         call = { action = 'two', data = 'result.body', ok = { reply = { event = 'inner', data = 'result.body' } } }\n\
         reply = { event = 'outer', data = 'result.body' }\n[[consumer.on_message.go.call.ok]]\nreply = { event = 'last', data = '[result.body, args[0]]' }\n",
    );
    let one = hear(&chat, &ann(), "go", json!(["x"]));
    let two = chat.resume(&ann(), then(&one), answer(200, json!(1)));
    assert_eq!(effects(&two)[1], r#"call two 1 as {"id":7,"name":"Ann","role":"user"}"#);
    let end = chat.resume(&ann(), then(&two), answer(200, json!(2)));
    assert_eq!(effects(&end), [r#"42["inner",2]"#, r#"42["outer",1]"#, r#"42["last",[1,"x"]]"#]);
}

#[test]
fn a_client_can_be_asked_and_the_rest_does_not_wait() {
    let chat = socketio(
        "[[consumer.on_connect]]\nreply = { event = 'who', data = 'id', expect = { timeout = '300ms', ok = { set = { name = 'result.args[0]' }, \
         reply = { event = 'hello', data = 'vars.name' } }, error = { reply = { event = 'gone', data = 'result.error' } } } }\n\
         [[consumer.on_connect]]\nreply = { event = 'welcome' }\n",
    );
    let greeting = chat.on_connect(&ann());
    assert_eq!(effects(&greeting), [r#"ask ["who","socket-of-connection"] for 300ms"#, r#"42["welcome"]"#]);
    let Effect::Ask { then, .. } = &greeting.effects[0] else { panic!() };
    let told_name = chat.resume(&ann(), then, Outcome::Acknowledged(value(json!(["Bob"]))));
    assert_eq!(effects(&told_name), [r#"set {"name":"Bob"}"#, r#"42["hello","Bob"]"#]);
    assert_eq!(effects(&chat.resume(&ann(), then, Outcome::Failed("late".to_owned()))), [r#"42["gone","late"]"#]);
}

#[test]
fn a_user_is_never_set_from_client_data() {
    let chat = socketio(
        "[[consumer.on_admit]]\ncall = { action = 'findUser', ok = { user = 'result.body' }, status.404 = { refuse = 'User not found' } }\n\
         [[consumer.on_admit]]\nrequire = 'user.active'\nset = { since = 'user.since' }\n[consumer.reject]\nmessage = 'Go away'\n",
    );
    assert!(chat.has_on_admit());
    let asked = chat.admit(&ann());
    let admitted = chat.resume(&ann(), then(&asked), answer(200, json!({"id": 7, "active": true, "since": 3})));
    assert_eq!(effects(&admitted), [r#"user {"id":7,"active":true,"since":3}"#, r#"set {"since":3}"#]);
    let asleep = chat.resume(&ann(), then(&asked), answer(200, json!({"id": 7, "active": false})));
    assert_eq!(effects(&asleep)[1..], ["refuse Go away"]);
    assert_eq!(effects(&chat.resume(&ann(), then(&asked), answer(404, json!(null)))), ["refuse User not found"]);
    let down = chat.resume(&ann(), then(&asked), Outcome::Failed("down".to_owned()));
    assert!(down.effects.is_empty() && down.problem.is_some());
}

#[test]
fn a_new_token_stops_the_handler_until_it_is_checked() {
    let chat = socketio(
        "auth = ['jwt']\n[consumer.on_message.refresh]\nwhen = 'args | length'\nrefresh = 'args[0].token'\n\
         denied = { event = 'denied', data = 'user.role' }\nset = { n = '1' }\nreply = { event = 'now', data = '[user.role, claims.role, args[0].x]' }\n",
    );
    let mut context = Context { claims: value(json!({"role": "user"})), ..ann() };
    let asked = hear(&chat, &context, "refresh", json!([{"token": "t", "x": 5}]));
    assert_eq!(effects(&asked), ["refresh t"]);
    let Some(Effect::Refresh { token, denied: Some(denied), failed: None, .. }) = asked.effects.last() else {
        panic!()
    };
    assert_eq!(format!("{token:?}"), "***");
    assert_eq!(super::text(&denied[0]), r#"42["denied","user"]"#);
    chat.renew(&mut context, &value(json!({"id": 7, "role": "chef"})), &value(json!({"role": "cook"})));
    let taken = chat.resume(&context, then(&asked), Outcome::Acknowledged(Value::Null));
    assert_eq!(effects(&taken), [r#"set {"n":1}"#, r#"42["now",["chef","cook",5]]"#]);
    // A value that is not a token is as bad as an invalid token.
    for args in [json!([{}]), json!([{"token": 7}]), json!([{"token": null}])] {
        assert_eq!(effects(&hear(&chat, &context, "refresh", args)), ["refresh "]);
    }
}

#[test]
fn a_user_from_the_backend_stays_when_the_token_is_renewed() {
    let chat = socketio(
        "auth = ['jwt']\non_admit = { set = { n = '1' } }\n[consumer.on_message.refresh]\nrefresh = 'args[0]'\nreply = { event = 'now', data = 'user.role' }\n",
    );
    let mut context = ann();
    chat.renew(&mut context, &value(json!({"id": 7, "role": "chef"})), &value(json!({"role": "cook"})));
    assert_eq!((context.user, context.claims), (ann().user, Value::Null));
}

#[test]
fn a_user_that_could_not_be_disconnected_is_not_set() {
    let consumer = one("auth = [\"jwt\"]\non_admit = { user = \"claims\" }\n\
         [consumer.on_message.m]\ncall = { action = \"who\", ok = { user = \"result.body\", reply = \"'set'\" } }\n");
    let long = "x".repeat(255);
    let answer = |body: &Json| {
        let reaction = on(&consumer, &Context::default(), Incoming::Text(r#"{"type":"m"}"#));
        consumer.resume(&Context::default(), then(&reaction), answer(200, body.clone()))
    };
    let admit = |body: &Json| consumer.admit(&Context { claims: value(body.clone()), ..Context::default() });
    for user in [
        json!({"id": 7}),
        json!({"id": -7}),
        json!({"id": u64::MAX}),
        json!({"id": "a b"}),
        json!({"id": long}),
        json!({"id": null}),
        json!({"name": "somebody"}),
        json!({}),
    ] {
        assert_eq!(admit(&user).problem, None, "{user}");
        assert_eq!(answer(&user).effects.len(), 2, "{user}");
    }
    for (id, reason) in [
        ("1.5".to_owned(), "is a number, not text or an integer of at most 64 bits"),
        ("7.0".to_owned(), "is a number"),
        ("18446744073709551616".to_owned(), "is a number"),
        ("true".to_owned(), "is a boolean"),
        ("[7]".to_owned(), "is a list"),
        ("{\"id\": 7}".to_owned(), "is an object"),
        ("\"\"".to_owned(), "is empty"),
        (format!("\"{long}x\""), "has more than 255 bytes"),
        (format!("\"{}\"", "я".repeat(128)), "has more than 255 bytes"),
        (r#""a\u0000b""#.to_owned(), "has a control character"),
        (r#""a\nb""#.to_owned(), "has a control character"),
    ] {
        let user: Json = serde_json::from_str(&format!("{{\"id\": {id}}}")).unwrap();
        for reaction in [admit(&user), answer(&user)] {
            let problem = reaction.problem.map(|problem| problem.to_string()).unwrap_or_default();
            assert!(problem.contains("the user's id") && problem.contains(reason), "{id}: {problem}");
            assert_eq!(reaction.effects, [], "{id}");
        }
    }
}
