//! Emissions: rooms, unions, exceptions, individual members, volatile ones, and their order among events.

use super::*;

const NOTHING: [&str; 0] = [];

#[tokio::test]
async fn a_room_of_a_namespace_is_its_group_in_every_consumer_without_duplicates() {
    let node = Node::new();
    let mut worker = node.worker();
    let (chat, both, admin, plain) = (worker.socket("c"), worker.socket("b"), worker.socket("a"), worker.plain());
    worker.join(&chat, "session.7", CHAT).await;
    worker.join(&both, "session.7", CHAT).await;
    worker.join(&both, "session.7", SHOP).await;
    worker.join(&admin, "session.7", ADMIN).await;
    worker.join(&plain, "session.7", FEED).await;
    node.emit(emission(&["session:7"], 1));
    worker.turn();
    assert_eq!((got(&chat), got(&both)), (vec![said(1)], vec![said(1)]));
    assert_eq!((got(&admin), got(&plain)), (vec![], vec![]));
    node.emit(Emission { target: EmissionTarget::Namespace("/admin".into()), ..emission(&["session:7"], 2) });
    worker.turn();
    assert_eq!(got(&admin), ["42/admin,[\"n\",2]"]);
    node.emit(Emission { target: EmissionTarget::Consumer("shop".into()), ..emission(&["session:7"], 3) });
    worker.turn();
    assert_eq!((got(&chat), got(&both)), (vec![said(1)], vec![said(1), said(3)]));
    assert_eq!(worker.backlog(), 0);
}

#[tokio::test]
async fn without_rooms_an_emission_goes_to_the_whole_namespace() {
    let node = Node::new();
    let mut worker = node.worker();
    let (one, two, admin) = (worker.socket("1"), worker.socket("2"), worker.socket("a"));
    for (member, consumer, group) in [
        (&one, CHAT, "namespace.main"),
        (&one, SHOP, "namespace.main"),
        (&two, SHOP, "namespace.main"),
        (&admin, ADMIN, "namespace.admin"),
    ] {
        worker.join(member, group, consumer).await;
    }
    for n in 0..3 {
        node.emit(emission(&NOTHING, n));
    }
    worker.turn();
    assert_eq!(got(&one), [said(0), said(1), said(2)]);
    assert_eq!(got(&two), [said(0), said(1), said(2)]);
    assert_eq!(got(&admin), Vec::<String>::new());
}

#[tokio::test]
async fn exceptions_are_ids_and_rooms() {
    let node = Node::new();
    let mut worker = node.worker();
    let (sender, muted, other) = (worker.socket("s"), worker.socket("m"), worker.socket("o"));
    for member in [&sender, &muted, &other] {
        worker.join(member, "r", CHAT).await;
    }
    worker.join(&muted, "quiet", CHAT).await;
    node.emit(Emission { except: vec![id_text("s"), "quiet".into()], ..emission(&["r"], 1) });
    node.emit(emission(&["r"], 2));
    node.emit(Emission { except: vec![id_text("s"), "unknown".into()], ..emission(&["r", "quiet"], 3) });
    worker.turn();
    assert_eq!(got(&sender), [said(2)]);
    assert_eq!(got(&muted), [said(2), said(3)]);
    assert_eq!(got(&other), [said(1), said(2), said(3)]);
}

#[tokio::test]
async fn an_exception_applies_to_a_member_released_while_the_message_waits() {
    let node = Node::new();
    let mut worker = node.worker();
    let member = worker.held("id");
    worker.join(&member, "r", CHAT).await;
    node.emit(Emission { except: vec![id_text("id")], ..emission(&["r"], 1) });
    worker.accept();
    worker.shard.release(&member);
    worker.turn();
    assert_eq!(got(&member), Vec::<String>::new());
}

#[tokio::test]
async fn an_id_is_a_room_in_its_namespace_only() {
    let node = Node::new();
    let mut worker = node.worker();
    let mut idle = node.worker();
    let (one, two) = (worker.socket("one"), worker.socket("two"));
    worker.join(&one, "namespace.main", CHAT).await;
    worker.join(&two, "namespace.main", CHAT).await;
    let name = id_text("one");
    node.emit(emission(&[&name], 1));
    node.emit(Emission { target: EmissionTarget::Namespace("/admin".into()), ..emission(&[&name], 2) });
    node.emit(emission(&[&name, "namespace.main", &name], 3));
    worker.turn();
    assert_eq!(got(&one), [said(1), said(3)]);
    assert_eq!(got(&two), [said(3)]);
    idle.turn();
    worker.shard.leave_all(&one);
    node.emit(emission(&[&name], 4));
    worker.turn();
    assert_eq!(got(&one), [said(1), said(3)]);
    assert_eq!((worker.backlog(), idle.backlog()), (0, 0));
}

