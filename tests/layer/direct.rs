//! Messages to the channel of one connection: from Django on both layers, and between nodes.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
};

use channelgate::{
    config::{self, LayerKind, Secret},
    event::{Source, Value, json},
    layer::{Layer, LayerError, Signal, codec::names::is_channel_name},
};

use crate::{
    redis_server::RedisServer,
    support::{Django, Node, PATIENCE, event, eventually, group, options},
    workers::python,
};

const ID: &str = "k2Jx-_k2Jx-_k2Jx-_k2";
const OTHER: &str = "OtherOtherOtherOther";

fn of_kind(kind: LayerKind, servers: &[&RedisServer]) -> config::Layer {
    config::Layer { kind, ..options(servers) }
}

/// What arrived for connections, as their ids, the messages, and the sources.
fn direct(node: &Node) -> Vec<(String, Value, Source)> {
    let signals = node.received.signals();
    let direct = signals.into_iter().filter_map(|signal| match signal {
        Signal::Direct { id, body, source } => Some((id.into_string(), body, source)),
        _ => None,
    });
    direct.collect()
}

/// The numbers of messages and events, in the order of arrival; those of messages are negative.
fn order(node: &Node) -> Vec<i64> {
    let number = |body: &Value| match body.get("n") {
        Some(Value::Int(n)) => *n,
        other => panic!("{other:?}"),
    };
    let numbers = node.received.signals().into_iter().filter_map(move |signal| match signal {
        Signal::Direct { body, .. } => Some(-number(&body)),
        Signal::Event(event) => Some(number(&event.body)),
        _ => None,
    });
    numbers.collect()
}

async fn until(node: &Node, count: usize) -> Vec<(String, Value, Source)> {
    eventually(&format!("{count} messages"), || direct(node).len() >= count).await;
    direct(node)
}

/// channels_redis in a process of its own, which does what each line says and has a channel of its own.
const CHANNELS: &str = r#"
import asyncio, json, sys
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

