//! Order within a group is the publish order; nothing is lost or duplicated, whatever joins and leaves meanwhile.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use channelgate::{
    config,
    event::{GapReason, Source},
    layer::Layer,
};
use proptest::prelude::*;

use crate::{
    redis_server::RedisServer,
    support::{Django, Node, event, eventually, group, number, options},
};

const GROUPS: usize = 5;

#[test]
fn the_order_of_publishing_is_kept_for_any_interleaving() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let django = Mutex::new(Django::new(&options, &[&redis]));
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(sends in prop::collection::vec((0..GROUPS, 0..3_u8), 1..200))| {
        let node = runtime.block_on(Node::ready(&options));
        for n in 0..GROUPS {
            runtime.block_on(node.join(&format!("room_{n}")));
        }
        let mut sent: HashMap<(usize, u8), Vec<i64>> = HashMap::new();
        for (at, (to, how)) in sends.iter().enumerate() {
            let (name, n) = (format!("room_{to}"), i64::try_from(at).unwrap());
            let mut django = django.lock().unwrap();
            match how {
                0 => while django.core_send(&name, &event(n)) > 0 {},
                1 => django.pubsub_send(&name, &event(n)),
                _ => { django.publish(0, &format!("channelgate:{name}"), format!(r#"{{"n":{n}}}"#).as_bytes()); }
            }
            sent.entry((*to, *how)).or_default().push(n);
        }
        let events = runtime.block_on(node.until(sends.len()));
        prop_assert_eq!(events.len(), sends.len());
        let mut received: HashMap<(usize, u8), Vec<i64>> = HashMap::new();
        for event in &events {
            let to = event.group.as_str()[5..].parse().unwrap();
            let how = match event.source { Source::Core => 0, Source::Pubsub => 1, _ => 2 };
            received.entry((to, how)).or_default().push(number(event));
        }
        prop_assert_eq!(received, sent);
        runtime.block_on(node.layer.stop());
    });
}

/// Slow enough that messages wait in several queues at once.
#[test]
fn what_one_process_publishes_keeps_its_order_across_groups() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let django = Mutex::new(Django::new(&options, &[&redis]));
    let config =
        ProptestConfig { cases: 12, failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::default() };
    proptest!(config, |(sends in prop::collection::vec((0..8, 0..3_u8), 50..250))| {
        let node = Node::with(&options, |_| std::thread::sleep(Duration::from_micros(500)));
        runtime.block_on(node.until_ready());
        for n in 0..8 {
            runtime.block_on(node.join(&format!("room_{n}")));
        }
        let mut sent = [Vec::new(), Vec::new()];
        for (at, (to, how)) in sends.iter().enumerate() {
            let (name, n) = (format!("room_{to}"), i64::try_from(at).unwrap());
            let mut django = django.lock().unwrap();
            match how {
                0 => while django.core_send(&name, &event(n)) > 0 {},
                1 => django.pubsub_send(&name, &event(n)),
                _ => { django.publish(0, &format!("channelgate:{name}"), format!(r#"{{"n":{n}}}"#).as_bytes()); }
            }
            sent[usize::from(*how > 0)].push(n);
        }
        let events = runtime.block_on(node.until(sends.len()));
        let mut arrived = [Vec::new(), Vec::new()];
        for event in &events {
            arrived[usize::from(event.source != Source::Core)].push(number(event));
        }
        prop_assert_eq!(arrived, sent);
        runtime.block_on(node.layer.stop());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_ten_thousand_into_one_group_arrives_completely() {
    const BURST: i64 = 10_000;
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    node.join("room").await;
    node.join("other").await;
    // The publisher sees a full queue (the script counts it) and the node reports it: nothing is lost silently.
    let sender = {
        let (options, mut django) = (options.clone(), Django::new(&options, &[&redis]));
        tokio::task::spawn_blocking(move || {
            let _ = options;
            (0..BURST).filter(|n| django.core_send("room", &event(*n)) == 0).collect::<Vec<_>>()
        })
    };
    let sent = sender.await.unwrap();
    node.until(sent.len()).await;
    assert_eq!(node.received.numbers("room"), sent);
    assert!(sent.len() == usize::try_from(BURST).unwrap() || node.received.has_gap(GapReason::Capacity));

    let mut django = Django::new(&options, &[&redis]);
    let mut pipeline = redis::pipe();
    let codec = channelgate::layer::codec::envelope::LayerCodec::new(&options);
    for n in 0..BURST {
        let bytes = codec.encode_pubsub(&event(n), std::time::SystemTime::now()).unwrap();
        pipeline.cmd("PUBLISH").arg("asgi__group__other").arg(bytes).ignore();
    }
    let () = pipeline.query(django.host(0)).unwrap();
    node.until(sent.len() + usize::try_from(BURST).unwrap()).await;
    assert_eq!(node.received.numbers("other"), (0..BURST).collect::<Vec<_>>());
}

/// A node whose one queue gets ten events at once, like after a stall.
async fn after_ten_events(of: config::Layer) -> (Node, RedisServer) {
    let redis = RedisServer::start();
    let options = config::Layer { queues: 1, hosts: options(&[&redis]).hosts, ..of };
    let node = Node::ready(&options).await;
    node.join("room").await;
    let mut django = Django::new(&options, &[&redis]);
    let queue: Vec<String> =
        django.members("room").iter().map(|name| format!("asgi{}", name.split('!').next().unwrap()) + "!").collect();
    let mut pipeline = redis::pipe();
    pipeline.atomic();
    let codec = channelgate::layer::codec::envelope::LayerCodec::new(&options);
    let members = django.members("room");
    for n in 0..10 {
        let to = channelgate::layer::codec::envelope::Addressee::Members(&members);
        let bytes = codec.encode_core(&event(n), to, std::time::SystemTime::now()).unwrap();
        pipeline.cmd("ZADD").arg(&queue[0]).arg(n).arg(bytes).ignore();
    }
    let () = pipeline.query(django.host(0)).unwrap();
    node.until(10).await;
    assert_eq!(node.received.numbers("room"), (0..10).collect::<Vec<_>>());
    (node, redis)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_a_gap_of_its_groups() {
    let (node, _redis) = after_ten_events(config::Layer { capacity: 10, ..Default::default() }).await;
    eventually("a gap", || node.received.has_gap(GapReason::Capacity)).await;
    assert_eq!(node.received.gaps()[0].groups.as_deref(), Some(&[group("room")][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_over_the_capacity_of_its_pattern_is_a_gap() {
    let of = |capacity, pattern: &str, its| config::Layer {
        capacity,
        channel_capacity: [(pattern.to_owned(), its)].into_iter().collect(),
        ..Default::default()
    };
    for pattern in ["specific.*", r"/specific\.\w+!\w+$/"] {
        let (node, _redis) = after_ten_events(of(100, pattern, 10)).await;
        eventually(pattern, || node.received.has_gap(GapReason::Capacity)).await;
        let (node, _redis) = after_ten_events(of(5, pattern, 11)).await;
        // The marker of a join comes after everything before it.
        node.join("room").await;
        assert!(!node.received.has_gap(GapReason::Capacity), "{pattern}");
    }
}

/// Like a hub: counts its connections per group, and calls the layer under the lock for the last leave.
#[derive(Default)]
struct Hub(Mutex<HashMap<String, usize>>);

impl Hub {
    async fn join(&self, node: &Node, name: &str) {
        *self.0.lock().unwrap().entry(name.to_owned()).or_default() += 1;
        node.join(name).await;
    }

    fn leave(&self, node: &Node, name: &str) {
        let mut counts = self.0.lock().unwrap();
        let count = counts.get_mut(name).unwrap();
        *count -= 1;
        if *count == 0 {
            node.layer.leave(&group(name));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_or_duplicated_while_others_join_and_leave() {
    const CHURNERS: i64 = 12;
    const ROUNDS: i64 = 200;
    let redis = RedisServer::start();
    // So short that groups are removed and joined again all the time.
    let options = config::Layer { linger: config::Span::millis(15), ..options(&[&redis]) };
    let node = Arc::new(Node::ready(&options).await);
    let hub = Arc::new(Hub::default());
    node.join("steady").await;
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let steady = {
        let (mut django, done) = (Django::new(&options, &[&redis]), Arc::clone(&done));
        tokio::task::spawn_blocking(move || {
            let mut sent = Vec::new();
            for n in 0.. {
                if done.load(std::sync::atomic::Ordering::Relaxed) {
                    break;
                }
                if django.core_send("steady", &event(n)) == 0 {
                    sent.push(n);
                }
                // A steady stream, not a flood: other tests need the machine, too.
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            sent
        })
    };
    let churners: Vec<_> = (0..CHURNERS)
        .map(|churner| {
            let (node, hub) = (Arc::clone(&node), Arc::clone(&hub));
            let django = Arc::new(Mutex::new(Django::new(&options, &[&redis])));
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    let name = format!("room_{}", (churner * 7 + round) % 5);
                    let n = churner * 1_000_000 + round * 2;
                    hub.join(&node, &name).await;
                    let (sender, to) = (Arc::clone(&django), name.clone());
                    tokio::task::spawn_blocking(move || {
                        let mut django = sender.lock().unwrap();
                        while django.core_send(&to, &event(n)) > 0 {}
                        django.pubsub_send(&to, &event(n + 1));
                    })
                    .await
                    .unwrap();
                    let arrived = || {
                        let numbers = node.received.numbers(&name);
                        numbers.contains(&n) && numbers.contains(&(n + 1))
                    };
                    eventually("what was published after the join arrives", arrived).await;
                    hub.leave(&node, &name);
                    if round % 3 == 0 {
                        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    }
                }
            })
        })
        .collect();
    for churner in churners {
        churner.await.unwrap();
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    let sent = steady.await.unwrap();
    eventually("the steady group has everything", || node.received.numbers("steady").len() >= sent.len()).await;
    assert_eq!(node.received.numbers("steady"), sent);
    let mut churned: Vec<i64> = (0..5).flat_map(|room| node.received.numbers(&format!("room_{room}"))).collect();
    let all = churned.len();
    churned.sort_unstable();
    churned.dedup();
    assert_eq!(all, churned.len(), "something arrived twice");
    assert_eq!(all, usize::try_from(CHURNERS * ROUNDS * 2).unwrap());
}
