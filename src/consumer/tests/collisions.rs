//! Two values, users or rooms never have one group: what could give one name is refused, at start or at run time.

use proptest::prelude::*;

use super::{
    setup::{SOCKETIO, compiled, group_of, joined, names, person, refused},
    *,
};
use crate::consumer::expression::{Root, Scope, Var};

/// Two consumers of any protocol, with different users.
fn two(first: &str, second: &str) -> String {
    format!(
        "[[consumer]]\nname = \"a\"\npath = \"/a/\"\nauth = [\"jwt\"]\n{first}\n\
         [[consumer]]\nname = \"b\"\npath = \"/b/\"\nauth = [\"jwt\"]\n{second}\n"
    )
}

const USER: &str = "groups = [\"user_{{ user.id }}\"]";
const NOTIFICATIONS: &str = "groups = [\"user_{{ user.id }}_notifications\"]";

#[test]
fn a_name_that_another_consumer_gives_is_refused() {
    let socketio = |path: &str, groups: &str| format!("namespace = \"{path}\"\nprotocol = \"socket.io\"\n{groups}");
    for (first, second) in [
        (USER.to_owned(), NOTIFICATIONS.to_owned()),
        (USER.to_owned(), socketio("/", NOTIFICATIONS)),
        (socketio("/", USER), NOTIFICATIONS.to_owned()),
        (socketio("/a", USER), socketio("/b", NOTIFICATIONS)),
    ] {
        for text in [two(&first, &second), two(&second, &first)] {
            let set = set(&text);
            let template = "user_{{ user.id }}";
            let consumer = set.iter().find(|consumer| consumer.spec().groups[0] == template).unwrap();
            assert_eq!(names(consumer, &person(json!({"id": "7"}))).unwrap(), ["user_7"]);
            let refused = names(consumer, &person(json!({"id": "7_notifications"})));
            assert!(matches!(refused, Err(GroupError::Ambiguous(_))), "{text}: {refused:?}");
        }
    }
    // A whole name, a name in full, the text of an expression, and a pattern.
    for (first, second, claims) in [
        ("groups = [\"{{ claims.x }}\"]", USER, json!({"id": 8, "x": "user_7"})),
        ("groups = [\"role_{{ claims.x }}\"]", "groups = [\"role_admin\"]", json!({"x": "admin"})),
        (
            "groups = [\"role_{{ claims.x }}\"]",
            "groups = [\"{{ ['role_admin'] if user.staff else [] }}\"]",
            json!({"x": "admin"}),
        ),
        (
            "groups = [\"team_{{ claims.x }}\"]",
            "groups = [\"{{ query.team }}\"]\nallow = \"team_<int>_admins\"",
            json!({"x": "7_admins"}),
        ),
    ] {
        let set = set(&two(first, second));
        let refused = names(set.iter().next().unwrap(), &person(claims));
        assert!(matches!(refused, Err(GroupError::Ambiguous(_))), "{first} {second}: {refused:?}");
    }
}

#[test]
fn a_client_cannot_continue_to_the_name_of_an_identity_of_another_consumer() {
    let free = "groups = [\"u{{ query.x }}\"]";
    for (text, key) in [(two(free, USER), "consumer[0].groups[0]"), (two(USER, free), "consumer[1].groups[0]")] {
        let error = refused(&text);
        assert!(error.contains(key) && error.contains("user_{{ user.id }}") && error.contains("allow"), "{error}");
    }
    assert!(compiled(&two("groups = [\"user_{{ query.x }}\"]", USER)).is_ok());
    assert!(compiled(&two("groups = [\"order_{{ query.x }}\"]", USER)).is_ok());
}

#[test]
fn a_reload_compares_with_the_new_consumers() {
    let set_of = |set: &ConsumerSet, text: &str| {
        let (config, errors) = load_text(Some((std::path::Path::new("t.toml"), text)), &Environment::default());
        assert_eq!(errors, []);
        set.followed_by(&config).unwrap()
    };
    let alone = two(USER, "groups = [\"other\"]");
    let both = two(USER, NOTIFICATIONS);
    let first = set_of(&ConsumerSet::default(), &alone);
    let user = |set: &ConsumerSet| set.iter().next().unwrap().clone();
    let bad = person(json!({"id": "7_notifications"}));
    assert_eq!(names(&user(&first), &bad).unwrap(), ["user_7_notifications"]);
    let second = set_of(&first, &both);
    assert!(matches!(names(&user(&second), &bad), Err(GroupError::Ambiguous(_))));
    assert_ne!(user(&first).id(), user(&second).id());
    // A change elsewhere that is no rival leaves it as it is.
    let third = set_of(&second, &format!("{both}[[consumer]]\npath = \"/c/\"\ngroups = [\"news\"]\n"));
    assert!(Arc::ptr_eq(&user(&second), &user(&third)));
    let fourth = set_of(&third, &alone);
    assert_eq!(names(&user(&fourth), &bad).unwrap(), ["user_7_notifications"]);
}

