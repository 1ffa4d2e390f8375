//! What events ask of sessions: the place of that among the messages, and its bounds.

use super::{calls::Recorder, *};
use crate::event::{Event, Value};

async fn asked(node: &Node, worker: &Worker, id: &str) -> Rc<Recorder> {
    let recorder = Recorder::open_as(node, worker, worker.held(id), ASKS);
    worker.join(&recorder.member, "a", ASKS).await;
    recorder
}

#[tokio::test]
async fn an_outcome_comes_after_its_frame_and_what_follows_waits_for_it() {
    let node = Node::new();
    let mut worker = node.worker();
    let one = asked(&node, &worker, "one").await;
    worker.join(&one.member, "c", ASKS).await;
    node.event("a", 1);
    node.typed("a", "move", 2);
    node.event("c", 3);
    worker.turn();
    assert_eq!((one.got(), *one.woken.borrow()), (vec!["1".to_owned(), "2".to_owned()], 1));
    assert_eq!(one.release(), "outcome");
    node.event("a", 4);
    worker.turn();
    assert_eq!(one.got(), ["1", "2"], "while its session joins and leaves, everything waits");
    assert_eq!(one.release(), "Complete");
    assert_eq!(one.got(), ["1", "2", "3", "4"]);
    assert_eq!(worker.backlog(), 0);
}

#[tokio::test]
async fn only_who_gets_the_event_has_its_outcome() {
    let node = Node::new();
    let mut worker = node.worker();
    let (all, other) = (asked(&node, &worker, "all").await, asked(&node, &worker, "other").await);
    other.member.subscribe(vec!["7".into()], 10).unwrap();
    // A consumer without this outcome in the same group.
    let feed = worker.plain();
    worker.join(&feed, "a", FEED).await;
    node.typed("a", "chosen", 1);
    worker.turn();
    assert_eq!((all.got(), other.got()), (vec!["1".to_owned()], vec![]));
    assert_eq!([all.release(), other.release()], ["outcome", "Complete"]);
    assert_eq!((got(&feed), closed(&feed), feed.is_held()), (vec!["1".to_owned()], None, false));
    // A message for one connection alone is an event, too.
    node.direct("other", "chosen", 7);
    worker.turn();
    assert_eq!((other.release(), all.release(), other.got()), ("outcome".into(), "Complete".into(), vec!["7".into()]));
}

#[tokio::test]
async fn an_outcome_that_cannot_be_said_is_counted_once_and_its_frames_are_sent() {
    let node = Node::new();
    let mut worker = node.worker();
    let (one, other) = (asked(&node, &worker, "one").await, asked(&node, &worker, "other").await);
    node.typed("a", "bad", 1);
    worker.turn();
    assert_eq!([one.got(), other.got()], [["1"], ["1"]]);
    assert_eq!([one.release(), other.release()], ["Complete", "Complete"]);
    assert_eq!(node.metrics.drops(DropReason::Mapping), 1);
    // In Django's consumers it is an exception.
    let bridged = Recorder::open(&node, &worker, worker.held("bridged"));
    worker.join(&bridged.member, "a", BRIDGED).await;
    node.typed("a", "wrong_end", 2);
    worker.turn();
    assert!(
        matches!(worker.shard.release(&bridged.member), Released::Close(ending) if ending == Ending::event_failed())
    );
    assert_eq!((bridged.got(), node.metrics.drops(DropReason::Mapping)), (vec!["2".to_owned()], 2));
}

#[tokio::test]
async fn outcomes_that_wait_are_bounded_and_counted_among_all_that_waits() {
    let node = Node::new();
    let mut worker = node.worker();
    let one = asked(&node, &worker, "one").await;
    for n in 0..1024 {
        node.typed("a", "move", n);
    }
    worker.turn();
    assert_eq!(closed(&one.member), None);
    assert_eq!(one.release(), "outcome");
    for n in 0..2 {
        node.typed("a", "move", n);
    }
    worker.turn();
    assert_eq!(closed(&one.member), Some(1013));
    worker.shard.leave_all(&one.member);
    drop(one);
    assert_eq!((worker.backlog(), node.metrics.outbox_bytes.get()), (0, 0));
}

#[tokio::test]
async fn an_outcome_that_depends_on_the_connection_holds_the_event_until_it_is_carried_out() {
    let node = Node::new();
    let mut worker = node.worker();
    let (one, other) = (asked(&node, &worker, "one").await, asked(&node, &worker, "other").await);
    let body = [("type", Value::from("own")), ("x", "x".repeat(400_000).into())].into_iter().collect();
    node.dispatcher.take(Signal::Event(Event {
        group: name("a"),
        body,
        source: Source::Memory,
        received: Instant::now(),
    }));
    assert!(worker.backlog() > 400_000);
    worker.turn();
    let waiting = node.metrics.outbox_bytes.get();
    assert!((300_000..500_000).contains(&waiting), "{waiting}: two members share it");
    assert_eq!([one.release(), other.release()], ["outcome", "outcome"]);
    assert_eq!((worker.backlog(), node.metrics.outbox_bytes.get()), (0, 0));
}
