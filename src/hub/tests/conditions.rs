//! Conditions that name the connection: who gets an event, in which order, and after which changes.

use super::{calls::Recorder, *};
use crate::{
    consumer::{Context, Selection, Traits},
    event::{Gap, GapReason},
};

/// What conditions compare of a user.
fn traits(node: &Node, consumer: ConsumerId, user: i64) -> Traits {
    named(node, consumer, user, user % 100)
}

/// The same of a user with this name.
fn named(node: &Node, consumer: ConsumerId, user: i64, name: i64) -> Traits {
    let user: Value = [("id", Value::from(user)), ("name", Value::from(name))].into_iter().collect();
    node.consumers.now().get(consumer).unwrap().traits(&Context { user, ..Context::default() }).unwrap()
}

/// Members of a consumer with these users, in group `a`.
async fn members(node: &Node, worker: &Worker, consumer: ConsumerId, users: &[i64]) -> Vec<Rc<Member>> {
    let mut members = Vec::new();
    for user in users {
        let member = worker.plain();
        member.set_traits(Some(traits(node, consumer, *user).with(None)));
        worker.join(&member, "a", consumer).await;
        members.push(member);
    }
    members
}

#[tokio::test]
async fn everybody_but_the_sender_gets_an_event() {
    let node = Node::new();
    let mut worker = node.worker();
    let members = members(&node, &worker, OTHERS, &[1, 2, 3]).await;
    node.event("a", 2);
    worker.turn();
    assert_eq!(members.iter().map(|member| got(member)).collect::<Vec<_>>(), [vec!["2"], vec![], vec!["2"]]);
    // Several at once: each member gets those that are for it, in order.
    for n in [1, 2, 3, 4] {
        node.event("a", n);
    }
    node.typed("a", "all", 2);
    worker.turn();
    let all: Vec<_> = members.iter().map(|member| got(member).join(" ")).collect();
    assert_eq!(all, ["2 2 3 4 2", "1 3 4 2", "2 1 2 4 2"]);
    assert_eq!((node.metrics.drops(DropReason::Mapping), worker.backlog()), (0, 0));
    assert_eq!(node.metrics.deliveries.get(), 14);
}

/// A sequence of numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

#[tokio::test]
async fn a_large_group_gets_what_each_of_its_members_would() {
    const USERS: usize = 40;
    let node = Node::new();
    let mut worker = node.worker();
    let mut numbers = Numbers(7);
    let users: Vec<i64> = (0..600).map(|n| n % USERS as i64).collect();
    // Each member with its user, and what it must have got.
    let mut all: Vec<_> = (members(&node, &worker, OTHERS, &users).await.into_iter().zip(users))
        .map(|(member, user)| (member, user, Vec::new()))
        .collect();
    for _ in 0..60 {
        for _ in 0..numbers.below(30) {
            let at = numbers.below(all.len());
            let user = i64::try_from(numbers.below(USERS)).unwrap();
            match numbers.below(3) {
                0 => {
                    worker.shard.change_traits(&all[at].0, traits(&node, OTHERS, user));
                    all[at].1 = user;
                }
                1 => {
                    let (member, _, expected) = all.swap_remove(at);
                    worker.shard.leave_all(&member);
                    assert_eq!(got(&member), expected);
                }
                _ => {
                    let member = members(&node, &worker, OTHERS, &[user]).await.remove(0);
                    all.push((member, user, Vec::new()));
                }
            }
        }
        // One event, or several at once.
        for _ in 0..=numbers.below(3) {
            let n = i64::try_from(numbers.below(USERS)).unwrap();
            let kind = if numbers.below(4) == 0 { "all" } else { "tick" };
            node.typed("a", kind, n);
            let gets = all.iter_mut().filter(|(_, user, _)| kind == "all" || *user != n);
            gets.for_each(|(_, _, expected)| expected.push(n.to_string()));
        }
        worker.accept();
        worker.shard.slice();
        // It joins after the events.
        let late = members(&node, &worker, OTHERS, &[1]).await.remove(0);
        worker.turn();
        all.push((late, 1, Vec::new()));
    }
    for (member, user, expected) in all {
        assert_eq!(got(&member), expected, "user {user}");
    }
    assert_eq!((node.metrics.drops(DropReason::Mapping), worker.backlog()), (0, 0));
}

