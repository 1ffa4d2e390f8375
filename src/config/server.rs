//! Where the node listens, whom it trusts and how it stops.

use serde::{Deserialize, Serialize};

use super::Span;

/// Listening, origins, drain.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port.
    pub listen: String,
    /// Worker threads; 0 is one per core.
    pub workers: usize,
    /// Connections a node accepts, over all workers.
    pub max_connections: usize,
    /// Time for a client to send its request's headers.
    pub handshake_timeout: Span,
    /// `None`: the request's own host, and requests without an Origin pass. A list: Django's `ALLOWED_HOSTS` rules.
    pub allowed_origins: Option<Vec<String>>,
    /// After SIGTERM: how long readiness says 503 before the listener closes.
    pub drain_delay: Span,
    /// Over how long the connections are closed, evenly.
    pub drain_period: Span,
    /// How long a client may take to answer its Close before the connection is dropped.
    pub drain_grace: Span,
}

impl Server {
    /// How many worker threads there are.
    pub fn worker_threads(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from).min(32),
            workers => workers,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8000".to_owned(),
            workers: 0,
            max_connections: 100_000,
            handshake_timeout: Span::seconds(5),
            allowed_origins: None,
            drain_delay: Span::seconds(2),
            drain_period: Span::seconds(15),
            drain_grace: Span::seconds(5),
        }
    }
}

/// The live page.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Page {
    /// On or off; unset: on with the embedded layer, off with Redis.
    pub enabled: Option<bool>,
}