#[tokio::test]
async fn volatile_messages_skip_a_slow_client() {
    let node = Node::new();
    let mut worker = node.worker();
    let (behind, ready) = (worker.socket("b"), worker.socket("r"));
    worker.join(&behind, "r", CHAT).await;
    node.event("r", 0);
    worker.turn();
    worker.join(&ready, "r", CHAT).await;
    node.emit(Emission { volatile: true, ..emission(&["r"], 1) });
    worker.turn();
    assert_eq!((got(&behind), got(&ready)), (vec!["0".to_owned()], vec![said(1)]));
    assert_eq!(node.metrics.drops(DropReason::Volatile), 1);
    // A burst of them: only the first finds the client ready.
    let fresh = worker.socket("f");
    worker.join(&fresh, "q", CHAT).await;
    for n in 0..3 {
        node.emit(Emission { volatile: true, ..emission(&["q"], n) });
    }
    worker.turn();
    assert_eq!(got(&fresh).first(), Some(&said(0)));
}

#[tokio::test]
async fn relayed_emissions_arrive_and_malformed_ones_are_counted() {
    let node = Node::new();
    let mut worker = node.worker();
    let (sender, other, plain) = (worker.socket("s"), worker.socket("o"), worker.plain());
    for member in [&sender, &other] {
        worker.join(member, "r", CHAT).await;
    }
    worker.join(&plain, "r", FEED).await;
    let relay = |body: Value| {
        let event = Event { group: name("r"), body, source: Source::Publish, received: Instant::now() };
        node.dispatcher.take(Signal::Event(event));
    };
    let content = Content::Event(vec!["n".into(), Value::Int(1)]);
    relay(Emission::relay_body("chat", &[name("r")], content, &[&id_text("s")], false));
    relay(Emission::relay_body("feed", &[name("r")], Content::Message(Value::Int(2)), &[], false));
    relay([("type", Value::from(Emission::TYPE))].into_iter().collect());
    // Plain clients cannot receive a named event.
    relay(Emission::relay_body("feed", &[name("r")], Content::Event(vec!["n".into()]), &[], false));
    worker.turn();
    assert_eq!((got(&sender), got(&other), got(&plain)), (vec![], vec![said(1)], vec!["2".to_owned()]));
    assert_eq!((node.metrics.drops(DropReason::Decode), node.metrics.drops(DropReason::Mapping)), (1, 1));
}

#[tokio::test]
async fn an_event_for_several_rooms_reaches_each_member_once_and_in_its_place() {
    let node = Node::new();
    let mut worker = node.worker();
    let (one, both, source) = (worker.socket("1"), worker.socket("2"), worker.socket("3"));
    for (member, rooms) in [(&one, &["a"][..]), (&both, &["a", "b"]), (&source, &["source"])] {
        for room in rooms {
            worker.join(member, room, CHAT).await;
        }
    }
    // Without members in its group the node does not map it.
    let split = |rooms: &[&str], n: i64| {
        let rooms = Value::List(rooms.iter().map(|room| Value::from(*room)).collect());
        let body = [("type", Value::from("split")), ("rooms", rooms), ("n", n.into())].into_iter().collect();
        let event = Event { group: name("source"), body, source: Source::Core, received: Instant::now() };
        node.dispatcher.take(Signal::Event(event));
    };
    split(&["a", "b"], 1);
    node.emit(emission(&["b"], 2));
    split(&["b", "b", "a", "nobody"], 3);
    split(&["nobody"], 4);
    split(&[], 5);
    split(&["b"], 6);
    worker.turn();
    assert_eq!(got(&one), [said(1), said(3)]);
    assert_eq!(got(&both), [said(1), said(2), said(3), said(6)]);
    assert_eq!(got(&source), NOTHING);
    assert_eq!(worker.backlog(), 0);
}

#[tokio::test]
async fn a_room_named_twice_is_not_an_id() {
    let node = Node::new();
    let mut worker = node.worker();
    let (in_room, of_name) = (worker.socket("1"), worker.socket("a"));
    worker.join(&in_room, "a", CHAT).await;
    worker.join(&of_name, "b", CHAT).await;
    node.emit(emission(&["a", "a"], 1));
    worker.turn();
    assert_eq!((got(&in_room), got(&of_name)), (vec![said(1)], vec![]));
}

