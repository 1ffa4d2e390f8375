//! Names of groups: which are given, which are refused at start or at run time, and that two never collide.

use proptest::prelude::*;

use super::*;
use crate::{config::ConfigErrors, consumer::expression::scope::Scope, event::EmissionTarget};

fn compiled(text: &str) -> Result<ConsumerSet, ConfigErrors> {
    let (config, errors) = load_text(Some((std::path::Path::new("test.toml"), text)), &Environment::default());
    assert_eq!(errors, []);
    ConsumerSet::compile(&config)
}

pub(super) fn refused(text: &str) -> String {
    compiled(text).map(|_| text).unwrap_err().to_string()
}

fn person(claims: Json) -> Context {
    let id = claims["id"].clone();
    Context { user: value(json!({"id": id})), claims: value(claims), ..Context::default() }
}

fn names(consumer: &Consumer, context: &Context) -> Result<Vec<String>, GroupError> {
    consumer.groups(context).map(|names| names.iter().map(ToString::to_string).collect())
}

fn joined(consumer: &Consumer, args: Json) -> Reaction {
    let Value::List(args) = value(args) else { panic!() };
    let args = Arc::new(Value::List(args));
    on(consumer, &Context::default(), Incoming::Event { name: "join", args: &args, ack: None })
}

fn group_of(reaction: &Reaction) -> Option<String> {
    match reaction.effects.as_slice() {
        [Effect::Join { groups, .. }] => Some(groups[0].to_string()),
        _ => None,
    }
}

pub(super) const SOCKETIO: &str = "protocol = \"socket.io\"\nauth = [\"jwt\"]\n";

#[test]
fn two_values_never_give_one_group() {
    let consumer =
        one("auth = [\"jwt\"]\ngroups = [\"user_{{ user.id }}\", \"{{ claims.tenant }}\", \"{{ claims.teams }}\"]\n");
    for (tenant, group) in [("tenant:1", "tenant-x3a1"), ("tenant/1", "tenant-x2f1"), ("acme", "acme")] {
        let context = person(json!({"id": "bob+smith@x", "tenant": tenant, "teams": ["a b", "c"]}));
        assert_eq!(names(&consumer, &context).unwrap(), ["user_bob-x2bsmith-x40x", group, "a-x20b", "c"]);
    }
    // A whole name must not be the name of another template.
    let context = person(json!({"id": 7, "tenant": "user_9", "teams": []}));
    assert!(matches!(names(&consumer, &context), Err(GroupError::Ambiguous(_))));
}

#[test]
fn a_hash_has_a_known_shape_and_is_still_the_clients_choice() {
    let with = |groups: &str| format!("[[consumer]]\npath = \"/a/\"\nauth = [\"jwt\"]\ngroups = [{groups}]\n");
    for chosen in ["query.x | sha256", "(query.x ~ user.id) | md5", "route.x | lower | sha1"] {
        let groups = format!("\"{{{{ {chosen} }}}}\"");
        let text = with(&groups).replace("/a/", "/a/<x>/");
        assert!(refused(&text).contains("begin it with text"), "{chosen}");
    }
    assert!(refused(&with("\"a_{{ query.x | sha256 }}\", \"a_bad{{ user.id }}\"")).contains("goes on where"));
    let consumer = one(
        "auth = [\"jwt\"]\ngroups = [\"a_{{ query.x | md5 }}\", \"a_room{{ user.id }}\", \"{{ user.id | md5 }}\"]\n",
    );
    let context = Context { query: value(json!({"x": "1"})), ..person(json!({"id": 7})) };
    let md5 = ["a_c4ca4238a0b923820dcc509a6f75849b", "a_room7", "8f14e45fceea167a5a36dedd4bea2543"];
    assert_eq!(names(&consumer, &context).unwrap(), md5);
}

