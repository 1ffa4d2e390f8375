//! Redis unreachable, frozen, or back without its data.

use std::{collections::BTreeMap, time::Duration};

use channelgate::presence::PresenceChange;
use futures_util::future::join_all;

use crate::{proxy::Proxy, support::*};

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_its_data_reports_no_arrival_or_departure() {
    let mut cluster = Cluster::new(Duration::from_millis(100));
    let (one, two) = (cluster.node(), cluster.node());
    for id in 0..300 {
        assert!(one.enter(&id.to_string()).await);
        assert!(!two.enter(&id.to_string()).await);
    }
    assert!(one.enter("went meanwhile").await);
    cluster.redis.kill();
    // Entering degrades gracefully, and at once when Redis is known to be unreachable.
    assert!(!one.enter("came meanwhile").await);
    assert!(!two.enter("0").await);
    assert!(one.metrics.render().contains("channelgate_presence_failures_total "));
    assert_eq!(one.count().await, 302, "those of this node");
    one.leave("went meanwhile");
    one.leave("1");
    tokio::time::sleep(3 * LEASE).await;
    cluster.redis.restart();
    eventually("all are written again", async || one.count().await >= 301 && two.count().await >= 301).await;
    eventually("the departure", async || cluster.diary.departed("went meanwhile") == 1).await;
    cluster.quiet().await;
    assert_eq!(
        cluster.diary.told(PresenceChange::Departed),
        BTreeMap::from([("went meanwhile".to_owned(), 1)]),
        "1 is on the other node"
    );
    assert!(cluster.diary.told(PresenceChange::Arrived).is_empty(), "{}", cluster.diary.text());
    assert_eq!(two.count().await, 301);
    // And it continues as before.
    assert!(two.enter("new").await);
    two.leave("new");
    two.leave("1");
    for node in [&one, &two] {
        node.leave("2");
    }
    one.leave("came meanwhile");
    let expected = ["1", "2", "came meanwhile", "new", "went meanwhile"].map(|id| (id.to_owned(), 1));
    eventually("the departures", async || cluster.diary.told(PresenceChange::Departed).len() == 5).await;
    assert_eq!(cluster.diary.told(PresenceChange::Departed), expected.into());
    for (key, ttl) in cluster.keys() {
        assert!(key.starts_with("channelgate:presence:") && ttl > 0, "{key}: {ttl}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_take_long_to_write_again_have_not_come() {
    let mut cluster = Cluster::new(Duration::from_millis(100));
    let proxy = Proxy::before(cluster.redis.port());
    let node = cluster.node_at(&proxy.url());
    let ids: Vec<String> = (0..12_000).map(|id| id.to_string()).collect();
    assert!(join_all(ids.iter().map(|id| node.enter(id))).await.into_iter().all(|first| first));
    // Many members over a slow link: longer than the time within which every node has sent a sign of life.
    proxy.delay(Duration::from_millis(20));
    redis::cmd("FLUSHALL").exec(&mut cluster.redis.connection()).unwrap();
    let mut commands = cluster.redis.connection();
    eventually("all are written again", async || {
        tokio::time::sleep(HEARTBEAT).await;
        redis::cmd("DBSIZE").query::<usize>(&mut commands).unwrap() >= ids.len()
    })
    .await;
    cluster.quiet().await;
    assert!(cluster.diary.is_empty(), "{}", cluster.diary.told(PresenceChange::Arrived).len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_froze_for_longer_than_any_lease_reports_no_departure() {
    let mut cluster = Cluster::new(Duration::from_millis(100));
    let (one, two) = (cluster.settled().await, cluster.settled().await);
    cluster.quiet().await;
    assert!(one.enter("1").await);
    assert!(two.enter("2").await);
    cluster.redis.freeze();
    assert!(!two.enter("3").await, "it cannot be known");
    two.leave("2");
    let _ = two.enter("2").await;
    tokio::time::sleep(4 * LEASE).await;
    cluster.redis.thaw();
    eventually("the member that came meanwhile is reported when Redis is back", async || {
        cluster.diary.told(PresenceChange::Arrived).contains_key("3")
    })
    .await;
    cluster.quiet().await;
    assert_eq!(cluster.diary.told(PresenceChange::Arrived), BTreeMap::from([("3".to_owned(), 1)]));
    assert!(cluster.diary.told(PresenceChange::Departed).is_empty(), "{}", cluster.diary.text());
    assert_eq!(one.count().await, 3);
    one.leave("1");
    two.leave("2");
    two.leave("3");
    eventually("the departures", async || cluster.diary.told(PresenceChange::Departed).len() == 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_while_redis_is_unreachable() {
    let mut cluster = Cluster::new(Duration::from_millis(100));
    cluster.redis.kill();
    let node = cluster.node();
    assert!(!node.enter("7").await);
    cluster.redis.restart();
    eventually("the arrival is reported", async || cluster.diary.told(PresenceChange::Arrived).contains_key("7")).await;
    assert!(node.enter("8").await);
    node.leave("7");
    eventually("the departure", async || cluster.diary.departed("7") == 1).await;
}

/// Another node, played by the test: it has the member 7 and stays alive.
fn write_slow_node(cluster: &Cluster) {
    let mut commands = redis::pipe();
    commands.zadd("channelgate:presence:nodes", "slow", 1e15);
    commands.hset("channelgate:presence:node:slow", r#"["shop","7"]"#, r#"{"id":"7","name":"Ann 7"}"#);
    commands.sadd(r#"channelgate:presence:member:["shop","7"]"#, "slow");
    commands.query::<()>(&mut cluster.redis.connection()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_loss_of_data_departures_wait_until_every_node_can_report_its_members() {
    let mut cluster = Cluster::new(Duration::from_millis(50));
    let node = cluster.settled().await;
    write_slow_node(&cluster);
    assert!(!node.enter("7").await);
    cluster.redis.kill();
    node.leave("7");
    tokio::time::sleep(LEASE).await;
    cluster.redis.restart();
    eventually("the node is back", async || cluster.keys().keys().any(|key| key.ends_with(":recovering"))).await;
    tokio::time::sleep(HEARTBEAT).await;
    write_slow_node(&cluster);
    cluster.quiet().await;
    assert!(cluster.diary.is_empty(), "{}", cluster.diary.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_just_started_declares_no_node_dead_at_once() {
    let mut cluster = Cluster::new(Duration::from_millis(50));
    let late = cluster.settled().await;
    assert!(late.enter("7").await);
    // As after an outage: the lease has expired, and its owner has sent nothing yet.
    let expired = redis::cmd("ZADD").arg(&["channelgate:presence:nodes", "1", "node1"]).to_owned();
    let mut connection = cluster.redis.connection();
    expired.query::<()>(&mut connection).unwrap();
    let _fresh = cluster.node();
    let until = std::time::Instant::now() + 2 * HEARTBEAT;
    while std::time::Instant::now() < until {
        expired.query::<()>(&mut connection).unwrap();
    }
    cluster.quiet().await;
    assert!(cluster.diary.is_empty(), "{}", cluster.diary.text());
}