#[tokio::test]
async fn no_member_of_a_large_group_is_asked_itself() {
    let node = Node::new();
    let mut worker = node.worker();
    let members = members(&node, &worker, OTHERS, &(0..600).collect::<Vec<_>>()).await;
    let before = Selection::asked();
    for n in 0..3 {
        node.event("a", n);
        worker.turn();
    }
    // Several at once, and those that get only some of them.
    for n in 0..3 {
        node.event("a", n);
    }
    node.typed("a", "all", 5);
    worker.turn();
    let all: Vec<_> = members.iter().take(4).map(|member| got(member).join(" ")).collect();
    assert_eq!(all, ["1 2 1 2 5", "0 2 0 2 5", "0 1 0 1 5", "0 1 2 0 1 2 5"]);
    assert_eq!(node.metrics.deliveries.get(), 3 * 599 + 3 * 599 + 600);
    // The three of which each gets three of the four: once for all, and once for each.
    let asked = Selection::asked() - before;
    assert!(asked <= 3 * 3 + 3 * 3, "{asked}");
    // An event for one member.
    node.typed("a", "to", 7);
    worker.turn();
    assert_eq!((got(&members[7]).last().map(String::as_str), got(&members[8]).len()), (Some("7"), 7));
    assert_eq!(Selection::asked() - before, asked);
}

#[tokio::test]
async fn members_of_a_large_group_without_an_answer_are_counted() {
    let node = Node::new();
    let mut worker = node.worker();
    let known = members(&node, &worker, OTHERS, &(0..30).collect::<Vec<_>>()).await;
    let consumer = Arc::clone(node.consumers.now().get(OTHERS).unwrap());
    let mut unknown = Vec::new();
    for n in 0..20 {
        let member = worker.plain();
        // An anonymous client, and one without values.
        member.set_traits(consumer.traits(&Context::default()).filter(|_| n % 2 == 0).map(|traits| traits.with(None)));
        worker.join(&member, "a", OTHERS).await;
        unknown.push(member);
    }
    node.event("a", 3);
    worker.turn();
    assert_eq!(node.metrics.drops(DropReason::Mapping), 20);
    assert_eq!(
        (got(&known[2]), got(&known[3]), got(&unknown[0]), got(&unknown[1])),
        (vec!["3".to_owned()], vec![], vec![], vec![])
    );
    // It logs in.
    worker.shard.change_traits(&unknown[0], traits(&node, OTHERS, 50));
    node.event("a", 4);
    worker.turn();
    assert_eq!((node.metrics.drops(DropReason::Mapping), got(&unknown[0])), (39, vec!["4".to_owned()]));
}

#[tokio::test]
async fn a_condition_without_an_answer_is_counted_and_no_yes() {
    let node = Node::new();
    let mut worker = node.worker();
    let members = members(&node, &worker, OTHERS, &[1, 2]).await;
    let anonymous = worker.plain();
    let context = Context::default();
    anonymous.set_traits(node.consumers.now().get(OTHERS).unwrap().traits(&context).map(|traits| traits.with(None)));
    let unknown = worker.plain();
    for member in [&anonymous, &unknown] {
        worker.join(member, "a", OTHERS).await;
    }
    node.event("a", 1);
    worker.turn();
    node.event("a", 1);
    node.event("a", 2);
    worker.turn();
    let all: Vec<_> = members.iter().chain([&anonymous, &unknown]).map(|member| got(member).join(" ")).collect();
    assert_eq!(all, ["2", "1 1", "", ""]);
    assert_eq!(node.metrics.drops(DropReason::Mapping), 6);
}

