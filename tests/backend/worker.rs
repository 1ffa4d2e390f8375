//! Calls to a Channels worker; the test plays the worker's side of the layer.

use std::{sync::Arc, time::Duration};

use channelgate::{
    backend::{Backend as _, WorkerBackend, choose},
    config,
    consumer::{BodyKind, CallRequest, Outcome},
    event::{GroupName, Value},
    layer::{Layer, LayerError, Readiness, Sink, memory::MemoryLayer},
    telemetry::Metrics,
};
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::mpsc;

use crate::{counted, request, settings};

/// The size that the layer does not accept.
const LARGE: usize = 1 << 20;

struct Wire(mpsc::UnboundedSender<(String, Value)>);

/// Only `send` matters here.
impl Layer for Wire {
    fn start(&self, _: Sink) -> std::io::Result<()> {
        Ok(())
    }

    fn send<'a>(&'a self, channel: &'a str, message: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        let is_large = message.get("data").and_then(Value::as_str).is_some_and(|text| text.len() > LARGE);
        let sent = self.0.send((channel.to_owned(), message.clone()));
        Box::pin(async move {
            if is_large {
                return Err(LayerError::TooLarge(LARGE));
            }
            let reason = "closed".to_owned();
            sent.map_err(|_| LayerError::Unavailable { reason, retry_after: Duration::from_secs(1) })
        })
    }

    fn reply_channel(&self) -> Option<String> {
        Some("specific.node!calls".to_owned())
    }

    fn join<'a>(&'a self, _: &'a GroupName) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn leave(&self, _: &GroupName) {}

    fn publish<'a>(&'a self, _: &'a GroupName, _: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn emit<'a>(&'a self, _: &'a [GroupName], _: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn channel_name(&self, id: &str) -> String {
        format!("specific.node!c.{id}")
    }

    fn discard(&self, _: &GroupName, _: &str) {}

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

fn worker(config: &config::Backend) -> (Arc<WorkerBackend>, mpsc::UnboundedReceiver<(String, Value)>, Metrics) {
    let (sender, messages) = mpsc::unbounded_channel();
    let metrics = Metrics::new();
    let config =
        config::Backend { worker: Some("worker".to_owned()), url: Some("http://x".to_owned()), ..config.clone() };
    let layer: Arc<dyn Layer> = Arc::new(Wire(sender));
    let (_, worker) = choose(&config, &layer, metrics.clone()).unwrap();
    (worker.unwrap(), messages, metrics)
}

fn answer(id: &Value, status: Option<i64>, body: &str) -> Value {
    let mut pairs = vec![("type", Value::from("channelgate.answer")), ("id", id.clone()), ("body", body.into())];
    pairs.extend(status.map(|status| ("status", Value::from(status))));
    pairs.into_iter().collect()
}

#[tokio::test]
async fn a_worker_is_asked_by_a_message_and_answers_with_one() {
    let (backend, mut messages, metrics) = worker(&settings());
    let asking = tokio::spawn({
        let backend = Arc::clone(&backend);
        async move { backend.call(request()).await }
    });
    let (channel, message) = messages.recv().await.unwrap();
    assert_eq!(channel, "worker");
    let id = message.get("id").unwrap().clone();
    let text = serde_json::to_string(&message).unwrap();
    assert_eq!(
        text,
        format!(
            r#"{{"type":"channelgate.call","id":{},"reply_channel":"specific.node!calls","action":"markAttendance","data":{{"sessionId":"s-1"}},"user":{{"id":7}},"connection":"abc","consumer":"tracker"}}"#,
            serde_json::to_string(&id).unwrap()
        )
    );
    assert!(!backend.answered(&answer(&"another".into(), Some(200), "no")));
    assert!(!backend.answered(&[("id", id.clone()), ("type", "send_event".into())].into_iter().collect()));
    assert!(!backend.answered(&Value::Null));
    assert!(backend.answered(&answer(&id, Some(409), "taken")));
    assert!(!backend.answered(&answer(&id, Some(200), "again")), "once");
    assert_eq!(
        asking.await.unwrap(),
        Outcome::Answer { status: 409, body: "taken".into(), kind: BodyKind::Json, retry_after: None }
    );
    assert_eq!(counted(&metrics, "4xx"), 1);
}

#[tokio::test]
async fn answers_find_their_questions_and_a_missing_status_is_200() {
    let (backend, mut messages, _) = worker(&settings());
    let asker = Arc::clone(&backend);
    let asking = tokio::spawn(async move {
        let ask = |number: i64| asker.call(CallRequest { data: number.into(), ..request() });
        join_all((0..50).map(ask)).await
    });
    let mut open = Vec::new();
    while open.len() < 50 {
        open.push(messages.recv().await.unwrap().1);
    }
    for message in open.iter().rev() {
        let body = serde_json::to_string(message.get("data").unwrap()).unwrap();
        assert!(backend.answered(&answer(message.get("id").unwrap(), None, &body)));
    }
    for (number, outcome) in asking.await.unwrap().into_iter().enumerate() {
        assert_eq!(
            outcome,
            Outcome::Answer { status: 200, body: number.to_string().into(), kind: BodyKind::Json, retry_after: None }
        );
    }
}

#[tokio::test]
async fn a_missing_worker_is_a_timeout_and_a_closed_layer_fails_at_once() {
    let config = config::Backend { timeout: config::Span::millis(100), ..settings() };
    let (backend, mut messages, metrics) = worker(&config);
    let Outcome::Failed(reason) = backend.call(request()).await else { panic!() };
    assert_eq!(reason, "no answer from a worker on the channel \"worker\" in 100 ms");
    let (_, message) = messages.recv().await.unwrap();
    assert!(!backend.answered(&answer(message.get("id").unwrap(), None, "late")));
    drop(messages);
    let Outcome::Failed(reason) = backend.call(request()).await else { panic!() };
    assert!(reason.contains("not reachable"), "{reason}");
    assert_eq!((counted(&metrics, "timeout"), counted(&metrics, "unreachable")), (1, 1));
}

#[tokio::test]
async fn a_call_that_the_layer_refuses_fails_at_once() {
    let (backend, _messages, metrics) = worker(&settings());
    let data = "x".repeat(LARGE + 1).into();
    let Outcome::NotAsked(reason) = backend.call(CallRequest { data, ..request() }).await else { panic!() };
    assert!(reason.contains("layer.max_message"), "{reason}");
    assert_eq!(counted(&metrics, "request_too_large"), 1);
}

#[tokio::test]
async fn the_embedded_layer_cannot_reach_a_worker() {
    let metrics = Metrics::new();
    let layer: Arc<dyn Layer> = Arc::new(MemoryLayer::new(metrics.clone()));
    let config = config::Backend { worker: Some("worker".to_owned()), ..settings() };
    let (backend, _) = choose(&config, &layer, metrics).unwrap();
    let Outcome::Failed(reason) = backend.call(request()).await else { panic!() };
    assert!(reason.contains("a worker needs Redis"), "{reason}");
}
