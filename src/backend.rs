//! Questions to the Django backend, over HTTP or through a Channels worker: one contract for both.
//!
//! In: a [`CallRequest`]. Out: an [`Outcome`], always, within a deadline. What is asked is in docs/BACKEND.md.

mod http;
mod signature;
mod turns;
mod worker;

use std::sync::Arc;

use futures_util::future::{self, BoxFuture};

use crate::{
    config,
    consumer::{CallRequest, Outcome},
    layer::Layer,
    telemetry::Metrics,
};

pub use http::{HttpBackend, HttpBackendError, http_client};
pub use worker::WorkerBackend;

/// Somebody who answers questions.
pub trait Backend: Send + Sync + 'static {
    /// Asks; bounded in time and in how many ask at once.
    fn call(&self, request: CallRequest) -> BoxFuture<'_, Outcome>;
}

/// Where nobody is configured to answer.
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

/// A backend, and if it is a worker, that once more: whoever hears the node's reply channel hands it the messages.
pub type Choice = (Arc<dyn Backend>, Option<Arc<WorkerBackend>>);

/// The backend that the configuration names: a worker before a URL before none.
///
/// # Errors
/// A URL that is none.
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

/// How a question ended, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallResult {
    /// With a status.
    Answered(u16),
    /// Not in time.
    Timeout,
    /// Nobody took it.
    Unreachable,
    /// The connection broke, or what came was no answer.
    Broken,
    /// The answer is larger than it may be.
    TooLarge,
    /// The question is larger than it may be.
    RequestTooLarge,
    /// Too many wait already.
    Overload,
}

impl CallResult {
    /// The metric label.
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
