//! Sessions on another node than the one that gets the request.

use crate::{
    redis_server::RedisServer,
    support::{ECHO, Node, client},
};

#[tokio::test]
async fn any_node_serves_the_polling_and_the_upgrade_of_a_session() {
    let redis = RedisServer::start();
    let url = redis.url();
    let start = || Node::with(ECHO, &[("REDIS_URL", &url)]);
    let (one, two) = (start(), start());
    let session = one.session("/engine.io/").await;
    let elsewhere = session.through(&two);
    // The nodes know each other after the first heartbeat of each.
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while elsewhere.post("4hello\x1ebAQID").await.0 != 200 {
        assert!(std::time::Instant::now() < deadline, "the nodes find each other");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(elsewhere.poll().await, "4hello\x1ebAQID");
    let (waiting, posted) = tokio::join!(elsewhere.poll(), session.post("4later"));
    assert_eq!((waiting.as_str(), posted.0), ("4later", 200));

    let mut socket = two.socket(session.upgrade_path()).await;
    socket.send("2probe").await;
    assert_eq!(socket.next_packet().await, "3probe");
    socket.send("5").await;
    socket.send("4over two nodes").await;
    assert_eq!(socket.next().await, "4over two nodes");
    assert_eq!(elsewhere.get().await.status(), 400);

    let cancelled = one.session("/engine.io/").await;
    cancelled.through(&two).abandon_a_request().await;
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while cancelled.post("6").await.0 == 200 {
        assert!(std::time::Instant::now() < deadline, "a request that is abandoned there is abandoned here");
    }

    // Connections that a node relays for another end with it.
    two.interrupt();
    assert_eq!(socket.closed().await, None);
    assert!(two.ended().await);
}

#[tokio::test]
async fn a_request_is_relayed_once_and_only_to_live_nodes() {
    let redis = RedisServer::start();
    let url = redis.url();
    let start = || Node::with(ECHO, &[("REDIS_URL", &url)]);
    let (one, two) = (start(), start());
    let session = one.session("/engine.io/").await;
    let elsewhere = session.through(&two);
    let answer = client().get(elsewhere.url()).header("x-channelgate-relay", "1").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    drop(one);
    let answer = elsewhere.get().await;
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.text().await.unwrap(), r#"{"code":1,"message":"Session ID unknown"}"#);
}
