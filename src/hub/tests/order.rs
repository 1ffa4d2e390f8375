//! The order of a member's messages, whichever of its groups they are for.

use super::{emissions::fastrand, *};
use crate::{
    event::{Gap, GapReason},
    socket::negotiate::Deflate,
};

#[tokio::test]
async fn events_of_two_groups_arrive_in_the_order_in_which_they_were_sent() {
    let node = Node::new();
    let mut worker = node.worker();
    let (both, one) = (worker.plain(), worker.plain());
    for (member, group) in [(&both, "a"), (&both, "b"), (&one, "a")] {
        worker.join(member, group, FEED).await;
    }
    // A group merges what waits: without care 2 would come before 1.
    for (group, n) in [("a", 0), ("b", 1), ("a", 2), ("b", 3), ("b", 4), ("a", 5)] {
        node.event(group, n);
    }
    worker.turn();
    assert_eq!(got(&both), ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(got(&one), ["0", "2", "5"]);
    assert_eq!(worker.backlog(), 0);
    assert_eq!(node.metrics.deliveries.get(), 9);
}

#[tokio::test]
async fn a_small_group_does_not_overtake_a_large_one_for_the_members_of_both() {
    let node = Node::new();
    let mut worker = node.worker();
    let members: Vec<_> = (0..1000).map(|_| worker.plain()).collect();
    for member in &members {
        worker.join(member, "large", FEED).await;
    }
    let (last, small) = (&members[999], worker.plain());
    worker.join(last, "small", FEED).await;
    worker.join(&small, "small", FEED).await;
    node.event("large", 1);
    worker.accept();
    worker.shard.slice();
    node.event("small", 2);
    worker.accept();
    worker.shard.slice();
    worker.shard.slice();
    assert_eq!(got(&small), ["2"], "a member of the small group alone does not wait for the large one");
    assert_eq!(got(last), ["1", "2"]);
    worker.turn();
    assert_eq!(got(last), ["1", "2"]);
    assert!(members[..999].iter().all(|member| got(member) == ["1"]));
}

#[tokio::test]
async fn a_member_that_joins_while_events_wait_gets_only_later_ones() {
    let node = Node::new();
    let mut worker = node.worker();
    let early = worker.plain();
    worker.join(&early, "a", FEED).await;
    worker.join(&early, "b", FEED).await;
    for (group, n) in [("a", 0), ("b", 1)] {
        node.event(group, n);
    }
    worker.accept();
    let (late, moved) = (worker.plain(), early);
    worker.join(&late, "a", FEED).await;
    worker.join(&late, "b", FEED).await;
    for (group, n) in [("a", 2), ("b", 3)] {
        node.event(group, n);
    }
    worker.turn();
    assert_eq!(
        (got(&late), got(&moved)),
        (vec!["2".into(), "3".into()], ["0", "1", "2", "3"].map(String::from).into())
    );
}

#[tokio::test]
async fn a_busy_group_forgets_who_joined_before_all_that_waits() {
    let node = Node::new();
    let mut worker = node.worker();
    for _ in 0..600 {
        let member = worker.plain();
        worker.join(&member, "a", FEED).await;
    }
    node.event("a", 0);
    worker.accept();
    let late = worker.plain();
    worker.join(&late, "a", FEED).await;
    node.event("a", 1);
    worker.accept();
    let has_late = |worker: &Worker| worker.shard.groups.borrow().by_audience.values().any(group::Group::has_late);
    assert!(has_late(&worker));
    worker.shard.slice();
    // Serves the rest of what waited, and begins with what has arrived meanwhile.
    node.event("a", 2);
    worker.accept();
    while has_late(&worker) {
        assert!(worker.shard.is_busy(), "it is remembered as long as the group is busy");
        worker.shard.slice();
    }
    assert!(worker.shard.is_busy());
    worker.turn();
    assert_eq!(got(&late), ["1", "2"]);
}

#[tokio::test]
async fn a_message_for_several_groups_counts_once_in_the_backlog() {
    let node = Node::new();
    let mut worker = node.worker();
    let members = ["a", "b", "c"].map(|group| (worker.plain(), group));
    for (member, group) in &members {
        worker.join(member, group, CHAT).await;
    }
    node.emit(emission(&["a", "b", "c"], 1));
    let sent = worker.backlog();
    worker.accept();
    assert!(sent > 3 && (sent - 2..=sent).contains(&worker.backlog()), "{sent}, {}", worker.backlog());
    worker.shard.leave_all(&members[0].0);
    assert!((1..sent).contains(&worker.backlog()));
    worker.turn();
    assert_eq!(worker.backlog(), 0);
}

/// Random groups, bursts, slices, holds, joins, and leaves: each member gets exactly the messages of its groups, in the
/// order in which they were sent.
#[tokio::test]
async fn order_holds_for_any_groups_bursts_joins_and_holds() {
    for seed in 1..=20 {
        let node = Node::new();
        let mut worker = node.worker();
        let mut random = fastrand(seed);
        let groups: Vec<String> = (0..6).map(|group| format!("g{group}")).collect();
        // More members than a slice serves.
        let mut members: Vec<(Rc<Member>, Vec<bool>, Vec<i64>)> = Vec::new();
        for number in 0..400 {
            let member = worker.socket(&format!("id{number}"));
            let mut own = vec![false; groups.len()];
            for at in [0, random(groups.len()), random(groups.len())] {
                if at > 0 || random(3) > 0 {
                    own[at] = true;
                    worker.join(&member, &groups[at], CHAT).await;
                }
            }
            members.push((member, own, Vec::new()));
        }
        for n in 0..600 {
            let mut to: Vec<usize> = vec![random(groups.len())];
            let mut named = None;
            match random(12) {
                0 => to.push(random(groups.len())),
                1 => named = Some(random(members.len())),
                _ => {}
            }
            match (to.as_slice(), named) {
                ([one], None) => node.event(&groups[*one], n),
                _ => {
                    let mut rooms: Vec<String> = to.iter().map(|at| groups[*at].clone()).collect();
                    rooms.extend(named.map(|at| id_text(&format!("id{at}")).to_string()));
                    node.emit(emission(&rooms.iter().map(String::as_str).collect::<Vec<_>>(), n));
                }
            }
            for (at, (_, own, expected)) in members.iter_mut().enumerate() {
                let is_named = named == Some(at) && own.contains(&true);
                if is_named || to.iter().any(|group| own[*group]) {
                    expected.push(n);
                }
            }
            match random(12) {
                0 => worker.turn(),
                1..4 => {
                    worker.accept();
                    worker.shard.slice();
                }
                // Membership changes only between what has arrived: what is sent before a join is not for the member.
                4..7 => {
                    worker.accept();
                    let at = random(members.len());
                    let (member, own, _) = &mut members[at];
                    let group = random(groups.len());
                    if own[group] {
                        while worker.shard.is_busy() {
                            worker.shard.slice();
                        }
                        worker.shard.leave(member, &name(&groups[group]), CHAT);
                    } else {
                        worker.join(member, &groups[group], CHAT).await;
                    }
                    own[group] = !own[group];
                }
                7 => {
                    let (member, ..) = &members[random(members.len())];
                    if member.is_held() {
                        worker.shard.release(member);
                    } else {
                        worker.shard.hold(member);
                    }
                }
                _ => {}
            }
        }
        worker.turn();
        for (member, _, expected) in &members {
            worker.shard.release(member);
            let numbers: Vec<i64> = got(member).iter().map(|text| number(text)).collect();
            assert_eq!(&numbers, expected, "seed {seed}");
        }
        assert_eq!(worker.backlog(), 0, "seed {seed}");
    }
}

/// A member, and what the model says about it.
struct Modelled {
    member: Rc<Member>,
    wants_notices: bool,
    own: Vec<bool>,
    expected: Vec<String>,
}

/// The same with everything that makes members differ: exceptions, volatile messages, gap notices, evictions, and
/// compressed connections.
#[tokio::test]
async fn order_holds_for_exceptions_notices_evictions_and_volatile_messages() {
    let groups: Vec<String> = (0..5).map(|group| format!("g{group}")).collect();
    for seed in 1..=40 {
        let node = Node::new();
        let mut worker = node.worker();
        let mut random = fastrand(seed);
        let mut members: Vec<Modelled> = Vec::new();
        for number in 0..330 {
            let limits = ConnectionLimits::new(&config::Socket::default(), None);
            let deflate = (number % 3 == 0).then_some(Deflate { server_window_bits: 15 });
            let connection = Connection::pending(Rc::clone(&worker.connections), Arc::new(limits), deflate);
            let member = Member::new(connection, Some(id(&format!("id{number}"))), BeforeSubscribe::All);
            worker.shard.announce(&member);
            // From now on it is behind.
            member.connection.send(&crate::event::Payload::Text("x".into()));
            let wants_notices = number % 4 == 0;
            if wants_notices {
                member.tell_gaps(CHAT);
            }
            let mut own = vec![false; groups.len()];
            for at in [0, random(groups.len())] {
                if at > 0 || random(4) > 0 {
                    own[at] = true;
                    worker.join(&member, &groups[at], CHAT).await;
                }
            }
            members.push(Modelled { member, wants_notices, own, expected: vec!["x".to_owned()] });
        }
        let mut dropped = 0;
        for n in 0..400 {
            let one = random(groups.len());
            match random(12) {
                0 => {
                    // A notice, for some groups or all.
                    let named: Option<Vec<usize>> = (random(3) > 0).then(|| {
                        let mut named = vec![one, random(groups.len())];
                        named.sort_unstable();
                        named.dedup();
                        named
                    });
                    let names = named.as_ref().map(|named| named.iter().map(|at| name(&groups[*at])).collect());
                    node.dispatcher.take(Signal::Gap(Gap { groups: names, reason: GapReason::Capacity }));
                    for known in members.iter_mut().filter(|known| known.wants_notices) {
                        let own: Option<Vec<String>> = named.as_ref().map(|named| {
                            let own = named.iter().filter(|at| known.own[**at]);
                            own.map(|at| format!("\"{}\"", groups[*at])).collect()
                        });
                        match own {
                            Some(own) if own.is_empty() => {}
                            Some(own) => known.expected.push(format!("42[\"gap\",[{}]]", own.join(","))),
                            None if known.own.contains(&true) => known.expected.push("42[\"gap\",null]".to_owned()),
                            None => {}
                        }
                    }
                }
                1 => {
                    let id = (random(8) > 0).then(|| random(members.len()));
                    node.dispatcher.take(Signal::Eviction(Eviction {
                        target: EmissionTarget::Namespace("/".into()),
                        room: groups[one].as_str().into(),
                        id: id.map(|at| id_text(&format!("id{at}"))),
                    }));
                    // Whom the later messages exclude is decided when they are delivered.
                    worker.accept();
                    for (at, known) in members.iter_mut().enumerate() {
                        if id.is_none_or(|id| id == at) {
                            known.own[one] = false;
                        }
                    }
                }
                2..6 => {
                    let volatile = random(5) == 0;
                    let mut to = vec![one];
                    (0..random(3)).for_each(|_| to.push(random(groups.len())));
                    let named = (random(3) == 0).then(|| random(members.len()));
                    let except_id = (random(2) == 0).then(|| random(members.len()));
                    let except_group = (random(3) == 0).then(|| random(groups.len()));
                    let mut rooms: Vec<String> = to.iter().map(|at| groups[*at].clone()).collect();
                    rooms.extend(named.map(|at| id_text(&format!("id{at}")).to_string()));
                    let mut except: Vec<Arc<str>> = Vec::new();
                    except.extend(except_id.map(|at| id_text(&format!("id{at}"))));
                    except.extend(except_group.map(|at| Arc::from(groups[at].as_str())));
                    let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
                    node.emit(Emission { except, volatile, ..emission(&rooms, n) });
                    for (at, known) in members.iter_mut().enumerate() {
                        let is_named = named == Some(at) && known.own.contains(&true);
                        let is_in = is_named || to.iter().any(|group| known.own[*group]);
                        let is_out = except_id == Some(at) || except_group.is_some_and(|group| known.own[group]);
                        match (is_in && !is_out, volatile) {
                            (true, true) => dropped += 1,
                            (true, false) => known.expected.push(said(n)),
                            (false, _) => {}
                        }
                    }
                }
                _ => {
                    node.event(&groups[one], n);
                    for known in members.iter_mut().filter(|known| known.own[one]) {
                        known.expected.push(n.to_string());
                    }
                }
            }
            match random(10) {
                0 => worker.turn(),
                1..4 => {
                    worker.accept();
                    worker.shard.slice();
                }
                4..7 => {
                    worker.turn();
                    for _ in 0..5 {
                        let at = random(members.len());
                        let known = &mut members[at];
                        let group = random(groups.len());
                        if known.own[group] {
                            worker.shard.leave(&known.member, &name(&groups[group]), CHAT);
                        } else {
                            worker.join(&known.member, &groups[group], CHAT).await;
                        }
                        known.own[group] = !known.own[group];
                    }
                }
                7 => {
                    for _ in 0..10 {
                        let member = &members[random(members.len())].member;
                        if member.is_held() {
                            worker.shard.release(member);
                        } else {
                            worker.shard.hold(member);
                        }
                    }
                }
                _ => {}
            }
        }
        worker.turn();
        for (at, known) in members.iter().enumerate() {
            worker.shard.release(&known.member);
            assert_eq!(got(&known.member), known.expected, "seed {seed}, member {at}");
        }
        assert_eq!(worker.backlog(), 0, "seed {seed}");
        assert_eq!(node.metrics.drops(DropReason::Volatile), dropped, "seed {seed}");
        let expected: usize = members.iter().map(|known| known.expected.len() - 1).sum();
        assert_eq!(node.metrics.deliveries.get(), expected as u64, "seed {seed}");
    }
}

/// Random events for a member of two groups whose consumer keeps the latest per key, and for one that loses the oldest.
#[tokio::test]
async fn loss_policies_are_the_same_one_by_one_and_merged() {
    for seed in 1..=200 {
        let node = Node::new();
        let mut worker = node.worker();
        let mut random = fastrand(seed);
        let mut members = Vec::new();
        for consumer in [PRICES, PRICES, LOG, LOG] {
            let limit = 20 + random(60);
            let member = Member::new(worker.connection_with(limit), None, BeforeSubscribe::All);
            for group in ["a", "b", "c"] {
                worker.join(&member, group, consumer).await;
            }
            members.push((member, consumer, limit));
        }
        // The same, one by one.
        let single = Node::new();
        let mut alone = single.worker();
        let mut models = Vec::new();
        for (_, consumer, limit) in &members {
            let member = Member::new(alone.connection_with(*limit), None, BeforeSubscribe::All);
            for group in ["a", "b", "c"] {
                alone.join(&member, group, *consumer).await;
            }
            models.push(member);
        }
        for _ in 0..60 {
            let (group, n) = (["a", "b", "c"][random(3)], 10 + random(9) as i64);
            node.event(group, n);
            single.event(group, n);
            alone.turn();
            match random(6) {
                0 => worker.turn(),
                1 => {
                    worker.accept();
                    worker.shard.slice();
                }
                _ => {}
            }
        }
        worker.turn();
        for ((member, consumer, limit), model) in members.iter().zip(&models) {
            let (bytes, expected) = (member.connection.waiting(), model.connection.waiting());
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(text(&bytes), text(&expected), "seed {seed}, {consumer:?}, {limit}");
        }
    }
}

fn number(text: &str) -> i64 {
    text.trim_start_matches("42[\"n\",").trim_end_matches(']').parse().unwrap()
}
