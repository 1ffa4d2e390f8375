//! The largest groups of a worker, for operators.

use super::*;

/// A group of this size.
async fn group(worker: &Worker, name: &str, members: usize, consumer: ConsumerId) {
    for _ in 0..members {
        worker.join(&worker.plain(), name, consumer).await;
    }
}

fn largest(worker: &Worker, most: usize) -> Vec<String> {
    let mut names: Vec<String> = worker
        .shard
        .largest_groups(most, |name| !name.as_str().starts_with("namespace."))
        .iter()
        .map(|name| name.as_str().to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_largest_groups_of_a_worker_are_named_and_their_members_count_once() {
    let node = Node::new();
    let worker = node.worker();
    for size in 1..=20 {
        group(&worker, &format!("g{size:02}"), size, FEED).await;
    }
    group(&worker, "namespace.x", 30, CHAT).await;
    assert_eq!(largest(&worker, 3), ["g18", "g19", "g20"]);
    assert_eq!(largest(&worker, 99).len(), 20);
    // One socket that two consumers of its namespace serve, and one of the first of them alone.
    let both = worker.socket("both");
    worker.join(&both, "room", CHAT).await;
    worker.join(&both, "room", SHOP).await;
    worker.join(&worker.socket("one"), "room", CHAT).await;
    assert_eq!(worker.shard.sizes(&[name("room"), name("g07"), name("unknown")]), [2, 7, 0]);
    worker.shard.leave_all(&both);
    assert_eq!(worker.shard.sizes(&[name("room")]), [1]);
}

#[tokio::test]
async fn each_worker_counts_its_own_members() {
    let node = Node::new();
    let (one, other) = (node.worker(), node.worker());
    group(&one, "room", 3, FEED).await;
    group(&other, "room", 4, CHAT).await;
    assert_eq!([&one, &other].map(|worker| worker.shard.sizes(&[name("room")])), [[3], [4]]);
}
