//! Held members: what they get, when, and what happens when there is no room for it.

use super::*;
use crate::event::{Gap, GapReason};

#[tokio::test]
async fn a_held_member_gets_everything_after_its_join_in_order_at_its_release() {
    let node = Node::new();
    let mut worker = node.worker();
    let other = worker.plain();
    let member = worker.held("id");
    member.tell_gaps(CHAT);
    node.event("a", 0);
    for group in ["a", "b"] {
        worker.join(&member, group, CHAT).await;
        worker.join(&other, group, CHAT).await;
    }
    node.event("a", 1);
    node.event("b", 2);
    node.emit(emission(&[&id_text("id")], 3));
    node.dispatcher.take(Signal::Gap(Gap { groups: Some(vec![name("b")]), reason: GapReason::Capacity }));
    node.event("a", 4);
    worker.turn();
    assert_eq!(got(&member), Vec::<String>::new());
    assert_eq!(got(&other), ["1", "2", "4"]);
    // The answer of its handler is not held.
    member.connection.send(&crate::event::Payload::Text("answer".into()));
    assert_eq!(worker.shard.release(&member), Released::Complete);
    node.event("b", 5);
    worker.turn();
    assert_eq!(got(&member), ["answer", "1", "2", &said(3), r#"42["gap",["b"]]"#, "4", "5"]);
    assert_eq!(worker.shard.release(&member), Released::Complete, "a second release changes nothing");
    worker.join(&member, "c", CHAT).await;
    node.event("c", 6);
    worker.turn();
    assert_eq!(got(&member).last().unwrap(), "6");
    assert_eq!(worker.backlog(), 0);
}

#[tokio::test]
async fn a_hold_in_the_middle_of_a_delivery_repeats_nothing_and_misses_nothing() {
    let node = Node::new();
    let mut worker = node.worker();
    let members: Vec<_> = (0..600).map(|_| worker.plain()).collect();
    for member in &members {
        worker.join(member, "a", FEED).await;
    }
    for n in 0..3 {
        node.event("a", n);
    }
    worker.accept();
    worker.shard.slice();
    members.iter().for_each(|member| worker.shard.hold(member));
    node.event("a", 3);
    worker.turn();
    assert_eq!(members.iter().filter(|member| got(member).is_empty()).count(), 600 - 256);
    for member in &members {
        assert_eq!(worker.shard.release(member), Released::Complete);
        assert_eq!(got(member), ["0", "1", "2", "3"]);
    }
}

#[tokio::test]
async fn without_room_everything_is_dropped_and_counted_and_the_client_learns_it() {
    let node = Node::new();
    let mut worker = node.worker();
    let small = || Member::new(worker.connection_with(20), None, BeforeSubscribe::All);
    let (asked, silent, losing) = (small(), small(), small());
    asked.tell_gaps(FEED);
    for (member, consumer) in [(&asked, FEED), (&silent, FEED), (&losing, LOG)] {
        worker.shard.hold(member);
        worker.join(member, "a", consumer).await;
    }
    for n in 100..110 {
        node.event("a", n);
    }
    worker.turn();
    assert!(!silent.connection.is_open(), "it does not ask for notices");
    assert_eq!(worker.shard.release(&asked), Released::Lossy);
    assert_eq!(got(&asked), Vec::<String>::new());
    // The policy `drop_oldest` applies as it does to an outbox.
    assert_eq!(worker.shard.release(&losing), Released::Lossy);
    assert_eq!(got(&losing), ["106", "107", "108", "109"]);
    assert_eq!((node.metrics.drops(DropReason::Held), node.metrics.drops(DropReason::Oldest)), (20, 6));
    node.event("a", 110);
    worker.turn();
    assert_eq!(got(&asked), ["110"]);
}

#[tokio::test]
async fn what_is_kept_for_a_member_that_leaves_is_counted() {
    let node = Node::new();
    let mut worker = node.worker();
    let member = worker.held("id");
    worker.join(&member, "a", CHAT).await;
    node.event("a", 1);
    worker.turn();
    worker.shard.leave_all(&member);
    assert_eq!(worker.shard.release(&member), Released::Complete);
    assert_eq!((got(&member), node.metrics.drops(DropReason::Closed)), (vec![], 1));
}

#[tokio::test]
async fn a_hold_gives_up_when_all_that_waits_on_the_node_is_too_much() {
    let node = Node::new();
    let mut worker = node.worker();
    let socket = config::Socket { outbox_total: 60_000, ..config::Socket::default() };
    let server = config::Server { workers: 1, ..config::Server::default() };
    worker.connections = Connections::new(&socket, &server, node.metrics.clone());
    let members: Vec<_> = (0..3).map(|at| worker.held(&format!("id{at}"))).collect();
    for (at, member) in members.iter().enumerate() {
        worker.join(member, &format!("g{at}"), CHAT).await;
    }
    for n in 0..6 {
        let body = [("n", Value::from("x".repeat(10_000))), ("type", "tick".into())].into_iter().collect();
        let group = name(&format!("g{}", n % 3));
        let event = Event { group, body, source: Source::Memory, received: Instant::now() };
        node.dispatcher.take(Signal::Event(event));
        worker.turn();
    }
    let open = members.iter().filter(|member| member.connection.is_open()).count();
    assert!(open < 3, "each is below its own limit, and all together are above that of the node");
    assert!(node.metrics.drops(DropReason::Held) > 0);
}