#[tokio::test]
async fn order_holds_in_every_group_between_events_and_unions() {
    let node = Node::new();
    let mut worker = node.worker();
    let mut random = fastrand(7);
    let rooms = ["a", "b", "c", "d"];
    let mut members = Vec::new();
    for number in 0..12 {
        let member = worker.socket(&format!("id{number}"));
        worker.join(&member, "namespace.main", SHOP).await;
        let mut own = Vec::new();
        for room in rooms {
            if random(3) > 0 {
                worker.join(&member, room, CHAT).await;
                own.push(room);
            }
        }
        members.push((member, own));
    }
    // Every message carries its number; the expected messages of each member follow from its rooms.
    let mut expected: Vec<Vec<(i64, Vec<&str>)>> = vec![Vec::new(); members.len()];
    for n in 0..2000 {
        let one = rooms[random(4)];
        let targets: Vec<String> = match random(4) {
            0 | 1 => vec![one.to_owned()],
            2 => rooms.iter().filter(|_| random(2) == 0).map(|room| (*room).to_owned()).collect(),
            _ => vec![one.to_owned(), id_text(&format!("id{}", random(members.len()))).to_string()],
        };
        if targets.is_empty() {
            continue;
        }
        if random(4) == 0 && targets.len() == 1 {
            node.event(&targets[0], n);
        } else {
            node.emit(emission(&targets.iter().map(String::as_str).collect::<Vec<_>>(), n));
        }
        for (at, (member, own)) in members.iter().enumerate() {
            let is_own_id = targets.iter().any(|target| Some(&**target) == member.id().map(|id| id.text()).as_deref());
            let of: Vec<&str> = own.iter().copied().filter(|room| targets.iter().any(|one| one == room)).collect();
            if is_own_id || !of.is_empty() {
                expected[at].push((n, of));
            }
        }
        match random(20) {
            0 => worker.turn(),
            1..5 => {
                while let Ok(work) = worker.receiver.work.try_recv() {
                    worker.shard.accept(work);
                }
                worker.shard.slice();
            }
            _ => {}
        }
    }
    worker.turn();
    for ((member, own), expected) in members.iter().zip(&expected) {
        let order: Vec<i64> = got(member).iter().map(|text| number(text)).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected.iter().map(|(n, _)| *n).collect::<Vec<_>>(), "each once, and no others");
        for room in own {
            let in_room = |n: &i64| expected.iter().any(|(m, of)| m == n && of.contains(room));
            let of_room: Vec<i64> = order.iter().copied().filter(in_room).collect();
            assert!(of_room.is_sorted(), "room {room}: {of_room:?}");
        }
    }
    assert_eq!(worker.backlog(), 0);
}

#[tokio::test]
async fn a_group_that_ends_does_not_block_a_union() {
    let node = Node::new();
    let mut worker = node.worker();
    let (leaver, stayer) = (worker.socket("l"), worker.socket("s"));
    worker.join(&leaver, "a", CHAT).await;
    worker.join(&stayer, "b", CHAT).await;
    worker.join(&stayer, "c", CHAT).await;
    node.event("a", 0);
    node.emit(emission(&["a", "b"], 1));
    node.emit(emission(&["a", "b", "c"], 2));
    node.event("b", 3);
    worker.accept();
    worker.shard.leave_all(&leaver);
    worker.turn();
    assert_eq!(got(&stayer), [said(1), said(2), "3".to_owned()]);
    assert_eq!(worker.backlog(), 0);
    // And the group is recreated while an earlier union runs.
    let large: Vec<_> = (0..600).map(|n| worker.socket(&format!("m{n}"))).collect();
    for member in &large {
        worker.join(member, "a", CHAT).await;
    }
    node.emit(emission(&["a", "b"], 4));
    node.emit(emission(&["b", "a"], 5));
    worker.accept();
    worker.shard.slice();
    large.iter().for_each(|member| worker.shard.leave_all(member));
    let again = worker.socket("again");
    worker.join(&again, "a", CHAT).await;
    node.event("a", 6);
    worker.turn();
    assert_eq!(got(&again).last().unwrap(), "6");
    assert_eq!(got(&stayer)[3..], [said(4), said(5)]);
    assert_eq!(worker.backlog(), 0);
}

#[tokio::test]
async fn members_are_removed_from_a_room_between_earlier_and_later_messages() {
    let node = Node::new();
    let mut worker = node.worker();
    let (one, two, admin) = (worker.socket("one"), worker.socket("two"), worker.socket("admin"));
    for consumer in [CHAT, SHOP] {
        worker.join(&one, "r", consumer).await;
        worker.join(&two, "r", consumer).await;
    }
    worker.join(&admin, "r", ADMIN).await;
    let evict = |id: Option<&str>| {
        let target = EmissionTarget::Namespace("/".into());
        node.dispatcher.take(Signal::Eviction(Eviction { target, room: "r".into(), id: id.map(Into::into) }));
    };
    node.emit(emission(&["r"], 1));
    evict(Some(&id_text("one")));
    node.emit(emission(&["r"], 2));
    evict(Some("nobody"));
    evict(Some(&id_text("nobody")));
    node.event("r", 3);
    evict(None);
    node.emit(emission(&["r"], 4));
    worker.turn();
    assert_eq!(got(&one), [said(1)]);
    assert_eq!(got(&two), [said(1), said(2), "3".to_owned(), "3".to_owned()]);
    assert_eq!(got(&admin), ["3"]);
    assert_eq!((node.registry.groups(), worker.backlog()), (1, 0));
}

/// A generator of the same numbers below its argument every time.
pub(super) fn fastrand(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize) % below
    }
}

fn number(text: &str) -> i64 {
    text.trim_start_matches("42[\"n\",").trim_end_matches(']').parse().unwrap()
}