#[test]
fn a_consumer_with_new_rival_rooms_gets_a_new_id() {
    let own = format!("[[consumer]]\nname = \"a\"\npath = \"/\"\n{SOCKETIO}groups = [\"user_{{{{ user.id }}}}\"]\n");
    let other =
        format!("[[consumer]]\nname = \"b\"\npath = \"/\"\n{SOCKETIO}groups = [\"user_{{{{ user.id }}}}_x\"]\n");
    let alone = set(&own);
    let (config, _) =
        load_text(Some((std::path::Path::new("t.toml"), &format!("{own}{other}"))), &Environment::default());
    let both = alone.followed_by(&config).unwrap();
    assert_ne!(alone.iter().next().unwrap().id(), both.iter().next().unwrap().id());
    let again = both.followed_by(&config).unwrap();
    assert!(both.iter().zip(again.iter()).all(|(one, other)| one.id() == other.id()));
}

#[test]
fn a_beginning_that_a_client_chooses_is_refused_at_start() {
    let free = |head: &str, group: &str| {
        let mine = "\"user_{{ user.id }}\"";
        compiled(&format!(
            "[[consumer]]\npath = \"/<name>/\"\nauth = [\"jwt\"]\n{head}groups = [{mine}, \"{group}\"]\n"
        ))
    };
    for group in [
        "{{ query.orders.split(',') }}",
        "{{ query.room }}_events",
        "{{ route.name }}",
        "{{ 'user_' ~ query.id if query.id else 'x' }}",
        "{{ vars.unset }}",
        "{{ vars['unset'] }}",
        "{{ vars }}",
        "user{{ query.suffix }}",
    ] {
        let error = free("", group).map(|_| group).unwrap_err().to_string();
        assert!(error.contains("consumer[0].groups[1]") && error.contains("allow"), "{group}: {error}");
    }
    for group in ["{{ claims.tenant }}", "user_{{ query.id }}", "users_{{ query.id }}", "u{{ claims.x }}"] {
        assert!(free("", group).is_ok(), "{group}");
    }
    let admit = |set: &str| free(&format!("on_admit = {{ set = {set} }}\n"), "{{ vars.room }}").is_ok();
    assert!(admit("{ room = \"claims.room\" }"));
    assert!(admit("{ room = \"vars.other\", other = \"user.room\" }"));
    assert!(!admit("{ room = \"query.room\" }"));
    assert!(!admit("{ room = \"vars.other\", other = \"[query.room]\" }"));
}

#[test]
fn an_acknowledgement_is_data_chosen_by_the_client() {
    let head = format!("[[consumer]]\npath = \"/\"\n{SOCKETIO}");
    let text = format!(
        "{head}[consumer.on_connect]\nreply = {{ event = \"e\", expect = {{ ok = [{{ join = \"{{{{ result.args[0] }}}}\" }}, \
         {{ call = {{ action = \"a\", ok = {{ join = \"{{{{ result.body.room }}}}\" }} }} }}, \
         {{ set = {{ v = \"result.args[0]\" }}, join = \"{{{{ vars.v }}}}\" }}] }} }}\n"
    );
    let error = refused(&text);
    assert_eq!(error.lines().count(), 2, "{error}");
    assert!(error.contains("expect.ok[0].join") && error.contains("expect.ok[2].join"), "{error}");
}

#[test]
fn forms_that_can_collide_are_refused_at_start() {
    let step = |name: &str, body: &str| format!("[consumer.on_message.{name}]\n{body}\n");
    let head = format!("[[consumer]]\npath = \"/\"\n{SOCKETIO}");
    let any = "join = \"{{ args[0] }}\"\n";
    for patterns in [
        ["session:<int>", "session.<int>"],
        ["team_<str>", "team_<int>_admins"],
        ["room_<str>", "room_lobby"],
        ["a:b", "a.b"],
    ] {
        let text = format!("{head}{}", step("j", &format!("{any}allow = {}", json!(patterns))));
        assert!(patterns.iter().all(|pattern| refused(&text).contains(&format!("{pattern:?}"))), "{patterns:?}");
        let allow = patterns.map(|pattern| format!("{any}allow = \"{pattern}\""));
        refused(&format!("{head}{}{}", step("a", &allow[0]), step("b", &allow[1])));
        // In another namespace they are other rooms.
        let other = head.replace("protocol", "namespace = \"/b\"\nprotocol");
        let apart = compiled(&format!("{head}{}{other}{}", step("a", &allow[0]), step("b", &allow[1])));
        assert!(apart.is_ok(), "{patterns:?}: {apart:?}");
        let same = head.replace("protocol", "name = \"b\"\nprotocol");
        refused(&format!("{head}{}{same}{}", step("a", &allow[0]), step("b", &allow[1])));
    }
    for rooms in [["s:{{ args[0] }}", "s.{{ args[0] }}"], ["lobby:1", "lobby.1"]] {
        let steps = [step("a", &format!("join = \"{}\"", rooms[0])), step("b", &format!("join = \"{}\"", rooms[1]))];
        assert!(refused(&format!("{head}{}", steps.concat())).contains("the same groups"), "{rooms:?}");
    }
    let same = step("a", &format!("{any}allow = \"a_<int>\""))
        + &step("b", "room = { to = \"a_{{ args[0] }}\", event = \"e\" }");
    assert!(compiled(&format!("{head}{same}")).is_ok());
    let spaces = format!("{head}namespace = \"/a/b\"\n{head}namespace = \"/a.b\"\n");
    assert!(refused(&spaces).contains("consumer[1].namespace"));
    assert!(refused(&format!("{head}groups = [\"{{{{ user.id }}}}{{{{ user.x }}}}\"]\n")).contains("side by side"));
}