#[test]
fn text_within_an_expression_of_whole_names_is_reserved() {
    let consumer = one("auth = [\"jwt\"]\ngroups = [\"staff\", \"role_{{ user.id }}_x\", \"{{ claims.tenant }}\", \
         \"{{ ['role_' ~ claims.role, 'staff'] if claims.role else [] }}\"]\n");
    let named = |tenant: &str, role: &str| names(&consumer, &person(json!({"id": 7, "tenant": tenant, "role": role})));
    assert_eq!(named("t", "a").unwrap(), ["staff", "role_7_x", "t", "role_a"]);
    assert_eq!(named("t", "a b").unwrap(), ["staff", "role_7_x", "t", "role_a-x20b"]);
    for (tenant, role) in [("staff", "a"), ("role_a", "a"), ("t", "7_x"), ("t", "a_x")] {
        assert!(matches!(named(tenant, role), Err(GroupError::Ambiguous(_))), "{tenant} {role}");
    }
}

#[test]
fn a_value_that_contains_text_of_a_name_is_refused() {
    let consumer = one("auth = [\"jwt\"]\ngroups = [\"user_{{ user.id }}\", \"user_{{ user.id }}_notifications\"]\n");
    assert_eq!(names(&consumer, &person(json!({"id": "a_b"}))).unwrap(), ["user_a_b", "user_a_b_notifications"]);
    for id in ["7_notifications", "_notifications", "a_notifications_b", "7_notifications_notifications"] {
        assert!(matches!(names(&consumer, &person(json!({"id": id}))), Err(GroupError::Ambiguous(_))), "{id}");
    }
    let consumer = one(
        "auth = [\"jwt\"]\ngroups = [\"user_all\", \"user_{{ user.id }}\", \"chat_{{ claims.a }}_{{ claims.b }}\"]\n",
    );
    let named = |id: &str, a: &str, b: &str| names(&consumer, &person(json!({"id": id, "a": a, "b": b})));
    assert_eq!(named("7", "1", "2").unwrap(), ["user_all", "user_7", "chat_1_2"]);
    for (id, a, b) in [("all", "1", "2"), ("7", "1_2", "3"), ("7", "1", "2_3"), ("7", "1_", "3")] {
        assert!(matches!(named(id, a, b), Err(GroupError::Ambiguous(_))), "{id} {a} {b}");
    }
}

#[test]
fn a_name_that_is_only_sent_to_is_not_reserved() {
    let step = "[consumer.on_message.m]\nto_role = { to = \"admin\", event = \"e\" }\nroom = { to = \"user_8\", event = \"e\" }\n";
    let groups = "groups = [\"user_{{ user.id }}\", \"role_{{ claims.role }}\"]\n";
    let consumer = one(&format!("{SOCKETIO}{groups}{step}"));
    assert_eq!(names(&consumer, &person(json!({"id": 8, "role": "admin"}))).unwrap(), ["user_8", "role_admin"]);
    let joins = "[consumer.on_message.m]\njoin = \"role_admin\"\n";
    let consumer = one(&format!("{SOCKETIO}{groups}{joins}"));
    let admin = names(&consumer, &person(json!({"id": 8, "role": "admin"})));
    assert!(matches!(admin, Err(GroupError::Ambiguous(_))));
}

#[test]
fn a_path_parameter_has_only_the_values_it_matches() {
    let set = set("[[consumer]]\npath = \"/<int:id>/<slug:s>/\"\ngroups = [\"chat_{{ route.id }}_{{ route.s }}\"]\n");
    let (consumer, route) = set.route("/7/a_b/").unwrap();
    assert_eq!(names(consumer, &Context { route, ..Context::default() }).unwrap(), ["chat_7_a_b"]);
}

#[test]
fn a_name_that_is_too_long_when_encoded_is_refused() {
    let consumer = one("auth = [\"jwt\"]\ngroups = [\"user_{{ user.id }}\"]\n");
    for id in ["x".repeat(95), "я".repeat(20)] {
        let error = names(&consumer, &person(json!({"id": id}))).unwrap_err();
        assert!(error.to_string().contains("shorter than 100 characters"), "{error}");
    }
}

