//! Members that come and go on live nodes.

use std::{collections::BTreeMap, time::Duration};

use channelgate::presence::PresenceChange;
use futures_util::future::join_all;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_member_with_tabs_on_two_nodes_arrives_once_and_leaves_once() {
    let mut cluster = Cluster::new(Duration::from_millis(50));
    let (one, two) = (cluster.node(), cluster.node());
    assert!(one.enter("7").await);
    assert!(!one.enter("7").await);
    assert!(!two.enter("7").await);
    assert!(two.enter("8").await);
    assert_eq!((one.count().await, two.count().await), (2, 2));
    one.leave("7");
    one.leave("7");
    cluster.quiet().await;
    assert!(cluster.diary.is_empty(), "{}", cluster.diary.text());
    two.leave("7");
    eventually("the departure", async || cluster.diary.departed("7") == 1).await;
    eventually("the count", async || one.count().await == 1).await;
    cluster.quiet().await;
    assert_eq!(cluster.diary.told(PresenceChange::Departed), BTreeMap::from([("7".to_owned(), 1)]));
    assert!(cluster.diary.told(PresenceChange::Arrived).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_moves_to_another_node_within_the_grace_was_never_gone() {
    let mut cluster = Cluster::new(Duration::from_millis(400));
    let (one, two) = (cluster.node(), cluster.node());
    assert!(one.enter("7").await);
    for _ in 0..5 {
        one.leave("7");
        assert!(!two.enter("7").await);
        two.leave("7");
        assert!(!one.enter("7").await);
    }
    cluster.quiet().await;
    assert!(cluster.diary.is_empty(), "{}", cluster.diary.text());
    assert_eq!(one.count().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_in_two_scopes_is_counted_once() {
    use channelgate::presence::{Presence as _, PresenceMember};
    let mut cluster = Cluster::new(Duration::from_millis(20));
    let node = cluster.node();
    assert!(node.enter("7").await);
    let elsewhere = PresenceMember { scope: "a\"b:\n é".into(), id: "7".into() };
    assert!(node.presence.enter(&elsewhere, &facts("7")).await.is_some(), "present there for the first time");
    assert_eq!(node.count().await, 1);
    node.leave("7");
    eventually("the departure", async || cluster.diary.departed("7") == 1).await;
    assert_eq!(node.count().await, 1);
    node.presence.leave(&elsewhere);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_connections_makes_each_member_present_once() {
    let mut cluster = Cluster::new(Duration::from_millis(50));
    let nodes = [cluster.node(), cluster.node(), cluster.node()];
    let ids: Vec<String> = (0..400).map(|id| id.to_string()).collect();
    let entering = (0..6).flat_map(|turn| ids.iter().map(move |id| (turn, id)));
    let answers = join_all(entering.map(|(turn, id)| {
        let node = &nodes[turn % 3];
        async move { (id, node.enter(id).await) }
    }));
    let mut first: BTreeMap<&String, usize> = BTreeMap::new();
    for (id, is_first) in answers.await {
        *first.entry(id).or_default() += usize::from(is_first);
    }
    assert!(first.values().all(|times| *times == 1), "{first:?}");
    assert_eq!(nodes[0].count().await, 400);
    for turn in 0..6 {
        for id in &ids {
            nodes[turn % 3].leave(id);
        }
    }
    eventually("400 departures", async || cluster.diary.told(PresenceChange::Departed).len() == 400).await;
    cluster.quiet().await;
    assert!(cluster.diary.told(PresenceChange::Departed).values().all(|times| *times == 1));
    assert_eq!(nodes[0].count().await, 0);
    let left: Vec<_> = cluster.keys().into_keys().filter(|key| key.contains(":member:")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_random_arrivals_and_departures_are_reported_exactly() {
    let mut cluster = Cluster::new(Duration::from_millis(4));
    let nodes = [cluster.node(), cluster.node(), cluster.node()];
    let mut random = StdRng::seed_from_u64(7);
    // Per member: connections on each node, and the number of departures.
    let mut model: Vec<([usize; 3], usize)> = vec![([0; 3], 0); 12];
    for turn in 0..1000 {
        let (id, at) = (random.random_range(0..model.len()), random.random_range(0..3));
        let (connections, departures) = &mut model[id];
        let name = id.to_string();
        if random.random_bool(0.5) && connections[at] > 0 {
            connections[at] -= 1;
            nodes[at].leave(&name);
            if *connections == [0; 3] {
                *departures += 1;
                let expected = *departures;
                eventually("a departure", async || cluster.diary.departed(&name) >= expected).await;
            }
        } else {
            let absent = *connections == [0; 3];
            connections[at] += 1;
            assert_eq!(nodes[at].enter(&name).await, absent, "member {id}, turn {turn}");
        }
    }
    cluster.quiet().await;
    for (id, (_, departures)) in model.iter().enumerate() {
        assert_eq!(cluster.diary.departed(&id.to_string()), *departures, "member {id}");
    }
    assert!(cluster.diary.told(PresenceChange::Arrived).is_empty());
    let present = model.iter().filter(|(connections, _)| *connections != [0; 3]).count();
    assert_eq!(nodes[0].count().await, present);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_has_the_nodes_prefix_and_expires() {
    let mut cluster = Cluster::new(Duration::from_millis(20));
    let (one, two) = (cluster.node(), cluster.node());
    for id in ["7", "8"] {
        one.enter(id).await;
        two.enter(id).await;
    }
    one.leave("8");
    two.leave("8");
    eventually("the departure", async || cluster.diary.departed("8") == 1).await;
    let keys = cluster.keys();
    assert!(keys.len() >= 6, "{keys:?}");
    for (key, ttl) in keys {
        assert!(key.starts_with("channelgate:presence:"), "{key}");
        assert!((1..=600_000).contains(&ttl), "{key}: {ttl} ms");
    }
}
