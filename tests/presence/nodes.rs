//! Nodes that die, stop and start.

use std::{collections::BTreeMap, time::Duration};

use channelgate::presence::{Presence as _, PresenceChange};
use tokio::time::Instant;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_members_of_a_dead_node_are_reported_once_by_one_survivor() {
    let mut cluster = Cluster::new(Duration::from_millis(100));
    let (dying, two, three) = (cluster.settled().await, cluster.settled().await, cluster.settled().await);
    cluster.quiet().await;
    // Taking over needs more than one step.
    let ids: Vec<String> = (0..700).map(|id| format!("member-{id}")).collect();
    for id in &ids {
        assert!(dying.enter(id).await);
    }
    assert!(!two.enter("member-0").await);
    assert!(!three.enter("member-1").await);
    let killed = Instant::now();
    drop(dying);
    // They return on another node before the death of their node is noticed.
    assert!(!three.enter("member-2").await);
    eventually("the departures", async || cluster.diary.told(PresenceChange::Departed).len() >= 697).await;
    assert!(killed.elapsed() > LEASE - HEARTBEAT, "{:?}", killed.elapsed());
    cluster.quiet().await;
    let told = cluster.diary.told(PresenceChange::Departed);
    assert_eq!(told.len(), 697);
    assert!(told.values().all(|times| *times == 1), "{told:?}");
    assert!((0..3).all(|id| !told.contains_key(&format!("member-{id}"))));
    assert_eq!(two.count().await, 3);
    two.leave("member-0");
    three.leave("member-1");
    three.leave("member-2");
    eventually("the last departures", async || cluster.diary.told(PresenceChange::Departed).len() == 700).await;
    assert_eq!(two.count().await, 0);
    eventually("nothing is left of the dead node", async || {
        !cluster.keys().keys().any(|key| key.contains("node1") || key.contains(":member:"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_taken_over_by_a_survivor_that_dies_go_to_the_next() {
    let mut cluster = Cluster::new(Duration::from_secs(3));
    let (first, second) = (cluster.settled().await, cluster.settled().await);
    cluster.quiet().await;
    assert!(first.enter("7").await);
    drop(first);
    eventually("the second node has it", async || {
        let mut connection = cluster.redis.connection();
        let set = "channelgate:presence:member:[\"shop\",\"7\"]";
        let nodes: Vec<String> = redis::cmd("SMEMBERS").arg(set).query(&mut connection).unwrap();
        nodes == ["node2"]
    })
    .await;
    drop(second);
    let third = cluster.settled().await;
    eventually("the departure", async || cluster.diary.departed("7") == 1).await;
    assert_eq!(third.count().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_clean_stop_other_nodes_take_the_members_over_and_wait_for_their_return() {
    let mut cluster = Cluster::new(Duration::from_millis(1500));
    let (stopping, staying) = (cluster.settled().await, cluster.settled().await);
    cluster.quiet().await;
    for id in ["returns", "goes", "returns late"] {
        assert!(stopping.enter(id).await);
    }
    // The sockets are closed as the node drains, and then the node ends.
    stopping.leave("returns");
    stopping.leave("goes");
    let stopped = Instant::now();
    stopping.presence.stop().await;
    assert!(stopped.elapsed() < Duration::from_secs(1), "{:?}", stopped.elapsed());
    assert!(!staying.enter("returns").await);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!staying.enter("returns late").await);
    eventually("the departure", async || cluster.diary.departed("goes") == 1).await;
    let waited = stopped.elapsed();
    assert!(waited >= cluster.grace && waited < cluster.grace + LEASE, "{waited:?}");
    cluster.quiet().await;
    assert_eq!(cluster.diary.told(PresenceChange::Departed), BTreeMap::from([("goes".to_owned(), 1)]));
    assert!(!stopping.enter("returns").await, "a stopped node counts no member");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_restarts_finds_its_members() {
    let mut cluster = Cluster::new(Duration::from_millis(1500));
    let before = cluster.node();
    assert!(before.enter("returns").await);
    assert!(before.enter("goes").await);
    before.presence.stop().await;
    let after = cluster.node();
    assert!(!after.enter("returns").await);
    eventually("the departure", async || cluster.diary.departed("goes") == 1).await;
    cluster.quiet().await;
    assert_eq!(cluster.diary.told(PresenceChange::Departed).len(), 1);
    assert_eq!(after.count().await, 1);
}
