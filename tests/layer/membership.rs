//! The node's registrations in Redis: one per group, alive as long as the node, gone after it.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use channelgate::{
    config::{self, Span},
    layer::Layer,
};

use crate::{
    redis_server::RedisServer,
    support::{Django, Node, event, eventually, group, options},
};

#[tokio::test(flavor = "multi_thread")]
async fn many_joins_of_a_group_are_one_member_and_one_queue_entry() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let nodes = [Node::ready(&options).await, Node::ready(&options).await];
    let name = group("room");
    for node in &nodes {
        let joins = (0..500).map(|_| node.layer.join(&name));
        assert!(futures_util::future::join_all(joins).await.iter().all(Result::is_ok));
    }
    let mut django = Django::new(&options, &[&redis]);
    let members = django.members("room");
    assert_eq!(members.len(), 2, "{members:?}");
    assert!(members.iter().all(|member| member.starts_with("specific.") && member.len() < 100), "{members:?}");
    django.core_send("room", &event(1));
    for node in &nodes {
        node.until(1).await;
    }
    django.core_send("room", &event(2));
    for node in &nodes {
        node.until(2).await;
        assert_eq!(node.received.numbers("room"), [1, 2]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_joins_is_pipelined() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    let groups: Vec<_> = (0..5000).map(|n| group(&format!("room_{n}"))).collect();
    let mut django = Django::new(&options, &[&redis]);
    let calls = |django: &mut Django| -> u64 {
        let stats: String = redis::cmd("INFO").arg("commandstats").query(django.host(0)).unwrap();
        let line = stats.lines().find(|line| line.starts_with("cmdstat_subscribe:")).unwrap().to_owned();
        line.split(['=', ',']).nth(1).unwrap().parse().unwrap()
    };
    let before = calls(&mut django);
    let joined = futures_util::future::join_all(groups.iter().map(|group| node.layer.join(group))).await;
    assert!(joined.iter().all(Result::is_ok));
    let subscribes = calls(&mut django) - before;
    assert!(subscribes < 200, "{subscribes} SUBSCRIBE commands for {} groups", groups.len());
    for n in [0, 2500, 4999] {
        assert_eq!(django.members(&format!("room_{n}")).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_never_expire_while_the_node_lives() {
    let redis = RedisServer::start();
    let options = config::Layer { group_expiry: Span::seconds(3), ..options(&[&redis]) };
    let node = Node::ready(&options).await;
    node.join("room").await;
    let mut django = Django::new(&options, &[&redis]);
    let (started, mut n) = (Instant::now(), 0);
    while started.elapsed() < Duration::from_secs(8) {
        n += 1;
        // Each send removes members older than the group's expiry, as Django does.
        django.core_send("room", &event(n));
        node.until(usize::try_from(n).unwrap()).await;
        assert!(django.group_ttl("room") > 0, "every key has a TTL");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(node.received.gaps().is_empty(), "{:?}", node.received.gaps());
    assert_eq!(django.members("room").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_written_has_a_ttl_and_none_is_left_after_a_clean_stop() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    for n in 0..50 {
        node.join(&format!("room_{n}")).await;
    }
    let mut django = Django::new(&options, &[&redis]);
    let keys: Vec<String> = redis::cmd("KEYS").arg("asgi:group:*").query(django.host(0)).unwrap();
    assert_eq!(keys.len(), 50, "{keys:?}");
    for key in keys {
        let ttl: i64 = redis::cmd("TTL").arg(&key).query(django.host(0)).unwrap();
        assert!(ttl > 86_000, "{key}: {ttl}");
    }
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(django.host(0)).unwrap();
    for key in keys {
        // A marker may be popped in between.
        let ttl: i64 = redis::cmd("TTL").arg(&key).query(django.host(0)).unwrap();
        assert!(ttl > 0 || ttl == -2, "{key}: {ttl}");
    }
    let started = Instant::now();
    node.layer.stop().await;
    assert!(started.elapsed() < Duration::from_secs(5));
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(django.host(0)).unwrap();
    assert!(keys.is_empty(), "{keys:?}");
    assert!(node.layer.join(&group("late")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_left_group_is_removed_after_the_linger() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    node.join("room").await;
    let mut django = Django::new(&options, &[&redis]);
    assert_eq!(django.members("room").len(), 1);
    node.layer.leave(&group("room"));
    eventually("the member goes", || django.members("room").is_empty()).await;
    eventually("the subscription goes", || django.publish(0, "asgi__group__room", b"\x80") == 0).await;
    eventually("the subscription goes", || django.publish(0, "channelgate:room", b"{}") == 0).await;
}

/// What was published before a join reaches the sink before the join is answered, so that the member that joins does not
/// get it.
#[tokio::test(flavor = "multi_thread")]
async fn a_join_is_answered_after_everything_that_was_published_before_it() {
    let redis = RedisServer::start();
    let options = config::Layer { linger: Span::seconds(60), ..options(&[&redis]) };
    let node = Node::ready(&options).await;
    let mut django = Django::new(&options, &[&redis]);
    for name in ["lingering", "joined"] {
        node.join(name).await;
        for n in 0..300 {
            if name == "lingering" {
                node.layer.leave(&group(name));
            }
            match n % 3 {
                0 => drop(django.core_send(name, &event(n))),
                1 => django.pubsub_send(name, &event(n)),
                _ => drop(django.publish(0, &format!("channelgate:{name}"), format!(r#"{{"n":{n}}}"#).as_bytes())),
            }
            node.join(name).await;
            assert_eq!(node.received.numbers(name).last(), Some(&n), "{name}");
        }
    }
}

/// One marker serves all joins that wait.
#[tokio::test(flavor = "multi_thread")]
async fn joins_of_a_joined_group_share_their_markers() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    node.join("room").await;
    let mut django = Django::new(&options, &[&redis]);
    let calls = |django: &mut Django| -> u64 {
        let stats: String = redis::cmd("INFO").arg("commandstats").query(django.host(0)).unwrap();
        let line = stats.lines().find(|line| line.starts_with("cmdstat_publish:")).unwrap().to_owned();
        line.split(['=', ',']).nth(1).unwrap().parse().unwrap()
    };
    let before = calls(&mut django);
    let name = group("room");
    let joined = futures_util::future::join_all((0..5000).map(|_| node.layer.join(&name))).await;
    assert!(joined.iter().all(Result::is_ok));
    let markers = calls(&mut django) - before;
    assert!(markers < 100, "{markers} markers for 5000 joins");
}

const VICTIM: &str = "LAYER_TEST_VICTIM";

/// Run in a separate process by the test below; by itself it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn victim() {
    let Ok(url) = std::env::var(VICTIM) else { return };
    let options = config::Layer {
        url: Some(config::Secret::new(url)),
        group_expiry: Span::seconds(2),
        ..config::Layer::default()
    };
    let node = Node::ready(&options).await;
    node.join("room").await;
    println!("joined");
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_the_member_stays_and_expires() {
    let redis = RedisServer::start();
    let options = config::Layer { group_expiry: Span::seconds(2), ..options(&[&redis]) };
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "membership::victim", "--nocapture"])
        .env(VICTIM, redis.url())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(process.stdout.take().unwrap());
    let joined = output.lines().any(|line| line.unwrap().contains("joined"));
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(joined);
    let mut django = Django::new(&options, &[&redis]);
    assert_eq!(django.members("room").len(), 1, "a killed node cannot take itself out");
    eventually("its member expires", || {
        django.core_send("room", &event(1));
        django.members("room").is_empty()
    })
    .await;
}