/// Pieces that can collide: separators, beginnings of codes, characters that are encoded.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "_", "-", "x2b", "+", ".", "b", "2", "_a", "-x2b"])
}

fn tricky() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 1..5).prop_map(|pieces| pieces.concat())
}

/// A template over `claims.p` and `claims.q`, and how many of them it uses.
fn template() -> impl Strategy<Value = (String, usize)> {
    let text = || prop::sample::select(vec!["a", "_", "a_", "_a", "-", "x2b", "a-x2b", ".", "_a_"]);
    (text(), 0..3_usize, text(), prop::option::of(text())).prop_map(|(first, values, between, last)| {
        let last = if values == 0 { "" } else { last.unwrap_or_default() };
        let value = ["{{ claims.p }}".to_owned(), format!("{between}{{{{ claims.q }}}}")][..values].concat();
        (format!("{first}{value}{last}"), values)
    })
}

proptest! {
    #[test]
    fn two_templates_with_values_never_give_one_group(
        templates in prop::collection::vec(template(), 2..5),
        values in prop::collection::vec((tricky(), tricky()), 6),
    ) {
        let sources = json!(templates.iter().map(|(source, _)| source).collect::<Vec<_>>());
        let consumer = one(&format!("auth = [\"jwt\"]\ngroups = {sources}\n"));
        let mut given: std::collections::HashMap<GroupName, (&str, Vec<&str>)> = std::collections::HashMap::new();
        for (p, q) in &values {
            let claims = Root::Data(Arc::new(value(json!({"p": p, "q": q})))).into_jinja();
            let scope = Scope::default().with(Var::Claims, claims).into_jinja();
            for ((source, used), compiled) in templates.iter().zip(&consumer.groups) {
                let Ok(names) = compiled.groups(&scope, &consumer.forms, None) else { continue };
                let values = [p.as_str(), q.as_str()][..*used].to_vec();
                let before = given.entry(names[0].clone()).or_insert((source, values.clone()));
                prop_assert_eq!(before, &(source.as_str(), values), "{}", names[0]);
            }
        }
    }

    #[test]
    fn a_single_valid_value_keeps_its_name(value_ in "[A-Za-z0-9_.]{1,20}") {
        let consumer = one("auth = [\"jwt\"]\ngroups = [\"user_{{ user.id }}\"]\n");
        prop_assert_eq!(names(&consumer, &person(json!({"id": value_}))).unwrap(), [format!("user_{value_}")]);
    }

    #[test]
    fn two_rooms_that_clients_name_are_never_one_group(
        patterns in prop::collection::vec(
            prop::sample::select(vec!["a:<str>", "a.<str>", "a_<str>", "a:<str>:<str>", "b_<int>", "b_<int>_<str>", "b:b", "a-<str>"]),
            1..4,
        ),
        rooms in prop::collection::vec((piece(), prop::sample::select(vec!["a:", "a_", "b_2", "a.", "b:", "a-"]), tricky(), prop::sample::select(vec![":", "_", ""]), tricky()), 12),
    ) {
        let text = format!(
            "[[consumer]]\npath = \"/\"\n{SOCKETIO}[consumer.on_message.join]\njoin = \"{{{{ args[0] }}}}\"\nallow = {}\n",
            json!(patterns)
        );
        let Ok(set) = compiled(&text) else { return Ok(()) };
        let consumer = set.iter().next().unwrap();
        let mut given = std::collections::HashMap::new();
        for (_, first, one, between, two) in &rooms {
            let room = format!("{first}{one}{between}{two}");
            if let Some(group) = group_of(&joined(consumer, json!([room]))) {
                let before = given.entry(group.clone()).or_insert_with(|| room.clone());
                prop_assert_eq!(&*before, &room, "{}", group);
            }
        }
    }
}
