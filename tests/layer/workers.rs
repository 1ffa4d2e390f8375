//! Messages to Channels workers and back on the node's own channel, as channels_redis writes and reads them.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use bytes::Bytes;
use channelgate::{
    config::{self, LayerKind, Secret},
    event::Value,
    layer::{Layer, LayerError, memory::MemoryLayer},
    telemetry::Metrics,
};

use crate::{
    redis_server::RedisServer,
    support::{Django, Node, event, eventually, options},
};

fn of_kind(kind: LayerKind, servers: &[&RedisServer]) -> config::Layer {
    config::Layer { kind, ..options(servers) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_a_core_layer_worker_waits_no_longer_than_the_expiry() {
    let redis = RedisServer::start();
    for (kind, keys) in [(LayerKind::Core, vec![]), (LayerKind::Both, vec![Secret::new("k")])] {
        let options = config::Layer { keys, capacity: 3, prefix: format!("{kind:?}"), ..of_kind(kind, &[&redis]) };
        let node = Node::ready(&options).await;
        for n in 0..3 {
            node.layer.send("worker", &event(n)).await.unwrap();
        }
        let full = node.layer.send("worker", &event(3)).await;
        assert!(matches!(&full, Err(LayerError::Refused(reason)) if reason.contains("full")), "{full:?}");
        node.layer.send("specific.abc!def", &event(4)).await.unwrap();
        let mut django = Django::new(&options, &[&redis]);
        let waiting = django.queued("worker");
        assert_eq!(waiting.iter().map(|(body, ..)| body.clone()).collect::<Vec<_>>(), [event(0), event(1), event(2)]);
        assert!(waiting.iter().all(|(_, channels, ttl)| channels.is_empty() && (1..=60_000).contains(ttl)));
        assert_eq!(django.queued("specific.abc!def")[0].1, ["specific.abc!def"]);
        node.layer.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_a_worker_uses_the_serializer_of_its_layer() {
    let redis = RedisServer::start();
    for (serializer, first) in [(config::Serializer::Json, b'{'), (config::Serializer::Msgpack, 0x82)] {
        let node = Node::ready(&config::Layer { serializer, ..of_kind(LayerKind::Core, &[&redis]) }).await;
        let channel = format!("worker-{serializer:?}");
        node.layer.send(&channel, &event(1)).await.unwrap();
        let mut connection = redis.connection();
        let members: Vec<Vec<u8>> =
            redis::cmd("ZRANGE").arg(format!("asgi{channel}")).arg(0).arg(-1).query(&mut connection).unwrap();
        assert_eq!(members[0][12], first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_messages_make_room() {
    let redis = RedisServer::start();
    let options =
        config::Layer { capacity: 1, expiry: config::Span::seconds(1), ..of_kind(LayerKind::Core, &[&redis]) };
    let node = Node::ready(&options).await;
    node.layer.send("worker", &event(0)).await.unwrap();
    // The key lives on, as it does while messages keep coming; its first message is old.
    let mut django = Django::new(&options, &[&redis]);
    let _: () = redis::cmd("PERSIST").arg("asgiworker").query(django.host(0)).unwrap();
    let mut waiting = redis::cmd("ZRANGE");
    waiting.arg("asgiworker").arg(0).arg(-1).arg("WITHSCORES");
    eventually("the message is old", || {
        let waiting: Vec<(Vec<u8>, f64)> = waiting.query(django.host(0)).unwrap();
        crate::support::unix_now() - waiting[0].1 > 2.1
    })
    .await;
    node.layer.send("worker", &event(1)).await.unwrap();
    assert_eq!(django.queued("worker").iter().map(|(body, ..)| body.clone()).collect::<Vec<_>>(), [event(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_arrive_on_the_nodes_own_channel_over_either_layer_and_every_host() {
    let servers = [RedisServer::start(), RedisServer::start(), RedisServer::start()];
    let servers: Vec<&RedisServer> = servers.iter().collect();
    for (kind, keys) in
        [(LayerKind::Core, vec![]), (LayerKind::Pubsub, vec![]), (LayerKind::Both, vec![Secret::new("k")])]
    {
        let options = config::Layer { keys, ..of_kind(kind, &servers) };
        let node = Node::ready(&options).await;
        let own = node.layer.reply_channel().unwrap();
        let mut django = Django::new(&options, &servers);
        let mut count = 0;
        if kind != LayerKind::Pubsub {
            django.core_send_to(&own, &event(1));
            count += 1;
            eventually("the answer over the core layer", || node.received.messages().len() == count).await;
        }
        if kind != LayerKind::Core {
            django.pubsub_send_to(&own, &event(2));
            count += 1;
            eventually("the answer over the pub/sub layer", || node.received.messages().len() == count).await;
        }
        assert!(node.received.messages().iter().all(|body| [event(1), event(2)].contains(body)), "{kind:?}");
        assert!(node.received.events().is_empty() && node.received.gaps().is_empty());
        node.layer.stop().await;
        let left: Vec<Vec<String>> =
            (0..3).map(|host| redis::cmd("KEYS").arg("*").query(django.host(host)).unwrap()).collect();
        assert!(left.iter().all(Vec::is_empty), "{left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_messages_and_an_unreachable_redis_are_errors() {
    let mut redis = RedisServer::start();
    let node = Node::ready(&of_kind(LayerKind::Both, &[&redis])).await;
    assert!(matches!(node.layer.send("no channel", &event(1)).await, Err(LayerError::Refused(_))));
    assert!(matches!(node.layer.send("worker", &Value::Null).await, Err(LayerError::Refused(_))));
    redis.kill();
    assert!(matches!(node.layer.send("worker", &event(1)).await, Err(LayerError::Unavailable { .. })));
    let memory = MemoryLayer::new(Metrics::new());
    assert!(matches!(memory.send("worker", &event(1)).await, Err(LayerError::Refused(_))));
    assert_eq!(memory.reply_channel(), None);
}

/// A Python with channels_redis: the project's own environment, or the configured one.
pub fn python() -> Option<PathBuf> {
    let named = std::env::var_os("CHANNELGATE_TEST_PYTHON").map(PathBuf::from);
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    let found = named.or(Some(own)).filter(|python| python.exists());
    let has = |python: &PathBuf| {
        Command::new(python).args(["-c", "import channels_redis"]).stderr(Stdio::null()).status().unwrap().success()
    };
    found.filter(has)
}

/// A worker's consumer: reads a message from its channel and answers to the channel named in the message.
const WORKER: &str = r#"
import asyncio, sys
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

async def main(kind, hosts, keys, channel):
    layer = {"Core": RedisChannelLayer, "Pubsub": RedisPubSubChannelLayer}[kind]
    layer = layer(hosts=hosts.split(","), symmetric_encryption_keys=keys.split(",") if keys else None)
    if kind == "Pubsub":
        # As a consumer's first receive does.
        await layer._get_layer()._subscribe_to_channel(channel)
    print("ready", flush=True)
    while True:
        message = await layer.receive(channel)
        answer = {"type": "channelgate.answer", "id": message["id"], "status": 200, "body": message["data"]}
        await layer.send(message["reply_channel"], answer)

asyncio.run(main(*sys.argv[1:]))
"#;

struct Worker(Child);

impl Worker {
    fn start(python: &PathBuf, kind: LayerKind, servers: &[&RedisServer], keys: &str) -> Self {
        let hosts: Vec<String> = servers.iter().map(|server| server.url()).collect();
        let mut child = Command::new(python)
            .args(["-c", WORKER, &format!("{kind:?}"), &hosts.join(","), keys, "the-worker"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        Self(child)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Its end does not matter to the test.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_the_real_channels_redis_answers() {
    let Some(python) = python() else {
        eprintln!("no Python with channels_redis: not run");
        return;
    };
    let servers = [RedisServer::start(), RedisServer::start(), RedisServer::start()];
    let all: Vec<&RedisServer> = servers.iter().collect();
    for (kind, node_kind, hosts, keys) in [
        (LayerKind::Core, LayerKind::Core, 1, "secret"),
        (LayerKind::Core, LayerKind::Both, 1, ""),
        (LayerKind::Pubsub, LayerKind::Pubsub, 3, "secret"),
        (LayerKind::Pubsub, LayerKind::Both, 3, ""),
    ] {
        let servers = &all[..hosts];
        let keys_of_node = keys.split(',').filter(|key| !key.is_empty()).map(Secret::new).collect();
        let options = config::Layer { keys: keys_of_node, ..of_kind(node_kind, servers) };
        let node = Node::ready(&options).await;
        let worker = Worker::start(&python, kind, servers, keys);
        for n in 0..20 {
            let question: Value = [
                ("type", Value::from("channelgate.call")),
                ("id", Value::from(format!("q{n}"))),
                ("reply_channel", Value::from(node.layer.reply_channel().unwrap())),
                ("data", Value::List(vec![Value::Int(n), "é".into(), Value::Bytes(Bytes::from_static(&[0, 255]))])),
            ]
            .into_iter()
            .collect();
            node.layer.send("the-worker", &question).await.unwrap();
            eventually("the answer", || node.received.messages().len() > n as usize).await;
            let answer = node.received.messages().pop().unwrap();
            assert_eq!((answer.get("id"), answer.get("body")), (question.get("id"), question.get("data")), "{kind:?}");
        }
        drop(worker);
        node.layer.stop().await;
    }
}
