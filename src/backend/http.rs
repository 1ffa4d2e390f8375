//! Calls over HTTP: `POST <url>/<action>` with a JSON body; see docs/BACKEND.md for the contract.
//!
//! In: a [`CallRequest`]. Out: the status and the body, or the reason of the failure. Unless a request certainly never
//! left the node, Django may have executed it, so only an idempotent call is then retried. It follows no redirect, uses
//! no proxy and never logs a request's content.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use reqwest::Response;
use serde::Serialize;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout_at},
};
use url::Url;

use super::{
    Answer, Backend, CallResult, Unanswered,
    transport::{HttpBackendError, Transport, Trouble, retry_after},
    turns::Turns,
};
use crate::{
    config,
    consumer::{BodyKind, CallRequest, Outcome},
    event::Value,
    layer::codec::json,
    limited::{self, WriteError},
    telemetry::Metrics,
};

/// Maximum size of an answer's body, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// The pause before the second try.
const PAUSE: Duration = Duration::from_millis(50);

/// The backend behind a URL.
#[derive(Clone)]
pub struct HttpBackend(Arc<Shared>);

struct Shared {
    transport: Transport,
    timeout: Duration,
    turns: Turns,
    max_request: usize,
    metrics: Metrics,
    /// The runtime of the connections, which outlive the worker that opened them.
    runtime: Handle,
}

/// The body of a request.
#[derive(Serialize)]
struct Body<'a> {
    action: &'a str,
    data: &'a Value,
    user: &'a Value,
    connection: &'a str,
    consumer: &'a str,
}

/// One try.
struct Question<'a> {
    url: &'a Url,
    body: &'a bytes::Bytes,
    key: &'a str,
}

/// Why a try failed.
struct Failure {
    ending: CallResult,
    reason: String,
    /// The backend certainly did not receive the request.
    unsent: bool,
}

impl HttpBackend {
    /// The backend at `url`. Connections run on the caller's runtime.
    ///
    /// # Errors
    /// The URL is invalid.
    pub fn new(config: &config::Backend, url: &str, metrics: Metrics) -> Result<Self, HttpBackendError> {
        Ok(Self(Arc::new(Shared {
            transport: Transport::new(config, url)?,
            timeout: config.timeout.0,
            turns: Turns::new(config.concurrency),
            max_request: config.max_request,
            metrics,
            runtime: Handle::current(),
        })))
    }
}

impl Backend for HttpBackend {
    fn call(&self, request: CallRequest) -> BoxFuture<'_, Outcome> {
        let shared = Arc::clone(&self.0);
        let asking = self.0.runtime.spawn(async move { shared.call(request).await });
        Box::pin(async { asking.await.unwrap_or_else(|_| Outcome::Failed("the node is stopping".to_owned())) })
    }
}

impl Shared {
    async fn call(&self, request: CallRequest) -> Outcome {
        let action = Arc::clone(&request.action);
        let time = request.timeout.unwrap_or(self.timeout);
        let began = Instant::now();
        let deadline = began + time;
        let late = || Failure {
            ending: CallResult::Timeout,
            reason: format!("no answer in {} ms", time.as_millis()),
            unsent: false,
        };
        let ended = timeout_at(deadline, self.asked(request, deadline)).await.unwrap_or_else(|_| Err(late()));
        let ended = ended.map_err(|Failure { ending, reason, .. }| Unanswered { ending, reason });
        let (ending, outcome) = super::ended(&action, "backend", ended);
        self.metrics.backend_call(&action, ending.label(), began.elapsed());
        outcome
    }

    async fn asked(&self, request: CallRequest, deadline: Instant) -> Result<Answer, Failure> {
        // Encoded before waiting: the bytes take less memory than the values.
        let body = self.body(&request)?;
        let (action, idempotent) = (Arc::clone(&request.action), request.idempotent);
        drop(request);
        let _turn = self.turns.take().await.map_err(|_| Failure {
            ending: CallResult::Overload,
            reason: "too many calls wait for the backend".to_owned(),
            unsent: true,
        })?;
        let url = self.transport.to(&action);
        let key = uuid::Uuid::new_v4().to_string();
        let question = Question { url: &url, body: &body, key: &key };
        let first = self.once(&question).await;
        let again = match &first {
            Ok(Answer { status: 502..=504, .. }) => idempotent,
            Ok(_) => false,
            Err(failure) => failure.unsent || (idempotent && failure.ending == CallResult::Broken),
        };
        // Without time for a second try, the first error is more useful than a timeout.
        if !again || Instant::now() + PAUSE >= deadline {
            return first;
        }
        sleep(PAUSE).await;
        timeout_at(deadline, self.once(&question)).await.unwrap_or(first)
    }

    fn body(&self, request: &CallRequest) -> Result<bytes::Bytes, Failure> {
        let body = Body {
            action: &request.action,
            data: &request.data,
            user: &request.user,
            connection: &request.connection,
            consumer: &request.consumer,
        };
        match limited::json(&body, self.max_request) {
            Ok(body) => Ok(body.into()),
            Err(WriteError::TooLarge(limit)) => Err(Failure {
                ending: CallResult::RequestTooLarge,
                reason: format!("the request is larger than {limit} bytes (backend.max_request)"),
                unsent: true,
            }),
            Err(WriteError::Invalid(reason)) => Err(broken(reason)),
        }
    }

    async fn once(&self, question: &Question<'_>) -> Result<Answer, Failure> {
        let key = ("Idempotency-Key", question.key);
        let response = self.transport.post(question.url, question.body, key).await?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(&response));
        let (body, kind) = body_of(response).await?;
        Ok(Answer { status, body, kind, retry_after })
    }
}

/// The decoded body; null if it is not valid JSON.
async fn body_of(mut response: Response) -> Result<(Value, BodyKind), Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Trouble::of(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            let reason = format!("the answer is larger than {MAX_ANSWER} bytes");
            return Err(Failure { ending: CallResult::TooLarge, reason, unsent: false });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(match json::decode(&body) {
        Ok(value) => (value, BodyKind::Json),
        Err(_) if body.is_empty() => (Value::Null, BodyKind::Empty),
        Err(_) => (Value::Null, BodyKind::Other),
    })
}

fn broken(reason: String) -> Failure {
    Failure { ending: CallResult::Broken, reason, unsent: false }
}

impl From<Trouble> for Failure {
    fn from(Trouble { reason, unsent }: Trouble) -> Self {
        Self { ending: if unsent { CallResult::Unreachable } else { CallResult::Broken }, reason, unsent }
    }
}