async def main(kind, hosts, keys):
    layer = {"Core": RedisChannelLayer, "Pubsub": RedisPubSubChannelLayer}[kind]
    layer = layer(hosts=hosts.split(","), symmetric_encryption_keys=keys.split(",") if keys else None)
    own = await layer.new_channel()
    print(json.dumps(own), flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        what, *rest = json.loads(line)
        said = await (layer.receive(own) if what == "receive" else getattr(layer, what)(*rest))
        print(json.dumps(said), flush=True)

asyncio.run(main(*sys.argv[1:]))
"#;

struct Channels {
    child: Child,
    told: ChildStdin,
    said: Receiver<String>,
    /// The name of its channel.
    own: String,
}

impl Channels {
    fn start(python: &PathBuf, kind: LayerKind, servers: &[&RedisServer], keys: &str) -> Self {
        let hosts: Vec<String> = servers.iter().map(|server| server.url()).collect();
        let mut child = Command::new(python)
            .args(["-c", CHANNELS, &format!("{kind:?}"), &hosts.join(","), keys])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (told, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (lines, said) = channel();
        // Ends with the process, or with the test.
        std::thread::spawn(move || output.lines().map_while(Result::ok).all(|line| lines.send(line).is_ok()));
        let mut channels = Self { child, told, said, own: String::new() };
        let Value::Str(own) = channels.answer() else { panic!("a channel has a name") };
        channels.own = own.into_string();
        channels
    }

    fn answer(&mut self) -> Value {
        let line = self.said.recv_timeout(PATIENCE).unwrap();
        channelgate::layer::codec::json::decode(line.trim().as_bytes()).unwrap()
    }

    /// Calls a method of the layer.
    fn call<const N: usize>(&mut self, method: &str, arguments: [Value; N]) -> Value {
        let call = [Value::from(method)].into_iter().chain(arguments).collect::<Vec<_>>();
        writeln!(self.told, "{}", json::text(&Value::List(call))).unwrap();
        self.answer()
    }
}

impl Drop for Channels {
    fn drop(&mut self) {
        // Its end does not matter to the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_channels_redis_reaches_one_connection_and_is_reached() {
    let Some(python) = python() else {
        eprintln!("no Python with channels_redis: not run");
        return;
    };
    let servers = [RedisServer::start(), RedisServer::start()];
    let all: Vec<&RedisServer> = servers.iter().collect();
    for (kind, node_kind, hosts, keys) in [
        (LayerKind::Core, LayerKind::Core, 1, ""),
        (LayerKind::Core, LayerKind::Both, 2, "secret"),
        (LayerKind::Pubsub, LayerKind::Pubsub, 2, "secret"),
        (LayerKind::Pubsub, LayerKind::Both, 1, ""),
    ] {
        let case = format!("{kind:?} {node_kind:?} {hosts}");
        let servers = &all[..hosts];
        let keys_of_node = keys.split(',').filter(|key| !key.is_empty()).map(Secret::new).collect();
        let options = config::Layer { keys: keys_of_node, ..of_kind(node_kind, servers) };
        let (node, second) = (Node::ready(&options).await, Node::ready(&options).await);
        let mut channels = Channels::start(&python, kind, servers, keys);
        let source = if kind == LayerKind::Core { Source::Core } else { Source::Pubsub };
        // Names on every host, as a send places them.
        let ids: Vec<String> = (10..18).map(|n| format!("k2Jx-_k2Jx-_k2Jx-_{n}")).collect();
        for (n, id) in (1..).zip(&ids) {
            let name = node.layer.channel_name(id);
            channels.call("send", [name.into(), event(n)]);
            let last = until(&node, n as usize).await.pop().unwrap();
            assert_eq!(last, (id.clone(), event(n), source), "{case}");
        }
        // A node, to a connection of another node, of its own, and to a consumer of Channels.
        second.layer.send(&node.layer.channel_name(ID), &event(100)).await.unwrap();
        node.layer.send(&node.layer.channel_name(OTHER), &event(101)).await.unwrap();
        let got = until(&node, ids.len() + 2).await.split_off(ids.len());
        let from_nodes = [(ID, 100), (OTHER, 101)].map(|(id, n)| (id.to_owned(), event(n), Source::Publish));
        assert!(from_nodes.iter().all(|one| got.contains(one)), "{case}: {got:?}");
        let own = channels.own.clone();
        // Its consumer waits, as it does under Daphne.
        writeln!(channels.told, "[\"receive\"]").unwrap();
        if kind == LayerKind::Pubsub {
            let mut connections: Vec<_> = servers.iter().map(|server| server.connection()).collect();
            eventually("its subscription", || {
                connections.iter_mut().any(|connection| {
                    let numsub: (String, u64) = redis::cmd("PUBSUB").arg("NUMSUB").arg(&own).query(connection).unwrap();
                    numsub.1 > 0
                })
            })
            .await;
        }
        node.layer.send(&own, &event(102)).await.unwrap();
        assert_eq!(channels.answer(), event(102), "{case}");
        assert!(direct(&second).is_empty() && node.received.messages().is_empty(), "{case}");
        assert!(node.received.events().is_empty() && node.received.gaps().is_empty(), "{case}");
        node.layer.stop().await;
        second.layer.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_to_which_somebody_added_connections_reaches_each_of_them_until_it_is_discarded() {
    let Some(python) = python() else {
        eprintln!("no Python with channels_redis: not run");
        return;
    };
    let servers = [RedisServer::start(), RedisServer::start()];
    let all: Vec<&RedisServer> = servers.iter().collect();
    for hosts in [1, 2] {
        let servers = &all[..hosts];
        let options = of_kind(LayerKind::Core, servers);
        let (node, second) = (Node::ready(&options).await, Node::ready(&options).await);
        let room = format!("room{hosts}");
        node.join(&room).await;
        let mut channels = Channels::start(&python, LayerKind::Core, servers, "");
        for name in [node.layer.channel_name(ID), node.layer.channel_name(OTHER), second.layer.channel_name(ID)] {
            channels.call("group_add", [room.as_str().into(), name.into()]);
        }
        channels.call("group_send", [room.as_str().into(), event(1)]);
        second.layer.publish(&group(&room), &event(2)).await.unwrap();
        // Several members of one queue are one message; the members are in no order.
        let (mut here, there) = (until(&node, 4).await, until(&second, 2).await);
        here.sort_by_key(|(id, body, _)| (body.get("n").map(|n| format!("{n:?}")), id.clone()));
        let wanted = [(OTHER, 1), (ID, 1), (OTHER, 2), (ID, 2)];
        assert_eq!(here, wanted.map(|(id, n)| (id.to_owned(), event(n), Source::Core)));
        assert_eq!(
            there.into_iter().map(|(id, body, _)| (id, body)).collect::<Vec<_>>(),
            [(ID.to_owned(), event(1)), (ID.to_owned(), event(2))]
        );
        node.until(2).await;
        assert_eq!(node.received.numbers(&room), [1, 2], "a member by its node gets it once");
        // The connection leaves: its name goes, and no other.
        let mut django = Django::new(&options, servers);
        assert_eq!(django.members(&room).len(), 4);
        node.layer.discard(&group(&room), ID);
        node.layer.discard(&group("elsewhere"), OTHER);
        let gone = node.layer.channel_name(ID);
        eventually("the name is gone", || !django.members(&room).contains(&gone)).await;
        assert_eq!(django.members(&room).len(), 3);
        node.layer.stop().await;
        second.layer.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_and_events_of_one_publisher_keep_their_order() {
    let redis = RedisServer::start();
    for kind in [LayerKind::Core, LayerKind::Pubsub, LayerKind::Both] {
        let options = config::Layer { capacity: 1000, ..of_kind(kind, &[&redis]) };
        let (node, second) = (Node::ready(&options).await, Node::ready(&options).await);
        node.join("room").await;
        let mut django = Django::new(&options, &[&redis]);
        let name = node.layer.channel_name(ID);
        let mut wanted = Vec::new();
        for n in 1..=300 {
            let is_event = n % 3 == 0;
            match (kind, is_event) {
                (LayerKind::Core, true) => drop(django.core_send("room", &event(n))),
                (LayerKind::Core, false) => django.core_send_to(&name, &event(n)),
                (_, true) => django.pubsub_send("room", &event(n)),
                (_, false) => django.pubsub_send_to(&name, &event(n)),
            }
            wanted.push(if is_event { n } else { -n });
        }
        eventually("all of Django's", || order(&node).len() >= 300).await;
        for n in 301..=600 {
            match n % 3 {
                0 => second.layer.publish(&group("room"), &event(n)).await.unwrap(),
                _ => second.layer.send(&name, &event(n)).await.unwrap(),
            }
            wanted.push(if n % 3 == 0 { n } else { -n });
        }
        eventually("all of the node's", || order(&node).len() >= 600).await;
        assert_eq!(order(&node), wanted, "{kind:?}");
        node.layer.stop().await;
        second.layer.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_subscribe_to_no_pattern_of_its_own_hears_the_messages_all_the_same() {
    let redis = RedisServer::start();
    let mut admin = redis.connection();
    let rights = "on >password ~* resetchannels +@all &channelgate:* &asgi__group__*";
    for (extra, from_django) in [("&specific.*", true), ("&specific.* -psubscribe", false)] {
        let rights = rights.split(' ').chain(extra.split(' ')).collect::<Vec<_>>();
        let () = redis::cmd("ACL").arg("SETUSER").arg("node").arg("reset").arg(rights).query(&mut admin).unwrap();
        let options = config::Layer { emitters: config::Emitters::off(), ..of_kind(LayerKind::Pubsub, &[&redis]) };
        let url = redis.url().replace("redis://", "redis://node:password@");
        let limited = config::Layer { hosts: vec![Secret::new(url)], ..options.clone() };
        let (node, other) = (Node::ready(&limited).await, Node::ready(&limited).await);
        let mut django = Django::new(&options, &[&redis]);
        let name = node.layer.channel_name(ID);
        django.pubsub_send_to(&name, &event(1));
        django.pubsub_send_to(&other.layer.channel_name(ID), &event(2));
        // A consumer of Channels has such a name, too.
        django.pubsub_send_to("specific.0123456789abcdef0123456789abcdef!1", &event(3));
        other.layer.send(&name, &event(4)).await.unwrap();
        let wanted = [(1, Source::Pubsub), (4, Source::Publish)];
        let wanted = wanted.into_iter().filter(|(_, source)| from_django || *source == Source::Publish);
        let wanted: Vec<_> = wanted.map(|(n, source)| (ID.to_owned(), event(n), source)).collect();
        assert_eq!(until(&node, wanted.len()).await, wanted, "{extra}");
        node.layer.stop().await;
        other.layer.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_to_a_connection_is_refused_or_counted() {
    let redis = RedisServer::start();
    let options = of_kind(LayerKind::Both, &[&redis]);
    let node = Node::ready(&options).await;
    let name = node.layer.channel_name(ID);
    assert!(is_channel_name(&name) && name.len() < 100 && name.starts_with("specific."), "{name}");
    assert!(matches!(node.layer.send(&name, &Value::Int(1)).await, Err(LayerError::Refused(_))));
    assert!(matches!(node.layer.send(&format!("{name}!"), &event(1)).await, Err(LayerError::Refused(_))));
    // Nobody else's business: a node that has gone, and a name that is not of a node.
    let gone = format!("specific.{}r!c.{ID}", "0".repeat(32));
    node.layer.send(&gone, &event(1)).await.unwrap();
    let mut django = Django::new(&options, &[&redis]);
    let own = name.strip_prefix("specific.").unwrap().split_once("r!").unwrap().0.to_owned();
    let channel = format!("channelgate:direct:{own}");
    for bad in ["{}", "[]", "nonsense", r#"{"channel": 7, "message": {}}"#, r#"{"channel": "x", "message": {}}"#] {
        assert_eq!(django.publish(0, &channel, bad.as_bytes()), 1, "{bad}");
    }
    assert_eq!(django.publish(0, &channel, format!(r#"{{"channel": "{name}", "message": 1}}"#).as_bytes()), 1);
    django.core_send_to(&name, &event(2));
    let drops = || node.metrics.drops(channelgate::telemetry::DropReason::Decode);
    eventually("six are counted", || drops() == 6).await;
    assert_eq!(until(&node, 1).await, [(ID.to_owned(), event(2), Source::Core)]);
}
