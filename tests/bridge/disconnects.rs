//! `disconnect()` of connections that have gone.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use channelgate::{
    backend::bridge::{Bridge as _, BridgeCall, CallEvent, HttpBridge},
    event::{GroupName, Value},
    layer::{Layer, Signal, memory::MemoryLayer},
    telemetry::Metrics,
};
use serde_json::json;
use tokio::time::Instant;

use crate::{Settings, call, ended, metric, nobody::nobody, server::Server, until};

fn gone(number: usize) -> BridgeCall {
    call(&format!("c{number}"), 2, CallEvent::Disconnect { code: 1001, reason: "".into() })
}

fn lost(metrics: &Metrics, reason: &str) -> u64 {
    metric(metrics, &format!("channelgate_bridge_disconnects_lost_total{{reason=\"{reason}\"}}"))
}

fn queued(metrics: &Metrics) -> u64 {
    metric(metrics, "channelgate_bridge_disconnects_queued")
}

/// The connections of all requests.
fn named(server: &Server) -> Vec<String> {
    let received = server.received.lock().unwrap();
    received.iter().flat_map(|one| one.calls()).map(|call| call["connection"].as_str().unwrap().to_owned()).collect()
}

/// Answers every call with these lines and the end.
async fn answering(lines: &'static [&'static str]) -> Server {
    Server::start(move |received, out| async move { out.lines(&answers(&received.calls(), lines)).await }).await
}

