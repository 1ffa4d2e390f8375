//! Bytes that cannot be decoded are counted with a reason; the next event is not affected.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use channelgate::{
    config::{self, Secret, Span},
    event::{GroupName, Source, Value},
    layer::{ChannelMapping, MappedFrom},
    telemetry::DropReason,
};

use crate::{
    redis_server::RedisServer,
    support::{Django, Node, event, eventually, options},
};

#[tokio::test(flavor = "multi_thread")]
async fn undecodable_bytes_are_counted_and_the_next_event_arrives() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    node.join("room").await;
    let mut django = Django::new(&options, &[&redis]);
    let hostile: [&[u8]; 7] = [
        b"",
        b"short",
        b"\x80\x04\x95cos\nsystem\n.",
        b"\x81\xa4type",
        b"{\"type\": ",
        b"[1]",
        b"\xdf\xff\xff\xff\xff",
    ];
    for (n, bytes) in hostile.iter().enumerate() {
        let member = |prefix: &[u8]| [prefix, bytes].concat();
        django.core_send_with("room", |_, _| member(b"twelve bytes"));
        django.pubsub_bytes("room", bytes);
        django.publish(0, "channelgate:room", bytes);
        let n = i64::try_from(n).unwrap();
        django.core_send("room", &event(3 * n));
        django.pubsub_send("room", &event(3 * n + 1));
        django.publish(0, "channelgate:room", format!(r#"{{"n": {}}}"#, 3 * n + 2).as_bytes());
    }
    node.until(3 * hostile.len()).await;
    let mut numbers = node.received.numbers("room");
    numbers.sort_unstable();
    assert_eq!(numbers, (0..3 * 7).collect::<Vec<_>>());
    assert_eq!(node.metrics.drops(DropReason::Decode), 3 * 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_counted_as_such() {
    let redis = RedisServer::start();
    let right = config::Layer { keys: vec![Secret::new("right")], ..options(&[&redis]) };
    let wrong = config::Layer { keys: vec![Secret::new("wrong")], ..options(&[&redis]) };
    let node = Node::ready(&right).await;
    node.join("room").await;
    Django::new(&wrong, &[&redis]).core_send("room", &event(1));
    Django::new(&wrong, &[&redis]).pubsub_send("room", &event(2));
    Django::new(&right, &[&redis]).core_send("room", &event(3));
    Django::new(&right, &[&redis]).pubsub_send("room", &event(4));
    node.until(2).await;
    eventually("both counted", || node.metrics.drops(DropReason::Decrypt) == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_an_unknown_member_name_is_counted() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let node = Node::ready(&options).await;
    node.join("room").await;
    let mut django = Django::new(&options, &[&redis]);
    let codec = channelgate::layer::codec::envelope::LayerCodec::new(&options);
    for strange in ["!ffff", "!", "!no number"] {
        django.core_send_with("room", |_, members| {
            let name = members[0].split('!').next().unwrap().to_owned() + strange;
            let to = channelgate::layer::codec::envelope::Addressee::Channel(&name);
            codec.encode_core(&event(0), to, std::time::SystemTime::now()).unwrap()
        });
    }
    django.core_send("room", &event(1));
    node.until(1).await;
    assert_eq!(node.received.numbers("room"), [1]);
    assert_eq!(node.metrics.drops(DropReason::UnknownChannel), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_a_hundred_megabytes_is_dropped_without_delaying_others() {
    let redis = RedisServer::with(&["--client-output-buffer-limit", "pubsub 0 0 0"]);
    let options = config::Layer { probe_interval: Span::seconds(5), ..options(&[&redis]) };
    let node = Node::ready(&options).await;
    node.join("room").await;
    let mut django = Django::new(&options, &[&redis]);
    let huge = vec![b'x'; 100 << 20];
    let mut worst = Duration::ZERO;
    let mut n = 0;
    for dropped in 1..=4 {
        match dropped % 2 {
            0 => django.pubsub_bytes("room", &huge),
            _ => assert_eq!(django.core_send_with("room", |_, _| huge.clone()), 0),
        }
        // While it is read, others publish.
        while node.metrics.drops(DropReason::TooLarge) < dropped {
            let sent = Instant::now();
            django.publish(0, "channelgate:room", format!(r#"{{"n": {n}}}"#).as_bytes());
            n += 1;
            node.until(n).await;
            worst = worst.max(sent.elapsed());
            // What a gap has lost is not dropped any more.
            assert!(node.received.gaps().is_empty(), "{:?}", node.received.gaps());
        }
    }
    println!("beside 100 MB, an event took at most {worst:?}");
    assert!(worst < Duration::from_secs(3), "{worst:?}");
    assert!(node.received.gaps().is_empty(), "{:?}", node.received.gaps());
}

#[tokio::test(flavor = "multi_thread")]
async fn mapped_channels_and_patterns_reach_their_groups() {
    let redis = RedisServer::start();
    let options = options(&[&redis]);
    let by_id = |channel: &str, event: &Value| {
        let group = event.get("room").and_then(Value::as_str).or(channel.strip_prefix("orders:"))?;
        GroupName::new(group).ok()
    };
    let mappings = vec![
        ChannelMapping { from: MappedFrom::Channel("prices".to_owned()), group: Arc::new(by_id) },
        ChannelMapping { from: MappedFrom::Pattern("orders:*".to_owned()), group: Arc::new(by_id) },
        // So wide that it matches everything, including probes and the layer's channels.
        ChannelMapping {
            from: MappedFrom::Pattern("*".to_owned()),
            group: Arc::new(|_, _| GroupName::new("all").ok()),
        },
    ];
    let node = Node::new(&options, mappings);
    node.until_ready().await;
    let mut django = Django::new(&options, &[&redis]);
    django.publish(0, "prices", br#"{"room": "gold", "n": 1}"#);
    django.publish(0, "orders:7", br#"{"n": 2}"#);
    django.publish(0, "orders:no group", br#"{"n": 3}"#);
    django.publish(0, "orders:8", b"42");
    django.publish(0, "orders:8", b"no json");
    django.publish(0, "orders:8", br#"{"n": 4}"#);
    node.until(7).await;
    assert_eq!(node.received.numbers("gold"), [1]);
    assert_eq!(node.received.numbers("7"), [2]);
    assert_eq!(node.received.numbers("8"), [4]);
    assert_eq!(node.received.numbers("all"), [1, 2, 3, 4]);
    assert!(node.received.events().iter().all(|event| event.source == Source::Mapped));
    assert_eq!(node.metrics.drops(DropReason::Unmapped), 1);
    assert_eq!(node.metrics.drops(DropReason::Decode), 4);
}
