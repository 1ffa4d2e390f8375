//! Calls to a Channels worker: one message to its channel, one answer on the node's reply channel.
//!
//! In: a [`CallRequest`], and messages on the reply channel from the layer. Out: the answer, or the reason of the
//! failure. If no worker runs, the call ends at its deadline.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{Answer, Backend, CallResult, Unanswered, turns::Turns};
use crate::{
    config,
    consumer::{BodyKind, CallRequest, Outcome},
    event::Value,
    layer::{Layer, LayerError},
    telemetry::Metrics,
    warn_bounded,
};

/// The type of the message to the worker; its consumer's method is `channelgate_call`.
const CALL: &str = "channelgate.call";

/// The type of the worker's answer.
const ANSWER: &str = "channelgate.answer";

/// Receives the answer.
type Waiter = oneshot::Sender<Answer>;

/// A backend that is a Channels worker.
pub struct WorkerBackend {
    layer: Arc<dyn Layer>,
    worker: String,
    timeout: Duration,
    turns: Turns,
    waiting: Mutex<HashMap<Box<str>, Waiter>>,
    metrics: Metrics,
}

impl WorkerBackend {
    /// The worker listening on the channel `worker`.
    pub fn new(config: &config::Backend, worker: &str, layer: Arc<dyn Layer>, metrics: Metrics) -> Self {
        Self {
            layer,
            worker: worker.to_owned(),
            timeout: config.timeout.0,
            turns: Turns::new(config.concurrency),
            waiting: Mutex::default(),
            metrics,
        }
    }

    /// Handles a message from the reply channel; returns whether it answered an open call.
    pub fn answered(&self, message: &Value) -> bool {
        let id = message.get("id").and_then(Value::as_str).unwrap_or_default();
        if message.get("type").and_then(Value::as_str) != Some(ANSWER) {
            warn_bounded!("a message on the reply channel does not have the type {ANSWER:?}");
            return false;
        }
        let Some(waiting) = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(id) else {
            // Too late, or a duplicate.
            return false;
        };
        let status = match message.get("status") {
            Some(Value::Int(status)) => u16::try_from(*status).unwrap_or(500),
            None => 200,
            Some(_) => 500,
        };
        let body = message.get("body").cloned().unwrap_or_default();
        let retry_after = message.get("retry_after").and_then(time_of);
        waiting.send(Answer { status, body, kind: BodyKind::Json, retry_after }).is_ok()
    }

    async fn asked(&self, request: CallRequest) -> Result<Answer, (CallResult, String)> {
        let overload = |_| (CallResult::Overload, "too many calls wait for the worker".to_owned());
        let _turn = self.turns.take().await.map_err(overload)?;
        let id = uuid::Uuid::new_v4().to_string();
        let no_way_back =
            || (CallResult::Unreachable, "the channel layer has no reply channel: a worker needs Redis".to_owned());
        let reply_channel = self.layer.reply_channel().ok_or_else(no_way_back)?;
        let (sender, answer) = oneshot::channel();
        let _waiting = PendingCall::new(self, &id, sender);
        let message: Value = [
            ("type", CALL.into()),
            ("id", id.as_str().into()),
            ("reply_channel", reply_channel.into()),
            ("action", (&*request.action).into()),
            ("data", request.data),
            ("user", request.user),
            ("connection", (&*request.connection).into()),
            ("consumer", (&*request.consumer).into()),
        ]
        .into_iter()
        .collect();
        self.layer.send(&self.worker, &message).await.map_err(|error| match error {
            LayerError::TooLarge(_) => (CallResult::RequestTooLarge, format!("the request: {error}")),
            error => (CallResult::Unreachable, error.to_string()),
        })?;
        drop(message);
        answer.await.map_err(|_| (CallResult::Broken, "the call was dropped".to_owned()))
    }
}

impl Backend for WorkerBackend {
    fn call(&self, request: CallRequest) -> BoxFuture<'_, Outcome> {
        Box::pin(async move {
            let (time, action) = (request.timeout.unwrap_or(self.timeout), Arc::clone(&request.action));
            let began = Instant::now();
            let ended = timeout_at(began + time, self.asked(request)).await;
            let late = |_| {
                let reason =
                    format!("no answer from a worker on the channel {:?} in {} ms", self.worker, time.as_millis());
                Err((CallResult::Timeout, reason))
            };
            let ended = ended.unwrap_or_else(late).map_err(|(ending, reason)| Unanswered { ending, reason });
            let (ending, outcome) = super::ended(&action, "worker", ended);
            self.metrics.backend_call(&action, ending.label(), began.elapsed());
            outcome
        })
    }
}

/// A time in seconds, which Python often has as a float (`exc.wait` of Django REST framework).
fn time_of(seconds: &Value) -> Option<Duration> {
    match seconds {
        Value::Int(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
        Value::Float(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
        _ => None,
    }
}

/// Removes the open call when its caller stops waiting.
struct PendingCall<'a> {
    backend: &'a WorkerBackend,
    id: Box<str>,
}

impl<'a> PendingCall<'a> {
    fn new(backend: &'a WorkerBackend, id: &str, sender: Waiter) -> Self {
        backend.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id.into(), sender);
        Self { backend, id: id.into() }
    }
}

impl Drop for PendingCall<'_> {
    fn drop(&mut self) {
        self.backend.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_of_seconds_that_is_not_negative() {
        let half = Duration::from_millis(2500);
        assert_eq!((time_of(&Value::Int(7)), time_of(&Value::Float(2.5))), (Some(Duration::from_secs(7)), Some(half)));
        for wrong in [Value::Int(-1), Value::Float(-0.5), Value::Float(f64::NAN), Value::Float(1e300), "7".into()] {
            assert_eq!(time_of(&wrong), None, "{wrong:?}");
        }
    }
}
