//! Questions to all nodes, and nodes that do not answer.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use channelgate::cluster::{Answer, Answers, EmitOrder, Query};
use futures_util::future::join_all;

use crate::{
    proxy::Proxy,
    redis_server::RedisServer,
    support::{AMPLE, DEADLINE, Node, PATIENCE, eventually},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_node_answers_the_question() {
    let redis = RedisServer::start();
    let nodes = [1, 2, 3].map(|number| Node::start(&redis.url(), number));
    for node in &nodes {
        node.until(&[1, 2, 3]).await;
    }
    let order = EmitOrder {
        namespace: "/".into(),
        rooms: vec!["user_7".into(), "session:é".into()],
        args: vec!["x".into(), channelgate::event::Value::UInt(u64::MAX), channelgate::event::Value::Float(0.1)],
    };
    for query in [Query::UserRooms("a \"b\"".to_owned()), Query::Emit(order)] {
        let answers = nodes[0].cluster.ask(query.clone(), AMPLE).await.unwrap();
        assert_eq!(answers.by_node.len(), 3);
        for node in &nodes {
            assert_eq!(node.responder.asked.lock().unwrap().last(), Some(&query));
        }
    }
    let many = join_all((0..100).map(|at| nodes[at % 3].numbers_within(AMPLE))).await;
    assert!(many.iter().all(|answer| *answer == (vec![1, 2, 3], 0)), "{many:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_do_not_answer_in_time_are_named() {
    let redis = RedisServer::start();
    let (one, two, three) = (Node::start(&redis.url(), 1), Node::start(&redis.url(), 2), Node::start(&redis.url(), 3));
    one.until(&[1, 2, 3]).await;
    two.responder.pause_ms.store(10_000, Ordering::SeqCst);
    let started = Instant::now();
    let answers = all_but(&one, &two, Duration::from_millis(400)).await;
    assert!(started.elapsed() >= Duration::from_millis(400));
    assert_eq!(answers.by_node.len(), 2);
    assert_eq!(answers.by_node[three.cluster.id()], Answer::Reached(3));
    // The asking node is no exception.
    all_but(&two, &two, Duration::from_millis(200)).await;
    // A node that has just died has no subscription, so its answer is not awaited.
    two.responder.pause_ms.store(0, Ordering::SeqCst);
    let mut names: redis::Connection = redis.connection();
    names_of_dead(&mut names);
    let started = Instant::now();
    let answers = one.ask().await.unwrap();
    assert_eq!(answers.silent.iter().map(ToString::to_string).collect::<Vec<_>>(), ["deadnode0000"]);
    assert_eq!(answers.by_node.len(), 3);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

/// Asks until every node but one answers in time: on a busy machine others may be late, too, and are named like it.
async fn all_but(asking: &Node, late: &Node, wait: Duration) -> Answers {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let asked = Instant::now();
        let answers = asking.cluster.ask(Query::Stats, wait).await.unwrap();
        assert!(asked.elapsed() < wait + DEADLINE, "{:?}", asked.elapsed());
        assert!(answers.silent.contains(late.cluster.id()), "{:?}", answers.silent);
        assert_eq!(answers.by_node.len() + answers.silent.len(), 3);
        if answers.silent.len() == 1 {
            return answers;
        }
        assert!(Instant::now() < deadline, "{:?}", answers.silent);
    }
}

/// A node with a heartbeat that receives nothing.
fn names_of_dead(connection: &mut redis::Connection) {
    let facts = r#"{"address":"127.0.0.1:1","started":0,"connections":0,"more":1}"#;
    let mut commands = redis::pipe();
    commands.zadd("channelgate:nodes", "deadnode0000", 1e15);
    commands.pset_ex("channelgate:node:deadnode0000", facts, 60_000);
    commands.query::<()>(connection).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_of_another_version_is_answered_with_a_reason() {
    let redis = RedisServer::start();
    let one = Node::start(&redis.url(), 1);
    one.until(&[1]).await;
    let mut publisher = redis.connection();
    let mut listener = redis.connection();
    let mut listening = listener.as_pubsub();
    listening.subscribe("channelgate:control:newer").unwrap();
    let channel = format!("channelgate:control:{}", one.id());
    for message in [
        "",
        "{}",
        "nonsense",
        "{\"reply\": {\"id\": 1}}",
        r#"{"ask":{"id":7,"from":"newer","wait_ms":900,"query":{"kick":"7"}}}"#,
    ] {
        redis::cmd("PUBLISH").arg(&channel).arg(message).query::<()>(&mut publisher).unwrap();
    }
    let reply: String = listening.get_message().unwrap().get_payload().unwrap();
    assert!(reply.starts_with(r#"{"reply":{"id":7,"from":""#) && reply.contains("invalid question"), "{reply}");
    one.until(&[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_subscription_comes_back() {
    let mut redis = RedisServer::start();
    let (one, two) = (Node::start(&redis.url(), 1), Node::start(&redis.url(), 2));
    one.until(&[1, 2]).await;
    redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query::<()>(&mut redis.connection()).unwrap();
    one.until(&[1, 2]).await;
    redis.kill();
    let error = one.ask().await.unwrap_err().to_string();
    assert!(error.starts_with("Redis 127.0.0.1:"), "{error}");
    redis.restart();
    one.until(&[1, 2]).await;
    two.until(&[1, 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_receives_nothing_is_renewed() {
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    let (one, two) = (Node::start(&redis.url(), 1), Node::start(&proxy.url(), 2));
    one.until(&[1, 2]).await;
    proxy.mute_subscriptions();
    eventually("it falls silent", async || {
        one.cluster.ask(Query::Stats, Duration::from_millis(50)).await.unwrap().silent == [two.cluster.id().clone()]
    })
    .await;
    one.until(&[1, 2]).await;
    assert!(two.metrics.render().contains("channelgate_redis_reconnects_total 1"));
}
