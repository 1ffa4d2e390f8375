//! Messages to the channel of one connection.

use super::{calls::Recorder, *};

#[tokio::test]
async fn a_direct_message_keeps_its_place_among_the_events() {
    let node = Node::new();
    let mut worker = node.worker();
    let one = Recorder::open(&node, &worker, worker.held("one"));
    let member = worker.shard.groups.borrow().by_id.get(id("one")).cloned().unwrap();
    node.direct("one", "tick", 0);
    worker.turn();
    assert_eq!(got(&member), ["0"], "it needs no group");
    worker.join(&member, "a", BRIDGED).await;
    let many: Vec<_> = (0..600).map(|_| worker.plain()).collect();
    for other in &many {
        worker.join(other, "large", FEED).await;
    }
    worker.join(&member, "large", BRIDGED).await;
    node.event("large", 1);
    node.direct("one", "tick", 2);
    node.event("a", 3);
    node.direct("one", "mine", 4);
    node.event("a", 5);
    node.direct("one", "tick", 6);
    worker.turn();
    assert_eq!((got(&member), *one.woken.borrow()), (["0", "1", "2", "3"].map(String::from).to_vec(), 1));
    assert_eq!([one.release(), one.release()], ["mine 4", "Complete"]);
    assert_eq!(got(&member), ["0", "1", "2", "3", "5", "6"]);
    assert_eq!(worker.backlog(), 0);
    assert!(many.iter().all(|other| got(other) == ["1"]));
}

#[tokio::test]
async fn a_direct_message_that_cannot_be_mapped_ends_the_connection() {
    let node = Node::new();
    let mut worker = node.worker();
    let _one = Recorder::open(&node, &worker, worker.held("one"));
    let member = worker.shard.groups.borrow().by_id.get(id("one")).cloned().unwrap();
    node.direct("one", "wrong", 0);
    worker.turn();
    assert!(matches!(worker.shard.release(&member), Released::Close(_)));
    assert_eq!(node.metrics.drops(DropReason::Mapping), 1);
}

#[tokio::test]
async fn a_message_for_nobody_is_counted() {
    let node = Node::new();
    let mut worker = node.worker();
    let gone = worker.socket("gone");
    node.direct("gone", "tick", 1);
    // It leaves after the message was passed on.
    worker.shard.leave_all(&gone);
    node.direct("gone", "tick", 2);
    node.direct("no such id!", "tick", 3);
    let _handless = worker.socket("handless");
    node.direct("handless", "tick", 4);
    worker.turn();
    assert_eq!((got(&gone), worker.backlog()), (vec![], 0));
    let text = node.metrics.render();
    for (outcome, count) in [("gone", 3), ("reached", 0), ("unhandled", 1)] {
        assert!(text.contains(&format!("direct_messages_total{{outcome=\"{outcome}\"}} {count}")), "{outcome}: {text}");
    }
}

#[tokio::test]
async fn a_connection_without_python_gets_what_its_consumer_maps() {
    let node = Node::new();
    let mut worker = node.worker();
    let (mapped, unknown) = (worker.socket("mapped"), worker.socket("unknown"));
    worker.join(&mapped, "a", FEED).await;
    worker.join(&unknown, "a", PRICES).await;
    node.direct("mapped", "tick", 1);
    node.direct("unknown", "other", 2);
    worker.turn();
    assert_eq!(got(&mapped), ["1"]);
    assert_eq!((got(&unknown), node.metrics.drops(DropReason::NoHandler)), (vec![], 1));
    assert_eq!(closed(&unknown), None);
}
