//! Calls to Django, and the cluster of nodes.

use serde::{Deserialize, Serialize};

use super::{Secret, Span};

/// Where consumers' calls go: over HTTP, or to a Channels worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backend {
    /// `http://` or `https://`; the action's name is appended as the last part of the path. Unset: no calls over HTTP.
    pub url: Option<String>,
    /// Signs every request, so that Django can check that a node sent it.
    pub secret: Option<Secret>,
    /// Maximum time for an answer, including waiting for a free slot and a retry.
    pub timeout: Span,
    /// Calls of this node at the same time.
    pub concurrency: usize,
    /// Maximum size of a call over HTTP, in bytes.
    pub max_request: usize,
    /// A channel of Django's channel layer, `worker`; if set, calls go there and not over HTTP.
    pub worker: Option<String>,
}

impl Default for Backend {
    fn default() -> Self {
        Self { url: None, secret: None, timeout: Span::seconds(5), concurrency: 64, max_request: 4 << 20, worker: None }
    }
}

/// Several nodes on one Redis.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// The name of this node in expressions (`node`); unset: its id, which is new at each start.
    pub name: Option<String>,
    /// Host and port at which the other nodes reach this one; unset: the listen address.
    pub address: Option<String>,
    /// How often a node sends a sign of life; after three that are missed it counts as dead.
    pub heartbeat: Span,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { name: None, address: None, heartbeat: Span::seconds(3) }
    }
}
