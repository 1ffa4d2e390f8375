//! Calls to the Django backend, over HTTP or through a Channels worker: one contract for both.
//!
//! In: a [`CallRequest`]. Out: always an [`Outcome`], within a deadline. docs/BACKEND.md describes the calls.

pub mod bridge;
mod http;
mod login;
mod signature;
mod transport;
mod turns;
mod worker;

use std::{sync::Arc, time::Duration};

use futures_util::future::{self, BoxFuture};

use crate::{
    auth::AskDjango,
    config,
    consumer::{BodyKind, CallRequest, Outcome},
    event::Value,
    layer::Layer,
    telemetry::Metrics,
    warn_bounded,
};

pub use crate::http_client::{NodeClients, http_client, unix_client};
pub use http::HttpBackend;
use login::LoginQuestions;
pub use transport::HttpBackendError;
pub use worker::WorkerBackend;

/// A backend that answers calls.
pub trait Backend: Send + Sync + 'static {
    /// Makes a call; its time and the number of concurrent calls are limited.
    fn call(&self, request: CallRequest) -> BoxFuture<'_, Outcome>;
}

/// The backend if none is configured.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoBackend;

impl Backend for NoBackend {
    fn call(&self, request: CallRequest) -> BoxFuture<'_, Outcome> {
        let reason = format!(
            "no backend is configured for {:?}: set CHANNELGATE_BACKEND_URL, or backend.worker",
            &*request.action
        );
        Box::pin(future::ready(Outcome::Failed(reason)))
    }
}

/// A backend; a worker is returned separately, too, because it needs the messages of the node's reply channel.
pub type Choice = (Arc<dyn Backend>, Option<Arc<WorkerBackend>>);

/// The backend in the configuration: a worker, else a URL, else none.
///
/// # Errors
/// The URL is invalid.
pub fn choose(config: &config::Backend, layer: &Arc<dyn Layer>, metrics: Metrics) -> Result<Choice, HttpBackendError> {
    match (&config.worker, &config.url) {
        (Some(worker), _) => {
            let worker = Arc::new(WorkerBackend::new(config, worker, Arc::clone(layer), metrics));
            Ok((Arc::clone(&worker) as Arc<dyn Backend>, Some(worker)))
        }
        (None, Some(url)) => Ok((Arc::new(HttpBackend::new(config, url, metrics)?), None)),
        (None, None) => Ok((Arc::new(NoBackend), None)),
    }
}

/// The way for `auth = ["django"]`: always over HTTP, because no credential passes through a channel layer. `None`
/// without a URL.
///
/// # Errors
/// The URL is invalid.
pub fn login(
    config: &config::Backend,
    (backend, worker): &Choice,
    metrics: Metrics,
) -> Result<Option<Arc<dyn AskDjango>>, HttpBackendError> {
    let Some(url) = &config.url else { return Ok(None) };
    let backend = match worker {
        Some(_) => Arc::new(HttpBackend::new(config, url, metrics.clone())?) as Arc<dyn Backend>,
        None => Arc::clone(backend),
    };
    Ok(Some(Arc::new(LoginQuestions::new(config, backend, metrics))))
}

/// The result of a call, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallResult {
    /// An answer with this status.
    Answered(u16),
    /// No answer in time.
    Timeout,
    /// The call could not be delivered.
    Unreachable,
    /// The connection broke, or the answer was malformed.
    Broken,
    /// The answer exceeds its limit.
    TooLarge,
    /// The request exceeds its limit.
    RequestTooLarge,
    /// Too many calls wait already.
    Overload,
}

/// The answer of a backend.
struct Answer {
    status: u16,
    body: Value,
    kind: BodyKind,
    retry_after: Option<Duration>,
}

/// A call without an answer.
struct Unanswered {
    ending: CallResult,
    reason: String,
}

/// The result of a call, and its outcome for the handler; a failure is logged.
fn ended(action: &str, who: &str, ended: Result<Answer, Unanswered>) -> (CallResult, Outcome) {
    match ended {
        Ok(Answer { status, body, kind, retry_after }) => {
            let retry_after = retry_after.map(|time| time.min(transport::MAX_RETRY_AFTER));
            (CallResult::Answered(status), Outcome::Answer { status, body, kind, retry_after })
        }
        Err(Unanswered { ending, reason }) => {
            warn_bounded!("the {who} did not answer {action:?}: {reason}");
            let outcome = match ending {
                CallResult::TooLarge => Outcome::Unusable(reason),
                CallResult::RequestTooLarge => Outcome::NotAsked(reason),
                _ => Outcome::Failed(reason),
            };
            (ending, outcome)
        }
    }
}

impl CallResult {
    /// The label in the metric.
    const fn label(self) -> &'static str {
        match self {
            Self::Answered(200..=299) => "2xx",
            Self::Answered(300..=399) => "3xx",
            Self::Answered(400..=499) => "4xx",
            Self::Answered(500..=599) => "5xx",
            Self::Answered(_) => "other",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::TooLarge => "too_large",
            Self::RequestTooLarge => "request_too_large",
            Self::Overload => "overload",
        }
    }
}
