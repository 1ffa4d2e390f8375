//! The real package in a real Django, served by Daphne and by a WSGI server of HTTP/1.0.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command as Process, Stdio},
    sync::Arc,
};

use channelgate::{
    backend::bridge::{Bridge as _, BridgeCall, CallEvent, Command, End, HttpBridge},
    config::Secret,
    event::{GroupName, Payload, Value, json},
};
use futures_util::future::join_all;

use crate::{Settings, all, call, ended, event, metric, text, until};

/// A Python with Daphne and Channels: the project's own environment, or the configured one.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("CHANNELGATE_TEST_PYTHON").map(PathBuf::from);
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    let found = named.or(Some(own)).filter(|python| python.exists());
    let has = |python: &PathBuf| {
        Process::new(python).args(["-c", "import channels, daphne"]).stderr(Stdio::null()).status().unwrap().success()
    };
    found.filter(has)
}

struct Django {
    child: Child,
    port: u16,
}

impl Django {
    fn start(python: &PathBuf, kind: &str, port: u16) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut child = Process::new(python)
            .arg(root.join("tests/bridge/project.py"))
            .args([kind, &port.to_string()])
            .env("PYTHONPATH", root.join("clients/django/src"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap() }
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn scope() -> Value {
    let scope = r#"{"path":"/ws/room/7/","query_string":"","headers":[["host","example.org"]],"client":["203.0.113.9",50412],
        "server":["example.org",443],"scheme":"wss","subprotocols":["v2"],"extensions":{"websocket.http.response":{}}}"#;
    json::read(scope.as_bytes()).unwrap()
}

/// A connection, as a session would keep it.
struct Connection<'a> {
    bridge: &'a HttpBridge,
    id: String,
    seq: u64,
    state: Option<Arc<str>>,
}

impl Connection<'_> {
    fn next(&mut self, event: CallEvent) -> BridgeCall {
        let next = call(&self.id, self.seq, event);
        self.seq += 1;
        BridgeCall { state: self.state.clone(), ..next }
    }

    async fn call(&mut self, event: CallEvent) -> Vec<Command> {
        let next = self.next(event);
        let (commands, end) = all(self.bridge.call(next)).await;
        match end {
            End::Open { state, .. } => self.state = Some(state.into()),
            other => panic!("{other:?} after {commands:?}"),
        }
        commands
    }

    async fn connect(&mut self) -> Vec<Command> {
        self.call(CallEvent::Connect(Box::new(scope()))).await
    }

    async fn message(&mut self, text: &str) -> Vec<Command> {
        self.call(CallEvent::Text(text.into())).await
    }
}

fn published(command: &Command) -> &Value {
    match command {
        Command::GroupSend { group, message } if group.as_str() == "room.7" => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_runs_in_a_real_django_over_asgi_and_over_wsgi() {
    let Some(python) = python() else {
        eprintln!("no Python with channels and daphne: not run");
        return;
    };
    for (kind, path) in [("asgi", "channelgate"), ("wsgi", "channelgate")] {
        let django = Django::start(&python, kind, 0);
        let mut settings = Settings::default();
        settings.config.backend.secret = Some(Secret::new("the secret of node and Django"));
        let (bridge, metrics) = settings.bridge(&format!("http://127.0.0.1:{}/{path}", django.port));
        let new = |number: usize| Connection { bridge: &bridge, id: format!("c{number}"), seq: 0, state: None };

        let mut one = new(0);
        let accepted = Command::Accept { subprotocol: Some("v2".to_owned()), headers: vec![] };
        let joined = Command::GroupAdd(GroupName::new("room.7").unwrap());
        assert_eq!(one.connect().await, [joined, accepted, text("hello")], "{kind}");
        let commands = one.message("stream").await;
        assert_eq!(commands[..3], [text("part 0"), text("part 1"), text("part 2")]);
        assert_eq!(published(&commands[3]).get("blob"), Some(&Value::Bytes(vec![0].into())));
        let commands = one.call(CallEvent::Binary(vec![0, 1, 255].into())).await;
        assert_eq!(commands[0], Command::Send(Payload::Binary(vec![255, 1, 0].into())));
        assert_eq!(published(&commands[1]).get("count"), Some(&Value::Int(2)), "the state was kept");

        // An event for many.
        let mut members: Vec<_> = (1..=10).map(new).collect();
        join_all(members.iter_mut().map(Connection::connect)).await;
        let message = published(&commands[1]).clone();
        let got = join_all(members.iter_mut().map(|member| {
            let CallEvent::Event(event) = event("x", message.clone()).event else { panic!() };
            member.call(CallEvent::Event(event))
        }));
        assert!(got.await.iter().all(|commands| *commands == [text("2 of 0")]));
        assert_eq!(metric(&metrics, "channelgate_bridge_batch_calls_count"), 1);

        let end = all(bridge.call(one.next(CallEvent::Text("fail".into())))).await.1;
        assert!(matches!(&end, End::Error { kind, .. } if kind == "KeyError"), "{end:?}");
        for member in &mut members {
            let gone = member.next(CallEvent::Disconnect { code: 1001, reason: "".into() });
            bridge.disconnect(gone);
        }
        until("every disconnect() has run", || ended(&metrics, "disconnect", "stopped") == 10).await;
        assert_eq!(ended(&metrics, "disconnect", "broken"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_django_that_restarts_is_waited_for_and_goes_on_with_the_state() {
    let Some(python) = python() else {
        eprintln!("no Python with channels and daphne: not run");
        return;
    };
    let django = Django::start(&python, "asgi", 0);
    let port = django.port;
    let mut settings = Settings::default();
    settings.config.backend.secret = Some(Secret::new("the secret of node and Django"));
    settings.config.bridge.wait = channelgate::config::Span::seconds(60);
    let (bridge, metrics) = settings.bridge(&format!("http://127.0.0.1:{port}/channelgate"));
    let mut one = Connection { bridge: &bridge, id: "c0".to_owned(), seq: 0, state: None };
    one.connect().await;
    assert_eq!(published(&one.message("m").await[0]).get("count"), Some(&Value::Int(1)));
    drop(django);
    let started = tokio::task::spawn_blocking(move || Django::start(&python, "asgi", port));
    assert_eq!(published(&one.message("m").await[0]).get("count"), Some(&Value::Int(2)));
    assert!(metric(&metrics, "channelgate_bridge_retries_total") > 0, "it was away");
    assert_eq!(ended(&metrics, "message", "open"), 2);
    drop(started.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_says_what_to_change() {
    let Some(python) = python() else {
        eprintln!("no Python with channels and daphne: not run");
        return;
    };
    let django = Django::start(&python, "asgi", 0);
    for (secret, path, hint) in [
        (None, "channelgate", "set backend.secret"),
        (Some("another"), "channelgate", "backend.secret is not the SECRET"),
        (Some("another"), "elsewhere", "Django answered"),
    ] {
        let mut settings = Settings::default();
        settings.config.backend.secret = secret.map(Secret::new);
        let (bridge, _) = settings.bridge(&format!("http://127.0.0.1:{}/{path}", django.port));
        let mut one = Connection { bridge: &bridge, id: "c0".to_owned(), seq: 0, state: None };
        let next = one.next(CallEvent::Connect(Box::new(scope())));
        let (_, end) = all(bridge.call(next)).await;
        assert!(format!("{end:?}").contains(hint), "{end:?}");
    }
}
