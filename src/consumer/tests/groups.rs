//! Names of groups: which are given, and which are refused, at start or at run time.

use super::{
    setup::{SOCKETIO, names, person, refused},
    *,
};

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
fn a_prefix_makes_names_of_the_items_of_a_list() {
    let named = |consumer: &str, context: serde_json::Value| {
        let (query, claims) = (value(context["query"].clone()), value(context["claims"].clone()));
        names(&one(consumer), &Context { query, claims, ..Context::default() })
    };
    let orders = "groups = [\"{{ query.orders.split(',') | prefix('order_') }}\"]\n";
    let chosen = |orders: &str, rest: &str| named(orders, json!({"query": {"orders": rest}}));
    let allowed = format!("allow = \"order_<int>\"\n{orders}");
    assert_eq!(chosen(&allowed, "1,007").unwrap(), ["order_1", "order_007"]);
    for bad in ["1,x", " 1", "1,user_7"] {
        assert!(matches!(chosen(&allowed, bad), Err(GroupError::NotAllowed(_))), "{bad}");
    }
    for empty in ["", "1,,2", "1,"] {
        let error = chosen(&allowed, empty).unwrap_err();
        assert!(matches!(&error, GroupError::Value(reason) if reason.contains("is not empty")), "{empty}: {error}");
    }
    assert!(refused(&format!("[[consumer]]\npath = \"/\"\n{orders}")).contains("allow"));
    let teams = "auth = [\"jwt\"]\ngroups = [\"{{ claims.teams | prefix('team_') }}\"]\n";
    let of_token = |teams_of: serde_json::Value| named(teams, json!({"claims": {"teams": teams_of}}));
    assert_eq!(of_token(json!([7, "a b"])).unwrap(), ["team_7", "team_a-x20b"]);
    assert_eq!(of_token(json!([])).unwrap(), [""; 0]);
    for bad in [json!("7"), json!(7), json!([[7]]), json!([null]), json!([1.5]), json!([true])] {
        assert!(matches!(of_token(bad.clone()), Err(GroupError::Value(_))), "{bad}");
    }
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
fn a_tenant_is_told_by_its_host() {
    let shop =
        one("auth = ['anonymous']\ngroups = [\"tenant_{{ host }}\"]\n[consumer.on_connect]\nreply = \"[host]\"\n");
    assert!(shop.reads_host());
    let of = |host: &str| Context { host: host.into(), ..Context::default() };
    assert_eq!(names(&shop, &of("acme.example.com")).unwrap(), ["tenant_acme.example.com"]);
    assert!(names(&shop, &of("")).is_err(), "a client without a host is refused");
    assert_eq!(replies(&shop.on_connect(&of("acme.example.com"))), [r#"["acme.example.com"]"#]);
    assert_eq!(replies(&shop.on_connect(&of(""))), ["[null]"]);
    let kept = |consumer: &Consumer| consumer.keep(of("acme.example.com")).map(|context| context.host.to_string());
    assert_eq!(kept(&shop).as_deref(), Some("acme.example.com"));
    let other = one("groups = [\"tenant_{{ host }}\"]\n[consumer.on_connect]\nreply = \"query\"\n");
    assert_eq!(kept(&other).as_deref(), Some(""), "only the groups read it, so it is not kept");
    assert!(!one("groups = [\"g\"]\n").reads_host());
}

#[test]
fn a_host_is_a_value_that_a_client_chooses() {
    let error = |groups: &str| {
        let text = format!("[[consumer]]\npath = \"/x/\"\ngroups = {groups}\n");
        let (config, errors) = load_text(Some((std::path::Path::new("t.toml"), &text)), &Environment::default());
        assert_eq!(errors, []);
        ConsumerSet::compile(&config).err().map(|errors| errors.to_string())
    };
    assert!(error("[\"{{ host }}_orders\"]").unwrap().contains("would let clients choose any"));
    assert!(error("[\"user_{{ host }}\", \"user_{{ user.id }}\"]").is_some(), "a client could choose another user's");
    assert_eq!(error("[\"tenant_{{ host }}\"]"), None);
}