#[tokio::test]
async fn a_changed_user_counts_for_the_events_that_arrive_afterwards() {
    let node = Node::new();
    let mut worker = node.worker();
    let members = members(&node, &worker, OTHERS, &[1]).await;
    node.event("a", 1);
    node.event("a", 2);
    worker.turn();
    worker.shard.change_traits(&members[0], traits(&node, OTHERS, 2));
    node.event("a", 1);
    node.event("a", 2);
    worker.turn();
    assert_eq!(got(&members[0]), ["2", "1"]);
}

#[tokio::test]
async fn a_held_member_is_kept_only_what_is_for_it() {
    let node = Node::new();
    let mut worker = node.worker();
    let members = members(&node, &worker, OTHERS, &[1, 2]).await;
    worker.shard.hold(&members[0]);
    for n in [1, 2, 3] {
        node.event("a", n);
        worker.turn();
    }
    assert_eq!(got(&members[0]), Vec::<String>::new());
    worker.shard.release(&members[0]);
    assert_eq!((got(&members[0]).join(" "), got(&members[1]).join(" ")), ("2 3".to_owned(), "1 3".to_owned()));
}

#[tokio::test]
async fn a_member_of_two_groups_gets_what_is_for_it_in_order() {
    let node = Node::new();
    let mut worker = node.worker();
    let members = members(&node, &worker, OTHERS, &[1, 2]).await;
    for member in &members {
        worker.join(member, "b", OTHERS).await;
    }
    for (group, n) in [("a", 1), ("b", 2), ("a", 3), ("b", 1), ("a", 2), ("b", 4)] {
        node.event(group, n);
    }
    worker.turn();
    assert_eq!(members.iter().map(|member| got(member).join(" ")).collect::<Vec<_>>(), ["2 3 2 4", "1 3 1 4"]);
}

#[tokio::test]
async fn topics_and_conditions_hold_together() {
    let node = Node::new();
    let mut worker = node.worker();
    let members = members(&node, &worker, OTHERS, &[1, 2, 3]).await;
    members[1].subscribe(vec!["t".into()], 8).unwrap();
    members[2].subscribe(vec!["u".into()], 8).unwrap();
    node.typed("a", "volatile", 1);
    worker.turn();
    node.typed("a", "volatile", 4);
    worker.turn();
    assert_eq!(members.iter().map(|member| got(member).join(" ")).collect::<Vec<_>>(), ["4", "1 4", ""]);
}

#[tokio::test]
async fn the_rooms_of_a_form_of_namespaces_share_the_conditions() {
    let node = Node::new();
    let mut worker = node.worker();
    let now = node.consumers.now();
    let consumer = Arc::clone(now.get(NAMESPACES).unwrap());
    let mut all = Vec::new();
    let names: Vec<_> = ["/rooms/1", "/rooms/2"].map(|name| now.enter([&consumer].into_iter(), name)).into();
    for (name, user) in [(0, 1), (0, 2), (1, 1)] {
        let member = worker.plain();
        member.set_traits(Some(traits(&node, NAMESPACES, user).with(None)));
        let audience = worker.shard.audience(&consumer, Some(&names[name]));
        assert!(audience.is_of_namespace());
        worker.join(&member, "a", audience).await;
        worker.join(&member, "b", audience).await;
        all.push(member);
    }
    let mut body = body("tick", 1);
    if let Value::Map(entries) = &mut body {
        entries.insert("rooms".into(), Value::List(vec!["b".into(), "c".into()]));
    }
    let event = Event { group: name("a"), body, source: Source::Memory, received: Instant::now() };
    node.dispatcher.take(Signal::Event(event));
    worker.turn();
    assert_eq!(all.iter().map(|member| got(member)).collect::<Vec<_>>(), [vec!["1"], vec!["-1"], vec!["1"]]);
}