fn answers<'a>(calls: &[serde_json::Value], lines: &[&str]) -> Vec<&'a str> {
    let count = calls.len();
    let of = |index: usize, line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        if count > 1 {
            line["n"] = json!(index);
        }
        &*line.to_string().leak()
    };
    let ends = lines.iter().copied().chain([r#"{"end":"stopped"}"#]);
    ends.flat_map(|line| (0..count).map(move |index| of(index, line))).collect()
}

fn settings(per_second: u32) -> Settings {
    let mut settings = Settings::default();
    settings.config.bridge.disconnects_per_second = per_second;
    settings
}

#[tokio::test]
async fn those_that_come_one_after_the_other_are_no_faster() {
    let server = answering(&[]).await;
    let (bridge, metrics) = settings(10).bridge(&server.url());
    let began = Instant::now();
    for number in 0..6 {
        bridge.disconnect(gone(number));
        until("it is passed on", || ended(&metrics, "disconnect", "stopped") == number as u64 + 1).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn disconnects_are_batched_and_not_faster_than_permitted() {
    let server = answering(&[]).await;
    let (bridge, metrics) = settings(100).bridge(&server.url());
    let began = Instant::now();
    (0..150).for_each(|number| bridge.disconnect(gone(number)));
    until("all are passed on", || ended(&metrics, "disconnect", "stopped") == 150).await;
    // The last batch is sent when the time of all before it is over.
    assert!(began.elapsed() >= Duration::from_millis(860), "{:?}", began.elapsed());
    let mut names = named(&server);
    names.sort();
    names.dedup();
    assert_eq!((names.len(), queued(&metrics)), (150, 0));
    assert!(server.count() <= 4, "{} requests", server.count());
    let first = &server.received.lock().unwrap()[0].calls()[0];
    assert_eq!(first["event"], json!({"type": "websocket.disconnect", "code": 1001, "reason": ""}));
}

#[tokio::test]
async fn a_batch_of_large_states_is_sent_in_requests_of_the_permitted_size() {
    let server = Server::start(|received, out| async move {
        match received.body.len() {
            ..=40_000 => out.lines(&answers(&received.calls(), &[])).await,
            _ => out.answer("413 Too Large", "", "").await,
        }
    })
    .await;
    let mut settings = settings(1000);
    settings.config.backend.max_request = 40_000;
    let (bridge, metrics) = settings.bridge(&server.url());
    for number in 0..64 {
        bridge.disconnect(BridgeCall { state: Some("s".repeat(6000).into()), ..gone(number) });
    }
    until("all have ended", || ended(&metrics, "disconnect", "stopped") + lost(&metrics, "too_large") == 64).await;
    assert_eq!((lost(&metrics, "too_large"), named(&server).len()), (0, 64), "each once");
}

#[tokio::test]
async fn the_states_of_those_that_wait_have_a_limit_of_bytes() {
    let (bridge, metrics) = settings(1_000_000).bridge(&format!("http://{}/channelgate", nobody()));
    let state: Arc<str> = "s".repeat(1 << 20).into();
    (0..200).for_each(|number| bridge.disconnect(BridgeCall { state: Some(Arc::clone(&state)), ..gone(number) }));
    assert_eq!(queued(&metrics) + lost(&metrics, "full"), 200);
    assert!(queued(&metrics) <= 128 && lost(&metrics, "full") >= 8, "{} wait", queued(&metrics));
}

#[tokio::test]
async fn what_disconnect_publishes_is_published_and_the_rest_ignored() {
    let server = answering(&[
        r#"{"do":"send","text":"nobody is there"}"#,
        r#"{"do":"group_discard","group":"room"}"#,
        r#"{"do":"close"}"#,
        r#"{"do":"group_send","group":"room","message":{"type":"left","blob":{"$b":"AA=="}}}"#,
    ])
    .await;
    let metrics = Metrics::new();
    let layer: Arc<dyn Layer> = Arc::new(MemoryLayer::new(metrics.clone()));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    layer
        .start(Arc::new(move |signal| {
            if let Signal::Event(event) = signal {
                log.lock().unwrap().push(event);
            }
        }))
        .unwrap();
    layer.join(&GroupName::new("room").unwrap()).await.unwrap();
    let bridge = settings(1000).with_layer(&server.url(), &layer, &metrics);
    bridge.disconnect(gone(1));
    until("it is published", || !seen.lock().unwrap().is_empty()).await;
    let seen = seen.lock().unwrap();
    assert_eq!((seen.len(), seen[0].group.as_str(), seen[0].kind()), (1, "room", Some("left")));
    assert_eq!(seen[0].body.get("blob"), Some(&Value::Bytes(vec![0].into())));
}

#[tokio::test]
async fn a_broken_answer_is_tried_again_and_only_for_those_without_an_end() {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let server = Server::start(move |received, out| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        async move {
            match number {
                0 => out.answer("502 Bad Gateway", "", "").await,
                1 => out.lines(&[r#"{"n":0,"end":"stopped"}"#, r#"{"n":1,"end":"error","type":"E","text":"t"}"#]).await,
                _ => out.lines(&answers(&received.calls(), &[])).await,
            }
        }
    })
    .await;
    let (bridge, metrics) = settings(100_000).bridge(&server.url());
    (0..3).for_each(|number| bridge.disconnect(gone(number)));
    until("all have ended", || ended(&metrics, "disconnect", "stopped") == 2).await;
    assert_eq!(ended(&metrics, "disconnect", "error"), 1);
    let names = named(&server);
    assert_eq!((&names[..3], &names[3..6], names.len()), (&names[3..6], &names[..3], 7), "{names:?}");
    assert_eq!(["failed", "full", "stopped", "too_large"].map(|reason| lost(&metrics, reason)), [0; 4]);
}

#[tokio::test]
async fn a_disconnect_that_fails_four_times_is_counted() {
    let server = Server::start(|_, out| async { out.answer("500 Oops", "", "").await }).await;
    let (bridge, metrics) = settings(1000).bridge(&server.url());
    bridge.disconnect(gone(1));
    // At a drain the pauses are short.
    let took = drained(&bridge, Duration::from_secs(30)).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!((lost(&metrics, "failed"), lost(&metrics, "stopped")), (1, 0));
    assert_eq!((server.count(), ended(&metrics, "disconnect", "broken"), queued(&metrics)), (4, 4, 0));
}

#[tokio::test]
async fn they_wait_while_nobody_listens_and_what_does_not_fit_is_counted() {
    let address = nobody();
    let (bridge, metrics) = settings(1_000_000).bridge(&format!("http://{address}/channelgate"));
    // The first batches wait beside the queue.
    (0..1000).for_each(|number| bridge.disconnect(gone(number)));
    until("eight requests wait", || queued(&metrics) == 1000 - 8 * 64).await;
    (1000..17_000).for_each(|number| bridge.disconnect(gone(number)));
    assert_eq!((queued(&metrics), lost(&metrics, "full")), (16_384, 17_000 - 16_384 - 8 * 64));
    let server =
        Server::at(address, |received, out| async move { out.lines(&answers(&received.calls(), &[])).await }).await;
    until("all are passed on", || ended(&metrics, "disconnect", "stopped") == 16_384 + 8 * 64).await;
    assert_eq!(named(&server).len(), 16_384 + 8 * 64, "each once");
    assert_eq!((queued(&metrics), lost(&metrics, "failed")), (0, 0));
}

/// The time that a drain took.
async fn drained(bridge: &HttpBridge, within: Duration) -> Duration {
    let began = Instant::now();
    bridge.drain(within).await;
    began.elapsed()
}

#[tokio::test]
async fn a_drain_empties_the_queue_in_its_time_and_counts_what_is_left() {
    let server = answering(&[]).await;
    let (bridge, metrics) = settings(10).bridge(&server.url());
    (0..1000).for_each(|number| bridge.disconnect(gone(number)));
    let took = drained(&bridge, Duration::from_secs(60)).await;
    assert!(took < Duration::from_secs(50), "a hundred seconds at its rate: {took:?}");
    assert_eq!((ended(&metrics, "disconnect", "stopped"), lost(&metrics, "stopped")), (1000, 0));

    let (away, metrics) = settings(10).bridge(&format!("http://{}/channelgate", nobody()));
    (0..300).for_each(|number| away.disconnect(gone(number)));
    let took = drained(&away, Duration::from_millis(200)).await;
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(2), "{took:?}");
    assert_eq!((lost(&metrics, "stopped"), queued(&metrics)), (300, 0));
}
