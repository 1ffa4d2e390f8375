//! A Redis outage is a state: not ready, joins refused, a gap reported, and the first event after the return arrives.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
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
async fn a_node_that_is_behind_for_longer_than_probes_may_be_missed_keeps_what_waits_in_its_connection() {
    let redis = RedisServer::start();
    let options = config::Layer {
        probe_interval: config::Span::millis(100),
        probe_timeout: config::Span::seconds(1),
        ..options(&[&redis])
    };
    // Its probes wait behind six seconds of events.
    let node = Node::with(&options, |_| std::thread::sleep(Duration::from_millis(2)));
    node.until_ready().await;
    node.join("room").await;
    let mut django = Django::new(&options, &[&redis]);
    // Large ones: a few fill what is read at once, and probes are sent in between.
    let filler = "x".repeat(8000);
    for n in 0..3000 {
        let body = format!(r#"{{"type": "tick", "n": {n}, "text": "{filler}"}}"#);
        django.publish(0, "channelgate:room", body.as_bytes());
    }
    node.until(3000).await;
    assert_eq!(node.received.numbers("room"), (0..3000).collect::<Vec<_>>());
    node.until_ready().await;
    assert!(node.received.gaps().is_empty());
    assert!(node.metrics.render().contains("channelgate_redis_reconnects_total 0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_redis_is_not_ready_and_joins_fail_in_time_and_a_thaw_loses_nothing() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    node.join("room").await;
    redis.freeze();
    let started = Instant::now();
    assert!(matches!(node.layer.join(&group("other")).await, Err(LayerError::Unavailable { .. })));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    not_ready(&node).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let refused = Instant::now();
    assert!(node.layer.join(&group("room")).await.is_err() && node.layer.outage(Some(&group("room"))).is_some());
    assert!(refused.elapsed() < Duration::from_millis(500), "a refusal is quick");
    redis.thaw();
    node.until_ready().await;
    node.join("other").await;
    let mut django = Django::new(&options, &[&redis]);
    for (n, room) in [(1, "room"), (2, "other")] {
        django.core_send(room, &event(n));
        django.pubsub_send(room, &event(n));
    }
    node.until(4).await;
    // The connection never ended, so nothing was missed and no gap is reported.
    assert_eq!(node.received.gaps(), []);
    assert!(node.metrics.render().contains("channelgate_redis_reconnects_total 0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_frozen_for_long_is_disconnected_and_its_return_is_a_gap() {
    let redis = RedisServer::start();
    let options = config::Layer {
        probe_interval: config::Span::millis(100),
        probe_timeout: config::Span::seconds(1),
        ..options(&[&redis])
    };
    let node = Node::ready(&options).await;
    node.join("room").await;
    redis.freeze();
    // The old connection was closed, and the new one gets no answer either.
    eventually("a new connection", || node.layer.readiness().to_string().contains("timed out")).await;
    redis.thaw();
    node.until_ready().await;
    assert!(node.received.has_gap(GapReason::Reconnected));
    Django::new(&options, &[&redis]).core_send("room", &event(1));
    node.until(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_pause_under_load_raises_no_alarm() {
    let redis = RedisServer::start();
    let defaults = config::Layer::default();
    let options = config::Layer { probe_interval: defaults.probe_interval, ..options(&[&redis]) };
    assert_eq!((defaults.probe_interval, defaults.probe_failures), (config::Span::seconds(1), 3));
    let node = Node::ready(&options).await;
    node.join("room").await;
    let mut django = Django::new(&options, &[&redis]);
    let flood = std::thread::spawn(move || {
        let started = Instant::now();
        let mut sent = 0;
        while started.elapsed() < Duration::from_secs(6) {
            for _ in 0..200 {
                django.pubsub_send("room", &event(sent));
                sent += 1;
            }
        }
        sent
    });
    let started = Instant::now();
    let (mut frozen, mut thawed) = (false, false);
    while started.elapsed() < Duration::from_secs(6) {
        assert_eq!(node.layer.readiness(), Readiness::Ready, "after {:?}", started.elapsed());
        if !frozen && started.elapsed() > Duration::from_secs(1) {
            redis.freeze();
            frozen = true;
        }
        if !thawed && started.elapsed() > Duration::from_millis(2500) {
            redis.thaw();
            thawed = true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let sent = flood.join().unwrap();
    node.until(usize::try_from(sent).unwrap()).await;
    assert_eq!(node.received.numbers("room"), (0..sent).collect::<Vec<_>>());
    assert_eq!(node.received.gaps(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_it_is_ready_after_several_good_probes() {
    let mut redis = RedisServer::start();
    let options = config::Layer { probe_interval: config::Span::millis(300), ..options(&[&redis]) };
    let node = Node::ready(&options).await;
    redis.kill();
    not_ready(&node).await;
    redis.restart();
    eventually("joins work", || node.layer.outage(Some(&group("room"))).is_none()).await;
    let (back, readiness) = (Instant::now(), node.layer.readiness());
    assert!(matches!(&readiness, Readiness::NotReady(reason) if reason.contains("of 3 good probes")), "{readiness:?}");
    node.join("room").await;
    node.until_ready().await;
    assert!(back.elapsed() > Duration::from_millis(500), "{:?}", back.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn missed_probes_detect_a_frozen_redis_in_the_stated_time() {
    for (interval, within) in [(200, 1600), (1000, 4600)] {
        let redis = RedisServer::start();
        let options = config::Layer { probe_interval: config::Span::millis(interval), ..options(&[&redis]) };
        let node = Node::ready(&options).await;
        redis.freeze();
        let started = Instant::now();
        not_ready(&node).await;
        assert!(started.elapsed() < Duration::from_millis(within), "{:?}", started.elapsed());
        println!("frozen: noticed after {:?} with probes every {interval} ms", started.elapsed());
        redis.thaw();
        let started = Instant::now();
        node.until_ready().await;
        println!("thawed: ready after {:?}", started.elapsed());
    }
}

/// Redis closes the subscription of a ready node: that is a gap, and the next event arrives.
async fn loses_its_subscription(node: &Node, options: &config::Layer, redis: &RedisServer) {
    node.join("room").await;
    let mut django = Django::new(options, &[redis]);
    let killed: i64 = redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").query(django.host(0)).unwrap();
    assert_eq!(killed, 1);
    eventually("a gap", || node.received.has_gap(GapReason::Reconnected)).await;
    node.until_ready().await;
    django.pubsub_send("room", &event(1));
    node.until(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_redis_closed_is_renewed() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    loses_its_subscription(&node, &options, &redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_panicked_reports_the_gap_after_its_restart() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let panicked = AtomicBool::new(false);
    let node = Node::with(&options, move |signal| {
        let is_first = matches!(signal, Signal::Gap(_)) && !panicked.swap(true, Ordering::SeqCst);
        assert!(!is_first, "a fault of the node");
    });
    node.until_ready().await;
    loses_its_subscription(&node, &options, &redis).await;
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
    // Commands are answered, nothing is closed, only the subscription receives nothing any more.
    proxy.mute_subscriptions();
    not_ready(&node).await;
    node.until_ready().await;
    assert!(node.received.has_gap(GapReason::Reconnected));
    django.pubsub_send("room", &event(2));
    node.until(2).await;
    // The earlier popping connection is still open at the proxy; it must not take the next events.
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
    // The node is suspended, like its machine.
    let layer = RedisLayer::new(&options, Vec::new(), channelgate::telemetry::Metrics::new()).unwrap();
    let pausing = move |signal| {
        if matches!(&signal, Signal::Event(event) if number(event) == 0) {
            std::thread::sleep(Duration::from_secs(4));
        }
        sink.push(signal);
    };
    layer.start(Arc::new(pausing)).unwrap();
    eventually("ready", || layer.readiness() == Readiness::Ready).await;
    layer.join(&group("room")).await.unwrap();
    Django::new(&options, &[&redis]).core_send("room", &event(0));
    eventually("a gap", || received.has_gap(GapReason::Expired)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_lost_host_of_two_refuses_its_own_groups_and_no_others() {
    for kind in [config::LayerKind::Core, config::LayerKind::Pubsub] {
        let mut servers = [RedisServer::start(), RedisServer::start()];
        let options = config::Layer { kind, ..options(&[&servers[0], &servers[1]]) };
        let node = Node::ready(&options).await;
        let names = |host: usize| (0..).map(|n| format!("room_{n}")).filter(move |name| place(kind, name) == host);
        let (here, lost): (Vec<_>, Vec<_>) = (names(0).take(3).collect(), names(1).take(3).collect());
        node.join(&here[0]).await;
        node.join(&lost[0]).await;
        let mut django = Django::new(&options, &[&servers[0], &servers[1]]);
        servers[1].kill();
        not_ready(&node).await;
        let readiness = node.layer.readiness();
        let said = format!("Redis 127.0.0.1:{}", servers[1].port());
        assert!(matches!(&readiness, Readiness::Degraded(reason) if reason.starts_with(&said)), "{readiness:?}");
        for name in &lost[..2] {
            assert!(matches!(node.layer.join(&group(name)).await, Err(LayerError::Unavailable { .. })), "{name}");
            assert!(node.layer.outage(Some(&group(name))).is_some());
        }
        assert!(node.layer.outage(None).is_none());
        node.join(&here[1]).await;
        for name in &here[..2] {
            match kind {
                config::LayerKind::Core => drop(django.core_send(name, &event(1))),
                _ => django.pubsub_send(name, &event(1)),
            }
            node.layer.publish(&group(name), &event(2)).await.unwrap();
        }
        node.until(4).await;
        servers[1].restart();
        node.until_ready().await;
        node.join(&lost[1]).await;
        node.join(&here[2]).await;
        assert!(node.received.has_gap(GapReason::Reconnected));
    }
}

fn place(kind: config::LayerKind, group: &str) -> usize {
    let ring = channelgate::layer::codec::ring::index;
    match kind {
        config::LayerKind::Pubsub => ring(&format!("asgi__group__{group}"), 2),
        _ => ring(group, 2),
    }
}