#[tokio::test]
async fn a_member_of_django_without_an_answer_ends_after_what_came_before() {
    let node = Node::new();
    let mut worker = node.worker();
    let open = |id: &'static str, user: Value| {
        let recorder = Recorder::open(&node, &worker, worker.held(id));
        let consumer = Arc::clone(node.consumers.now().get(BRIDGED).unwrap());
        let traits = consumer.traits(&Context { user, ..Context::default() }).unwrap();
        recorder.member.set_traits(Some(traits.with(None)));
        recorder
    };
    let one = open("one", [("id", Value::from(1_i64))].into_iter().collect());
    let lacking = open("lacking", [("name", Value::from("without an id"))].into_iter().collect());
    let anonymous = open("anonymous", Value::Null);
    for recorder in [&one, &lacking, &anonymous] {
        worker.join(&recorder.member, "a", BRIDGED).await;
        worker.join(&recorder.member, "b", BRIDGED).await;
    }
    node.event("a", 7);
    node.typed("b", "picky", 1);
    node.event("a", 8);
    node.dispatcher.take(Signal::Gap(Gap { groups: Some(vec![name("b")]), reason: GapReason::Capacity }));
    worker.turn();
    assert_eq!(got(&one.member), ["7", "8"]);
    assert_eq!(got(&lacking.member), ["7"], "it ends in the place of the event");
    assert_eq!(*lacking.woken.borrow(), 1);
    assert!(lacking.release().starts_with("Close"), "as in Channels, where the handler raises an exception");
    assert_eq!(got(&anonymous.member), ["7", "1", "8"], "the id of Django's AnonymousUser is None");
    assert_eq!(node.metrics.drops(DropReason::Mapping), 1);
}

/// A member of a consumer in Django whose handler runs, with the user of its connection so far.
async fn busy(node: &Node, worker: &Worker, id: &str, user: i64) -> Rc<Recorder> {
    let recorder = Recorder::open(node, worker, worker.held(id));
    recorder.member.set_traits(Some(traits(node, BRIDGED, user).with(None)));
    for group in ["a", "b"] {
        worker.join(&recorder.member, group, BRIDGED).await;
    }
    worker.shard.hold(&recorder.member);
    recorder
}

#[tokio::test]
async fn what_waits_for_a_handler_is_decided_with_what_the_handler_has_made_of_the_connection() {
    let node = Node::new();
    let mut worker = node.worker();
    let (one, alike) = (busy(&node, &worker, "one", 1).await, busy(&node, &worker, "alike", 1).await);
    let events = [
        ("a", "tick", 0),
        ("a", "picky", 1),
        ("b", "picky", 2),
        ("a", "hello", 3),
        ("b", "rare", 2),
        ("a", "rare", 1),
        ("a", "asked", 1),
        ("a", "asked", 2),
        ("b", "tick", 4),
        ("b", "ended", 1),
        ("b", "ended", 2),
        ("a", "tick", 5),
    ];
    for (group, kind, n) in events {
        node.typed(group, kind, n);
    }
    worker.turn();
    assert_eq!((one.got(), node.metrics.drops(DropReason::Throttled)), (vec![], 0));
    one.member.change_traits(traits(&node, BRIDGED, 2));
    assert_eq!(one.release(), "asked 2");
    assert_eq!(one.got(), ["0", "1", "[3,2]", "1"]);
    assert_eq!(one.release(), "outcome");
    assert_eq!(one.got()[4..], ["4", "2"]);
    assert_eq!((one.release(), one.got().pop().unwrap()), ("Complete".to_owned(), "5".to_owned()));
    // The handler of the other one has changed nothing.
    assert_eq!([alike.release(), alike.release(), alike.release()], ["asked 1", "outcome", "Complete"]);
    assert_eq!(alike.got(), ["0", "2", "[3,1]", "2", "4", "1", "5"]);
    let left = (worker.backlog(), node.metrics.outbox_bytes.get(), node.metrics.drops(DropReason::Mapping));
    assert_eq!(left, (0, 0, 0));
    node.typed("a", "rare", 4);
    worker.turn();
    assert_eq!(node.metrics.drops(DropReason::Throttled), 2, "what is not for a member does not count");
}

