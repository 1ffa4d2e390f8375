//! One worker: which events a member gets, and when.

use super::*;

#[tokio::test]
async fn a_member_gets_the_events_of_its_groups_in_order_until_it_leaves() {
    let node = Node::new();
    let mut worker = node.worker();
    let (one, both) = (worker.plain(), worker.plain());
    worker.join(&one, "a", FEED).await;
    worker.join(&both, "a", FEED).await;
    worker.join(&both, "b", FEED).await;
    for n in 0..5 {
        node.event("a", n);
    }
    worker.turn();
    assert_eq!(got(&one), ["0", "1", "2", "3", "4"]);
    worker.shard.leave(&both, &name("a"), FEED);
    node.event("a", 5);
    node.event("b", 6);
    worker.turn();
    assert_eq!(got(&one), ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(got(&both), ["0", "1", "2", "3", "4", "6"]);
    worker.shard.leave_all(&one);
    worker.shard.leave_all(&both);
    assert_eq!((node.registry.groups(), worker.backlog()), (0, 0));
    assert!(!node.layer.has(&name("a")) && !node.layer.has(&name("b")));
}

#[tokio::test]
async fn a_member_that_leaves_while_it_joins_is_removed_completely() {
    let node = Node::new();
    let worker = node.worker();
    let member = worker.held("id");
    worker.join(&member, "a", CHAT).await;
    assert_eq!(worker.count("a", CHAT), 1);
    worker.shard.leave_all(&member);
    worker.shard.release(&member);
    worker.join(&member, "b", CHAT).await;
    assert_eq!((node.registry.groups(), node.registry.worker_of(id("id"))), (0, None));
}

#[tokio::test]
async fn a_slot_reserved_for_a_member_that_joins_is_given_to_no_other() {
    let node = Node::new();
    let mut worker = node.worker();
    let joining = worker.socket("w");
    let (first, second) = (worker.plain(), worker.plain());
    worker.join(&first, "a", CHAT).await;
    worker.shard.leave(&first, &name("a"), CHAT);
    node.layer.turn.store(3, Ordering::Relaxed);
    let group = name("a");
    let shard = Rc::clone(&worker.shard);
    let mut join = Box::pin(shard.join(&joining, &group, CHAT));
    assert!(is_pending(&mut join).await);
    node.layer.turn.store(0, Ordering::Relaxed);
    worker.join(&second, "a", CHAT).await;
    node.event("a", 1);
    worker.turn();
    join.await.unwrap();
    node.event("a", 2);
    worker.turn();
    assert_eq!((got(&joining), got(&second)), (vec!["2".to_owned()], vec!["1".to_owned(), "2".to_owned()]));
}

#[tokio::test]
async fn a_join_that_fails_or_is_cancelled_leaves_no_member() {
    let node = Node::new();
    let worker = node.worker();
    let member = worker.plain();
    node.layer.failing.store(true, Ordering::Relaxed);
    assert!(worker.shard.join(&member, &name("a"), FEED).await.is_err());
    assert_eq!(node.registry.groups(), 0);
    node.layer.failing.store(false, Ordering::Relaxed);
    node.layer.turn.store(3, Ordering::Relaxed);
    let group = name("a");
    {
        let mut join = Box::pin(worker.shard.join(&member, &group, FEED));
        assert!(is_pending(&mut join).await);
        assert_eq!(node.registry.groups(), 1);
    }
    assert_eq!(node.registry.groups(), 0);
    // A previous membership remains.
    worker.join(&member, "a", FEED).await;
    worker.join(&member, "a", FEED).await;
    assert_eq!(worker.count("a", FEED), 1);
}

#[tokio::test]
async fn a_join_requested_before_the_last_leave_does_not_confirm_the_next() {
    let node = Node::new();
    let worker = node.worker();
    let (early, late) = (worker.plain(), worker.plain());
    let group = name("a");
    node.layer.turn.store(3, Ordering::Relaxed);
    let mut join = Box::pin(worker.shard.join(&early, &group, FEED));
    assert!(is_pending(&mut join).await);
    worker.shard.leave_all(&early);
    node.layer.turn.store(3, Ordering::Relaxed);
    let mut next = Box::pin(worker.shard.join(&late, &group, FEED));
    assert!(is_pending(&mut next).await);
    join.await.unwrap();
    let mut third = Box::pin(worker.shard.join(&late, &group, FEED));
    node.layer.turn.store(3, Ordering::Relaxed);
    assert!(is_pending(&mut third).await, "the layer has not answered the second join yet");
    next.await.unwrap();
}

#[tokio::test]
async fn groups_of_a_users_connections_can_be_queried() {
    let node = Node::new();
    let mut worker = node.worker();
    let (laptop, phone) = (worker.socket("l"), worker.socket("p"));
    for (member, groups) in [(&laptop, ["user_7", "x"]), (&phone, ["user_7", "y"])] {
        for group in groups {
            worker.join(member, group, CHAT).await;
        }
    }
    worker.join(&phone, "elsewhere", SHOP).await;
    let user = name("user_7");
    let named = [(user.clone(), CHAT), (name("elsewhere"), SHOP)];
    let ids = [id_text("l"), id_text("unknown"), Arc::from("l")];
    let asked = node
        .dispatcher
        .ask_workers(move |shard| (shard.locations(&user, CHAT), shard.reach(&named, &ids)), Duration::from_secs(5));
    let (answers, ()) = tokio::join!(asked, async { worker.turn() });
    assert_eq!(answers.silent, 0);
    let (whereabouts, reached) = &answers.answers[0];
    assert_eq!(*reached, 2, "each once");
    let [laptop, phone] = whereabouts.as_slice() else { panic!("{whereabouts:?}") };
    assert_eq!((&laptop.id, &phone.id), (&id_text("l"), &id_text("p")));
    assert_eq!(laptop.groups, [(name("user_7"), CHAT), (name("x"), CHAT)]);
    assert_eq!(phone.groups, [(name("user_7"), CHAT), (name("y"), CHAT), (name("elsewhere"), SHOP)]);
    assert_eq!(node.registry.names(|consumer| consumer == SHOP), [name("elsewhere")]);
    let silent = node.dispatcher.ask_workers(|_| (), Duration::from_millis(20)).await;
    assert_eq!((silent.answers.len(), silent.silent), (0, 1));
}

/// Polls a future once.
async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())).await
}
