//! What happens to a Redis behind the node's back: flushed, evicted, full, read-only, restricted, or back with old data.
//! It is noticed within a probe interval, reported for exactly the groups concerned, and repaired on the same connection.

use std::{
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use channelgate::{
    config::{self, Secret, Span},
    event::GapReason,
    layer::{Layer, LayerError, Readiness, Signal},
};

use crate::{
    redis_server::RedisServer,
    support::{Django, Node, event, eventually, group, number, options},
};

/// Two intervals of probes, and time for the answers on a busy machine.
const NOTICED: Duration = Duration::from_millis(3000);

fn names(node: &Node) -> Vec<String> {
    let gaps = node.received.gaps();
    assert!(gaps.iter().all(|gap| gap.reason == GapReason::Expired), "{gaps:?}");
    let mut names: Vec<_> =
        gaps.iter().flat_map(|gap| gap.groups.clone().unwrap()).map(|group| group.as_str().to_owned()).collect();
    names.sort();
    names
}

async fn not_ready(node: &Node, reason: &str) {
    let said = || matches!(node.layer.readiness(), Readiness::NotReady(text) if text.contains(reason));
    eventually(&format!("not ready: {reason}"), said).await;
}

fn never_reconnected(node: &Node) {
    assert!(node.metrics.render().contains("channelgate_redis_reconnects_total 0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flushed_redis_is_noticed_within_a_probe_interval_and_repaired() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    for n in 0..30 {
        node.join(&format!("room_{n}")).await;
    }
    let mut django = Django::new(&options, &[&redis]);
    let flushed = Instant::now();
    let () = redis::cmd("FLUSHDB").query(django.host(0)).unwrap();
    eventually("a gap", || node.received.has_gap(GapReason::Expired)).await;
    assert!(flushed.elapsed() < NOTICED, "{:?}", flushed.elapsed());
    let mut all: Vec<_> = (0..30).map(|n| format!("room_{n}")).collect();
    all.sort();
    assert_eq!(names(&node), all, "each group once");
    for n in 0..30 {
        django.core_send(&format!("room_{n}"), &event(n));
    }
    node.until(30).await;
    // A join just after the flush succeeds.
    let () = redis::cmd("FLUSHDB").query(django.host(0)).unwrap();
    node.join("room_0").await;
    node.join("new").await;
    django.core_send("new", &event(31));
    node.until(31).await;
    eventually("gaps again", || node.received.gaps().len() == 2).await;
    django.core_send("room_0", &event(32));
    node.until(32).await;
    assert_eq!(node.received.gaps()[1].groups.as_ref().map(Vec::len), Some(30), "the new group has missed nothing");
    never_reconnected(&node);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_set_that_is_gone_is_a_gap_of_its_group_alone() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    for n in 0..30 {
        node.join(&format!("room_{n}")).await;
    }
    let mut django = Django::new(&options, &[&redis]);
    let gone = Instant::now();
    let () = redis::cmd("DEL").arg("asgi:group:room_7").query(django.host(0)).unwrap();
    eventually("a gap", || node.received.has_gap(GapReason::Expired)).await;
    assert!(gone.elapsed() < NOTICED, "{:?}", gone.elapsed());
    assert_eq!(names(&node), ["room_7"]);
    django.core_send("room_7", &event(1));
    node.until(1).await;
    never_reconnected(&node);
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_that_redis_evicts_are_noticed_and_registered_again() {
    let redis = RedisServer::with(&["--maxmemory", "20mb", "--maxmemory-policy", "allkeys-random"]);
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    for n in 0..200 {
        node.join(&format!("room_{n}")).await;
    }
    let mut django = Django::new(&options, &[&redis]);
    let gone = |django: &mut Django| -> Vec<String> {
        let missing = (0..200).map(|n| format!("room_{n}")).filter(|name| django.members(name).is_empty());
        missing.collect()
    };
    // Until some sets are gone, at a moment at which the node has not noticed it.
    let mut evicted = Vec::new();
    for n in 0.. {
        let () = redis::cmd("SET").arg(n).arg(vec![b'x'; 100_000]).query(django.host(0)).unwrap();
        if n > 150 {
            evicted = gone(&mut django);
        }
        if !evicted.is_empty() {
            break;
        }
    }
    let () = redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(0).query(django.host(0)).unwrap();
    eventually("all are registered again", || gone(&mut django).is_empty()).await;
    eventually("gaps", || evicted.iter().all(|name| names(&node).contains(name))).await;
    for n in 0..200 {
        django.core_send(&format!("room_{n}"), &event(n));
    }
    node.until(200).await;
    never_reconnected(&node);
}

/// A state in which Redis refuses what a node needs, and back.
async fn refuses(
    node: &Node,
    options: &config::Layer,
    redis: &RedisServer,
    begin: &[&[&str]],
    end: &[&[&str]],
    why: &str,
) {
    let mut django = Django::new(options, &[redis]);
    let run = |django: &mut Django, commands: &[&[&str]]| {
        for command in commands {
            let () = redis::cmd(command[0]).arg(&command[1..]).query(django.host(0)).unwrap();
        }
    };
    let (before, gaps) = (node.received.count(), node.received.gaps().len());
    let began = Instant::now();
    run(&mut django, begin);
    not_ready(node, why).await;
    assert!(began.elapsed() < NOTICED, "{why}: {:?}", began.elapsed());
    for name in ["room", "other"] {
        let refused = node.layer.join(&group(name)).await;
        assert!(matches!(&refused, Err(LayerError::Unavailable { reason, .. }) if reason.contains(why)), "{refused:?}");
    }
    // What is registered still delivers.
    django.pubsub_send("room", &event(1));
    node.until(before + 1).await;
    // For longer than the node would wait for probes that do not return.
    tokio::time::sleep(options.probe_timeout.0 + options.probe_interval.0 * 2).await;
    not_ready(node, why).await;
    django.pubsub_send("room", &event(2));
    node.until(before + 2).await;
    run(&mut django, end);
    node.until_ready().await;
    node.join("other").await;
    for (n, name) in [(3, "room"), (4, "other")] {
        django.core_send(name, &event(n));
        django.pubsub_send(name, &event(n));
    }
    node.until(before + 6).await;
    node.layer.leave(&group("other"));
    eventually("the other group is left", || django.members("other").is_empty()).await;
    assert_eq!(node.received.gaps().len(), gaps, "{why}: nothing was missed");
    never_reconnected(node);
}

fn impatient(redis: &RedisServer) -> config::Layer {
    config::Layer {
        probe_interval: Span::millis(200),
        probe_timeout: Span::seconds(1),
        linger: Span::millis(50),
        ..options(&[redis])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_is_not_ready_and_what_is_registered_still_delivers() {
    let redis = RedisServer::start();
    let options = impatient(&redis);
    let node = Node::ready(&options).await;
    node.join("room").await;
    let (full, free) = (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]);
    refuses(&node, &options, &redis, &[&full], &[&free], "OOM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_without_its_replicas_is_not_ready() {
    let redis = RedisServer::start();
    let options = impatient(&redis);
    let node = Node::ready(&options).await;
    node.join("room").await;
    let set = |number| ["CONFIG", "SET", "min-replicas-to-write", number];
    refuses(&node, &options, &redis, &[&set("1")], &[&set("0")], "NOREPLICAS").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_taken_away_is_named_and_given_back_without_a_gap() {
    let redis = RedisServer::start();
    let mut admin = redis.connection();
    let mut user = |rights: &[&str]| {
        let () = redis::cmd("ACL").arg("SETUSER").arg("node").arg(rights).query(&mut admin).unwrap();
    };
    user(&["on", ">secret", "allkeys", "allchannels", "+@all"]);
    let url = format!("redis://node:secret@127.0.0.1:{}", redis.port());
    let options = config::Layer { hosts: vec![Secret::new(url)], ..impatient(&redis) };
    let node = Node::ready(&options).await;
    node.join("room").await;
    for (right, named) in [("zadd", "ZADD"), ("bzpopmin", "bzpopmin"), ("zpopmin", "zpopmin"), ("publish", "PUBLISH")] {
        let (without, with) = (format!("-{right}"), format!("+{right}"));
        let (begin, end) = (["ACL", "SETUSER", "node", &without], ["ACL", "SETUSER", "node", &with]);
        refuses(&node, &options, &redis, &[&begin], &[&end], named).await;
    }
    let begin = ["ACL", "SETUSER", "node", "resetkeys", "~asgispecific.*"];
    let end = ["ACL", "SETUSER", "node", "allkeys"];
    refuses(&node, &options, &redis, &[&begin], &[&end], "is not allowed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_becomes_a_replica_is_not_ready_and_its_return_is_a_gap() {
    let (redis, master) = (RedisServer::start(), RedisServer::start());
    let options = impatient(&redis);
    let node = Node::ready(&options).await;
    node.join("room").await;
    let mut django = Django::new(&options, &[&redis]);
    let port = master.port().to_string();
    let () = redis::cmd("REPLICAOF").arg("127.0.0.1").arg(port).query(django.host(0)).unwrap();
    not_ready(&node, "read only replica").await;
    let () = redis::cmd("REPLICAOF").arg("NO").arg("ONE").query(django.host(0)).unwrap();
    node.until_ready().await;
    assert!(node.received.has_gap(GapReason::Reconnected));
    django.core_send("room", &event(1));
    django.pubsub_send("room", &event(2));
    node.until(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_restarts_with_old_data_delivers_nothing_twice() {
    let mut redis = RedisServer::start();
    let options = options(&[&redis]);
    // The node stands still in its first event, and leaves the others in its queue.
    let (stands, standing) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let node = Node::with(&options, move |signal| {
        if matches!(signal, Signal::Event(event) if number(event) == 0) {
            stands.send(()).unwrap();
            gone.lock().unwrap().recv().unwrap();
        }
    });
    node.until_ready().await;
    node.join("room").await;
    let mut django = Django::new(&options, &[&redis]);
    for n in 0..4 {
        django.core_send("room", &event(n));
        if n == 0 {
            standing.recv_timeout(Duration::from_secs(10)).unwrap();
        }
    }
    let () = redis::cmd("SAVE").query(django.host(0)).unwrap();
    go.send(()).unwrap();
    node.until(4).await;
    node.join("later").await;
    redis.restart();
    eventually("a gap", || node.received.has_gap(GapReason::Reconnected)).await;
    node.until_ready().await;
    let mut django = Django::new(&options, &[&redis]);
    for (n, name) in [(4, "room"), (5, "later")] {
        django.core_send(name, &event(n));
    }
    node.until(6).await;
    node.join("room").await;
    assert_eq!(node.received.numbers("room"), [0, 1, 2, 3, 4]);
    assert_eq!(node.received.numbers("later"), [5]);
}

/// Another client takes markers out of the node's queue, as a flush between the writing and the reading of one does.
#[tokio::test(flavor = "multi_thread")]
async fn joins_go_on_when_redis_loses_their_marker() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    node.join("room").await;
    let mut django = Django::new(&options, &[&redis]);
    let queue = format!("asgispecific.{}m!", &django.members("room")[0]["specific.".len()..][..32]);
    let mut thief = redis.connection();
    let stolen = std::thread::spawn(move || {
        loop {
            let (_, marker, _): (String, String, f64) =
                redis::cmd("BZPOPMIN").arg(&queue).arg(10).query(&mut thief).unwrap();
            // Others are probes.
            if marker.starts_with('f') {
                return;
            }
        }
    });
    while !stolen.is_finished() {
        node.join("room").await;
    }
    node.join("room").await;
    never_reconnected(&node);
}
