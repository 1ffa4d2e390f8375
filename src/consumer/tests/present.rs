//! `present()` in handlers: an operation that lacks the members is repeated with them, and nothing of it happens before.

use super::{
    setup::{ann, effects, refused},
    *,
};

const CHAT: &str = "auth = ['jwt']\npresence = { member = 'user.id', room = 'r{{ user.id }}' }\nmax_items = 5\n";

fn listing(ids: &[i64]) -> Arc<Value> {
    let members: Vec<Json> = ids.iter().map(|id| json!({"member": id.to_string(), "user": {"id": id}})).collect();
    Arc::new(value(json!({"members": members, "count": ids.len(), "complete": true})))
}

/// The effects of a message, with the listings that its handler asks for.
fn run(chat: &Consumer, message: &str, members: &[i64]) -> Vec<String> {
    let mut reaction = on(chat, &ann(), Incoming::Text(message));
    let mut all = Vec::new();
    loop {
        let mut seen = effects(&reaction);
        let last = reaction.effects.pop();
        all.append(&mut seen);
        all.extend(reaction.problem.as_ref().map(|problem| format!("! {problem}")));
        let Some(Effect::Present { room, then }) = last else { return all };
        reaction = chat.resume(&ann(), &then, Outcome::Present(room, listing(members)));
    }
}

#[test]
fn what_a_handler_did_before_happens_once_and_the_asking_operation_once() {
    let chat = one(&format!(
        "{CHAT}[[consumer.on_message.who]]\nreply = \"'before'\"\n[[consumer.on_message.who]]\n\
         reply = [\"'one'\", \"[present().count, present('rb').count]\", \"present('rb').members | map(attribute='user.id') | list\"]\n"
    ));
    let seen = run(&chat, r#"{"type": "who"}"#, &[3, 5]);
    assert_eq!(seen.iter().filter(|one| **one == r#""before""#).count(), 1, "{seen:?}");
    assert_eq!(seen.iter().filter(|one| **one == r#""one""#).count(), 1, "{seen:?}");
    let asked = seen.iter().filter(|one| one.starts_with("present")).count();
    assert_eq!(asked, 2, "what is known is not asked for again: {seen:?}");
    assert_eq!(seen[seen.len() - 1], "[3,5]");
    assert!(seen.contains(&"[2,2]".to_owned()), "{seen:?}");
}

#[test]
fn the_items_of_a_step_are_not_sent_twice() {
    let chat = one(&format!(
        "{CHAT}[consumer.on_message.each]\neach = \"message.items\"\nreply = \"[item, present().count]\"\n"
    ));
    assert_eq!(run(&chat, r#"{"type": "each", "items": [1, 2]}"#, &[9]), ["present here", "[1,1]", "[2,1]"]);
}

#[test]
fn a_test_that_lacks_the_members_is_not_false() {
    let chat = one(&format!(
        "{CHAT}[consumer.on_message.few]\nrequire = \"present().count < 3\"\ndenied = \"'full'\"\nreply = \"'welcome'\"\n"
    ));
    assert_eq!(run(&chat, r#"{"type": "few"}"#, &[1, 2]), ["present here", r#""welcome""#]);
    assert_eq!(run(&chat, r#"{"type": "few"}"#, &[1, 2, 3])[1], r#""full""#);
}

#[test]
fn a_step_asks_for_few_rooms() {
    let chat = one(&format!(
        "{CHAT}[consumer.on_message.all]\nreply = \"[{}]\"\n",
        (0..20).map(|room| format!("present('r{room}').count")).collect::<Vec<_>>().join(", ")
    ));
    let seen = run(&chat, r#"{"type": "all"}"#, &[]);
    assert_eq!(seen.len(), 17);
    assert!(seen[16].contains("more than 16 rooms"), "{seen:?}");
}

#[test]
fn a_room_is_named_as_its_members_are_counted() {
    let socketio = one(
        "protocol = 'socket.io'\nauth = ['jwt']\npresence = { member = 'user.id', room = 'team:{{ user.name }}' }\n\
                        [consumer.on_message.who]\nack = \"present('team:' ~ user.name).count\"\n",
    );
    let counted = socketio.presence_room(&ann()).flatten().unwrap();
    assert_eq!((counted.as_str(), socketio.room_asked("team:Ann")), ("team.Ann", Some(counted.clone())));
    assert_eq!(socketio.room_asked("team:Zoë").unwrap().as_str(), "team.Zo-xc3-xab");
    let plain = one(&format!("{CHAT}[consumer.on_message.who]\nreply = \"present('r').count\"\n"));
    for (room, group) in [("room_7", "room_7"), ("room_-xc3", "room_-xc3"), ("a b", "a-x20b")] {
        assert_eq!(plain.room_asked(room).unwrap().as_str(), group);
    }
}

#[test]
fn a_room_without_a_name_fails_the_handler() {
    let chat = one(&format!(
        "{CHAT}[consumer.on_message.who]\nreply = \"present(user.name | replace(user.name, '')).count\"\n"
    ));
    let seen = run(&chat, r#"{"type": "who"}"#, &[]);
    assert!(seen[0].ends_with("present(): \"\" is not a group name: a group name must not be empty"), "{seen:?}");
}

#[test]
fn what_present_gives_is_not_mistaken_for_a_list() {
    for (source, wanted) in [
        ("present() | length", "present() is an object, not a list; write `present().count` instead of `| length`"),
        ("present", "present is a function; write `present()`"),
        ("present.count", "present is a function; write `present()`"),
    ] {
        let errors =
            refused(&format!("[[consumer]]\npath = '/x/'\n{CHAT}[consumer.on_message.who]\nreply = \"{source}\"\n"));
        assert!(errors.contains(wanted), "{source}: {errors}");
    }
    let room = refused(
        "[[consumer]]\npath = '/x/'\nauth = ['jwt']\npresence = { member = 'user.id', room = '{{ claims.rooms }}' }\n",
    );
    assert!(room.contains("presence.room: must begin with text"), "{room}");
}