#[test]
fn a_client_names_only_groups_that_allow_permits() {
    let consumer = one("groups = [\"{{ query.orders.split(',') }}\"]\nallow = [\"order_<int>\", \"dm_<str>\"]\n");
    let named = |orders: &str| {
        let query = value(json!({"orders": orders}));
        names(&consumer, &Context { query, ..Context::default() })
    };
    assert_eq!(named("order_1,order_007,dm_a b").unwrap(), ["order_1", "order_007", "dm_a-x20b"]);
    for bad in ["user_9", "order_1,user_9", "order_x", "order_1x", " order_1", "Order_1"] {
        assert!(matches!(named(bad), Err(GroupError::NotAllowed(_))), "{bad}");
    }
    for empty in ["", "order_1,"] {
        assert!(matches!(named(empty), Err(GroupError::Value(_))), "{empty}");
    }
    assert!(refused("[[consumer]]\npath = \"/\"\ngroups = [\"a\"]\nallow = \"b\"\n").contains("no group here"));
}

#[test]
fn a_client_chooses_at_most_max_rooms_groups_at_its_handshake() {
    let consumer = one("auth = [\"jwt\"]\nmax_rooms = 3\nallow = \"order_<int>\"\n\
         groups = [\"all\", \"{{ claims.teams }}\", \"{{ query.orders.split(',') }}\", \"{{ query.more }}\"]\n");
    let named = |orders: Vec<String>, more: &str| {
        let context = Context {
            claims: value(json!({"teams": ["a", "b", "c", "d"]})),
            query: value(json!({"orders": orders.join(","), "more": more})),
            ..Context::default()
        };
        names(&consumer, &context)
    };
    let orders = |most: u32| (1..=most).map(|id| format!("order_{id}")).collect::<Vec<_>>();
    // What the token names does not count, and a group that is named twice counts once.
    assert_eq!(named(orders(3), "order_3").unwrap().len(), 8);
    assert_eq!(named(["order_1"].repeat(50).iter().map(ToString::to_string).collect(), "order_2").unwrap().len(), 7);
    for (orders, more) in [(orders(4), "order_4"), (orders(3), "order_4"), (orders(4000), "order_1")] {
        let error = named(orders, more).unwrap_err();
        assert_eq!(error, GroupError::TooMany(3));
        assert!(error.to_string().contains("at most 3 groups") && error.to_string().contains("max_rooms"), "{error}");
    }
    // The first beyond the limit ends it: what follows is not read.
    let beyond = [orders(4), vec!["user_9".to_owned()]].concat();
    assert_eq!(named(beyond, "order_1").unwrap_err(), GroupError::TooMany(3));
}

#[test]
fn one_message_is_sent_to_at_most_max_rooms_rooms_that_a_client_chooses() {
    let consumer = one(&format!(
        "{SOCKETIO}max_rooms = 3\n[consumer.on_message.join]\nallow = \"order_<int>\"\n\
         room = {{ to = \"{{{{ args }}}}\", event = \"e\" }}\n"
    ));
    let sent = joined(&consumer, json!(["order_1", "order_2", "order_3", "order_1"]));
    assert!(matches!(sent.effects.as_slice(), [Effect::Emit { groups, .. }] if groups.len() == 3), "{sent:?}");
    let reaction = joined(&consumer, json!(["order_1", "order_2", "order_3", "order_4", "user_7"]));
    assert_eq!(reaction.effects, []);
    assert!(matches!(reaction.problem, Some(MessageProblem::Room(reason)) if reason.contains("at most 3 groups")));
    assert_eq!(joined(&consumer, json!(["order_1", "user_7"])).problem, Some(MessageProblem::Denied));
}

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

