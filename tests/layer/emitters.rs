//! Publishers of Socket.IO events, and events that contain bytes.

use bytes::Bytes;
use channelgate::{
    config::{self, Emitters},
    event::{Content, EmissionTarget, GapReason, Source, Value},
    layer::Layer,
    telemetry::DropReason,
};

use crate::{
    redis_server::RedisServer,
    support::{Django, Node, event, eventually, group, options},
};

/// The bytes of a recorded message of a real emitter.
fn recorded(id: &str) -> (String, Vec<u8>) {
    let vectors: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../fixtures/emitter-vectors.json")).unwrap();
    let vector = vectors.iter().find(|vector| vector["id"] == id).unwrap();
    let text = |key: &str| vector[key].as_str().unwrap().to_owned();
    (text("redis_key_or_channel"), hex::decode(text("bytes_hex")).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn emitters_are_received_on_every_host_in_every_namespace() {
    let servers = [RedisServer::start(), RedisServer::start()];
    let servers: Vec<&RedisServer> = servers.iter().collect();
    let options = options(&servers);
    let node = Node::ready(&options).await;
    let mut django = Django::new(&options, &servers);
    let mut count = 0;
    for host in 0..2 {
        for id in ["sio513/emit_room_list", "sio518/emit_ns", "node_emitter/emit_ns", "node_emitter/emit_flags"] {
            let (channel, bytes) = recorded(id);
            assert_eq!(django.publish(host, &channel, &bytes), 1, "{id}");
            count += 1;
            eventually(id, || node.received.emissions().len() == count).await;
            let emission = node.received.emissions().pop().unwrap();
            let namespace = if id.ends_with("_ns") { "/admin" } else { "/" };
            assert_eq!(emission.target, EmissionTarget::Namespace(namespace.into()), "{id}");
            assert_eq!((emission.source, emission.volatile), (Source::Emitter, id.ends_with("_flags")), "{id}");
        }
    }
    // Neither the requests of the Node adapter nor the sharded adapter's channels are for this node.
    assert_eq!(django.publish(0, "socket.io-request#/#", b"{}"), 0);
    assert_eq!(django.publish(0, "socket.io-response#/#", b"{}"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_and_unsupported_messages_are_counted_and_the_next_one_arrives() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    let mut django = Django::new(&options, &[&redis]);
    django.publish(0, "socketio", b"{");
    django.publish(0, "socketio", b"\x80\x04cos\nsystem\n(S'true'\ntR.");
    django.publish(0, "socket.io#/#", b"\xc1");
    let (channel, bytes) = recorded("sio518/enter_room");
    django.publish(0, &channel, &bytes);
    let (channel, bytes) = recorded("sio518/emit_all");
    django.publish(0, &channel, &bytes);
    eventually("the good one", || node.received.emissions().len() == 1).await;
    assert_eq!(node.metrics.drops(DropReason::Decode), 3);
    assert_eq!(node.metrics.drops(DropReason::Unsupported), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn emitter_names_are_as_configured_and_an_empty_name_is_off() {
    let redis = RedisServer::start();
    let named = config::Layer {
        emitters: Emitters { python: "myapp".to_owned(), node: "my*app".to_owned(), ..Emitters::default() },
        ..options(&[&redis])
    };
    let node = Node::ready(&named).await;
    let silent = Node::ready(&config::Layer { emitters: Emitters::off(), ..options(&[&redis]) }).await;
    let mut django = Django::new(&named, &[&redis]);
    let (_, bytes) = recorded("node_emitter/emit_all");
    assert_eq!(django.publish(0, "my*app#/#", &bytes), 1);
    assert_eq!(django.publish(0, "myXapp#/#", &bytes), 0, "the name is not a pattern");
    let (channel, bytes) = recorded("sio518/channel_custom");
    assert_eq!(django.publish(0, &channel, &bytes), 1);
    assert_eq!(django.publish(0, "socketio", &bytes), 0);
    eventually("both", || node.received.emissions().len() == 2).await;
    assert!(silent.received.emissions().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_emitters_are_received_again_and_the_gap_concerns_all_groups() {
    let mut redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    redis.restart();
    eventually("the gap", || node.received.has_gap(GapReason::Reconnected)).await;
    node.until_ready().await;
    assert!(node.received.gaps().iter().all(|gap| gap.groups.is_none()));
    let (channel, bytes) = recorded("sio518/emit_all");
    assert_eq!(Django::new(&options, &[&redis]).publish(0, &channel, &bytes), 1);
    eventually("the emission", || node.received.emissions().len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_survive_a_publish_and_order_holds_among_events_without_them() {
    let redis = RedisServer::start();
    let node = Node::ready(&options(&[&redis])).await;
    node.join("room").await;
    let bytes = Value::Bytes(Bytes::from_static(&[0, 1, 255]));
    // Values that msgpack cannot hold are beside the bytes.
    let large =
        channelgate::event::json::read(format!(r#"["\\ud83d", {{"\\ude00": 1{}}}]"#, "0".repeat(99)).as_bytes())
            .unwrap();
    let content = Content::Event(vec!["file".into(), Value::List(vec![bytes, Value::Float(0.5), large])]);
    let emission = channelgate::event::Emission::relay_body("chat", &[group("r")], content, &["id"], false);
    node.layer.publish(&group("room"), &event(1)).await.unwrap();
    node.layer.publish(&group("room"), &emission).await.unwrap();
    node.layer.publish(&group("room"), &event(2)).await.unwrap();
    let events = node.until(3).await;
    assert_eq!(events[1].body, emission);
    assert_eq!((&events[0].body, &events[2].body), (&event(1), &event(2)));
    assert!(events.iter().all(|event| event.source == Source::Publish));
}
