//! Throttles: which events a member gets, and what is kept about it.

use super::{
    calls::{Recorder, bridged},
    *,
};
use crate::event::Event;

/// A clock for events: what the throttle sees is when the node received them.
struct Clock(Instant);

impl Clock {
    fn event(&self, node: &Node, seconds: u64, kind: &str, n: i64) {
        let received = self.0 + Duration::from_secs(seconds);
        let event = Event { group: name("a"), body: body(kind, n), source: Source::Memory, received };
        node.dispatcher.take(Signal::Event(event));
    }
}

#[tokio::test]
async fn a_member_gets_a_handlers_events_at_its_rate_and_the_others_are_dropped_and_counted() {
    let (node, clock) = (Node::new(), Clock(Instant::now()));
    let mut worker = node.worker();
    let (one, late) = (worker.plain(), worker.plain());
    worker.join(&one, "a", ASKS).await;
    for (at, n) in [(0, 1), (1, 2), (4, 3), (5, 4)] {
        clock.event(&node, at, "often", n);
        clock.event(&node, at, "burst", 10 + n);
        clock.event(&node, at, "tick", 20 + n);
    }
    worker.turn();
    let all = ["1", "-1", "11", "21", "12", "22", "23", "4", "-4", "14", "24"];
    assert_eq!(got(&one), all, "both frames of an event or neither; other handlers have their own rate");
    assert_eq!(node.metrics.drops(DropReason::Throttled), 3, "an event counts once for each member");
    // Each member has its own.
    worker.join(&late, "a", ASKS).await;
    clock.event(&node, 6, "often", 5);
    worker.turn();
    assert_eq!((got(&one).len(), got(&late)), (all.len(), vec!["5".to_owned(), "-5".to_owned()]));
    assert_eq!(node.metrics.drops(DropReason::Throttled), 4);
}

#[tokio::test]
async fn events_of_several_groups_count_in_the_order_of_their_arrival() {
    let (node, start) = (Node::new(), Instant::now());
    let mut worker = node.worker();
    let one = worker.plain();
    for group in ["a", "b", "c"] {
        worker.join(&one, group, ASKS).await;
    }
    for (n, group) in (1..).zip(["c", "a", "b", "a", "c"]) {
        let received = start + Duration::from_secs(2 * n as u64);
        let event = Event { group: name(group), body: body("often", n), source: Source::Memory, received };
        node.dispatcher.take(Signal::Event(event));
    }
    worker.turn();
    assert_eq!(got(&one), ["1", "-1", "4", "-4"]);
}

#[tokio::test]
async fn who_does_not_get_an_event_anyway_is_not_counted_by_its_throttle() {
    let (node, clock) = (Node::new(), Clock(Instant::now()));
    let mut worker = node.worker();
    let members: Vec<_> = ["one", "two"].map(|id| worker.socket(id)).into_iter().collect();
    for (member, room) in members.iter().zip(["x", "y"]) {
        worker.join(member, "a", ROOMS).await;
        worker.join(member, room, ROOMS).await;
        worker.join(member, "both", ROOMS).await;
    }
    let to = |seconds: u64, rooms: &[&str], n: i64| {
        let rooms = Value::List(rooms.iter().map(|room| Value::from(*room)).collect());
        let body = [("type", Value::from("often")), ("rooms", rooms), ("n", n.into())].into_iter().collect();
        let received = clock.0 + Duration::from_secs(seconds);
        node.dispatcher.take(Signal::Event(Event { group: name("a"), body, source: Source::Memory, received }));
    };
    to(0, &["x"], 1);
    to(1, &["x", "y", "both"], 2);
    to(2, &["both", "y"], 3);
    to(5, &["both"], 4);
    worker.turn();
    assert_eq!(got(&members[0]), [said(1), said(4)]);
    assert_eq!(got(&members[1]), [said(2)]);
    assert_eq!(node.metrics.drops(DropReason::Throttled), 4);
}