#[tokio::test]
async fn what_waits_in_a_large_group_is_decided_after_the_handler_as_well() {
    let node = Node::new();
    let mut worker = node.worker();
    let others = members(&node, &worker, BRIDGED, &(10..60).collect::<Vec<_>>()).await;
    node.typed("a", "picky", 1);
    worker.turn();
    // The index has values of both by now.
    let (one, alike) = (busy(&node, &worker, "one", 1).await, busy(&node, &worker, "alike", 1).await);
    let before = Selection::asked();
    node.typed("a", "picky", 1);
    worker.turn();
    node.typed("a", "picky", 2);
    worker.turn();
    assert_eq!((one.got(), alike.got(), got(&others[0])), (vec![], vec![], vec!["1".into(), "1".into(), "2".into()]));
    assert_eq!(Selection::asked(), before, "nobody is asked before it is known");
    worker.shard.change_traits(&one.member, traits(&node, BRIDGED, 2));
    assert_eq!((one.release(), alike.release()), ("Complete".to_owned(), "Complete".to_owned()));
    assert_eq!((one.got(), alike.got()), (vec!["1".to_owned()], vec!["2".to_owned()]));
    // Released, they are in the index.
    let before = Selection::asked();
    node.typed("a", "picky", 2);
    worker.turn();
    assert_eq!((one.got().len(), alike.got().len(), Selection::asked()), (1, 2, before));
}

#[tokio::test]
async fn a_condition_without_an_answer_ends_a_member_of_django_once_its_handler_is_done() {
    let node = Node::new();
    let mut worker = node.worker();
    let (one, lacking) = (busy(&node, &worker, "one", 1).await, busy(&node, &worker, "lacking", 1).await);
    let context = Context { user: [("name", Value::from("x"))].into_iter().collect(), ..Context::default() };
    let nobody = || node.consumers.now().get(BRIDGED).unwrap().traits(&context).unwrap();
    // Before connect() has ended, nothing is known of the user.
    one.member.change_traits(nobody());
    for (kind, n) in [("tick", 0), ("picky", 2), ("tick", 3)] {
        node.typed("a", kind, n);
    }
    worker.turn();
    one.member.change_traits(traits(&node, BRIDGED, 1));
    lacking.member.change_traits(nobody());
    assert_eq!((one.release(), one.got().join(" ")), ("Complete".to_owned(), "0 2 3".to_owned()));
    assert!(lacking.release().starts_with("Close"));
    assert_eq!((lacking.got().join(" "), node.metrics.drops(DropReason::Mapping)), ("0".to_owned(), 1));
    worker.shard.leave_all(&lacking.member);
    drop((one, lacking));
    assert_eq!((worker.backlog(), node.metrics.outbox_bytes.get()), (0, 0));
}

#[tokio::test]
async fn undecided_messages_are_bounded_like_all_that_waits() {
    let node = Node::new();
    let mut worker = node.worker();
    let one = busy(&node, &worker, "one", 1).await;
    for n in 0..2000 {
        node.typed("a", "picky", n);
    }
    worker.turn();
    assert_eq!(closed(&one.member), None, "they are messages, and not calls");
    let waiting = node.metrics.outbox_bytes.get();
    assert!(waiting > 2000 * 200, "{waiting}: each of them is counted");
    for n in 0..4000 {
        node.typed("a", "picky", n);
    }
    worker.turn();
    assert_eq!(closed(&one.member), Some(1013));
    assert!(node.metrics.drops(DropReason::Held) >= 4000);
    worker.shard.leave_all(&one.member);
    drop(one);
    assert_eq!((worker.backlog(), node.metrics.outbox_bytes.get()), (0, 0));
}

