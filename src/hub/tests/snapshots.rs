//! Reports of changes of presence, for connections that know them from a snapshot, and for others.

use super::*;

#[tokio::test]
async fn a_change_that_waited_for_the_handler_that_takes_the_snapshot_is_not_reported_either() {
    let node = Node::new();
    let mut worker = node.worker();
    let (reader, other) = (worker.held("r"), worker.held("o"));
    for member in [&reader, &other] {
        worker.join(member, "lobby", CHAT).await;
        worker.shard.hold(member);
    }
    let report = |worker: &mut Worker, at: u64| {
        let n = i64::try_from(at).unwrap();
        node.emit(Emission { presence: Some(("chat".into(), at)), ..emission(&["lobby"], n) });
        worker.turn();
    };
    // The connections have joined their groups, and their handlers have not begun.
    report(&mut worker, 3);
    node.emit(emission(&["lobby"], 100));
    let (shard, scope): (_, Arc<str>) = (Rc::clone(&worker.shard), "chat".into());
    shard.snapshots().begin(&reader, &scope, Instant::now());
    for at in [6, 4] {
        report(&mut worker, at);
    }
    assert!(shard.snapshots().taken(&reader, &scope, 5, false), "what is later waits as well");
    report(&mut worker, 7);
    assert_eq!((got(&reader), got(&other)), (vec![], vec![]));
    for member in [&reader, &other] {
        assert!(matches!(shard.release(member), Released::Complete));
    }
    report(&mut worker, 8);
    assert_eq!(got(&reader), [100, 6, 7, 8].map(said));
    assert_eq!(got(&other), [3, 100, 6, 4, 7, 8].map(said));
}

#[tokio::test]
async fn a_change_that_a_snapshot_contains_is_not_reported_to_that_connection() {
    let node = Node::new();
    let mut worker = node.worker();
    let (reader, other) = (worker.socket("r"), worker.socket("o"));
    for member in [&reader, &other] {
        worker.join(member, "lobby", CHAT).await;
    }
    let scope: Arc<str> = "chat".into();
    let report = |worker: &mut Worker, scope: &str, at: u64| {
        let n = i64::try_from(at).unwrap();
        node.emit(Emission { presence: Some((scope.into(), at)), ..emission(&["lobby"], n) });
        worker.turn();
    };
    let shard = Rc::clone(&worker.shard);
    let (snapshots, now) = (shard.snapshots(), Instant::now());
    report(&mut worker, "chat", 1);
    snapshots.begin(&reader, &scope, now);
    report(&mut worker, "chat", 2);
    assert!(snapshots.taken(&reader, &scope, 5, false), "it contains the change that was reported meanwhile");
    for at in [3, 5, 6, 4] {
        report(&mut worker, "chat", at);
    }
    // Of another consumer or room, or no report at all.
    report(&mut worker, "shop", 3);
    node.emit(emission(&["lobby"], 9));
    worker.turn();
    assert_eq!(got(&reader), [1, 6, 3, 9].map(said));
    assert_eq!(got(&other), [1, 2, 3, 5, 6, 4, 3, 9].map(said), "who has no snapshot gets all of them");

    snapshots.begin(&reader, &scope, now);
    report(&mut worker, "chat", 20);
    assert!(!snapshots.taken(&reader, &scope, 19, false), "a later change was reported: it is read again");
    report(&mut worker, "chat", 21);
    assert!(snapshots.taken(&reader, &scope, 19, true), "or not, if it was the last time");
    report(&mut worker, "chat", 22);
    assert_eq!(got(&reader), [1, 6, 3, 9, 22].map(said));

    // A minute later no earlier change is on its way any more.
    snapshots.begin(&other, &scope, now + Duration::from_secs(61));
    report(&mut worker, "chat", 10);
    assert_eq!(got(&reader), [1, 6, 3, 9, 22, 10].map(said), "its entry is forgotten");
    // Also if nobody takes another snapshot: the clock of a Redis that took over may be behind.
    let long_ago = now.checked_sub(Duration::from_secs(61)).unwrap();
    for at in [50, 0] {
        snapshots.begin(&reader, &scope, long_ago);
        assert!(at == 0 || snapshots.taken(&reader, &scope, at, false));
        report(&mut worker, "chat", 30);
    }
    assert_eq!(got(&reader), [1, 6, 3, 9, 22, 10, 30, 30].map(said), "nor does one that was never read");
}
