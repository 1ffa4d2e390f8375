//! The bridge over HTTP: `POST <backend.url>/channels`; docs/BACKEND.md describes the call.
//!
//! In: a [`BridgeCall`]. Out: its [`Lines`]. Requests run on the node's runtime, so they outlive no connection's worker
//! and are closed when the lines are dropped.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::{
    Bridge, Lines, call::BridgeCall, collector::Collector, disconnects::Disconnects, exchange::exchange, report::Kind,
    services::CallServices,
};
use crate::{backend::HttpBackendError, config::Config, layer::Layer, telemetry::Metrics};

/// Runs consumers in the Django behind a URL.
pub struct HttpBridge {
    services: Arc<CallServices>,
    events: Arc<Collector>,
    disconnects: Arc<Disconnects>,
    /// The runtime of the requests.
    runtime: Handle,
    /// Held by the lines of each call.
    calls: Arc<()>,
}

impl HttpBridge {
    /// The bridge to the backend at `url`; a client that connects has `connect` until it is answered. What a
    /// `disconnect()` publishes goes to `layer`. Requests run on the caller's runtime.
    ///
    /// # Errors
    /// The URL is invalid.
    pub fn new(
        config: &Config,
        url: &str,
        connect: Duration,
        layer: &Arc<dyn Layer>,
        metrics: Metrics,
    ) -> Result<Self, HttpBackendError> {
        let runtime = Handle::current();
        let services = Arc::new(CallServices::new(&config.backend, &config.bridge, url, connect, metrics)?);
        let disconnects =
            Disconnects::new(&services, &config.bridge, config.backend.concurrency, layer, runtime.clone());
        Ok(Self {
            events: Collector::new(&services, runtime.clone()),
            services,
            disconnects,
            runtime,
            calls: Arc::default(),
        })
    }
}

impl Bridge for HttpBridge {
    fn call(&self, call: BridgeCall) -> Lines {
        let (sender, lines) = Lines::new();
        if let Some(item) = self.services.item(&call, sender) {
            if item.report.kind == Kind::Event {
                self.events.add(item);
            } else {
                let services = Arc::clone(&self.services);
                self.runtime.spawn(async move { exchange(&services, &mut [item], None).await });
            }
        }
        lines.counted(&self.calls)
    }

    fn calls(&self) -> Option<usize> {
        Some(Arc::strong_count(&self.calls) - 1)
    }

    fn disconnect(&self, call: BridgeCall) {
        self.disconnects.add(call);
    }

    fn drain(&self, within: Duration) -> BoxFuture<'_, ()> {
        Box::pin(self.disconnects.drain(within))
    }
}
