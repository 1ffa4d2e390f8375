//! Calls that run consumers, against a real HTTP server, good and bad.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should end")]

#[path = "support/nobody.rs"]
mod nobody;
#[path = "bridge/server.rs"]
mod server;

#[path = "bridge/batch.rs"]
mod batch;
#[path = "bridge/contract.rs"]
mod contract;
#[path = "bridge/disconnects.rs"]
mod disconnects;
#[path = "bridge/python.rs"]
mod python;
#[path = "bridge/servers.rs"]
mod servers;
#[path = "bridge/trouble.rs"]
mod trouble;
#[path = "bridge/turns.rs"]
mod turns;

use std::{sync::Arc, time::Duration};

use channelgate::{
    backend::bridge::{BridgeCall, CallEvent, Command, End, Failure, HttpBridge, Line, Lines},
    config::{self, Config, Span},
    event::{Event, GroupName, Payload, Source, Value},
    layer::{Layer, memory::MemoryLayer},
    telemetry::Metrics,
};

/// The settings of a test.
struct Settings {
    config: Config,
    connect: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let bridge = config::Bridge { timeout: Span::seconds(10), wait: Span::seconds(10), ..Default::default() };
        Self { config: Config { bridge, ..Config::default() }, connect: Duration::from_secs(10) }
    }
}

impl Settings {
    fn bridge(&self, url: &str) -> (HttpBridge, Metrics) {
        let metrics = Metrics::new();
        let layer: Arc<dyn Layer> = Arc::new(MemoryLayer::new(metrics.clone()));
        (self.with_layer(url, &layer, &metrics), metrics)
    }

    fn with_layer(&self, url: &str, layer: &Arc<dyn Layer>, metrics: &Metrics) -> HttpBridge {
        HttpBridge::new(&self.config, url, self.connect, layer, metrics.clone()).unwrap()
    }
}

fn call(connection: &str, seq: u64, event: CallEvent) -> BridgeCall {
    BridgeCall {
        connection: connection.into(),
        seq,
        channel_name: format!("specific.gw1!c.{connection}").into(),
        consumer: "room".into(),
        state: (seq > 0).then(|| "signed".into()),
        event,
        export: Arc::from([]),
    }
}

fn scope() -> Value {
    [("path", Value::from("/ws/room/7/")), ("query_string", "token=t".into())].into_iter().collect()
}

fn connect() -> BridgeCall {
    call("k2Jx", 0, CallEvent::Connect(Box::new(scope())))
}

fn message(text: &str) -> BridgeCall {
    call("k2Jx", 1, CallEvent::Text(text.into()))
}

/// A group event for this connection.
fn event(connection: &str, body: Value) -> BridgeCall {
    let group = GroupName::new("room.7").unwrap();
    let event = Event { group, body, source: Source::Core, received: std::time::Instant::now() };
    call(connection, 1, CallEvent::Event(Arc::new(event)))
}

/// All lines up to the end.
async fn all(mut lines: Lines) -> (Vec<Command>, End) {
    let mut commands = Vec::new();
    loop {
        match lines.next().await {
            Line::Command(command) => commands.push(command),
            Line::End(end) => return (commands, end),
        }
    }
}

/// How a call has failed.
async fn failure(lines: Lines) -> Failure {
    match all(lines).await.1 {
        End::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

fn text(text: &str) -> Command {
    Command::Send(Payload::Text(text.to_owned().into()))
}

fn open(state: &str) -> End {
    End::Open { state: state.into(), user: None, expires: None, vars: None, class: None }
}

/// A metric's value.
fn metric(metrics: &Metrics, name: &str) -> u64 {
    let text = metrics.render();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse::<f64>().unwrap() as u64)
}

/// Calls that ended like this.
fn ended(metrics: &Metrics, call: &str, outcome: &str) -> u64 {
    metric(metrics, &format!("channelgate_bridge_calls_total{{call=\"{call}\",outcome=\"{outcome}\"}}"))
}

/// Waits until the condition holds.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(tokio::time::Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
