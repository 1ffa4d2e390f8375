//! Sessions without a socket, their heartbeat, and their upgrade.

use std::time::{Duration, Instant};

use crate::support::{ECHO, Node, PATIENCE};

#[tokio::test]
async fn a_payload_has_sixteen_packets_at_most_and_their_order() {
    let node = Node::start(ECHO);
    let session = node.session("/engine.io/").await;
    let all: Vec<String> = (0..40).map(|number| format!("4{number}")).collect();
    assert_eq!(session.post(all.join("\x1e")).await, (200, "ok".to_owned()));
    let mut got = Vec::new();
    while got.len() < 40 {
        let payload = session.poll().await;
        let packets: Vec<String> = payload.split('\x1e').map(str::to_owned).collect();
        assert!(packets.len() <= 16, "{}", packets.len());
        got.extend(packets);
    }
    assert_eq!(got, all);
    assert_eq!(session.post("bAQIDBA==\x1e4é").await.0, 200);
    assert_eq!(session.poll().await, "bAQIDBA==\x1e4é");
}

#[tokio::test]
async fn a_payload_is_no_larger_than_agreed() {
    let config = format!("[socketio]\nmax_payload = 100\n{ECHO}");
    let node = Node::start(&config);
    let session = node.session("/engine.io/").await;
    for length in [40, 50, 99] {
        assert_eq!(session.post(format!("4{}", "x".repeat(length - 1))).await.0, 200);
    }
    assert_eq!(session.poll().await.len(), 40 + 1 + 50);
    assert_eq!(session.poll().await.len(), 99);
    assert_eq!(session.post("4".repeat(101)).await.0, 413, "and is not read");
}

#[tokio::test]
async fn pings_come_on_time_and_silence_ends_the_session() {
    let heartbeat = "[socketio]\nping_interval = \"1s\"\nping_timeout = \"6s\"\n";
    let node = Node::start(&format!("{heartbeat}{ECHO}"));
    let (interval, late) = (Duration::from_secs(1), Duration::from_millis(500));
    let mut tries = 0;
    // A busy machine delays some pings. A node that sends them late delays all of them.
    let session = loop {
        let start = Instant::now();
        let session = node.session("/engine.io/").await;
        let opened = start.elapsed();
        assert_eq!(session.get().await.text().await.unwrap(), "2");
        let waited = start.elapsed();
        assert!(waited >= interval, "{waited:?}");
        if waited - opened < interval + late {
            break session;
        }
        tries += 1;
        assert!(tries < 20, "{waited:?}");
    };
    let pong = Instant::now();
    assert_eq!(session.post("3").await.0, 200);
    assert_eq!(session.get().await.text().await.unwrap(), "2");
    assert!(pong.elapsed() >= interval, "{:?}", pong.elapsed());
    assert_eq!(session.get().await.text().await.unwrap(), "1", "the session ends");
    assert_eq!(session.get().await.status(), 400);
}

#[tokio::test]
async fn a_protocol_violation_ends_the_session() {
    let node = Node::start(ECHO);
    let session = node.session("/engine.io/").await;
    assert_eq!(session.post("abc").await.0, 400);
    assert_eq!(session.get().await.status(), 400);

    let session = node.session("/engine.io/").await;
    // Of two requests on two connections, either may come first.
    let (one, other) = tokio::join!(session.get(), session.get());
    let (first, second) = if one.status() == 200 { (one, other) } else { (other, one) };
    assert_eq!((first.text().await.unwrap().as_str(), second.status().as_u16()), ("1", 400));
    assert_eq!(session.get().await.status(), 400);

    let session = node.session("/engine.io/").await;
    session.abandon_a_request().await;
    let start = Instant::now();
    while session.post("6").await.0 == 200 {
        assert!(start.elapsed() < PATIENCE, "long before its time is over");
    }
}

#[tokio::test]
async fn a_client_that_ends_the_session_gets_its_request_answered() {
    let node = Node::start(ECHO);
    for _ in 0..10 {
        let session = node.session("/engine.io/").await;
        let (waiting, ended) = tokio::join!(session.get(), session.post("1"));
        assert_eq!(ended.0, 200);
        assert_eq!(waiting.text().await.unwrap(), "6", "whichever came first");
        assert_eq!(session.get().await.status(), 400);
    }
}

#[tokio::test]
async fn an_upgrade_loses_and_duplicates_nothing() {
    let node = Node::start(ECHO);
    for _ in 0..10 {
        let session = node.session("/engine.io/").await;
        let before: Vec<String> = (0..30).map(|number| format!("4{number}")).collect();
        assert_eq!(session.post(before.join("\x1e")).await.0, 200);
        let mut socket = node.socket(session.upgrade_path()).await;
        socket.send("2probe").await;
        assert_eq!(socket.next_packet().await, "3probe");
        // Sixteen on the request that the client ends, the others on the WebSocket.
        let mut got: Vec<String> = session.poll().await.split('\x1e').map(str::to_owned).collect();
        assert_eq!(got.len(), 16);
        socket.send("5").await;
        socket.send("430").await;
        while got.len() < 31 {
            got.push(socket.next().await);
        }
        let all: Vec<String> = (0..31).map(|number| format!("4{number}")).collect();
        assert_eq!(got, all);
        assert_eq!(session.get().await.status(), 400, "requests are over");
        let mut late = node.socket(session.upgrade_path()).await;
        assert_eq!(late.closed().await, Some(1000), "and so is another WebSocket");
        socket.send("4still").await;
        assert_eq!(socket.next().await, "4still");
    }
}

#[tokio::test]
async fn a_waiting_request_is_answered_for_the_upgrade_and_a_failed_upgrade_changes_nothing() {
    let node = Node::start(ECHO);
    let session = node.session("/engine.io/").await;
    let upgrade = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut socket = node.socket(session.upgrade_path()).await;
        socket.send("2probe").await;
        assert_eq!(socket.next_packet().await, "3probe");
        socket
    };
    let (waiting, socket) = tokio::join!(session.get(), upgrade);
    assert_eq!(waiting.text().await.unwrap(), "6");
    drop(socket);
    assert_eq!(session.post("4on").await.0, 200);
    let start = Instant::now();
    while session.poll().await != "4on" {
        assert!(start.elapsed() < PATIENCE);
    }
    let mut wrong = node.socket(session.upgrade_path()).await;
    wrong.send("4no probe").await;
    assert_eq!(wrong.closed().await, Some(1000));
}
