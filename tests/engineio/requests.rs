//! Invalid requests, and requests of other origins.

use reqwest::{Method, header};

use crate::support::{ECHO, Node, client};

#[tokio::test]
async fn an_invalid_request_is_answered_like_the_reference_server() {
    let node = Node::start(ECHO);
    let client = client();
    let long = format!("?EIO=4&transport=polling&sid={}", "a".repeat(5000));
    for (method, query, code, message) in [
        (Method::GET, "?EIO=4", 0, "Transport unknown"),
        (Method::GET, "?EIO=4&transport=abc", 0, "Transport unknown"),
        (Method::GET, "?EIO=4&transport=polling&sid=abc", 1, "Session ID unknown"),
        (Method::GET, "?EIO=4&transport=polling&sid=abcdefghijkl.AAAAAAAAAAAAAAAAAAAAAAA", 1, "Session ID unknown"),
        (Method::GET, &long, 1, "Session ID unknown"),
        (Method::POST, "?EIO=4&transport=polling", 2, "Bad handshake method"),
        (Method::PUT, "?EIO=4&transport=polling", 2, "Bad handshake method"),
        (Method::GET, "?EIO=4&transport=websocket", 3, "Bad request"),
        (Method::GET, "?transport=polling", 5, "Unsupported protocol version"),
        (Method::GET, "?EIO=3&transport=polling", 5, "Unsupported protocol version"),
    ] {
        let url = node.http(&format!("/engine.io/{query}"));
        let answer = client.request(method, url).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{query}");
        let body: serde_json::Value = answer.json_body().await;
        assert_eq!(body, serde_json::json!({ "code": code, "message": message }), "{query}");
    }
    let answer = client.get(node.http("/nothing/")).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    for query in
        ["?EIO=4", "?EIO=abc&transport=websocket", "?EIO=4&transport=websocket&sid=abc", "?EIO=4&transport=polling"]
    {
        assert!(node.try_socket(&format!("/engine.io/{query}")).await.is_err(), "{query}");
    }
}

trait JsonBody {
    async fn json_body(self) -> serde_json::Value;
}

impl JsonBody for reqwest::Response {
    async fn json_body(self) -> serde_json::Value {
        serde_json::from_str(&self.text().await.unwrap()).unwrap()
    }
}

#[tokio::test]
async fn pages_of_other_origins_poll_only_if_configured() {
    const QUERY: &str = "/engine.io/?EIO=4&transport=polling";
    let own = Node::start(ECHO);
    let named = Node::start(&format!("[socketio]\ncors = [\"https://app.example\"]\n{ECHO}"));
    let any = Node::start(&format!("[socketio]\ncors = [\"*\"]\n{ECHO}"));
    let client = client();
    let get = async |node: &Node, origin: &str| {
        client.get(node.http(QUERY)).header(header::ORIGIN, origin).send().await.unwrap()
    };
    let answer = get(&own, "https://app.example").await;
    assert_eq!(answer.status(), 403);
    assert!(!answer.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    let body = answer.json_body().await;
    let message = body["message"].as_str().unwrap();
    assert_eq!(body["code"], 4);
    assert!(
        message.starts_with("the origin is not allowed: Origin \"https://app.example\", Host \"127.0.0.1:"),
        "{message}"
    );

    let answer = get(&named, "https://app.example").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    assert_eq!(answer.headers()[header::VARY], "Origin");
    assert_eq!(get(&named, "https://evil.example").await.status(), 403);
    assert_eq!(client.get(named.http(QUERY)).send().await.unwrap().status(), 200, "its own pages send no Origin");

    let answer = get(&any, "https://evil.example").await;
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert!(!answer.headers().contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS), "no cookies for any origin");

    let asked = client
        .request(Method::OPTIONS, named.http(QUERY))
        .header(header::ORIGIN, "https://app.example")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "content-type");
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], "GET, POST");
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS], "content-type");
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example");
}

#[tokio::test]
async fn a_transport_that_is_off_is_unknown() {
    let node = Node::start(&format!("[socketio]\ntransports = [\"websocket\"]\n{ECHO}"));
    let answer = client().get(node.http("/engine.io/?EIO=4&transport=polling")).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let mut socket = node.socket("/engine.io/?EIO=4&transport=websocket").await;
    assert!(socket.next().await.starts_with("0{"));
}