#[test]
fn a_room_is_matched_by_the_pattern_with_the_most_text() {
    let consumer = one(&format!(
        "{SOCKETIO}[consumer.on_message.join]\njoin = \"{{{{ args[0] }}}}\"\nallow = [\"dm:<str>\", \"order_<int>\"]\n\
         [consumer.on_message.leave]\nleave = \"{{{{ args[0] }}}}\"\n[consumer.on_message.staff]\njoin = \"dm:{{{{ user.id }}}}:staff\"\n"
    ));
    for (room, group) in
        [("dm:анна", "dm.-xd0-xb0-xd0-xbd-xd0-xbd-xd0-xb0"), ("dm:a:b", "dm.a-x3ab"), ("order_007", "order_007")]
    {
        assert_eq!(group_of(&joined(&consumer, json!([room]))).as_deref(), Some(group));
        let args = Arc::new(value(json!([room])));
        let left = on(&consumer, &Context::default(), Incoming::Event { name: "leave", args: &args, ack: None });
        assert_eq!(left.effects, [Effect::Leave(vec![GroupName::new(group).unwrap()])]);
    }
    assert_eq!(joined(&consumer, json!(["dm"])).problem, Some(MessageProblem::Denied));
    // It would be `dm.7.staff`.
    assert!(matches!(joined(&consumer, json!(["dm:7.staff"])).problem, Some(MessageProblem::Room(_))));
}

#[test]
fn an_emitters_room_is_matched_by_the_templates_of_its_namespace() {
    let text = format!(
        "[[consumer]]\nname = \"a\"\npath = \"/\"\n{SOCKETIO}groups = [\"user_{{{{ user.id }}}}\"]\n\
         [consumer.on_message.join]\njoin = \"{{{{ args[0] }}}}\"\nallow = \"dm:<str>\"\n\
         [[consumer]]\nname = \"b\"\npath = \"/\"\n{SOCKETIO}\
         [consumer.on_message.join]\njoin = \"session:{{{{ args[0] }}}}:x\"\n\
         [[consumer]]\nname = \"c\"\npath = \"/\"\nnamespace = \"/c\"\n{SOCKETIO}groups = [\"{{{{ claims.tenant }}}}\"]\n"
    );
    let consumers = Consumers::new(set(&text));
    let known = consumers.now();
    let group = |namespace: &str, room: &str| {
        known.group(&EmissionTarget::Namespace(namespace.into()), room).unwrap().as_str().to_owned()
    };
    for (room, expected) in [
        ("user_7", "user_7"),
        ("user_a:b", "user_a-x3ab"),
        ("user_a-x2b", "user_a-x2dx2b"),
        ("dm:a:b", "dm.a-x3ab"),
        ("session:a b:x", "session.a-x20b.x"),
        ("other:7", "other.7"),
        ("other:a b", "other.a-x20b"),
    ] {
        assert_eq!(group("/", room), expected);
    }
    assert_eq!(group("/c", "tenant:1"), "tenant-x3a1");
    // Rooms in emissions of consumers are groups already.
    assert_eq!(known.group(&EmissionTarget::Consumer("a".into()), "user_a-x2b").unwrap().as_str(), "user_a-x2b");
    assert!(known.group(&EmissionTarget::Namespace("/".into()), &"я".repeat(20)).is_err());
}

#[test]
fn a_source_names_whole_groups_or_encodes_a_value() {
    let group = |template: &str, body: Json| {
        let groups = SourceGroup::compile(template).unwrap().groups("c", &Arc::new(value(body)));
        groups.map(|groups| groups.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(group("{{ event.group }}", json!({"group": "user_a-x2b"})).unwrap(), ["user_a-x2b"]);
    assert_eq!(group("{{ event.group }}", json!({"group": "session:7"})).unwrap(), ["session.7"]);
    assert_eq!(group("user_{{ event.id }}", json!({"id": "a:b"})).unwrap(), ["user_a-x3ab"]);
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