#[tokio::test]
async fn a_held_member_is_throttled_like_any_other_and_an_outcome_with_its_frames() {
    let (node, clock) = (Node::new(), Clock(Instant::now()));
    let mut worker = node.worker();
    let one = Recorder::open_as(&node, &worker, worker.held("one"), ASKS);
    worker.join(&one.member, "a", ASKS).await;
    worker.shard.hold(&one.member);
    clock.event(&node, 0, "once", 1);
    clock.event(&node, 1, "once", 2);
    worker.turn();
    assert_eq!([one.release(), one.release()], ["outcome", "Complete"]);
    assert_eq!((one.got(), node.metrics.drops(DropReason::Throttled)), (vec!["1".to_owned()], 1));
    // Messages for it alone are events of the same handlers.
    node.direct("one", "often", 3);
    node.direct("one", "often", 4);
    worker.turn();
    assert_eq!((one.got().len(), node.metrics.drops(DropReason::Throttled)), (3, 2));
}

#[tokio::test]
async fn only_members_with_a_throttle_cost_memory_and_it_is_given_back() {
    let (node, clock) = (Node::new(), Clock(Instant::now()));
    let mut worker = node.worker();
    let (with, without) = (worker.plain(), worker.plain());
    worker.join(&with, "a", ASKS).await;
    worker.join(&without, "a", FEED).await;
    clock.event(&node, 0, "tick", 1);
    worker.turn();
    assert_eq!(worker.shard.throttles.members(), 0);
    for at in 0..10_000 {
        clock.event(&node, at / 1000, "often", 1);
        clock.event(&node, at / 1000, "burst", 1);
    }
    worker.turn();
    assert_eq!((worker.shard.throttles.members(), worker.backlog()), (1, 0));
    assert_eq!(got(&with).len(), 1 + 2 * 2 + 3);
    assert_eq!(node.metrics.drops(DropReason::Throttled), 20_000 - 5);
    worker.shard.leave_all(&with);
    worker.shard.leave_all(&without);
    assert_eq!(worker.shard.throttles.members(), 0);
    clock.event(&node, 20, "often", 1);
    worker.turn();
    assert_eq!(worker.shard.throttles.members(), 0);
}

#[tokio::test]
async fn a_throttle_holds_for_calls_that_members_share() {
    let (node, clock) = (Node::new(), Clock(Instant::now()));
    let mut worker = node.worker();
    let early = bridged(&node, &worker, "early").await;
    clock.event(&node, 0, "seldom", 1);
    worker.turn();
    let late = bridged(&node, &worker, "late").await;
    for (at, n) in [(1, 2), (4, 3), (5, 4), (6, 5), (7, 6)] {
        clock.event(&node, at, "seldom", n);
        clock.event(&node, at, "tick", 20 + n);
    }
    worker.turn();
    // Each member has its own rate, from the first event that it gets.
    for (one, calls, last) in [
        (early, [("seldom 1", ""), ("seldom 4", "22 23")], "22 23 24 25 26"),
        (late, [("seldom 2", ""), ("seldom 5", "22 23 24")], "22 23 24 25 26"),
    ] {
        for (call, before) in calls {
            assert_eq!((one.release().as_str(), one.got().join(" ").as_str()), (call, before));
        }
        assert_eq!((one.release().as_str(), one.got().join(" ").as_str()), ("Complete", last));
    }
    assert_eq!(node.metrics.drops(DropReason::Throttled), 7);
}

#[tokio::test]
async fn a_throttle_holds_for_calls_of_each_member_and_of_its_own_channel() {
    let (node, clock) = (Node::new(), Clock(Instant::now()));
    let mut worker = node.worker();
    let (one, other) = (bridged(&node, &worker, "one").await, bridged(&node, &worker, "other").await);
    // The condition comes first.
    for n in [1, 13, 2, 3] {
        clock.event(&node, 0, "each_seldom", n);
    }
    worker.turn();
    let own = |at, n| {
        let (group, received) = (name("own"), clock.0 + Duration::from_secs(at));
        let event = Event { group, body: body("each_seldom", n), source: Source::Core, received };
        worker.shard.react_for(&one.member, &one.consumer, &Arc::new(event));
    };
    own(4, 4);
    own(5, 5);
    own(6, 6);
    assert_eq!([(); 4].map(|()| one.release()), ["each_seldom 1", "each_seldom 2", "each_seldom 5", "Complete"]);
    assert_eq!([(); 3].map(|()| other.release()), ["each_seldom 1", "each_seldom 2", "Complete"]);
    assert_eq!(node.metrics.drops(DropReason::Throttled), 4);
}
