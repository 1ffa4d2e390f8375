//! Limits of what a client may do.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::support::{API_KEY, Node, client};

const CHAT: &str = r#"
[[consumer]]
protocol = "socket.io"
path = "/socket.io/"
[consumer.on_message.say]
reply = { event = "said", args = "args" }
"#;

const SOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

#[tokio::test]
async fn clients_that_connect_to_no_namespace_are_disconnected() {
    let node = Node::start(&format!("[socketio]\nconnect_timeout = \"8s\"\n{CHAT}"));
    let start = Instant::now();
    let mut sockets = join_all((0..200).map(|_| node.socket(SOCKET))).await;
    let mut good = node.socket(SOCKET).await;
    good.next().await;
    good.send("40").await;
    assert!(good.next().await.starts_with("40{"));
    let session = node.session("/socket.io/").await;
    // The request waits when the session ends; one that comes later would be answered with 400.
    let (closed, waiting) = tokio::join!(join_all(sockets.iter_mut().map(|socket| socket.closed())), session.get());
    assert_eq!(closed, vec![Some(1008); 200]);
    assert!(start.elapsed() >= Duration::from_secs(8));
    assert_eq!(waiting.text().await.unwrap(), "1");
    good.send("420[\"say\"]").await;
    assert_eq!(good.next().await, "42[\"said\"]");
    let metrics = client().get(node.http("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("channelgate_closes_total{reason=\"connect_timeout\"} 201"), "{metrics}");
}

#[tokio::test]
async fn messages_and_attachments_above_the_limit_end_the_connection() {
    let node = Node::start(&format!("[socketio]\nmax_payload = 1000\n{CHAT}"));
    let connected = async || {
        let mut socket = node.socket(SOCKET).await;
        socket.next().await;
        socket.send("40").await;
        socket.next().await;
        socket
    };
    let mut socket = connected().await;
    socket.send(&format!("42[\"say\",\"{}\"]", "x".repeat(1000))).await;
    assert_eq!(socket.closed().await, Some(1009));

    let mut socket = connected().await;
    socket.send(r#"452-["say",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#).await;
    socket.send_bytes(&[1; 600]).await;
    socket.send_bytes(&[2; 600]).await;
    assert_eq!(socket.closed().await, Some(1002));

    let mut socket = connected().await;
    socket.send("45100000-[\"say\"]").await;
    assert_eq!(socket.closed().await, Some(1002));
}

#[tokio::test]
async fn a_polling_client_that_does_not_fetch_is_bounded_and_ended() {
    let feed = r#"
[socket]
outbox = 2000
[[consumer]]
protocol = "engine.io"
path = "/engine.io/"
groups = ["news"]
[consumer.on_event."*"]
send = "event.text"
"#;
    // A close is kept for so long for a client that fetches it.
    let node = Node::start(&format!("drain_grace = \"8s\"\n{feed}"));
    let (told, forgotten) = (node.session("/engine.io/").await, node.session("/engine.io/").await);
    let client = client();
    let metrics = async || client.get(node.http("/metrics")).send().await.unwrap().text().await.unwrap();
    let until = async |line: &str| {
        let start = Instant::now();
        while !metrics().await.contains(line) {
            assert!(start.elapsed() < crate::support::PATIENCE, "{line}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    for number in 1..=4 {
        let body =
            serde_json::json!({ "group": "news", "event": { "type": "x", "text": "x".repeat(900) } }).to_string();
        let asked =
            client.post(node.http("/api/publish")).bearer_auth(API_KEY).header("content-type", "application/json");
        let asked = asked.body(body);
        assert_eq!(asked.send().await.unwrap().status(), 200);
        // One by one: several together would be one message, and one that is larger than the outbox is let through.
        if number <= 2 {
            until(&format!("channelgate_deliveries_total {}\n", 2 * number)).await;
        }
    }
    until("channelgate_closes_total{reason=\"slow_client\"} 2\n").await;
    assert_eq!(told.get().await.text().await.unwrap(), "1");
    assert_eq!(told.get().await.status(), 400);
    // The other one is ended, too, although it never polls.
    until("channelgate_connections{consumer=\"/engine.io/\",protocol=\"engine.io\"} 0\n").await;
    until("channelgate_polling 0\n").await;
    assert_eq!(forgotten.get().await.status(), 400);
}

#[tokio::test]
async fn a_socket_io_violation_ends_the_connection() {
    let node = Node::start(CHAT);
    for wrong in ["4abc", "42{}", "42abc[\"say\"]", "40", "42/other,[\"say\"]", "44{\"message\":\"no\"}", "431", "abc"]
    {
        let mut socket = node.socket(SOCKET).await;
        socket.next().await;
        socket.send("40").await;
        assert!(socket.next().await.starts_with("40{"));
        socket.send(wrong).await;
        assert_eq!(socket.closed().await, Some(1002), "{wrong}");
    }
    let mut socket = node.socket(SOCKET).await;
    socket.next().await;
    socket.send_bytes(b"bytes of nothing").await;
    assert_eq!(socket.closed().await, Some(1002));
}

#[tokio::test]
async fn a_node_that_stops_ends_every_session_without_delay() {
    let node = Node::start(&format!("drain_grace = \"1s\"\n{CHAT}"));
    let mut socket = node.socket(SOCKET).await;
    socket.next().await;
    socket.send("40").await;
    socket.next().await;
    let (session, unheard) = (node.session("/socket.io/").await, node.session("/socket.io/").await);
    let waiting = session.get();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        node.interrupt();
    };
    let (answer, ()) = tokio::join!(waiting, stop);
    assert_eq!(answer.text().await.unwrap(), "1");
    assert_eq!(socket.closed().await, Some(1012));
    drop((socket, unheard));
    assert!(node.ended().await);
}

/// Two rooms, of which a connection may join one.
const ROOMS: &str = r#"
max_rooms = 1
[consumer.on_raw.a]
join = "room_a"
failed = "'full'"
reply_raw = "'in a'"
[consumer.on_raw.b]
join = "room_b"
failed = "'full'"
reply_raw = "'in b'"
[consumer.on_raw.leave]
leave = "room_a"
reply_raw = "'out of a'"
"#;

#[tokio::test]
async fn the_number_of_rooms_is_limited_for_every_protocol() {
    let plain = format!("[[consumer]]\npath = \"/ws/\"\ngroups = [\"one\", \"two\"]\n{ROOMS}");
    let engine = format!("[[consumer]]\nprotocol = \"engine.io\"\npath = \"/engine.io/\"\ngroups = [\"one\"]\n{ROOMS}");
    for (config, path, head) in [(plain, "/ws/", ""), (engine, "/engine.io/?EIO=4&transport=websocket", "4")] {
        let node = Node::start(&config);
        let mut client = node.socket(path).await;
        if !head.is_empty() {
            assert!(client.next().await.starts_with('0'));
        }
        for (said, answer) in [("a", "in a"), ("a", "in a"), ("b", "\"full\""), ("leave", "out of a"), ("b", "in b")] {
            client.send(&format!("{head}{said}")).await;
            assert_eq!(client.next().await, format!("{head}{answer}"), "{path}: {said}");
        }
    }
}
