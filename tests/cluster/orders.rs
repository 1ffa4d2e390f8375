//! Orders to disconnect: which nodes receive them, and what is recorded in Redis for the others.

use std::{
    sync::atomic::Ordering,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use channelgate::{
    cluster::{Cluster, Disconnect, OrderError, Query, Target},
    config::Config,
    event::{Fingerprint, Value},
    telemetry::Metrics,
};
use redis::Commands as _;

use crate::{
    proxy::Proxy,
    redis_server::RedisServer,
    support::{AMPLE, Node, PATIENCE, config, eventually},
};

/// Where any program may publish an order.
const HEARD: &str = "channelgate:control:disconnect";
const KICKS: &str = "channelgate:disconnected";
const TOKENS: &str = "channelgate:revoked";
const GROUP_ORDERS: &str = "channelgate:group_orders";
/// The deadline of an exchange with Redis.
const EXCHANGE: Duration = Duration::from_secs(2);
const MOST: usize = 20_000;

fn order(target: Target, until: Option<u64>) -> Disconnect {
    Disconnect { target, code: 4403, reason: String::new(), reconnect: false, until }
}

fn user(id: &str) -> Disconnect {
    order(Target::User(id.to_owned()), None)
}

fn token(jti: &str, seconds: u64) -> Disconnect {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    order(Target::Fingerprint(Fingerprint::of_jti(jti)), Some(now + seconds))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_reaches_every_node_and_is_recorded_in_redis_for_a_time() {
    let redis = RedisServer::start();
    let nodes = [1, 2].map(|number| Node::start(&redis.url(), number));
    nodes[0].until(&[1, 2]).await;
    nodes[1].until(&[1, 2]).await;
    for order in [user("7"), token("a", 60), token("b", 600)] {
        let answers = nodes[0].cluster.disconnect(order.clone(), AMPLE).await.unwrap();
        assert_eq!((answers.by_node.len(), answers.silent.len()), (2, 0));
        for node in &nodes {
            assert_eq!(node.responder.asked.lock().unwrap().last(), Some(&Query::Disconnect(order.clone())));
        }
    }
    let mut commands = redis.connection();
    let left: (i64, i64) = (commands.pttl(KICKS).unwrap(), commands.pttl(TOKENS).unwrap());
    assert!((3_590_000..=3_600_000).contains(&left.0) && (590_000..=600_000).contains(&left.1), "{left:?}");
    // A shorter one does not cut the others' time, and an expired one is removed with the next.
    nodes[0].cluster.disconnect(token("c", 1), AMPLE).await.unwrap();
    assert!(commands.pttl::<_, i64>(TOKENS).unwrap() > 580_000);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    nodes[0].cluster.disconnect(token("d", 60), AMPLE).await.unwrap();
    assert_eq!(commands.zcard::<_, usize>(TOKENS).unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_back_learns_every_order_that_still_applies_and_its_time() {
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    let near = Node::start(&redis.url(), 1);
    let far = Node::with(&config(&proxy.url()), 2, "127.0.0.1:7002");
    near.until(&[1, 2]).await;
    eventually("the first look", async || far.responder.learned.lock().unwrap().len() == 1).await;
    assert_eq!(far.responder.learned.lock().unwrap()[0], []);
    // Redis still considers it subscribed, so the loss cannot be noticed.
    proxy.mute_subscriptions();
    // The node looks again with its next subscription, which may come before the second order.
    proxy.hold(true);
    let before = std::time::Instant::now();
    for order in [user("7"), token("a", 60)] {
        let answers = near.cluster.disconnect(order, Duration::from_millis(200)).await.unwrap();
        // On a busy machine the near one may be late, too.
        assert!(!answers.by_node.contains_key(far.cluster.id()), "{answers:?}");
    }
    let after = std::time::Instant::now();
    let mut commands = redis.connection();
    let _: () = commands.zadd(KICKS, "no order", 1).unwrap();
    // Longer than an exchange with Redis may take: the time of an order is not that of the look.
    tokio::time::sleep(EXCHANGE + Duration::from_millis(500)).await;
    proxy.hold(false);
    let last = || far.responder.learned.lock().unwrap().last().cloned().unwrap_or_default();
    eventually("another look", async || last().len() == 2).await;
    let learned = last();
    let orders: Vec<&Disconnect> = learned.iter().map(|one| &one.order).collect();
    assert_eq!(orders[0], &user("7"));
    assert!(matches!(orders[1].target, Target::Fingerprint(_)), "{orders:?}");
    // By the clock of Redis, to the milliseconds of an exchange.
    let slack = Duration::from_millis(50);
    assert!(learned[0].at + EXCHANGE >= before && learned[0].at <= after + slack, "{:?}", learned[0].at);
    assert!(!far.metrics.render().contains(r#"channelgate_revocations_total{outcome="malformed"} 0"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_lease_had_ended_learns_the_orders_that_were_given_without_it() {
    let redis = RedisServer::start();
    let (near, far) = (Node::start(&redis.url(), 1), Node::start(&redis.url(), 2));
    near.until(&[1, 2]).await;
    let mut commands = redis.connection();
    for number in 0..100 {
        // As if it had been paused for longer than its lease: its subscription works, and the others do not ask it.
        let _: () = commands.zrem("channelgate:nodes", far.id()).unwrap();
        let order = user(&number.to_string());
        let answers = near.cluster.disconnect(order.clone(), AMPLE).await.unwrap();
        if answers.by_node.len() + answers.silent.len() == 1 {
            let learned = || far.responder.learned.lock().unwrap().iter().flatten().any(|one| one.order == order);
            return eventually("it learns of the order", async || learned()).await;
        }
        // Its heartbeat came first.
    }
    panic!("it was asked each time");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_hears_before_it_has_caught_up_is_not_lost_if_it_cannot_catch_up() {
    let redis = RedisServer::start();
    // Longer than a start of the channel may take.
    let node = Node::slow_to_learn(&config(&redis.url()), 1, "127.0.0.1:7001", PATIENCE);
    eventually("it hears, and catches up", async || node.responder.learned.lock().unwrap().len() == 1).await;
    node.responder.learning_ms.store(0, Ordering::SeqCst);
    let heard: usize = redis.connection().publish(HEARD, serde_json::to_string(&user("7")).unwrap()).unwrap();
    assert_eq!(heard, 1);
    eventually("the order is carried out", async || node.was_asked(&user("7"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_another_node_records_after_this_one_has_looked_is_learned() {
    let redis = RedisServer::start();
    let node = Node::start(&redis.url(), 1);
    node.until(&[1]).await;
    // The other node has heard it before this one could hear.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() * 1000;
    let _: () = redis.connection().zadd(KICKS, serde_json::to_string(&user("7")).unwrap(), now).unwrap();
    let learned = || node.responder.learned.lock().unwrap().iter().flatten().any(|one| one.order == user("7"));
    eventually("it learns of the order", async || learned()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_has_heard_when_its_connection_ends_is_carried_out() {
    let redis = RedisServer::start();
    let node = Node::start(&redis.url(), 1);
    node.until(&[1]).await;
    // The node is busy: what it hears waits.
    let looks = node.responder.learned.lock().unwrap().len();
    node.responder.learning_ms.store(500, Ordering::SeqCst);
    let mut commands = redis.connection();
    let _: () = commands.zrem("channelgate:nodes", node.id()).unwrap();
    eventually("another look", async || node.responder.learned.lock().unwrap().len() > looks).await;
    let orders: Vec<Disconnect> = (0..20).map(|number| user(&number.to_string())).collect();
    for order in &orders {
        let heard: usize = commands.publish(HEARD, serde_json::to_string(order).unwrap()).unwrap();
        assert_eq!(heard, 1);
    }
    redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query::<()>(&mut commands).unwrap();
    eventually("they are carried out", async || orders.iter().all(|order| node.was_asked(order))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_starting_until_it_is_known_and_knows_the_orders() {
    let redis = RedisServer::start();
    let mut commands = redis.connection();
    let _: () = commands.zadd(KICKS, serde_json::to_string(&user("7")).unwrap(), 1).unwrap();
    let node = Node::slow_to_learn(&config(&redis.url()), 1, "127.0.0.1:7001", Duration::from_millis(300));
    assert!(node.cluster.is_starting());
    eventually("it catches up", async || node.responder.learned.lock().unwrap().len() == 1).await;
    assert!(node.cluster.is_starting(), "the orders are not carried out yet");
    eventually("it has started", async || !node.cluster.is_starting()).await;
    assert_eq!(commands.zcard::<_, usize>("channelgate:nodes").unwrap(), 1);
    redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query::<()>(&mut commands).unwrap();
    eventually("another look", async || node.responder.learned.lock().unwrap().len() > 1).await;
    assert!(!node.cluster.is_starting());
    let alone = Cluster::new(&Config::default(), Metrics::new()).unwrap();
    assert!(alone.is_starting());
    assert!(!Node::with(&Config::default(), 5, "127.0.0.1:7005").cluster.is_starting());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_in_redis_is_bounded_and_dropped_orders_are_counted() {
    let redis = RedisServer::start();
    let node = Node::start(&redis.url(), 1);
    node.until(&[1]).await;
    let mut commands = redis.connection();
    let (soon, text) = (order(Target::Fingerprint(Fingerprint::of_jti("soon")), Some(1)), serde_json::to_string);
    let far = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 900;
    let mut fill = redis::pipe();
    for number in 0..MOST {
        let one = order(Target::Fingerprint(Fingerprint::of_jti(&number.to_string())), Some(far));
        fill.zadd(TOKENS, text(&one).unwrap(), far * 1000 + number as u64).ignore();
    }
    // This one has expired, so it is not missed.
    fill.zadd(TOKENS, text(&soon).unwrap(), 1000).ignore();
    fill.exec(&mut commands).unwrap();
    node.cluster.disconnect(token("one more", 3000), AMPLE).await.unwrap();
    assert_eq!(commands.zcard::<_, usize>(TOKENS).unwrap(), MOST);
    assert!(node.metrics.render().contains(r#"channelgate_revocations_total{outcome="dropped"} 1"#));
    let first: Vec<String> = commands.zrange(TOKENS, 0, 0).unwrap();
    assert!(first[0].contains(&Fingerprint::of_jti("1").to_string()), "the one that ends first had to go: {first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_about_a_group_reaches_every_node_and_is_recorded_for_an_hour() {
    let redis = RedisServer::start();
    let nodes = [1, 2].map(|number| Node::start(&redis.url(), number));
    nodes[0].until(&[1, 2]).await;
    nodes[1].until(&[1, 2]).await;
    let mut commands = redis.connection();
    let _: () = commands.zadd(GROUP_ORDERS, r#"{"user":"7","join":"a","id":"old"}"#, 1).unwrap();
    let order: Value = [("user", "7"), ("leave", "board.7"), ("id", "one more")]
        .into_iter()
        .map(|(name, value)| (name, Value::from(value)))
        .collect();
    let answers = nodes[0].cluster.regroup(&order, AMPLE).await.unwrap();
    assert_eq!((answers.by_node.len(), answers.silent.len()), (2, 0));
    for node in &nodes {
        let asked = node.responder.asked.lock().unwrap();
        let Some(Query::Regroup(order)) = asked.last() else { panic!("{asked:?}") };
        assert_eq!((&*order.id, order.room(), order.joins()), ("one more", "board.7", false));
    }
    // What is more than an hour old has gone.
    let recorded: Vec<String> = commands.zrange(GROUP_ORDERS, 0, -1).unwrap();
    assert_eq!(recorded, [r#"{"user":"7","leave":"board.7","id":"one more"}"#]);
    assert!((3_590_000..=3_600_000).contains(&commands.pttl::<_, i64>(GROUP_ORDERS).unwrap()));
    let bad: Value = [("user", Value::from("7")), ("leave", Value::from(""))].into_iter().collect();
    assert!(matches!(nodes[0].cluster.regroup(&bad, AMPLE).await, Err(OrderError::Invalid(_))));
}