#[tokio::test]
async fn a_message_to_one_connection_has_its_condition() {
    let node = Node::new();
    let mut worker = node.worker();
    let recorder = Recorder::open(&node, &worker, worker.held("one"));
    recorder.member.set_traits(Some(traits(&node, BRIDGED, 1).with(None)));
    worker.join(&recorder.member, "a", BRIDGED).await;
    for n in [1, 2] {
        node.direct("one", "picky", n);
    }
    worker.turn();
    assert_eq!(got(&recorder.member), ["2"]);
}

#[tokio::test]
async fn members_with_the_same_values_share_a_frame() {
    let node = Node::new();
    let mut worker = node.worker();
    // 200 members with 64 names.
    let users: Vec<i64> = (0..200).map(|n| n * 100 + n % 64).collect();
    let members = members(&node, &worker, OTHERS, &users).await;
    for n in [1, users[7], 2] {
        node.typed("a", "hello", n);
        worker.turn();
    }
    node.event("a", 3);
    node.typed("a", "hello", 4);
    worker.turn();
    for (user, member) in users.iter().zip(&members) {
        let name = user % 100;
        let excluded = *user == users[7];
        let mut expected = vec![format!("[1,{name}]"), format!("[{},{name}]", users[7]), format!("[2,{name}]")];
        expected.extend(["3".to_owned(), format!("[4,{name}]")]);
        expected.retain(|text| !(excluded && text.starts_with(&format!("[{}", users[7]))));
        assert_eq!(got(member), expected, "{user}");
    }
    let drops = [DropReason::Values, DropReason::Mapping].map(|reason| node.metrics.drops(reason));
    assert_eq!((drops, worker.backlog()), ([0, 0], 0));
}

#[tokio::test]
async fn members_beyond_the_forms_of_a_message_miss_it_and_learn_it() {
    let node = Node::new();
    let mut worker = node.worker();
    let users: Vec<i64> = (100..170).collect();
    let members = members(&node, &worker, OTHERS, &users).await;
    members[69].tell_gaps(OTHERS);
    for _ in 0..2 {
        node.typed("a", "hello", 1);
        worker.turn();
    }
    assert!(members[..64].iter().all(|member| got(member).len() == 2));
    assert!(members[64..69].iter().all(|member| got(member).is_empty()));
    let notice = r#"["values",["a"]]"#;
    assert_eq!(got(&members[69]), [notice, notice]);
    assert_eq!(node.metrics.drops(DropReason::Values), 12);
    assert!(node.metrics.render().contains("channelgate_gaps_total{reason=\"values\"} 2"));
}

#[tokio::test]
async fn a_member_whose_values_fail_misses_the_message_and_ends_with_django() {
    let node = Node::new();
    let mut worker = node.worker();
    let nameless = |consumer: ConsumerId| {
        let user: Value = [("id", Value::from(1_i64))].into_iter().collect();
        let context = Context { user, ..Context::default() };
        node.consumers.now().get(consumer).unwrap().traits(&context).unwrap()
    };
    let members = members(&node, &worker, OTHERS, &[5, 6]).await;
    worker.shard.change_traits(&members[0], nameless(OTHERS));
    let bridged = Recorder::open(&node, &worker, worker.held("one"));
    bridged.member.set_traits(Some(nameless(BRIDGED).with(None)));
    worker.join(&bridged.member, "a", BRIDGED).await;
    node.typed("a", "hello", 9);
    worker.turn();
    assert_eq!((got(&members[0]), got(&members[1])), (vec![], vec!["[9,6]".to_owned()]));
    assert!(bridged.release().starts_with("Close"));
    assert_eq!(node.metrics.drops(DropReason::Mapping), 2);
}
