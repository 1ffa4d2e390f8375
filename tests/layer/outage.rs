//! Redis gone is a state: not ready, joins refused, a gap told, and the first event after the return arrives.

use std::time::{Duration, Instant};

use channelgate::{
    config,
    event::GapReason,
    layer::{Layer, LayerError, Readiness},
};

use crate::{
    redis_server::RedisServer,
    support::{Django, Node, event, eventually, group, options},
};

async fn not_ready(node: &Node) {
    eventually("not ready", || node.layer.readiness() != Readiness::Ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_without_redis_and_waits_for_it() {
    let mut redis = RedisServer::start();
    let options = options(&[&redis]);
    redis.kill();
    let node = Node::new(&options, Vec::new());
    let started = Instant::now();
    let refused = node.layer.join(&group("room")).await;
    assert!(matches!(refused, Err(LayerError::Unavailable { retry_after, .. }) if retry_after > Duration::ZERO));
    let refused = node.layer.publish(&group("room"), &event(1)).await;
    assert!(matches!(refused, Err(LayerError::Unavailable { .. })));
    assert!(started.elapsed() < Duration::from_secs(2), "a refusal is quick");
    redis.restart();
    node.until_ready().await;
    node.join("room").await;
    assert!(node.received.gaps().is_empty(), "nothing was promised, so nothing is missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_redis_is_killed_and_back_everything_is_registered_again() {
    let mut redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    for n in 0..100 {
        node.join(&format!("room_{n}")).await;
    }
    for round in 0..3 {
        redis.kill();
        not_ready(&node).await;
        assert!(matches!(node.layer.join(&group("late")).await, Err(LayerError::Unavailable { .. })));
        assert!(matches!(node.layer.join(&group("room_1")).await, Err(LayerError::Unavailable { .. })));
        redis.restart();
        node.until_ready().await;
        let gaps = node.received.gaps();
        assert_eq!(gaps.len(), round + 1);
        assert!(gaps.iter().all(|gap| gap.reason == GapReason::Reconnected && gap.groups.is_none()));
        let mut django = Django::new(&options, &[&redis]);
        let before = node.received.count();
        for n in [0, 99] {
            let name = format!("room_{n}");
            assert_eq!(django.members(&name).len(), 1);
            django.core_send(&name, &event(1));
            django.pubsub_send(&name, &event(2));
        }
        node.until(before + 4).await;
    }
    assert!(node.metrics.render().contains("channelgate_redis_reconnects_total 3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_redis_is_not_ready_and_joins_end_in_time() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    node.join("room").await;
    redis.freeze();
    let started = Instant::now();
    assert!(matches!(node.layer.join(&group("other")).await, Err(LayerError::Unavailable { .. })));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    not_ready(&node).await;
    redis.thaw();
    node.until_ready().await;
    assert!(node.received.has_gap(GapReason::Reconnected));
    Django::new(&options, &[&redis]).core_send("room", &event(1));
    node.until(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_missed_probes_are_enough_to_see_a_frozen_redis() {
    let redis = RedisServer::start();
    let node = Node::ready(&options(&[&redis])).await;
    redis.freeze();
    let started = Instant::now();
    not_ready(&node).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    redis.thaw();
    node.until_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_redis_closed_is_made_again() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    node.join("room").await;
    let mut django = Django::new(&options, &[&redis]);
    let killed: i64 = redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").query(django.host(0)).unwrap();
    assert_eq!(killed, 1);
    eventually("a gap", || node.received.has_gap(GapReason::Reconnected)).await;
    node.until_ready().await;
    django.pubsub_send("room", &event(1));
    node.until(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_lost_host_of_two_refuses_joins_and_the_other_still_delivers() {
    let mut servers = [RedisServer::start(), RedisServer::start()];
    let options = config::Layer { kind: config::LayerKind::Pubsub, ..options(&[&servers[0], &servers[1]]) };
    let node = Node::ready(&options).await;
    let on_first = (0..).map(|n| format!("room_{n}")).find(|name| place(name) == 0).unwrap();
    node.join(&on_first).await;
    let mut django = Django::new(&options, &[&servers[0], &servers[1]]);
    servers[1].kill();
    not_ready(&node).await;
    assert!(matches!(node.layer.join(&group("late")).await, Err(LayerError::Unavailable { .. })));
    django.pubsub_send(&on_first, &event(1));
    node.until(1).await;
    servers[1].restart();
    node.until_ready().await;
    node.join("late").await;
}

fn place(group: &str) -> usize {
    channelgate::layer::codec::ring::index(&format!("asgi__group__{group}"), 2)
}
