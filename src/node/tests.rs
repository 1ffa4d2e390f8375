//! A node around a layer that signals at once: what the layer delivers during its start arrives.

use std::{
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::future::{self, BoxFuture};

use super::build::Node;
use crate::{
    config::{self, Config},
    consumer::{CallRequest, ConsumerSet, Outcome},
    event::{Gap, GapReason, GroupName, Value},
    layer::{Layer, LayerError, Readiness, Signal, Sink},
    telemetry::Metrics,
};

/// Delivers a gap and the answer to every question to a worker, on the thread that starts it, before its start returns.
#[derive(Default)]
struct Eager {
    questions: Mutex<Vec<Value>>,
}

impl Layer for Eager {
    fn start(&self, sink: Sink) -> io::Result<()> {
        sink(Signal::Gap(Gap { groups: None, reason: GapReason::Reconnected }));
        for question in self.questions.lock().unwrap().drain(..) {
            let id = question.get("id").cloned().unwrap_or_default();
            let answer = [("type", Value::from("channelgate.answer")), ("id", id), ("body", "early".into())];
            sink(Signal::Message(answer.into_iter().collect()));
        }
        Ok(())
    }

    fn join<'a>(&'a self, _: &'a GroupName) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(future::ready(Ok(())))
    }

    fn leave(&self, _: &GroupName) {}

    fn publish<'a>(&'a self, _: &'a GroupName, _: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(future::ready(Ok(())))
    }

    fn emit<'a>(&'a self, _: &'a [GroupName], _: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        Box::pin(future::ready(Ok(())))
    }

    fn send<'a>(&'a self, _: &'a str, body: &'a Value) -> BoxFuture<'a, Result<(), LayerError>> {
        self.questions.lock().unwrap().push(body.clone());
        Box::pin(future::ready(Ok(())))
    }

    fn reply_channel(&self) -> Option<String> {
        Some("specific.node!calls".to_owned())
    }

    fn channel_name(&self, id: &str) -> String {
        format!("specific.node!c.{id}")
    }

    fn discard(&self, _: &GroupName, _: &str) {}

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(future::ready(()))
    }
}

fn config() -> Config {
    let server = config::Server { listen: "127.0.0.1:0".to_owned(), workers: 1, ..Default::default() };
    let backend = config::Backend { worker: Some("worker".to_owned()), ..Default::default() };
    Config { server, backend, ..Default::default() }
}

fn question() -> CallRequest {
    let text = || "x".into();
    CallRequest {
        action: text(),
        data: Value::Null,
        user: Value::Null,
        connection: text(),
        consumer: text(),
        idempotent: false,
        // The node starts meanwhile, on a machine that may be busy.
        timeout: Some(Duration::from_secs(60)),
    }
}

#[actix_rt::test]
async fn no_signal_of_the_layer_is_lost_during_the_start() {
    let (config, metrics, layer) = (config(), Metrics::new(), Arc::new(Eager::default()));
    let consumers = ConsumerSet::compile(&config).unwrap_or_else(|errors| panic!("{errors}"));
    let reader = {
        let config = config.clone();
        Arc::new(move || Ok(config.clone()))
    };
    let node = Node::around(Arc::clone(&layer) as _, config, consumers, reader, metrics.clone()).unwrap();
    let backend = Arc::clone(&node.backend);
    let asking = actix_rt::spawn(async move { backend.call(question()).await });
    let began = Instant::now();
    while layer.questions.lock().unwrap().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(60), "the question is not sent");
        tokio::task::yield_now().await;
    }

    let serving = node.start().await.unwrap();
    assert!(
        metrics.render().contains(r#"channelgate_gaps_total{reason="reconnected"} 1"#),
        "the dispatcher heard the gap"
    );
    match asking.await.unwrap() {
        Outcome::Answer { status: 200, body, .. } => assert_eq!(body, Value::from("early")),
        other => panic!("the worker's answer is lost: {other:?}"),
    }
    serving.handle.stop(false).await;
}
