//! Events published by Django and other programs arrive: both layers, both serializers, encryption, plain publishes.

use channelgate::{
    config::{LayerKind, Secret},
    event::Source,
    layer::{Layer, codec::envelope::Serializer},
};

use crate::{
    redis_server::RedisServer,
    support::{Django, Node, event, group, number, options, sources},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_joined_group_receives_from_every_source() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    node.join("room").await;
    let mut django = Django::new(&options, &[&redis]);
    assert_eq!(django.core_send("room", &event(1)), 0);
    node.until(1).await;
    django.pubsub_send("room", &event(2));
    node.until(2).await;
    assert_eq!(django.publish(0, "channelgate:room", br#"{"type": "tick", "n": 3}"#), 1);
    node.until(3).await;
    node.layer.publish(&group("room"), &event(4)).await.unwrap();
    let events = node.until(4).await;
    assert_eq!(events.iter().map(number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(sources(&events), [Source::Core, Source::Pubsub, Source::Publish, Source::Publish]);
    assert!(events.iter().all(|event| event.group == group("room") && event.kind() == Some("tick")));
    assert!(events.iter().all(|event| event.body.get("__asgi_channel__").is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_serializer_arrives_with_and_without_encryption() {
    let redis = RedisServer::start();
    for keys in [vec![], vec![Secret::new("new"), Secret::new("old")]] {
        let options = channelgate::config::Layer { keys: keys.clone(), ..options(&[&redis]) };
        let node = Node::ready(&options).await;
        node.join("room").await;
        // A publisher that has not rotated yet still encrypts with the old key.
        let late = channelgate::config::Layer { keys: keys.into_iter().rev().collect(), ..options.clone() };
        let mut n = 0;
        for settings in [&options, &late] {
            for serializer in [Serializer::Msgpack, Serializer::Json] {
                let mut django = Django::writing(settings, &[&redis], serializer);
                assert_eq!(django.core_send("room", &event(n)), 0);
                node.until(n as usize + 1).await;
                django.pubsub_send("room", &event(n + 1));
                n += 2;
                node.until(n as usize).await;
            }
        }
        assert_eq!(node.received.numbers("room"), (0..n).collect::<Vec<_>>());
        node.layer.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_receives_only_from_its_own_layer() {
    let redis = RedisServer::start();
    for (kind, expected) in [(LayerKind::Core, Source::Core), (LayerKind::Pubsub, Source::Pubsub)] {
        let options = channelgate::config::Layer { kind, ..options(&[&redis]) };
        let node = Node::ready(&options).await;
        node.join("room").await;
        let mut django = Django::new(&options, &[&redis]);
        django.core_send("room", &event(1));
        django.pubsub_send("room", &event(1));
        // Earlier messages would have arrived by now: one connection carries pub/sub, and the core queue is empty.
        node.until(1).await;
        django.publish(0, "channelgate:room", br#"{"n": 2}"#);
        let events = node.until(2).await;
        assert_eq!(sources(&events), [expected, Source::Publish], "{kind:?}");
        node.layer.stop().await;
    }
}
