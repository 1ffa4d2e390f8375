//! Questions to Django, and the nodes among themselves.

use serde::{Deserialize, Serialize};

use super::{Secret, Span};

/// Where questions of consumers go: over HTTP, or to a worker of Channels.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backend {
    /// `http://` or `https://`; the action's name is added as the last part of the path. Unset: no questions over HTTP.
    pub url: Option<String>,
    /// Signs every request, so that Django knows that it comes from a node.
    pub secret: Option<Secret>,
    /// How long an answer may take, with waiting for a turn and with a second try.
    pub timeout: Span,
    /// Questions asked at once by this node.
    pub concurrency: usize,
    /// Largest question over HTTP, in bytes.
    pub max_request: usize,
    /// A channel of Django's channel layer, `worker`; set: questions go there and not over HTTP.
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
    /// Where the other nodes reach this one, host and port; unset: where it listens.
    pub address: Option<String>,
    /// How often a node says that it lives; after three that are missed it counts as dead.
    pub heartbeat: Span,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { address: None, heartbeat: Span::seconds(3) }
    }
}
