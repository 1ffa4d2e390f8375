//! Namespaces: admission, the order of messages, and the end.

use crate::support::{API_KEY, Node, client};

const SOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

const SHARED: &str = r#"
[[consumer]]
name = "public"
protocol = "socket.io"
path = "/socket.io/"
groups = ["news"]
[consumer.on_connect]
reply = { event = "welcome", data = "auth or {}" }
[consumer.on_event.tick]
emit = { event = "tick", data = "event.number" }
[consumer.on_message.say]
reply = { event = "said", args = "args" }
ack_args = "args"
[consumer.on_message.bye]
disconnect = true

[[consumer]]
name = "members"
protocol = "socket.io"
path = "/socket.io/"
auth = ["jwt"]
reject = { missing = "who are you?" }
[consumer.on_message.secret]
reply = { event = "secret" }

[[consumer]]
name = "closed"
protocol = "socket.io"
path = "/socket.io/"
namespace = "/members"
auth = ["jwt"]
reject = { missing = "who are you?", invalid = "not you" }
"#;

const KEY: [(&str, &str); 1] = [("DJANGO_SECRET_KEY", "a secret key of at least thirty-two bytes")];

#[tokio::test]
async fn several_consumers_share_a_namespace_and_each_admits_for_itself() {
    let node = Node::with(SHARED, &KEY);
    let mut socket = node.socket(SOCKET).await;
    assert!(socket.next().await.starts_with("0{"));
    socket.send(r#"40{"name":"x"}"#).await;
    assert!(socket.next().await.starts_with("40{\"sid\":\""));
    assert_eq!(socket.next().await, r#"42["welcome",{"name":"x"}]"#);
    socket.send(r#"42["secret"]"#).await;
    socket.send(r#"421["say",1]"#).await;
    assert_eq!(socket.next().await, r#"42["said",1]"#, "only members know the secret");
    assert_eq!(socket.next().await, "431[1]");

    socket.send("40/members,").await;
    assert_eq!(socket.next().await, r#"44/members,{"message":"who are you?"}"#);
    socket.send(r#"40/members,{"token":"Bearer forged"}"#).await;
    assert_eq!(socket.next().await, r#"44/members,{"message":"not you"}"#);
    socket.send("40/nowhere,").await;
    assert_eq!(socket.next().await, r#"44/nowhere,{"message":"Invalid namespace"}"#);
    socket.send(r#"42["say",2]"#).await;
    assert_eq!(socket.next().await, r#"42["said",2]"#, "the other namespace goes on");
}

#[tokio::test]
async fn a_client_leaves_or_is_removed_and_may_come_back() {
    let node = Node::with(SHARED, &KEY);
    let mut socket = node.socket(SOCKET).await;
    socket.next().await;
    for leave in ["41", r#"42["bye"]"#] {
        socket.send("40").await;
        assert!(socket.next().await.starts_with("40{"));
        assert_eq!(socket.next().await, r#"42["welcome",{}]"#);
        socket.send(leave).await;
        if leave != "41" {
            assert_eq!(socket.next().await, "41");
        }
    }
    socket.send("40").await;
    assert!(socket.next().await.starts_with("40{"));
}

#[tokio::test]
async fn nothing_comes_before_the_connect_packet_and_nothing_is_missed_after_it() {
    let node = Node::with(SHARED, &KEY);
    let client = client();
    let publish = async {
        for number in 0..300 {
            let body = format!(r#"{{"group": "news", "event": {{"type": "tick", "number": {number}}}}}"#);
            let url = node.http("/api/publish");
            let asked = client.post(url).bearer_auth(API_KEY).header("content-type", "application/json");
            let answer = asked.body(body).send().await.unwrap();
            assert_eq!(answer.status(), 200);
        }
    };
    let listen = async {
        let mut sockets = Vec::new();
        for _ in 0..20 {
            let mut socket = node.socket(SOCKET).await;
            assert!(socket.next().await.starts_with("0{"));
            socket.send("40").await;
            assert!(socket.next().await.starts_with("40{"), "the connect packet comes first");
            assert_eq!(socket.next().await, r#"42["welcome",{}]"#);
            sockets.push(socket);
        }
        sockets
    };
    let ((), mut sockets) = tokio::join!(publish, listen);
    for socket in &mut sockets {
        let number = async |socket: &mut crate::support::Socket| -> u32 {
            let tick = socket.next().await;
            tick.strip_prefix(r#"42["tick","#).unwrap().strip_suffix(']').unwrap().parse().unwrap()
        };
        // The first ones may have come before it was connected; from there on, each one arrives.
        client
            .post(node.http("/api/publish"))
            .bearer_auth(API_KEY)
            .header("content-type", "application/json")
            .body(r#"{"group": "news", "event": {"type": "tick", "number": 300}}"#)
            .send()
            .await
            .unwrap();
        let mut last = number(socket).await;
        while last != 300 {
            let next = number(socket).await;
            assert_eq!(next, last + 1);
            last = next;
        }
    }
}
