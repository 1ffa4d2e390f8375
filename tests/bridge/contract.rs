//! The form of calls and answers.

use std::sync::{Arc, Mutex};

use channelgate::{
    backend::bridge::{Bridge as _, CallEvent, Command, End, Failure, Line, NoBridge, Sharing},
    config::{PythonPer, Secret},
    event::{GroupName, Value},
    telemetry::tail::TailFilter,
};
use hmac::{Hmac, Mac as _};
use serde_json::json;
use sha2::Sha256;
use tokio::sync::Notify;

use crate::{
    Settings, all, call, connect, ended, event, failure, message, metric, open,
    server::{LINES, Server},
    text,
};

#[tokio::test]
async fn a_connect_is_a_signed_post_with_the_scope() {
    let server = Server::start(|_, out| async {
        out.lines(&[r#"{"do":"accept","subprotocol":"v2"}"#, r#"{"end":"open","state":"s1","user":{"id":7}}"#]).await
    })
    .await;
    let mut settings = Settings::default();
    settings.config.backend.secret = Some(Secret::new("shared secret"));
    for slash in ["", "/"] {
        let (bridge, metrics) = settings.bridge(&format!("{}{slash}", server.url()));
        let (commands, end) = all(bridge.call(connect())).await;
        assert_eq!(commands, [Command::Accept { subprotocol: Some("v2".to_owned()), headers: vec![] }]);
        let user = Some([("id", Value::Int(7))].into_iter().collect());
        assert_eq!(end, End::Open { state: "s1".into(), user, expires: None, vars: None, class: None });
        assert_eq!(ended(&metrics, "connect", "open"), 1);
        let asked = server.last();
        assert_eq!(asked.line, "POST /channelgate/channels HTTP/1.1");
        assert_eq!(
            asked.json(),
            json!({
                "v": 1, "connection": "k2Jx", "seq": 0, "channel_name": "specific.gw1!c.k2Jx", "consumer": "room",
                "scope": {"path": "/ws/room/7/", "query_string": "token=t"}, "state": null,
                "event": {"type": "websocket.connect"}
            })
        );
        assert_eq!(asked.headers["content-type"], "application/json");
        assert_eq!(asked.headers["accept-encoding"], "identity");
        let mut mac = Hmac::<Sha256>::new_from_slice(b"shared secret").unwrap();
        mac.update(asked.headers["x-channelgate-timestamp"].as_bytes());
        mac.update(b".");
        mac.update(&asked.body);
        let given = asked.headers["x-channelgate-signature"].strip_prefix("sha256=").unwrap();
        mac.verify_slice(&hex::decode(given).unwrap()).unwrap();
    }
}

#[tokio::test]
async fn every_event_has_its_form() {
    let server = Server::start(|_, out| async { out.lines(&[r#"{"end":"stopped"}"#]).await }).await;
    let (bridge, _) = Settings::default().bridge(&server.url());
    let body: Value = [
        ("type", Value::from("chat.message")),
        ("blob", Value::Bytes(vec![0, 255].into())),
        ("lone", Value::from("\u{10e800}\u{10e03d}")),
        ("ratio", Value::Float(f64::NEG_INFINITY)),
        ("dict", [("$b", Value::from("x"))].into_iter().collect()),
    ]
    .into_iter()
    .collect();
    for (sent, written) in [
        (message("é\u{0}\"").event, json!({"type": "websocket.receive", "text": "é\u{0}\""})),
        (CallEvent::Binary(vec![0, 255].into()), json!({"type": "websocket.receive", "bytes": "AP8="})),
        (
            CallEvent::Disconnect { code: 1001, reason: "away".into() },
            json!({"type": "websocket.disconnect", "code": 1001, "reason": "away"}),
        ),
    ] {
        let mut asked = call("k2Jx", 3, sent);
        asked.export = Arc::from(["self.user.id".to_owned()]);
        assert_eq!(all(bridge.call(asked)).await, (vec![], End::Stopped));
        assert_eq!(
            server.last().json(),
            json!({
                "v": 1, "connection": "k2Jx", "seq": 3, "channel_name": "specific.gw1!c.k2Jx", "consumer": "room",
                "state": "signed", "event": written, "export": ["self.user.id"]
            })
        );
    }
    all(bridge.call(event("k2Jx", body))).await;
    let sent = String::from_utf8(server.last().body).unwrap();
    let written = r#"{"type":"chat.message","blob":{"$b":"AP8="},"lone":"\ud83d","ratio":{"$f":"-inf"},"dict":{"$d":{"$b":"x"}}}"#;
    assert!(sent.contains(written), "{sent}");
}

#[tokio::test]
async fn a_call_that_connections_share_says_so() {
    let server = Server::start(|_, out| async { out.lines(&[r#"{"end":"stopped"}"#]).await }).await;
    let (bridge, _) = Settings::default().bridge(&server.url());
    let mut asked = event("k2Jx", [("type", Value::from("stats"))].into_iter().collect());
    all(bridge.call(asked.clone())).await;
    assert_eq!(server.last().json().get("per"), None);
    let CallEvent::Event(of) = asked.event else { panic!() };
    for per in [PythonPer::Event, PythonPer::Room, PythonPer::User] {
        asked.event = CallEvent::Shared(Arc::clone(&of), Sharing { per, sharers: Arc::default() });
        all(bridge.call(asked.clone())).await;
        let written = json!({
            "v": 1, "connection": "k2Jx", "seq": 1, "channel_name": "specific.gw1!c.k2Jx", "consumer": "room",
            "state": "signed", "event": {"type": "stats"}, "per": per.label()
        });
        assert_eq!(server.last().json(), written);
    }
}

#[tokio::test]
async fn every_line_arrives_when_it_is_sent() {
    let next = Arc::new(Notify::new());
    let gate = Arc::clone(&next);
    let server = Server::start(move |_, mut out| {
        let gate = Arc::clone(&gate);
        async move {
            out.raw(LINES).await;
            for line in [
                r#"{"do":"send","text":"working"}"#,
                r#"{"do":"group_add","group":"a"}"#,
                r#"{"end":"open","state":"s"}"#,
            ] {
                // In the middle of a character, too.
                for piece in [&line[..9], &line[9..], "\n"] {
                    out.raw(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
                }
                gate.notified().await;
            }
            out.end().await
        }
    })
    .await;
    let (bridge, metrics) = Settings::default().bridge(&server.url());
    for _ in 0..2 {
        let mut lines = bridge.call(message("go"));
        assert_eq!(lines.next().await, Line::Command(text("working")));
        next.notify_one();
        assert_eq!(lines.next().await, Line::Command(Command::GroupAdd(GroupName::new("a").unwrap())));
        next.notify_one();
        assert_eq!(lines.next().await, Line::End(open("s")));
        next.notify_one();
        drop(lines);
    }
    assert_eq!(ended(&metrics, "message", "open"), 2);
}

#[tokio::test]
async fn the_end_of_an_answer_is_read_so_that_its_connection_is_used_again() {
    let server = Server::start(|_, out| async { out.lines(&[r#"{"end":"stopped"}"#]).await }).await;
    let (bridge, _) = Settings::default().bridge(&server.url());
    let mut used_again = 0;
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while used_again < 5 {
        assert!(tokio::time::Instant::now() < end, "{} connections for {} calls", server.connections(), server.count());
        let before = server.connections();
        all(bridge.call(message("m"))).await;
        used_again += usize::from(server.connections() == before);
        // The end of the answer may come a moment after the last line.
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_session_that_does_not_read_stops_the_reading_and_gets_everything_in_the_end() {
    let sent = Arc::new(Mutex::new(0));
    let count = Arc::clone(&sent);
    let server = Server::start(move |_, mut out| {
        let count = Arc::clone(&count);
        async move {
            out.raw(LINES).await;
            let line = format!(r#"{{"do":"send","text":"{}"}}"#, "x".repeat(10_000));
            for number in 1..=3000 {
                out.line(&line).await;
                *count.lock().unwrap() = number;
            }
            out.line(r#"{"end":"open","state":"s"}"#).await;
            out.end().await
        }
    })
    .await;
    let mut settings = Settings::default();
    settings.config.bridge.timeout = channelgate::config::Span::millis(300);
    let (bridge, _) = settings.bridge(&server.url());
    let mut lines = bridge.call(message("flood"));
    assert_eq!(lines.next().await, Line::Command(text(&"x".repeat(10_000))));
    // Longer than Django may be silent: it is not silent, nobody listens.
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    let stopped_at = *sent.lock().unwrap();
    assert!(stopped_at < 2900, "{stopped_at} lines were read");
    let (commands, end) = all(lines).await;
    assert_eq!((commands.len(), end), (2999, open("s")));
}

#[tokio::test]
async fn what_is_too_large_is_not_sent() {
    let server = Server::start(|_, out| async { out.lines(&[r#"{"end":"stopped"}"#]).await }).await;
    let mut settings = Settings::default();
    settings.config.backend.max_request = 1000;
    let (bridge, metrics) = settings.bridge(&server.url());
    assert_eq!(failure(bridge.call(message(&"x".repeat(1000)))).await, Failure::TooLarge(1000));
    assert_eq!((server.count(), ended(&metrics, "message", "too_large")), (0, 1));
    assert_eq!(all(bridge.call(message(&"x".repeat(800)))).await.1, End::Stopped);
    assert!(server.last().body.len() <= 1000);
}

#[tokio::test]
async fn an_exception_a_refusal_and_a_restart_are_ends() {
    for (line, end, outcome) in [
        (
            r#"{"end":"error","type":"KeyError","text":"'room'"}"#,
            End::Error { kind: "KeyError".to_owned(), text: "'room'".to_owned() },
            "error",
        ),
        (
            r#"{"end":"refused","kind":"background","text":"it runs on"}"#,
            End::Refused { kind: "background".to_owned(), text: "it runs on".to_owned() },
            "refused",
        ),
        (r#"{"end":"restart","text":"no such class"}"#, End::Restart("no such class".to_owned()), "restart"),
    ] {
        let server = Server::start(move |_, out| async move {
            out.lines(&[r#"{"do":"note","kind":"rev","text":"another release"}"#, line]).await
        })
        .await;
        let (bridge, metrics) = Settings::default().bridge(&server.url());
        assert_eq!(all(bridge.call(message("m"))).await, (vec![], end));
        assert_eq!(ended(&metrics, "message", outcome), 1);
        let refused = metric(&metrics, "channelgate_bridge_refused_total{kind=\"background\"}");
        assert_eq!(refused, u64::from(outcome == "refused"));
    }
}

#[tokio::test]
async fn dropped_lines_close_the_request_at_once() {
    let (begun, closed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    for speaks in [false, true] {
        let (is_begun, is_closed) = (Arc::clone(&begun), Arc::clone(&closed));
        let server = Server::start(move |_, mut out| {
            let (is_begun, is_closed) = (Arc::clone(&is_begun), Arc::clone(&is_closed));
            async move {
                if speaks {
                    out.raw(LINES).await;
                    out.line(r#"{"do":"send","text":"a"}"#).await;
                }
                is_begun.notify_one();
                out.closed().await;
                is_closed.notify_one();
                None
            }
        })
        .await;
        let (bridge, metrics) = Settings::default().bridge(&server.url());
        let mut lines = bridge.call(message("m"));
        begun.notified().await;
        if speaks {
            assert_eq!(lines.next().await, Line::Command(text("a")));
        }
        drop(lines);
        closed.notified().await;
        crate::until("it is counted", || ended(&metrics, "message", "cancelled") == 1).await;
    }
}

#[tokio::test]
async fn without_a_backend_the_reason_is_reported() {
    let Failure::Misconfigured(reason) = failure(NoBridge.call(connect())).await else { panic!() };
    assert!(reason.starts_with("no backend is configured"), "{reason}");
}

#[tokio::test]
async fn every_call_is_one_line_of_the_tail() {
    let server = Server::start(|received, out| async move {
        match received.json()["event"]["text"].as_str() {
            None => {
                out.lines(&[r#"{"do":"accept"}"#, r#"{"do":"send","text":"secret"}"#, r#"{"end":"open","state":"s"}"#])
                    .await
            }
            Some(_) => out.lines(&[r#"{"end":"error","type":"KeyError","text":"'room'\nsecond line"}"#]).await,
        }
    })
    .await;
    let (bridge, metrics) = Settings::default().bridge(&server.url());
    let mut watch = metrics.tail.watch(TailFilter::default()).unwrap();
    all(bridge.call(connect())).await;
    all(bridge.call(message("hidden"))).await;
    let mut lines = Vec::new();
    for _ in 0..2 {
        let mut line: serde_json::Value = serde_json::from_str(&watch.next().await.unwrap()).unwrap();
        let entries = line.as_object_mut().unwrap();
        entries.remove("time");
        assert!(entries.remove("us").unwrap().as_u64().unwrap() > 0);
        lines.push(line);
    }
    assert_eq!(
        lines,
        [
            json!({
                "kind": "call", "connection": "k2Jx", "consumer": "room", "path": "/ws/room/7/", "seq": 0,
                "call": "connect", "commands": {"accept": 1, "send": 1}, "outcome": "open"
            }),
            json!({
                "kind": "call", "connection": "k2Jx", "consumer": "room", "seq": 1, "call": "message", "commands": {},
                "outcome": "error", "why": "KeyError: 'room' second line"
            })
        ]
    );
}
