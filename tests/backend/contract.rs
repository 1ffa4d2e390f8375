//! The form of calls and answers.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use channelgate::{
    backend::{Backend as _, NoBackend, choose},
    config::Secret,
    consumer::{BodyKind, Outcome},
    event::Value,
    layer::{Layer, memory::MemoryLayer},
    telemetry::Metrics,
};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::{
    backend, counted, request,
    server::{Server, answer},
    settings,
};

#[tokio::test]
async fn a_call_is_a_signed_post_and_its_answer_is_returned_unchanged() {
    let body = r#"{"n":9007199254740993,"f":0.1,"text":"é\u0000","list":[null,true],"z":1,"a":2}"#;
    let server = Server::start(move |_| async move { answer("201 Created", body) }).await;
    let config = channelgate::config::Backend { secret: Some(Secret::new("shared secret")), ..settings() };
    for slash in ["", "/"] {
        let (backend, metrics) = backend(&config, &format!("{}{slash}", server.url()));
        let Outcome::Answer { status: 201, body: read, .. } = backend.call(request()).await else {
            panic!("no answer")
        };
        assert_eq!(serde_json::to_string(&read).unwrap(), body);
        assert_eq!(counted(&metrics, "2xx"), 1);
        let asked = server.last();
        assert_eq!(asked.line, "POST /gate/markAttendance HTTP/1.1");
        assert_eq!(
            String::from_utf8(asked.body.clone()).unwrap(),
            r#"{"action":"markAttendance","data":{"sessionId":"s-1"},"user":{"id":7},"connection":"abc","consumer":"tracker"}"#
        );
        assert_eq!(asked.headers["content-type"], "application/json");
        assert_eq!(asked.headers["user-agent"], concat!("channelgate/", env!("CARGO_PKG_VERSION")));
        assert!(uuid::Uuid::parse_str(&asked.headers["idempotency-key"]).is_ok());
        let timestamp = &asked.headers["x-channelgate-timestamp"];
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(now - timestamp.parse::<u64>().unwrap() <= 5);
        // The check of the receiver.
        let mut mac = Hmac::<Sha256>::new_from_slice(b"shared secret").unwrap();
        mac.update(timestamp.as_bytes());
        mac.update(b".");
        mac.update(&asked.body);
        let given = asked.headers["x-channelgate-signature"].strip_prefix("sha256=").unwrap();
        mac.verify_slice(&hex::decode(given).unwrap()).unwrap();
    }
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed_and_an_anonymous_user_is_null() {
    let server = Server::start(|_| async { answer("200 OK", "{}") }).await;
    let (backend, _) = backend(&settings(), &server.url());
    let mut question = request();
    question.user = Value::Null;
    question.action = "a b/../c?d".into();
    assert!(matches!(backend.call(question).await, Outcome::Answer { status: 200, .. }));
    let asked = server.last();
    assert!(!asked.headers.contains_key("x-channelgate-signature"));
    assert!(asked.headers.contains_key("x-channelgate-timestamp"));
    assert_eq!(asked.line, "POST /gate/a%20b%2F..%2Fc%3Fd HTTP/1.1", "an action stays one part of the path");
    let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!(body["user"], serde_json::Value::Null);
}

#[tokio::test]
async fn any_status_and_body_is_returned() {
    for (status, text, expected) in [
        ("404 Not Found", r#"{"message": "User not found"}"#, Some("User not found")),
        ("500 Internal Server Error", "<h1>Server Error (500)</h1>", None),
        ("200 OK", "", None),
        ("200 OK", "not json", None),
        ("418 I'm a teapot", "\u{0}\u{1}", None),
    ] {
        let server = Server::start(move |_| async move { answer(status, text) }).await;
        let (backend, _) = backend(&settings(), &server.url());
        let Outcome::Answer { status: code, body, kind, .. } = backend.call(request()).await else {
            panic!("{status}")
        };
        let of_text = if text.is_empty() { BodyKind::Empty } else { BodyKind::Other };
        assert_eq!(kind, if expected.is_some() { BodyKind::Json } else { of_text }, "{text}");
        assert_eq!(Some(code.to_string().as_str()), status.split(' ').next());
        assert_eq!(body.get("message").and_then(Value::as_str), expected);
        assert!(expected.is_some() || body == Value::Null, "{body:?}");
        assert_eq!(server.count(), 1);
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let redirect = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(move |_| async move { redirect.to_vec() }).await;
    let (backend, metrics) = backend(&settings(), &server.url());
    let expected = Outcome::Answer { status: 302, body: Value::Null, kind: BodyKind::Empty, retry_after: None };
    assert_eq!(backend.call(request()).await, expected);
    assert_eq!((server.count(), counted(&metrics, "3xx")), (1, 1));
}

#[tokio::test]
async fn connections_are_reused() {
    let server = Server::start(|_| async { answer("200 OK", "{}") }).await;
    let (backend, _) = backend(&settings(), &server.url());
    for _ in 0..20 {
        assert!(matches!(backend.call(request()).await, Outcome::Answer { .. }));
    }
    assert_eq!(server.connections(), 1);
    let keys: std::collections::HashSet<_> =
        server.received.lock().unwrap().iter().map(|asked| asked.headers["idempotency-key"].clone()).collect();
    assert_eq!(keys.len(), 20, "each question has a key of its own");
}

#[tokio::test]
async fn without_a_backend_the_reason_is_reported() {
    let Outcome::Failed(reason) = NoBackend.call(request()).await else { panic!() };
    assert!(reason.starts_with("no backend is configured"), "{reason}");
    let layer: Arc<dyn Layer> = Arc::new(MemoryLayer::new(Metrics::new()));
    let (backend, worker) = choose(&settings(), &layer, Metrics::new()).unwrap();
    assert!(worker.is_none());
    assert!(matches!(backend.call(request()).await, Outcome::Failed(_)));
}
