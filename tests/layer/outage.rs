//! Redis gone is a state: not ready, joins refused, a gap told, and the first event after the return arrives.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use channelgate::{
    config,
    event::GapReason,
    layer::{Layer, LayerError, Readiness, Signal, redis::RedisLayer},
};

use crate::{
    proxy::Proxy,
    redis_server::RedisServer,
    support::{Django, Node, Received, event, eventually, group, number, options},
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
    let options = config::Layer { probe_interval: config::Span::millis(200), ..options(&[&redis]) };
    let node = Node::ready(&options).await;
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
async fn a_subscription_that_is_silent_but_open_is_found_by_its_probes() {
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    let options = config::Layer { hosts: vec![config::Secret::new(proxy.url())], ..options(&[&redis]) };
    let node = Node::ready(&options).await;
    node.join("room").await;
    let mut django = Django::new(&options, &[&redis]);
    django.pubsub_send("room", &event(1));
    node.until(1).await;
    // Commands are answered, nothing is closed, only the subscription brings nothing any more.
    proxy.mute_subscriptions();
    not_ready(&node).await;
    node.until_ready().await;
    assert!(node.received.has_gap(GapReason::Reconnected));
    django.pubsub_send("room", &event(2));
    node.until(2).await;
    // The earlier popping connection is still open at the proxy; it must not swallow what comes now.
    for n in 3..20 {
        django.core_send("room", &event(n));
    }
    node.until(19).await;
    assert_eq!(node.received.numbers("room"), (1..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_longer_than_the_expiry_is_a_gap() {
    let redis = RedisServer::start();
    let options = config::Layer { expiry: config::Span::seconds(2), ..options(&[&redis]) };
    let received = Received::default();
    let sink = received.clone();
    // The node stands still, as a suspended machine does.
    let layer = RedisLayer::start(
        &options,
        Vec::new(),
        Arc::new(move |signal| {
            if matches!(&signal, Signal::Event(event) if number(event) == 0) {
                std::thread::sleep(Duration::from_secs(4));
            }
            sink.push(signal);
        }),
        channelgate::telemetry::Metrics::new(),
    )
    .unwrap();
    eventually("ready", || layer.readiness() == Readiness::Ready).await;
    layer.join(&group("room")).await.unwrap();
    Django::new(&options, &[&redis]).core_send("room", &event(0));
    eventually("a gap", || received.has_gap(GapReason::Expired)).await;
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
