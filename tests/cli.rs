//! The commands as a user types them: their output and their exit status.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Output, Stdio},
};

const EMPTY: [(&str, &str); 0] = [];

fn command<'a>(arguments: &[&str], environment: impl IntoIterator<Item = (&'a str, &'a str)>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_channelgate"));
    // The environment of the person who runs the tests must not matter.
    command.args(arguments).env_clear().envs(environment);
    command
}

fn run<'a>(arguments: &[&str], environment: impl IntoIterator<Item = (&'a str, &'a str)>) -> Output {
    command(arguments, environment).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A node on the embedded layer and a free port; killed at the end.
struct Node {
    child: Child,
    address: String,
    key: String,
}

impl Node {
    fn start() -> Self {
        let mut child =
            command(&["serve"], [("CHANNELGATE_LISTEN", "127.0.0.1:0")]).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let (address, key) = loop {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the node ended before it listened");
            if let Some((address, key)) = line.split_once("http://").and_then(|(_, page)| page.split_once("/#key=")) {
                break (address.to_owned(), key.trim().to_owned());
            }
        };
        // The log must be read, or the node would block on a full pipe.
        std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
        Self { child, address, key }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn check_accepts_the_built_in_default() {
    let output = run(&["check"], EMPTY);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("6 consumers"));
}

#[test]
fn unusable_settings_are_refused_with_their_name() {
    for (variable, value, key) in [
        ("REDIS_URL", "http://localhost", "layer.url"),
        ("CHANNELGATE_CACHE_URL", "localhost:6379", "cache.url"),
        ("CHANNELGATE__AUTH__JWT__ALGORITHM", "none", "auth.jwt.algorithm"),
        ("CHANNELGATE__AUTH__WS_TOKEN__SOURCES", "quary:token", "auth.ws_token.sources"),
        ("CHANNELGATE__SERVER__WORKERS", "99", "server.workers"),
    ] {
        let environment = [(variable, value), ("DJANGO_SECRET_KEY", "a secret for this test only, long enough")];
        for command in ["check", "serve"] {
            let output = run(&[command], environment);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{command} {variable}={value}: {said}");
            assert!(said.contains(variable) && said.contains(key), "{command} {variable}={value}: {said}");
        }
    }
}

#[test]
fn a_token_is_printed_without_other_text() {
    let secret = [("DJANGO_SECRET_KEY", "a secret for this test only, long enough")];
    let output = run(&["token", "--user", "7", "--claim", "role=admin"], secret);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).trim().split('.').count(), 3);

    let output = run(&["token", "--user", "7"], EMPTY);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("DJANGO_SECRET_KEY"), "{}", text(&output.stderr));

    let output = run(&["token", "--user", "7", "--kind", "ws"], secret);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("REDIS_URL"), "{}", text(&output.stderr));
}

#[test]
fn publish_reaches_a_node_or_reports_why_not() {
    let node = Node::start();
    let url = format!("http://{}", node.address);
    let event = ["publish", "broadcast", r#"{"type": "send_event"}"#, "--url"];
    let printed = format!("{url}/#key={}", node.key);
    let (by_address, by_key) = ([&event[..], &[&printed]].concat(), [&event[..], &[&url, "--key", &node.key]].concat());
    for arguments in [&by_address, &by_key] {
        let output = run(arguments, EMPTY);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let output = run(&[&event[..], &[&url]].concat(), EMPTY);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("prints it at its start"), "{}", text(&output.stderr));

    for (group, event, why) in
        [("a b", "{}", "group name"), ("broadcast", "{", "not JSON"), ("broadcast", "[]", "an object, not a list")]
    {
        let output = run(&["publish", group, event, "--url", &url], EMPTY);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
    let output = run(&["publish", "broadcast", "{}", "--url", "http://127.0.0.1:9"], EMPTY);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("not reachable"), "{}", text(&output.stderr));
}

#[test]
fn a_plain_request_to_a_websocket_path_is_answered_with_426() {
    let node = Node::start();
    let mut stream = TcpStream::connect(&node.address).unwrap();
    stream.write_all(b"GET /ws/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
}
