//! Which nodes are live, and their addresses.

use std::time::{Duration, Instant};

use channelgate::{
    cluster::{Cluster, Query},
    config::Config,
    telemetry::Metrics,
};

use futures_util::future::join_all;

use crate::{
    redis_server::RedisServer,
    support::{HEARTBEAT, Node, config, eventually},
};

#[tokio::test(flavor = "multi_thread")]
async fn nodes_know_the_addresses_of_others_and_forget_dead_ones() {
    let redis = RedisServer::start();
    let (one, two) = (Node::start(&redis.url(), 1), Node::start(&redis.url(), 2));
    one.until(&[1, 2]).await;
    two.metrics.connections.set(41);
    assert_eq!(one.cluster.address_of(&two.id()).await.unwrap().as_deref(), Some("127.0.0.1:7002"));
    assert_eq!(two.cluster.address_of(&two.id()).await.unwrap().as_deref(), Some("127.0.0.1:7002"));
    assert_eq!(one.cluster.address_of("nosuchnode00").await.unwrap(), None);
    eventually("the facts of the other", async || {
        let nodes = one.cluster.nodes().await.unwrap();
        nodes.len() == 2 && nodes[two.cluster.id()].connections == 41
    })
    .await;
    let id = two.id();
    two.cluster.stop().await;
    assert_eq!(one.cluster.nodes().await.unwrap().len(), 1, "a clean stop is known at once");
    eventually("its address is forgotten", async || one.cluster.address_of(&id).await.unwrap().is_none()).await;
    assert!(two.ask().await.is_err(), "a node that has stopped does not come back by asking");
    assert_eq!(one.cluster.nodes().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_is_forgotten_when_its_lease_ends() {
    let redis = RedisServer::start();
    let one = Node::start(&redis.url(), 1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let url = redis.url();
    let two = runtime.spawn(async move { Node::start(&url, 2) }).await.unwrap();
    one.until(&[1, 2]).await;
    // Like kill -9: nothing of the node runs any more.
    runtime.shutdown_background();
    let (key, mut commands) = (format!("channelgate:node:{}", two.id()), redis.connection());
    eventually("it is forgotten", async || {
        // By the clock of Redis, which is the one that counts.
        let left: i64 = redis::cmd("PTTL").arg(&key).query(&mut commands).unwrap();
        assert!(left <= i64::try_from(3 * HEARTBEAT.as_millis()).unwrap(), "{left} ms");
        let forgotten = one.cluster.nodes().await.unwrap().len() == 1;
        assert!(forgotten || left >= 0, "it is still listed after its lease");
        forgotten
    })
    .await;
    assert_eq!(one.cluster.address_of(&two.id()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn invented_ids_cost_redis_nothing() {
    let redis = RedisServer::start();
    let one = Node::start(&redis.url(), 1);
    one.until(&[1]).await;
    let calls = || {
        let info: String = redis::cmd("INFO").arg("stats").query(&mut redis.connection()).unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).unwrap();
        line.parse::<u64>().unwrap()
    };
    let (before, started) = (calls(), Instant::now());
    for turn in 0..4 {
        let ids: Vec<String> = (0..2000).map(|number| format!("made-up-{turn}-{number}")).collect();
        let addresses = join_all(ids.iter().map(|id| one.cluster.address_of(id))).await;
        assert!(addresses.iter().all(|address| matches!(address, Ok(None))));
    }
    // A look-up is one script of seven commands, at most four times a second, besides heartbeats and probes.
    let bound = 100 + 60 * started.elapsed().as_secs();
    assert!(calls() - before < bound, "{}", calls() - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_listens_on_all_addresses_is_reached_at_the_one_redis_sees() {
    let redis = RedisServer::start();
    let everywhere = Node::with(&config(&redis.url()), 1, "0.0.0.0:7001");
    let mut named = config(&redis.url());
    named.cluster.address = Some("gate-2.internal:80".to_owned());
    let named = Node::with(&named, 2, "0.0.0.0:7002");
    let local = Node::with(&config(&format!("redis+unix://{}", redis.socket().display())), 3, "[::]:7003");
    named.until(&[1, 2, 3]).await;
    for (node, address) in [(&everywhere, "127.0.0.1:7001"), (&named, "gate-2.internal:80"), (&local, "127.0.0.1:7003")]
    {
        assert_eq!(local.cluster.address_of(&node.id()).await.unwrap().as_deref(), Some(address));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_has_the_nodes_prefix_and_expires() {
    let redis = RedisServer::start();
    let (one, two) = (Node::start(&redis.url(), 1), Node::start(&redis.url(), 2));
    one.until(&[1, 2]).await;
    let mut connection = redis.connection();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    assert_eq!(keys.len(), 3, "{keys:?}");
    for key in keys {
        assert!(key.starts_with("channelgate:node"), "{key}");
        let ttl: i64 = redis::cmd("PTTL").arg(&key).query(&mut connection).unwrap();
        assert!((1..=900).contains(&ttl), "{key}: {ttl} ms");
    }
    drop(two);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_node_is_a_cluster_by_itself() {
    let cluster = Cluster::new(&Config::default(), Metrics::new()).unwrap();
    assert!(cluster.ask(Query::Stats, Duration::from_secs(1)).await.is_err(), "not started");
    let node = Node::with(&Config::default(), 5, "127.0.0.1:7005");
    assert_eq!(node.numbers().await, (vec![5], 0));
    assert_eq!(node.cluster.nodes().await.unwrap().len(), 1);
    assert_eq!(node.cluster.address_of(&node.id()).await.unwrap().as_deref(), Some("127.0.0.1:7005"));
    assert_eq!(node.cluster.address_of("other").await.unwrap(), None);
    node.cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_at_one_address_are_noticed_and_a_restart_is_not() {
    let redis = RedisServer::start();
    let at = |listening: &str, number| Node::with(&config(&redis.url()), number, listening);
    let one = at("127.0.0.1:7001", 1);
    one.until(&[1]).await;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let url = redis.url();
    let old = runtime.spawn(async move { Node::with(&config(&url), 2, "127.0.0.1:7002") }).await.unwrap();
    one.until(&[1, 2]).await;
    // Like kill -9: the node that starts in its place finds it in the list, until its lease ends.
    runtime.shutdown_background();
    let two = at("127.0.0.1:7002", 2);
    let old = old.id();
    eventually("the old one is forgotten", async || {
        assert_eq!((one.cluster.trouble(), two.cluster.trouble()), (None, None));
        two.cluster.nodes().await.is_ok_and(|nodes| !nodes.contains_key(old.as_str()))
    })
    .await;

    let double = at("127.0.0.1:7001", 3);
    for (node, other) in [(&one, &double), (&double, &one)] {
        eventually("it is noticed", async || node.cluster.trouble().is_some()).await;
        let trouble = node.cluster.trouble().unwrap();
        let says = |text: &str| trouble.contains(text);
        assert!(says(&other.id()) && says("127.0.0.1:7001") && says("cluster.address"), "{trouble}");
    }
    assert_eq!(two.cluster.trouble(), None);
    double.cluster.stop().await;
    eventually("it is over", async || one.cluster.trouble().is_none()).await;
}
