//! Publishers with channels_redis 2, which writes lists where later versions write sorted sets.

use std::time::SystemTime;

use channelgate::{
    config,
    layer::{
        Layer as _, Readiness,
        codec::{
            envelope::{Addressee, LayerCodec},
            names::{LayerNames, non_local_name},
        },
    },
};

use crate::{
    redis_server::RedisServer,
    support::{Django, Node, event, options},
};

/// The script of `RedisChannelLayer.group_send` in channels_redis 2.4.2.
const GROUP_SEND: &str = "
    local over_capacity = 0
    for i=1,#KEYS do
        if redis.call('LLEN', KEYS[i]) < tonumber(ARGV[i + #KEYS]) then
            redis.call('LPUSH', KEYS[i], ARGV[i])
            redis.call('EXPIRE', KEYS[i], 60)
        else
            over_capacity = over_capacity + 1
        end
    end
    return over_capacity
";

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_channels_redis_2_are_heard_in_order_and_stop_nothing() {
    let redis = RedisServer::start();
    for prefix in ["asgi", "asgi:"] {
        let options = config::Layer {
            prefix: prefix.to_owned(),
            // A pop waits for half of it.
            expiry: config::Span::seconds(2),
            ..options(&[&redis])
        };
        let node = Node::ready(&options).await;
        node.join("room").await;
        let mut django = Django::new(&options, &[&redis]);
        // The wire-vectors of channels_redis 2.4.2 have this form.
        let old = LayerCodec::new(&config::Layer { random_prefix_length: 0, ..options.clone() });
        for n in 0..4 {
            let [member] = &django.members("room")[..] else { panic!() };
            let message = old
                .encode_core(&event(n), Addressee::Members(std::slice::from_ref(member)), SystemTime::now())
                .unwrap();
            let queue = LayerNames::new(prefix).core_queue_key(non_local_name(member));
            let mut script = redis::cmd("EVAL");
            script.arg(GROUP_SEND).arg(1).arg(queue).arg(message).arg(100);
            let over: usize = script.query(django.host(0)).unwrap();
            assert_eq!(over, 0);
            if n == 1 {
                node.until(2).await;
                // Later versions can send again.
                assert_eq!(django.core_send("room", &event(7)), 0);
                node.until(3).await;
            }
        }
        node.until(5).await;
        assert_eq!(node.received.numbers("room"), [0, 1, 7, 2, 3], "{prefix}");
        assert!(node.layer.readiness() == Readiness::Ready && node.received.gaps().is_empty());
    }
}
