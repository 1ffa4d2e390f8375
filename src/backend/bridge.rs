//! Calls that run a project's own consumers in Django: one event of one connection each.
//!
//! In: a [`BridgeCall`]. Out: [`Line`]s, each as soon as the consumer does what it says; the last one is an [`End`].
//! docs/BACKEND.md describes the call.

mod call;
mod collector;
mod disconnects;
mod exchange;
mod http;
mod item;
mod line;
mod parse;
mod reach;
mod reader;
mod refusal;
mod report;
mod request;
mod services;
mod tagged;

pub use call::{BridgeCall, CallEvent, Sharing};
pub use http::HttpBridge;
pub use line::{Command, End, Failure, Line};

use std::{sync::Arc, time::Duration};

use futures_util::future::{self, BoxFuture};
use tokio::sync::mpsc;

use super::HttpBackendError;
use crate::{config, layer::Layer, telemetry::Metrics};

/// Lines that may wait for the session; beyond that, the answer is read no further.
pub const LINES: usize = 64;

/// Runs consumers.
pub trait Bridge: Send + Sync + 'static {
    /// Runs a consumer for one event. The request is closed when the lines are dropped.
    fn call(&self, call: BridgeCall) -> Lines;

    /// Runs `disconnect()` some time soon; the node passes on what it publishes.
    fn disconnect(&self, call: BridgeCall);

    /// Calls of open or closed connections that have not ended; `None` if there can be none.
    fn calls(&self) -> Option<usize> {
        None
    }

    /// Passes the disconnects that wait to Django, as fast as it takes them; gives up and counts the rest after
    /// `within`. For the end of a node, when no call is under way.
    fn drain(&self, _within: Duration) -> BoxFuture<'_, ()> {
        Box::pin(future::ready(()))
    }
}

/// The lines of one call, in order. After an [`End`] there are none.
pub struct Lines {
    lines: mpsc::Receiver<Line>,
    /// Counts the call while it is under way.
    _call: Option<Arc<()>>,
}

impl Lines {
    /// Lines, and where they come from.
    pub fn new() -> (mpsc::Sender<Line>, Self) {
        let (sender, receiver) = mpsc::channel(LINES);
        (sender, Self { lines: receiver, _call: None })
    }

    /// Counts in `calls` until they are dropped.
    fn counted(self, calls: &Arc<()>) -> Self {
        Self { _call: Some(Arc::clone(calls)), ..self }
    }

    /// The next line; without a last one the answer broke off.
    pub async fn next(&mut self) -> Line {
        self.lines
            .recv()
            .await
            .unwrap_or_else(|| Line::End(End::Failed(Failure::Broken("the node is stopping".to_owned()))))
    }
}

/// The bridge if no backend is configured.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoBridge;

impl Bridge for NoBridge {
    fn call(&self, _: BridgeCall) -> Lines {
        let (sender, lines) = Lines::new();
        let reason = "no backend is configured: set CHANNELGATE_BACKEND_URL".to_owned();
        // The channel has room for one.
        let _ = sender.try_send(Line::End(End::Failed(Failure::Misconfigured(reason))));
        lines
    }

    fn disconnect(&self, _: BridgeCall) {}
}

/// The bridge in the configuration; a client that connects has `connect` until it is answered.
///
/// # Errors
/// The URL is invalid.
pub fn choose(
    config: &config::Config,
    layer: &Arc<dyn Layer>,
    connect: Duration,
    metrics: Metrics,
) -> Result<SharedBridge, HttpBackendError> {
    match &config.backend.url {
        Some(url) => Ok(Arc::new(HttpBridge::new(config, url, connect, layer, metrics)?)),
        None => Ok(Arc::new(NoBridge)),
    }
}

/// A bridge as the parts of a node share it.
pub type SharedBridge = Arc<dyn Bridge>;
